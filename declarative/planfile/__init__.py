"""A plan as a file: one canonical text, read back strictly, and verified anew where it is to be applied. Pure."""

from __future__ import annotations

from declarative.planfile.document import decode_plan, encode_plan, plan_digest, plan_document, summarize
from declarative.planfile.verification import Circumstances, refuse_other, verify

__all__ = [
    "Circumstances",
    "decode_plan",
    "encode_plan",
    "plan_digest",
    "plan_document",
    "refuse_other",
    "summarize",
    "verify",
]
