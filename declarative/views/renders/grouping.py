"""The steps of a plan by the protection group that they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from declarative.kinds.relations import GROUP
from declarative.model import Address, Plan, Reference, Resource, Step
from declarative.views.entries import Entry, entries

_GROUP_ID = "server_group_id"
ELSEWHERE = "Groups that this stack does not manage"


@dataclass(frozen=True, slots=True)
class Part:
    """The entries of one group, and its steps, in the plan's order. `name`: its address, or what the rest is called."""

    name: str
    entries: Sequence[Entry]
    steps: Sequence[Step]


def by_group(plan: Plan) -> list[Part]:
    """The entries of a plan by group, groups in the order of their first step."""
    resources = {step.address: step.resource for step in plan.steps}
    owners = {
        resource.id: address for address, resource in resources.items() if resource.id and address.kind == GROUP.name
    }
    names = {address: str(_group_of(address, resources, owners) or ELSEWHERE) for address in resources}
    found: dict[str, list[Entry]] = {}
    steps: dict[str, list[Step]] = {}
    for entry in entries(plan.steps):
        found.setdefault(names[entry.step.address], []).append(entry)
    for step in plan.steps:
        steps.setdefault(names[step.address], []).append(step)
    return [Part(name, some, steps[name]) for name, some in found.items()]


def _group_of(address: Address, resources: Mapping[Address, Resource], owners: Mapping[str, Address]) -> Address | None:
    """The group of an address, over what it refers to; each address is looked at once."""
    ahead, seen = [address], {address}
    while ahead:
        one = ahead.pop()
        if one.kind == GROUP.name:
            return one
        resource = resources.get(one)
        if resource is None:
            continue
        for view in (resource.inputs, resource.attributes):
            if (owner := owners.get(str(view.get(_GROUP_ID)))) is not None:
                return owner
        for further in _referred(resource):
            if further not in seen:
                seen.add(further)
                ahead.append(further)
    return None


def _referred(resource: Resource) -> Iterable[Address]:
    """What its fields refer to; only where they refer to nothing, what it depends on otherwise."""
    fields = [value.address for value in resource.inputs.values() if isinstance(value, Reference)]
    return fields or resource.depends_on
