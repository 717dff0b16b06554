"""Time and chance, passed in wherever they are needed, so that tests can replace them."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime


def _loop_time() -> float:
    import asyncio  # whoever asks for it runs a loop; who only validates should not have to load one

    return asyncio.get_running_loop().time()


async def _sleep(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


def _utcnow() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """`monotonic` (seconds) measures deadlines, `utcnow` (aware, UTC) only dates what people read.

    By default `monotonic` is the running event loop's own time, so that a loop with virtual time moves all deadlines.
    `elapsed` and `pause` are for threads outside of it.
    """

    monotonic: Callable[[], float] = _loop_time
    utcnow: Callable[[], datetime] = _utcnow
    sleep: Callable[[float], Awaitable[None]] = _sleep
    elapsed: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep  # blocks its thread
    random: random.Random = field(default_factory=random.Random)

    def stamp(self) -> str:
        """The time as RFC 3339 in UTC with whole seconds, e.g. `2026-01-02T03:04:05Z`."""
        return self.utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")

    def jitter(self, ceiling: float) -> float:
        """Seconds drawn evenly from 0 to `ceiling`: full jitter."""
        return self.random.uniform(0.0, ceiling)
