"""Faults and losses of an observed object in words, by its status and a pair's fault level.

Source of the words: docs/sdrs-api.md, "Statuses" and "Replication pairs" (`fault_level`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from declarative.errors import shown, visible
from declarative.model import Attributes, Json, protection_lost

_LIMIT = 100  # characters of the service's own words

_IN_ORDER: Final = frozenset(
    {
        *("available", "protected", "failed-over"),
        *("creating", "starting", "stopping", "reversing", "failing-over", "reprotecting", "deleting"),
        *("nic-creating", "nic-deleting", "resizing", "attaching", "detaching", "extending"),
    }
)

_MEANINGS: Final = {
    "error": "its creation failed",
    "error-starting": "enabling protection failed",
    "error-stopping": "disabling protection failed",
    "error-reversing": "a planned failover failed",
    "error-failing-over": "a failover failed",
    "error-reprotecting": "enabling protection again failed",
    "error-deleting": "its deletion failed",
    "error-resizing": "changing the flavor failed",
    "error-attaching": "attaching failed",
    "error-detaching": "detaching failed",
    "error-extending": "growing the disks failed",
    "invalid": "its server or disk was deleted outside SDRS",
    "fault": "its synchronization is abnormal",
}

_FAULT_LEVELS: Final = {
    "0": "",
    "2": "the production disk can't be read or written; fail over to recover",
    "5": "the link between the disks is broken; do not fail over, call support",
}


def status_troubles(observed: Attributes) -> tuple[str, ...]:
    """What its status says: nothing when it is in order, or on its way to be."""
    status = word(observed.get("status"))
    if status in _IN_ORDER:
        return ()
    meaning = _MEANINGS.get(status, "" if status.startswith("error") else "an unknown status")
    return (f"status {shown(status, limit=_LIMIT) or 'missing'}" + (f": {meaning}" if meaning else ""),)


def fault_level_troubles(observed: Attributes) -> tuple[str, ...]:
    """What its fault level says; 0, and none at all, is no fault."""
    level = word(observed.get("fault_level"))
    meaning = _FAULT_LEVELS.get(level or "0", "an unknown level")
    return (f"fault level {shown(level, limit=_LIMIT)}: {meaning}",) if meaning else ()


def no_troubles(observed: Attributes) -> tuple[str, ...]:
    """Nothing: it has no status of its own, and is as its parts are."""
    return ()


def lost_with(field: str, word: str) -> Callable[[Attributes], str]:
    """A `Words.lost` of an object that protects what a field names, e.g. the server of an instance."""

    def lost(observed: Attributes) -> str:
        named = observed.get(field)
        return f"the protection of {word} {visible(named, limit=80)}" if named else protection_lost(observed)

    return lost


def word(text: Json) -> str:
    """A word of the service, or a number as one; "" for anything else."""
    return str(text) if isinstance(text, str | int) and not isinstance(text, bool) else ""
