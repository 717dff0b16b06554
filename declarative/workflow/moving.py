"""The state as a whole: pulled into a file, pushed, compared, bound anew, recovered, moved to another store."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from declarative.errors import StateConflict, StateError, UsageError, visible
from declarative.model import Address, Binding, Change, Operation, Resource
from declarative.planner.differences import input_changes
from declarative.state import State, Store, snapshot
from declarative.state.recovery_file import Recovery, read_recovery, says_nothing_new
from declarative.workflow.backends import cloud_of, read_state, store_of, writing
from declarative.workflow.execution import record
from declarative.workflow.manifests import stack_of
from declarative.workflow.ownership import binding_here, check_owner
from declarative.workflow.project import Project


@dataclass(frozen=True, slots=True)
class StateDifference:
    """What one state has other than another, `old`; `changed`: the inputs and attributes that differ, by address."""

    old: State
    new: State
    added: tuple[Resource, ...]
    removed: tuple[Resource, ...]
    changed: dict[Address, tuple[Change, ...]]
    opened: tuple[Operation, ...]
    closed: tuple[Operation, ...]

    @property
    def is_empty(self) -> bool:
        """True when both tell of the same objects and operations."""
        return not (self.added or self.removed or self.changed or self.opened or self.closed)


def state_pull(project: Project) -> bytes:
    """The state's text, whole and sealed. Raises StateError where there has never been one."""
    stack = stack_of(project)
    store = store_of(project, stack)
    state = read_state(project, stack, store)
    _require_one(state, store)
    return snapshot.encode(state)


def state_diff(project: Project, text: bytes, *, source: str) -> StateDifference:
    """What a pulled state has other than the recorded one: what a push of it would change."""
    stack = stack_of(project)
    new = snapshot.decode(text, source=source)
    return difference(read_state(project, stack, store_of(project, stack)), new)


def difference(old: State, new: State) -> StateDifference:
    """What `new` has other than `old`."""
    before, after = old.resources, new.resources
    both = sorted(before.keys() & after.keys())
    return StateDifference(
        old,
        new,
        added=tuple(after[one] for one in sorted(after.keys() - before.keys())),
        removed=tuple(before[one] for one in sorted(before.keys() - after.keys())),
        changed={one: tuple(_changes(before[one], after[one])) for one in both if before[one] != after[one]},
        opened=tuple(one for one in new.operations.values() if old.operations.get(one.id) != one),
        closed=tuple(one for one in old.operations.values() if one.id not in new.operations),
    )


def _changes(old: Resource, new: Resource) -> Iterator[Change]:
    if old.id != new.id:
        yield Change("id", old.id, new.id)
    yield from input_changes(old.inputs, new.inputs)
    for change in input_changes(old.attributes, new.attributes):
        yield replace(change, field=f"attributes.{change.field}")


async def state_push(project: Project, text: bytes, *, source: str, force: bool) -> str:
    """Put a pulled state in place of the recorded one, which is kept; returns where.

    Raises StateError for the state of another stack, and without `force` for one of another lineage, an older one, and
    where the recorded one can't be read.
    """
    new, stack = snapshot.decode(text, source=source), stack_of(project)
    check_owner(project, stack, new)
    async with writing(project, stack, "state push") as store:
        old = _old(store, force=force)
        if old is not None and not force:
            _refuse_backwards(old, new, source)
        new.serial = max(new.serial, old.serial if old is not None else 0) + 1
        kept = store.replace(new)
        await _remember(project, store, f"state push {visible(source, limit=120)}")
        return kept


def _old(store: Store, *, force: bool) -> State | None:
    try:
        state = store.read()
    except StateConflict:
        raise
    except StateError:
        if not force:
            raise
        return None
    return state if has_been(state) else None


def has_been(state: State) -> bool:
    """False for the state of a stack that has never been applied."""
    return bool(state.serial or state.resources or state.operations)


def _refuse_backwards(old: State, new: State, source: str) -> None:
    fix = "Look at both with `declarative state diff`; --force puts it in place all the same, and keeps what is there."
    if old.lineage != new.lineage:
        raise StateError(f"{visible(source)} is of another lineage than the recorded state", fix)
    if old.serial > new.serial:
        raise StateError(
            f"{visible(source)} stands at serial {new.serial}, and the recorded state at {old.serial}", fix
        )


async def state_rebind(
    project: Project, *, confirm: Callable[[Binding | None, Binding], None]
) -> tuple[Binding | None, Binding]:
    """Bind the state to the cloud, stack and folder at hand; returns what it was bound to, and is now.

    `confirm` sees both before anything is written, and raises what ends it. Raises StateError while an operation is
    open and the cloud is another: in that one it would never be found.
    """
    stack = stack_of(project)
    async with writing(project, stack, "state rebind") as store, cloud_of(project, stack) as provider:
        state = store.read()
        _require_one(state, store)
        old, new = state.binding, binding_here(project, stack, provider.binding)
        if old == new:
            return old, new
        if old is not None and state.operations and old.project_id != new.project_id:
            address = next(iter(state.operations.values())).resource.address
            raise StateError(
                f"an operation of {address} is still open in project {visible(old.project_id)}",
                "Apply there until it has ended; then rebind.",
            )
        confirm(old, new)
        state.binding, after = new, state.serial
        state.serial += 1
        store.write(state, after=after)
        await _remember(project, store, "state rebind")
        return old, new


@dataclass(frozen=True, slots=True)
class Migrated:
    """A state that has moved: from and to which address, and how far along it is. `again`: it had been done before."""

    source: str
    target: str
    serial: int
    objects: int
    again: bool = False


async def state_migrate(project: Project, address: str) -> Migrated:
    """Move the state to another address: copy it, read it back, and leave the word where it went.

    Killed anywhere, a second call goes on. Raises StateError when there is nothing to move, and when another state, or
    a later one, is at the target.
    """
    stack, there = stack_of(project), replace(project, state=address)
    source, target = store_of(project, stack), store_of(there, stack)
    if source.address == target.address:
        raise UsageError("the state is at that address", "Name another one.")
    if source.moved_to() == address:
        state = read_state(there, stack, target)
        return Migrated(source.address, target.address, state.serial, len(state.resources), again=True)
    async with writing(project, stack, "state migrate") as source, writing(there, stack, "state migrate") as target:
        state = read_state(project, stack, source)
        _require_one(state, source)
        _copy(state, source, target)
        if snapshot.encode(target.read()) != snapshot.encode(state):
            raise StateError(
                f"what {target.address} gives back is not what was written to it", "The state is where it was."
            )
        source.move_to(address)
        return Migrated(source.address, target.address, state.serial, len(state.resources))


def _copy(state: State, source: Store, target: Store) -> None:
    if target.moved_to() == source.address:  # the way back
        target.replace(state)
        return
    there = target.read()
    if not has_been(there):
        target.write(state, after=there.serial)
        return
    if there.lineage != state.lineage:
        raise StateError(
            f"{target.address} holds another state already", "Name another address, or move that one first."
        )
    if there.serial > state.serial:
        raise StateError(
            f"{target.address} holds this state at serial {there.serial} already, later than {state.serial}",
            "That one is in use: use that address. To compare: `declarative state pull`, then `state diff`.",
        )
    if snapshot.encode(there) != snapshot.encode(state):
        target.replace(state)


@dataclass(frozen=True, slots=True)
class Recovered:
    """A recovery file and what became of it: its records are in the state now, or were `there` already."""

    recovery: Recovery
    there: bool


async def state_recover(project: Project, text: bytes, *, source: str, show: Callable[[Recovery], None]) -> Recovered:
    """Append what a run could not record. `show` sees it first.

    Raises StateError where the state has moved on otherwise: then a person judges.
    """
    kept, stack = read_recovery(_plain(text), source=source), stack_of(project)
    show(kept)
    async with writing(project, stack, "state recover") as store:
        state = read_state(project, stack, store)
        if state.lineage == kept.lineage and says_nothing_new(state, kept.records):
            return Recovered(kept, there=True)
        fits = state.lineage == kept.lineage or not has_been(state)
        if not fits or state.serial != kept.after:
            raise kept.refusal(state)
        if state.lineage != kept.lineage:
            state.lineage = kept.lineage
            store.write(state, after=0)
        store.append(kept.records, after=kept.after)
        return Recovered(kept, there=False)


def _plain(text: bytes) -> bytes:
    """A recovery file's content, also as the text that a run prints where it can't write a file."""
    mark = b"base64:"
    if not text.startswith(mark):
        return text
    try:
        return base64.b64decode(text[len(mark) :].strip(), validate=True)
    except binascii.Error as error:
        raise StateError("the text behind `base64:` is cut or changed", "Copy it whole.") from error


def _require_one(state: State, store: Store) -> None:
    if not has_been(state):
        raise StateError(
            f"there is no state at {store.address}", "Apply makes one; --state or DECLARATIVE_STATE names another."
        )


async def _remember(project: Project, store: Store, command: str) -> None:
    """Write a line of history."""
    from declarative.applier import Ledger

    await record(project, Ledger(store.read(), store, blocking=project.blocking), command, ())
