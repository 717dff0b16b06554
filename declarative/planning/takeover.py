"""What is in the cloud already: pairs that are attached to an instance and taken over, and objects that aren't ours.

Creating a protected instance makes the service create a pair for each of the server's disks, and pairs are attached by
hand. Unless a manifest takes such a pair over (`lifecycle.adopt`), it is left alone. One server is in one instance, one
disk in one pair at most.
Source: SDRS API reference, "Dependencies and ordering".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from declarative.errors import visible
from declarative.kinds.compare import same
from declarative.model import Address, Attributes, Desired, Health, Json, Kind, Reason, Reference, Resource, Step
from declarative.planning.company import INSTANCE
from declarative.planning.differences import differing, ignored_fields, must_replace
from declarative.planning.losses import attached, number
from declarative.planning.moves import Key, known_key, present_key
from declarative.planning.sketch import Sketch
from declarative.planning.wishes import Sight, Wanted, adjust, creates, deletes, take_over, take_over_later

SIZE = "volume_size"
_DEVICE = "device"

_NATURAL = {"server_id": "server", "volume_id": "disk"}
_WORDS = {**_NATURAL, "protected_instance_id": "instance", "replication_id": "pair"}


# ---------------------------------------------------------------- what belongs to what


def instances_of(sketch: Sketch, pair: Attributes) -> set[Address]:
    """The addresses of our instances that a pair, as it is seen, is attached to."""
    ids = (one.get("protected_instance") for one in attached(pair))
    return {owner for one in ids if (owner := sketch.owner(INSTANCE, str(one))) is not None}


def going_homes(sketch: Sketch, pair_id: str, pair: Attributes) -> set[Address]:
    """Those of our instances that are deleted, for good or to be remade, and take the pair with them."""
    homes = instances_of(sketch, pair)
    return {home for home in homes if deletes(sketch.steps(home)) and pair_id in sketch.brought(home)}


class Claims:
    """Which objects of a kind the cloud shows under which natural key, and which instances may bring more of them."""

    def __init__(self, sketch: Sketch, kind: Kind) -> None:
        """Look at all that is observed of `kind`."""
        self._sketch = sketch
        self._kind = kind
        self._makers: dict[Json | Reference, list[Address]] | None = None
        self._found: dict[Key, list[tuple[str, Attributes]]] = {}
        for object_id, shown in sorted(sketch.scene.observed.objects.get(kind.name, {}).items()):
            key = known_key(kind, shown)
            if key is not None:
                self._found.setdefault(key, []).append((object_id, shown))

    def of(self, key: Key | None) -> list[tuple[str, Attributes]]:
        """The objects with this natural key, by id."""
        return self._found.get(key, []) if key is not None else []

    def makers(self, group: Json | Reference) -> list[Address]:
        """The instances that are created in a group; asked for only when all that instances want is known."""
        if self._makers is None:
            self._makers = {}
            for address, steps in self._sketch.wishes.items():
                if address.kind == INSTANCE and creates(steps):
                    for home in {step.resource.inputs.get(self._kind.group) for step in steps if not step.resource.id}:
                        self._makers.setdefault(home, []).append(address)
        return self._makers.get(group, [])


# ---------------------------------------------------------------- adoption


def adoption(
    sketch: Sketch, kind: Kind, wanted: Wanted, claims: Claims, *, recorded: Resource | None, sight: Sight | None
) -> tuple[Step, ...]:
    """What an object that others have made needs: to be taken over, and then to be brought in line."""
    key = known_key(kind, wanted.inputs)
    if recorded is None or sight is None or present_key(kind, recorded, sight.seen) != key:
        return _search(sketch, kind, wanted, claims, recorded=recorded, gone=sight is None)
    going = going_homes(sketch, recorded.id, sight.seen)
    if any(sketch.is_remade(home) for home in going):
        makers = {home for home in going if sketch.is_remade(home)}
        makers |= _makers(sketch, kind, wanted, claims)
        return _await(sketch, kind, wanted, makers, reason=Reason.REPLACED, old=recorded)
    if going:
        _say_it_goes(sketch, wanted.desired, going)
        return ()
    return _kept(sketch, kind, wanted, recorded=recorded, sight=sight)


def _search(
    sketch: Sketch,
    kind: Kind,
    wanted: Wanted,
    claims: Claims,
    *,
    recorded: Resource | None,
    gone: bool,
) -> tuple[Step, ...]:
    """Take over what is attached to an instance of ours, or what one will bring."""
    reason = Reason.NEW if recorded is None else Reason.GONE_FROM_CLOUD if gone else Reason.EDITED
    makers: set[Address] = set()
    strange = ""
    for object_id, shown in claims.of(known_key(kind, wanted.inputs)):
        homes, going = instances_of(sketch, shown), going_homes(sketch, object_id, shown)
        if homes and not going:
            return _taken(sketch, kind, wanted, (object_id, shown), reason=reason, old=recorded)
        makers |= {home for home in going if sketch.is_remade(home)}
        strange = strange or ("" if homes else object_id)
    # A remade instance may come back with another server: whichever is made in the group can bring the pair.
    makers |= _makers(sketch, kind, wanted, claims)
    if strange and sketch.open.isdisjoint({wanted.desired.address, *makers}):
        _say_not_ours(sketch, kind, wanted, strange)
        return ()
    return _await(sketch, kind, wanted, makers, reason=reason, old=recorded)


def _taken(
    sketch: Sketch, kind: Kind, wanted: Wanted, found: tuple[str, Attributes], *, reason: Reason, old: Resource | None
) -> tuple[Step, ...]:
    _check(sketch, kind, wanted, differing(kind, wanted.inputs, recorded={}, seen=found[1]))
    shrinks(sketch, kind, wanted, found[1])
    return take_over(kind, wanted, reason, found=found, old_id=old.id if old is not None else None)


def _await(
    sketch: Sketch, kind: Kind, wanted: Wanted, makers: set[Address], *, reason: Reason, old: Resource | None
) -> tuple[Step, ...]:
    address = wanted.desired.address
    if not makers and sketch.refreshed and address not in sketch.open:
        if old is not None and sketch.scene.sights[old.address] is None:
            _say_it_is_lost(sketch, kind, address)
            return ()
        sketch.find(
            wanted.desired,
            f"there is no {kind.noun} of {_named(kind, wanted.inputs)} to be adopted, and no instance is created in its"
            " group that could bring it",
            "Describe the ProtectedInstance of the server that has this disk, or take lifecycle.adopt out to create"
            " the pair.",
            "lifecycle",
            "adopt",
        )
        return ()
    sketch.waits[address] = makers
    if old is not None:
        sketch.after.setdefault(old.address, set()).update(makers)
    return take_over_later(kind, wanted, reason, old=old)


def _say_it_is_lost(sketch: Sketch, kind: Kind, address: Address) -> None:
    """Somebody has deleted what an instance of ours had brought: that is no reason to hold up everything else."""
    sketch.warn(
        address,
        f"{address} gets no step: its {kind.noun} is gone from the cloud, and only its instance can bring one",
        "Have the ProtectedInstance made anew (--replace), or take this document out.",
    )


def _makers(sketch: Sketch, kind: Kind, wanted: Wanted, claims: Claims) -> set[Address]:
    """The instances whose creation can bring the pair: those that it depends on, else all of its group."""
    named = {one for one in wanted.desired.depends_on if one.kind == INSTANCE and creates(sketch.steps(one))}
    return named or {
        address
        for address in claims.makers(wanted.inputs.get(kind.group))
        if wanted.desired.address not in sketch.scene.desired[address].depends_on
    }


def _kept(sketch: Sketch, kind: Kind, wanted: Wanted, *, recorded: Resource, sight: Sight) -> tuple[Step, ...]:
    """An adopted object in place: it can be renamed and grown, and never be made anew by itself."""
    address = wanted.desired.address
    if wanted.requested:
        sketch.find(
            wanted.desired,
            f"{address} was taken over (lifecycle.adopt) and can't be replaced by itself",
            "Ask for the replacement of its ProtectedInstance.",
            "lifecycle",
            "adopt",
        )
        return ()
    if sight.health in (Health.BROKEN, Health.LEAVING):
        status = visible(sight.attributes.get("status"), limit=80)
        sketch.warn(
            address, f"{address} is left alone: it was taken over (lifecycle.adopt), and its status is {status}"
        )
        return ()
    ignored = ignored_fields(kind, wanted.desired.lifecycle)
    names = differing(kind, wanted.inputs, recorded=recorded.inputs, seen=sight.seen, normalized=recorded.normalized)
    if _check(sketch, kind, wanted, [name for name in names if name not in ignored]):
        return ()
    return adjust(kind, wanted, recorded, sight)


def still_adopted(sketch: Sketch, wanted: Wanted, sight: Sight) -> None:
    """Find fault with a document that no longer says of an adopted pair that it was taken over."""
    homes = instances_of(sketch, sight.seen)
    if homes and not wanted.desired.lifecycle.adopt:
        sketch.find(
            wanted.desired,
            f"this pair is attached to {min(homes, key=str)} and can't be managed apart from it",
            "Set lifecycle.adopt to true again.",
            "lifecycle",
        )


def _check(sketch: Sketch, kind: Kind, wanted: Wanted, names: Iterable[str]) -> bool:
    """Find fault with each field that can't be brought in line on an adopted object. True when there is one."""
    wrong = [name for name in names if must_replace(kind, (name,))]
    for name in wrong:
        sketch.find(
            wanted.desired,
            f"{name} of a {kind.noun} that is taken over is another one, and can't be changed",
            f"Take {name} out, or let it say what the cloud shows.",
            "spec",
            _written(kind, wanted.desired, name),
        )
    return bool(wrong)


def _written(kind: Kind, desired: Desired, name: str) -> str:
    """The manifest's field that stands for a sent one."""
    names = (field for field, target in kind.refers.items() if target.field == name and field in desired.spec)
    return next(names, name)


# ---------------------------------------------------------------- what stands in the way of a create


def clashes(sketch: Sketch, kind: Kind, claims: Claims, addresses: Iterable[Address]) -> None:
    """Look at what has the natural key that a create wants: wait until it is deleted, or find fault."""
    claimed = _claimed(sketch, kind)
    for address in addresses:
        steps = sketch.steps(address)
        if not creates(steps):
            continue
        wanted = Wanted(sketch.scene.desired[address], steps[-1].resource.inputs)
        key = known_key(kind, wanted.inputs)
        if key is None:
            continue
        for other in claimed.get(key, ()):
            if other != address:
                _after(sketch, kind, wanted, other)
        if address not in sketch.open:
            for object_id, shown in claims.of(key):
                if sketch.owner(kind.name, object_id) is None:
                    _strange(sketch, kind, wanted, (object_id, shown))
        if _DEVICE in kind.fields:
            sketch.after.setdefault(address, set()).update(_on_device(sketch, kind, wanted.inputs))


def _on_device(sketch: Sketch, kind: Kind, inputs: Attributes) -> Iterator[Address]:
    """The attachments that go and make the device free that an attachment wants."""
    instance = inputs.get("protected_instance_id")
    for one in attached(sketch.scene.observed.objects.get(INSTANCE, {}).get(str(instance), {})):
        owner = sketch.owner(kind.name, f"{instance}/{one.get('replication')}")
        if (
            owner is not None
            and deletes(sketch.steps(owner))
            and same(kind, _DEVICE, inputs.get(_DEVICE), one.get(_DEVICE))
        ):
            yield owner


def _claimed(sketch: Sketch, kind: Kind) -> dict[Key, list[Address]]:
    """The addresses at which objects are recorded, by natural key."""
    claimed: dict[Key, list[Address]] = {}
    for address, recorded in sketch.scene.recorded.items():
        if address.kind != kind.name:
            continue
        sight = sketch.scene.sights[address]
        key = present_key(kind, recorded, sight.seen) if sight is not None else None
        if key is not None:
            claimed.setdefault(key, []).append(address)
    return claimed


def _after(sketch: Sketch, kind: Kind, wanted: Wanted, other: Address) -> None:
    if sketch.is_remade(other) or sketch.is_leaving(other):
        sketch.after.setdefault(wanted.desired.address, set()).add(other)
        return
    sketch.find(
        wanted.desired,
        f"{_named(kind, wanted.inputs)} is in {other} already",
        "Describe it once, or delete the other one first.",
        *_place(kind),
    )


def _strange(sketch: Sketch, kind: Kind, wanted: Wanted, found: tuple[str, Attributes]) -> None:
    """Something that we don't know has the natural key."""
    homes = instances_of(sketch, found[1]) if kind.natural_key == ("volume_id",) else set()
    going = going_homes(sketch, *found)
    if not homes:
        _say_not_ours(sketch, kind, wanted, found[0])
    elif going and all(sketch.is_leaving(home) for home in homes):
        sketch.after.setdefault(wanted.desired.address, set()).update(homes)
    else:
        home = min(homes, key=str)
        sketch.find(
            wanted.desired,
            f"{_named(kind, wanted.inputs)} is in a pair already, which is attached to {home}",
            "Set lifecycle.adopt to true to take that pair over, or take this document out.",
            *_place(kind),
        )


def _say_not_ours(sketch: Sketch, kind: Kind, wanted: Wanted, object_id: str) -> None:
    sketch.find(
        wanted.desired,
        f"{_named(kind, wanted.inputs)} is in {kind.noun} {visible(object_id, limit=160)} already, which is not"
        " recorded here",
        f"Take it over with `declarative import '{wanted.desired.address}' {visible(object_id, limit=160)}`, or delete"
        " it first.",
        *_place(kind),
    )


def _say_it_goes(sketch: Sketch, desired: Desired, homes: set[Address]) -> None:
    home = min(homes, key=str)
    sketch.find(
        desired,
        f"{desired.address} came with {home} and goes with it",
        "Take its document out too.",
        "lifecycle",
        "adopt",
    )


def _place(kind: Kind) -> tuple[str, ...]:
    return ("spec", kind.natural_key[0]) if kind.natural_key[0] in _NATURAL else ("spec",)


def _named(kind: Kind, inputs: Attributes) -> str:
    """What the natural key names, e.g. `server 5fb9`."""
    words = [f"{_WORDS.get(name, name)} {visible(inputs.get(name), limit=80)}" for name in kind.natural_key]
    return " with ".join(words)


# ---------------------------------------------------------------- sizes


def shrinks(sketch: Sketch, kind: Kind, wanted: Wanted, seen: Attributes) -> None:
    """Find fault with a disk that is wanted smaller than it is."""
    size, present = number(wanted.inputs.get(SIZE)), number(seen.get(SIZE))
    if size is None or present is None or size >= present:
        return
    if SIZE in ignored_fields(kind, wanted.desired.lifecycle):
        return
    if known_key(kind, wanted.inputs) != known_key(kind, seen):
        return
    sketch.find(
        wanted.desired,
        f"the disk has {present} GB and can only grow, not shrink to {size} GB",
        f"Ask for {present} GB or more, or take {SIZE} out.",
        "spec",
        SIZE,
    )
