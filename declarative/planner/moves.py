"""Moves: an object whose address changed in the manifests, and nothing that would need another object."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

from declarative.kinds.compare import natural_key
from declarative.model import Address, Attributes, Json, Kind, OnChange, Reference, Resource
from declarative.planner.differences import differing, must_replace

Print: TypeAlias = tuple[tuple[str, Json], ...]
Old: TypeAlias = tuple[Resource, Attributes]
Key: TypeAlias = tuple[str, ...]
# For each group that holds recorded members: how many of them the manifests want in which group. One that isn't ours is
# named by its id.
Homes: TypeAlias = Mapping[Address, Counter[Address | str]]


def find_moves(
    kind: Kind, appearing: Mapping[Address, Attributes], disappearing: Mapping[Address, Old]
) -> dict[Address, Address]:
    """Return, by new address of the kind, the old address of the one object that it means.

    `appearing` holds the inputs of new addresses, `disappearing` the recorded object and its attributes as they are
    seen of addresses that are gone from the manifests. They mean one object when it has the natural key that the new
    one wants, or for a kind without one when every field that a create sends equals what is seen or what was recorded,
    and no other address on either side fits. An object that would have to be made anew all the same does not move.
    For a group its members' word comes first: see `find_followed`.
    """
    pairs = _by_natural_key if kind.relations.natural_key else _by_all_fields
    moves = pairs(kind, appearing, disappearing)
    return {new: old for new, old in moves.items() if fits(kind, appearing[new], *disappearing[old])}


def fits(kind: Kind, inputs: Attributes, recorded: Resource, seen: Attributes) -> bool:
    """True when a recorded object can become what these inputs describe without a replacement."""
    names = differing(kind, inputs, recorded=recorded.inputs, seen=seen, normalized=recorded.normalized)
    return not must_replace(kind, names)


def known_key(kind: Kind, attributes: Attributes) -> Key | None:
    """The natural key that these inputs or attributes tell; None when a part of it is not known."""
    parts = [attributes.get(name) for name in kind.relations.natural_key]
    known = parts and not any(part is None or isinstance(part, Reference) for part in parts)
    return natural_key(kind, attributes) if known else None


def present_key(kind: Kind, recorded: Resource, seen: Attributes) -> Key | None:
    """The natural key of a recorded object, as it is seen, or else as it was recorded."""
    return known_key(kind, seen) or known_key(kind, recorded.inputs)


# ---------------------------------------------------------------- by members


def find_followed(
    kind: Kind, appearing: Mapping[Address, Attributes], disappearing: Mapping[Address, Old], homes: Homes
) -> dict[Address, Address]:
    """Return, by new address, the old one of each group whose members all follow it, whatever its name is now.

    At least one recorded member is wanted in the new group and none elsewhere, and the new group wants those of no
    other that disappears.
    """
    claims: dict[Address | str, list[Address]] = {}
    for old in disappearing:
        for home in homes.get(old, ()):
            claims.setdefault(home, []).append(old)
    return {
        new: olds[0]
        for new, olds in claims.items()
        if isinstance(new, Address)
        and new in appearing
        and len(olds) == 1
        and len(homes[olds[0]]) == 1
        and fits(kind, appearing[new], *disappearing[olds[0]])
    }


def find_alike(
    kind: Kind, appearing: Mapping[Address, Attributes], disappearing: Mapping[Address, Old], homes: Homes
) -> dict[Address, Address]:
    """Return, by old address, the new one that may well mean the same object: a person has to say so.

    That is the one that wants most of its recorded members; of those that hold none, the only one that could be it.
    """
    counted = [
        (-count, new, old)
        for old in disappearing
        for new, count in homes.get(old, {}).items()
        if isinstance(new, Address) and new in appearing and fits(kind, appearing[new], *disappearing[old])
    ]
    alike: dict[Address, Address] = {}
    taken: set[Address] = set()
    for _, new, old in sorted(counted):
        if old not in alike and new not in taken:
            alike[old] = new
            taken.add(new)
    comers = {new: inputs for new, inputs in appearing.items() if new not in taken}
    goers = {address: old for address, old in disappearing.items() if address not in homes}
    single = _by_all_fields(kind, comers, goers, but=_changeable(kind))
    alike.update({old: new for new, old in single.items() if fits(kind, comers[new], *goers[old])})
    return alike


def _changeable(kind: Kind) -> frozenset[str]:
    """The fields that a create sends and another call changes: a name, for one."""
    return frozenset(name for name, rule in kind.fields.items() if rule.on_change is OnChange.UPDATE)


# ---------------------------------------------------------------- by natural key


def _by_natural_key(
    kind: Kind, appearing: Mapping[Address, Attributes], disappearing: Mapping[Address, Old]
) -> dict[Address, Address]:
    news = _unique((known_key(kind, inputs), address) for address, inputs in appearing.items())
    olds = _unique((present_key(kind, *old), address) for address, old in disappearing.items())
    return {address: olds[key] for key, address in news.items() if key in olds}


def _unique(pairs: Iterable[tuple[Key | None, Address]]) -> dict[Key, Address]:
    """The address of each key that only one address has."""
    found: dict[Key, list[Address]] = {}
    for key, address in pairs:
        if key is not None:
            found.setdefault(key, []).append(address)
    return {key: addresses[0] for key, addresses in found.items() if len(addresses) == 1}


# ---------------------------------------------------------------- by all fields


def _by_all_fields(
    kind: Kind,
    appearing: Mapping[Address, Attributes],
    disappearing: Mapping[Address, Old],
    *,
    but: Collection[str] = (),
) -> dict[Address, Address]:
    """The one-to-one matches in all fields that a create sends, `but` for some."""
    news: dict[Print, list[Address]] = {}
    for address, inputs in appearing.items():
        news.setdefault(_print(kind, inputs.keys() - but, inputs), []).append(address)
    shapes = {tuple(name for name, _ in fingerprint) for fingerprint in news}
    olds: dict[Address, set[Print]] = {}
    claims: dict[Print, set[Address]] = {}
    for address, (recorded, seen) in disappearing.items():
        for fingerprint in _prints(kind, shapes, recorded, seen):
            if fingerprint in news:
                olds.setdefault(address, set()).add(fingerprint)
                claims.setdefault(fingerprint, set()).add(address)
    moves = {}
    for old, fingerprints in olds.items():
        fingerprint = next(iter(fingerprints))
        if len(fingerprints) == 1 and len(claims[fingerprint]) == 1 and len(news[fingerprint]) == 1:
            moves[news[fingerprint][0]] = old
    return moves


def _prints(kind: Kind, shapes: Iterable[tuple[str, ...]], recorded: Resource, seen: Attributes) -> Iterable[Print]:
    known = {**recorded.inputs, **{name: value for name, value in seen.items() if value is not None}}
    for shape in shapes:
        yield _print(kind, shape, known)
        yield _print(kind, shape, recorded.inputs)


def _print(kind: Kind, names: Iterable[str], values: Attributes) -> Print:
    """The named fields that a create sends, in a form that can be compared at once; absent counts as null if it may."""
    sent = (name for name in sorted(names) if kind.fields[name].at_creation)
    return tuple((name, _comparable(kind, name, values.get(name))) for name in sent)


def _comparable(kind: Kind, name: str, value: Json) -> Json:
    if kind.fields[name].empty_is_absent:
        value = value or None
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value
