"""Outputs of the stack, now and after a plan is applied."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from declarative.errors import Diagnostic, did_you_mean, visible
from declarative.model import Action, Address, Change, Json, Output, Reference, Resource, Step
from declarative.planner.comparison import Comparison

_GONE = (Action.DELETE, Action.FORGET)

Resources = Mapping[Address, Resource]
Steps = Mapping[Address, tuple[Step, ...]]


def evaluate_outputs(outputs: Iterable[Output], resources: Resources) -> dict[str, Json]:
    """Return the value of every output whose references are all known; the others are left out.

    An output of one part keeps that value's type; several parts are joined as text, where null is empty and
    what is no string is written as JSON.
    """
    values: dict[str, Json] = {}
    for output in outputs:
        parts = [_part(part, resources) for part in output.parts]
        if None not in parts:
            known = [part[0] for part in parts if part is not None]
            values[output.name] = known[0] if len(known) == 1 else "".join(map(_text, known))
    return values


def _part(part: Json | Reference, resources: Resources) -> tuple[Json] | None:
    """The part's value in a tuple of one, so that null stays apart from None: not known."""
    if not isinstance(part, Reference):
        return (part,)
    resource = resources.get(part.address)
    if resource is None or not has_attribute(resource, part.attribute):
        return None
    if part.attribute == "id":
        return (resource.id,)
    known = resource.attributes if part.attribute in resource.attributes else resource.inputs
    return (known[part.attribute],)


def has_attribute(resource: Resource, name: str) -> bool:
    """True when the attribute's value is known; the id of an object that is not created yet is not."""
    if name == "id":
        return bool(resource.id)
    return name in resource.attributes or name in resource.inputs


def _text(value: Json) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def references(outputs: Iterable[Output]) -> Iterable[tuple[Output, Reference]]:
    """Yield every reference with the output that makes it."""
    for output in outputs:
        for part in output.parts:
            if isinstance(part, Reference):
                yield output, part


def output_changes(
    outputs: Collection[Output], resources: Resources, *, recorded: Mapping[str, Json], created: Collection[Address]
) -> tuple[Change, ...]:
    """Return how the recorded outputs will change once the plan is applied.

    `resources` is what will be recorded then; those in `created` are created by the plan, so that their unknown
    attributes will be known. A recorded output that can't be told any more is removed (`new` is None).
    """
    values = evaluate_outputs(outputs, resources)
    later = {output.name for output, reference in references(outputs) if reference.address in created} - values.keys()
    changes = []
    for name in sorted(values.keys() | later | recorded.keys()):
        old = recorded.get(name)
        if name in later:
            changes.append(Change(name, old, new_known=False))
        elif name not in values:
            changes.append(Change(name, old))
        elif name not in recorded or recorded[name] != values[name]:
            changes.append(Change(name, old, values[name]))
    return tuple(changes)


# ---------------------------------------------------------------- planned values


def nothing_stays(comparison: Comparison, steps: Steps) -> bool:
    """True when no object will be recorded."""
    return all(address in steps and steps[address][-1].action in _GONE for address in comparison.recorded)


def coming_outputs(
    comparison: Comparison, steps: Steps, outputs: Collection[Output], *, recorded: Mapping[str, Json]
) -> tuple[Change, ...]:
    """Return how the recorded outputs will change once the steps are done."""
    wanted = {reference.address for _, reference in references(outputs)}
    coming = {address: resource for address in wanted if (resource := _coming(comparison, steps, address)) is not None}
    created = {address for address, resource in coming.items() if not resource.id}
    return output_changes(outputs, coming, recorded=recorded, created=created)


def _coming(comparison: Comparison, steps: Steps, address: Address) -> Resource | None:
    """The object as it will be recorded, without an id when it is created then; None when there will be none."""
    if address in steps:
        step = steps[address][-1]
        return None if step.action in _GONE else _updated(step)
    return _now(comparison, address)


def _updated(step: Step) -> Resource:
    resource = step.resource
    known = {name: value for name, value in resource.inputs.items() if not isinstance(value, Reference)}
    if len(known) < len(resource.inputs):
        resource = replace(resource, inputs=known)
    if step.action is Action.UPDATE:
        return _with_attributes(resource, {**resource.attributes, **known})
    if step.action in (Action.ENABLE, Action.DISABLE):
        status = {change.field: change.new for change in step.changes if change.field == "status"}
        return _with_attributes(resource, {**resource.attributes, **status})
    return resource


def _now(comparison: Comparison, address: Address) -> Resource | None:
    recorded, live = comparison.recorded.get(address), comparison.live_objects.get(address)
    return _with_attributes(recorded, live.attributes) if recorded and live else None


def _with_attributes(resource: Resource, attributes: Mapping[str, Json]) -> Resource:
    return Resource(resource.address, resource.id, resource.inputs, attributes)


def output_findings(
    comparison: Comparison, outputs: Iterable[Output], *, moves: Mapping[Address, Address]
) -> Iterable[Diagnostic]:
    """Yield an error for each reference to an undeclared object or an attribute it does not have."""
    for output, reference in references(outputs):
        name, address = f"output '{visible(output.name, limit=80)}'", reference.address
        if address not in comparison.desired:
            hint = did_you_mean(str(address), map(str, comparison.desired))
            yield Diagnostic(f"{name} refers to {address}, but no manifest describes it", hint, id="unknown-address")
        elif (resource := _now(comparison, moves.get(address, address))) and resource.attributes:
            yield from _attribute_findings(comparison, resource, reference, name)


def _attribute_findings(
    comparison: Comparison, resource: Resource, reference: Reference, name: str
) -> Iterable[Diagnostic]:
    fields = comparison.kind(reference.address).fields
    if reference.attribute in fields or has_attribute(resource, reference.attribute):
        return
    known = sorted({"id", *fields, *resource.attributes})
    hint = did_you_mean(reference.attribute, known) or f"It has {', '.join(known)}."
    shown = visible(reference.attribute, limit=80)
    yield Diagnostic(
        f"{name} refers to '{shown}', which is not an attribute of {reference.address}", hint, id="unknown-attribute"
    )
