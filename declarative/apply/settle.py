"""Operations that earlier runs left open: found out by looking, never by sending.

What exists is recorded; what proves absent or undone is closed, and planned anew under today's manifests and
consents. What can't be decided stays open, and its address gets no step.
"""

from __future__ import annotations

from dataclasses import replace

from declarative.apply.groups import parts_busy
from declarative.apply.search import ambiguous, created_by, lost
from declarative.apply.sending import job_of
from declarative.apply.session import Session, StepContinues, StepFailed
from declarative.apply.steps import gone, vanished
from declarative.apply.switches import way_of
from declarative.apply.together import all_of
from declarative.errors import ProviderError, Unauthorized
from declarative.kinds.compare import same
from declarative.model import (
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
from declarative.provider import JobUnknown


async def settle(run: Session) -> tuple[OpenOperation, ...]:
    """Settle every open operation, waiting for jobs and through the grace period. Returns what stays open."""
    operations = list(run.ledger.state.operations.values())
    _exclude_known(run)
    open_ = await all_of(_settle_one(run, operation) for operation in operations)
    return tuple(found for found in open_ if found is not None)


def _undecided(operation: Operation, message: str) -> OpenOperation:
    sent = operation.resource.inputs if operation.action is Action.CREATE else {}
    return OpenOperation(operation.resource.address, operation.action, message, sent)


async def glance(run: Session) -> tuple[OpenOperation, ...]:
    """Settle what one look decides, for a plan: nothing is waited for. Returns what stays undecided."""
    operations = list(run.ledger.state.operations.values())
    _exclude_known(run)
    open_ = await all_of(_glance_at_one(run, operation) for operation in operations)
    return tuple(found for found in open_ if found is not None)


def _exclude_known(run: Session) -> None:
    state = run.ledger.state
    for kind, ids in state.pre_images.items():
        run.lookout.exclude(kind, ids)
    for resource in state.resources.values():
        run.lookout.exclude(resource.address.kind, (resource.id,))


async def _settle_one(run: Session, operation: Operation) -> OpenOperation | None:
    try:
        message = await _settled(run, operation)
    except Unauthorized:
        raise
    except (StepContinues, StepFailed, ProviderError) as undecided:
        fix = getattr(undecided, "fix", "")
        if operation.id not in run.ledger.state.operations:
            run.warn(f"{operation.resource.address}: {undecided}", fix)
            return None
        return _undecided(operation, f"{undecided}. {fix}".strip())
    run.tell("settled", operation, message=message)
    return None


async def _settled(run: Session, operation: Operation) -> str:
    deadline = run.deadline(run.kind(operation.resource.address), operation.action)
    if operation.action is Action.CREATE:
        return await _settle_create(run, operation, deadline=deadline)
    if operation.action is Action.DELETE:
        return await _settle_delete(run, operation, deadline=deadline)
    await _job_over(run, operation, deadline=deadline)
    if operation.action is Action.UPDATE:
        return await _settle_update(run, operation, deadline=deadline)
    return await _settle_switch(run, operation, deadline=deadline)


async def _job_over(run: Session, operation: Operation, *, deadline: float) -> None:
    """Wait for the job of an accepted operation, if the service still knows it."""
    if operation.job_id:
        try:
            await job_of(run, operation, deadline=deadline)
        except JobUnknown:
            return


async def _settle_create(run: Session, operation: Operation, *, deadline: float) -> str:
    found = ""
    if operation.job_id:
        try:
            job = await job_of(run, operation, deadline=deadline)
            found = await created_by(run, operation, job, deadline=deadline)
        except JobUnknown:
            found = await lost(run, operation, deadline=deadline)
    else:
        found = await lost(run, operation, deadline=deadline)
    return await _record_create(run, operation, found)


async def _record_create(run: Session, operation: Operation, found: str) -> str:
    if not found:
        await run.ledger.intend(Closed(operation.id))
        return "an earlier create has left nothing in the cloud; it is planned anew"
    await run.ledger.intend(Put(replace(operation.resource, id=found), operation.step), Closed(operation.id))
    return f"an earlier create has made {found}, which is now recorded"


async def _settle_update(run: Session, operation: Operation, *, deadline: float) -> str:
    resource, kind = operation.resource, run.kind(operation.resource.address)
    observed = await run.provider.get(kind, resource.id, deadline=deadline)
    if observed is not None and _all_in_line(kind, resource.inputs, observed):
        await run.ledger.intend(Put(resource, operation.step), Closed(operation.id))
        return "an earlier update had its effect, which is now recorded"
    await run.ledger.intend(Closed(operation.id))
    return "an earlier update is not complete; what is missing is planned anew"


def _all_in_line(kind: Kind, inputs: Attributes, observed: Attributes) -> bool:
    """True when every changeable field can be read and is as asked; what can't be read is sent again, without harm."""
    return all(
        observed.get(name) is not None and same(kind, name, inputs[name], observed[name])
        for name, field in kind.fields.items()
        if field.on_change is OnChange.UPDATE and name in inputs
    )


async def _settle_switch(run: Session, operation: Operation, *, deadline: float) -> str:
    """An enable or disable is decided by the group's status; nothing is sent."""
    resource, kind = operation.resource, run.kind(operation.resource.address)
    way, looks = way_of(kind, operation.action), run.looks(deadline)
    while True:
        observed = await run.lookout.look(kind, resource.id, max_age=0.0, deadline=deadline)
        status = str(observed.get("status")) if observed is not None else "gone"
        if status != way.running:
            break
        if not await looks.again():
            raise StepContinues(f"the group is still {way.running}")
    if status == way.reached:
        await run.ledger.intend(Put(resource, operation.step), Closed(operation.id))
        return f"an earlier {operation.action.value} had its effect, which is now recorded"
    await run.ledger.intend(Closed(operation.id))
    return f"an earlier {operation.action.value} had no effect; it is planned anew"


async def _settle_delete(run: Session, operation: Operation, *, deadline: float) -> str:
    resource, kind = operation.resource, run.kind(operation.resource.address)
    if operation.job_id:
        try:
            job = await job_of(run, operation, deadline=deadline)
        except JobUnknown:
            pass
        else:
            if job.succeeded:
                await vanished(run, kind, resource.id, deadline=deadline)
    if busy := await parts_busy(run, resource, deadline=deadline):
        raise StepContinues(busy)
    observed = await run.provider.get(kind, resource.id, deadline=deadline)
    if observed is not None and observed.get("status") == "deleting":
        await gone(run, kind, resource.id, deadline=deadline)
        observed = None
    return await _record_delete(run, operation, is_gone=observed is None)


async def _record_delete(run: Session, operation: Operation, *, is_gone: bool) -> str:
    if is_gone:
        await run.ledger.intend(Dropped(operation.resource.address, operation.step), Closed(operation.id))
        return "an earlier delete had its effect, which is now recorded"
    await run.ledger.intend(Closed(operation.id))
    return "an earlier delete had no effect; it is planned anew"


async def _glance_at_one(run: Session, operation: Operation) -> OpenOperation | None:
    try:
        return await _glance_at(run, operation)
    except Unauthorized:
        raise
    except ProviderError as error:
        return _undecided(operation, f"{error.summary}; apply looks again")


async def _glance_at(run: Session, operation: Operation) -> OpenOperation | None:
    """One look at one operation; the ledger of a plan is in memory alone, so recording here changes nothing."""
    kind = run.kind(operation.resource.address)
    deadline = run.deadline(kind, operation.action)
    undecided = _undecided(operation, "")
    if operation.job_id:
        job = await run.provider.job(operation.job_id, deadline=deadline)
        if job is not None and not job.ended:
            return replace(undecided, message=f"job {operation.job_id} is still running; apply goes on with it")
    if operation.action is Action.DELETE:
        observed = await run.provider.get(kind, operation.resource.id, deadline=deadline)
        if observed is not None and observed.get("status") == "deleting":
            return replace(undecided, message="it is being deleted; apply waits for it")
        await _record_delete(run, operation, is_gone=observed is None)
        return None
    if operation.action is Action.UPDATE:
        await _settle_update(run, operation, deadline=deadline)
        return None
    if operation.action is not Action.CREATE:
        return await _glance_at_switch(run, operation, undecided, deadline=deadline)
    return await _glance_at_create(run, operation, undecided, deadline=deadline)


async def _glance_at_switch(
    run: Session, operation: Operation, undecided: OpenOperation, *, deadline: float
) -> OpenOperation | None:
    kind = run.kind(operation.resource.address)
    observed = await run.provider.get(kind, operation.resource.id, deadline=deadline)
    if observed is not None and observed.get("status") == way_of(kind, operation.action).running:
        return replace(undecided, message=f"the group is {observed.get('status')}; apply waits for it")
    await _settle_switch(run, operation, deadline=deadline)
    return None


async def _glance_at_create(
    run: Session, operation: Operation, undecided: OpenOperation, *, deadline: float
) -> OpenOperation | None:
    kind = run.kind(operation.resource.address)
    since = run.clock.monotonic()
    found = await run.lookout.candidates(kind, operation.resource.inputs, since=since, gap=0.0, deadline=deadline)
    if len(found) > 1:
        failure = ambiguous(kind, operation, found)
        return replace(undecided, message=f"{failure}. {failure.fix}")
    if not found or not run.lookout.claim(kind, found[0]):
        return replace(undecided, message="the answer to its create was lost; apply looks for what it made")
    await _record_create(run, operation, found[0])
    return None
