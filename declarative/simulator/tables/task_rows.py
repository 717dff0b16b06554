"""The rows of the task centre: one for each job that failed."""

from __future__ import annotations

from declarative.simulator.tables.session import Session

TABLES = """
CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY, job_id TEXT NOT NULL, resource_id TEXT NOT NULL, resource_name TEXT NOT NULL,
    resource_type TEXT NOT NULL, failure_status TEXT NOT NULL, group_id TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX tasks_of ON tasks (group_id);
"""


def forget(session: Session, group_id: str) -> None:
    """Remove the entries inside one group, or with an empty id those of groups themselves."""
    session.database.execute("DELETE FROM tasks WHERE group_id = ?", (group_id,))
