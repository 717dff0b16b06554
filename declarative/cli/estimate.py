"""How long a run will still take, by the steps of this run that have ended; without such evidence, nothing is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median
from typing import TypeAlias

from declarative.model import Action, Step

_KEPT_FOR = 1.0  # seconds; the board asks many times a second
_OUTLIER = 2.0  # a step that takes this many times the longest of its kind: no figure is honest any more
_AT_ONCE = {one.value: 0.0 for one in (Action.ADOPT, Action.FORGET, Action.MOVE, Action.RECORD)}  # no job
_MOST = 20_000  # steps; beyond, a figure costs more than it is worth

_Sort: TypeAlias = tuple[str, str]  # the kind of object and the action


class Estimate:
    """What is known of the pace of a run. `monotonic` is the clock of the times that are given."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._left: dict[str, Step] = {}
        self._since: dict[str, float] = {}
        self._took: dict[_Sort, list[float]] = {}
        self._peak = 0
        self._kept: tuple[float, float | None] = (float("-inf"), None)

    def planned(self, steps: Iterable[Step]) -> None:
        """The steps that a run will take, in their order."""
        self._left = {step.id: step for step in steps}

    def begins(self, count: int) -> None:
        """The run begins with `count` steps. Of a resumed plan some are done, and nobody tells which."""
        if count != len(self._left) or count > _MOST:
            self._left = {}

    def started(self, step: str) -> None:
        """A step runs from now on."""
        self._since[step] = self._monotonic()
        self._peak = max(self._peak, len(self._since))

    def ended(self, step: str, *, is_done: bool) -> None:
        """A step has ended; only one that is done says how long others may take."""
        since, one = self._since.pop(step, None), self._left.pop(step, None)
        if since is not None and one is not None and is_done:
            self._took.setdefault(_sort(one), []).append(self._monotonic() - since)

    def seconds_left(self) -> float | None:
        """Seconds until the last step ends; None without evidence of each sort of step that is left."""
        now, (at, kept) = self._monotonic(), self._kept
        if now - at >= _KEPT_FOR:
            kept = self._reckoned(now)
            self._kept = (now, kept)
        return kept

    def _reckoned(self, now: float) -> float | None:
        medians = {sort: median(times) for sort, times in self._took.items()}
        typical = {step.id: medians.get(_sort(step), _AT_ONCE.get(step.action.value)) for step in self._left.values()}
        if not self._left or None in typical.values():
            return None
        ends: dict[str, float] = {}
        work = 0.0
        for step in self._left.values():
            rest = typical[step.id] or 0.0
            if step.id in self._since:
                elapsed = now - self._since[step.id]
                if elapsed > _OUTLIER * max(self._took.get(_sort(step), (0.0,))) and rest:
                    return None
                rest = max(rest - elapsed, 0.0)
            ends[step.id] = max((ends.get(one, 0.0) for one in step.requires), default=0.0) + rest
            work += rest
        return max(*ends.values(), work / max(self._peak, 1))


def _sort(step: Step) -> _Sort:
    return step.address.kind, step.action.value


def in_words(seconds: float | None, clock: Callable[[float], str]) -> str:
    """`about 2m 10s left`, in steps of 5 s or 10 s; empty when nothing is known or it is over in a moment."""
    if seconds is None or seconds < 5:
        return ""
    grain = 5 if seconds < 60 else 10
    return f"about {clock(grain * round(seconds / grain))} left"
