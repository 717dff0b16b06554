"""What a drill is and how it is kept (docs/sdrs-api.md, "DR drills")."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from declarative.simulator.protocol.wire import compact, stamp_blank
from declarative.simulator.tables.history import Effect, Noun, Subject
from declarative.simulator.tables.session import Session

TABLES = """
CREATE TABLE drills (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, group_id TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL,
    vpc_id TEXT NOT NULL, servers TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL);
CREATE INDEX drills_of ON drills (group_id);
CREATE INDEX drills_by_vpc ON drills (vpc_id);
"""

SELECT = "SELECT id, group_id, name, status, vpc_id, servers, created, updated FROM drills"


@dataclass(frozen=True, slots=True)
class Drill:
    """A row of the table. Times in milliseconds since 1970; `servers` is JSON: [[instance, drill server], …]."""

    id: str
    group_id: str
    name: str
    status: str
    vpc_id: str
    servers: str
    created: int
    updated: int

    @property
    def subject(self) -> Subject:
        return Subject(Noun.DRILL, self.id, self.name, self.group_id)

    def server_ids(self) -> list[tuple[str, str]]:
        """Each instance with its drill server."""
        return [(instance, server) for instance, server in json.loads(self.servers)]

    def document(self) -> dict[str, object]:
        """The drill as the service shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "server_group_id": self.group_id,
            "drill_vpc_id": self.vpc_id,
            "drill_servers": [
                {"protected_instance": instance, "drill_server_id": server} for instance, server in self.server_ids()
            ],
            "created_at": stamp_blank(self.created),
            "updated_at": stamp_blank(self.updated),
        }


def insert(session: Session, drill: Drill) -> None:
    """Add a drill."""
    session.database.execute(
        "INSERT INTO drills (id, group_id, name, status, vpc_id, servers, created, updated) VALUES (?,?,?,?,?,?,?,?)",
        (
            drill.id,
            drill.group_id,
            drill.name,
            drill.status,
            drill.vpc_id,
            drill.servers,
            drill.created,
            drill.updated,
        ),
    )
    session.record(Effect.CREATED, drill.subject, f"drill of {drill.group_id}")


def find(session: Session, drill_id: str) -> Drill | None:
    """The drill, or None."""
    row = session.database.execute(SELECT + " WHERE id = ?", (drill_id,)).fetchone()
    return None if row is None else Drill(*row)


def every(session: Session) -> list[Drill]:
    """All drills, in the order of creation."""
    return [Drill(*row) for row in session.database.execute(SELECT + " ORDER BY seq").fetchall()]


def of_group(session: Session, group_id: str) -> list[Drill]:
    """The drills of a group, in the order of creation."""
    rows = session.database.execute(SELECT + " WHERE group_id = ? ORDER BY seq", (group_id,))
    return [Drill(*row) for row in rows.fetchall()]


def uses_vpc(session: Session, vpc_id: str) -> bool:
    """Whether a drill takes place in the VPC."""
    return session.database.execute("SELECT 1 FROM drills WHERE vpc_id = ? LIMIT 1", (vpc_id,)).fetchone() is not None


def set_name(session: Session, drill: Drill, name: str) -> Drill:
    """Give a drill another name."""
    session.record(Effect.RENAMED, replace(drill, name=name).subject, f"{drill.name} -> {name}")
    session.database.execute("UPDATE drills SET name = ?, updated = ? WHERE id = ?", (name, session.now, drill.id))
    return replace(drill, name=name, updated=session.now)


def change(session: Session, drill: Drill, *, status: str) -> None:
    """Give a drill another status."""
    session.record(Effect.STATUS, drill.subject, f"{drill.status} -> {status}")
    session.database.execute("UPDATE drills SET status = ?, updated = ? WHERE id = ?", (status, session.now, drill.id))


def set_servers(session: Session, drill: Drill, servers: list[tuple[str, str]]) -> None:
    """Write down the drill servers, each with its instance."""
    session.database.execute("UPDATE drills SET servers = ? WHERE id = ?", (compact(servers), drill.id))


def remove(session: Session, drill: Drill) -> None:
    """Remove a drill; its VPC stays."""
    session.database.execute("DELETE FROM drills WHERE id = ?", (drill.id,))
    session.record(Effect.DELETED, drill.subject, f"drill of {drill.group_id}")
