"""When two values of a field count as equal, and whether an object may be what a create has made.

Source: docs/sdrs-api.md, "Diff rules" and "What the service makes of fields".
"""

from __future__ import annotations

import enum

from declarative.model import Attributes, Json, Kind, OnChange


def same(kind: Kind, field: str, one: Json, other: Json) -> bool:
    """True when the cloud would show no difference between the two values of `field`; blanks at the edges are none."""
    rule = kind.fields[field]
    if rule.same is not None:
        return rule.same(one, other)
    one, other = _trimmed(one), _trimmed(other)
    if rule.empty_is_absent:
        return (one or None) == (other or None)
    return bool(one == other)


def _trimmed(value: Json) -> Json:
    return value.strip() if isinstance(value, str) else value


def is_told(kind: Kind, field: str, observed: Attributes) -> bool:
    """True when an answer tells the value of a field: null does so only of an optional text, which is empty then."""
    return observed.get(field) is not None or (kind.fields[field].empty_is_absent and field in observed)


def normalized(kind: Kind, sent: Attributes, shown: Attributes) -> dict[str, tuple[Json, Json]]:
    """What the service has made something else of: by field, the value that was sent and the one that is shown."""
    return {
        name: (value, shown.get(name))
        for name, value in sent.items()
        if kind.fields[name].on_change is not OnChange.RECORD
        and is_told(kind, name, shown)
        and not same(kind, name, value, shown.get(name))
    }


class Likeness(enum.Enum):
    """What an object that is seen has to do with the inputs of a create."""

    FITS = "fits"  # every field that is sent is shown as it was sent
    LACKS = "lacks"  # what is shown fits, but something that is sent isn't shown
    ALIKE = "alike"  # the same name in the same place, case apart, and otherwise different
    OTHER = "other"


def likeness(kind: Kind, inputs: Attributes, observed: Attributes) -> Likeness:
    """Say whether `observed` could have been created from `inputs`.

    An object of a kind with a natural key is told by that and by its place; any other by all that a create sends.
    """
    names = (*kind.relations.natural_key, *kind.relations.place) if kind.relations.natural_key else _sent(kind, inputs)
    names = tuple(name for name in names if name in inputs)
    missing = {name for name in names if not (is_told(kind, name, observed) or _may_be_absent(kind, name, inputs))}
    if all(name in missing or same(kind, name, inputs[name], observed.get(name)) for name in names):
        return Likeness.LACKS if missing else Likeness.FITS
    return Likeness.ALIKE if not kind.relations.natural_key and is_twin(kind, inputs, observed) else Likeness.OTHER


def _sent(kind: Kind, inputs: Attributes) -> tuple[str, ...]:
    return tuple(name for name in inputs if kind.fields[name].at_creation)


def _may_be_absent(kind: Kind, name: str, inputs: Attributes) -> bool:
    return kind.fields[name].empty_is_absent and not inputs[name]


def is_twin(kind: Kind, inputs: Attributes, observed: Attributes) -> bool:
    """True for an object of the same name in the same place, as far as both are shown; case doesn't count."""
    return same_name(inputs.get("name"), observed.get("name")) and in_place(kind, inputs, observed)


def same_name(one: Json, other: Json) -> bool:
    """True when two names are one but for case and blanks at the edges, or when one of them isn't told."""
    return one is None or other is None or str(one).strip().casefold() == str(other).strip().casefold()


def in_place(kind: Kind, inputs: Attributes, observed: Attributes) -> bool:
    """True unless the object is shown to lie elsewhere, or to have another natural key."""
    return all(
        name not in inputs or observed.get(name) is None or same(kind, name, inputs[name], observed[name])
        for name in (*kind.relations.place, *kind.relations.natural_key)
    )


def natural_key(kind: Kind, attributes: Attributes) -> tuple[str, ...]:
    """What names the object in the cloud beside its id; () for a kind that is re-found by exact match."""
    return tuple(str(attributes.get(field)) for field in kind.relations.natural_key)
