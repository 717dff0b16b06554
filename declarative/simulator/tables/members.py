"""The members of a group as a whole: how many there are, and how they follow it (docs/sdrs-api.md, "Transitions")."""

from __future__ import annotations

from dataclasses import dataclass

from declarative.simulator.tables.session import Session


@dataclass(frozen=True, slots=True)
class Counts:
    """How many members a group has."""

    instances: int
    replications: int
    drills: int


def counts(session: Session, group_id: str) -> Counts:
    """The members that a group has now."""
    row = session.database.execute(
        "SELECT (SELECT count(*) FROM instances WHERE group_id = ?1), (SELECT count(*) FROM replications"
        " WHERE group_id = ?1), (SELECT count(*) FROM drills WHERE group_id = ?1)",
        (group_id,),
    ).fetchone()
    return Counts(*row)


_FOLLOWERS = (
    "UPDATE instances SET status = ?, prior = ?, updated = ? WHERE group_id = ? AND status <> 'error'",
    "UPDATE replications SET status = ?, prior = ?, updated = ? WHERE group_id = ? AND status <> 'error'",
)


def follow(session: Session, group_id: str, status: str) -> None:
    """Give all instances and pairs the group's status, as each of its actions does; failed creations stay so."""
    session.record_statuses(group_id, status)
    for statement in _FOLLOWERS:
        session.database.execute(statement, (status, status, session.now, group_id))
