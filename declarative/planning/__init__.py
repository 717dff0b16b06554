"""Thinking: what to do, in which order, and what harm it could do. Nothing here reads a file, a clock or the cloud."""

from __future__ import annotations

from declarative.planning.consents import Unconsented, agreed, parse_consent, unconsented, with_consents
from declarative.planning.document import decode_plan, encode_plan, plan_digest, plan_document, summarize
from declarative.planning.imported import as_described
from declarative.planning.judging import Evidence, judge, refuse_other
from declarative.planning.offline import offline_findings
from declarative.planning.outputs import evaluate_outputs
from declarative.planning.planner import aware_of_twins, kinds_with_twins, make_plan
from declarative.planning.selection import PlanRequest
from declarative.planning.selectors import Selector

__all__ = [
    "Evidence",
    "PlanRequest",
    "Selector",
    "Unconsented",
    "agreed",
    "as_described",
    "aware_of_twins",
    "decode_plan",
    "encode_plan",
    "evaluate_outputs",
    "judge",
    "kinds_with_twins",
    "make_plan",
    "offline_findings",
    "parse_consent",
    "plan_digest",
    "plan_document",
    "refuse_other",
    "summarize",
    "unconsented",
    "with_consents",
]
