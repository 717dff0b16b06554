"""The words of the state machines, and which of them allow what (docs/sdrs-api.md, "State machines")."""

from __future__ import annotations

import enum


class Status(enum.StrEnum):
    """The 17 statuses of a group; instances and pairs know them too."""

    CREATING = "creating"
    ERROR = "error"
    AVAILABLE = "available"
    STARTING = "starting"
    ERROR_STARTING = "error-starting"
    PROTECTED = "protected"
    STOPPING = "stopping"
    ERROR_STOPPING = "error-stopping"
    REVERSING = "reversing"
    ERROR_REVERSING = "error-reversing"
    FAILING_OVER = "failing-over"
    FAILED_OVER = "failed-over"
    ERROR_FAILING_OVER = "error-failing-over"
    REPROTECTING = "reprotecting"
    ERROR_REPROTECTING = "error-reprotecting"
    DELETING = "deleting"
    ERROR_DELETING = "error-deleting"


class MemberStatus(enum.StrEnum):
    """The statuses that only members have: instances, pairs, or both (the last two)."""

    NIC_CREATING = "nic-creating"
    NIC_DELETING = "nic-deleting"
    RESIZING = "resizing"
    ERROR_RESIZING = "error-resizing"
    ATTACHING = "attaching"
    ERROR_ATTACHING = "error-attaching"
    DETACHING = "detaching"
    ERROR_DETACHING = "error-detaching"
    EXTENDING = "extending"
    ERROR_EXTENDING = "error-extending"
    INVALID = "invalid"
    FAULT = "fault"


class Station(enum.StrEnum):
    """Which of a group's two zones is production."""

    SOURCE = "source"
    TARGET = "target"

    @property
    def other(self) -> Station:
        return Station.TARGET if self is Station.SOURCE else Station.SOURCE


Statuses = frozenset[str]

_UNSOUND: Statuses = frozenset({MemberStatus.INVALID, MemberStatus.FAULT})
_OF_NICS_AND_FLAVORS: Statuses = frozenset(
    {MemberStatus.NIC_CREATING, MemberStatus.NIC_DELETING, MemberStatus.RESIZING, MemberStatus.ERROR_RESIZING}
)
GROUP_STATUSES: Statuses = frozenset(Status)
INSTANCE_STATUSES: Statuses = GROUP_STATUSES | _OF_NICS_AND_FLAVORS | _UNSOUND
PAIR_STATUSES: Statuses = GROUP_STATUSES | (frozenset(MemberStatus) - _OF_NICS_AND_FLAVORS)
DRILL_STATUSES: Statuses = frozenset(
    {Status.CREATING, Status.AVAILABLE, Status.ERROR, Status.DELETING, Status.ERROR_DELETING}
)

STEADY: Statuses = frozenset({Status.AVAILABLE, Status.PROTECTED})
BUSY: Statuses = frozenset(
    {
        Status.CREATING,
        Status.STARTING,
        Status.STOPPING,
        Status.REVERSING,
        Status.FAILING_OVER,
        Status.REPROTECTING,
        Status.DELETING,
    }
)
FREE: Statuses = GROUP_STATUSES - BUSY
_UNMOVED: Statuses = STEADY | {
    Status.FAILED_OVER,
    Status.ERROR_STARTING,
    Status.ERROR_STOPPING,
    Status.ERROR_REVERSING,
    Status.ERROR_FAILING_OVER,
}
_DELETABLE: Statuses = _UNMOVED | {Status.ERROR, Status.ERROR_DELETING, Status.ERROR_REPROTECTING}

INSTANCE_DELETABLE: Statuses = _DELETABLE | {MemberStatus.ERROR_RESIZING} | _UNSOUND
INSTANCE_RESIZABLE: Statuses = STEADY | {MemberStatus.ERROR_RESIZING}
INSTANCE_TAGGABLE: Statuses = INSTANCE_STATUSES - {
    Status.CREATING,
    Status.ERROR,
    Status.DELETING,
    Status.ERROR_DELETING,
    MemberStatus.INVALID,
}

DETACHING_GROUP: Statuses = _UNMOVED
DETACHING_INSTANCE: Statuses = INSTANCE_DELETABLE - {Status.ERROR}
DETACHING_PAIR: Statuses = (
    _UNMOVED
    | {Status.ERROR_DELETING, Status.ERROR_REPROTECTING}
    | {MemberStatus.ERROR_ATTACHING, MemberStatus.ERROR_DETACHING, MemberStatus.ERROR_EXTENDING}
    | _UNSOUND
)
PAIR_DELETING_GROUP: Statuses = _UNMOVED | {Status.ERROR_DELETING, Status.ERROR_REPROTECTING}
PAIR_DELETABLE: Statuses = _DELETABLE | {MemberStatus.ERROR_ATTACHING, MemberStatus.ERROR_EXTENDING} | _UNSOUND
PAIR_EXPANDABLE: Statuses = STEADY | {MemberStatus.ERROR_EXTENDING}
PAIR_MOVING: Statuses = frozenset({MemberStatus.ATTACHING, MemberStatus.DETACHING, MemberStatus.EXTENDING})

DRILLING_GROUP: Statuses = _UNMOVED | {Status.ERROR_REPROTECTING}
DRILL_DELETABLE: Statuses = frozenset({Status.AVAILABLE, Status.ERROR, Status.ERROR_DELETING})

IS_ABNORMAL = "(status LIKE 'error%' OR status IN ('invalid', 'fault'))"
"""What `query_type=status_abnormal` chooses, as a condition on rows."""
