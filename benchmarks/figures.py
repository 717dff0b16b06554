"""What a measurement gives."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from benchmarks.machine import Surroundings


class Verdict(enum.StrEnum):
    """How a figure stands to its target; NONE: it has none, and is told for comparison."""

    OK = "ok"
    MISSED = "missed"
    NONE = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number. `limit`: the most it may be; `runs`: all values, of which `value` is the one that counts.

    `cpu_seconds`: of the command itself, where `value` is a time; it tells what a busy machine has added.
    """

    what: str
    value: float
    unit: str = ""
    limit: float | None = None
    runs: tuple[float, ...] = ()
    cpu_seconds: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether the target is reached."""
        if self.limit is None:
            return Verdict.NONE
        return Verdict.OK if self.value <= self.limit else Verdict.MISSED


@dataclass(frozen=True, slots=True)
class Measured:
    """A row as it was measured. `failure`: why it has not all its figures, or ""."""

    name: str
    surroundings: Surroundings
    figures: tuple[Figure, ...]
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured. The targets hold for these numbers; tests take smaller ones."""

    some: int = 1000  # groups
    many: int = 10_000
    most: int = 100_000  # as many as a stack may hold
    waiting: int = 200  # groups whose jobs take
    job_seconds: float = 5.0
    at_once: int = 64  # the command's usual --max-jobs
    faulty: int = 200  # groups that are made while requests fail
    recorded: tuple[int, ...] = (100, 1000, 10_000)  # objects of a state of which one changes
    repeats: int = 3  # of runs that take seconds
    ratio_repeats: int = 5  # of pairs of runs that are told as a ratio
    short_repeats: int = 10  # of those that take less
