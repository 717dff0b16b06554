"""What a create would clash with: objects that have its natural key or its device; and disks larger than wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from declarative.errors import visible
from declarative.kinds.compare import same
from declarative.model import Address, Attributes, Desired, Kind
from declarative.planner.brought_pairs import INSTANCE
from declarative.planner.builder import PlanBuilder
from declarative.planner.claims import Claims, going_homes, instances_of
from declarative.planner.differences import ignored_fields
from declarative.planner.impact import attached, number
from declarative.planner.moves import Key, known_key, present_key
from declarative.planner.steps import Completed, creates, deletes

SIZE = "volume_size"
_DEVICE = "device"

_NATURAL = {"server_id": "server", "volume_id": "disk"}

_WORDS = {**_NATURAL, "protected_instance_id": "instance", "replication_id": "pair"}


def find_conflicts(builder: PlanBuilder, kind: Kind, claims: Claims, addresses: Iterable[Address]) -> None:
    """Look at what has the natural key that a create wants: wait until it is deleted, or find fault."""
    claimed = _claimed(builder, kind)
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
        if _DEVICE in kind.fields:
            builder.after.setdefault(address, set()).update(_on_device(builder, kind, wanted.inputs))


def _on_device(builder: PlanBuilder, kind: Kind, inputs: Attributes) -> Iterator[Address]:
    """The attachments that go and make the device free that an attachment wants."""
    instance = inputs.get("protected_instance_id")
    for one in attached(builder.comparison.observed.objects.get(INSTANCE, {}).get(str(instance), {})):
        owner = builder.owner(kind.name, f"{instance}/{one.get('replication')}")
        if (
            owner is not None
            and deletes(builder.steps(owner))
            and same(kind, _DEVICE, inputs.get(_DEVICE), one.get(_DEVICE))
        ):
            yield owner


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
        wanted.desired,
        f"{named(kind, wanted.inputs)} is in {other} already",
        "Describe it once, or delete the other one first.",
        *_place(kind),
    )


def _strange(builder: PlanBuilder, kind: Kind, wanted: Completed, found: tuple[str, Attributes]) -> None:
    """Something that we don't know has the natural key."""
    homes = instances_of(builder, found[1]) if kind.natural_key == ("volume_id",) else set()
    going = going_homes(builder, *found)
    if not homes:
        say_not_ours(builder, kind, wanted, found[0])
    elif going and all(builder.is_leaving(home) for home in homes):
        builder.after.setdefault(wanted.desired.address, set()).update(homes)
    else:
        home = min(homes, key=str)
        builder.find(
            wanted.desired,
            f"{named(kind, wanted.inputs)} is in a pair already, which is attached to {home}",
            "Set lifecycle.adopt to true to take that pair over, or take this document out.",
            *_place(kind),
        )


def say_not_ours(builder: PlanBuilder, kind: Kind, wanted: Completed, object_id: str) -> None:
    builder.find(
        wanted.desired,
        f"{named(kind, wanted.inputs)} is in {kind.noun} {visible(object_id, limit=160)} already, which is not"
        " recorded here",
        f"Take it over with `declarative import '{wanted.desired.address}' {visible(object_id, limit=160)}`, or delete"
        " it first.",
        *_place(kind),
    )


def say_it_goes(builder: PlanBuilder, desired: Desired, homes: set[Address]) -> None:
    home = min(homes, key=str)
    builder.find(
        desired,
        f"{desired.address} came with {home} and goes with it",
        "Take its document out too.",
        "lifecycle",
        "adopt",
    )


def _place(kind: Kind) -> tuple[str, ...]:
    return ("spec", kind.natural_key[0]) if kind.natural_key[0] in _NATURAL else ("spec",)


def named(kind: Kind, inputs: Attributes) -> str:
    """What the natural key names, e.g. `server 5fb9`."""
    words = [f"{_WORDS.get(name, name)} {visible(inputs.get(name), limit=80)}" for name in kind.natural_key]
    return " with ".join(words)


def shrinks(builder: PlanBuilder, kind: Kind, wanted: Completed, seen: Attributes) -> None:
    """Find fault with a disk that is wanted smaller than it is."""
    size, present = number(wanted.inputs.get(SIZE)), number(seen.get(SIZE))
    if size is None or present is None or size >= present:
        return
    if SIZE in ignored_fields(kind, wanted.desired.lifecycle):
        return
    if known_key(kind, wanted.inputs) != known_key(kind, seen):
        return
    builder.find(
        wanted.desired,
        f"the disk has {present} GB and can only grow, not shrink to {size} GB",
        f"Ask for {present} GB or more, or take {SIZE} out.",
        "spec",
        SIZE,
    )
