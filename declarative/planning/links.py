"""What each step waits for: dependencies, and the order that SDRS demands around groups and their protection.

Source: SDRS API reference, "Dependencies and ordering". Creates: group, instances and pairs, attachments, enable,
drills. Deletes: drills, disable, detach, pairs and instances, group.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from declarative.kinds import KINDS
from declarative.model import Action, Address, Step
from declarative.planning.belonging import Belonging, Group
from declarative.planning.graph import Needs, closure, linked, requiring
from declarative.planning.sketch import Sketch

_SIDE = "priority_station"


def with_links(steps: Iterable[Step], sketch: Sketch, belonging: Belonging) -> tuple[Step, ...]:
    """Return the steps with all that they wait for. Steps that would wait in a circle because of protection don't."""
    steps = tuple(steps)
    ends = {
        step.address: belonging.hangs_on(step.resource)
        for step in steps
        if step.action is Action.DELETE and KINDS[step.address.kind].refers
    }
    steps = linked(steps, Needs(ends, sketch.waits))
    if sketch.after:
        steps = _after_deletes(steps, sketch.after)
    steps = _around_records(steps, belonging)
    for switch in [step for step in steps if step.action is Action.DISABLE]:
        steps = _around_disable(steps, belonging, switch)
    for switch in [step for step in steps if step.action is Action.ENABLE]:
        steps = _around_enable(steps, belonging, switch)
    return steps
