"""The nouns of a plan as JSON values (`schemas/plan.json` describes them). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from declarative import codec
from declarative.errors import Diagnostic
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
from declarative.planner.impact import impact, impact_document

FORMAT = "declarative.plan/3"


def plan_document(plan: Plan) -> dict[str, Json]:
    """Return the plan's document, without its two digests."""
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
        "impact": impact_document(impact(plan)),
        "steps": [write_step(step) for step in plan.steps],
        "dangers": [_danger(danger) for danger in plan.dangers],
        "hints": [_hint(hint) for hint in plan.hints],
        "consents": [_consent(consent) for consent in plan.consents],
        "withheld": [_withheld(withheld) for withheld in plan.withheld],
        "drift": [_drift(drift) for drift in plan.drift],
        "open": [_open(operation) for operation in plan.open],
        "outputs": [_output(output) for output in plan.outputs],
        "output_changes": write_changes(plan.output_changes),
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


def write_step(step: Step) -> dict[str, Json]:
    """Return a step; `source`, `twins`, `leaves` and `disks` only where there are any."""
    document = {
        "id": step.id,
        "address": str(step.address),
        "action": step.action.value,
        "reason": step.reason.value,
        "changes": write_changes(step.changes),
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
    if step.disks:
        document["disks"] = dict(step.disks)
    return document


def _resource(resource: Resource) -> dict[str, Json]:
    inputs = {name: write_input(value) for name, value in resource.inputs.items()}
    return {**codec.resource_in_full(resource), "inputs": inputs}


def write_input(value: Json | Reference) -> Json:
    """A field; an id that only the run will tell is written as `{"ref": address}`."""
    if not isinstance(value, Reference):
        return value
    reference = {"ref": str(value.address)}
    return reference if value.attribute == "id" else {**reference, "attribute": value.attribute}


def write_changes(changes: Iterable[Change]) -> list[dict[str, Json]]:
    """Return changes; one whose value only the run will tell is without `new`."""
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
    return {"address": str(drift.address), "changes": write_changes(drift.changes), "gone": drift.gone}


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
