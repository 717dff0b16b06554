"""What each step waits for: dependencies, and the order that SDRS requires around groups.

Source: docs/sdrs-api.md, "Dependencies and ordering". Creates: group, instances and pairs, attachments, enable,
drills. Deletes: drills, disable, detach, pairs and instances, group; a pair that nothing detaches goes after its
instance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeAlias

from declarative.kinds import KINDS
from declarative.kinds.relations import BROUGHT, CARRIERS, MAKER, SIDE, TIE, tie_id
from declarative.model import Action, Address, Step
from declarative.planner.brought_pairs import makers_of, with_sizes, with_what_stays
from declarative.planner.builder import PlanBuilder
from declarative.planner.graph import WaitGraph, linked
from declarative.planner.membership import Group, Membership
from declarative.planner.status_rules import cleared_by, marked_by
from declarative.planner.steps import step_id

_Lookup: TypeAlias = Callable[[Group], list[Step]]

_BLOCKS = "invalid"
_RECORDS = (Action.UPDATE, Action.ADOPT, Action.MOVE, Action.RECORD)
_CALLS = (Action.CREATE, Action.UPDATE, Action.DELETE)


def with_links(steps: Iterable[Step], builder: PlanBuilder, membership: Membership) -> tuple[Step, ...]:
    """Return the steps with everything that they wait for."""
    steps = tuple(steps)
    if not steps:
        return steps
    pairs = builder.comparison.observed.objects.get(BROUGHT.name, {})
    steps = with_sizes(with_what_stays(steps, builder.brought, pairs), builder.brought, pairs)
    ends = {
        step.address: _needed_to_the_end(step, builder, membership)
        for step in steps
        if step.action is Action.DELETE and KINDS[step.address.kind].relations.refers
    }
    links = _Links(linked(steps, ends), _blocked(builder))
    links.around_attached_pairs(builder)
    links.around_marked_pairs()
    links.around_adoptions(builder)
    links.around_groups(builder, membership)
    return links.steps()


def _needed_to_the_end(step: Step, builder: PlanBuilder, membership: Membership) -> tuple[Address, ...]:
    """What the object of a delete hangs on; but an attached pair outlives its instance, unless it is detached."""
    hangs_on = membership.hangs_on(step.resource)
    if step.address.kind != BROUGHT.name:
        return hangs_on
    homes = {builder.owner(MAKER.name, one) for one in _attached_to(step, builder)}
    return tuple(one for one in hangs_on if one not in homes)


def _blocked(builder: PlanBuilder) -> frozenset[str]:
    """The ids of the members of which a server or disk was deleted outside SDRS."""
    listed = (builder.comparison.observed.objects.get(name, {}) for name in CARRIERS)
    return frozenset(one for objects in listed for one, seen in objects.items() if seen.get("status") == _BLOCKS)


def _attached_to(step: Step, builder: PlanBuilder) -> frozenset[str]:
    """The ids of the instances to which the pair of a step is seen attached."""
    live = builder.comparison.live_objects.get(builder.source(step.address))
    return makers_of(live.seen) if live is not None else frozenset()


class _Links:
    """The steps while links are added. Where a link would close a circle, a manifest wants it the other way round."""

    def __init__(self, steps: tuple[Step, ...], ill: frozenset[str]) -> None:
        """`ill`: ids of members that block their group."""
        self._ill = ill
        self._steps = {step.id: step for step in steps}
        self._graph = WaitGraph({step.id: step.requires for step in steps})

    def steps(self) -> tuple[Step, ...]:
        """The steps, linked."""
        needs = self._graph.needs
        return tuple(
            step if len(needs[step.id]) == len(step.requires) else replace(step, requires=tuple(sorted(needs[step.id])))
            for step in self._steps.values()
        )

    # ------------------------------------------------------------ what is in the cloud already

    def around_adoptions(self, builder: PlanBuilder) -> None:
        """An adoption waits for the instance that brings the pair; what has a server or disk, for its release."""
        for address, makers in builder.waits.items():
            creates = [step_id(Action.CREATE, maker) for maker in sorted(makers)]
            self._graph.let_wait_for_all(step_id(Action.ADOPT, address), creates)
        for address, others in builder.after.items():
            deletes = [step_id(Action.DELETE, other) for other in sorted(others)]
            for action in (Action.CREATE, Action.FORGET):
                self._graph.let_wait_for_all(step_id(action, address), deletes)

    def around_attached_pairs(self, builder: PlanBuilder) -> None:
        """A pair that is deleted waits until it is attached to nothing: detached, or its instance is gone."""
        deletes = {step.resource.id: step for step in self._steps.values() if step.action is Action.DELETE}
        for step in list(deletes.values()):
            if step.address.kind != BROUGHT.name:
                continue
            for instance in sorted(_attached_to(step, builder)):
                end = deletes.get(tie_id(instance, step.resource.id)) or deletes.get(instance)
                if end is not None and end.address.kind in (TIE.name, MAKER.name):
                    self._graph.let_wait_for_all(step.id, (end.id,))

    def around_marked_pairs(self) -> None:
        """What a status stands in the way of waits for the step that clears it: a detach, a growth, a resize."""
        clearing: dict[str, list[str]] = {}
        for step in self._steps.values():
            if step.action is Action.DELETE and KINDS[step.address.kind].statuses.marks:
                for part in marked_by(step):
                    clearing.setdefault(part, []).append(step.id)
            elif step.action is Action.UPDATE and step.resource.id and cleared_by(step):
                clearing.setdefault(step.resource.id, []).append(step.id)
        for step in list(self._steps.values()) if clearing else ():
            if step.action is Action.CREATE and KINDS[step.address.kind].statuses.marks:
                for target in KINDS[step.address.kind].relations.refers.values():
                    self._graph.let_wait_for_all(step.id, clearing.get(str(step.resource.inputs.get(target.field)), ()))
            elif step.action is Action.UPDATE and cleared_by(step):
                self._graph.let_wait_for_all(step.id, clearing.get(step.resource.id, ()))

    # ------------------------------------------------------------ groups

    def around_groups(self, builder: PlanBuilder, membership: Membership) -> None:
        """Members wait for the switches of their group, and these for them; drills are made last."""
        switches = [step for step in self._steps.values() if step.action in (Action.ENABLE, Action.DISABLE)]
        sides = [step for step in self._steps.values() if _accepts_a_side(step, builder)]
        drills = [step for step in self._steps.values() if step.action is Action.CREATE and _copies_first(step)]
        if not (switches or sides or drills):
            return
        joining, leaving = self._members(membership)
        for step in sides:
            members = {one.id: one for one in (*joining(step.address), *leaving(step.address))}.values()
            self._graph.let_wait((one.id for one in members if one.action in _CALLS), for_=step.id)
        for step in switches:
            if step.action is Action.DISABLE:
                self._around_disable(step, joining(step.address), leaving(step.address), membership)
        for step in switches:
            if step.action is Action.ENABLE:
                self._around_enable(step, joining(step.address), membership)
        for step in drills:
            for group in membership.joins(step.address):
                self._let_drill_wait(step, (*joining(group), *leaving(group)))

    def _members(self, membership: Membership) -> tuple[_Lookup, _Lookup]:
        joining: dict[Group, list[Step]] = {}
        leaving: dict[Group, list[Step]] = {}
        for step in self._steps.values():
            if KINDS[step.address.kind].relations.group:
                for group in membership.joins(step.address):
                    joining.setdefault(group, []).append(step)
                for group in membership.has(step.address) or membership.of_unrecorded(step.resource):
                    leaving.setdefault(group, []).append(step)
        return (lambda group: joining.get(group, [])), (lambda group: leaving.get(group, []))

    def _around_disable(self, switch: Step, joining: list[Step], leaving: list[Step], membership: Membership) -> None:
        """Drills go before protection is stopped, and members after that: SDRS stops none without a pair.

        But members that miss a server or disk block their group: they go first, if a pair is left to be stopped.
        """
        deletes = [step for step in leaving if step.action is Action.DELETE]
        blocking = self._blocking(deletes)
        first = [step for step in deletes if _copies_first(step) or step.id in blocking]
        self._graph.let_wait_for_all(switch.id, (step.id for step in first))
        self._graph.let_wait((step.id for step in deletes if step not in first), for_=switch.id)
        remade = step_id(Action.CREATE, switch.address) in self._steps
        if not remade and not membership.takes_members(switch.address):
            self._after_switch(switch, joining)

    def _blocking(self, deletes: list[Step]) -> set[str]:
        """The deletes of the members that block their group, and all that these wait for; {} when no pair is left."""
        ill = {step.id for step in deletes if step.resource.id in self._ill}
        earlier = self._graph.before(ill)
        left = [step for step in deletes if step.address.kind in CARRIERS and step.id not in earlier]
        return earlier if left else set()

    def _around_enable(self, switch: Step, joining: list[Step], membership: Membership) -> None:
        """Protection starts when all members are there, and drills when it has.

        A group in which it failed to start takes no members: there it is started first.
        """
        made = step_id(Action.CREATE, switch.address) in self._steps
        if made or membership.takes_members(switch.address):
            brought = (Action.CREATE, Action.ADOPT)
            members = (step.id for step in joining if step.action in brought and not _copies_first(step))
            self._graph.let_wait_for_all(switch.id, members)
        else:
            self._after_switch(switch, joining)
        drills = (step.id for step in joining if step.action is Action.CREATE and _copies_first(step))
        self._graph.let_wait(drills, for_=switch.id)

    def _let_drill_wait(self, drill: Step, of_group: Iterable[Step]) -> None:
        """A drill tests the group as it is once the plan is done. That is an order alone: it needs no single member."""
        self._graph.let_wait_for_all(drill.id, (step.id for step in of_group if not _copies_first(step)))

    def _after_switch(self, switch: Step, joining: list[Step]) -> None:
        members = (step.id for step in joining if _takes_a_well_group(step) and not _copies_first(step))
        self._graph.let_wait(members, for_=switch.id)


def _takes_a_well_group(step: Step) -> bool:
    """True for what the service refuses to a member of a group whose last switch has failed."""
    return step.action is Action.CREATE or (step.action is Action.UPDATE and bool(cleared_by(step)))


def _copies_first(step: Step) -> bool:
    return KINDS[step.address.kind].statuses.copies_first


def _accepts_a_side(step: Step, builder: PlanBuilder) -> bool:
    """True for what writes down that a manifest accepts another side as production; calls to members rely on it."""
    if step.action not in _RECORDS or KINDS[step.address.kind].calls.enable is None:
        return False
    recorded = builder.comparison.recorded.get(builder.source(step.address))
    return recorded is not None and recorded.inputs.get(SIDE) != step.resource.inputs.get(SIDE)
