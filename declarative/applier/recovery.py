"""Operations that earlier runs left open: found out by looking, never by sending.

What exists is recorded; what proves absent or undone is closed, and planned anew under today's manifests and
consents. What can't be decided stays open, and its address gets no step.

`apply` and `plan` decide by the same functions. An apply waits for what is under way; a plan's session waits for
nothing (`Session.is_patient`), and what would have to be waited for stays open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from declarative.applier.brought_pairs import left_pairs, with_brought
from declarative.applier.calls import job_of
from declarative.applier.groups import busy, parts_busy
from declarative.applier.lost_creates import CreateFailed, JobFailed, Made, created_by, lost
from declarative.applier.session import NotYet, Session, StepContinues, StepFailed
from declarative.applier.steps import gone, unreadable, vanished
from declarative.applier.switches import way_of
from declarative.concurrency import all_of
from declarative.errors import ProviderError, Unauthorized
from declarative.kinds.compare import same
from declarative.model import (
    AND_MORE,
    Action,
    Attributes,
    Closed,
    Dropped,
    Health,
    Kind,
    OnChange,
    OpenOperation,
    Operation,
    Put,
    Record,
)
from declarative.observation import as_shown
from declarative.provider import Job, JobUnknown, JobUnreadable, acting_on


@dataclass(frozen=True, slots=True)
class _Decision:
    """What became of an operation, in words, and what is recorded of it."""

    message: str
    records: tuple[Record, ...]


async def recover(session: Session) -> tuple[OpenOperation, ...]:
    """Decide every open operation, as far as the session's patience reaches. Returns what stays open.

    Without patience the state in memory tells what was decided, and nothing is written.
    """
    operations = list(session.ledger.state.operations.values())
    _exclude_known(session)
    open_ = await all_of(_recover_one(session, operation) for operation in operations)
    return tuple(found for found in open_ if found is not None)


def _exclude_known(session: Session) -> None:
    state = session.ledger.state
    for kind, ids in state.pre_images.items():
        session.candidates.exclude(kind, ids)
        if AND_MORE in ids:
            session.candidates.partly_known(kind)
    for resource in state.resources.values():
        session.candidates.exclude(resource.address.kind, (resource.id,))


async def _recover_one(session: Session, operation: Operation) -> OpenOperation | None:
    try:
        with acting_on(operation.resource.address):
            decision = await _decide(session, operation)
    except Unauthorized:
        raise
    except CreateFailed as failed:
        await _record(session, *failed.records)
        session.warn("create-failed", f"{operation.resource.address} could not be created: {failed}", failed.fix)
        return None
    except (StepContinues, StepFailed, ProviderError) as undecided:
        fix = getattr(undecided, "fix", "")
        sent = operation.resource.inputs if operation.action is Action.CREATE else {}
        what = "its job failed: " if isinstance(undecided, JobFailed) else ""
        return OpenOperation(operation.resource.address, operation.action, f"{what}{undecided}. {fix}".strip(), sent)
    await _record(session, *decision.records)
    session.tell("settled", operation, message=decision.message)
    return None


async def _record(session: Session, *records: Record) -> None:
    if session.is_patient:
        await session.ledger.intend(*records)
    else:
        session.ledger.learn(*records)


async def _decide(session: Session, operation: Operation) -> _Decision:
    """Raises StepContinues, StepFailed or a ProviderError while it can't be told, and CreateFailed."""
    deadline = session.deadline(session.kind(operation.resource.address), operation.action)
    if operation.action is Action.CREATE:
        return await _decide_create(session, operation, deadline=deadline)
    job = await _job_over(session, operation, deadline=deadline)
    if operation.action is Action.DELETE:
        return await _decide_delete(session, operation, job, deadline=deadline)
    unknown = job if isinstance(job, JobUnreadable) else None
    if operation.action is Action.UPDATE:
        return await _decide_update(session, operation, unknown, deadline=deadline)
    return await _decide_switch(session, operation, unknown, deadline=deadline)


async def _job_over(session: Session, operation: Operation, *, deadline: float) -> Job | JobUnreadable | None:
    """Return the ended job of an accepted operation, or why it can't be read; None when the service knows none."""
    if operation.job_id:
        try:
            return await job_of(session, operation, deadline=deadline)
        except JobUnknown:
            return None
        except JobUnreadable as error:
            return error
    return None


# ---------------------------------------------------------------- create


async def _decide_create(session: Session, operation: Operation, *, deadline: float) -> _Decision:
    if not operation.job_id:
        return _created(session, operation, await lost(session, operation, deadline=deadline))
    try:
        job = await job_of(session, operation, deadline=deadline)
        made = await created_by(session, operation, job, deadline=deadline)
    except JobUnknown:
        made = await lost(session, operation, deadline=deadline)
    except JobUnreadable as error:
        try:
            made = await lost(session, operation, deadline=deadline)
        except NotYet:
            made = None
        if made is None:
            raise unreadable(error) from error
    else:
        if made is None:  # the job has succeeded: there is something somewhere
            raise StepContinues(f"job {operation.job_id} ended well, but what it made is not to be found")
    return _created(session, operation, made)


def _created(session: Session, operation: Operation, made: Made | None) -> _Decision:
    if made is None:
        return _Decision("an earlier create has left nothing in the cloud; it is planned anew", (Closed(operation.id),))
    resource = with_brought(
        session, as_shown(session.observer.notices, replace(operation.resource, id=made.id), made.shown)
    )
    return _Decision(
        f"an earlier create has made {made.id}, which is now recorded",
        (Put(resource, operation.step), Closed(operation.id)),
    )


# ---------------------------------------------------------------- update, enable, disable


async def _decide_update(
    session: Session, operation: Operation, unknown: JobUnreadable | None, *, deadline: float
) -> _Decision:
    """`unknown`: why its job can't be read; then only an effect that is seen ends it."""
    resource, kind = operation.resource, session.kind(operation.resource.address)
    looks = session.looks(deadline)
    while True:
        observed = await session.provider.get(kind, resource.id, deadline=deadline)
        if observed is not None and _all_in_line(kind, resource.inputs, observed):
            return _had_its_effect(session, operation)
        if observed is None or kind.statuses.health(observed, resource.inputs) is not Health.BUSY:
            break
        if not await looks.again():
            raise StepContinues(str(busy(kind, resource.id, observed)))
    if unknown is not None:
        raise unreadable(unknown)
    return _Decision("an earlier update is not complete; what is missing is planned anew", (Closed(operation.id),))


def _all_in_line(kind: Kind, inputs: Attributes, observed: Attributes) -> bool:
    """True when every changeable field can be read and is as asked; what can't be read is sent again, without harm."""
    return all(
        observed.get(name) is not None and same(kind, name, inputs[name], observed[name])
        for name, field in kind.fields.items()
        if field.on_change is OnChange.UPDATE and name in inputs
    )


async def _decide_switch(
    session: Session, operation: Operation, unknown: JobUnreadable | None, *, deadline: float
) -> _Decision:
    """An enable or disable is decided by the group's status; nothing is sent. `unknown`: as for an update."""
    resource, kind = operation.resource, session.kind(operation.resource.address)
    way, looks = way_of(kind, operation.action), session.looks(deadline)
    while True:
        observed = await session.observer.object(kind, resource.id, max_age=0.0, deadline=deadline)
        status = str(observed.get("status")) if observed is not None else "gone"
        if status != way.running:
            break
        if not await looks.again():
            raise StepContinues(f"the group is still {way.running}")
    if status == way.reached:
        return _had_its_effect(session, operation)
    if unknown is not None:
        raise unreadable(unknown)
    return _Decision(f"an earlier {operation.action.value} had no effect; it is planned anew", (Closed(operation.id),))


def _had_its_effect(session: Session, operation: Operation) -> _Decision:
    return _Decision(
        f"an earlier {operation.action.value} had its effect, which is now recorded",
        (Put(session.kept(operation.resource), operation.step), Closed(operation.id)),
    )


# ---------------------------------------------------------------- delete


async def _decide_delete(
    session: Session, operation: Operation, job: Job | JobUnreadable | None, *, deadline: float
) -> _Decision:
    """`job`: as it ended, or why it can't be read."""
    resource, kind = operation.resource, session.kind(operation.resource.address)
    if isinstance(job, Job) and job.succeeded:
        await vanished(session, kind, resource.id, soon=not session.is_patient, deadline=deadline)
    if still := await parts_busy(session, resource, deadline=deadline):
        raise StepContinues(still)
    observed = await session.provider.get(kind, resource.id, deadline=deadline)
    if observed is not None and observed.get("status") == "deleting":
        await gone(session, kind, resource.id, deadline=deadline)
        observed = None
    if observed is not None and isinstance(job, JobUnreadable):
        raise unreadable(job)
    if observed is not None:
        return _Decision("an earlier delete had no effect; it is planned anew", (Closed(operation.id),))
    if await left_pairs(session, resource, deadline=deadline):
        return _Decision(
            "an earlier delete had its effect, but left pairs that came with it; their delete is planned",
            (Closed(operation.id),),
        )
    return _Decision(
        "an earlier delete had its effect, which is now recorded",
        (Dropped(resource.address, operation.step), Closed(operation.id)),
    )
