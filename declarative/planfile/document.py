"""A plan as one canonical JSON text, and back: what is reviewed is, byte for byte, what is applied.

The text is the JSON of the plan with sorted members, no blanks and ASCII alone. Its member `digest` is the SHA-256, in
hex, of the same text without that member.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping

import declarative
from declarative import codec, strict_json
from declarative.errors import Diagnostic, PlanRefused, visible
from declarative.model import (
    Action,
    Address,
    Change,
    Consent,
    Danger,
    Drift,
    Hint,
    Json,
    OpenOperation,
    Output,
    Plan,
    Prerequisite,
    Reference,
    Resource,
    Step,
    Withheld,
)
from declarative.planfile.decoding import read_plan

FORMAT = "declarative.plan/2"
MAX_BYTES = 64 * 1024 * 1024

_FORMATS = "declarative.plan/"
_EDITED = "Only the text that `plan` wrote can be applied: plan again."


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
        raise PlanRefused(f"{place} is larger than a plan may be ({MAX_BYTES // 1024**2} MiB)", "Is it the right file?")
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
        raise PlanRefused(f"{place} was edited or is damaged: its digest does not fit its content", _EDITED)
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

_canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, check_circular=False
).encode


def _joined(members: Mapping[str, str]) -> str:
    return "{" + ",".join(f'"{name}":{members[name]}' for name in sorted(members)) + "}"


def _digest(members: Mapping[str, str]) -> str:
    return hashlib.sha256(_joined(members).encode("ascii")).hexdigest()


def _members(plan: Plan) -> dict[str, str]:
    """Each member of the document but the digest, as canonical text."""
    return {name: _canonical(value) for name, value in plan_document(plan).items()}


# ---------------------------------------------------------------- members


def plan_document(plan: Plan) -> dict[str, Json]:
    """Return the plan as JSON values, without the digest (`schemas/plan.json` describes them)."""
    basis = plan.basis
    return {
        "format": FORMAT,
        "stack": basis.stack,
        "environment": basis.environment,
        "desired": basis.desired,
        "inputs": dict(basis.inputs),
        "binding": codec.write_binding(basis.binding),
        "lineage": basis.lineage,
        "serial": basis.serial,
        "tool": basis.tool,
        "created": basis.created,
        "expires": basis.expires,
        "destroy": basis.destroy,
        "refresh_only": basis.refresh_only,
        "refreshed": basis.refreshed,
        "documents": {"count": basis.documents, "prevent_destroy": [str(address) for address in basis.guarded]},
        "selectors": {
            "target": list(basis.targets),
            "exclude": list(basis.excludes),
            "replace": list(basis.replaces),
        },
        "summary": summarize(plan.steps),
        "steps": [_step(step) for step in plan.steps],
        "dangers": [_danger(danger) for danger in plan.dangers],
        "hints": [_hint(hint) for hint in plan.hints],
        "consents": [_consent(consent) for consent in plan.consents],
        "withheld": [_withheld(withheld) for withheld in plan.withheld],
        "drift": [_drift(drift) for drift in plan.drift],
        "open": [_open(operation) for operation in plan.open],
        "outputs": [_output(output) for output in plan.outputs],
        "output_changes": _changes(plan.output_changes),
        "warnings": [_warning(warning) for warning in plan.warnings],
        "prerequisites": [_prerequisite(one) for one in plan.prerequisites],
        "max_deletes": plan.max_deletes,
        "timeouts": dict(plan.timeouts),
    }


def summarize(steps: Iterable[Step]) -> dict[str, int]:
    """Return how many addresses each action, and `replace`, concerns; a replacement counts once, as that alone."""
    steps = tuple(steps)
    deleted = {step.address for step in steps if step.action is Action.DELETE}
    replaced = {step.address for step in steps if step.action is Action.CREATE and step.address in deleted}
    counts = Counter(
        step.action.value
        for step in steps
        if step.address not in replaced or step.action not in (Action.CREATE, Action.DELETE)
    )
    words = [action.value for action in Action]
    words.insert(words.index(Action.DELETE.value), "replace")
    return {word: len(replaced) if word == "replace" else counts[word] for word in words}


def _step(step: Step) -> dict[str, Json]:
    document = {
        "id": step.id,
        "address": str(step.address),
        "action": step.action.value,
        "reason": step.reason.value,
        "changes": _changes(step.changes),
        "requires": list(step.requires),
        "before": dict(step.before),
        "resource": _resource(step.resource),
    }
    if step.source is not None:
        document["source"] = str(step.source)
    if step.twins:
        document["twins"] = list(step.twins)
    if step.leaves:
        document["leaves"] = list(step.leaves)
    return document


def _resource(resource: Resource) -> dict[str, Json]:
    inputs = {name: _input(value) for name, value in resource.inputs.items()}
    return {**codec.resource_in_full(resource), "inputs": inputs}


def _input(value: Json | Reference) -> Json:
    """A field; an id that only the run will tell is written as `{"ref": address}`."""
    if not isinstance(value, Reference):
        return value
    reference = {"ref": str(value.address)}
    return reference if value.attribute == "id" else {**reference, "attribute": value.attribute}


def _changes(changes: Iterable[Change]) -> list[dict[str, Json]]:
    return [
        {"field": change.field, "old": change.old, "new": change.new, "new_known": True}
        if change.new_known
        else {"field": change.field, "old": change.old, "new_known": False}
        for change in changes
    ]


def _address(address: Address | None) -> str | None:
    return None if address is None else str(address)


def _danger(danger: Danger) -> dict[str, Json]:
    return {
        "class": danger.cls.value,
        "address": _address(danger.address),
        "group": _address(danger.group),
        "loses_protection": danger.loses_protection,
        "message": danger.message,
    }


def _hint(hint: Hint) -> dict[str, Json]:
    moves = [{"source": str(source), "target": str(target)} for source, target in hint.moves]
    return {"address": str(hint.address), "message": hint.message, "moves": moves}


def _consent(consent: Consent) -> dict[str, Json]:
    return {"class": consent.cls.value, "address": _address(consent.address), "by": consent.by}


def _withheld(withheld: Withheld) -> dict[str, Json]:
    return {"address": str(withheld.address), "action": withheld.action.value, "message": withheld.message}


def _drift(drift: Drift) -> dict[str, Json]:
    return {"address": str(drift.address), "changes": _changes(drift.changes), "gone": drift.gone}


def _open(operation: OpenOperation) -> dict[str, Json]:
    return {"address": str(operation.address), "action": operation.action.value, "message": operation.message}


def _output(output: Output) -> dict[str, Json]:
    return {"name": output.name, "parts": [_part(part) for part in output.parts]}


def _part(part: Json | Reference) -> dict[str, Json]:
    if isinstance(part, Reference):
        return {"address": str(part.address), "attribute": part.attribute}
    return {"value": part}


def _prerequisite(prerequisite: Prerequisite) -> dict[str, Json]:
    return {"address": str(prerequisite.address), "message": prerequisite.message}


def _warning(warning: Diagnostic) -> dict[str, Json]:
    place = warning.position
    return {
        **({"id": warning.id} if warning.id else {}),
        "severity": warning.severity.value,
        "summary": warning.summary,
        "fix": warning.fix,
        "address": warning.address,
        "position": None if place is None else {"file": place.file, "line": place.line, "column": place.column},
    }
