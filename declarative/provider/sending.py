"""Sending a call until it has an answer: slots, attempts, what may be repeated, and for how long."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from declarative.backoff import Backoff
from declarative.clock import Clock
from declarative.errors import EndpointError, NotSent, Rejected, Unanswered, Unauthorized
from declarative.kinds import KINDS
from declarative.model import Attributes, Call, Json
from declarative.provider.access import Access
from declarative.provider.answers import Again, Failure, judge, member, request_line, verb
from declarative.provider.authorization import Refused
from declarative.provider.exchanges import Hearing, Recorder
from declarative.provider.transport import Connection, Limiter, Messages, connector, lent, unanswered, unsent
from declarative.provider.wire import Broken, Unsent

if TYPE_CHECKING:
    import httpx

_BACKOFF = Backoff(first=0.25, longest=8.0)
_SENSELESS_ANSWERS = 3  # to one call, until it is given up
# Seconds in which an endpoint that has never answered is tried: most likely its address is wrong, and whoever wrote it
# should not wait for the deadline to hear so.
_FIRST_CONTACT = 20.0
_NO_SEGMENTS = frozenset({"", ".", ".."})  # would make another path; quoting does not help
# By what a path is about, `("protected-instances", "detachreplication")` for example: the ids are left out.
_GONE_CODES = {kind.calls.delete("/", {}).path[::2]: kind.codes.gone for kind in KINDS.values()}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A call with what it takes to send it: the body as bytes, a deadline (monotonic) and how its answer is read.

    `gone`: codes that mean "no such object", at any status. `max_body`: bytes of an answer that are read. `leaves_by`
    (monotonic): when it must have left, whatever time its answer may take. `holds`: a member that its answer must have,
    and of which type; without it the answer is one that makes no sense.
    """

    call: Call
    body: bytes | None
    deadline: float
    gone: frozenset[str]
    max_body: int
    leaves_by: float = math.inf
    holds: tuple[str, type] | None = None

    @property
    def last_send(self) -> float:
        """The end of the time in which it may be sent, on the monotonic clock."""
        return min(self.deadline, self.leaves_by)


@dataclass(frozen=True, slots=True)
class Answer:
    """The JSON object of a good answer; `asked`: when the try that it answers left, on the monotonic clock."""

    document: Attributes
    asked: float


@dataclass(frozen=True, slots=True)
class _Tries:
    """Which try of a call this is, from 1, and whether an earlier one was refused for who we are."""

    number: int
    is_refused: bool


def gone_codes(call: Call) -> frozenset[str]:
    """The codes that mean that the object a call is about does not exist; a call on a whole collection has none."""
    if len(call.path) < 2:
        return frozenset()
    return _GONE_CODES.get(call.path[::2]) or _GONE_CODES.get(call.path[:1], frozenset())


def encode(body: Json) -> bytes | None:
    """The JSON of a body, compact and in UTF-8."""
    if body is None:
        return None
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")


class Sender:
    """Sends calls. After one `Unauthorized` every later call fails with it, and nothing more is sent.

    `notice` is told, in words, what somebody should know: what has happened, and what to do about it. `on_exchange` is
    told of every try, once it is over.
    """

    def __init__(
        self,
        access: Access,
        *,
        parallelism: int,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None,
        call_timeout: float,
        on_exchange: Hearing | None = None,
    ) -> None:
        self._clock = clock
        self._host = urlsplit(access.endpoint).netloc
        self._messages = Messages(access)
        self._authorization = access.authorization
        recorder = Recorder(on_exchange, clock) if on_exchange is not None else None
        self._limiter = Limiter(_connections(access, parallelism, transport, recorder), clock=clock)
        self._call_timeout = call_timeout
        self._unauthorized: Unauthorized | None = None
        self._answered = False
        self._began: float | None = None
        self._is_short_of_files = False
        self.notice: Callable[[str, str, str], None] = lambda finding_id, summary, fix: None
        self.statistics: Counter[str] = Counter()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._limiter.aclose()

    async def take(self) -> Connection:
        """Wait for a connection, to be given back."""
        return await self._limiter.take()

    def give_back(self, connection: Connection) -> None:
        """Give the connection back."""
        self._limiter.give_back(connection)

    async def send(self, outgoing: Outgoing, connection: Connection | None = None) -> Answer:
        """Send until there is an answer, and return it; on `connection`, or on a new one for each attempt."""
        if not _NO_SEGMENTS.isdisjoint(outgoing.call.path):
            raise Rejected(
                f"{verb(outgoing.call)} not sent: an id is empty or only dots", request=request_line(outgoing.call)
            )
        failures = senseless = refusals = 0
        while True:
            tries = _Tries(failures + refusals + 1, is_refused=refusals > 0)
            if connection is not None:
                result = await self._attempt(outgoing, connection, tries)
            else:
                taken = await self._connection_for(outgoing)
                try:
                    result = await self._attempt(outgoing, taken, tries)
                finally:
                    self.give_back(taken)
            if not isinstance(result, Failure):
                return result
            if result.again is Again.REFUSED:
                refusals += 1
                continue
            failures += 1
            senseless += result.again is Again.UNREADABLE
            pause = max(result.pause, self._clock.jitter(_BACKOFF.nth(failures)))
            if not _may_try_again(
                result, outgoing, senseless=senseless
            ) or self._clock.monotonic() + pause >= self._end(outgoing, result):
                raise result.error
            await self._clock.sleep(pause)

    def _end(self, outgoing: Outgoing, failure: Failure) -> float:
        """The moment from which on a call that failed so is not tried again."""
        if failure.again not in (Again.UNSENT, Again.NO_FILES) or self._answered or self._began is None:
            return outgoing.last_send
        return min(outgoing.last_send, self._began + _FIRST_CONTACT)

    async def _connection_for(self, outgoing: Outgoing) -> Connection:
        """A connection for one attempt. None is held during a 429 pause, so that waiters are not starved."""
        while True:
            await self._calm(outgoing)
            connection = await self._take_in_time(outgoing)
            if not self._limiter.pause():
                return connection
            self.give_back(connection)

    async def _take_in_time(self, outgoing: Outgoing) -> Connection:
        connection = self._limiter.take_now()
        if connection is not None:
            return connection
        left = max(outgoing.deadline - self._clock.monotonic(), 0.0)
        try:
            async with asyncio.timeout(left if math.isfinite(left) else None):
                return await self._limiter.take()
        except TimeoutError:
            raise _too_late(outgoing.call) from None

    async def _calm(self, outgoing: Outgoing) -> None:
        while (pause := self._limiter.pause()) > 0:
            if self._clock.monotonic() + pause >= outgoing.last_send:
                raise _too_late(outgoing.call)
            await self._clock.sleep(pause)

    async def _attempt(self, outgoing: Outgoing, connection: Connection, tries: _Tries) -> Answer | Failure:
        await self._calm(outgoing)
        if self._unauthorized is not None:
            raise _rejected_before(self._unauthorized, outgoing.call)
        generation = await self._authorization.ready(deadline=outgoing.last_send)
        began = self._clock.monotonic()
        if began >= outgoing.last_send:
            raise _too_late(outgoing.call)
        seconds = min(self._call_timeout, outgoing.deadline - began)
        result = await self._exchange(outgoing, connection, seconds=seconds, tries=tries.number)
        if not isinstance(result, Failure):
            return Answer(result, began)
        if isinstance(result.error, Unauthorized):
            return await self._refused(result, generation, outgoing, again=tries.is_refused)
        if result.again is Again.THROTTLED:
            self._limiter.throttled(began=began, pause=result.pause)
        if result.again is Again.NO_FILES:
            self._use_fewer_connections()
        return result

    async def _refused(self, failure: Failure, generation: int, outgoing: Outgoing, *, again: bool) -> Failure:
        """Sign in again, once for all who were refused. `again`: this call was, before, with what was new then."""
        refused = Refused(generation, failure.error.code, failure.date, self._clock.utcnow())
        if not again and await self._authorization.renew(refused, deadline=outgoing.last_send):
            return Failure(failure.error, Again.REFUSED)
        failure.error.fix = self._authorization.remedy(refused)
        if isinstance(failure.error, Unauthorized):
            self._unauthorized = failure.error
        return failure

    def _use_fewer_connections(self) -> None:
        """The system has no file descriptor left for a connection: make do with those that there are."""
        self._limiter.lower()
        if not self._is_short_of_files:
            self._is_short_of_files = True
            self.notice(
                "few-connections",
                "too many open files: using fewer connections from now on",
                "Raise the limit (ulimit -n), or lower --parallelism.",
            )

    async def _exchange(
        self, outgoing: Outgoing, connection: Connection, *, seconds: float, tries: int
    ) -> Attributes | Failure:
        call = outgoing.call
        message = self._messages.make(call, outgoing.body, timeout=seconds, tries=tries)
        self.statistics[_route(call)] += 1
        self._began = self._clock.monotonic() if self._began is None else self._began
        try:
            async with asyncio.timeout(seconds):
                reply = await connection.exchange(message, max_body=outgoing.max_body)
        except TimeoutError:
            return unanswered(call, f"no complete answer within {seconds:.3g} s", cls=Unanswered)
        except Unsent as error:
            return unsent(error, call, host=self._host)
        except Broken as error:
            return unanswered(call, str(error))
        self._answered = True
        result = judge(reply, call, gone=outgoing.gone, now=self._clock.utcnow())
        return result if isinstance(result, Failure) else _complete(result, outgoing)


def _complete(answer: Attributes, outgoing: Outgoing) -> Attributes | Failure:
    if outgoing.holds is not None:
        try:
            member(answer, *outgoing.holds, outgoing.call)
        except EndpointError as error:
            return Failure(error, Again.UNREADABLE)
    return answer


def _connections(
    access: Access, parallelism: int, transport: httpx.AsyncBaseTransport | None, recorder: Recorder | None
) -> list[Connection]:
    connect = connector(access.endpoint, access.tls) if transport is None else lent(access.endpoint, transport)
    return [Connection(connect, recorder) for _ in range(parallelism)]


def _may_try_again(failure: Failure, outgoing: Outgoing, *, senseless: int) -> bool:
    """`senseless`: answers to this call so far that make no sense; what else went wrong with it counts apart."""
    if failure.again in (Again.UNSENT, Again.THROTTLED, Again.NO_FILES):
        return True
    if failure.again is Again.UNREADABLE:
        return outgoing.call.idempotent and senseless < _SENSELESS_ANSWERS
    return outgoing.call.idempotent and failure.again is Again.TRANSIENT


def _too_late(call: Call) -> NotSent:
    return NotSent(
        f"{verb(call)} not sent: the time limit passed",
        "Run the command again with more time (--timeouts) or fewer requests at a time (--parallelism).",
        request=request_line(call),
    )


def _rejected_before(error: Unauthorized, call: Call) -> Unauthorized:
    return Unauthorized(
        f"{verb(call)} not sent: the credentials were rejected earlier",
        error.fix,
        status=error.status,
        code=error.code,
        message=error.message,
        request=request_line(call),
    )


def _route(call: Call) -> str:
    first, *rest = call.path
    words = [part if part.replace("-", "").isalpha() else "{id}" for part in rest]
    return f"{call.method} {'/'.join([first, *words])}"
