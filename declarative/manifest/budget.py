"""Limits on the size of a stack once its expressions are replaced.

One variable may stand in many places, and one document may make many objects: a few kilobytes of YAML could become
gigabytes. What is put in is therefore counted before it is joined or kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from declarative.manifest.schemas import byte_length
from declarative.model import Json

MAX_SCALAR = 64 << 10  # bytes of one value
MAX_TEXT = 64 << 20  # bytes of all values of a stack
MAX_OBJECTS = 100_000

# What counts beside the texts themselves: empty ones take time and memory too.
EXPRESSION = 48
DEPENDENCY = 96
_NODE = 4

_WIDEST = 4  # bytes of a character, at most


class Exhausted(Exception):
    """The stack as a whole is too large; `summary` says in what."""

    fix = "Use fewer and smaller values, or split the stack into several."

    def __init__(self, summary: str) -> None:
        super().__init__(summary)
        self.summary = summary


class Weight(NamedTuple):
    """The size of a value in bytes: `total` of everything in it, `longest` of its largest text."""

    total: int
    longest: int


_SMALL = Weight(_NODE, _NODE)


@dataclass(slots=True)
class Budget:
    """What is left of MAX_TEXT. Weights of lists and maps are kept: the same value may be put in many times."""

    left: int = MAX_TEXT
    _weighed: dict[int, tuple[Json, Weight]] = field(default_factory=dict)  # the value lives as long as its number

    def spend(self, amount: int) -> None:
        """Spend part of the budget. Raises Exhausted."""
        self.require(amount)
        self.left -= amount

    def require(self, amount: int) -> None:
        """Check that this much is left. Raises Exhausted."""
        if self.left < amount:
            raise Exhausted(f"the stack would be larger than {MAX_TEXT >> 20} MiB")

    def weight(self, value: Json) -> Weight:
        """Return the size of a value."""
        if isinstance(value, str):
            if value.isascii():
                return Weight(len(value), len(value))
            return Weight(_WIDEST * len(value), _bytes(value))
        if isinstance(value, list | dict):
            known = self._weighed.get(id(value))
            if known is None:
                known = self._weighed[id(value)] = (value, self._sum(value))
            return known[1]
        if isinstance(value, int):
            digits = value.bit_length() // 3
            return Weight(max(digits, _NODE), digits)
        return _SMALL

    def _sum(self, value: list[Json] | dict[str, Json]) -> Weight:
        parts = value if isinstance(value, list) else value.values()
        weights = [self.weight(part) for part in parts]
        if isinstance(value, dict):
            weights += map(self.weight, value)
        total = sum(weight.total for weight in weights) + _NODE * (1 + len(value))
        return Weight(total, max((weight.longest for weight in weights), default=0))


def _bytes(text: str) -> int:
    """Return the length in UTF-8, or any length over the limit for a text that is too long."""
    return len(text) if len(text) > MAX_SCALAR else byte_length(text)
