"""Carrying out a plan: bounded, journaled, and never doubling what it makes.

`Session` holds what a run shares, `recover` decides what earlier runs left open, `Runner` does the steps.
"""

from __future__ import annotations

from declarative.applier.brought_pairs import unknown_until_now
from declarative.applier.ledger import Ledger
from declarative.applier.recovery import recover
from declarative.applier.runner import Runner
from declarative.applier.session import Session

__all__ = ["Ledger", "Runner", "Session", "recover", "unknown_until_now"]
