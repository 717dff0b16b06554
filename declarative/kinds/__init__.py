"""The kinds of SDRS objects. Each is one module here with a `KIND`, and one schema.

The order is the one in which objects can refer to each other: each kind refers only to earlier ones.
"""

from __future__ import annotations

from declarative.kinds.registry import KINDS

__all__ = ["KINDS"]
