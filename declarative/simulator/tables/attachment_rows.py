"""Attachments: which pair belongs to which instance, under which device (docs/sdrs-api.md, "Attach" and "Detach")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from declarative.simulator.protocol.wire import compact
from declarative.simulator.tables.session import Session

TABLES = """
CREATE TABLE attachments (
    seq INTEGER PRIMARY KEY, instance_id TEXT NOT NULL, replication_id TEXT NOT NULL, device TEXT NOT NULL,
    group_id TEXT NOT NULL, shown INTEGER NOT NULL, UNIQUE (instance_id, replication_id));
CREATE INDEX attachments_of_pair ON attachments (replication_id);
CREATE INDEX attachments_in ON attachments (group_id);
"""


@dataclass(frozen=True, slots=True)
class Attachment:
    """One row; `shown` is false while it is being made and after that has failed."""

    instance_id: str
    replication_id: str
    device: str
    shown: bool


_SELECT = "SELECT instance_id, replication_id, device, shown FROM attachments WHERE "


def add(session: Session, attachment: Attachment, *, group_id: str) -> None:
    """Add an attachment."""
    session.database.execute(
        "INSERT INTO attachments (instance_id, replication_id, device, group_id, shown) VALUES (?,?,?,?,?)",
        (attachment.instance_id, attachment.replication_id, attachment.device, group_id, attachment.shown),
    )


def show(session: Session, instance_id: str, replication_id: str) -> None:
    """Let an attachment be seen: it has been made."""
    session.database.execute(
        "UPDATE attachments SET shown = 1 WHERE instance_id = ? AND replication_id = ?", (instance_id, replication_id)
    )


def remove(session: Session, instance_id: str, replication_id: str) -> None:
    """Remove one attachment."""
    session.database.execute(
        "DELETE FROM attachments WHERE instance_id = ? AND replication_id = ?", (instance_id, replication_id)
    )


def remove_of_instance(session: Session, instance_id: str) -> None:
    """Remove all attachments of an instance."""
    session.database.execute("DELETE FROM attachments WHERE instance_id = ?", (instance_id,))


def remove_of_pair(session: Session, replication_id: str) -> None:
    """Remove all attachments of a pair."""
    session.database.execute("DELETE FROM attachments WHERE replication_id = ?", (replication_id,))


def of_instances(session: Session, ids: Sequence[str]) -> dict[str, list[Attachment]]:
    """The attachments of each of these instances, in the order of making."""
    return _by(session, "instance_id IN (SELECT value FROM json_each(?)) ORDER BY seq", ids, 0)


def of_pairs(session: Session, ids: Sequence[str]) -> dict[str, list[Attachment]]:
    """The attachments of each of these pairs, in the order of making."""
    return _by(session, "replication_id IN (SELECT value FROM json_each(?)) ORDER BY seq", ids, 1)


def _by(session: Session, condition: str, ids: Sequence[str], column: int) -> dict[str, list[Attachment]]:
    found: dict[str, list[Attachment]] = {one: [] for one in ids}
    for row in session.database.execute(_SELECT + condition, (compact(list(ids)),)):
        found[row[column]].append(Attachment(row[0], row[1], row[2], bool(row[3])))
    return found
