"""Which findings are errors of a plan, and which are only notes because a disaster recovery holds up their group.

What such a note is about waits; all other groups go on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from declarative.errors import Diagnostic, Severity
from declarative.kinds import KINDS
from declarative.kinds.relations import made_with
from declarative.model import Action, Address, Attributes, Step
from declarative.planner.builder import PlanBuilder, PlannedSteps
from declarative.planner.graph import in_order
from declarative.planner.membership import Membership
from declarative.planner.preflight import excess, preflight_findings
from declarative.planner.status_rules import Situation
from declarative.planner.withholding import Remaining, withhold


@dataclass(frozen=True, slots=True)
class EarlierFindings:
    """What was found on the way to the steps: in `documents`, and in `goals` for the protection of groups."""

    documents: Collection[Diagnostic] = ()
    goals: Collection[Diagnostic] = ()


@dataclass(frozen=True, slots=True)
class Assessment:
    """The steps that are left and the situation they lead to, the errors, and the notes."""

    remaining: Remaining
    situation: Situation
    errors: tuple[Diagnostic, ...]
    notes: tuple[Diagnostic, ...]


def assess(builder: PlanBuilder, planned: PlannedSteps, membership: Membership, found: EarlierFindings) -> Assessment:
    """Take out what is held, and tell what then still speaks against the plan."""
    return _Assessor(builder, planned, membership, found).assessment()


class _Assessor:
    """Holds back further addresses for as long as something goes wrong only because others are held back."""

    def __init__(
        self, builder: PlanBuilder, planned: PlannedSteps, membership: Membership, found: EarlierFindings
    ) -> None:
        self._builder = builder
        self._planned = planned
        self._membership = membership
        self._found = found
        self._faulty: dict[Address, Action] = {}
        self._waits = self._behind_faults()
        self._keep()

    def assessment(self) -> Assessment:
        goals = {Address.parse(one.address) for one in self._found.goals if self._is_quiet_goal(one)}
        if goals:
            self._faulty |= dict.fromkeys(goals, Action.ENABLE)
            self._keep()
        early = self._hold_back_more() if self._remaining.withheld else []
        late = self._preflight(self._situation)
        known = {_key(one) for one in late}
        errors: list[Diagnostic] = []
        quiet = [one for one in early if _key(one) not in known]
        for one in self._found.documents:
            (quiet if self._is_quiet(one) else errors).append(one)
        for one in self._found.goals:
            (quiet if self._is_quiet_goal(one) else errors).append(one)
        return Assessment(self._remaining, self._situation, (*errors, *late), tuple(map(_note, quiet)))

    # ------------------------------------------------------------ what is held back

    def _keep(self) -> None:
        self._remaining = withhold(
            self._builder, self._planned, self._membership, more=self._waits, faulty=self._faulty
        )
        self._withheld = {one.address for one in self._remaining.withheld}
        self._stirred = {group for one in self._withheld for group in self._membership.groups(one)}
        self._situation = self._seen(self._remaining.planned)

    def _behind_faults(self) -> dict[Address, str]:
        """What depends on an object of a held group whose document is at fault: that may get no step to wait for."""
        comparison = self._builder.comparison
        for one in self._found.documents:
            if one.address and (address := Address.parse(one.address)) not in self._planned and self._is_held(address):
                self._faulty[address] = Action.UPDATE if address in comparison.recorded else Action.CREATE
        if not self._faulty:
            return {}
        return {
            address: f"it waits for {min(needs, key=str)}, which is held and has an error in its document"
            for address, desired in comparison.desired.items()
            if (needs := self._faulty.keys() & set(desired.depends_on))
        }

    def _hold_back_more(self) -> list[Diagnostic]:
        """Hold back what SDRS would refuse only because something is held back. Returns what it would refuse if not."""
        everything = self._seen(self._planned)
        early = self._preflight(everything)
        while more := self._in_trouble(everything, early):
            self._waits |= more
            self._keep()
        return early

    def _in_trouble(self, everything: Situation, early: Sequence[Diagnostic]) -> dict[Address, str]:
        """What SDRS would refuse now, and would not if nothing were held."""
        known, acting = {_key(one) for one in early}, {step.address for step in self._situation.steps}
        found = {
            Address.parse(one.address): f"it waits for a withheld step: {one.summary}"
            for one in self._preflight(self._situation)
            if one.address and _key(one) not in known
        }
        for name, count in excess(self._situation).items():
            if name not in excess(everything):
                found |= dict.fromkeys(self._makers(name)[-count:], "it waits for a withheld step: the quota is full")
        return {address: why for address, why in found.items() if address in acting}

    def _makers(self, kind: str) -> list[Address]:
        """The addresses whose creation brings an object of a kind, in the order of their steps."""
        return [
            step.address
            for step in self._situation.steps
            if step.action is Action.CREATE
            and (step.address.kind == kind or kind in made_with(KINDS[step.address.kind]))
        ]

    # ------------------------------------------------------------ what a finding is about

    def _is_held(self, address: Address) -> bool:
        groups = self._membership.groups(address) if KINDS[address.kind].relations.group else {address}
        return any(self._membership.is_held(group) for group in groups)

    def _is_quiet(self, finding: Diagnostic) -> bool:
        """True for a finding about what is held back."""
        if not finding.address:
            return False
        address = Address.parse(finding.address)
        return address in self._withheld or self._is_held(address)

    def _is_quiet_goal(self, finding: Diagnostic) -> bool:
        """True for a group that can't reach its goal, and is held back or has members that are."""
        return self._is_quiet(finding) or Address.parse(finding.address) in self._stirred

    # ------------------------------------------------------------ what SDRS would refuse

    def _preflight(self, situation: Situation) -> list[Diagnostic]:
        return list(preflight_findings(situation, refreshed=self._builder.refreshed))

    def _seen(self, planned: PlannedSteps) -> Situation:
        steps = in_order(step for group in planned.values() for step in group)
        return Situation(steps, self._builder, self._membership, _shown(self._builder, steps))


def _shown(builder: PlanBuilder, steps: Iterable[Step]) -> Mapping[Address, Attributes]:
    """What is seen of the objects that the steps delete, forget or unprotect."""
    seen = {}
    for step in steps:
        if step.action in (Action.DELETE, Action.FORGET, Action.DISABLE):
            live = builder.comparison.live_objects.get(builder.source(step.address))
            if live is not None:
                seen[step.address] = live.attributes
    return seen


def _key(finding: Diagnostic) -> tuple[str, str]:
    return finding.summary, finding.address


def _note(finding: Diagnostic) -> Diagnostic:
    summary = f"{finding.summary} (only a warning while disaster recovery is in progress)"
    return replace(finding, summary=summary, severity=Severity.WARNING)
