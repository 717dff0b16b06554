"""One call, sent with its intent durable before and its job id after."""

from __future__ import annotations

from dataclasses import replace

from declarative.apply.groups import take_turn
from declarative.apply.session import Session, StepContinues, StepFailed
from declarative.errors import NotFound, NotSent, OutcomeUnknown, Rejected, Unauthorized, visible
from declarative.model import Accepted, Action, Begun, Call, Closed, Kind, Operation
from declarative.provider import Job, JobTimeout, job_id_of

_PAUSE_CAP = 15.0


class NothingToDo(Exception):
    """The service refuses the call because what it asks for is so already."""


async def submit(run: Session, operation: Operation, call: Call, *, deadline: float) -> Operation:
    """Send, and again while the service says that the group is busy. Returns the operation, with its job if one began.

    Raises StepFailed when it is refused, NothingToDo when it is done already, NotFound when the object of a delete is
    gone, OutcomeUnknown when nobody knows.
    """
    kind = run.kind(operation.resource.address)
    pause = 0.5
    while True:
        try:
            return await send_once(run, operation, call, deadline=deadline)
        except (NotFound, NotSent, Unauthorized) as error:
            if isinstance(error, Unauthorized) or (isinstance(error, NotFound) and operation.action is Action.DELETE):
                raise
            raise refused(error) from error
        except Rejected as error:
            if error.code in call.done_codes:
                raise NothingToDo from error
            if _is_echo(kind, operation, error):
                raise OutcomeUnknown(error.summary, error.fix, status=error.status, code=error.code) from error
            if error.code not in kind.wait_codes or run.clock.monotonic() + pause >= deadline:
                raise refused(error) from error
        await take_turn(run, operation.resource)
        await run.clock.sleep(run.clock.jitter(pause))
        pause = min(pause * 2, _PAUSE_CAP)


def _is_echo(kind: Kind, operation: Operation, error: Rejected) -> bool:
    """True for a refusal that an earlier send explains: then go and look."""
    again = operation.action is Action.DELETE and error.code in kind.look_again_codes
    return again or _exists(kind, operation, error)


def _exists(kind: Kind, operation: Operation, error: Rejected | NotSent) -> bool:
    """True when a create is refused because its object is there: an earlier send of it has made it."""
    return operation.action is Action.CREATE and operation.sends > 1 and error.code in kind.exists_codes


async def send_once(run: Session, operation: Operation, call: Call, *, deadline: float) -> Operation:
    """Send one time. Whatever is known to have had no effect closes the operation before it is raised."""
    try:
        async with run.slot() as slot:
            await run.ledger.intend(Begun(operation))
            answer = await slot.send(call, deadline=deadline)
            if not call.starts_job:
                return operation
            job_id = job_id_of(answer)
            await run.ledger.note(Accepted(operation.id, job_id))
    except (Rejected, NotSent) as error:
        if not _exists(run.kind(operation.resource.address), operation, error):
            await run.ledger.note(Closed(operation.id))
        raise
    run.tell("step-accepted", operation, job_id=job_id)
    return replace(operation, job_id=job_id)


async def job_of(run: Session, operation: Operation, *, deadline: float) -> Job:
    """Wait for the operation's job. Raises StepContinues when it outlives the deadline."""
    kind = run.kind(operation.resource.address)
    try:
        return await run.provider.wait(kind, operation.action, operation.job_id, deadline=deadline)
    except JobTimeout as error:
        raise StepContinues(f"job {operation.job_id} is still running", job_id=operation.job_id) from error


def refused(error: Rejected | NotSent) -> StepFailed:
    """The failure of a step whose call was turned away, in our words and the service's."""
    words = f" The service says: {visible(error.message, limit=200)}" if error.message else ""
    return StepFailed(error.summary, f"{error.fix}{words}".strip(), code=error.code)
