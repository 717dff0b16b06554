"""A plan as a file: one canonical text, read back strictly, and verified anew where it is to be applied. Pure."""

from __future__ import annotations

from declarative.planfile.content import content_digest, review_of, unreviewed
from declarative.planfile.document import decode_plan, encode_plan, plan_digest
from declarative.planfile.verification import Circumstances, PlanDiffers, refuse_other, verify
from declarative.planfile.writing import plan_document, summarize

__all__ = [
    "Circumstances",
    "PlanDiffers",
    "content_digest",
    "decode_plan",
    "encode_plan",
    "plan_digest",
    "plan_document",
    "refuse_other",
    "review_of",
    "summarize",
    "unreviewed",
    "verify",
]
