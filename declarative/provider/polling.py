"""When to look at running jobs, so that many of them cost few looks and none is noticed late.

Jobs of one kind of operation take about as long as each other. One of them, the probe, is looked at early and often;
as soon as one has ended, the others are looked at when they should have ended too: at the median of this run, counted
from each one's own submission.
"""

from __future__ import annotations

import asyncio
import bisect
import math
from collections import deque
from dataclasses import dataclass, field

from declarative.backoff import Backoff
from declarative.clock import Clock

_PAUSES = Backoff(first=0.25, longest=15.0, growth=1.5)
_SLACK = 0.02  # of the median; a look a little too early costs a second one
_LONGEST_SLACK = 1.0
_AGAIN = 0.05  # of the median, between the looks at a job that takes longer
_LAST_LOOK = 1.0  # seconds before the deadline, and at most this part of the whole time:
_LAST_SHARE = 0.1
_NOW = 0.001  # seconds: a moment that is no further off is now; a sleep may end that much early
_SAMPLES = 31  # ended jobs whose median counts
_SHORTER = 0.9  # of what was expected, or less: the jobs have become quicker
_FAILURES_THAT_TELL = 3  # jobs that only fail tell their duration too, but one failure tells nothing


@dataclass(eq=False, slots=True)
class WaitingJob:
    """One waiting job. `submitted` and `again` are monotonic; `again` is set once it is later than expected."""

    submitted: float
    looked: float = -1.0  # its age, in seconds, at the last look that found it running
    again: float = math.inf
    pause: float = 0.0
    last: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class _Median:
    """The median of the last durations, in O(log n) comparisons."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, seconds: float) -> None:
        if len(self._recent) == _SAMPLES:
            self._sorted.pop(bisect.bisect_left(self._sorted, self._recent.popleft()))
        self._recent.append(seconds)
        bisect.insort(self._sorted, seconds)

    def value(self) -> float:
        return self._sorted[len(self._sorted) // 2]


class Poller:
    """The looks at the jobs of one kind and operation in one run."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[WaitingJob, None] = {}  # oldest first; who is later than expected paces itself
        self._probe: WaitingJob | None = None
        self._probe_at = 0.0
        self._probe_pause = _PAUSES.first
        self._successes = _Median()
        self._failures = _Median()

    def join(self) -> WaitingJob:
        """A job has just been submitted (or found open): it waits from now on."""
        waiting_job = WaitingJob(self._clock.monotonic())
        self._waiting[waiting_job] = None
        if self._probe is None:
            self._elect()
        return waiting_job

    def leave(self, waiting_job: WaitingJob) -> None:
        """Nobody waits for this job any more."""
        self._waiting.pop(waiting_job, None)
        if self._probe is waiting_job:
            self._elect()

    async def turn(self, waiting_job: WaitingJob, *, deadline: float) -> bool:
        """Wait until the job should be looked at; False when there is no time left for a look.

        Just before the deadline there is one last look.
        """
        while True:
            now = self._clock.monotonic()
            if waiting_job.last or now >= deadline:
                return False
            last = deadline - min(_LAST_LOOK, _LAST_SHARE * (deadline - waiting_job.submitted))
            at = self._time_of(waiting_job)
            if at <= now + _NOW:
                return True
            if last <= now + _NOW:
                waiting_job.last = True
                return True
            await self._sleep(waiting_job, min(at, last) - now)

    def running(self, waiting_job: WaitingJob) -> None:
        """A look has found the job running."""
        now = self._clock.monotonic()
        waiting_job.looked = now - waiting_job.submitted
        if waiting_job not in self._waiting:
            self.put_off(waiting_job, _PAUSES.after(waiting_job.pause))
        elif self._expected() is None:
            self._rotate(waiting_job, now)
        elif waiting_job.looked >= self._due_age():
            self.put_off(waiting_job, min(max(_PAUSES.first, _AGAIN * (self._expected() or 0.0)), _PAUSES.longest))
        elif waiting_job is self._probe:
            self._probe_at = now + min(_PAUSES.first + waiting_job.looked * (_PAUSES.growth - 1), _PAUSES.longest)

    def put_off(self, waiting_job: WaitingJob, pause: float) -> None:
        """The job is looked at again in `pause` seconds, whatever the others do."""
        waiting_job.pause = pause
        waiting_job.again = self._clock.monotonic() + pause
        self.leave(waiting_job)

    def ended(self, waiting_job: WaitingJob, *, seconds: float | None, succeeded: bool) -> None:
        """A look has found the job ended. `seconds`: how long it took by the service's own clock, if it tells."""
        before = self._due_age() if self._expected() is not None else math.inf
        age = self._clock.monotonic() - waiting_job.submitted
        took = self._took(waiting_job, age, seconds)
        (self._successes if succeeded else self._failures).add(took)
        if self._expected() is not None and self._due_age() < _SHORTER * before:
            for waiting in self._waiting:
                waiting.wake.set()
        self._waiting.pop(waiting_job, None)
        if self._probe is waiting_job:
            # One that ended early may be the first of many: the next is looked at when it is as old as that.
            self._elect(took if age < _SHORTER * before else math.inf)

    def _took(self, waiting_job: WaitingJob, age: float, seconds: float | None) -> float:
        """How long a job took, as far as our own looks bear it out.

        The service's clock may run differently, and the job may have waited before it began. When the service does not
        tell, and the first look found it ended, we learn nothing new: to count the whole wait would make each
        estimate longer than the one before.
        """
        if seconds is not None:
            return max(waiting_job.looked, min(seconds, age))
        expected = self._expected()
        return age if waiting_job.looked >= 0 or expected is None else min(age, expected)

    def _expected(self) -> float | None:
        if len(self._successes):
            return self._successes.value()
        return self._failures.value() if len(self._failures) >= _FAILURES_THAT_TELL else None

    def _due_age(self) -> float:
        expected = self._expected() or 0.0
        return expected + min(_SLACK * expected, _LONGEST_SLACK)

    def _time_of(self, waiting_job: WaitingJob) -> float:
        if waiting_job not in self._waiting:
            return waiting_job.again
        if self._expected() is None:
            return self._probe_at if waiting_job is self._probe else math.inf
        due = waiting_job.submitted + self._due_age()
        return min(due, self._probe_at) if waiting_job is self._probe else due

    def _elect(self, soon: float = math.inf) -> None:
        """The one that has waited longest becomes the probe. `soon`: an age, in seconds, at which it may have ended."""
        self._probe = next(iter(self._waiting), None)
        if self._probe is None:
            return
        now = self._clock.monotonic()
        self._probe_pause = _PAUSES.first
        self._probe_at = now
        if self._expected() is not None:
            self._probe_at = self._probe.submitted + min(_probe_age(now - self._probe.submitted), soon)
        self._probe.wake.set()

    def _rotate(self, waiting_job: WaitingJob, now: float) -> None:
        """Nothing has ended yet: the next look goes to the next job, so that a stuck one does not hold up all."""
        self._waiting.pop(waiting_job)
        self._waiting[waiting_job] = None
        self._probe = next(iter(self._waiting))
        self._probe_at = now + self._probe_pause
        self._probe_pause = _PAUSES.after(self._probe_pause)
        self._probe.wake.set()

    async def _sleep(self, waiting_job: WaitingJob, seconds: float) -> None:
        waiting_job.wake.clear()
        try:
            async with asyncio.timeout(seconds if math.isfinite(seconds) else None):
                await waiting_job.wake.wait()
        except TimeoutError:
            return


def _probe_age(age: float) -> float:
    """The first age, from `age` on, at which a probe is looked at: 0, then after 0.25 s growing by half up to 15 s."""
    at, pause = 0.0, 0.0
    while at < age:
        pause = _PAUSES.after(pause)
        at += pause
    return at
