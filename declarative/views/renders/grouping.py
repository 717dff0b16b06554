"""The steps of a plan by the protection group that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from declarative.model import Address, Plan, Step
from declarative.planner.homes import homes
from declarative.views.entries import Entry, entries

ELSEWHERE = "Groups that this stack does not manage"


@dataclass(frozen=True, slots=True)
class Part:
    """The entries of one group, and its steps, in the plan's order. `name`: its address, or what the rest is called."""

    name: str
    entries: Sequence[Entry]
    steps: Sequence[Step]


def by_group(plan: Plan) -> list[Part]:
    """The entries of a plan by group, groups in the order of their first step."""
    known = homes(plan)
    names = {step: str(home) if isinstance(home, Address) else ELSEWHERE for step, home in known.items()}
    found: dict[str, list[Entry]] = {}
    steps: dict[str, list[Step]] = {}
    for entry in entries(plan.steps):
        found.setdefault(names[entry.step.id], []).append(entry)
    for step in plan.steps:
        steps.setdefault(names[step.id], []).append(step)
    return [Part(name, some, steps[name]) for name, some in found.items()]
