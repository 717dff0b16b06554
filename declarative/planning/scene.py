"""The three views side by side: what is known of an address, and what the manifests' documents come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from declarative.errors import Diagnostic, visible
from declarative.kinds import KINDS
from declarative.model import Address, Attributes, Desired, Health, Kind, Observed, Resource
from declarative.planning.differences import sent_field
from declarative.planning.graph import by_address, loops
from declarative.planning.moves import find_moves
from declarative.planning.wishes import Sight, Wanted


@dataclass(frozen=True, slots=True)
class Scene:
    """Desired, recorded and observed, as the planner was given them; `sights` has None for what is gone."""

    desired: Mapping[Address, Desired]
    recorded: Mapping[Address, Resource]
    observed: Observed
    sights: Mapping[Address, Sight | None]

    def kind(self, address: Address) -> Kind:
        """The kind of an address."""
        return KINDS[address.kind]


def look(
    desired: Mapping[Address, Desired], recorded: Mapping[Address, Resource], observed: Observed, *, refreshed: bool
) -> Scene:
    """Put the views side by side. Raises ValueError when a refresh has left out a recorded object."""
    sights = {address: _sight(resource, observed, refreshed=refreshed) for address, resource in recorded.items()}
    return Scene(desired, recorded, observed, sights)


def _sight(recorded: Resource, observed: Observed, *, refreshed: bool) -> Sight | None:
    kind = KINDS[recorded.address.kind]
    attributes = observed.objects.get(kind.name, {}).get(recorded.id)
    if attributes is not None:
        return Sight(attributes, attributes, kind.health(attributes))
    if (kind.name, recorded.id) in observed.gone:
        return None
    if refreshed:
        raise ValueError(f"{recorded.address}: {recorded.id} is neither observed nor confirmed to be gone")
    health = kind.health(recorded.attributes) if recorded.attributes else Health.NORMAL
    return Sight(recorded.attributes, {**recorded.inputs, **recorded.attributes}, health)


# ---------------------------------------------------------------- desired


def complete(scene: Scene) -> tuple[dict[Address, Wanted], dict[Address, list[Diagnostic]]]:
    """Return what to send for each desired object, and the findings of those for which that can't be told."""
    ready: dict[Address, Wanted] = {}
    findings: dict[Address, list[Diagnostic]] = {}
    for address, desired in scene.desired.items():
        inputs, problems = _completed(scene, desired)
        if problems:
            findings[address] = problems
        else:
            ready[address] = Wanted(desired, inputs)
    return ready, findings


def _completed(scene: Scene, desired: Desired) -> tuple[Attributes, list[Diagnostic]]:
    kind, lookups = scene.kind(desired.address), scene.observed.lookups
    inputs, problems = kind.complete(desired.spec, lookups)
    findings = [
        Diagnostic(problem.summary, problem.fix, desired.position(*problem.path), str(desired.address))
        for problem in problems
    ]
    if lookups.domains is None and not kind.lookups.isdisjoint(desired.spec):
        inputs, missing = _without_lookups(scene, desired, inputs)
        findings.extend(missing)
    return inputs, findings


def _without_lookups(scene: Scene, desired: Desired, inputs: Attributes) -> tuple[Attributes, list[Diagnostic]]:
    """Take from the record what can't be looked up; what isn't recorded is an error."""
    kind, recorded = scene.kind(desired.address), scene.recorded.get(desired.address)
    known = {**recorded.attributes, **recorded.inputs} if recorded else {}
    filled, findings = dict(inputs), []
    for name in sorted(kind.lookups & desired.spec.keys()):
        sent = sent_field(kind, name)
        if known.get(sent) is not None:
            filled[sent] = known[sent]
        else:
            summary = f"can't look up {name} '{visible(desired.spec[name], limit=80)}' without a refresh"
            fix = f"Plan with a refresh, or write {sent} instead."
            findings.append(Diagnostic(summary, fix, desired.position("spec", name), str(desired.address)))
    return filled, findings


def dependency_findings(desired: Mapping[Address, Desired]) -> Iterable[Diagnostic]:
    """Yield an error for each dependency that no manifest describes, and for each loop."""
    needs = {address: one.depends_on for address, one in desired.items() if one.depends_on}
    for address, targets in needs.items():
        for index, target in enumerate(targets):
            if target not in desired:
                position = desired[address].position("depends_on", index)
                yield Diagnostic(
                    f"{address} depends on {target}, which no manifest describes",
                    "Describe it, or take it out of depends_on.",
                    position,
                    str(address),
                )
    for loop in loops(
        {address: [one for one in targets if one in desired] for address, targets in needs.items()}, key=by_address
    ):
        yield _loop_finding(desired, loop)


def _loop_finding(desired: Mapping[Address, Desired], loop: tuple[Address, ...]) -> Diagnostic:
    round_trip = [*loop, loop[0]]
    places = [
        desired[one].position("depends_on", desired[one].depends_on.index(then))
        for one, then in zip(loop, round_trip[1:], strict=True)
    ]
    others = ", ".join(str(place) for place in places[1:] if place)
    return Diagnostic(
        f"these objects wait for each other: {' → '.join(map(str, round_trip))}",
        "Take one of them out of depends_on" + (f" here or at {others}." if others else "."),
        places[0],
        str(loop[0]),
    )


# ---------------------------------------------------------------- moves


def moves(scene: Scene, ready: Mapping[Address, Wanted], *, fixed: frozenset[Address]) -> dict[Address, Address]:
    """Return, by new address, the old one of each object whose address alone changed. `fixed` ones do not move."""
    appearing: dict[str, dict[Address, Attributes]] = {}
    disappearing: dict[str, dict[Address, tuple[Resource, Attributes]]] = {}
    for address, wanted in ready.items():
        if address not in scene.recorded and address not in fixed:
            appearing.setdefault(address.kind, {})[address] = wanted.inputs
    for address, recorded in scene.recorded.items():
        sight = scene.sights[address]
        if address in scene.desired or address in fixed or sight is None:
            continue
        if sight.health not in (Health.BROKEN, Health.LEAVING):
            disappearing.setdefault(address.kind, {})[address] = (recorded, sight.seen)
    found: dict[Address, Address] = {}
    for kind in sorted(appearing.keys() & disappearing.keys()):
        found.update(find_moves(KINDS[kind], appearing[kind], disappearing[kind]))
    return found
