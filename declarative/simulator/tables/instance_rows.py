"""What a protected instance is and how it is kept (docs/sdrs-api.md, "Protected instances")."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from declarative.simulator.protocol.wire import compact, stamp_blank
from declarative.simulator.settings import Rules
from declarative.simulator.tables import attachment_rows
from declarative.simulator.tables.attachment_rows import Attachment
from declarative.simulator.tables.history import Effect, Noun, Subject
from declarative.simulator.tables.replication_rows import copied
from declarative.simulator.tables.session import Session
from declarative.simulator.tables.states import MemberStatus, Station, Status

TABLES = """
CREATE TABLE instances (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, group_id TEXT NOT NULL, name TEXT NOT NULL, description TEXT,
    status TEXT NOT NULL, prior TEXT NOT NULL, source_server TEXT NOT NULL, target_server TEXT, flavor TEXT NOT NULL,
    tags TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL);
CREATE INDEX instances_of ON instances (group_id);
CREATE INDEX instances_by_source ON instances (source_server);
CREATE INDEX instances_by_target ON instances (target_server);
CREATE TABLE nics (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, instance_id TEXT NOT NULL, subnet_id TEXT NOT NULL,
    ip_address TEXT NOT NULL, is_primary INTEGER NOT NULL);
CREATE INDEX nics_of ON nics (instance_id);
"""

SELECT = (
    "SELECT id, group_id, name, description, status, prior, source_server, target_server, flavor, tags, created,"
    " updated, (SELECT station FROM groups WHERE groups.id = instances.group_id) FROM instances"
)
Tags = dict[str, str]


@dataclass(frozen=True, slots=True)
class Instance:
    """A row of the table. Times in milliseconds since 1970.

    `prior` is the status to go back to, `flavor` what was asked for the DR server, `tags` a JSON object.
    """

    id: str
    group_id: str
    name: str
    description: str | None
    status: str
    prior: str
    source_server: str
    target_server: str | None
    flavor: str
    tags: str
    created: int
    updated: int
    station: str = ""

    @property
    def subject(self) -> Subject:
        return Subject(Noun.INSTANCE, self.id, self.name, self.group_id)

    @property
    def servers(self) -> tuple[str, ...]:
        """The ids of its servers; the second one is there once it has been made."""
        return tuple(server for server in (self.source_server, self.target_server) if server)

    def tag_map(self) -> Tags:
        """Its tags, in the order in which they came."""
        tags: Tags = json.loads(self.tags)
        return tags

    def document(self, attachments: Sequence[Attachment], progress: int, rules: Rules) -> dict[str, object]:
        """The instance as the service shows it, with 14 fields."""
        servers = (self.source_server, self.target_server)
        source, target = servers[::-1] if rules.servers_swap and self.station == Station.TARGET else servers
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "server_group_id": self.group_id,
            "status": self.status,
            "progress": progress,
            "source_server": source,
            "target_server": target,
            "priority_station": self.station,
            "attachment": [
                {"replication": one.replication_id, "device": one.device} for one in attachments if one.shown
            ],
            "tags": tag_list(self.tag_map()),
            "metadata": {"__system__frozen": "true"} if rules.frozen else {},
            "created_at": stamp_blank(self.created),
            "updated_at": stamp_blank(self.updated),
        }


def tag_list(tags: Tags) -> list[dict[str, str]]:
    """Tags as the service shows them."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def insert(session: Session, instance: Instance) -> None:
    """Add an instance."""
    session.database.execute(
        "INSERT INTO instances (id, group_id, name, description, status, prior, source_server, target_server, flavor,"
        " tags, created, updated) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            instance.id,
            instance.group_id,
            instance.name,
            instance.description,
            instance.status,
            instance.prior,
            instance.source_server,
            instance.target_server,
            instance.flavor,
            instance.tags,
            instance.created,
            instance.updated,
        ),
    )
    session.record(Effect.CREATED, instance.subject, f"protected instance in {instance.group_id}")


def find(session: Session, instance_id: str) -> Instance | None:
    """The instance, or None."""
    row = session.database.execute(SELECT + " WHERE id = ?", (instance_id,)).fetchone()
    return None if row is None else Instance(*row)


def every(session: Session) -> list[Instance]:
    """All instances, in the order of creation."""
    return [Instance(*row) for row in session.database.execute(SELECT + " ORDER BY seq").fetchall()]


def of_group(session: Session, group_id: str) -> list[Instance]:
    """The instances of a group, in the order of creation."""
    rows = session.database.execute(SELECT + " WHERE group_id = ? ORDER BY seq", (group_id,))
    return [Instance(*row) for row in rows.fetchall()]


def of_server(session: Session, server_id: str) -> list[Instance]:
    """The instances that have this server, on whichever side."""
    rows = session.database.execute(
        SELECT + " WHERE source_server = ? OR target_server = ? ORDER BY seq", (server_id, server_id)
    )
    return [Instance(*row) for row in rows.fetchall()]


def documents(session: Session, instances: Sequence[Instance]) -> list[dict[str, object]]:
    """The instances as the service shows them."""
    ids = [instance.id for instance in instances]
    attachments = attachment_rows.of_instances(session, ids)
    unfinished = _percents(session, ids)
    rules = session.facts.rules
    return [one.document(attachments[one.id], _progress(one, unfinished), rules) for one in instances]


def _progress(instance: Instance, percents: dict[str, int]) -> int:
    return percents.get(instance.id, 100) if instance.status == Status.PROTECTED else 0


def _percents(session: Session, ids: Sequence[str]) -> dict[str, int]:
    """How much of each instance's data has been copied; those without pairs are left out."""
    rows = session.database.execute(
        "SELECT a.instance_id, r.copy_begin, r.copy_due FROM attachments AS a"
        " JOIN replications AS r ON r.id = a.replication_id"
        " WHERE a.instance_id IN (SELECT value FROM json_each(?))",
        (compact(list(ids)),),
    )
    parts: dict[str, list[int]] = {}
    for instance_id, begin, due in rows:
        parts.setdefault(instance_id, []).append(copied(begin, due, session.now))
    return {instance_id: sum(values) // len(values) for instance_id, values in parts.items()}


def set_name(session: Session, instance: Instance, name: str) -> Instance:
    """Give an instance another name."""
    session.record(Effect.RENAMED, replace(instance, name=name).subject, f"{instance.name} -> {name}")
    session.database.execute(
        "UPDATE instances SET name = ?, updated = ? WHERE id = ?", (name, session.now, instance.id)
    )
    return replace(instance, name=name, updated=session.now)


def set_tags(session: Session, instance: Instance, tags: Tags) -> None:
    """Give an instance these tags in place of those it has."""
    session.record(Effect.CHANGED, instance.subject, "tags")
    session.database.execute(
        "UPDATE instances SET tags = ?, updated = ? WHERE id = ?", (compact(tags), session.now, instance.id)
    )


def change(session: Session, instance: Instance, *, status: str, prior: str = "") -> None:
    """Give an instance another status; `prior` is what to go back to."""
    session.record(Effect.STATUS, instance.subject, f"{instance.status} -> {status}")
    session.database.execute(
        "UPDATE instances SET status = ?, prior = ?, updated = ? WHERE id = ?",
        (status, prior or status, session.now, instance.id),
    )


def set_target(session: Session, instance: Instance, server_id: str) -> None:
    """Give an instance its DR server."""
    session.database.execute("UPDATE instances SET target_server = ? WHERE id = ?", (server_id, instance.id))


def remove(session: Session, instance: Instance) -> None:
    """Remove an instance with its attachments and NICs; its servers stay."""
    attachment_rows.remove_of_instance(session, instance.id)
    session.database.execute("DELETE FROM nics WHERE instance_id = ?", (instance.id,))
    session.database.execute("DELETE FROM instances WHERE id = ?", (instance.id,))
    session.record(Effect.DELETED, instance.subject, f"protected instance in {instance.group_id}")


def has_invalid(session: Session, group_id: str) -> bool:
    """Whether an instance of the group has lost a server."""
    found = session.database.execute(
        "SELECT 1 FROM instances WHERE group_id = ? AND status = ? LIMIT 1", (group_id, MemberStatus.INVALID)
    )
    return found.fetchone() is not None


@dataclass(frozen=True, slots=True)
class Nic:
    """A NIC that SDRS knows of; `ip_address` is empty when it was chosen automatically."""

    id: str
    instance_id: str
    subnet_id: str
    ip_address: str
    is_primary: bool


def nics(session: Session, instance_id: str) -> list[Nic]:
    """The NICs of an instance, the primary one first."""
    rows = session.database.execute(
        "SELECT id, instance_id, subnet_id, ip_address, is_primary FROM nics WHERE instance_id = ? ORDER BY seq",
        (instance_id,),
    )
    return [Nic(nic_id, owner, subnet, address, bool(primary)) for nic_id, owner, subnet, address, primary in rows]


def add_nic(session: Session, nic: Nic) -> None:
    """Add a NIC."""
    session.database.execute(
        "INSERT INTO nics (id, instance_id, subnet_id, ip_address, is_primary) VALUES (?,?,?,?,?)",
        (nic.id, nic.instance_id, nic.subnet_id, nic.ip_address, nic.is_primary),
    )


def remove_nic(session: Session, nic_id: str) -> None:
    """Remove a NIC."""
    session.database.execute("DELETE FROM nics WHERE id = ?", (nic_id,))


def is_taken(session: Session, subnet_id: str, ip_address: str) -> bool:
    """Whether a NIC has the address in the subnet."""
    found = session.database.execute(
        "SELECT 1 FROM nics WHERE subnet_id = ? AND ip_address = ? LIMIT 1", (subnet_id, ip_address)
    )
    return found.fetchone() is not None
