"""Values that no two objects of a stack can share: `uniqueAmongObjects` in their schemas.

Each rule lists recorded fields: no two objects that are equal in all but the last may be equal in that one, too. What
names another object counts as the field that its id is sent in.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from declarative.errors import Diagnostic
from declarative.kinds import KINDS
from declarative.manifest.directory import Made
from declarative.manifest.findings import field_in_words, quoted
from declarative.manifest.schemas import canonical, schema
from declarative.model import Address, Attributes, Json, Reference

_Spelling: TypeAlias = tuple[str, ...]  # the fields by which a manifest may give one recorded field
_Objects: TypeAlias = Mapping[Address, Made]


@dataclass(frozen=True, slots=True)
class _Rule:
    """`last` must be unique among the objects of a kind that share `owner`.

    `same`: when two values of `last` count as equal, where that is more than being equal.
    """

    name: str
    owner: tuple[_Spelling, ...]
    last: _Spelling
    same: Callable[[Json, Json], bool] | None


def repetitions(objects: _Objects) -> Iterator[Diagnostic]:
    """Yield a finding for each object that repeats a unique value of an earlier one."""
    taken: dict[tuple[str, ...], dict[str, Address]] = {}
    for address, made in objects.items():
        for rule in _rules(address.kind) if made.complete else ():
            owner = tuple(_key(_value(spelling, made.spec)) for spelling in rule.owner)
            others = taken.setdefault((rule.name, *owner), {})
            value = _value(rule.last, made.spec)
            key = _key(value)
            other = others.get(key) or _alike(rule, value, others, objects)
            others[key] = other or address
            if other is not None:
                yield _repeated(rule, address, other, objects)


@functools.cache
def _rules(kind: str) -> tuple[_Rule, ...]:
    spellings: dict[str, _Spelling] = {name: (name,) for name in KINDS[kind].fields}
    for name, target in KINDS[kind].relations.refers.items():
        spellings[target.field] = (name, target.field)
    rules = []
    for *owner, last in schema(kind)["properties"]["spec"].get("uniqueAmongObjects", []):
        spelt = tuple(spellings[name] for name in owner)
        rules.append(_Rule(f"{kind} {last} of {owner}", spelt, spellings[last], KINDS[kind].fields[last].same))
    return tuple(rules)


def _given(spelling: _Spelling, spec: Attributes) -> str:
    """The field that gives it; every one of a rule is required."""
    return next(name for name in spelling if name in spec)


def _value(spelling: _Spelling, spec: Attributes) -> Json:
    return spec[spelling[0] if spelling[0] in spec else spelling[-1]]


def _key(value: Json) -> str:
    """Return a text that only equal values share: JSON begins neither as a reference does nor as a text does here."""
    if isinstance(value, str):
        return f"text {value}"
    return f"ref {value.address}" if isinstance(value, Reference) else canonical(value)


def _alike(rule: _Rule, value: Json, others: Mapping[str, Address], objects: _Objects) -> Address | None:
    """Find an object with an equal value. Such fields have hundreds of values, not thousands."""
    if rule.same is None:
        return None
    for other in others.values():
        if rule.same(_value(rule.last, objects[other].spec), value):
            return other
    return None


def _repeated(rule: _Rule, address: Address, other: Address, objects: _Objects) -> Diagnostic:
    made, first = objects[address], objects[other]
    path, there = ("spec", _given(rule.last, made.spec)), ("spec", _given(rule.last, first.spec))
    value, earlier = _named(made.spec[path[1]]), _named(first.spec[there[1]])
    owner = "".join(f" of {_owner(_given(spelling, made.spec), made.spec)}" for spelling in rule.owner)
    summary = f"{address} and {other}{owner} have the same {field_in_words(path)}, {value}"
    if value != earlier:
        summary += f", which is the same as {earlier}"
    place = first.document.source.position(there)
    fix = f"{other} sets it at {place}. Give one of the two another {path[1]}."
    return Diagnostic(summary, fix, made.document.source.position(path), id="value-not-unique")


def _owner(name: str, spec: Attributes) -> str:
    return _named(spec[name]) if isinstance(spec[name], Reference) else f"{name} {_named(spec[name])}"


def _named(value: Json) -> str:
    return str(value.address) if isinstance(value, Reference) else quoted(value)
