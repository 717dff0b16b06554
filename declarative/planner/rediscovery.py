"""Which object of the cloud each address that isn't recorded means: by all that a create would send. Pure.

Only an exact match that is the one candidate counts. Everything less is a doubt for a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from declarative.kinds import KINDS
from declarative.kinds.compare import Likeness, likeness
from declarative.kinds.index import ObjectIndex
from declarative.model import Action, Address, Attributes, Desired, Lookups, Observed, Reference, Resource
from declarative.planner.comparison import compare
from declarative.planner.generator import generate
from declarative.planner.selection import PlanRequest

_REASONS = {
    Likeness.FITS: "it matches, but so do others",
    Likeness.LACKS: "the service does not show all of its fields",
    Likeness.ALIKE: "it has the same name in the same place, but differs otherwise",
}


@dataclass(slots=True)
class Rediscovered:
    """What was looked for. `found`: ids by address; `doubtful`: by address, ids with the reason; `absent`: the rest.

    `waiting`: addresses that need another one to be found first.
    """

    found: dict[Address, str] = field(default_factory=dict)
    doubtful: dict[Address, dict[str, str]] = field(default_factory=dict)
    absent: list[Address] = field(default_factory=list)
    waiting: list[Address] = field(default_factory=list)


def rediscover(
    desired: Mapping[Address, Desired],
    recorded: Mapping[Address, Resource],
    observed: Observed,
) -> Rediscovered:
    """Match what is not recorded with objects that nobody has; members once their group is found."""
    result = Rediscovered()
    known = dict(recorded)
    indexes = {kind: ObjectIndex(KINDS[kind], objects) for kind, objects in observed.objects.items()}
    while True:
        wanted = dict(_creates(desired, known, observed.lookups))
        matches = _matches(wanted, known.values(), observed, indexes)
        new = _sure(matches, observed)
        if not new:
            break
        result.found.update(new)
        for address, object_id in new.items():
            shown = observed.objects[address.kind][object_id]
            known[address] = Resource(address, object_id, {}, shown)
    for address, fits in matches.items():
        if fits:
            result.doubtful[address] = {object_id: _reason(likely, fits) for object_id, likely in fits.items()}
        else:
            result.absent.append(address)
    told = {*known, *matches}
    result.waiting = [address for address in desired if address not in told]
    return result


def _creates(
    desired: Mapping[Address, Desired], known: Mapping[Address, Resource], lookups: Lookups
) -> Iterator[tuple[Address, Attributes]]:
    """What a create of each address that isn't known would send, where all of it is known."""
    view = compare(desired, known, Observed(lookups=lookups), refreshed=False)
    builder = generate(view, PlanRequest(refreshed=False), replaced=(), open_=())
    for address, steps in builder.planned.items():
        for step in steps[:1]:
            is_new = address not in known and step.action is Action.CREATE and address not in builder.findings
            if is_new and not any(isinstance(value, Reference) for value in step.resource.inputs.values()):
                yield address, step.resource.inputs


def _matches(
    wanted: Mapping[Address, Attributes],
    known: Collection[Resource],
    observed: Observed,
    indexes: Mapping[str, ObjectIndex],
) -> dict[Address, dict[str, Likeness]]:
    taken = {(resource.address.kind, resource.id) for resource in known}
    matches: dict[Address, dict[str, Likeness]] = {}
    for address, inputs in wanted.items():
        kind, fits = KINDS[address.kind], matches.setdefault(address, {})
        for object_id in indexes[kind.name].like(inputs) if kind.name in indexes else ():
            likely = likeness(kind, inputs, observed.objects[kind.name][object_id])
            if likely is not Likeness.OTHER and (kind.name, object_id) not in taken:
                fits[object_id] = likely
    return matches


def _sure(matches: Mapping[Address, Mapping[str, Likeness]], observed: Observed) -> dict[Address, str]:
    """Each address with its one object: it fits, nothing else is like it, and no other address could mean it."""
    claims = Counter((address.kind, object_id) for address, fits in matches.items() for object_id in fits)
    return {
        address: object_id
        for address, fits in matches.items()
        for object_id, likely in fits.items()
        if likely is Likeness.FITS
        and len(fits) == 1
        and claims[address.kind, object_id] == 1
        and (KINDS[address.kind].relations.natural_key or address.kind not in observed.partial)
    }


def _reason(likely: Likeness, fits: Mapping[str, Likeness]) -> str:
    if likely is Likeness.FITS and len(fits) == 1:
        return "it matches, but others may too: another address, or an object missing from the cloud's list"
    return _REASONS[likely]
