"""What objects are called, and the JSON values they are made of."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from declarative.errors import Position

# A JSON value. `Any`, because each reader checks the few shapes it needs; a recursive union would only add casts.
Json: TypeAlias = Any

Attributes: TypeAlias = Mapping[str, Json]

Path: TypeAlias = tuple[str | int, ...]

Locate: TypeAlias = Callable[[Path], Position]

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"

KEY_PATTERN = r"[A-Za-z0-9._-]{1,128}"

EXAMPLE = "ProtectionGroup/shop"  # an address, for messages

_ADDRESS = re.compile(rf"([A-Z][A-Za-z]{{0,63}})/({NAME_PATTERN})(?:\[({KEY_PATTERN})\])?")


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Names one object of a stack: `Kind/name`, or `Kind/name[key]` for one of a `for_each`."""

    kind: str
    name: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}[{self.key}]" if self.key else f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address. Raises ValueError when `text` is none."""
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise ValueError("an address reads Kind/name or Kind/name[key]")
        return cls(sys.intern(match[1]), match[2], match[3] or "")  # there are few kinds, and many addresses
