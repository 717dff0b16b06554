"""Detaches that come before, or instead of, what the manifests ask for, because a status demands it.

A failed attach or detach marks a pair until it is detached. An instance whose creation has failed takes its attachments
along. Source: SDRS API reference, sections 3.4.6, 3.4.7 and 3.6.5.
"""

from __future__ import annotations

from dataclasses import replace

from declarative.kinds import KINDS
from declarative.model import Action, Address, Attributes, Health, Reason, Resource, Step
from declarative.planning.belonging import GROUP, Belonging
from declarative.planning.company import ATTACHMENT, INSTANCE, PAIR
from declarative.planning.losses import attached
from declarative.planning.sketch import Sketch
from declarative.planning.wishes import creates, deletes, forget, new_step

_KIND = KINDS[ATTACHMENT]
_MARKS = _KIND.marks[PAIR]


def with_repairs(sketch: Sketch) -> None:
    """Put in the detaches that statuses demand, and leave out those that they don't permit."""
    belonging = Belonging(sketch)
    for address, steps in list(sketch.wishes.items()):
        if address.kind == ATTACHMENT and deletes(steps):
            _forget_what_goes_along(sketch, belonging, address, steps)
        elif address.kind == ATTACHMENT and creates(steps):
            _detach_what_failed(sketch, address, steps)
        elif address.kind == PAIR and deletes(steps):
            _detach_again(sketch, belonging, address, steps)


def _status(sketch: Sketch, kind: str, object_id: object) -> str:
    """The status of an object; "" for what isn't seen, or passes."""
    shown = sketch.scene.observed.objects.get(kind, {}).get(str(object_id), {})
    status = str(shown.get("status") or "")
    return "" if KINDS[kind].health({"status": status}, {}) is Health.BUSY else status


def _detach_what_failed(sketch: Sketch, address: Address, steps: tuple[Step, ...]) -> None:
    """An attachment whose create has failed is detached before it is tried again."""
    inputs = steps[-1].resource.inputs
    instance, pair = inputs.get("protected_instance_id"), inputs.get("replication_id")
    if not (isinstance(instance, str) and isinstance(pair, str)) or _status(sketch, PAIR, pair) not in _MARKS:
        return
    first = new_step(Action.DELETE, Reason.CREATION_FAILED, Resource(address, f"{instance}/{pair}", inputs))
    later = (replace(one, requires=(*one.requires, first.id)) if one is steps[0] else one for one in steps)
    sketch.wishes[address] = (first, *later)


def _forget_what_goes_along(sketch: Sketch, belonging: Belonging, address: Address, steps: tuple[Step, ...]) -> None:
    """Where the service detaches nothing, an attachment goes with its instance, if that goes."""
    gone = next(step for step in steps if step.action is Action.DELETE)
    instance, _, pair = gone.resource.id.partition("/")
    home = sketch.owner(INSTANCE, instance)
    if home is None or not deletes(sketch.steps(home)):
        return
    seen = {INSTANCE: _status(sketch, INSTANCE, instance), PAIR: _status(sketch, PAIR, pair)}
    groups = [belonging.shown(group) or {} for group in belonging.has(address)]
    refused = any(status and status not in _KIND.deleted_beside[kind] for kind, status in seen.items())
    if not refused and all(_detaches(shown) for shown in groups):
        return
    instead = forget(sketch.scene.recorded[sketch.source(gone.address)], gone.reason)
    sketch.after.setdefault(instead.address, set()).add(home)
    sketch.wishes[address] = tuple(
        instead
        if one is gone
        else replace(one, requires=tuple(instead.id if need == gone.id else need for need in one.requires))
        for one in steps
    )


def _detaches(group: Attributes) -> bool:
    status = group.get("status")
    passes = GROUP.health({"status": status}, {}) in (Health.BUSY, Health.HELD)
    return status is None or passes or status in _KIND.deleted_beside[GROUP.name]


def _detach_again(sketch: Sketch, belonging: Belonging, address: Address, steps: tuple[Step, ...]) -> None:
    """Somebody's detach of a pair has failed, and the service deletes no such pair: it is detached again first."""
    gone = next(step for step in steps if step.action is Action.DELETE)
    pair = gone.resource.id
    status = _status(sketch, PAIR, pair)
    if status not in _MARKS - KINDS[PAIR].deleted_from or any(map(belonging.is_held, belonging.groups(address))):
        return
    shown = sketch.scene.observed.objects[PAIR][pair]
    firsts = [
        new_step(Action.DELETE, gone.reason, _unrecorded(sketch, address, str(one["protected_instance"]), pair))
        for one in attached(shown)
        if sketch.owner(ATTACHMENT, f"{one.get('protected_instance')}/{pair}") is None
    ]
    needs = tuple(first.id for first in firsts)
    waiting = (replace(one, requires=(*one.requires, *needs)) if one is gone else one for one in steps)
    sketch.wishes[address] = (*firsts, *waiting)


def _unrecorded(sketch: Sketch, pair: Address, instance: str, pair_id: str) -> Resource:
    """An attachment that no record has an address for, under one that nothing else has."""
    number, words = 1, f"{pair.name}-{pair.key}" if pair.key else pair.name
    name = "".join(letter if letter.isalnum() or letter in "_-" else "-" for letter in words)[:50]
    address = Address(ATTACHMENT, name)
    while address in sketch.scene.desired or address in sketch.scene.recorded or address in sketch.wishes:
        number += 1
        address = Address(ATTACHMENT, f"{name}-{number}")
    sketch.wishes[address] = ()
    return Resource(address, f"{instance}/{pair_id}", {"protected_instance_id": instance, "replication_id": pair_id})
