"""What must not be done now: where disaster recovery is in progress, and where an earlier operation is still open.

What is taken out takes along all that waits for it, so that nothing is half replaced and nothing half torn down.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from declarative.errors import Diagnostic, Severity, visible
from declarative.kinds import KINDS
from declarative.kinds.relations import GOAL, GROUP, SIDE
from declarative.model import Action, Address, Attributes, Change, Health, Kind, Resource, Step, Withheld
from declarative.planner.builder import PlanBuilder, PlannedSteps
from declarative.planner.comparison import Comparison
from declarative.planner.graph import WaitGraph, by_address
from declarative.planner.membership import Group, Membership

# The steps of an address that go together. What switches a protection that stays goes by itself.
Unit: TypeAlias = tuple[Address, str]

_NO_REASONS: Mapping[Address, str] = {}
_NO_ACTIONS: Mapping[Address, Action] = {}


@dataclass(frozen=True, slots=True)
class Remaining:
    """The planned steps that remain, those that are withheld, and what somebody should know."""

    planned: PlannedSteps
    withheld: tuple[Withheld, ...]
    notes: tuple[Diagnostic, ...]


def withhold(
    builder: PlanBuilder,
    planned: PlannedSteps,
    membership: Membership,
    *,
    more: Mapping[Address, str] = _NO_REASONS,
    faulty: Mapping[Address, Action] = _NO_ACTIONS,
) -> Remaining:
    """Take out what is held or still open, and all that waits for it.

    `more` tells why further addresses have to wait for what is held. `faulty` has what would be done at addresses that
    get no such step, because something is wrong there which matters only once the disaster recovery is over.
    """
    targets = {old: new for new, old in builder.moves.items()}
    held = _held(builder.comparison, targets)
    reasons = {**more, **_held_members({*planned, *faulty}, membership), **held}
    undecided = {targets.get(address, address) for address in builder.open}
    notes = [
        _left_alone(one, held[one])
        for one in held
        if one not in planned and one not in faulty and _speaks(one, membership)
    ]
    if undecided.isdisjoint(planned) and reasons.keys().isdisjoint(planned) and not faulty:
        return Remaining(planned, (), tuple(notes))
    units = _units(planned)
    graph = _graph(planned, units)
    withheld = graph.after(unit for unit in units if unit[0] in reasons)
    started = {unit for unit in units if unit[0] in undecided}
    waiting = graph.after(started) - withheld
    notes += [_waits_for_open(one, graph.needs[one] & waiting) for one in _sorted(waiting - started)]
    told = [
        Withheld(one[0], step.action, reasons.get(one[0]) or _waits_for_held(graph.needs[one] & withheld))
        for one in _sorted(withheld)
        for step in units[one]
    ]
    silent = faulty.keys() - {one.address for one in told}
    told += [
        Withheld(one, faulty[one], reasons.get(one, "it waits for held members"))
        for one in sorted(silent, key=by_address)
    ]
    taken = (step for unit in withheld | waiting for step in units[unit])
    return Remaining(_without(planned, taken), tuple(told), tuple(notes))


# ---------------------------------------------------------------- why


def _held(comparison: Comparison, targets: Mapping[Address, Address]) -> dict[Address, str]:
    """Map the address of each held object to the reason; `targets` maps old addresses to new ones."""
    held: dict[Address, str] = {}
    for address, live in comparison.live_objects.items():
        if live is not None and live.health is Health.HELD:
            because = comparison.kind(address).statuses.held_because(live.attributes)
            held[targets.get(address, address)] = f"disaster recovery is in progress: {visible(because, limit=200)}"
    return {address: held[address] for address in sorted(held, key=by_address)}


def _held_members(addresses: Iterable[Address], membership: Membership) -> dict[Address, str]:
    """Why the members of held groups are left alone."""
    reasons = {}
    for address in addresses:
        if KINDS[address.kind].relations.group:
            held = [group for group in membership.groups(address) if membership.is_held(group)]
            if held:
                reasons[address] = _through(min(held, key=str), membership)
    return reasons


def _through(group: Group, membership: Membership) -> str:
    because = GROUP.statuses.held_because(membership.shown(group) or {})
    return f"disaster recovery is in progress in {visible(group, limit=200)}: {visible(because, limit=200)}"


def _speaks(address: Address, membership: Membership) -> bool:
    """False for a member of a held group: the group says it all."""
    return not any(membership.is_held(group) for group in membership.groups(address))


# ---------------------------------------------------------------- drift


def held_drift(kind: Kind, recorded: Resource, seen: Attributes) -> tuple[Change, ...]:
    """The side and the status of a held group, where those recorded are others: told, and never a reason for a step."""
    if kind.calls.enable is None or kind.statuses.health(seen, recorded.inputs) is not Health.HELD:
        return ()
    changes = []
    was, now = (str(shown.get("status") or "") for shown in (recorded.attributes, seen))
    if was != now and kind.statuses.health({"status": now}, {}) is Health.HELD:
        goal = recorded.inputs.get(GOAL)
        changes.append(Change(GOAL, goal, now) if goal is not None else Change("status", was or None, now))
    accepted = recorded.inputs.get(SIDE) or "source"
    side, other = recorded.attributes.get(SIDE) or accepted, seen.get(SIDE)
    if other and other not in (side, accepted):
        changes.append(Change(SIDE, side, other))
    return tuple(sorted(changes, key=lambda change: change.field))


# ---------------------------------------------------------------- units


def _units(planned: PlannedSteps) -> dict[Unit, list[Step]]:
    units: dict[Unit, list[Step]] = {}
    for steps in planned.values():
        goes = any(step.action is Action.DELETE for step in steps)
        for step in steps:
            alone = step.action is Action.ENABLE or (step.action is Action.DISABLE and not goes)
            units.setdefault((step.address, step.action.value if alone else ""), []).append(step)
    return units


def _graph(planned: PlannedSteps, units: Mapping[Unit, Iterable[Step]]) -> WaitGraph[Unit]:
    """Which units each unit waits for."""
    whole = {step.id: unit for unit, steps in units.items() for step in steps}
    return WaitGraph({step.id: step.requires for steps in planned.values() for step in steps}).joined(whole)


def _without(planned: PlannedSteps, taken: Iterable[Step]) -> PlannedSteps:
    out = {step.id for step in taken}
    left = {address: tuple(step for step in steps if step.id not in out) for address, steps in planned.items()}
    return {address: steps for address, steps in left.items() if steps}


def _sorted(units: Iterable[Unit]) -> list[Unit]:
    return sorted(units, key=lambda unit: (by_address(unit[0]), unit[1]))


# ---------------------------------------------------------------- words


def _left_alone(address: Address, why: str) -> Diagnostic:
    return Diagnostic(
        f"{address} is left alone: {why}", address=str(address), severity=Severity.WARNING, id="left-alone"
    )


def _waits_for_held(causes: Collection[Unit]) -> str:
    return f"it waits for {_sorted(causes)[0][0]}, whose step is withheld"


def _waits_for_open(unit: Unit, causes: Collection[Unit]) -> Diagnostic:
    address, switch = unit
    what = f"no {switch} step" if switch else "no step"
    summary = f"{address} gets {what}: it waits for {_sorted(causes)[0][0]}, where an earlier operation is still open"
    return Diagnostic(
        summary,
        "Plan again when that operation is over.",
        address=str(address),
        severity=Severity.WARNING,
        id="waits-for-open-operation",
    )
