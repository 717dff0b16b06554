"""Which protection group each step of a plan belongs to, as far as the plan itself tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from declarative.kinds import KINDS
from declarative.kinds.relations import GROUP
from declarative.model import Address, Json, Plan, Reference, Resource

Home: TypeAlias = Address | str  # a group of ours, or the id of another; "" for one that nothing tells


def homes(plan: Plan) -> dict[str, Home]:
    """The group of each step's object, by the step's id; one that moves is in its old group, then in its new one."""
    resources: dict[Address, list[Resource]] = {}
    for step in plan.steps:
        resources.setdefault(step.address, []).append(step.resource)
    owners = dict(_owners(plan, resources))
    settled: dict[Address, Home] = {}
    found: dict[str, Home] = {}
    for step in plan.steps:
        home = _told(step.address, (step.resource,), owners)
        if not home and step.address not in settled:
            settled[step.address] = _searched(step.address, resources, owners, settled)
        found[step.id] = home or settled[step.address]
    return found


def _owners(plan: Plan, resources: Mapping[Address, Sequence[Resource]]) -> Iterator[tuple[str, Address]]:
    """Yield the ids of groups of ours: those with steps, and those whose members a danger is about."""
    for danger in plan.dangers:
        if danger.address is not None and danger.group is not None:
            field = _group_field(danger.address)
            for resource in resources.get(danger.address, ()):
                named = _named(field, resource) if resource.id else ""
                if isinstance(named, str) and named:
                    yield named, danger.group
    for address, some in resources.items():
        if address.kind == GROUP.name:
            yield from ((resource.id, address) for resource in some if resource.id)


def _group_field(address: Address) -> str:
    kind = KINDS.get(address.kind)
    return kind.relations.group if kind is not None else ""


def _named(field: str, resource: Resource) -> Json:
    """What an object names as its group, by what is sent for it, else by what is seen of it."""
    return next((view[field] for view in (resource.inputs, resource.attributes) if view.get(field)), None)


def _searched(
    address: Address,
    resources: Mapping[Address, Sequence[Resource]],
    owners: Mapping[str, Address],
    settled: Mapping[Address, Home],
) -> Home:
    """The group of an address over what it refers to."""
    ahead, passed = [address], {address}
    while ahead:
        one = ahead.pop()
        if home := settled.get(one) or _told(one, resources.get(one, ()), owners):
            return home
        further = _referred(resources.get(one, ()))
        fresh = [each for each in further if each not in passed and settled.get(each) != ""]
        passed.update(fresh)
        ahead += fresh
    return ""


def _told(address: Address, known: Sequence[Resource], owners: Mapping[str, Address]) -> Home:
    """The group that an object names itself; of several of one address, the newest first."""
    if address.kind == GROUP.name:
        return address
    field = _group_field(address)
    for resource in reversed(known) if field else ():
        value = _named(field, resource)
        if isinstance(value, Reference):
            return value.address
        if value:
            return owners.get(str(value), str(value))
    return ""


def _referred(known: Sequence[Resource]) -> Iterable[Address]:
    """What its fields refer to; only where they refer to nothing, what it depends on otherwise."""
    for resource in known:
        fields = [value.address for value in resource.inputs.values() if isinstance(value, Reference)]
        yield from fields or resource.depends_on
