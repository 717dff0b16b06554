"""Members of a group, so far as the group's own states need them: instances and pairs that follow its actions."""

from __future__ import annotations

from dataclasses import dataclass

from declarative.simulator.history import Effect
from declarative.simulator.session import Session

TABLES = """
CREATE TABLE instances (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, group_id TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL);
CREATE INDEX instances_of ON instances (group_id);
CREATE TABLE replications (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, group_id TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL);
CREATE INDEX replications_of ON replications (group_id);
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many members a group has."""

    instances: int
    replications: int


def add_instance(session: Session, group_id: str, *, name: str, status: str) -> str:
    """Put a protected instance into the group and return its id."""
    instance_id = session.draw.uuid()
    session.database.execute(
        "INSERT INTO instances (id, group_id, name, status) VALUES (?,?,?,?)", (instance_id, group_id, name, status)
    )
    session.record(Effect.CREATED, instance_id, name=name, detail=f"protected instance in {group_id}")
    return instance_id


def add_replication(session: Session, group_id: str, *, name: str, status: str) -> str:
    """Put a replication pair into the group and return its id."""
    pair_id = session.draw.uuid()
    session.database.execute(
        "INSERT INTO replications (id, group_id, name, status) VALUES (?,?,?,?)", (pair_id, group_id, name, status)
    )
    session.record(Effect.CREATED, pair_id, name=name, detail=f"replication pair in {group_id}")
    return pair_id


def counts(session: Session, group_id: str) -> Counts:
    """The members that a group has now."""
    (instances,) = session.database.execute("SELECT count(*) FROM instances WHERE group_id = ?", (group_id,)).fetchone()
    (pairs,) = session.database.execute("SELECT count(*) FROM replications WHERE group_id = ?", (group_id,)).fetchone()
    return Counts(instances, pairs)


def follow(session: Session, group_id: str, status: str) -> None:
    """Give all members the group's status, as each of its actions does (reference, 5.5)."""
    session.database.execute("UPDATE instances SET status = ? WHERE group_id = ?", (status, group_id))
    session.database.execute("UPDATE replications SET status = ? WHERE group_id = ?", (status, group_id))


def remove_all(session: Session, group_id: str) -> None:
    """Remove all members of a group."""
    session.database.execute("DELETE FROM instances WHERE group_id = ?", (group_id,))
    session.database.execute("DELETE FROM replications WHERE group_id = ?", (group_id,))
