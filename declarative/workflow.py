"""Each command's whole journey, top to bottom: the rooms joined, the lock taken first and released last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

from declarative import __version__, manifest
from declarative.addresses import declared_address, parse_address, recorded_address
from declarative.errors import (
    ConsentMissing,
    DeclarativeError,
    Diagnostic,
    ExitCode,
    Interrupted,
    LockHeld,
    PlanRefused,
    StateConflict,
    StateError,
    UsageError,
)
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
    Observed,
    OpenOperation,
    Operation,
    Outcome,
    Plan,
    PreImage,
    Put,
    Record,
    Resource,
    Result,
    Run,
    RunEnded,
    RunStarted,
    Stack,
    StepOutcome,
)
from declarative.planning import (
    PlanRequest,
    decode_plan,
    evaluate_outputs,
    make_plan,
    plan_digest,
    unconsented,
    with_consents,
)
from declarative.project import (
    Project,
    check_binding,
    cloud_of,
    new_uuid,
    same_cloud,
    store_of,
    who,
    writing,
)
from declarative.refresh import REFRESH_TIME, note_ids, observe, read_kinds, refresh
from declarative.saved import refuse_expired, refuse_stale, stack_of_saved
from declarative.state import Holder, State, Store

if TYPE_CHECKING:
    from declarative.apply import Ledger, Session
    from declarative.export import Exported
    from declarative.provider import Provider
    from declarative.status import Report

T = TypeVar("T")

_ANSWERS = 5.0  # seconds that looks under way get after an interrupt
_PLAN_LIFE = timedelta(days=1)


class Watch(Protocol):
    """How a run talks to its front end."""

    def event(self, event: Event) -> None:
        """Show one event."""

    def review(self, plan: Plan) -> Plan:
        """Show the plan and ask. Returns it with the consents given; raises what ends the run."""


class Declined(DeclarativeError):
    """The question whether to apply was answered with no."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply came to."""

    plan: Plan
    outcome: Outcome
    exit_code: ExitCode


# ---------------------------------------------------------------- commands that only read


def validate(project: Project) -> tuple[Diagnostic, ...]:
    """All findings of all files."""
    chosen = None if project.environment == "default" else project.environment
    return manifest.validate(project.folder, environment=chosen, sources=project.sources())


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


def lock_show(project: Project) -> Holder | None:
    """Who holds the state's lock."""
    return store_of(project, _stack(project)).holder()


def lock_break(project: Project, lock_id: str) -> Holder:
    """Take the lock away from a holder that is gone. Raises LockHeld while it lives."""
    store = store_of(project, _stack(project))
    holder = store.holder()
    if holder is None:
        raise StateError("the state is not locked", "There is nothing to break.")
    store.break_lock(lock_id)
    return holder


def schema(kind: str | None) -> str:
    """A JSON Schema: of one kind, or of any manifest document."""
    return manifest.schema_text(kind)


async def status(project: Project, address: str | None = None) -> Report:
    """How the recorded groups and their members are just now, or those of one address.

    Takes no lock and writes nothing. Raises UsageError when the address is not recorded.
    """
    from declarative.status import Report, report

    stack = _stack(project)
    state = store_of(project, stack).read()
    only = recorded_address(state.resources, address) if address is not None else None
    if not state.resources:
        return Report()
    async with cloud_of(project, stack) as provider:
        check_binding(state, provider.binding)
        session = _session(project, provider, stack, state, store=None, emit=_nobody)
        return report(state.resources, await read_kinds(session, KINDS), only=only)


async def export(project: Project, *, name: str) -> Exported:
    """Manifests of all that is in the cloud, as texts, for a new stack that is called after `name`.

    The folder's stack says which cloud, if there is one; nothing is locked, recorded or written.
    """
    from declarative.export import export as described

    try:
        stack = _stack(project)
    except manifest.StackMissing:
        stack = Stack(name="")
    async with cloud_of(project, stack) as provider:
        deadline = project.clock.monotonic() + min(REFRESH_TIME, project.timeout or REFRESH_TIME)
        objects = await provider.list_views(KINDS.values(), deadline=deadline)
        lookups = Lookups(await provider.domains(deadline=deadline))
        region = "" if stack.simulator else provider.binding.region
    return described(Observed(objects, lookups=lookups), stack=name, region=region, simulator=stack.simulator)


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
        return await _carry_out(project, reviewed, session, watch, interrupt, command=command)


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
    saved, digest = decode_plan(text, source=source)
    if sha256 is not None and sha256.lower() != digest:
        raise PlanRefused(
            f"{source} has the digest {digest}, not {sha256.lower()}", "Apply the plan that was reviewed."
        )
    project = replace(project, environment=saved.basis.environment)
    stack = stack_of_saved(project, saved)
    refuse_expired(project, saved)
    async with writing(project, stack, "apply", interrupt) as store, cloud_of(project, stack) as provider:
        state = store.read()
        check_binding(state, provider.binding)
        if not same_cloud(provider.binding, saved.basis.binding):
            raise PlanRefused(
                f"the plan was made for project {saved.basis.binding.project_id} at {saved.basis.binding.host}, "
                f"not for {provider.binding.project_id} at {provider.binding.host}",
                "Use the endpoint and project it was made for, or plan again.",
            )
        resumed = refuse_stale(state, saved, digest)
        session = await _unless(interrupt, _settled_session(project, stack, provider, store, watch, state=state))
        finished = session.ledger.state.progress.steps if resumed and session.ledger.state.progress else set()
        await _unless(
            interrupt, _know_what_is_there(session, replace(saved, basis=replace(saved.basis, refreshed=False)))
        )
        reviewed = _reviewed(watch, with_consents(saved, tuple(consents)), interrupt)
        return await _carry_out(
            project, reviewed, session, watch, interrupt, command="apply", finished=finished, digest=digest
        )


async def import_object(project: Project, address: str, object_id: str, *, watch: Watch) -> Resource:
    """Record an object that exists in the cloud under an address that the manifests declare."""
    desired, _ = _resolve(project)
    target = declared_address(desired, address)
    kind = KINDS[target.kind]
    async with writing(project, desired.stack, "import") as store, cloud_of(project, desired.stack) as provider:
        session = await _settled_session(project, desired.stack, provider, store, watch)
        state = session.ledger.state
        if target in state.resources and state.resources[target].id == object_id:
            return state.resources[target]
        _refuse_taken(state, target, object_id)
        observed = await provider.get(kind, object_id, deadline=session.until(REFRESH_TIME))
        if observed is None:
            raise StateError(
                f"the cloud has no {kind.noun} with id {object_id}", "Check the id, the project and the region."
            )
        resource = Resource(target, object_id, {}, observed)
        settled = [Closed(one.id) for one in _open_at(state, target)]
        await session.ledger.bind(provider.binding)
        await _record(project, session.ledger, f"import {target}", (Put(resource), *settled))
        return resource


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
        await _record(project, ledger, f"state mv {old} {new}", records)


async def state_rm(project: Project, addresses: Sequence[str], *, watch: Watch) -> tuple[Address, ...]:
    """Forget objects, and what is still open of them; they stay in the cloud, and are no longer managed.

    The cloud is not asked, unless something is still open.
    """
    stack = _stack(project)
    async with writing(project, stack, "state rm") as store:
        ledger = await _settled_ledger(project, stack, store, watch)
        removed = tuple(recorded_address(ledger.state.resources, address) for address in addresses)
        closed = [Closed(one.id) for address in removed for one in _open_at(ledger.state, address)]
        await _record(project, ledger, "state rm", (*map(Dropped, removed), *closed))
        return removed


# ---------------------------------------------------------------- the parts they share


def _resolve(project: Project) -> tuple[DesiredView, tuple[Diagnostic, ...]]:
    loaded = manifest.load(project.folder)
    return manifest.resolve(loaded, environment=project.environment, sources=project.sources())


def _stack(project: Project) -> Stack:
    return manifest.stack_of(project.folder, environment=project.environment)


def _session(
    project: Project,
    provider: Provider,
    stack: Stack,
    state: State,
    *,
    store: Store | None,
    emit: Callable[[Event], None],
) -> Session:
    from declarative.apply import Ledger, Lookout, Session

    clock = project.clock
    return Session(
        provider=provider,
        ledger=Ledger(state, store, blocking=project.blocking),
        lookout=Lookout(provider, clock),
        clock=clock,
        emit=emit,
        timeouts={**stack.timeouts, **project.timeouts},
        ends=clock.monotonic() + project.timeout if project.timeout is not None else float("inf"),
    )


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
        _raise_trouble(session.ledger)
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
    return make_plan(
        desired,
        state.resources,
        observed,
        request=request,
        basis=_basis(project, request, desired, state, session.provider.binding),
        recorded_outputs=state.outputs,
        open=tuple(open_),
        warnings=tuple(warnings),
    )


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
    task, stop = asyncio.ensure_future(work), asyncio.ensure_future(interrupt.wait())
    await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not task.done():
        await asyncio.wait({task}, timeout=_ANSWERS)
    if not task.done():
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
    """A plan that was made without a refresh under this lock still needs the pre-image of what it creates."""
    if not made.basis.refreshed and any(step.action is Action.CREATE for step in made.steps):
        note_ids(session, await refresh(session, planned=True))


async def _carry_out(
    project: Project,
    reviewed: Plan,
    session: Session,
    watch: Watch,
    interrupt: asyncio.Event,
    *,
    command: str,
    finished: set[str] | None = None,
    digest: str | None = None,
) -> Applied:
    """Do the steps of a reviewed plan, between the two records that frame a run."""
    from declarative.apply import Runner

    if missing := unconsented(reviewed):
        raise ConsentMissing(f"nobody has consented to: {', '.join(sorted({danger.cls.value for danger in missing}))}")
    if not reviewed.has_changes():
        return Applied(reviewed, Outcome(withheld=reviewed.withheld), _exit_code(reviewed, (), session, ""))
    clock, begun = session.clock, session.clock.monotonic()
    run = _new_run(project, command, reviewed, digest or plan_digest(reviewed))
    await session.ledger.bind(session.provider.binding)
    await session.ledger.intend(RunStarted(run), *_pre_images(session))
    todo = len(reviewed.steps) - len(finished or ())
    watch.event(Event("run-started", clock.stamp(), detail={"steps": todo, "plan": run.plan}))
    runner = Runner(
        session, reviewed.steps, max_jobs=project.max_jobs, fail_fast=project.fail_fast, interrupt=interrupt
    )
    steps = await runner.run(finished=finished or set())
    outputs, done = _outputs(reviewed, session), all(step.result is Result.DONE for step in steps)
    counts = {result.value: sum(1 for step in steps if step.result is result) for result in Result}
    ended = replace(run, ended=clock.stamp(), counts=counts)
    await session.ledger.note(RunEnded(ended, done, outputs))
    rescued = await session.ledger.close()
    outcome = Outcome(steps, reviewed.withheld, outputs, interrupt.is_set(), rescued)
    detail = {key.replace("-", "_"): value for key, value in counts.items()}
    watch.event(Event("run-ended", clock.stamp(), detail={**detail, "seconds": round(clock.monotonic() - begun, 3)}))
    if crash := runner.crash or session.ledger.crash:
        raise crash
    return Applied(reviewed, outcome, _exit_code(reviewed, steps, session, rescued))


def _new_run(project: Project, command: str, reviewed: Plan, digest: str) -> Run:
    return Run(
        id=new_uuid(project.clock),
        who=who(),
        started=project.clock.stamp(),
        command=command,
        plan=digest,
        consents=tuple(str(consent) for consent in reviewed.consents),
    )


def _pre_images(session: Session) -> Iterator[Record]:
    """What the cloud held before this run: by it a later run tells a lost create from what was there."""
    for kind in KINDS.values():
        if kind.natural_key:
            continue  # re-found by its server or disk
        lost = [
            operation.resource.inputs
            for operation in session.ledger.state.operations.values()
            if operation.action is Action.CREATE and operation.resource.address.kind == kind.name
        ]
        known = session.lookout.foreign(kind) & session.ledger.state.pre_images.get(kind.name, set())
        yield PreImage(kind.name, tuple(sorted(session.lookout.foreign(kind, lost) | known)))


def _outputs(reviewed: Plan, session: Session) -> Mapping[str, Json]:
    if reviewed.basis.refresh_only:
        return session.ledger.state.outputs
    return evaluate_outputs(reviewed.outputs, session.ledger.state.resources)


def _exit_code(reviewed: Plan, steps: Sequence[StepOutcome], session: Session, rescued: str) -> ExitCode:
    trouble = session.ledger.trouble
    if isinstance(trouble, StateConflict | LockHeld):
        return ExitCode.CONFLICT
    results = {step.result for step in steps}
    if trouble is not None or rescued or Result.FAILED in results:
        return ExitCode.ERROR
    if results & {Result.CONTINUES, Result.NOT_STARTED} or reviewed.open:
        return ExitCode.INCOMPLETE
    return ExitCode.CONSENT if reviewed.withheld else ExitCode.OK


def _raise_trouble(ledger: Ledger) -> None:
    if error := ledger.crash or ledger.trouble:
        raise error


async def _record(project: Project, ledger: Ledger, command: str, records: Sequence[Record]) -> None:
    """Write records that no plan made, framed by a line of history."""
    run = Run(id=new_uuid(project.clock), who=who(), started=project.clock.stamp(), command=command)
    ended = replace(run, ended=project.clock.stamp())
    await ledger.intend(RunStarted(run), *records, RunEnded(ended, True, ledger.state.outputs))
    await ledger.close()
    _raise_trouble(ledger)


def _refuse_taken(state: State, target: Address, object_id: str) -> None:
    if target in state.resources:
        raise StateError(
            f"{target} is recorded already, as {state.resources[target].id}",
            f"Run `declarative state rm '{target}'` first.",
        )
    for address, resource in state.resources.items():
        if resource.id == object_id and address.kind == target.kind:
            raise StateError(f"{object_id} is recorded already, as {address}", "One object has one address.")


def _nobody(event: Event) -> None:
    """Nobody listens while a plan is made."""
