"""What a group is and how it is kept: one row each, the group as JSON (docs/sdrs-api.md, "Protection groups")."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from declarative.simulator.protocol.fields import read_id
from declarative.simulator.protocol.wire import compact, stamp_blank
from declarative.simulator.tables import members, replication_rows, task_rows
from declarative.simulator.tables.history import Effect, Noun, Subject
from declarative.simulator.tables.session import Session
from declarative.simulator.tables.states import Station, Status

TABLES = """
CREATE TABLE groups (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, status TEXT NOT NULL, zone TEXT NOT NULL,
    station TEXT NOT NULL, created INTEGER NOT NULL, drilled INTEGER NOT NULL, body TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Group:
    """A group as the service shows it; the members are those of the wire, in its order.

    While pairs of it copy, `progress` isn't up to date: `shown` and `texts` see to that.
    """

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
        """The zone that is production now; the zone fields never change (docs/sdrs-api.md, "Production side")."""
        if self.priority_station == Station.SOURCE:
            return self.source_availability_zone
        return self.target_availability_zone

    @property
    def recovery_zone(self) -> str:
        """The zone that isn't production now."""
        zones = {self.source_availability_zone, self.target_availability_zone}
        return next(iter(zones - {self.production_zone}))

    @property
    def subject(self) -> Subject:
        return Subject(Noun.GROUP, self.id, self.name, self.id)

    def text(self) -> str:
        """The group as JSON."""
        return compact(vars(self))


def find(session: Session, group_id: str) -> Group | None:
    """The group, or None."""
    row = session.database.execute("SELECT body FROM groups WHERE id = ?", (group_id,)).fetchone()
    return None if row is None else Group(**json.loads(row[0]))


def wanted(session: Session, group_id: object) -> Group:
    """The group that a request speaks of; SDRS.0207 for what is no id, SDRS.1013 if there is none."""
    group = find(session, read_id(group_id, code="SDRS.0207", what="protection group id"))
    if group is None:
        raise session.missing("SDRS.1013", "The protection group does not exist.")
    return group


def documents(session: Session) -> list[dict[str, object]]:
    """All groups as the service would show them, in the order of creation."""
    rows = session.database.execute("SELECT id, body FROM groups ORDER BY seq").fetchall()
    return [json.loads(text) for text in texts(session, rows)]


def texts(session: Session, rows: Iterable[tuple[str, str]]) -> list[str]:
    """Rows of id and body as JSON texts that tell how far the copying is."""
    copying = replication_rows.copying_groups(session)
    if not copying:
        return [body for _, body in rows]
    return [
        shown(session, Group(**json.loads(body))).text() if group_id in copying else body for group_id, body in rows
    ]


def shown(session: Session, group: Group) -> Group:
    """The group with the progress of its copying."""
    if group.status != Status.PROTECTED or not group.replication_num:
        return group
    return replace(group, progress=replication_rows.group_percent(session, group.id))


def insert(session: Session, group: Group) -> None:
    """Add a group, without a job."""
    session.database.execute(
        "INSERT INTO groups (id, name, status, zone, station, created, drilled, body) VALUES (?,?,?,?,?,?,0,?)",
        (
            group.id,
            group.name,
            group.status,
            group.production_zone,
            group.priority_station,
            session.now,
            group.text(),
        ),
    )
    session.record(Effect.CREATED, group.subject, "protection group")


def set_name(session: Session, group: Group, name: str) -> Group:
    """Give a group another name."""
    renamed = replace(group, name=name)
    session.record(Effect.RENAMED, renamed.subject, f"{group.name} -> {name}")
    return _save(session, renamed)


def change(session: Session, group: Group, *, status: str, station: Station | None = None) -> Group:
    """Give a group another status, and other production if `station` is given."""
    session.record(Effect.STATUS, group.subject, f"{group.status} -> {status}")
    changed = replace(group, status=status, progress=100 if status == Status.PROTECTED else 0)
    return _save(session, changed if station is None else replace(changed, priority_station=station))


def recount(session: Session, group_id: str) -> None:
    """Count the members of a group again, after some have come or gone."""
    group = find(session, group_id)
    if group is None:
        return
    now = members.counts(session, group_id)
    counted = replace(group, protected_instance_num=now.instances, replication_num=now.replications)
    _save(session, replace(counted, disaster_recovery_drill_num=now.drills))


def note_drill(session: Session, group_id: str) -> None:
    """Write down that a drill of the group begins now."""
    session.database.execute("UPDATE groups SET drilled = ? WHERE id = ?", (session.now, group_id))


def remove(session: Session, group: Group) -> None:
    """Remove a group, which has no members any more."""
    task_rows.forget(session, group.id)
    session.database.execute("DELETE FROM groups WHERE id = ?", (group.id,))
    session.record(Effect.DELETED, group.subject, "protection group")


def _save(session: Session, group: Group) -> Group:
    saved = replace(group, updated_at=stamp_blank(session.now))
    session.database.execute(
        "UPDATE groups SET name = ?, status = ?, zone = ?, station = ?, body = ? WHERE id = ?",
        (saved.name, saved.status, saved.production_zone, saved.priority_station, saved.text(), saved.id),
    )
    return saved
