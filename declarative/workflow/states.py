"""The recorded state: what reads it, what edits it, and its lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from declarative.errors import DeclarativeError, StateError, UsageError
from declarative.model import Address, Begun, Closed, Dropped, Json, Put, Record, Resource, Run
from declarative.state import Holder, Point, Restored, Seen, State
from declarative.workflow.addresses import parse_address, recorded_address
from declarative.workflow.backends import local_folder_of, read_state, store_of, writing
from declarative.workflow.execution import record
from declarative.workflow.manifests import stack_of
from declarative.workflow.project import Project
from declarative.workflow.sessions import open_at, recovered_ledger
from declarative.workflow.watch import Watch


def show(project: Project) -> State:
    """The recorded state."""
    stack = stack_of(project)
    return read_state(project, stack, store_of(project, stack))


def state_folders(project: Project) -> tuple[Path, ...]:
    """The folders that hold nothing but states and embedded worlds, as far as they can be told; needs no cloud."""
    own = project.folder / ".declarative"
    try:
        local = local_folder_of(project, stack_of(project))
    except DeclarativeError:  # whoever plans hears of it, with all that is wrong
        return (own,)
    return (own, local) if local is not None else (own,)


def outputs(project: Project) -> Mapping[str, Json]:
    """The recorded outputs."""
    return show(project).outputs


def state_list(project: Project) -> tuple[Resource, ...]:
    """All recorded objects, by address."""
    resources = show(project).resources
    return tuple(resources[address] for address in sorted(resources))


def state_show(project: Project, address: str) -> Resource:
    """One recorded object. Raises UsageError when it is not recorded."""
    resources = show(project).resources
    return resources[recorded_address(resources, address)]


def state_history(project: Project) -> tuple[Run, ...]:
    """The runs that have written this state, oldest first."""
    return tuple(show(project).history)


def state_points(project: Project) -> tuple[Point, ...]:
    """The serials that the state can be restored to, also when it can't be read any more."""
    return tuple(store_of(project, stack_of(project)).points())


def lock_show(project: Project) -> Seen | None:
    """Who holds the state's lock."""
    return store_of(project, stack_of(project)).lock_seen()


def lock_break(project: Project, lock_id: str, *, force: bool = False) -> Holder:
    """Take the lock away from a holder that is gone, and return it.

    Raises LockHeld while it lives, and where nobody can know that and `force` is not set.
    """
    store = store_of(project, stack_of(project))
    return store.break_lock(lock_id, force=force, sleep=project.clock.pause)


async def state_mv(project: Project, source: str, target: str, *, watch: Watch) -> None:
    """Record an object under another address; the cloud is not touched, nor asked unless something is still open.

    What stays open of the object moves with it.
    """
    stack = stack_of(project)
    async with writing(project, stack, "state mv") as store:
        ledger = await recovered_ledger(project, stack, store, watch)
        resources = ledger.state.resources
        old, new = recorded_address(resources, source), parse_address(target)
        if new in resources:
            raise UsageError(f"{new} is recorded already", "Choose another address, or remove that one first.")
        if new.kind != old.kind:
            raise UsageError(f"{old} can't become a {new.kind}", "Keep the kind.")
        if open_at(ledger.state, new):
            raise StateError(
                f"an earlier operation of {new} is still open",
                "Apply until it has ended, or import what it has made; or choose another address.",
            )
        moved = [replace(one, resource=replace(one.resource, address=new)) for one in open_at(ledger.state, old)]
        records: tuple[Record, ...] = (Dropped(old), Put(replace(resources[old], address=new)), *map(Begun, moved))
        await record(project, ledger, f"state mv {old} {new}", records)


async def state_rm(project: Project, addresses: Sequence[str], *, watch: Watch) -> tuple[Address, ...]:
    """Forget objects, and what is still open of them; they stay in the cloud, and are no longer managed.

    The cloud is not asked, unless something is still open. An address of which only an operation is open is fine too.
    """
    stack = stack_of(project)
    async with writing(project, stack, "state rm") as store:
        ledger = await recovered_ledger(project, stack, store, watch)
        known = ledger.state.resources.keys() | {one.resource.address for one in ledger.state.operations.values()}
        removed = tuple(recorded_address(known, address) for address in addresses)
        closed = [Closed(one.id) for address in removed for one in open_at(ledger.state, address)]
        dropped = [Dropped(address) for address in removed if address in ledger.state.resources]
        await record(project, ledger, "state rm", (*dropped, *closed))
        return removed


async def state_restore(project: Project, serial: int) -> Restored:
    """Go back to what was recorded at `serial`; what is replaced is kept, the cloud neither touched nor asked.

    Raises StateError when nothing that is whole leads to that serial.
    """
    from declarative.applier import Ledger

    async with writing(project, stack_of(project), "state restore") as store:
        restored = store.restore(serial)
        ledger = Ledger(store.read(), store, blocking=project.blocking)
        await record(project, ledger, f"state restore {serial}", ())
        return restored
