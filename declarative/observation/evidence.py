"""Evidence: what is good to know and not needed, read within a few seconds in all, and missing without harm."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from declarative.clock import Clock
from declarative.errors import ProviderError, Unauthorized
from declarative.observation.notices import Notices

T = TypeVar("T")

EVIDENCE_TIME = 5.0  # seconds that reading all evidence of a run may take


class Evidence:
    """The time that is left for evidence, and what could not be had. `ends`: of the run, on the monotonic clock."""

    def __init__(self, clock: Clock, notices: Notices, *, ends: float) -> None:
        self._clock = clock
        self._notices = notices
        self._ends = ends
        self._left = EVIDENCE_TIME
        self._counted = 0.0  # until when time has been counted
        self._missing: dict[str, str] = {}

    async def read(self, what: str, reading: Callable[[float], Awaitable[T]]) -> T | None:
        """What `reading` brings by the deadline that it is given; None when it can't be had. Raises Unauthorized."""
        began = self._clock.monotonic()
        try:
            return await self._read(what, reading, self._left) if self._left > 0 else None
        finally:
            self._count(began)

    async def need(self, what: str, reading: Callable[[float], Awaitable[T]], *, seconds: float) -> T | None:
        """The same for what somebody needs: it may take `seconds` of its own. What lacks it finds fault with that."""
        return await self._read(what, reading, seconds)

    async def _read(self, what: str, reading: Callable[[float], Awaitable[T]], seconds: float) -> T | None:
        try:
            return await reading(min(self._clock.monotonic() + seconds, self._ends))
        except Unauthorized:
            raise
        except ProviderError as error:
            self._missing.setdefault(what, error.summary)
            return None

    def _count(self, began: float) -> None:
        """Count the time; what is read at once counts once."""
        now = self._clock.monotonic()
        self._left -= now - max(began, self._counted)
        self._counted = max(now, self._counted)

    def say_what_is_missing(self) -> None:
        """Warn once of the evidence that could not be had."""
        if self._missing:
            what = " and ".join(f"{what} ({reason})" for what, reason in self._missing.items())
            self._notices.warn(
                "evidence-missing", f"not read, and nothing is concluded from that: {what}", once="evidence"
            )
