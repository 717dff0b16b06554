"""Outputs: what the stack tells others, from literal values and from attributes of recorded objects."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping

from declarative.model import Address, Change, Json, Output, Reference, Resource

Resources = Mapping[Address, Resource]


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
    outputs: Collection[Output], resources: Resources, *, recorded: Mapping[str, Json], born: Collection[Address]
) -> tuple[Change, ...]:
    """Return how the recorded outputs will change once the plan is applied.

    `resources` is what will be recorded then; those in `born` are created by the plan, so that their unknown
    attributes will be known. A recorded output that can't be told any more is removed (`new` is None).
    """
    values = evaluate_outputs(outputs, resources)
    later = {output.name for output, reference in references(outputs) if reference.address in born} - values.keys()
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
