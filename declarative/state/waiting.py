"""Waiting for a lock that somebody else holds: pauses that grow, drawn so that many who wait don't all come at once."""

from __future__ import annotations

from collections.abc import Callable

from declarative.backoff import Backoff
from declarative.state.store import Seen

_SHORTEST_PAUSE = 0.02  # seconds
_JITTER = Backoff(first=0.1, longest=1.0)
_JUST_FREED = 1.0  # seconds more for a lock that was given back just now, or that somebody only looked at


def wait_for_lock(
    take: Callable[[], Seen | None],
    *,
    is_free: Callable[[], bool],
    timeout: float,
    sleep: Callable[[float], None],
    jitter: Callable[[float], float],
    waiting: Callable[[Seen], None],
) -> Seen | None:
    """Try `take` until it returns None, for `timeout` seconds (the pauses count); else return who has the lock.

    `is_free`: whether nobody holds it any more, after a try that failed. `waiting` is told of each holder once.
    """
    waited, ceiling, told = 0.0, _JITTER.after(0.0), ""
    while (other := take()) is not None:
        if waited >= timeout + (_JUST_FREED if is_free() else 0.0):
            return other
        if waited < timeout and other.holder.id != told:
            told = other.holder.id
            waiting(other)
        pause = min(_SHORTEST_PAUSE + jitter(ceiling), max(timeout - waited, _SHORTEST_PAUSE))
        sleep(pause)
        waited += pause
        ceiling = _JITTER.after(ceiling)
    return None
