"""Each command's whole journey, top to bottom: the rooms joined, the lock taken first and released last."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from declarative import __version__, manifest
from declarative.addresses import parse_address, recorded_address
from declarative.apply.together import heard
from declarative.errors import (
    DeclarativeError,
    Diagnostic,
    Interrupted,
    StateError,
    UsageError,
    visible,
)
from declarative.execution import Applied, carry_out, raise_trouble, record
from declarative.imports import chosen_imports, new_imports, read_imports
from declarative.judged import judged_here
from declarative.kinds import KINDS
from declarative.model import (
    Action,
    Address,
    Basis,
    Begun,
    Binding,
    Closed,
    Consent,
    DesiredView,
    Dropped,
    Event,
    Json,
    Lookups,
    OpenOperation,
    Operation,
    Plan,
    Put,
    Reason,
    Record,
    Resource,
    Run,
    Stack,
    Step,
)
from declarative.planner import (
    PlanRequest,
    aware_of_twins,
    kinds_with_twins,
    make_plan,
    offline_findings,
    with_consents,
)
from declarative.project import (
    Project,
    check_binding,
    cloud_of,
    local_folder_of,
    store_of,
    writing,
)
from declarative.refresh import REFRESH_TIME, domains_of, note_ids, observe, read_kinds, refresh
from declarative.saved import (
    desired_of,
    refuse_expired,
    refuse_other_cloud,
    refuse_stale,
    reviewed_plan,
    settings,
)
from declarative.state import Holder, Point, Restored, State, Store

if TYPE_CHECKING:
    from declarative.apply import Ledger, Session
    from declarative.provider import Provider
    from declarative.reporting.exporter import Exported
    from declarative.reporting.health import Report

T = TypeVar("T")

_PLAN_LIFE = timedelta(days=1)


class Watch(Protocol):
    """How a run talks to its front end."""

    def event(self, event: Event) -> None:
        """Show one event."""

    def review(self, plan: Plan) -> Plan:
        """Show the plan and ask. Returns it, after a person's yes as `agreed(plan)`; raises what ends the run.

        Whether all dangers are consented to is judged afterwards, whatever is returned.
        """


class Declined(DeclarativeError):
    """The question whether to apply was answered with no."""


# ---------------------------------------------------------------- commands that only read


def validate(project: Project) -> tuple[Diagnostic, ...]:
    """All findings of all files: of the manifests themselves, and what every plan would refuse."""
    chosen = None if project.environment == "default" else project.environment
    with _environment_known(project):
        return manifest.validate(project.folder, environment=chosen, sources=project.sources(), judge=offline_findings)


async def plan(project: Project, request: PlanRequest) -> Plan:
    """What `apply` would do. Takes no lock and writes nothing."""
    desired, warnings = _resolve(project)
    state = store_of(project, desired.stack).read()
    async with cloud_of(project, desired.stack) as provider:
        check_binding(state, provider.binding)
        session = _session(project, provider, desired.stack, state, store=None, emit=_nobody)
        from declarative.apply import glance

        open_ = await glance(session) if request.refreshed else _all_open(state)
        return await _make_plan(project, request, desired, session, open_=open_, warnings=warnings)


def show(project: Project) -> State:
    """The recorded state."""
    return store_of(project, _stack(project)).read()


def state_folders(project: Project) -> tuple[Path, ...]:
    """The folders that hold nothing but states and embedded worlds, as far as they can be told; needs no cloud."""
    own = project.folder / ".declarative"
    try:
        local = local_folder_of(project, _stack(project))
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
    return tuple(store_of(project, _stack(project)).points())


def lock_show(project: Project) -> Holder | None:
    """Who holds the state's lock."""
    return store_of(project, _stack(project)).holder()


def lock_break(project: Project, lock_id: str) -> Holder:
    """Take the lock away from a holder that is gone, and return it. Raises LockHeld while it lives."""
    return store_of(project, _stack(project)).break_lock(lock_id)


def schema(kind: str | None) -> str:
    """A JSON Schema: of one kind, or of any manifest document."""
    return manifest.schema_text(kind)


async def status(project: Project, address: str | None = None) -> Report:
    """How the recorded groups and their members are just now, or those of one address.

    Takes no lock and writes nothing. Raises UsageError when the address is not recorded.
    """
    from declarative.reporting.health import Report, report

    stack = _stack(project)
    state = store_of(project, stack).read()
    only = recorded_address(state.resources, address) if address is not None else None
    if not state.resources:
        return Report()
    async with cloud_of(project, stack) as provider:
        check_binding(state, provider.binding)
        session = _session(project, provider, stack, state, store=None, emit=_nobody)
        observed = await read_kinds(session, KINDS)
    for finding in session.findings:
        project.warn(finding)
    return report(state.resources, observed, only=only)


async def export(project: Project, *, target: Path) -> Exported:
    """Manifests of all that is in the cloud, as texts, for a new stack in the folder `target`, and called after it.

    The project's own stack says which cloud, if there is one; nothing is locked, recorded or written. Raises UsageError
    when the new stack would lie in that one.
    """
    from declarative.reporting.exporter import export as described

    stack, name = _stack_to_export_from(project, target)
    async with cloud_of(project, stack) as provider:
        session = _session(project, provider, stack, State(lineage=""), store=None, emit=_nobody)
        seen = await read_kinds(session, KINDS)
        lookups = Lookups(await domains_of(session))
        session.say_what_is_missing()
        region = "" if stack.simulator else provider.binding.region
    found = described(replace(seen, lookups=lookups), stack=name, region=region, simulator=stack.simulator)
    return replace(found, notes=(*found.notes, *(finding.summary for finding in session.findings)))


# ---------------------------------------------------------------- commands that change


async def apply(project: Project, request: PlanRequest, *, watch: Watch, interrupt: asyncio.Event) -> Applied:
    """Plan under the lock, have it reviewed, carry it out."""
    desired, warnings = _resolve(project)
    command = "destroy" if request.destroy else "apply"
    async with (
        writing(project, desired.stack, command, interrupt) as store,
        cloud_of(project, desired.stack) as provider,
    ):
        session = await _unless(interrupt, _settled_session(project, desired.stack, provider, store, watch))
        open_ = _all_open(session.ledger.state)
        made = await _unless(interrupt, _make_plan(project, request, desired, session, open_=open_, warnings=warnings))
        await _unless(interrupt, _know_what_is_there(session, made))
        reviewed = _reviewed(watch, made, interrupt)
        return await carry_out(project, reviewed, session, interrupt, command=command)


async def apply_saved(
    project: Project,
    text: str,
    *,
    source: str,
    sha256: str | None,
    consents: Sequence[Consent],
    watch: Watch,
    interrupt: asyncio.Event,
) -> Applied:
    """Carry out a saved plan, once, and only where and while it holds. Raises PlanRefused otherwise."""
    saved, digest = reviewed_plan(text, source=source, sha256=sha256)
    project = replace(project, environment=saved.basis.environment)
    desired = desired_of(project, saved)
    stack = desired.stack if desired is not None else settings(saved)
    refuse_expired(project, saved)
    async with (
        writing(project, stack, "apply", interrupt, begins=saved.basis.lineage) as store,
        cloud_of(project, stack) as provider,
    ):
        state = store.read()
        check_binding(state, provider.binding)
        refuse_other_cloud(provider.binding, saved)
        resumed = refuse_stale(state, saved, digest)
        session = await _unless(interrupt, _settled_session(project, stack, provider, store, watch, state=state))
        finished = session.ledger.state.progress.steps if resumed and session.ledger.state.progress else set()
        judged = await _unless(
            interrupt, judged_here(session, saved, desired, finished=finished, open_=_all_open(session.ledger.state))
        )
        reviewed = _reviewed(watch, with_consents(judged, tuple(consents)), interrupt)
        return await carry_out(
            project,
            reviewed,
            session,
            interrupt,
            command="apply",
            finished=finished,
            digest=digest,
            whole=len(judged.steps) == len(saved.steps),
        )


async def import_objects(project: Project, wanted: Sequence[tuple[str, str]], *, watch: Watch) -> tuple[Resource, ...]:
    """Record objects that exist in the cloud under addresses that the manifests declare: all of them, or none.

    `wanted` holds addresses with ids. What is as its manifest says is recorded as if an apply had made it so; of the
    rest the next plan shows what differs. Raises UsageError for an address that is not declared or stands there twice,
    InputError with all that speaks against recording the others.
    """
    desired, _ = _resolve(project)
    chosen = chosen_imports(desired, wanted)
    async with writing(project, desired.stack, "import") as store, cloud_of(project, desired.stack) as provider:
        session = await _settled_session(project, desired.stack, provider, store, watch)
        resources = session.ledger.state.resources
        new = new_imports(resources, chosen)
        if new:
            imported = await read_imports(session, desired, new)
            settled = (Closed(one.id) for address in new for one in _open_at(session.ledger.state, address))
            await session.ledger.bind(provider.binding)
            await record(project, session.ledger, _import_title(new), (*map(Put, imported), *settled))
        return tuple(resources[address] for address in chosen)


def _import_title(new: Collection[Address]) -> str:
    first, *more = sorted(new)
    return f"import {first}" + (f" and {len(more)} more" if more else "")


async def state_mv(project: Project, source: str, target: str, *, watch: Watch) -> None:
    """Record an object under another address; the cloud is not touched, nor asked unless something is still open.

    What stays open of the object moves with it.
    """
    stack = _stack(project)
    async with writing(project, stack, "state mv") as store:
        ledger = await _settled_ledger(project, stack, store, watch)
        resources = ledger.state.resources
        old, new = recorded_address(resources, source), parse_address(target)
        if new in resources:
            raise UsageError(f"{new} is recorded already", "Choose another address, or remove that one first.")
        if new.kind != old.kind:
            raise UsageError(f"{old} can't become a {new.kind}", "Keep the kind.")
        if _open_at(ledger.state, new):
            raise StateError(
                f"an earlier operation of {new} is not settled",
                "Apply until it is, or import what it has made; or choose another address.",
            )
        moved = [replace(one, resource=replace(one.resource, address=new)) for one in _open_at(ledger.state, old)]
        records: tuple[Record, ...] = (Dropped(old), Put(replace(resources[old], address=new)), *map(Begun, moved))
        await record(project, ledger, f"state mv {old} {new}", records)


async def state_rm(project: Project, addresses: Sequence[str], *, watch: Watch) -> tuple[Address, ...]:
    """Forget objects, and what is still open of them; they stay in the cloud, and are no longer managed.

    The cloud is not asked, unless something is still open. An address of which only an operation is open is fine too.
    """
    stack = _stack(project)
    async with writing(project, stack, "state rm") as store:
        ledger = await _settled_ledger(project, stack, store, watch)
        known = ledger.state.resources.keys() | {one.resource.address for one in ledger.state.operations.values()}
        removed = tuple(recorded_address(known, address) for address in addresses)
        closed = [Closed(one.id) for address in removed for one in _open_at(ledger.state, address)]
        dropped = [Dropped(address) for address in removed if address in ledger.state.resources]
        await record(project, ledger, "state rm", (*dropped, *closed))
        return removed


async def state_restore(project: Project, serial: int) -> Restored:
    """Go back to what was recorded at `serial`; what is replaced is kept, the cloud neither touched nor asked.

    Raises StateError when nothing that is whole leads to that serial.
    """
    from declarative.apply import Ledger

    async with writing(project, _stack(project), "state restore") as store:
        restored = store.restore(serial)
        ledger = Ledger(store.read(), store, blocking=project.blocking)
        await record(project, ledger, f"state restore {serial}", ())
        return restored


# ---------------------------------------------------------------- the parts they share


def _resolve(project: Project) -> tuple[DesiredView, tuple[Diagnostic, ...]]:
    loaded = manifest.load(project.folder, variable_files=project.var_files)
    with _environment_known(project):
        return manifest.resolve(loaded, environment=project.environment, sources=project.sources())


def _stack(project: Project) -> Stack:
    with _environment_known(project):
        return manifest.stack_of(project.folder, environment=project.environment)


@contextmanager
def _environment_known(project: Project) -> Iterator[None]:
    """Where the environment's file is gone and its objects are not, say so: they go on costing."""
    try:
        yield
    except manifest.EnvironmentMissing as error:
        count = _recorded(project)
        if not count:
            raise
        file = project.folder / "environments" / f"{project.environment}.yaml"
        objects = "1 object is" if count == 1 else f"{count} objects are"
        raise manifest.EnvironmentMissing(
            f"{error.summary}, yet {objects} recorded for it",
            f"Bring {visible(file)} back to look at or destroy what is recorded; where every variable has a default,"
            f" an empty file will do. {error.fix}",
        ) from error


def _recorded(project: Project) -> int:
    """How many objects are recorded for an environment without a file; 0 also when that can't be told."""
    stack = Stack(name="")
    with suppress(DeclarativeError):
        stack = manifest.stack_of(project.folder)
    try:
        return len(store_of(project, stack).read().resources)
    except DeclarativeError:
        return 0


def _stack_to_export_from(project: Project, target: Path) -> tuple[Stack, str]:
    """The settings of the folder's stack, empty ones where there is none, and the name of the new one's folder."""
    place = target.resolve()
    for folder in (place, *place.parents):
        if _is_of_a_stack(folder):
            beside = folder.parent / (place.name if place != folder else "exported")
            raise UsageError(
                f"{visible(target)} lies in the folder of a stack, {visible(folder)}, which can't hold a second one",
                f"Name a folder beside it, for example {visible(os.path.relpath(beside, project.folder))}.",
            )
    if _is_of_a_stack(place, below=True):
        raise UsageError(
            f"{visible(target)} holds other stacks, which would become a part of the new one",
            "Name a folder of its own, for example exported.",
        )
    return (_stack(project) if manifest.holds_stack(project.folder) else Stack(name="")), place.name


def _is_of_a_stack(folder: Path, *, below: bool = False) -> bool:
    try:
        return manifest.holds_stack(folder, below=below)
    except DeclarativeError:
        return False  # not there yet, or nothing that we may read


def _session(
    project: Project,
    provider: Provider,
    stack: Stack,
    state: State,
    *,
    store: Store | None,
    emit: Callable[[Event], None],
) -> Session:
    from declarative.apply import LOOKED, Ledger, Lookout, Session

    clock, timeouts = project.clock, {**stack.timeouts, **project.timeouts}
    session = Session(
        provider=provider,
        ledger=Ledger(state, store, blocking=project.blocking),
        lookout=Lookout(provider, clock, trust=float(timeouts.get("look", LOOKED))),
        clock=clock,
        emit=emit,
        timeouts=timeouts,
        ends=clock.monotonic() + project.timeout if project.timeout is not None else float("inf"),
    )
    provider.on_notice = session.warn
    return session


async def _settled_session(
    project: Project, stack: Stack, provider: Provider, store: Store, watch: Watch, *, state: State | None = None
) -> Session:
    """A session on the locked state, with the operations of earlier runs settled as far as they can be."""
    from declarative.apply import settle

    state = state or store.read()
    check_binding(state, provider.binding)
    session = _session(project, provider, stack, state, store=store, emit=watch.event)
    if state.operations:
        try:
            for operation in await settle(session):
                session.warn(f"{operation.address}: {operation.message}", address=operation.address)
        finally:
            await session.ledger.close()
        raise_trouble(session.ledger)
    return session


async def _settled_ledger(project: Project, stack: Stack, store: Store, watch: Watch) -> Ledger:
    """The ledger of the locked state. Only what earlier runs left open takes a look at the cloud."""
    from declarative.apply import Ledger

    state = store.read()
    if not state.operations:
        return Ledger(state, store, blocking=project.blocking)
    async with cloud_of(project, stack) as provider:
        return (await _settled_session(project, stack, provider, store, watch, state=state)).ledger


def _open_at(state: State, address: Address) -> list[Operation]:
    return [operation for operation in state.operations.values() if operation.resource.address == address]


def _all_open(state: State) -> tuple[OpenOperation, ...]:
    return tuple(
        OpenOperation(
            operation.resource.address,
            operation.action,
            f"an earlier {operation.action.value} is not settled; apply looks first",
            operation.resource.inputs if operation.action is Action.CREATE else {},
        )
        for operation in state.operations.values()
    )


async def _make_plan(
    project: Project,
    request: PlanRequest,
    desired: DesiredView,
    session: Session,
    *,
    open_: Sequence[OpenOperation],
    warnings: Sequence[Diagnostic],
) -> Plan:
    state = session.ledger.state
    observed = await observe(request, desired, session)
    note_ids(session, observed)
    made = make_plan(
        desired,
        state.resources,
        observed,
        request=request,
        basis=_basis(project, request, desired, state, session.provider.binding),
        recorded_outputs=state.outputs,
        open=tuple(open_),
        # Where nobody listens to events, the plan itself says what was noticed while it was made.
        warnings=(*warnings, *(session.findings if session.emit is _nobody else ())),
    )
    if not request.refreshed and (kinds := kinds_with_twins(made)):
        listings = await session.provider.listings(kinds, deadline=session.until(REFRESH_TIME))
        objects = {name: listing.objects for name, listing in listings.items()}
        made = aware_of_twins(made, objects, state.resources)
    gone = {step.address for step in made.steps if step.reason is Reason.GONE_FROM_MANIFESTS}
    if not gone:
        return made
    return replace(made, warnings=(*made.warnings, *manifest.still_written(project.folder, gone)))


def _basis(project: Project, request: PlanRequest, desired: DesiredView, state: State, binding: Binding) -> Basis:
    now = project.clock.utcnow()
    return Basis(
        stack=desired.stack.name,
        environment=desired.environment,
        desired=desired.digest,
        inputs=desired.inputs,
        binding=binding,
        lineage=state.lineage,
        serial=state.serial,
        tool=__version__,
        created=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        expires=(now + _PLAN_LIFE).strftime("%Y-%m-%dT%H:%M:%SZ"),
        destroy=request.destroy,
        refresh_only=request.refresh_only,
        refreshed=request.refreshed,
    )


async def _unless(interrupt: asyncio.Event, work: Coroutine[None, None, T]) -> T:
    """Await `work`, which only looks; an interrupt leaves it a few seconds to hear its answers."""
    task = asyncio.ensure_future(work)
    if not await heard(task, interrupt):
        task.cancel()
        await asyncio.wait({task})
        raise Interrupted
    return task.result()


def _reviewed(watch: Watch, made: Plan, interrupt: asyncio.Event) -> Plan:
    """Have the plan reviewed; after an interrupt nobody is asked any more."""
    if interrupt.is_set() and made.has_changes():
        raise Interrupted
    return watch.review(made)


async def _know_what_is_there(session: Session, made: Plan) -> None:
    """A plan that was made without a refresh under this lock still needs the pre-image of what it creates.

    Of what it deletes, it needs to know what came with it.
    """
    if not made.basis.refreshed and any(_needs_a_look(step) for step in made.steps):
        note_ids(session, await refresh(session, planned=True))


def _needs_a_look(step: Step) -> bool:
    return step.action is Action.CREATE or (step.action is Action.DELETE and bool(KINDS[step.address.kind].makes))


def _nobody(event: Event) -> None:
    """Nobody listens while a plan is made."""
