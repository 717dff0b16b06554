"""What we know about each kind of SDRS object. A kind is one module here with a `KIND`, and one schema."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from declarative.kinds import protection_group
from declarative.model import Kind

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in (protection_group.KIND,)})

__all__ = ["KINDS"]
