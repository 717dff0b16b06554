"""Protection as a goal: when a group's protection is switched on or off, and when nothing is.

`start-server-group` enables a group only from two statuses, and copies back over the old production disks from others
(docs/sdrs-api.md, "Enable or reprotect"). So a step is planned only for a group that is new, in one of these two, or on
its way there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from declarative.errors import Diagnostic, Severity, visible
from declarative.kinds import KINDS
from declarative.kinds.relations import CARRIERS, COPIED, DISABLED, ENABLED, GOAL, SIDE
from declarative.model import Action, Address, Attributes, Change, Health, Kind, Reason, Resource, Step, Switch
from declarative.planner.builder import PlanBuilder, PlannedSteps, chosen_part
from declarative.planner.claims import instances_of
from declarative.planner.differences import ignored_fields, reached_goal
from declarative.planner.losses import number
from declarative.planner.membership import Group, Membership, switch_kinds
from declarative.planner.selection import Chosen
from declarative.planner.steps import LiveObject, before, creates, deletes, new_step, step_id


@dataclass(frozen=True, slots=True)
class Protected:
    """The planned steps with the switches among them, and what was found on the way."""

    planned: PlannedSteps
    findings: tuple[Diagnostic, ...]
    notes: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """One group: what it wants besides, and what is known of it."""

    address: Address
    kind: Kind
    steps: tuple[Step, ...]
    recorded: Resource | None
    live: LiveObject | None

    @property
    def status(self) -> str:
        """The status that is seen; "" when there is none."""
        return str(self.live.attributes.get("status") or "") if self.live is not None else ""


def with_protection(builder: PlanBuilder, membership: Membership, chosen: Chosen, *, goals: bool) -> Protected:
    """Return the planned steps of the chosen addresses, with a step for each group whose protection has to be switched.

    A group that is only brought along by a member is switched when it is created or deleted, else not. `goals` is
    False when the plan destroys or only refreshes. Raises nothing; findings and notes come with the steps.
    """
    planned, named = chosen_part(builder.planned, chosen.addresses), chosen.named
    work = _Work(builder, planned, membership, chosen.addresses)
    kinds = switch_kinds()
    comparison = builder.comparison
    aims = [address for address, inputs in comparison.inputs.items() if GOAL in inputs] if goals else []
    for address in {**dict.fromkeys(aims), **planned}:
        if address.kind not in kinds or address not in chosen.addresses:
            continue
        steps = planned.get(address, ())
        goal = _goal(builder, address, steps) if goals else ""
        source = builder.source(address)
        case = _Case(
            address, kinds[address.kind], steps, comparison.recorded.get(source), comparison.live_objects.get(source)
        )
        work.stop_first(case)
        if goal and (named is None or address in named or creates(steps)):
            work.reach(case, goal)
    return Protected(work.planned, tuple(work.findings), tuple(work.notes))


def _goal(builder: PlanBuilder, address: Address, steps: Iterable[Step]) -> str:
    inputs = builder.comparison.inputs.get(address)
    goal = inputs.get(GOAL) if inputs is not None else None
    if goal not in (ENABLED, DISABLED) or address in builder.comparison.problems:
        return ""
    lifecycle = builder.comparison.desired[address].lifecycle
    if lifecycle.ignore_changes and GOAL in ignored_fields(KINDS[address.kind], lifecycle) and not creates(steps):
        return ""
    return str(goal)


class _Work:
    """The planned steps while switches are put in."""

    def __init__(
        self, builder: PlanBuilder, planned: PlannedSteps, membership: Membership, chosen: Collection[Address]
    ) -> None:
        self.planned = dict(planned)
        self.findings: list[Diagnostic] = []
        self.notes: list[Diagnostic] = []
        self._builder = builder
        self._membership = membership
        self._chosen = chosen
        self._described: dict[bool, set[Group]] | None = None
        self._stirred: set[Group] | None = None

    # ------------------------------------------------------------ before a group goes

    def stop_first(self, case: _Case) -> None:
        """Before a protected group goes, its protection is stopped."""
        off, on = case.kind.calls.disable, case.kind.calls.enable
        if not deletes(case.steps) or case.recorded is None or case.live is None or off is None or on is None:
            return
        if case.status not in off.sent_from | {on.running}:
            return
        gone = next(step for step in case.steps if step.action is Action.DELETE)
        step = _switch(Action.DISABLE, gone.reason, off, case, resource=case.recorded)
        waiting = replace(gone, requires=(*gone.requires, step.id))
        self.planned[case.address] = (step, *(waiting if one is gone else one for one in case.steps))

    # ------------------------------------------------------------ goals

    def reach(self, case: _Case, goal: str) -> None:
        """Switch the protection of a group that is to stay, or to come, to its goal."""
        off, on = case.kind.calls.disable, case.kind.calls.enable
        if on is None or off is None:
            return
        action, way, other = (Action.ENABLE, on, off) if goal == ENABLED else (Action.DISABLE, off, on)
        due = self._is_due(case, way, other, goal)
        if case.live is not None and case.live.health is Health.HELD and not due:
            return  # whether it can be switched shows when the disaster recovery is over
        if goal == ENABLED and not self._may_be_enabled(case):
            return
        if creates(case.steps):
            if goal == ENABLED:
                self._add(case, Action.ENABLE, on, Reason.NEW)
            return
        if case.recorded is None or case.live is None or deletes(case.steps):
            return
        if due:
            self._add(case, action, way, _reason(case.kind, case.recorded, goal))
            if goal == ENABLED and not self._membership.takes_members(case.address) and not self._keeps_a_pair(case):
                self._keep_members_until(step_id(action, case.address), case.address)
        elif goal == ENABLED and case.status in off.sent_from - {on.reached}:
            self._say_not_now(case, goal)

    @staticmethod
    def _is_due(case: _Case, way: Switch, other: Switch, goal: str) -> bool:
        """True for a group from whose status the switch may be sent, or that leads there: its end is waited for."""
        if case.live is not None and case.status:
            inputs = case.recorded.inputs if case.recorded is not None else {}
            busy = case.kind.statuses.health(case.live.attributes, inputs) is Health.BUSY
            return (goal == ENABLED and busy) or case.status in way.sent_from | {other.running}
        # Never seen: the record has to do.
        return case.recorded is not None and case.recorded.inputs.get(GOAL) != goal

    def _keep_members_until(self, switch: str, group: Address) -> None:
        """Let the old members of a group go after a step: it is enabled with them, and takes new ones only then."""
        for address, steps in self.planned.items():
            kind = KINDS[address.kind]
            if (
                kind.relations.group
                and not kind.statuses.copies_first
                and deletes(steps)
                and group in self._membership.has(address)
            ):
                self.planned[address] = tuple(
                    replace(step, requires=(*step.requires, switch)) if step.action is Action.DELETE else step
                    for step in steps
                )

    def _say_not_now(self, case: _Case, goal: str) -> None:
        status = visible(case.status, limit=80)
        self.notes.append(
            Diagnostic(
                f"{case.address} can't be {goal} now: its status is {status}",
                "Apply `protection: disabled` first.",
                self._builder.comparison.desired[case.address].position("spec", GOAL),
                str(case.address),
                Severity.WARNING,
                id="switch-not-now",
            )
        )

    def _may_be_enabled(self, case: _Case) -> bool:
        """True when there is, or is to be, a pair to be protected.

        Else the plan is in error, or where selectors leave out all that could bring one, it leaves protection alone.
        """
        if case.address in self._joined(there=True):
            return True
        if case.live is not None and not deletes(case.steps):
            pairs = case.live.attributes.get(COPIED.relations.counted_as)
            unknown = pairs is None and not self._builder.refreshed
            if unknown or case.status in case.kind.statuses.protected or (number(pairs) and self._keeps_a_pair(case)):
                return True
        if case.address in self._joined(there=False):
            self.notes.append(
                Diagnostic(
                    f"{case.address} is not enabled: this plan leaves out everything that could bring it a pair",
                    "Include its members in the plan.",
                    self._builder.comparison.desired[case.address].position("spec", GOAL),
                    str(case.address),
                    Severity.WARNING,
                    id="pairs-left-out",
                )
            )
            return False
        self.findings.append(
            Diagnostic(
                f"{case.address} can't be enabled: it keeps no replication pair, and none is described",
                f"Describe a {' or a '.join(CARRIERS)} of this group, or remove protection until there is one.",
                self._builder.comparison.desired[case.address].position("spec", GOAL),
                str(case.address),
                id="group-without-pair",
            )
        )
        return False

    def _keeps_a_pair(self, case: _Case) -> bool:
        """True unless every pair that is listed in the group goes, by itself or with its instance."""
        listed = self._builder.comparison.observed.objects.get(COPIED.name)
        if case.recorded is None or listed is None:
            return True
        own = (one for one in listed.items() if one[1].get(COPIED.relations.group) == case.recorded.id)
        return any(self._stays(*one) for one in own)

    def _stays(self, object_id: str, pair: Attributes) -> bool:
        owner = self._builder.owner(COPIED.name, object_id)
        if owner is not None and deletes(self.planned.get(owner, ())):
            return False
        homes = instances_of(self._builder, pair)
        return not any(
            deletes(self.planned.get(home, ())) and object_id in self._builder.brought(home) for home in homes
        )

    def _joined(self, *, there: bool) -> set[Group]:
        """The groups for which the manifests describe an instance or a pair that will be there, or one that won't."""
        if self._described is None:
            self._described = {True: set(), False: set()}
            for address in self._builder.comparison.desired:
                if address.kind in CARRIERS:
                    self._described[self._will_be_there(address)] |= self._membership.joins(address)
        return self._described[there]

    def _will_be_there(self, address: Address) -> bool:
        return (
            address in self._chosen
            or self._builder.comparison.live_objects.get(self._builder.source(address)) is not None
        )

    def _add(self, case: _Case, action: Action, way: Switch, reason: Reason) -> None:
        steps = self.planned.get(case.address, ())
        first = [step for step in steps if step.action not in (Action.DELETE, Action.DISABLE)]
        resource = first[-1].resource if first else _now(case)
        noted: tuple[Change, ...] = ()
        if _only_records_the_goal(first) and not self._steps_of_members(case.address, first):
            noted = tuple(change for step in first for change in step.changes)
            steps = tuple(step for step in steps if step not in first)
            first = []
        switch = _switch(action, reason, way, case, resource=resource, first=first)
        self.planned[case.address] = (*steps, replace(switch, changes=(*noted, *switch.changes)))

    def _steps_of_members(self, group: Address, own: list[Step]) -> bool:
        """True when members wait for it that the record says which side is accepted as production."""
        if not any(change.field == SIDE for step in own for change in step.changes):
            return False
        return group in self._busy()

    def _busy(self) -> set[Group]:
        """The groups whose members have steps; what is put in here are steps of groups alone."""
        if self._stirred is None:
            members = (address for address in self.planned if KINDS[address.kind].relations.group)
            self._stirred = {group for address in members for group in self._membership.groups(address)}
        return self._stirred


def _only_records_the_goal(steps: list[Step]) -> bool:
    """True when nothing but a record of what the switch brings about is left: the switch writes it down."""
    return bool(steps) and all(
        step.action is Action.RECORD and {change.field for change in step.changes} <= {GOAL, SIDE} for step in steps
    )


def _now(case: _Case) -> Resource:
    if case.recorded is None or case.live is None:
        raise ValueError(f"{case.address} does not exist and is not planned")
    return replace(case.recorded, attributes=case.live.attributes)


def _reason(kind: Kind, recorded: Resource, goal: str) -> Reason:
    if not recorded.inputs:
        return Reason.IMPORTED
    if recorded.inputs.get(GOAL) != goal:
        return Reason.EDITED
    return Reason.DRIFTED if reached_goal(kind, recorded.attributes) == goal else Reason.NOT_REACHED


def _switch(
    action: Action, reason: Reason, way: Switch, case: _Case, *, resource: Resource, first: Iterable[Step] = ()
) -> Step:
    """`first`: steps of the group that the switch waits for; what they change is seen by then."""
    first = tuple(first)
    shown: Attributes = {}
    if case.live is not None and resource.id:
        shown = before(case.kind, resource.id, case.live.attributes)
        for step in first:
            if step.action is Action.UPDATE:
                named = {change.field.partition(".")[0] for change in step.changes} & shown.keys()
                inputs = step.resource.inputs
                shown = {**shown, **{name: inputs[name] for name in named if name in inputs and name != SIDE}}
    old = case.status if resource.id else ""
    return new_step(
        action,
        reason,
        resource,
        changes=(Change("status", old or None, way.reached),),
        requires=tuple(sorted(step.id for step in first)),
        before=shown,
    )
