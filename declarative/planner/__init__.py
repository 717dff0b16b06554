"""Thinking: what to do, in which order, and what harm it could do. Nothing here reads a file, a clock or the cloud."""

from __future__ import annotations

from declarative.planner.consents import Unconsented, agreed, parse_consent, unconsented, with_consents
from declarative.planner.imported import as_described
from declarative.planner.offline import offline_findings
from declarative.planner.outputs import evaluate_outputs
from declarative.planner.planner import aware_of_twins, kinds_with_twins, make_plan
from declarative.planner.selection import PlanRequest
from declarative.planner.selectors import Selector

__all__ = [
    "PlanRequest",
    "Selector",
    "Unconsented",
    "agreed",
    "as_described",
    "aware_of_twins",
    "evaluate_outputs",
    "kinds_with_twins",
    "make_plan",
    "offline_findings",
    "parse_consent",
    "unconsented",
    "with_consents",
]
