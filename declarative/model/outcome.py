"""What a run came to: how each step ended, and the events on the way."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from declarative.model.address import Address, Attributes, Json
from declarative.model.plan import Step, Withheld
from declarative.model.recorded import Action


class Result(enum.StrEnum):
    """How a step ended in a run."""

    DONE = "done"
    FAILED = "failed"
    CONTINUES = "continues"  # its job goes on in the cloud; the next run goes on with it
    NOT_STARTED = "not-started"


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """One step's end. `summary` and `fix` say why it is not done."""

    step: Step
    result: Result
    summary: str = ""
    fix: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a run; `detail` holds JSON values. `time` is RFC 3339."""

    type: str
    time: str
    address: Address | None = None
    action: Action | None = None
    detail: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to: each step's end, what the recovery of earlier operations found, and the recorded outputs."""

    steps: tuple[StepOutcome, ...] = field(default=(), repr=False)
    withheld: tuple[Withheld, ...] = ()
    outputs: Mapping[str, Json] = field(default_factory=dict)
    interrupted: bool = False
    conflict: str = ""  # somebody else wrote the state; what this run did is kept beside it

    def count(self, result: Result) -> int:
        """The number of steps with this result."""
        return sum(1 for outcome in self.steps if outcome.result is result)
