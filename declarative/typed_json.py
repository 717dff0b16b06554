"""JSON values into typed ones, strictly: a value of another type is refused, in one wording.

Each reader takes the value and the name of the member that it is of, which the message tells.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from declarative.errors import StateError, visible
from declarative.model import Json

LARGEST = 2**63 - 1  # serial and count, so that 64 bits hold them
_Value = TypeVar("_Value")
_Word = TypeVar("_Word", bound=StrEnum)


class Malformed(StateError, ValueError):
    """A value has another shape than ours; the summary says which part.

    Of a state it is an error as it stands; who reads anything else takes it for the ValueError that it also is.
    """


def fields(shape: Json, *, required: frozenset[str], optional: frozenset[str] = frozenset()) -> dict[str, Json]:
    """Return `shape` if it is an object with all of `required` and nothing beyond `optional`."""
    if type(shape) is not dict:
        raise Malformed("must be an object")
    if not required <= shape.keys():
        raise Malformed(f"lacks '{min(required - shape.keys())}'")
    if len(shape) > len(required) and not shape.keys() <= required | optional:
        raise Malformed(f"has the unknown field '{visible(min(shape.keys() - required - optional), limit=64)}'")
    return shape


def text(value: Json, name: str, *, empty: bool = True) -> str:
    """Return `value` if it is a text."""
    if type(value) is not str or not (value or empty):
        raise Malformed(f"'{name}' must be a text" + ("" if empty else " that isn't empty"))
    return value


def boolean(value: Json, name: str) -> bool:
    """Return `value` if it is true or false."""
    if type(value) is not bool:
        raise Malformed(f"'{name}' must be true or false")
    return value


def whole(value: Json, name: str, *, most: float = LARGEST) -> int:
    """Return `value` if it is a whole number from 0 to `most`."""
    if type(value) is not int or not 0 <= value <= most:
        raise Malformed(f"'{name}' must be a whole number from 0 to {most}")
    return value


def number(value: Json, name: str) -> float:
    """Return `value`, as it is, if it is a number from 0 on."""
    if type(value) not in (int, float) or value < 0:
        raise Malformed(f"'{name}' must be a number from 0 on")
    found: float = value
    return found


def mapping(value: Json, name: str) -> dict[str, Json]:
    """Return `value` if it is an object; its members may have any shape."""
    if type(value) is not dict:
        raise Malformed(f"'{name}' must be an object")
    return value


def array(value: Json, name: str, read: Callable[[Json], _Value]) -> list[_Value]:
    """Return the members of `value`, each as `read` returns it; a fault names the member."""
    if type(value) is not list:
        raise Malformed(f"'{name}' must be an array")
    found: list[_Value] = []
    for number, member in enumerate(value):
        try:
            found.append(read(member))
        except Malformed as error:
            raise Malformed(f"{name}[{number}]: {error.summary}") from error
    return found


def texts(value: Json, name: str) -> tuple[str, ...]:
    """Return the members of an array of texts."""
    return tuple(array(value, name, lambda member: text(member, name)))


def word(value: Json, name: str, words: type[_Word]) -> _Word:
    """Return the one of `words` that `value` is."""
    try:
        return words(value)
    except ValueError as error:
        raise Malformed(f"'{name}' is unknown: {visible(value, limit=64)}") from error
