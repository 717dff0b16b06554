"""A command's result as every render needs it: a verdict, findings, cases, counts, and what they were made from.

A render is the result in one more format, for a reader in a browser or for a program of a CI system. Each view makes
one `Report`; the modules of `views/renders` turn it into their formats. All texts are untrusted: each format escapes
them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from declarative.errors import Diagnostic, Position, Severity
from declarative.model import Outcome, Plan
from declarative.views.text import Line


class Level(enum.StrEnum):
    """How bad a finding is, or a result as a whole."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell. `rule`: the stable id of what it is about, "" for none of its own."""

    level: Level
    summary: str
    fix: str = ""
    rule: str = ""
    position: Position | None = None
    address: str = ""


class Verdict(enum.StrEnum):
    """How a case ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that was looked at or done, as a test reporter counts it. `message`: why it did not pass."""

    name: str
    verdict: Verdict = Verdict.PASSED
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Block:
    """Lines for a reader under a title."""

    title: str
    lines: Iterable[Line]


@dataclass(frozen=True, slots=True)
class Report:
    """A result. `verdict`: it in a sentence; `level`: None when all is well; `waiting`: what a change waits for.

    `blocks`: what a reader is shown beside the plan and its outcome. A result that a failed command could not reach is
    missing.
    """

    verdict: str
    level: Level | None = None
    findings: Sequence[Finding] = ()
    cases: Sequence[Case] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    blocks: Sequence[Block] = ()
    plan: Plan | None = None
    outcome: Outcome | None = None

    def first_error(self) -> Finding | None:
        """The first finding that is an error."""
        return next((one for one in self.findings if one.level is Level.ERROR), None)


@dataclass(frozen=True, slots=True)
class Invocation:
    """The command that was run, its exit code, and from where. `apply`: the command that carries the plan out."""

    command: str
    exit_code: int = 0
    folder: str = "."
    environment: str = "default"
    apply: str = ""


_LEVELS = {Severity.ERROR: Level.ERROR, Severity.WARNING: Level.WARNING}


def found(diagnostics: Iterable[Diagnostic]) -> Iterator[Finding]:
    """The diagnostics of a command as findings."""
    for one in diagnostics:
        yield Finding(_LEVELS[one.severity], one.summary, one.fix, one.id, one.position, one.address)


def worst(findings: Iterable[Finding]) -> Level | None:
    """The worst level among findings; None of none."""
    levels = {one.level for one in findings}
    return next((level for level in Level if level in levels), None)
