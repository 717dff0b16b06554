"""One call, sent with its intent durable before and its job id after, and with what it rests on looked at in between.

The order is always this: a send slot is held, the intent is durable, the object and its group are looked at in that
slot, and the call leaves before the look is too old. Whatever waits, waits before: nothing is ever sent on an old look.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from declarative.applier.groups import at_work, group_of, take_turn
from declarative.applier.session import Busy, Session, StepContinues, StepFailed, Unneeded
from declarative.errors import (
    EndpointError,
    NotFound,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Unanswered,
    Unauthorized,
)
from declarative.kinds import KINDS
from declarative.kinds.relations import GROUP
from declarative.model import Accepted, Action, Attributes, Begun, Call, Closed, Kind, Operation, Record
from declarative.provider import Job, JobTimeout, JobUnknown, JobUnreadable, Slot, job_id_of

_GONE_CODES = frozenset[str]().union(*(kind.codes.gone for kind in KINDS.values()))
_AT_REST = 3  # refusals over a status, with all seen at rest, after which it isn't a passing one
_OLD_LOOKS = 3  # in a row that are too old to be acted on, until the step is given up


class NothingToDo(Exception):
    """The service refuses the call because what it asks for is so already."""


class LookAt(Protocol):
    """How a check looks at an object: None when it is gone."""

    async def __call__(self, kind: Kind, object_id: str) -> Attributes | None: ...


# Looks at what a call rests on, and returns what the object shows. Raises StepFailed when the call must not be sent,
# Busy when not now, Unneeded when no more.
Check = Callable[[LookAt], Awaitable[Attributes | None]]


async def nothing_to_check(look_at: LookAt) -> Attributes | None:
    """The check of a call that rests on nothing, such as the create of a group."""
    return None


@dataclass(frozen=True, kw_only=True)
class Sending:
    """What a call is sent under. `fresh`: looks are made for this one send alone; else those of others count too."""

    check: Check
    deadline: float
    wait_codes: frozenset[str]
    fresh: bool = False


async def submit(session: Session, operation: Operation, call: Call, sending: Sending) -> Operation:
    """Send, and again while the group is busy or the service says so. Returns the operation, with its job if one began.

    Raises StepFailed when it is refused, Unneeded and NothingToDo when it is done already, NotFound when the object of
    a delete is gone, OutcomeUnknown when nobody knows.
    """
    sends, at_rest = session.sends(sending.deadline), 0
    while True:
        await when_free(session, sending)
        try:
            return await _send_once(session, operation, call, sending)
        except Busy as busy:
            if sends.is_over:
                raise StepFailed(str(busy), "Run again.") from busy
        except Unauthorized:
            raise
        except NotSent as error:
            if sends.is_over:
                raise refused(error) from error
        except Rejected as error:
            at_rest = await _at_rest_after(session, operation, call, error, sending, at_rest=at_rest)
            if at_rest == _AT_REST or sends.is_over:
                raise refused(error) from error
            await take_turn(session, operation.resource)
        _look_anew(session, operation)
        await sends.again()


def _look_anew(session: Session, operation: Operation) -> None:
    """What was looked at before a call that was turned away tells nothing about the next one."""
    session.observer.changed(session.kind(operation.resource.address), operation.resource.id)
    session.observer.changed(GROUP, group_of(session, operation.resource))


async def _at_rest_after(
    session: Session, operation: Operation, call: Call, error: Rejected, sending: Sending, *, at_rest: int
) -> int:
    """How often in a row, with this refusal, one over a status came though all was seen at rest.

    Raises what ends the sending: nothing left to do, gone, an echo of an earlier send, a refusal that will not pass.
    """
    kind = session.kind(operation.resource.address)
    if isinstance(error, NotFound) and operation.action is Action.DELETE:
        raise error
    if error.code in call.done_codes:
        raise NothingToDo from error
    if _is_echo(kind, operation, error):
        raise OutcomeUnknown(error.summary, error.fix, status=error.status, code=error.code) from error
    if error.code in kind.codes.status:
        return 0 if await at_work(session, operation.resource, deadline=sending.deadline) else at_rest + 1
    if error.code not in sending.wait_codes and not _too_new(session, operation, error):
        raise refused(error) from error
    session.tell("step-progress", operation, status=f"waits: {error.summary}")
    return at_rest


def _too_new(session: Session, operation: Operation, error: Rejected) -> bool:
    """True for a "no such object" about one that this run has made: the service may not know it everywhere yet."""
    named = (operation.resource.id, *operation.resource.inputs.values())
    return error.code in _GONE_CODES and any(session.observer.is_new(object_id) for object_id in named)


def _is_echo(kind: Kind, operation: Operation, error: Rejected | NotSent) -> bool:
    """True for a refusal that an earlier send explains: go and look."""
    if operation.action is Action.CREATE:
        return operation.sends > 1 and error.code in kind.codes.exists
    return operation.action is Action.DELETE and error.code in kind.codes.look_again


# ---------------------------------------------------------------- looks


async def when_free(session: Session, sending: Sending) -> Attributes | None:
    """Wait, without a slot, for as long as what a call rests on is busy. Returns what the object shows then.

    None when there is no answer, or nothing to look at. Raises what the check raises.
    """
    if sending.check is nothing_to_check:
        return None
    looks, is_first = session.looks(sending.deadline), True

    async def look_at(kind: Kind, object_id: str) -> Attributes | None:
        max_age = session.observer.shared_for(kind) if is_first else 0.0
        return await session.observer.object(kind, object_id, max_age=max_age, deadline=_look_deadline(session))

    while True:
        try:
            return await sending.check(look_at)
        except (OutcomeUnknown, NotSent):
            return None  # the look in the slot is the one that counts
        except Busy as busy:
            if not await looks.again():
                raise StepFailed(str(busy), "Run again.") from busy
            is_first = False


async def _looked(session: Session, slot: Slot, sending: Sending) -> float:
    """Look in the slot, until what was seen is young enough to act on. Returns by when the call must have left.

    Raises StepFailed when three looks in a row were too old, or something else than the object was answered.
    """
    age = 0.0
    for number in range(_OLD_LOOKS):
        glance = _Glance(session, slot, is_fresh=sending.fresh or number > 0)
        began = session.clock.monotonic()
        try:
            await sending.check(glance.look_at)
        except Unanswered:
            age = session.clock.monotonic() - began
            continue
        except (Unauthorized, NotSent):
            raise
        except OutcomeUnknown as error:
            raise NotSent(f"not sent, for want of a look: {error.summary}", error.fix, code=error.code) from error
        except ProviderError as error:
            raise StepFailed(f"not sent, for want of a look: {error.summary}", error.fix, code=error.code) from error
        age = session.clock.monotonic() - glance.oldest
        if age < session.observer.trust:
            return min(glance.oldest, session.clock.monotonic()) + session.observer.trust
    raise _too_slow(age)


def _too_slow(age: float) -> StepFailed:
    return StepFailed(
        f"the service answers too slowly ({age:.1f} s) to be sure",
        "Nothing was sent. Run again when it is faster. If you know that nobody else works on these objects, trust"
        f" older looks: --timeouts look={math.ceil(age) + 5}.",
    )


async def look_first(session: Session, kind: Kind, object_id: str, sending: Sending) -> Attributes | None:
    """Look at an object, once it is free, to see what there is to do; None when it is gone.

    Raises StepFailed when no answer comes in time, and what the check raises.
    """
    if (observed := await when_free(session, sending)) is not None:
        return observed
    began = session.clock.monotonic()
    patience = min(sending.deadline, session.until(2 * session.observer.trust * _OLD_LOOKS))
    try:
        return await session.observer.object(
            kind, object_id, max_age=session.observer.shared_for(kind), deadline=patience
        )
    except Unanswered as error:
        raise _too_slow(session.clock.monotonic() - began) from error


class _Glance:
    """Looks in one slot; `oldest` is when the first of them was asked."""

    def __init__(self, session: Session, slot: Slot, *, is_fresh: bool) -> None:
        self.oldest = math.inf
        self._session = session
        self._slot = slot
        self._is_fresh = is_fresh

    async def look_at(self, kind: Kind, object_id: str) -> Attributes | None:
        session, observer = self._session, self._session.observer
        age, deadline = 0.0 if self._is_fresh else observer.shared_for(kind), _look_deadline(session)
        look = await observer.look(kind, object_id, max_age=age, deadline=deadline, slot=self._slot)
        self.oldest = min(self.oldest, look.asked)
        if look.shown is None and session.observer.is_new(object_id):
            raise Busy(f"{kind.noun} {object_id} is not shown yet")
        return look.shown


def _look_deadline(session: Session) -> float:
    """What takes twice as long as a look may be old is of no use any more."""
    return session.until(2 * session.observer.trust)


# ---------------------------------------------------------------- the send


async def send_looked(
    session: Session,
    call: Call,
    sending: Sending,
    *,
    intent: tuple[Record, ...] = (),
    heard: Callable[[Attributes], Awaitable[None]] | None = None,
) -> Attributes:
    """Send one time, soon after the look or not at all. Returns the answer.

    `intent` is durable before the look. `heard` is given the answer while an interrupt still waits for it. Raises what
    the check raises, StepFailed when the looks are too old, and what the provider raises.
    """
    async with session.slot() as slot:
        if intent:
            await session.ledger.intend(*intent)
        leaves_by = await _looked(session, slot, sending)
        answer = await slot.send(call, deadline=sending.deadline, leaves_by=leaves_by)
        if heard is not None:
            await heard(answer)
    return answer


async def _send_once(session: Session, operation: Operation, call: Call, sending: Sending) -> Operation:
    """Send one time, with the operation durable before and its job id after.

    Whatever is known to have had no effect closes the operation before it is raised, unless an earlier send of it is in
    doubt.
    """
    kind = session.kind(operation.resource.address)
    job_id = ""

    async def heard(answer: Attributes) -> None:
        nonlocal job_id
        session.observer.changed(kind, operation.resource.id)
        if call.starts_job:
            job_id = job_id_of(answer)
            await session.ledger.note(Accepted(operation.id, job_id))

    try:
        await send_looked(session, call, sending, intent=(Begun(operation),), heard=heard)
    except (Busy, StepFailed, Unneeded):
        if operation.sends == 1:
            await session.ledger.note(Closed(operation.id))
        raise
    except (Rejected, NotSent) as error:
        if not _is_echo(kind, operation, error):
            await session.ledger.note(Closed(operation.id))
        raise
    if job_id:
        session.tell("step-accepted", operation, job_id=job_id)
    return replace(operation, job_id=job_id)


async def job_of(session: Session, operation: Operation, *, deadline: float) -> Job:
    """Wait for the operation's job; without patience, look at it once. Raises StepContinues when it is running then."""
    kind, last = session.kind(operation.resource.address), ""

    def tell(job: Job) -> None:
        """Tell what the service calls the status, when that has changed."""
        nonlocal last
        if not job.ended and job.word != last:
            last = job.word
            session.tell("step-progress", operation, status=last, job_id=operation.job_id)

    try:
        if not session.is_patient:
            return await _ended_job(session, operation.job_id, deadline=deadline)
        return await session.provider.wait(
            kind, operation.action, operation.job_id, deadline=deadline, grace=session.observer.grace, progress=tell
        )
    except JobTimeout as error:
        raise StepContinues(f"job {operation.job_id} is still running", job_id=operation.job_id) from error
    finally:
        session.observer.changed(kind, operation.resource.id)


async def _ended_job(session: Session, job_id: str, *, deadline: float) -> Job:
    """Return a job that has ended; raises as `Provider.wait` does, on one look."""
    try:
        job = await session.provider.job(job_id, deadline=deadline)
    except Unauthorized:
        raise
    except (EndpointError, Rejected) as error:
        raise JobUnreadable(job_id, error) from error
    if job is None:
        raise JobUnknown(job_id)
    if not job.ended:
        raise JobTimeout(job_id)
    return job


def refused(error: Rejected | NotSent) -> StepFailed:
    """The failure of a step whose call was turned away, in our words and the service's."""
    return StepFailed(error.summary, " ".join(filter(None, (error.fix, error.words()))), code=error.code)
