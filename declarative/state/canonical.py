"""JSON as the files of the state have it: ASCII with sorted keys on one line.

So equal values give equal bytes, and no text of others can break a line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from declarative import strict_json
from declarative.errors import visible
from declarative.model import Json
from declarative.typed_json import Malformed


def dumps(shape: Json) -> str:
    """Return `shape` as one line of ASCII JSON. Raises Malformed when JSON can't express it (NaN, cycles, depth)."""
    try:
        return _to_json(shape)
    except (TypeError, ValueError, RecursionError) as error:
        raise Malformed(f"a value can't be recorded as JSON: {visible(error, limit=200)}") from error


def loads(text: str, *, unique_keys: bool) -> Json:
    """Parse JSON. Raises Malformed for all that isn't, NaN, infinite numbers and, if asked, duplicate keys."""
    try:
        return strict_json.loads(text, unique_keys=unique_keys)
    except ValueError as error:
        raise Malformed(f"is not JSON: {visible(error, limit=200)}") from error


def _plain(value: object) -> Json:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


_to_json = json.JSONEncoder(sort_keys=True, allow_nan=False, separators=(",", ":"), default=_plain).encode
