"""The table of kinds, in the order in which their objects can refer to each other: each refers only to earlier ones."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from declarative.kinds import (
    dr_drill,
    protected_instance,
    protection_group,
    replication_attachment,
    replication_pair,
)
from declarative.model import Kind

_registered: dict[str, Kind] = {}

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(_registered)


def register(kind: Kind) -> None:
    """Add a kind, at start, before any module looks at the table. Raises ValueError when it doesn't fit the others."""
    if kind.name in _registered:
        raise ValueError(f"{kind.name} is registered already")
    unknown = {one.kind for one in kind.relations.refers.values()} - _registered.keys()
    if unknown:
        raise ValueError(f"{kind.name} refers to {', '.join(sorted(unknown))}, to be registered before it")
    if any(kind.words.plural == other.words.plural for other in _registered.values()):
        raise ValueError(f"{kind.name}: another kind is exported as {kind.words.plural}")
    _registered[kind.name] = kind


for _module in (protection_group, protected_instance, replication_pair, replication_attachment, dr_drill):
    register(_module.KIND)
