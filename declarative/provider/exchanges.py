"""What a log tells of each request: when, what, for which step, and what came of it. No header, no body, no query.

The recorder sits on the connection, so that it hears of every request to whichever service, each try by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from declarative.clock import Clock
from declarative.provider.answers import Reply, read_fault
from declarative.provider.wire import Broken, Message, Unsent

# The address of the step that a task works for; "" for none. A task hands it on to those that it begins.
_STEP: ContextVar[str] = ContextVar("step", default="")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One try of one request. Host, path, request id and error come from outside, and are untrusted.

    `began` is UTC; `path` has no query, whose values may be anybody's data. `status` is 0 without an answer. `tries`
    counts from 1. `step`: the address of the step it was sent for, "" for none. `error`: the service's code where the
    answer has one, or what happened instead of an answer; "" for an answer without one.
    """

    began: datetime
    method: str
    host: str
    path: str
    status: int
    seconds: float
    request_id: str
    tries: int
    step: str
    error: str


Hearing: TypeAlias = Callable[[Exchange], None]


@contextmanager
def acting_on(address: object) -> Iterator[None]:
    """What is sent within is sent for the step of `address`; "": for several, or for none."""
    token = _STEP.set(str(address))
    try:
        yield
    finally:
        _STEP.reset(token)


@dataclass(frozen=True, slots=True)
class Recorder:
    """Tells of every exchange, also of one that nobody waits for any more."""

    tell: Hearing
    clock: Clock

    async def recorded(self, message: Message, exchange: Coroutine[None, None, Reply]) -> Reply:
        """Await the exchange of `message`. Raises what it raises."""
        began, start = self.clock.utcnow(), self.clock.monotonic()
        reply, error = None, "cancelled before an answer arrived"
        try:
            reply = await exchange
            error = read_fault(reply.body).code if reply.status >= 300 and not reply.cut else ""
        except Unsent:
            error = "no connection"
            raise
        except Broken as broken:
            error = f"connection broken: {broken}"
            raise
        finally:
            self.tell(
                Exchange(
                    began=began,
                    method=message.method,
                    host=_host(message),
                    path=message.target.partition("?")[0],
                    status=reply.status if reply is not None else 0,
                    seconds=self.clock.monotonic() - start,
                    request_id=reply.request_id if reply is not None else "",
                    tries=message.tries,
                    step=_STEP.get(),
                    error=error,
                )
            )
        return reply


def _host(message: Message) -> str:
    return next((value.decode("ascii") for name, value in message.headers if name == b"Host"), "")
