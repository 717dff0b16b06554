"""What every address wants, kind by kind: references filled in, moves found, adoptions made, clashes told of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from declarative.kinds import KINDS
from declarative.model import Address, Attributes, Desired, Health, Kind, OpenOperation, Reason, Reference, Resource
from declarative.planning.company import PAIR, instances_with
from declarative.planning.losses import attached
from declarative.planning.moves import Homes, Key, Old, find_alike, find_followed, find_moves, known_key, present_key
from declarative.planning.repairs import with_repairs
from declarative.planning.scene import Scene, with_moves
from declarative.planning.selection import PlanRequest
from declarative.planning.sketch import Sketch
from declarative.planning.takeover import (
    SIZE,
    Claims,
    adoption,
    clashes,
    going_homes,
    instances_of,
    shrinks,
    still_adopted,
)
from declarative.planning.wishes import Wanted, adjust, clear, create, delete, deletes, forget, refresh


def draft(
    scene: Scene, request: PlanRequest, *, replaced: Collection[Address], open_: Collection[OpenOperation]
) -> Sketch:
    """Return what every desired and recorded address wants, whatever the selectors say. `replaced`: on request."""
    sketch = Sketch(scene, request.refreshed, replaced, {operation.address for operation in open_})
    if request.destroy or request.refresh_only:
        level = {name: number for number, name in enumerate(KINDS)}
        for recorded in sorted(scene.recorded.values(), key=lambda one: level[one.address.kind]):
            _ending(sketch, recorded, request)
        with_repairs(sketch)
        return sketch
    addresses = _by_kind(scene)
    for kind in KINDS.values():
        if kind.name in addresses:
            _of_kind(sketch, kind, addresses[kind.name], open_)
    with_repairs(sketch)
    return sketch


def _by_kind(scene: Scene) -> dict[str, list[Address]]:
    found: dict[str, list[Address]] = {}
    for address in scene.desired:
        found.setdefault(address.kind, []).append(address)
    for address in scene.recorded.keys() - scene.desired.keys():
        found.setdefault(address.kind, []).append(address)
    return found


# ---------------------------------------------------------------- what goes


def _ending(sketch: Sketch, recorded: Resource, request: PlanRequest) -> None:
    """Destroy or refresh one recorded object."""
    sight = sketch.scene.sights[recorded.address]
    if sight is None or request.destroy:
        _remove(sketch, recorded, Reason.DESTROY)
    elif steps := refresh(KINDS[recorded.address.kind], recorded, sight):
        sketch.wishes[recorded.address] = steps


def _remove(sketch: Sketch, recorded: Resource, reason: Reason) -> None:
    """Delete what is there no more use for; what is gone, or goes with what brought it, is only forgotten."""
    address, kind, sight = recorded.address, KINDS[recorded.address.kind], sketch.scene.sights[recorded.address]
    if sight is None:
        sketch.wishes[address] = (clear(recorded) if _left_pairs(sketch, recorded) else forget(recorded),)
    elif recorded.lifecycle.adopt and (homes := _taken_along(sketch, recorded, sight.seen)) is not None:
        sketch.after[address] = homes
        sketch.wishes[address] = (forget(recorded, reason),)
    else:
        sketch.wishes[address] = (delete(kind, recorded, sight, reason),)


def _taken_along(sketch: Sketch, recorded: Resource, seen: Attributes) -> set[Address] | None:
    """The instances with which a pair that was taken over goes, or stays; None when nothing but a delete ends it."""
    if not isinstance(seen.get("attachment"), list):
        return set()
    if going := going_homes(sketch, recorded.id, seen):
        return going
    homes = instances_of(sketch, seen)
    stays = any(not deletes(sketch.steps(home)) for home in homes) or len(homes) < len(list(attached(seen)))
    return homes if stays else None


def _left_pairs(sketch: Sketch, recorded: Resource) -> list[str]:
    """The pairs that came with an instance which is gone, and that are still there, held by nothing and nobody."""
    pairs = sketch.scene.observed.objects.get(PAIR, {})
    return [
        one
        for one in recorded.brought or ()
        if one in pairs and instances_with(pairs[one]) <= {recorded.id} and sketch.owner(PAIR, one) is None
    ]


# ---------------------------------------------------------------- what is wanted


def _of_kind(sketch: Sketch, kind: Kind, addresses: Iterable[Address], open_: Collection[OpenOperation]) -> None:
    scene = sketch.scene
    wanted = {}
    gone = []
    for address in addresses:
        desired = scene.desired.get(address)
        if desired is None:
            gone.append(address)
        elif not scene.problems or address not in scene.problems:
            wanted[address] = _wanted(sketch, kind, desired)
    _find_moves(sketch, kind, wanted, gone)
    _find_coming_moves(sketch, kind, wanted, open_)
    left = set(sketch.moves.values())
    claims = Claims(sketch, kind) if kind.natural_key else None
    for one in wanted.values():
        _want(sketch, kind, one, claims)
    for address in gone:
        if address not in left:
            _remove(sketch, scene.recorded[address], Reason.GONE_FROM_MANIFESTS)
    if claims is not None:
        clashes(sketch, kind, claims, [address for address in wanted if not wanted[address].desired.lifecycle.adopt])


def _wanted(sketch: Sketch, kind: Kind, desired: Desired) -> Wanted:
    inputs = sketch.scene.inputs[desired.address]
    if kind.refers:
        inputs = sketch.resolved(inputs)
    return Wanted(desired, inputs, requested=bool(sketch.replaced) and desired.address in sketch.replaced)


def _find_moves(sketch: Sketch, kind: Kind, wanted: Mapping[Address, Wanted], gone: Iterable[Address]) -> None:
    """Note which new addresses have taken over an object, of those that are not to be made anew on request."""
    scene = sketch.scene
    disappearing: dict[Address, Old] = {}
    for address in gone:
        sight = scene.sights[address]
        if address in sketch.replaced or sight is None or sight.health in (Health.BROKEN, Health.LEAVING):
            continue
        disappearing[address] = (scene.recorded[address], sight.seen)
    if not disappearing:
        return
    appearing = _appearing(scene, wanted)
    if kind.natural_key:
        moves = find_moves(kind, appearing, disappearing)
    else:
        moves = _moves_by_members(sketch, kind, appearing, disappearing)
    sketch.moves.update(moves)
    sketch.scene = with_moves(scene, moves)


def _moves_by_members(
    sketch: Sketch, kind: Kind, appearing: Mapping[Address, Attributes], disappearing: Mapping[Address, Old]
) -> dict[Address, Address]:
    """The moves of objects without a natural key, their members' word first. Notes what else may be a move."""
    homes = _homes(sketch, {recorded.id: address for address, (recorded, _) in disappearing.items()})
    moves = find_followed(kind, appearing, disappearing, homes)
    moves |= find_moves(kind, *_left(appearing, disappearing, moves))
    sketch.alike.update(find_alike(kind, *_left(appearing, disappearing, moves), homes))
    return moves


def _left(
    appearing: Mapping[Address, Attributes], disappearing: Mapping[Address, Old], moves: Mapping[Address, Address]
) -> tuple[dict[Address, Attributes], dict[Address, Old]]:
    gone = set(moves.values())
    return (
        {address: inputs for address, inputs in appearing.items() if address not in moves},
        {address: old for address, old in disappearing.items() if address not in gone},
    )


def _homes(sketch: Sketch, groups: Mapping[str, Address]) -> Homes:
    """Where the manifests want the recorded members of these groups, which are given by id."""
    scene = sketch.scene
    members = {name: kind for name, kind in KINDS.items() if kind.natural_key and kind.group in kind.fields}
    wanted: dict[tuple[str, Key], list[Address | str]] = {}
    for address in scene.desired:
        if address.kind in members:
            inputs, kind = scene.inputs[address], members[address.kind]
            home = inputs.get(kind.group)
            if home and (key := known_key(kind, inputs)) is not None:
                place = home.address if isinstance(home, Reference) else str(home)
                wanted.setdefault((kind.name, key), []).append(place)
    homes: dict[Address, Counter[Address | str]] = {}
    for address, recorded in scene.recorded.items():
        sight = scene.sights[address]
        if address.kind not in members or sight is None:
            continue
        kind = members[address.kind]
        group = groups.get(str(sight.seen.get(kind.group) or recorded.inputs.get(kind.group)))
        if group is not None:
            found = homes.setdefault(group, Counter())
            found.update(wanted.get((kind.name, present_key(kind, recorded, sight.seen) or ()), ()))
    return homes


def _find_coming_moves(
    sketch: Sketch, kind: Kind, wanted: Mapping[Address, Wanted], open_: Collection[OpenOperation]
) -> None:
    """Note which new addresses may mean what a create makes that is not settled yet: another would double it."""
    scene = sketch.scene
    coming = {
        one.address: (Resource(one.address, "", one.inputs), one.inputs)
        for one in open_
        if one.inputs and one.address.kind == kind.name and one.address not in scene.desired
    }
    if not coming:
        return
    for address, old in find_moves(kind, _appearing(scene, wanted), coming).items():
        sketch.open.add(address)
        sketch.warn(address, f"{address} gets no step: {old}, whose earlier create is still open, may have made it")


def _appearing(scene: Scene, wanted: Mapping[Address, Wanted]) -> dict[Address, Attributes]:
    """What new addresses want, unless it is to be made anew on request."""
    return {
        address: one.inputs for address, one in wanted.items() if address not in scene.recorded and not one.requested
    }


def _want(sketch: Sketch, kind: Kind, wanted: Wanted, claims: Claims | None) -> None:
    """Note what a desired address wants."""
    address, scene = wanted.desired.address, sketch.scene
    source = sketch.source(address) if sketch.moves else address
    recorded, sight = scene.recorded.get(source), scene.sights.get(source)
    if wanted.desired.lifecycle.adopt and claims is not None:
        steps = adoption(sketch, kind, wanted, claims, recorded=recorded, sight=sight)
    elif recorded is None:
        steps = create(kind, wanted, Reason.NEW)
    elif sight is None:
        first = (clear(recorded),) if _left_pairs(sketch, recorded) else ()
        again = create(
            kind, wanted, Reason.GONE_FROM_CLOUD, old_id=recorded.id, requires=tuple(step.id for step in first)
        )
        steps = (*first, *again)
    else:
        steps = adjust(kind, wanted, recorded, sight)
    if recorded is not None and sight is not None:
        if recorded.lifecycle.adopt:
            still_adopted(sketch, wanted, sight)
        if SIZE in wanted.inputs:
            shrinks(sketch, kind, wanted, sight.seen)
    if steps:
        sketch.wishes[address] = steps
