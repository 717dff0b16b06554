"""What every address wants, kind by kind: references filled in, moves found, adoptions made, find_conflicts told of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from declarative.kinds import KINDS
from declarative.kinds.relations import BROUGHT, MAKES
from declarative.model import Address, Attributes, Desired, Health, Kind, OpenOperation, Reason, Reference, Resource
from declarative.planner.adoption import adoption, still_adopted
from declarative.planner.brought_pairs import makers_of
from declarative.planner.builder import PlanBuilder
from declarative.planner.claims import Claims, going_homes, instances_of
from declarative.planner.comparison import Comparison, with_moves
from declarative.planner.conflicts import find_conflicts, shrinks
from declarative.planner.moves import Homes, Key, Old, find_alike, find_followed, find_moves, known_key, present_key
from declarative.planner.repairs import with_repairs
from declarative.planner.selection import PlanRequest
from declarative.planner.steps import Completed, adjust, clear, create, delete, deletes, forget, refresh_steps


def generate(
    comparison: Comparison, request: PlanRequest, *, replaced: Collection[Address], open_: Collection[OpenOperation]
) -> PlanBuilder:
    """Return what every desired and recorded address wants, whatever the selectors say. `replaced`: on request."""
    builder = PlanBuilder(comparison, request.refreshed, replaced, {operation.address for operation in open_})
    if request.destroy or request.refresh_only:
        level = {name: number for number, name in enumerate(KINDS)}
        for recorded in sorted(comparison.recorded.values(), key=lambda one: level[one.address.kind]):
            _ending(builder, recorded, request)
        with_repairs(builder)
        return builder
    addresses = _by_kind(comparison)
    for kind in KINDS.values():
        if kind.name in addresses:
            _of_kind(builder, kind, addresses[kind.name], open_)
    with_repairs(builder)
    return builder


def _by_kind(comparison: Comparison) -> dict[str, list[Address]]:
    found: dict[str, list[Address]] = {}
    for address in comparison.desired:
        found.setdefault(address.kind, []).append(address)
    for address in comparison.recorded.keys() - comparison.desired.keys():
        found.setdefault(address.kind, []).append(address)
    return found


# ---------------------------------------------------------------- what goes


def _ending(builder: PlanBuilder, recorded: Resource, request: PlanRequest) -> None:
    """Destroy one recorded object, or record what is seen of it."""
    live = builder.comparison.live_objects[recorded.address]
    if live is None or request.destroy:
        _remove(builder, recorded, Reason.DESTROY)
    elif steps := refresh_steps(KINDS[recorded.address.kind], recorded, live):
        builder.planned[recorded.address] = steps


def _remove(builder: PlanBuilder, recorded: Resource, reason: Reason) -> None:
    """Delete what is there no more use for; what is gone, or goes with what brought it, is only forgotten."""
    address, kind, live = (
        recorded.address,
        KINDS[recorded.address.kind],
        builder.comparison.live_objects[recorded.address],
    )
    if live is None:
        builder.planned[address] = (clear(recorded) if _left_pairs(builder, recorded) else forget(recorded),)
    elif recorded.lifecycle.adopt and (homes := _taken_along(builder, recorded, live.seen)) is not None:
        builder.after[address] = homes
        builder.planned[address] = (forget(recorded, reason),)
    else:
        builder.planned[address] = (delete(kind, recorded, live, reason),)


def _taken_along(builder: PlanBuilder, recorded: Resource, seen: Attributes) -> set[Address] | None:
    """The instances with which a pair that was taken over goes, or stays; None when nothing but a delete ends it."""
    if MAKES.makers(seen) is None:
        return set()
    if going := going_homes(builder, recorded.id, seen):
        return going
    homes = instances_of(builder, seen)
    stays = any(not deletes(builder.steps(home)) for home in homes) or len(homes) < len(makers_of(seen))
    return homes if stays else None


def _left_pairs(builder: PlanBuilder, recorded: Resource) -> list[str]:
    """The pairs that came with an instance which is gone, and that are still there, held by nothing and nobody."""
    pairs = builder.comparison.observed.objects.get(BROUGHT.name, {})
    return [
        one
        for one in recorded.brought or ()
        if one in pairs and makers_of(pairs[one]) <= {recorded.id} and builder.owner(BROUGHT.name, one) is None
    ]


# ---------------------------------------------------------------- what is wanted


def _of_kind(builder: PlanBuilder, kind: Kind, addresses: Iterable[Address], open_: Collection[OpenOperation]) -> None:
    comparison = builder.comparison
    wanted = {}
    gone = []
    for address in addresses:
        desired = comparison.desired.get(address)
        if desired is None:
            gone.append(address)
        elif not comparison.problems or address not in comparison.problems:
            wanted[address] = _wanted(builder, kind, desired)
    _find_moves(builder, kind, wanted, gone)
    _find_coming_moves(builder, kind, wanted, open_)
    left = set(builder.moves.values())
    claims = Claims(builder, kind) if kind.relations.natural_key else None
    for one in wanted.values():
        _want(builder, kind, one, claims)
    for address in gone:
        if address not in left:
            _remove(builder, comparison.recorded[address], Reason.GONE_FROM_MANIFESTS)
    if claims is not None:
        find_conflicts(
            builder, kind, claims, [address for address in wanted if not wanted[address].desired.lifecycle.adopt]
        )


def _wanted(builder: PlanBuilder, kind: Kind, desired: Desired) -> Completed:
    inputs = builder.comparison.inputs[desired.address]
    if kind.relations.refers:
        inputs = builder.resolved(inputs)
    return Completed(desired, inputs, requested=bool(builder.replaced) and desired.address in builder.replaced)


def _find_moves(builder: PlanBuilder, kind: Kind, wanted: Mapping[Address, Completed], gone: Iterable[Address]) -> None:
    """Note which new addresses have taken over an object, of those that are not to be made anew on request."""
    comparison = builder.comparison
    disappearing: dict[Address, Old] = {}
    for address in gone:
        live = comparison.live_objects[address]
        if address in builder.replaced or live is None or live.health in (Health.BROKEN, Health.LEAVING):
            continue
        disappearing[address] = (comparison.recorded[address], live.seen)
    if not disappearing:
        return
    appearing = _appearing(comparison, wanted)
    if kind.relations.natural_key:
        moves = find_moves(kind, appearing, disappearing)
    else:
        moves = _moves_by_members(builder, kind, appearing, disappearing)
    builder.moves.update(moves)
    builder.comparison = with_moves(comparison, moves)


def _moves_by_members(
    builder: PlanBuilder, kind: Kind, appearing: Mapping[Address, Attributes], disappearing: Mapping[Address, Old]
) -> dict[Address, Address]:
    """The moves of objects without a natural key, their members' word first. Notes what else may be a move."""
    homes = _homes(builder, {recorded.id: address for address, (recorded, _) in disappearing.items()})
    moves = find_followed(kind, appearing, disappearing, homes)
    moves |= find_moves(kind, *_left(appearing, disappearing, moves))
    builder.alike.update(find_alike(kind, *_left(appearing, disappearing, moves), homes))
    return moves


def _left(
    appearing: Mapping[Address, Attributes], disappearing: Mapping[Address, Old], moves: Mapping[Address, Address]
) -> tuple[dict[Address, Attributes], dict[Address, Old]]:
    gone = set(moves.values())
    return (
        {address: inputs for address, inputs in appearing.items() if address not in moves},
        {address: old for address, old in disappearing.items() if address not in gone},
    )


def _homes(builder: PlanBuilder, groups: Mapping[str, Address]) -> Homes:
    """Where the manifests want the recorded members of these groups, which are given by id."""
    comparison = builder.comparison
    members = {
        name: kind for name, kind in KINDS.items() if kind.relations.natural_key and kind.relations.group in kind.fields
    }
    wanted: dict[tuple[str, Key], list[Address | str]] = {}
    for address in comparison.desired:
        if address.kind in members:
            inputs, kind = comparison.inputs[address], members[address.kind]
            home = inputs.get(kind.relations.group)
            if home and (key := known_key(kind, inputs)) is not None:
                place = home.address if isinstance(home, Reference) else str(home)
                wanted.setdefault((kind.name, key), []).append(place)
    homes: dict[Address, Counter[Address | str]] = {}
    for address, recorded in comparison.recorded.items():
        live = comparison.live_objects[address]
        if address.kind not in members or live is None:
            continue
        kind = members[address.kind]
        group = groups.get(str(live.seen.get(kind.relations.group) or recorded.inputs.get(kind.relations.group)))
        if group is not None:
            found = homes.setdefault(group, Counter())
            found.update(wanted.get((kind.name, present_key(kind, recorded, live.seen) or ()), ()))
    return homes


def _find_coming_moves(
    builder: PlanBuilder, kind: Kind, wanted: Mapping[Address, Completed], open_: Collection[OpenOperation]
) -> None:
    """Note which new addresses may mean what a create makes that is still open: another would double it."""
    comparison = builder.comparison
    coming = {
        one.address: (Resource(one.address, "", one.inputs), one.inputs)
        for one in open_
        if one.inputs and one.address.kind == kind.name and one.address not in comparison.desired
    }
    if not coming:
        return
    for address, old in find_moves(kind, _appearing(comparison, wanted), coming).items():
        builder.open.add(address)
        builder.warn(
            "waits-for-open-operation",
            address,
            f"{address} gets no step: {old}, whose earlier create is still open, may have created it",
        )


def _appearing(comparison: Comparison, wanted: Mapping[Address, Completed]) -> dict[Address, Attributes]:
    """What new addresses want, unless it is to be made anew on request."""
    return {
        address: one.inputs
        for address, one in wanted.items()
        if address not in comparison.recorded and not one.requested
    }


def _want(builder: PlanBuilder, kind: Kind, wanted: Completed, claims: Claims | None) -> None:
    """Note what a desired address wants."""
    address, comparison = wanted.desired.address, builder.comparison
    source = builder.source(address) if builder.moves else address
    recorded, live = comparison.recorded.get(source), comparison.live_objects.get(source)
    if wanted.desired.lifecycle.adopt and claims is not None:
        steps = adoption(builder, kind, wanted, claims, recorded=recorded, live=live)
    elif recorded is None:
        steps = create(kind, wanted, Reason.NEW)
    elif live is None:
        first = (clear(recorded),) if _left_pairs(builder, recorded) else ()
        again = create(
            kind, wanted, Reason.GONE_FROM_CLOUD, old_id=recorded.id, requires=tuple(step.id for step in first)
        )
        steps = (*first, *again)
    else:
        steps = adjust(kind, wanted, recorded, live)
    if recorded is not None and live is not None:
        if recorded.lifecycle.adopt:
            still_adopted(builder, wanted, live)
        shrinks(builder, kind, wanted, live.seen)
    if steps:
        builder.planned[address] = steps
