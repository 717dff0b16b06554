"""Carrying out a plan: bounded, journaled, and never doubling what it makes.

`Session` holds what a run shares, `settle` decides what earlier runs left open, `Runner` does the steps.
"""

from __future__ import annotations

from declarative.apply.company import unknown_until_now
from declarative.apply.ledger import Ledger
from declarative.apply.lookout import Lookout
from declarative.apply.run import Runner
from declarative.apply.session import LOOKED, Session
from declarative.apply.settle import glance, settle

__all__ = ["LOOKED", "Ledger", "Lookout", "Runner", "Session", "glance", "settle", "unknown_until_now"]
