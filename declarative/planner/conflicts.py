"""Conflicts of a create with objects that have its natural key or device, and of disks that would shrink."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from declarative.errors import visible
from declarative.kinds.compare import same
from declarative.kinds.relations import BROUGHT
from declarative.model import Address, Attributes, Desired, Exclusive, Json, Kind
from declarative.planner.builder import PlanBuilder
from declarative.planner.claims import Claims, going_homes, instances_of
from declarative.planner.differences import ignored_fields
from declarative.planner.losses import number
from declarative.planner.moves import Key, known_key, present_key
from declarative.planner.steps import Completed, creates, deletes


def find_conflicts(builder: PlanBuilder, kind: Kind, claims: Claims, addresses: Iterable[Address]) -> None:
    """Look at what has the natural key that a create wants: wait until it is deleted, or find fault."""
    claimed = _claimed(builder, kind)
    holders = Holders(builder, kind, kind.relations.exclusive) if kind.relations.exclusive is not None else None
    for address in addresses:
        steps = builder.steps(address)
        if not creates(steps):
            continue
        wanted = Completed(builder.comparison.desired[address], steps[-1].resource.inputs)
        key = known_key(kind, wanted.inputs)
        if key is None:
            continue
        for other in claimed.get(key, ()):
            if other != address:
                _after(builder, kind, wanted, other)
        if address not in builder.open:
            for object_id, shown in claims.of(key):
                if builder.owner(kind.name, object_id) is None:
                    _strange(builder, kind, wanted, (object_id, shown))
        if holders is not None:
            builder.after.setdefault(address, set()).update(
                owner
                for one in holders.of(wanted.inputs)
                if (owner := builder.owner(kind.name, one)) is not None and deletes(builder.steps(owner))
            )


class Holders:
    """The observed objects that hold what no two may share: attachments hold the devices of an instance."""

    def __init__(self, builder: PlanBuilder, kind: Kind, exclusive: Exclusive) -> None:
        """Look at all that is observed of `kind`."""
        self._kind, self._exclusive = kind, exclusive
        self._found: dict[str, list[tuple[str, Json]]] = {}
        for object_id, shown in builder.comparison.observed.objects.get(kind.name, {}).items():
            home = str(shown.get(exclusive.within))
            self._found.setdefault(home, []).append((object_id, shown.get(exclusive.field)))

    def of(self, inputs: Attributes) -> Iterator[str]:
        """The ids of those that hold what these inputs want; none where it is not made yet."""
        home, value = inputs.get(self._exclusive.within), inputs.get(self._exclusive.field)
        for object_id, held in self._found.get(home, ()) if isinstance(home, str) else ():
            if same(self._kind, self._exclusive.field, value, held):
                yield object_id


def _claimed(builder: PlanBuilder, kind: Kind) -> dict[Key, list[Address]]:
    """The addresses at which objects are recorded, by natural key."""
    claimed: dict[Key, list[Address]] = {}
    for address, recorded in builder.comparison.recorded.items():
        if address.kind != kind.name:
            continue
        live = builder.comparison.live_objects[address]
        key = present_key(kind, recorded, live.seen) if live is not None else None
        if key is not None:
            claimed.setdefault(key, []).append(address)
    return claimed


def _after(builder: PlanBuilder, kind: Kind, wanted: Completed, other: Address) -> None:
    if builder.is_remade(other) or builder.is_leaving(other):
        builder.after.setdefault(wanted.desired.address, set()).add(other)
        return
    builder.find(
        "object-taken",
        wanted.desired,
        f"{named(kind, wanted.inputs)} is already in {other}",
        "Describe it only once, or delete the other one first.",
        *_place(kind),
    )


def _strange(builder: PlanBuilder, kind: Kind, wanted: Completed, found: tuple[str, Attributes]) -> None:
    """Report an unmanaged object with the natural key."""
    homes = instances_of(builder, found[1]) if kind is BROUGHT else set()
    going = going_homes(builder, *found)
    if not homes:
        say_not_ours(builder, kind, wanted, found[0])
    elif going and all(builder.is_leaving(home) for home in homes):
        builder.after.setdefault(wanted.desired.address, set()).update(homes)
    else:
        home = min(homes, key=str)
        builder.find(
            "object-taken",
            wanted.desired,
            f"{named(kind, wanted.inputs)} is already in a pair that is attached to {home}",
            "Set lifecycle.adopt to true to adopt that pair, or remove this document.",
            *_place(kind),
        )


def say_not_ours(builder: PlanBuilder, kind: Kind, wanted: Completed, object_id: str) -> None:
    builder.find(
        "object-not-recorded",
        wanted.desired,
        f"{named(kind, wanted.inputs)} is already in {kind.noun} {visible(object_id, limit=160)}, which is not recorded"
        " here",
        f"Adopt it with `declarative import '{wanted.desired.address}' {visible(object_id, limit=160)}`, or delete"
        " it first.",
        *_place(kind),
    )


def say_it_goes(builder: PlanBuilder, desired: Desired, homes: set[Address]) -> None:
    home = min(homes, key=str)
    builder.find(
        "pair-goes-with-instance",
        desired,
        f"{desired.address} came with {home} and is deleted with it",
        "Remove its document too.",
        "lifecycle",
        "adopt",
    )


def _place(kind: Kind) -> tuple[str, ...]:
    name = kind.relations.natural_key[0]
    return ("spec",) if any(target.field == name for target in kind.relations.refers.values()) else ("spec", name)


def named(kind: Kind, inputs: Attributes) -> str:
    """What the natural key names, e.g. `server 5fb9`."""
    words = [
        f"{kind.words.key_words.get(name, name)} {visible(inputs.get(name), limit=80)}"
        for name in kind.relations.natural_key
    ]
    return " with ".join(words)


def shrinks(builder: PlanBuilder, kind: Kind, wanted: Completed, seen: Attributes) -> None:
    """Refuse to shrink what can only grow, such as a disk."""
    ignored = ignored_fields(kind, wanted.desired.lifecycle)
    for name, unit in kind.relations.only_grows.items():
        size, present = number(wanted.inputs.get(name)), number(seen.get(name))
        if size is None or present is None or size >= present or name in ignored:
            continue
        if known_key(kind, wanted.inputs) != known_key(kind, seen):
            continue
        thing = next(iter(kind.words.key_words.values()), kind.noun)
        builder.find(
            "can-only-grow",
            wanted.desired,
            f"the {thing} has {present} {unit} and can only grow, not shrink to {size} {unit}",
            f"Ask for {present} {unit} or more, or remove {name}.",
            "spec",
            name,
        )
