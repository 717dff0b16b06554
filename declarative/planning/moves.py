"""Moves: an object whose address changed in the manifests, and nothing that would need another object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from declarative.model import Address, Attributes, Json, Kind, Resource
from declarative.planning.differences import differing, must_replace

Print: TypeAlias = tuple[tuple[str, Json], ...]


def find_moves(
    kind: Kind, appearing: Mapping[Address, Attributes], disappearing: Mapping[Address, tuple[Resource, Attributes]]
) -> dict[Address, Address]:
    """Return, by new address of the kind, the old address of the one object that it means.

    `appearing` holds the inputs of new addresses, `disappearing` the recorded object and its attributes as they are
    seen of addresses that are gone from the manifests. They mean one object when every input of the new one equals
    what is seen or what was recorded of the old one, and no other address on either side fits.
    """
    news: dict[Print, list[Address]] = {}
    for address, inputs in appearing.items():
        news.setdefault(_print(kind, inputs, inputs), []).append(address)
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
    return {new: old for new, old in moves.items() if _fits(kind, appearing[new], *disappearing[old])}


def _prints(kind: Kind, shapes: Iterable[tuple[str, ...]], recorded: Resource, seen: Attributes) -> Iterable[Print]:
    known = {**recorded.inputs, **{name: value for name, value in seen.items() if value is not None}}
    for shape in shapes:
        yield _print(kind, shape, known)
        yield _print(kind, shape, recorded.inputs)


def _print(kind: Kind, names: Iterable[str], values: Attributes) -> Print:
    """The named fields in a form that can be compared at once; what may be absent counts as null then."""
    return tuple((name, _comparable(kind, name, values.get(name))) for name in sorted(names))


def _comparable(kind: Kind, name: str, value: Json) -> Json:
    if kind.fields[name].empty_is_absent:
        value = value or None
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value


def _fits(kind: Kind, inputs: Attributes, recorded: Resource, seen: Attributes) -> bool:
    return not must_replace(kind, differing(kind, inputs, recorded=recorded.inputs, seen=seen))
