"""The words of the service for where an object is in its life (docs/sdrs-api.md, "Statuses")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from declarative.model import Attributes, Health

# The words that groups, instances and pairs share. Words that are not here mean that disaster recovery is in progress,
# or that nobody has told us of them: hands off.
SHARED: Final[Mapping[str, Health]] = {
    "available": Health.NORMAL,
    "protected": Health.NORMAL,
    "error-starting": Health.NORMAL,
    "error-stopping": Health.NORMAL,
    "creating": Health.BUSY,
    "starting": Health.BUSY,
    "stopping": Health.BUSY,
    "error": Health.BROKEN,
    "deleting": Health.LEAVING,
    "error-deleting": Health.LEAVING,
}
# Those of an instance, by which its attachments go too.
OF_INSTANCES: Final[Mapping[str, Health]] = {
    **SHARED,
    "nic-creating": Health.BUSY,
    "nic-deleting": Health.BUSY,
    "resizing": Health.BUSY,
    "error-resizing": Health.NORMAL,
    "invalid": Health.NORMAL,
    "fault": Health.NORMAL,
}
# The statuses in which the service accepts each call (docs/sdrs-api.md, under the heading of the call).
STEADY: Final = frozenset({"available", "protected"})
_UNMOVED: Final = STEADY | {
    "failed-over",
    "error-starting",
    "error-stopping",
    "error-reversing",
    "error-failing-over",
}
_ILL: Final = frozenset({"error-deleting", "error-reprotecting", "invalid", "fault"})
INSTANCE_DELETED_FROM: Final = _UNMOVED | _ILL | {"error", "error-resizing"}
INSTANCE_RESIZED_FROM: Final = STEADY | {"error-resizing"}
PAIR_DELETED_FROM: Final = _UNMOVED | _ILL | {"error", "error-attaching", "error-extending"}
PAIR_GROWN_FROM: Final = STEADY | {"error-extending"}
DETACHED_BESIDE: Final[Mapping[str, frozenset[str]]] = {
    "ProtectionGroup": _UNMOVED,
    "ProtectedInstance": INSTANCE_DELETED_FROM - {"error"},
    "ReplicationPair": _UNMOVED | _ILL | {"error-attaching", "error-detaching", "error-extending"},
}
PAIR_DELETED_BESIDE: Final[Mapping[str, frozenset[str]]] = {
    "ProtectionGroup": _UNMOVED | {"error-deleting", "error-reprotecting"}
}
DRILL_CREATED_BESIDE: Final[Mapping[str, frozenset[str]]] = {"ProtectionGroup": _UNMOVED | {"error-reprotecting"}}
DRILL_DELETED_FROM: Final = frozenset({"available", "error", "error-deleting"})
PROTECTED: Final = frozenset({"protected", "starting", "stopping", "error-stopping"})


def by_status(words: Mapping[str, Health]) -> Callable[[Attributes, Attributes], Health]:
    """A `Statuses.health` that goes by the status alone. Which side runs production is the group's affair."""

    def health(observed: Attributes, inputs: Attributes) -> Health:
        return words.get(str(observed.get("status")), Health.HELD)

    return health


def swapped(observed: Attributes, inputs: Attributes) -> bool:
    """True when production runs on another side than the manifest accepts (`priority_station`, default source)."""
    accepted = inputs.get("priority_station") or "source"
    return observed.get("priority_station") not in (accepted, None, "")


def held_because(observed: Attributes) -> str:
    """Return why an object is held."""
    status = str(observed.get("status"))
    if status in SHARED:
        side = observed.get("priority_station")
        return f"production runs on the {side} side; `priority_station: {side}` accepts that"
    return f"its status is {status}" if observed.get("status") else "it has no status"
