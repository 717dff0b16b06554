"""Remembering: what is recorded, durable before anything depends on it, and written by one at a time.

`snapshot` knows the state and its text, `journal` the lines that are appended between two snapshots; a store moves
their bytes. The lock is a courtesy; what keeps two writers apart is that every write names the serial it follows.
"""

from __future__ import annotations

from declarative.state.opening import open_store
from declarative.state.snapshot import Progress, State, fold, fresh
from declarative.state.store import Holder, Point, Restored, Seen, Store, unheard

__all__ = [
    "Holder",
    "Point",
    "Progress",
    "Restored",
    "Seen",
    "State",
    "Store",
    "fold",
    "fresh",
    "open_store",
    "unheard",
]
