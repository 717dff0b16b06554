"""What must not be done now: where disaster recovery is in progress, and where an earlier operation is still open.

What is taken out takes along all that waits for it, so that nothing is half replaced and nothing half torn down.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from declarative.errors import Diagnostic, Severity, visible
from declarative.kinds import KINDS
from declarative.model import Action, Address, Health, Step, Withheld
from declarative.planning.belonging import GROUP, Belonging, Group
from declarative.planning.graph import by_address, closure, reversed_edges
from declarative.planning.scene import Scene
from declarative.planning.sketch import Sketch, Wishes

# The steps of an address that go together. What switches a protection that stays goes by itself.
Unit: TypeAlias = tuple[Address, str]


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of the wishes, what is withheld, and what somebody should know."""

    wishes: Wishes
    withheld: tuple[Withheld, ...]
    notes: tuple[Diagnostic, ...]


def held_back(sketch: Sketch, wishes: Wishes, belonging: Belonging) -> Kept:
    """Take out what is held or still open, and all that waits for it."""
    targets = {old: new for new, old in sketch.moves.items()}
    held = _held(sketch.scene, targets)
    reasons = {**_held_members(wishes, belonging), **held}
    notes = [_left_alone(one, why) for one, why in held.items() if one not in wishes and _speaks(one, belonging)]
    undecided = {targets.get(address, address) for address in sketch.open}
    if undecided.isdisjoint(wishes) and reasons.keys().isdisjoint(wishes):
        return Kept(wishes, (), tuple(notes))
    units = _units(wishes)
    needs = _needs(units)
    users = reversed_edges(needs)
    withheld = closure([unit for unit in units if unit[0] in reasons], users)
    started = {unit for unit in units if unit[0] in undecided}
    waiting = closure(started, users) - withheld
    notes += [_waits_for_open(one, needs[one] & waiting) for one in _sorted(waiting - started)]
    told = tuple(
        Withheld(one[0], step.action, reasons.get(one[0]) or _waits_for_held(needs[one] & withheld))
        for one in _sorted(withheld)
        for step in units[one]
    )
    out = {step.id for unit in withheld | waiting for step in units[unit]}
    left = {address: tuple(step for step in steps if step.id not in out) for address, steps in wishes.items()}
    return Kept({address: steps for address, steps in left.items() if steps}, told, tuple(notes))


# ---------------------------------------------------------------- why


def _held(scene: Scene, targets: Mapping[Address, Address]) -> dict[Address, str]:
    """Why held objects are, by address; `targets` tells where a moving object's steps have theirs."""
    held: dict[Address, str] = {}
    for address, sight in scene.sights.items():
        if sight is not None and sight.health is Health.HELD:
            because = scene.kind(address).held_because(sight.attributes)
            held[targets.get(address, address)] = f"disaster recovery is in progress: {visible(because, limit=200)}"
    return {address: held[address] for address in sorted(held, key=by_address)}


def _held_members(wishes: Wishes, belonging: Belonging) -> dict[Address, str]:
    """Why the members of held groups are left alone."""
    reasons = {}
    for address in wishes:
        if KINDS[address.kind].group:
            held = [group for group in belonging.groups(address) if belonging.is_held(group)]
            if held:
                reasons[address] = _through(min(held, key=str), belonging)
    return reasons


def _through(group: Group, belonging: Belonging) -> str:
    because = GROUP.held_because(belonging.shown(group) or {})
    return f"disaster recovery is in progress in {visible(group, limit=200)}: {visible(because, limit=200)}"


def _speaks(address: Address, belonging: Belonging) -> bool:
    """False for a member of a held group: the group says it all."""
    return not any(belonging.is_held(group) for group in belonging.groups(address))


# ---------------------------------------------------------------- units


def _units(wishes: Wishes) -> dict[Unit, list[Step]]:
    units: dict[Unit, list[Step]] = {}
    for steps in wishes.values():
        goes = any(step.action is Action.DELETE for step in steps)
        for step in steps:
            alone = step.action is Action.ENABLE or (step.action is Action.DISABLE and not goes)
            units.setdefault((step.address, step.action.value if alone else ""), []).append(step)
    return units


def _needs(units: Mapping[Unit, Iterable[Step]]) -> dict[Unit, set[Unit]]:
    """Which units each unit waits for."""
    owner = {step.id: unit for unit, steps in units.items() for step in steps}
    return {unit: {owner[one] for step in steps for one in step.requires} - {unit} for unit, steps in units.items()}


def _sorted(units: Iterable[Unit]) -> list[Unit]:
    return sorted(units, key=lambda unit: (by_address(unit[0]), unit[1]))


# ---------------------------------------------------------------- words


def _left_alone(address: Address, why: str) -> Diagnostic:
    return Diagnostic(f"{address} is left alone: {why}", address=str(address), severity=Severity.WARNING)


def _waits_for_held(causes: Collection[Unit]) -> str:
    return f"it waits for {_sorted(causes)[0][0]}, whose step is withheld"


def _waits_for_open(unit: Unit, causes: Collection[Unit]) -> Diagnostic:
    address, switch = unit
    what = f"no {switch} step" if switch else "no step"
    summary = f"{address} gets {what}: it waits for {_sorted(causes)[0][0]}, where an earlier operation is still open"
    return Diagnostic(summary, "Plan again once that is settled.", address=str(address), severity=Severity.WARNING)
