"""One step, carried out: what is made durable before and after each call, and what is done when an answer is lost.

Source of the order: a create is intent durable → POST → job id durable → poll → id durable; it is never sent again
before a look. A lost rename or delete is decided by reading the object.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from declarative.apply.search import created_by, job_failed, lost, until_ready
from declarative.apply.session import MAX_SENDS, Session, StepContinues, StepFailed
from declarative.errors import NotFound, NotSent, OutcomeUnknown, Rejected, Unauthorized, visible
from declarative.kinds.compare import same, shows
from declarative.model import (
    Accepted,
    Action,
    Attributes,
    Begun,
    Call,
    Closed,
    Dropped,
    Health,
    Kind,
    Operation,
    Put,
    Step,
)
from declarative.provider import Job, JobTimeout, JobUnknown, job_id_of

_FRESH = 2.0  # seconds for which one list answers all who look before they change something
_PAUSE_CAP = 15.0


async def carry_out(run: Session, step: Step) -> str:
    """Do the step and record it. Returns the object's id ("" when it is gone).

    Raises StepFailed, StepContinues, and what the provider and the store raise.
    """
    return await _ACTIONS[step.action](run, step)


async def _create(run: Session, step: Step) -> str:
    kind = run.kind(step.address)
    deadline = run.deadline(kind, Action.CREATE)
    operation = run.new_operation(step)
    call = kind.create(step.resource.inputs)
    while True:
        operation = replace(operation, sends=operation.sends + 1, job_id="")
        try:
            operation = await _submit(run, operation, call, deadline=deadline)
            job = await _wait(run, kind, operation, deadline=deadline)
            object_id = await created_by(run, operation, job, deadline=deadline)
            adopted = False
        except (OutcomeUnknown, JobUnknown):
            operation = replace(operation, job_id="")
            object_id = await lost(run, operation, deadline=deadline)
            adopted = True
        if object_id:
            await run.ledger.note(_done(step, object_id), Closed(operation.id))
            if adopted:
                run.tell("settled", step, message=f"the answer to its create was lost; {object_id} is what it made")
                await until_ready(run, kind, object_id, deadline=deadline)
            return object_id
        _give_up_when_spent(run, operation, deadline)


def _done(step: Step, object_id: str) -> Put:
    return Put(replace(step.resource, id=object_id), step.id)


def _give_up_when_spent(run: Session, operation: Operation, deadline: float) -> None:
    if operation.job_id:
        raise StepContinues(
            f"job {operation.job_id} ended well, but neither it nor a list tells which object it made",
            job_id=operation.job_id,
        )
    if operation.sends >= MAX_SENDS or run.clock.monotonic() >= deadline:
        raise StepContinues("no answer to the create could be had, and no object of it is to be seen yet")


async def _submit(run: Session, operation: Operation, call: Call, *, deadline: float) -> Operation:
    """Send once, with the intent durable before and the job id after. Raises StepFailed when it is refused."""
    kind = run.kind(operation.resource.address)
    pause = 0.5
    while True:
        try:
            async with run.slot() as slot:
                await run.ledger.intend(Begun(operation))
                answer = await slot.send(call, deadline=deadline)
                job_id = job_id_of(answer)
                await run.ledger.note(Accepted(operation.id, job_id))
            run.tell("step-accepted", operation, job_id=job_id)
            return replace(operation, job_id=job_id)
        except (NotFound, NotSent, Unauthorized) as error:
            await run.ledger.note(Closed(operation.id))
            if isinstance(error, Unauthorized) or (isinstance(error, NotFound) and operation.action is Action.DELETE):
                raise
            raise _refused(error) from error
        except Rejected as error:
            if error.code not in kind.wait_codes or run.clock.monotonic() + pause >= deadline:
                await run.ledger.note(Closed(operation.id))
                raise _refused(error) from error
        await run.clock.sleep(pause)
        pause = min(pause * 2, _PAUSE_CAP)


def _refused(error: Rejected | NotSent) -> StepFailed:
    words = f" The service says: {visible(error.message, limit=200)}" if error.message else ""
    return StepFailed(error.summary, f"{error.fix}{words}".strip(), code=error.code)


async def _wait(run: Session, kind: Kind, operation: Operation, *, deadline: float) -> Job:
    try:
        return await run.provider.wait(kind, operation.action, operation.job_id, deadline=deadline)
    except JobTimeout as error:
        raise StepContinues(f"job {operation.job_id} is still running", job_id=operation.job_id) from error


async def _update(run: Session, step: Step) -> str:
    kind = run.kind(step.address)
    deadline = run.deadline(kind, Action.UPDATE)
    if await _as_planned(run, kind, step, deadline=deadline) is None:
        raise StepFailed(f"{kind.noun} {step.resource.id} is gone from the cloud", "Plan again to create it anew.")
    operation = run.new_operation(step)
    call = kind.update(step.resource.id, step.resource.inputs)
    pause = 0.5
    while True:
        operation = replace(operation, sends=operation.sends + 1)
        try:
            await _put(run, operation, call, deadline=deadline)
            break
        except OutcomeUnknown:
            if await _update_happened(run, kind, step, operation, deadline=deadline):
                break
            if run.clock.monotonic() + pause >= deadline:
                raise StepContinues("no answer to the update could be had") from None
        await run.clock.sleep(run.clock.jitter(pause))
        pause = min(pause * 2, _PAUSE_CAP)
    await run.ledger.note(Put(step.resource, step.id), Closed(operation.id))
    return step.resource.id


async def _put(run: Session, operation: Operation, call: Call, *, deadline: float) -> None:
    try:
        async with run.slot() as slot:
            await run.ledger.intend(Begun(operation))
            await slot.send(call, deadline=deadline)
    except (Rejected, NotSent) as error:
        await run.ledger.note(Closed(operation.id))
        if isinstance(error, Unauthorized):
            raise
        raise _refused(error) from error


async def _update_happened(run: Session, kind: Kind, step: Step, operation: Operation, *, deadline: float) -> bool:
    """Decide a lost update by reading the object. Raises StepFailed when it shows something that nobody planned."""
    observed = await run.provider.get(kind, step.resource.id, deadline=deadline)
    if observed is not None and shows(kind, step.resource.inputs, observed):
        return True
    if observed is not None and not _differences(kind, step.before, observed):
        return False
    await run.ledger.note(Closed(operation.id))
    raise StepFailed(f"{kind.noun} {step.resource.id} was changed by somebody else meanwhile", "Plan again.")


async def _delete(run: Session, step: Step) -> str:
    kind = run.kind(step.address)
    deadline = run.deadline(kind, Action.DELETE)
    observed = await _as_planned(run, kind, step, deadline=deadline)
    if observed is not None and observed.get("status") == "deleting":
        await gone(run, kind, step.resource.id, deadline=deadline)
        observed = None
    if observed is None:
        await run.ledger.note(Dropped(step.address, step.id))
        return ""
    operation = await _delete_until_gone(run, kind, step, deadline=deadline)
    await run.ledger.note(Dropped(step.address, step.id), Closed(operation.id))
    return ""


async def _delete_until_gone(run: Session, kind: Kind, step: Step, *, deadline: float) -> Operation:
    """Send the delete until it has had its effect; a repeated one does no harm once the object was read."""
    operation = run.new_operation(step)
    call = kind.delete(step.resource.id)
    pause = 0.5
    while True:
        operation = replace(operation, sends=operation.sends + 1, job_id="")
        try:
            operation = await _submit(run, operation, call, deadline=deadline)
            job = await _wait(run, kind, operation, deadline=deadline)
        except NotFound:
            return operation
        except (OutcomeUnknown, JobUnknown):
            if await _delete_happened(run, kind, step.resource.id, deadline=deadline):
                return operation
        else:
            await _after_delete_job(run, kind, operation, job, deadline=deadline)
            return operation
        if operation.sends >= MAX_SENDS or run.clock.monotonic() + pause >= deadline:
            raise StepContinues("no answer to the delete could be had")
        await run.clock.sleep(run.clock.jitter(pause))
        pause = min(pause * 2, _PAUSE_CAP)


async def _delete_happened(run: Session, kind: Kind, object_id: str, *, deadline: float) -> bool:
    observed = await run.provider.get(kind, object_id, deadline=deadline)
    if observed is not None and observed.get("status") == "deleting":
        await gone(run, kind, object_id, deadline=deadline)
        return True
    return observed is None


async def _after_delete_job(run: Session, kind: Kind, operation: Operation, job: Job, *, deadline: float) -> None:
    if not job.succeeded:
        await run.ledger.note(Closed(operation.id))
        raise job_failed("delete", job, "The object stays recorded: the next run tries again.")
    await vanished(run, kind, operation.resource.id, deadline=deadline)


async def vanished(run: Session, kind: Kind, object_id: str, *, deadline: float) -> None:
    """Make sure, through the grace period, that an object whose delete job succeeded is not shown any more."""
    end = run.clock.monotonic() + run.grace
    pause = 0.5
    while await run.lookout.shown(kind, object_id, deadline=deadline):
        if run.clock.monotonic() + pause > end:
            raise StepContinues(f"its delete job succeeded, but {kind.noun} {object_id} is still shown")
        await run.clock.sleep(pause)
        pause = min(pause * 2, _PAUSE_CAP)


async def gone(run: Session, kind: Kind, object_id: str, *, deadline: float) -> None:
    """Wait until an object that is being deleted is gone. Raises StepFailed when its deletion fails."""
    pause = 1.0
    while (observed := await run.lookout.look(kind, object_id, max_age=0.0, deadline=deadline)) is not None:
        if observed.get("status") != "deleting":
            raise StepFailed(f"the deletion of {kind.noun} {object_id} failed in the cloud", "Run again to retry it.")
        if run.clock.monotonic() + pause >= deadline:
            raise StepContinues(f"{kind.noun} {object_id} is still being deleted")
        await run.clock.sleep(pause)
        pause = min(pause * 1.5, _PAUSE_CAP)


async def _as_planned(run: Session, kind: Kind, step: Step, *, deadline: float) -> Attributes | None:
    """Look at the object again, just before it is changed. None: it is gone. Busy: wait.

    Raises StepFailed when it isn't what the plan was made for, or disaster recovery has begun there.
    """
    pause = 1.0
    while True:
        observed = await run.lookout.look(kind, step.resource.id, max_age=_FRESH, deadline=deadline)
        if observed is None:
            return None
        health = kind.health(observed)
        if health is Health.HELD:
            raise StepFailed(
                f"disaster recovery is in progress: {visible(kind.held_because(observed))}",
                "Wait for it, then plan again.",
            )
        if differences := _differences(kind, step.before, observed):
            raise StepFailed(f"it has changed since it was planned: {differences}", "Plan again.")
        if health is not Health.BUSY:
            return observed
        if run.clock.monotonic() + pause >= deadline:
            raise StepFailed(f"{kind.noun} {step.resource.id} is busy: {visible(observed.get('status'))}", "Run again.")
        await run.clock.sleep(pause)
        pause = min(pause * 1.5, _PAUSE_CAP)


def _differences(kind: Kind, before: Attributes, observed: Attributes) -> str:
    """What differs in the planned fields, in words; "" when nothing does."""
    return ", ".join(
        f"{field} was {visible(before[field], limit=80)!r}, is {visible(observed.get(field), limit=80)!r}"
        for field in kind.fields
        if field in before and not same(kind, field, before[field], observed.get(field))
    )


async def _remember(run: Session, step: Step) -> str:
    """Adopt, record: the cloud is as it should be, only the state isn't."""
    await run.ledger.intend(Put(step.resource, step.id))
    return step.resource.id


async def _move(run: Session, step: Step) -> str:
    if step.source is None:
        raise StepFailed("the plan says not what to move", "Plan again.")
    await run.ledger.intend(Dropped(step.source), Put(step.resource, step.id))
    return step.resource.id


async def _forget(run: Session, step: Step) -> str:
    await run.ledger.intend(Dropped(step.address, step.id))
    return ""


_ACTIONS: dict[Action, Callable[[Session, Step], Awaitable[str]]] = {
    Action.CREATE: _create,
    Action.UPDATE: _update,
    Action.DELETE: _delete,
    Action.ADOPT: _remember,
    Action.RECORD: _remember,
    Action.MOVE: _move,
    Action.FORGET: _forget,
}
