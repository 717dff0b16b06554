"""One call, sent with its intent durable before and its job id after."""

from __future__ import annotations

from dataclasses import replace

from declarative.apply.groups import at_work, still_open, take_turn
from declarative.apply.session import Session, StepContinues, StepFailed
from declarative.errors import NotFound, NotSent, OutcomeUnknown, Rejected, Unauthorized, visible
from declarative.kinds import KINDS
from declarative.model import Accepted, Action, Begun, Call, Closed, Kind, Operation
from declarative.provider import Job, JobTimeout, job_id_of

_GONE_CODES = frozenset[str]().union(*(kind.gone_codes for kind in KINDS.values()))
_AT_REST = 3  # refusals over a status, with all seen at rest, after which it isn't a passing one
LOOKED = 5.0  # seconds after the look in which a call must have left


class NothingToDo(Exception):
    """The service refuses the call because what it asks for is so already."""


async def submit(run: Session, operation: Operation, call: Call, *, deadline: float) -> Operation:
    """Send, and again while the service says that the group is busy. Returns the operation, with its job if one began.

    Before each further send, of this or of an earlier call of it, the group is looked at again: it may be failing over.

    Raises StepFailed when it is refused, NothingToDo when it is done already, NotFound when the object of a delete is
    gone, OutcomeUnknown when nobody knows.
    """
    kind, sends = run.kind(operation.resource.address), run.sends(deadline)
    looked, at_rest = operation.sends == 1, 0
    while True:
        if not looked:
            await still_open(run, operation.resource, deadline=deadline)
        looked = False
        try:
            return await send_once(run, operation, call, deadline=deadline)
        except Unauthorized:
            raise
        except NotSent as error:
            if sends.is_over:
                raise refused(error) from error
        except Rejected as error:
            if isinstance(error, NotFound) and operation.action is Action.DELETE:
                raise
            if error.code in call.done_codes:
                raise NothingToDo from error
            if _is_echo(kind, operation, error):
                raise OutcomeUnknown(error.summary, error.fix, status=error.status, code=error.code) from error
            if error.code in kind.status_codes:
                at_rest = 0 if await at_work(run, operation.resource, deadline=deadline) else at_rest + 1
            elif error.code not in kind.wait_codes and not _too_new(run, operation, error):
                raise refused(error) from error
            if at_rest == _AT_REST or sends.is_over:
                raise refused(error) from error
            await take_turn(run, operation.resource)
        await sends.again()


def _too_new(run: Session, operation: Operation, error: Rejected) -> bool:
    """True for a "no such object" about one that this run has made: the service may not know it everywhere yet."""
    named = (operation.resource.id, *operation.resource.inputs.values())
    return error.code in _GONE_CODES and any(run.is_new(object_id) for object_id in named)


def _is_echo(kind: Kind, operation: Operation, error: Rejected | NotSent) -> bool:
    """True for a refusal that an earlier send explains: go and look."""
    if operation.action is Action.CREATE:
        return operation.sends > 1 and error.code in kind.exists_codes
    return operation.action is Action.DELETE and error.code in kind.look_again_codes


async def send_once(run: Session, operation: Operation, call: Call, *, deadline: float) -> Operation:
    """Send one time, soon or not at all: what is waited for longer was looked at too long ago.

    Whatever is known to have had no effect closes the operation before it is raised.
    """
    try:
        async with run.slot() as slot:
            await run.ledger.intend(Begun(operation))
            answer = await slot.send(call, deadline=deadline, leaves_by=run.until(LOOKED))
            if not call.starts_job:
                return operation
            job_id = job_id_of(answer)
            await run.ledger.note(Accepted(operation.id, job_id))
    except (Rejected, NotSent) as error:
        if not _is_echo(run.kind(operation.resource.address), operation, error):
            await run.ledger.note(Closed(operation.id))
        raise
    run.tell("step-accepted", operation, job_id=job_id)
    return replace(operation, job_id=job_id)


async def job_of(run: Session, operation: Operation, *, deadline: float) -> Job:
    """Wait for the operation's job. Raises StepContinues when it outlives the deadline."""
    kind = run.kind(operation.resource.address)
    try:
        return await run.provider.wait(kind, operation.action, operation.job_id, deadline=deadline, grace=run.grace)
    except JobTimeout as error:
        raise StepContinues(f"job {operation.job_id} is still running", job_id=operation.job_id) from error


def refused(error: Rejected | NotSent) -> StepFailed:
    """The failure of a step whose call was turned away, in our words and the service's."""
    words = f" The service says: {visible(error.message, limit=200)}" if error.message else ""
    return StepFailed(error.summary, f"{error.fix}{words}".strip(), code=error.code)
