"""Hints at `state mv`, where a deleted object may be the same one under a new address.

The planner moves by itself only what can't be anything else. Where it can be either, a person decides, with a command.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise

from declarative.kinds import KINDS
from declarative.model import Action, Address, Health, Hint, Kind, Step
from declarative.planner.builder import PlanBuilder
from declarative.planner.differences import differing, must_replace
from declarative.planner.graph import by_address
from declarative.planner.membership import Membership
from declarative.planner.moves import Key, known_key, present_key
from declarative.planner.steps import creates, deletes

_FREE = "moving"


def find_hints(builder: PlanBuilder, membership: Membership, steps: Iterable[Step]) -> tuple[Hint, ...]:
    """Return what would keep objects that the steps delete, by the address of the danger that it averts."""
    going = {step.address for step in steps if step.action is Action.DELETE}
    if not going:
        return ()
    found = [_same_group(old, new) for old, new in builder.alike.items() if old in going]
    for kind in KINDS.values():
        if kind.relations.natural_key:
            found += _exchanges(builder, membership, kind, going)
    return tuple(sorted(found, key=lambda hint: by_address(hint.address)))


def _same_group(old: Address, new: Address) -> Hint:
    return Hint(old, f"If {new} now describes this object, keep it", ((old, new),))


# ---------------------------------------------------------------- members that have exchanged what they protect


def _exchanges(builder: PlanBuilder, membership: Membership, kind: Kind, going: Collection[Address]) -> Iterator[Hint]:
    """Hints for the addresses of one group of which each wants what is recorded at another."""
    following = _following(builder, membership, kind, going)
    starts = sorted(following.keys() - set(following.values()), key=by_address)
    taken: set[Address] = set()
    for start in (*starts, *sorted(following, key=by_address)):
        if start in taken:
            continue
        chain = _chain(start, following)
        taken.update(chain)
        if following[chain[-1]] == start:
            yield _exchange(builder, chain, going, round_trip=True)
        elif following[chain[-1]] not in builder.comparison.recorded:
            yield _exchange(builder, [*chain, following[chain[-1]]], going, round_trip=False)


def _chain(start: Address, following: Mapping[Address, Address]) -> list[Address]:
    chain = {start: None}
    while (then := following[next(reversed(chain))]) in following and then not in chain:
        chain[then] = None
    return list(chain)


def _following(
    builder: PlanBuilder, membership: Membership, kind: Kind, going: Collection[Address]
) -> dict[Address, Address]:
    """For each recorded address whose object goes: the address of the same group that wants that very object."""
    holders: dict[Key, list[Address]] = {}
    for address in going:
        live = builder.comparison.live_objects.get(address)
        if address.kind == kind.name and live is not None and live.health in (Health.NORMAL, Health.BUSY):
            key = present_key(kind, builder.comparison.recorded[address], live.seen)
            if key is not None:
                holders.setdefault(key, []).append(address)
    following = {}
    for address, wanted in builder.comparison.desired.items():
        if address.kind != kind.name or wanted.lifecycle.adopt or not creates(builder.steps(address)):
            continue
        found = holders.get(known_key(kind, builder.comparison.inputs[address]) or (), [])
        if len(found) == 1 and found != [address] and _could_be(builder, membership, kind, found[0], address):
            following[found[0]] = address
    return following


def _could_be(builder: PlanBuilder, membership: Membership, kind: Kind, old: Address, new: Address) -> bool:
    """True when the object of `old` stays in its group, and needs no replacement to be what `new` wants."""
    recorded, live = builder.comparison.recorded[old], builder.comparison.live_objects[old]
    if live is None or recorded.lifecycle.adopt or not deletes(builder.steps(old)):
        return False
    inputs = builder.resolved(builder.comparison.inputs[new])
    names = differing(kind, inputs, recorded=recorded.inputs, seen=live.seen)
    return membership.has(old) == membership.joins(new) and not must_replace(kind, names)


def _exchange(builder: PlanBuilder, chain: list[Address], going: Collection[Address], *, round_trip: bool) -> Hint:
    """`chain`: the object of each address is wanted at the next one; in a round trip, that of the last at the first."""
    moves = list(pairwise(chain))
    if round_trip:
        free = _free(builder, chain[0])
        moves = [(free, chain[0]), *moves, (chain[-1], free)]
    place = min((one for one in chain if one in going), key=by_address)
    what = " and ".join((", ".join(map(str, chain[:-1])), str(chain[-1])))
    return Hint(place, f"If {what} have only swapped names, keep it", tuple(reversed(moves)))


def _free(builder: PlanBuilder, address: Address) -> Address:
    """An address of the same name that nobody has."""
    number, free = 0, Address(address.kind, address.name, _FREE)
    while free in builder.comparison.recorded or free in builder.comparison.desired:
        number += 1
        free = Address(address.kind, address.name, f"{_FREE}-{number}")
    return free
