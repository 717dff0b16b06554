"""What the figures depend on beside the code: the machine, and what else it does."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_STAT = Path("/proc/stat")
_IDLE = (3, 4)  # columns of its first line: idle, waiting for a disk (proc_stat(5))
_WATCHED = 1.0  # seconds
_SYNCS = 20
BUSY = 0.15  # share of all CPUs' time from which times are not to be trusted


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the machine did just before a row was measured.

    `load_average`: of the last minute, so it lags, and what we did before counts; `busy`: the share of all CPUs' time
    that others used, None where that can't be told; `sync_ms`: the median of small durable writes.
    """

    load_average: float
    busy: float | None
    sync_ms: float

    @property
    def is_quiet(self) -> bool:
        """Whether times can be trusted, as far as can be told."""
        return self.busy is None or self.busy < BUSY


def facts() -> dict[str, object]:
    """The machine, for the head of a result."""
    return {
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cpus": len(os.sched_getaffinity(0)),
        "processor": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
    }


def look_around(folder: Path, *, sleep: Callable[[float], None] = time.sleep) -> Surroundings:
    """Do nothing for a second and see what others do; then try the disk below `folder`."""
    load = os.getloadavg()[0]
    before = _ticks()
    sleep(_WATCHED)
    after = _ticks()
    busy = None if before is None or after is None else share_busy(before, after)
    return Surroundings(round(load, 2), busy, round(_sync_seconds(folder) * 1000, 2))


def _ticks() -> list[int] | None:
    try:
        first, *_ = _STAT.read_text().splitlines()
    except (OSError, ValueError):
        return None
    return [int(number) for number in first.split()[1:9]]  # the columns after these are parts of earlier ones


def share_busy(before: list[int], after: list[int]) -> float:
    """The share of time, from 0 to 1, in which CPUs were not idle between two readings of the first line."""
    passed = [late - early for early, late in zip(before, after, strict=True)]
    total = sum(passed)
    return round(1 - sum(passed[column] for column in _IDLE) / total, 2) if total else 0.0


def _sync_seconds(folder: Path) -> float:
    path = folder / "sync"
    seconds = []
    with path.open("wb", buffering=0) as stream:
        for _ in range(_SYNCS):
            stream.write(b"x" * 512)
            began = time.perf_counter()
            os.fdatasync(stream.fileno())
            seconds.append(time.perf_counter() - began)
    path.unlink()
    return statistics.median(seconds)
