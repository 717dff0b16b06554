"""Operations that earlier runs left open: found out by looking, never by sending.

What exists is recorded; what proves absent or undone is closed, and planned anew under today's manifests and
consents. What can't be decided stays open, and its address gets no step.
"""

from __future__ import annotations

from dataclasses import replace

from declarative.applier.brought_pairs import left_pairs, with_brought
from declarative.applier.calls import job_of
from declarative.applier.groups import parts_busy
from declarative.applier.lost_creates import Made, ambiguous, created_by, lost
from declarative.applier.session import Session, StepContinues, StepFailed
from declarative.applier.steps import gone, unreadable, vanished
from declarative.applier.switches import way_of
from declarative.concurrency import all_of
from declarative.errors import EndpointError, ProviderError, Rejected, Unauthorized, visible
from declarative.kinds.compare import same
from declarative.model import (
    AND_MORE,
    Action,
    Attributes,
    Closed,
    Dropped,
    Kind,
    OnChange,
    OpenOperation,
    Operation,
    Put,
)
from declarative.observation import as_shown
from declarative.provider import Job, JobUnknown, JobUnreadable, entity


async def recover(session: Session) -> tuple[OpenOperation, ...]:
    """Decide every open operation, waiting for jobs and through the grace period. Returns what stays open."""
    operations = list(session.ledger.state.operations.values())
    _exclude_known(session)
    open_ = await all_of(_recover_one(session, operation) for operation in operations)
    return tuple(found for found in open_ if found is not None)


def _undecided(operation: Operation, message: str) -> OpenOperation:
    sent = operation.resource.inputs if operation.action is Action.CREATE else {}
    return OpenOperation(operation.resource.address, operation.action, message, sent)


async def recover_without_waiting(session: Session) -> tuple[OpenOperation, ...]:
    """Decide what one look can decide, for a plan: nothing is waited for. Returns what stays undecided."""
    operations = list(session.ledger.state.operations.values())
    _exclude_known(session)
    open_ = await all_of(_look_at_one(session, operation) for operation in operations)
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
        message = await _recovered(session, operation)
    except Unauthorized:
        raise
    except (StepContinues, StepFailed, ProviderError) as undecided:
        fix = getattr(undecided, "fix", "")
        if operation.id not in session.ledger.state.operations:
            session.warn(f"{operation.resource.address}: {undecided}", fix)
            return None
        return _undecided(operation, f"{undecided}. {fix}".strip())
    session.tell("settled", operation, message=message)
    return None


async def _recovered(session: Session, operation: Operation) -> str:
    deadline = session.deadline(session.kind(operation.resource.address), operation.action)
    if operation.action is Action.CREATE:
        return await _recover_create(session, operation, deadline=deadline)
    if operation.action is Action.DELETE:
        return await _recover_delete(session, operation, deadline=deadline)
    unknown = await _job_over(session, operation, deadline=deadline)
    if operation.action is Action.UPDATE:
        return await _recover_update(session, operation, deadline=deadline, unknown=unknown)
    return await _recover_switch(session, operation, deadline=deadline, unknown=unknown)


async def _job_over(session: Session, operation: Operation, *, deadline: float) -> JobUnreadable | None:
    """Wait for the job of an accepted operation, if the service still knows it. Returns why it can't be read."""
    if operation.job_id:
        try:
            await job_of(session, operation, deadline=deadline)
        except JobUnknown:
            return None
        except JobUnreadable as error:
            return error
    return None


async def _recover_create(session: Session, operation: Operation, *, deadline: float) -> str:
    if not operation.job_id:
        return await _record_create(session, operation, await lost(session, operation, deadline=deadline))
    try:
        job = await job_of(session, operation, deadline=deadline)
        made = await created_by(session, operation, job, deadline=deadline)
    except JobUnknown:
        made = await lost(session, operation, deadline=deadline)
    except JobUnreadable as error:
        made = await lost(session, operation, deadline=deadline)
        if made is None:
            raise unreadable(error) from error
    else:
        if made is None:  # the job has succeeded: there is something somewhere
            raise StepContinues(f"job {operation.job_id} ended well, but what it made is not to be found")
    return await _record_create(session, operation, made)


async def _record_create(session: Session, operation: Operation, made: Made | None) -> str:
    if made is None:
        await session.ledger.intend(Closed(operation.id))
        return "an earlier create has left nothing in the cloud; it is planned anew"
    resource = with_brought(
        session, as_shown(session.observer.notices, replace(operation.resource, id=made.id), made.shown)
    )
    await session.ledger.intend(Put(resource, operation.step), Closed(operation.id))
    return f"an earlier create has made {made.id}, which is now recorded"


async def _recover_update(
    session: Session, operation: Operation, *, deadline: float, unknown: JobUnreadable | None = None
) -> str:
    """`unknown`: why its job can't be read; then only an effect that is seen ends it."""
    resource, kind = operation.resource, session.kind(operation.resource.address)
    observed = await session.provider.get(kind, resource.id, deadline=deadline)
    if observed is not None and _all_in_line(kind, resource.inputs, observed):
        await session.ledger.intend(Put(session.kept(resource), operation.step), Closed(operation.id))
        return "an earlier update had its effect, which is now recorded"
    if unknown is not None:
        raise unreadable(unknown)
    await session.ledger.intend(Closed(operation.id))
    return "an earlier update is not complete; what is missing is planned anew"


def _all_in_line(kind: Kind, inputs: Attributes, observed: Attributes) -> bool:
    """True when every changeable field can be read and is as asked; what can't be read is sent again, without harm."""
    return all(
        observed.get(name) is not None and same(kind, name, inputs[name], observed[name])
        for name, field in kind.fields.items()
        if field.on_change is OnChange.UPDATE and name in inputs
    )


async def _recover_switch(
    session: Session, operation: Operation, *, deadline: float, unknown: JobUnreadable | None = None
) -> str:
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
        await session.ledger.intend(Put(session.kept(resource), operation.step), Closed(operation.id))
        return f"an earlier {operation.action.value} had its effect, which is now recorded"
    if unknown is not None:
        raise unreadable(unknown)
    await session.ledger.intend(Closed(operation.id))
    return f"an earlier {operation.action.value} had no effect; it is planned anew"


async def _recover_delete(session: Session, operation: Operation, *, deadline: float) -> str:
    resource, kind = operation.resource, session.kind(operation.resource.address)
    unknown: JobUnreadable | None = None
    if operation.job_id:
        try:
            job = await job_of(session, operation, deadline=deadline)
        except JobUnknown:
            pass
        except JobUnreadable as error:
            unknown = error
        else:
            if job.succeeded:
                await vanished(session, kind, resource.id, soon=False, deadline=deadline)
    if busy := await parts_busy(session, resource, deadline=deadline):
        raise StepContinues(busy)
    observed = await session.provider.get(kind, resource.id, deadline=deadline)
    if observed is not None and observed.get("status") == "deleting":
        await gone(session, kind, resource.id, deadline=deadline)
        observed = None
    if observed is not None and unknown is not None:
        raise unreadable(unknown)
    return await _record_delete(session, operation, is_gone=observed is None, deadline=deadline)


async def _record_delete(session: Session, operation: Operation, *, is_gone: bool, deadline: float) -> str:
    if is_gone and await left_pairs(session, operation.resource, deadline=deadline):
        await session.ledger.intend(Closed(operation.id))
        return "an earlier delete had its effect, but left pairs that came with it; their delete is planned"
    if is_gone:
        await session.ledger.intend(Dropped(operation.resource.address, operation.step), Closed(operation.id))
        return "an earlier delete had its effect, which is now recorded"
    await session.ledger.intend(Closed(operation.id))
    return "an earlier delete had no effect; it is planned anew"


async def _look_at_one(session: Session, operation: Operation) -> OpenOperation | None:
    try:
        return await _look_at(session, operation)
    except Unauthorized:
        raise
    except ProviderError as error:
        return _undecided(operation, f"{error.summary}; apply looks again")


async def _look_at(session: Session, operation: Operation) -> OpenOperation | None:
    """One look at one operation; the ledger of a plan is in memory alone, so recording here changes nothing."""
    kind = session.kind(operation.resource.address)
    deadline = session.deadline(kind, operation.action)
    undecided = _undecided(operation, "")
    unknown: JobUnreadable | None = None
    job: Job | None = None
    if operation.job_id:
        try:
            job = await session.provider.job(operation.job_id, deadline=deadline)
        except (EndpointError, Rejected) as error:
            if isinstance(error, Unauthorized):
                raise
            unknown = JobUnreadable(operation.job_id, error)
        else:
            if job is not None and not job.ended:
                return replace(undecided, message=f"job {operation.job_id} is still running; apply goes on with it")
    if operation.action is Action.CREATE:
        return await _look_at_create(session, operation, undecided, deadline=deadline, job=job or unknown)
    return await _look_at_change(session, operation, undecided, deadline=deadline, unknown=unknown)


async def _look_at_change(
    session: Session,
    operation: Operation,
    undecided: OpenOperation,
    *,
    deadline: float,
    unknown: JobUnreadable | None,
) -> OpenOperation | None:
    """A delete, an update or a switch: decided by what is seen of the object."""
    kind = session.kind(operation.resource.address)
    observed = await session.provider.get(kind, operation.resource.id, deadline=deadline)
    status = observed.get("status") if observed is not None else None
    try:
        if operation.action is Action.DELETE:
            if status == "deleting":
                return replace(undecided, message="it is being deleted; apply waits for it")
            if observed is not None and unknown is not None:
                raise unreadable(unknown)
            await _record_delete(session, operation, is_gone=observed is None, deadline=deadline)
        elif operation.action is Action.UPDATE:
            await _recover_update(session, operation, deadline=deadline, unknown=unknown)
        else:
            if status == way_of(kind, operation.action).running:
                return replace(undecided, message=f"the group is {visible(status)}; apply waits for it")
            await _recover_switch(session, operation, deadline=deadline, unknown=unknown)
    except StepContinues as still:
        return replace(undecided, message=still.summary)
    return None


async def _look_at_create(
    session: Session,
    operation: Operation,
    undecided: OpenOperation,
    *,
    deadline: float,
    job: Job | JobUnreadable | None,
) -> OpenOperation | None:
    """`job`: the one that has ended, if it is known, or why it can't be read. Of several that fit it may name one."""
    kind, inputs = session.kind(operation.resource.address), operation.resource.inputs
    since = session.clock.monotonic()
    found = await session.candidates.search(kind, inputs, since=since, gap=0.0, deadline=deadline)
    candidates = {**dict.fromkeys(found.fits, "it fits"), **found.doubtful}
    named = entity(job, kind) if isinstance(job, Job) and job.succeeded else ""
    object_id = next(iter(candidates), "") if len(candidates) == 1 else named
    if object_id in found.fits and session.candidates.claim(kind, object_id):
        await _record_create(session, operation, Made(object_id, found.fits[object_id]))
        return None
    if candidates:
        failure = ambiguous(kind, operation.resource.address, candidates)
        return replace(undecided, message=f"{failure}. {failure.fix}")
    if isinstance(job, JobUnreadable):
        return replace(undecided, message=job.summary)
    if job is not None and not job.succeeded:
        return replace(undecided, message=f"job {job.id} failed; apply looks for what it left behind")
    return replace(undecided, message="the answer to its create was lost; apply looks for what it made")
