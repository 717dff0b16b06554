"""What we know about each kind of SDRS object. A kind is one module here with a `KIND`, and one schema.

The order is the one in which objects can refer to each other: each kind refers only to earlier ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from declarative.kinds import (
    dr_drill,
    protected_instance,
    protection_group,
    replication_attachment,
    replication_pair,
)
from declarative.model import Kind

_ALL = (protection_group, protected_instance, replication_pair, replication_attachment, dr_drill)

KINDS: Mapping[str, Kind] = MappingProxyType({module.KIND.name: module.KIND for module in _ALL})

__all__ = ["KINDS"]
