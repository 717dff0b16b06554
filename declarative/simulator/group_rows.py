"""What a protection group is and how it is kept: one row each, the group itself as JSON (API reference, 3.3, 5.1)."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, replace

from declarative.simulator import members, tasks
from declarative.simulator.history import Effect
from declarative.simulator.session import Session
from declarative.simulator.wire import compact, stamp_blank

TABLES = """
CREATE TABLE groups (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, status TEXT NOT NULL, zone TEXT NOT NULL,
    created INTEGER NOT NULL, body TEXT NOT NULL);
"""


class Status(enum.StrEnum):
    """The 17 statuses of a group."""

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


class Station(enum.StrEnum):
    """Which of a group's two zones is production."""

    SOURCE = "source"
    TARGET = "target"

    @property
    def other(self) -> Station:
        return Station.TARGET if self is Station.SOURCE else Station.SOURCE


@dataclass(frozen=True)
class Group:
    """A group as the service shows it; the members are those of the wire, in its order."""

    id: str
    name: str
    description: str | None
    status: str
    progress: int
    source_availability_zone: str
    target_availability_zone: str
    domain_id: str
    domain_name: str
    priority_station: str
    source_vpc_id: str
    target_vpc_id: str
    dr_type: str
    server_type: str
    created_at: str
    updated_at: str
    protected_instance_num: int = 0
    replication_num: int = 0
    disaster_recovery_drill_num: int = 0
    protected_status: None = None
    replication_status: None = None
    health_status: None = None
    test_vpc_id: None = None
    protection_type: str = "replication-pair"
    replication_model: None = None

    @property
    def production_zone(self) -> str:
        """The zone that is production now; the two zone fields themselves never change (trap T26)."""
        if self.priority_station == Station.SOURCE:
            return self.source_availability_zone
        return self.target_availability_zone

    def text(self) -> str:
        """The group as JSON."""
        return compact(vars(self))


def find(session: Session, group_id: str) -> Group | None:
    """The group, or None."""
    row = session.database.execute("SELECT body FROM groups WHERE id = ?", (group_id,)).fetchone()
    return None if row is None else Group(**json.loads(row[0]))


def total(session: Session) -> int:
    """Groups in the project, in whatever status."""
    (number,) = session.database.execute("SELECT count(*) FROM groups").fetchone()
    return int(number)


def documents(session: Session) -> list[dict[str, object]]:
    """All groups as the service would show them, in the order of creation."""
    rows = session.database.execute("SELECT body FROM groups ORDER BY seq")
    return [json.loads(body) for (body,) in rows]


def insert(session: Session, group: Group) -> None:
    """Add a group, without a job."""
    session.database.execute(
        "INSERT INTO groups (id, name, status, zone, created, body) VALUES (?,?,?,?,?,?)",
        (group.id, group.name, group.status, group.production_zone, session.now, group.text()),
    )
    session.record(Effect.CREATED, group.id, name=group.name, detail="protection group")


def set_name(session: Session, group: Group, name: str) -> Group:
    """Give a group another name."""
    session.record(Effect.RENAMED, group.id, name=name, detail=f"{group.name} -> {name}")
    return _save(session, replace(group, name=name))


def change(session: Session, group: Group, *, status: str, station: Station | None = None) -> Group:
    """Give a group another status, and other production if `station` is given."""
    session.record(Effect.STATUS, group.id, name=group.name, detail=f"{group.status} -> {status}")
    changed = replace(group, status=status, progress=100 if status == Status.PROTECTED else 0)
    return _save(session, changed if station is None else replace(changed, priority_station=station))


def recount(session: Session, group: Group) -> Group:
    """Count the members of a group again, after one has come or gone."""
    counts = members.counts(session, group.id)
    return _save(session, replace(group, protected_instance_num=counts.instances, replication_num=counts.replications))


def remove(session: Session, group: Group) -> None:
    """Remove a group with all that is in it."""
    members.remove_all(session, group.id)
    tasks.forget(session, group.id)
    session.database.execute("DELETE FROM groups WHERE id = ?", (group.id,))
    session.record(Effect.DELETED, group.id, name=group.name, detail="protection group")


def _save(session: Session, group: Group) -> Group:
    saved = replace(group, updated_at=stamp_blank(session.now))
    session.database.execute(
        "UPDATE groups SET name = ?, status = ?, zone = ?, body = ? WHERE id = ?",
        (saved.name, saved.status, saved.production_zone, saved.text(), saved.id),
    )
    return saved
