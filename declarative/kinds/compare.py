"""When two values of a field count as equal (SDRS API reference, "What can change after creation")."""

from __future__ import annotations

from declarative.model import Attributes, Json, Kind


def same(kind: Kind, field: str, one: Json, other: Json) -> bool:
    """True when the cloud would show no difference between the two values of `field`."""
    rule = kind.fields[field]
    if rule.same is not None:
        return rule.same(one, other)
    if rule.empty_is_absent:
        return (one or None) == (other or None)
    return bool(one == other)


def shows(kind: Kind, inputs: Attributes, observed: Attributes) -> bool:
    """True when `observed` could have been created from `inputs`: every field that is sent then is equal.

    A field that the answer lacks altogether proves nothing (`server_type` is missing in older answers).
    """
    return all(
        same(kind, field, value, observed.get(field))
        for field, value in inputs.items()
        if kind.fields[field].at_creation and (observed.get(field) is not None or kind.fields[field].empty_is_absent)
    )


def natural_key(kind: Kind, attributes: Attributes) -> tuple[str, ...]:
    """What names the object in the cloud beside its id; () for a kind that is re-found by exact match."""
    return tuple(str(attributes.get(field)) for field in kind.natural_key)
