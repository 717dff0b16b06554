"""Detaches that come before, or instead of, what the manifests ask for, because a status demands it.

A failed attach or detach marks a pair until it is detached. An instance whose creation has failed takes its attachments
along. Source: docs/sdrs-api.md, "Attach", "Detach" and "Delete a pair".
"""

from __future__ import annotations

from dataclasses import replace

from declarative.kinds import KINDS
from declarative.kinds.relations import BROUGHT, BROUGHT_FIELD, GROUP, MAKER, MAKER_FIELD, TIE, parts_of, tie_id
from declarative.model import Action, Address, Attributes, Health, Reason, Resource, Step
from declarative.planner.brought_pairs import makers_of
from declarative.planner.builder import PlanBuilder
from declarative.planner.membership import Membership
from declarative.planner.steps import creates, deletes, forget, new_step

_MARKS = TIE.statuses.marks[BROUGHT.name]


def with_repairs(builder: PlanBuilder) -> None:
    """Put in the detaches that statuses demand, and leave out those that they don't permit."""
    membership = Membership(builder)
    for address, steps in list(builder.planned.items()):
        if address.kind == TIE.name and deletes(steps):
            _forget_what_goes_along(builder, membership, address, steps)
        elif address.kind == TIE.name and creates(steps):
            _detach_what_failed(builder, address, steps)
        elif address.kind == BROUGHT.name and deletes(steps):
            _detach_again(builder, membership, address, steps)


def _status(builder: PlanBuilder, kind: str, object_id: object) -> str:
    """The status of an object; "" for what isn't seen, or passes."""
    shown = builder.comparison.observed.objects.get(kind, {}).get(str(object_id), {})
    status = str(shown.get("status") or "")
    return "" if KINDS[kind].statuses.health({"status": status}, {}) is Health.BUSY else status


def _detach_what_failed(builder: PlanBuilder, address: Address, steps: tuple[Step, ...]) -> None:
    """An attachment whose create has failed is detached before it is tried again."""
    inputs = steps[-1].resource.inputs
    instance, pair = inputs.get(MAKER_FIELD), inputs.get(BROUGHT_FIELD)
    if not (isinstance(instance, str) and isinstance(pair, str)) or _status(builder, BROUGHT.name, pair) not in _MARKS:
        return
    first = new_step(Action.DELETE, Reason.CREATION_FAILED, Resource(address, tie_id(instance, pair), inputs))
    later = (replace(one, requires=(*one.requires, first.id)) if one is steps[0] else one for one in steps)
    builder.planned[address] = (first, *later)


def _forget_what_goes_along(
    builder: PlanBuilder, membership: Membership, address: Address, steps: tuple[Step, ...]
) -> None:
    """Where the service detaches nothing, an attachment goes with its instance, if that goes."""
    gone = next(step for step in steps if step.action is Action.DELETE)
    parts = parts_of(TIE, gone.resource.id)
    instance, pair = parts[MAKER_FIELD], parts[BROUGHT_FIELD]
    home = builder.owner(MAKER.name, instance)
    if home is None or not deletes(builder.steps(home)):
        return
    seen = {kind.name: _status(builder, kind.name, one) for kind, one in ((MAKER, instance), (BROUGHT, pair))}
    groups = [membership.shown(group) or {} for group in membership.has(address)]
    refused = any(status and status not in TIE.statuses.deleted_beside[kind] for kind, status in seen.items())
    if not refused and all(_detaches(shown) for shown in groups):
        return
    instead = forget(builder.comparison.recorded[builder.source(gone.address)], gone.reason)
    builder.after.setdefault(instead.address, set()).add(home)
    builder.planned[address] = tuple(
        instead
        if one is gone
        else replace(one, requires=tuple(instead.id if need == gone.id else need for need in one.requires))
        for one in steps
    )


def _detaches(group: Attributes) -> bool:
    status = group.get("status")
    passes = GROUP.statuses.health({"status": status}, {}) in (Health.BUSY, Health.HELD)
    return status is None or passes or status in TIE.statuses.deleted_beside[GROUP.name]


def _detach_again(builder: PlanBuilder, membership: Membership, address: Address, steps: tuple[Step, ...]) -> None:
    """Somebody's detach of a pair has failed, and the service deletes no such pair: it is detached again first."""
    gone = next(step for step in steps if step.action is Action.DELETE)
    pair = gone.resource.id
    status = _status(builder, BROUGHT.name, pair)
    if status not in _MARKS - BROUGHT.statuses.deleted_from or any(map(membership.is_held, membership.groups(address))):
        return
    shown = builder.comparison.observed.objects[BROUGHT.name][pair]
    firsts = [
        new_step(Action.DELETE, gone.reason, _unrecorded(builder, address, one, pair))
        for one in sorted(makers_of(shown))
        if builder.owner(TIE.name, tie_id(one, pair)) is None
    ]
    needs = tuple(first.id for first in firsts)
    waiting = (replace(one, requires=(*one.requires, *needs)) if one is gone else one for one in steps)
    builder.planned[address] = (*firsts, *waiting)


def _unrecorded(builder: PlanBuilder, pair: Address, instance: str, pair_id: str) -> Resource:
    """An attachment that no record has an address for, under one that nothing else has."""
    number, words = 1, f"{pair.name}-{pair.key}" if pair.key else pair.name
    name = "".join(letter if letter.isalnum() or letter in "_-" else "-" for letter in words)[:50]
    address = Address(TIE.name, name)
    while address in builder.comparison.desired or address in builder.comparison.recorded or address in builder.planned:
        number += 1
        address = Address(TIE.name, f"{name}-{number}")
    builder.planned[address] = ()
    return Resource(address, tie_id(instance, pair_id), {MAKER_FIELD: instance, BROUGHT_FIELD: pair_id})
