"""A plan as one canonical JSON text, and back: what is reviewed is, byte for byte, what is applied.

The text is the JSON of the plan with sorted members, no spaces and only ASCII. Its member `digest` is the SHA-256, in
hex, of the same text without that member, and `content_digest` that of what it would do (`content.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import declarative
from declarative import strict_json
from declarative.errors import PlanRefused, visible
from declarative.model import Json, Plan
from declarative.planfile.content import canonical, content_digest
from declarative.planfile.decoding import read_plan
from declarative.planfile.writing import FORMAT, plan_document

MAX_BYTES = 64 * 1024 * 1024

_FORMATS = "declarative.plan/"
_EDITED = "Only an unchanged plan file can be applied. Plan again."


def encode_plan(plan: Plan) -> str:
    """Return the plan as its canonical text, without a newline at the end."""
    members = _members(plan)
    members["digest"] = json.dumps(_digest(members))
    return _joined(members)


def plan_digest(plan: Plan) -> str:
    """Return the SHA-256, in hex, of the plan's canonical text without its `digest`."""
    return _digest(_members(plan))


def decode_plan(text: str, *, source: str) -> tuple[Plan, str]:
    """Return the plan that `text` holds, and its digest. One newline at the end of the text is no edit.

    Raises PlanRefused, naming `source`, for a text that is no plan, too large (64 MiB), of another format or tool
    version, or other than what `encode_plan` wrote.
    """
    text = text.removesuffix("\n")
    place = visible(source, limit=200)
    if len(text) > MAX_BYTES:
        raise PlanRefused(f"{place} is larger than a plan can be ({MAX_BYTES // 1024**2} MiB)", "Check the file name.")
    document = _parsed(text, place)
    tool = document.get("tool")
    if isinstance(tool, str) and tool != declarative.__version__:
        found = f"version {visible(tool, limit=40)}, and this is version {declarative.__version__}"
        raise PlanRefused(f"{place} was made by {found}", "Plan again with this version, or apply with that one.")
    try:
        plan = read_plan(document)
        members = _members(plan)
    except (ValueError, RecursionError) as error:
        raise PlanRefused(f"{place} was edited or is damaged", _EDITED) from error
    digest = _digest(members)
    members["digest"] = json.dumps(digest)
    if _joined(members) != text:
        raise PlanRefused(f"{place} was edited or is damaged: its digest does not match its content", _EDITED)
    return plan, digest


def is_plan(content: bytes) -> bool:
    """True for the JSON text of a plan, of any version, whole."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    form = document.get("format") if isinstance(document, dict) else None
    return isinstance(form, str) and form.startswith(_FORMATS)


def _parsed(text: str, place: str) -> Mapping[str, Json]:
    try:
        document = strict_json.loads(text)
    except ValueError as error:
        raise PlanRefused(
            f"{place} is not a declarative plan, or was cut or edited: it can't be read as JSON", _EDITED
        ) from error
    form = document.get("format") if isinstance(document, dict) else None
    if not isinstance(form, str) or not form.startswith(_FORMATS):
        raise PlanRefused(f"{place} is not a declarative plan", "`declarative plan -o FILE` writes one.")
    if form != FORMAT:
        found = visible(form, limit=40)
        raise PlanRefused(f"{place} has the format {found}; this version reads {FORMAT}", "Plan again.")
    return dict(document)


# ---------------------------------------------------------------- canonical text


def _joined(members: Mapping[str, str]) -> str:
    return "{" + ",".join(f'"{name}":{members[name]}' for name in sorted(members)) + "}"


def _digest(members: Mapping[str, str]) -> str:
    return hashlib.sha256(_joined(members).encode("ascii")).hexdigest()


def _members(plan: Plan) -> dict[str, str]:
    """Each member of the document but the digest, as canonical text."""
    document = {**plan_document(plan), "content_digest": content_digest(plan)}
    return {name: canonical(value) for name, value in document.items()}
