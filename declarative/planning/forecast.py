"""What will be recorded once a plan is applied, as far as outputs need to know."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from declarative.errors import Diagnostic, did_you_mean, visible
from declarative.model import Action, Address, Change, Json, Output, Reference, Resource, Step
from declarative.planning.outputs import has_attribute, output_changes, references
from declarative.planning.scene import Scene

_GONE = (Action.DELETE, Action.FORGET)

Steps = Mapping[Address, tuple[Step, ...]]


def nothing_stays(scene: Scene, steps: Steps) -> bool:
    """True when no object at all will be recorded."""
    return all(address in steps and steps[address][-1].action in _GONE for address in scene.recorded)


def coming_outputs(
    scene: Scene, steps: Steps, outputs: Collection[Output], *, recorded: Mapping[str, Json]
) -> tuple[Change, ...]:
    """Return how the recorded outputs will change once the steps are done."""
    wanted = {reference.address for _, reference in references(outputs)}
    coming = {address: resource for address in wanted if (resource := _coming(scene, steps, address)) is not None}
    born = {address for address, resource in coming.items() if not resource.id}
    return output_changes(outputs, coming, recorded=recorded, born=born)


def _coming(scene: Scene, steps: Steps, address: Address) -> Resource | None:
    """The object as it will be recorded, without an id when it is created then; None when there will be none."""
    if address in steps:
        step = steps[address][-1]
        return None if step.action in _GONE else _updated(step)
    return _now(scene, address)


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


def _now(scene: Scene, address: Address) -> Resource | None:
    recorded, sight = scene.recorded.get(address), scene.sights.get(address)
    return _with_attributes(recorded, sight.attributes) if recorded and sight else None


def _with_attributes(resource: Resource, attributes: Mapping[str, Json]) -> Resource:
    return Resource(resource.address, resource.id, resource.inputs, attributes)


def output_findings(
    scene: Scene, outputs: Iterable[Output], *, moves: Mapping[Address, Address]
) -> Iterable[Diagnostic]:
    """Yield an error for each reference to an object that nobody describes, or to an attribute that it has not."""
    for output, reference in references(outputs):
        name, address = f"output '{visible(output.name, limit=80)}'", reference.address
        if address not in scene.desired:
            hint = did_you_mean(str(address), map(str, scene.desired))
            yield Diagnostic(f"{name} refers to {address}, which no manifest describes", hint)
        elif (resource := _now(scene, moves.get(address, address))) and resource.attributes:
            yield from _attribute_findings(scene, resource, reference, name)


def _attribute_findings(scene: Scene, resource: Resource, reference: Reference, name: str) -> Iterable[Diagnostic]:
    fields = scene.kind(reference.address).fields
    if reference.attribute in fields or has_attribute(resource, reference.attribute):
        return
    known = sorted({"id", *fields, *resource.attributes})
    hint = did_you_mean(reference.attribute, known) or f"It has {', '.join(known)}."
    shown = visible(reference.attribute, limit=80)
    yield Diagnostic(f"{name} refers to '{shown}', which is no attribute of {reference.address}", hint)
