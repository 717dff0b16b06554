"""The three views side by side: what is known of an address, and what the manifests' documents come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from declarative.errors import Diagnostic, Position, visible
from declarative.kinds import KINDS
from declarative.model import Address, Attributes, Desired, Health, Kind, Lookups, Observed, Reference, Resource
from declarative.planner.differences import sent_field
from declarative.planner.graph import by_address, loops
from declarative.planner.steps import LiveObject


@dataclass(frozen=True, slots=True)
class Comparison:
    """Desired, recorded and observed, as the planner was given them; `live_objects` has None for what is gone.

    `inputs` are the desired ones, in which references stand as the manifests write them. `problems` has the findings
    of the documents for which they can't be told.
    """

    desired: Mapping[Address, Desired]
    recorded: Mapping[Address, Resource]
    observed: Observed
    inputs: Mapping[Address, Attributes]
    problems: Mapping[Address, list[Diagnostic]]
    live_objects: Mapping[Address, LiveObject | None]

    def kind(self, address: Address) -> Kind:
        """The kind of an address."""
        return KINDS[address.kind]


def compare(
    desired: Mapping[Address, Desired], recorded: Mapping[Address, Resource], observed: Observed, *, refreshed: bool
) -> Comparison:
    """Put the views side by side. Raises ValueError when a refresh has left out a recorded object."""
    inputs: dict[Address, Attributes] = {}
    problems: dict[Address, list[Diagnostic]] = {}
    for address, one in desired.items():
        known = recorded.get(address)
        wanted, findings = _completed(one, known, observed)
        inputs[address] = known.inputs if known is not None and known.inputs == wanted else wanted  # one for both views
        if findings:
            problems[address] = findings
    live_objects = live_objects_of(inputs, recorded, observed, refreshed=refreshed)
    return Comparison(desired, recorded, observed, inputs, problems, live_objects)


def live_objects_of(
    inputs: Mapping[Address, Attributes], recorded: Mapping[Address, Resource], observed: Observed, *, refreshed: bool
) -> dict[Address, LiveObject | None]:
    """What is seen of each recorded object, judged by the `inputs` that its address wants, or else has recorded."""
    return {
        address: _live_object(resource, inputs.get(address, resource.inputs), observed, refreshed=refreshed)
        for address, resource in recorded.items()
    }


def _live_object(recorded: Resource, inputs: Attributes, observed: Observed, *, refreshed: bool) -> LiveObject | None:
    kind = KINDS[recorded.address.kind]
    attributes = observed.objects.get(kind.name, {}).get(recorded.id)
    if attributes is not None:
        return LiveObject(attributes, attributes, kind.statuses.health(attributes, inputs))
    if (kind.name, recorded.id) in observed.gone:
        return None
    if refreshed:
        raise ValueError(f"{recorded.address}: {recorded.id} is neither observed nor confirmed to be gone")
    health = kind.statuses.health(recorded.attributes, inputs) if recorded.attributes else Health.NORMAL
    return LiveObject(recorded.attributes, {**recorded.inputs, **recorded.attributes}, health)


def with_moves(comparison: Comparison, moves: Mapping[Address, Address]) -> Comparison:
    """The comparison in which each moved object is judged by what its new address wants of it."""
    live_objects = dict(comparison.live_objects)
    for new, old in moves.items():
        live = live_objects[old]
        if live is not None and live.attributes:
            health = comparison.kind(new).statuses.health(live.attributes, comparison.inputs[new])
            live_objects[old] = replace(live, health=health)
    return replace(comparison, live_objects=live_objects) if moves else comparison


# ---------------------------------------------------------------- desired


def _completed(desired: Desired, recorded: Resource | None, observed: Observed) -> tuple[Attributes, list[Diagnostic]]:
    """What to send for a desired object, and the findings if that can't be told."""
    kind, lookups = KINDS[desired.address.kind], observed.lookups
    inputs, findings = completed(desired, lookups)
    if lookups.domains is None and not kind.relations.lookups.keys().isdisjoint(desired.spec):
        inputs, missing = _without_lookups(desired, recorded, inputs)
        findings.extend(missing)
    return inputs, findings


def completed(desired: Desired, lookups: Lookups) -> tuple[Attributes, list[Diagnostic]]:
    """What to send for a desired object as far as the lookups tell, and what speaks against it."""
    inputs, problems = KINDS[desired.address.kind].calls.complete(desired.spec, lookups)
    findings = [
        Diagnostic(problem.summary, problem.fix, desired.position(*problem.path), str(desired.address), id=problem.id)
        for problem in problems
    ]
    return inputs, findings


def _without_lookups(
    desired: Desired, recorded: Resource | None, inputs: Attributes
) -> tuple[Attributes, list[Diagnostic]]:
    """Take from the record what can't be looked up; what isn't recorded is an error."""
    kind = KINDS[desired.address.kind]
    known = {**recorded.attributes, **recorded.inputs} if recorded else {}
    filled, findings = dict(inputs), []
    for name in sorted(kind.relations.lookups.keys() & desired.spec.keys()):
        sent, wanted = sent_field(kind, name), desired.spec[name]
        if known.get(sent) is not None and known.get(kind.relations.lookup_names.get(name, ""), wanted) == wanted:
            filled[sent] = known[sent]
        else:
            summary = f"can't look up {name} '{visible(wanted, limit=80)}': the cloud's list was not read"
            fix = f"Use {sent} instead, or plan again with a refresh once the list can be read."
            findings.append(
                Diagnostic(summary, fix, desired.position("spec", name), str(desired.address), id="lookup-not-read")
            )
    return filled, findings


def dependency_findings(desired: Mapping[Address, Desired]) -> Iterable[Diagnostic]:
    """Yield an error for each undeclared dependency and each dependency cycle."""
    needs = {address: one.depends_on for address, one in desired.items() if one.depends_on}
    for address, targets in needs.items():
        for target in targets:
            if target not in desired:
                yield Diagnostic(
                    f"{address} depends on {target}, but no manifest describes it",
                    "Describe it, or remove it from depends_on.",
                    _place(desired[address], target),
                    str(address),
                    id="unknown-address",
                )
    yield from loop_findings(desired)


def loop_findings(desired: Mapping[Address, Desired]) -> Iterable[Diagnostic]:
    """Yield an error for each dependency cycle."""
    needs = {address: one.depends_on for address, one in desired.items() if one.depends_on}
    for loop in loops(
        {address: [one for one in targets if one in desired] for address, targets in needs.items()}, key=by_address
    ):
        yield _loop_finding(desired, loop)


def _place(desired: Desired, target: Address) -> Position | None:
    """Where the document says that it needs `target`: a field that names it, or else the list of dependencies."""
    for name in KINDS[desired.address.kind].relations.refers:
        value = desired.spec.get(name)
        if isinstance(value, Reference) and value.address == target:
            return desired.position("spec", name)
    return desired.position("depends_on")


def _loop_finding(desired: Mapping[Address, Desired], loop: tuple[Address, ...]) -> Diagnostic:
    round_trip = [*loop, loop[0]]
    places = [_place(desired[one], then) for one, then in zip(loop, round_trip[1:], strict=True)]
    others = ", ".join(str(place) for place in places[1:] if place)
    return Diagnostic(
        f"dependency cycle: {' → '.join(map(str, round_trip))}",
        "Remove one of them from depends_on" + (f" here or at {others}." if others else "."),
        places[0],
        str(loop[0]),
        id="dependency-cycle",
    )
