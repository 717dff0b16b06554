"""Holders of locks as they are written down: read, and described to a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from declarative import typed_json
from declarative.errors import visible
from declarative.model import Json
from declarative.state.store import Holder

UNREADABLE = Holder("unreadable", "somebody", "an unknown host", 0, "something", "an unknown time")

_FIELDS = frozenset(field.name for field in fields(Holder))


def read_holder(value: Json) -> Holder:
    """Read what a holder of ours has written, and nothing else. Raises Malformed."""
    shape = typed_json.fields(value, required=_FIELDS)
    texts = {name: typed_json.text(shape[name], name) for name in _FIELDS - {"pid"}}
    return Holder(pid=typed_json.whole(shape["pid"], "pid"), **texts)


def holder_in(shape: Mapping[str, Json]) -> Holder | None:
    """Return the holder that an object tells of, whatever else it says; None where a part of it is unfit."""
    found = {name: shape.get(name) for name in _FIELDS}
    whole = all(type(value) is (int if name == "pid" else str) for name, value in found.items())
    return Holder(**found) if whole else None  # type: ignore[arg-type]  # each has the type that was asked for


def describe(holder: Holder) -> str:
    """Return who, where, for what and since when, safe for a terminal."""
    who, host, operation, since = (
        visible(text, limit=120) for text in (holder.who, holder.host, holder.operation, holder.since)
    )
    return f"{who} on {host} (process {holder.pid}) for {operation}, since {since}"
