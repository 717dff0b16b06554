"""JSON as the standard has it: no NaN, no number that a float can't hold, and no key twice.

Python's own reader takes all three, and what it then holds comes out of a later document as text that no reader takes.
It also makes a text of its own of each value. Of a thousand groups, most have the same zones, domain and VPC: here
equal values in the objects of one document are one text, which halves what a list or a state takes in memory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import NoReturn

from declarative.errors import visible
from declarative.model import Json


def loads(text: str, *, unique_keys: bool = True) -> Json:
    """Read one JSON value. Raises ValueError, with the reason in words.

    `unique_keys`: False takes the last of two members with one key, as most writers of JSON expect.
    """
    try:
        return _decoder(unique_keys=unique_keys).decode(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _decoder(*, unique_keys: bool) -> json.JSONDecoder:
    shared: dict[str, str] = {}
    share = shared.setdefault

    def members(pairs: Sequence[tuple[str, Json]]) -> dict[str, Json]:
        found = {key: share(value, value) if value.__class__ is str else value for key, value in pairs}
        if unique_keys and len(found) < len(pairs):
            _refuse_repeated([key for key, _ in pairs])
        return found

    return json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=members)


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")  # which one is not shown: it may be secret
    return number


def _refuse_repeated(keys: Sequence[str]) -> NoReturn:
    twice = next(key for number, key in enumerate(keys) if key in keys[:number])
    raise ValueError(f"duplicate key '{visible(twice, limit=80)}'")
