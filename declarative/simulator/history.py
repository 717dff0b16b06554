"""What happened in a world, in order, and how many requests of each kind came: proof for tests."""

from __future__ import annotations

import enum
import sqlite3
from dataclasses import dataclass

TABLES = """
CREATE TABLE history (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, request_id TEXT NOT NULL,
    effect TEXT NOT NULL, subject TEXT NOT NULL, name TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE requests (
    method TEXT NOT NULL, route TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (method, route)) WITHOUT ROWID;
"""


class Effect(enum.StrEnum):
    """What an event did. `SUBMITTED` and `ENDED` speak of jobs, `FAULT` of an injected fault."""

    CREATED = "created"
    DELETED = "deleted"
    RENAMED = "renamed"
    STATUS = "status"
    SUBMITTED = "submitted"
    ENDED = "ended"
    SIGNED_IN = "signed-in"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Source:
    """What caused an event: a request, or nothing of that sort (all empty) for a job that ended or a test's hand."""

    method: str = ""
    path: str = ""
    request_id: str = ""


NOBODY = Source()


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the history. `at` is in milliseconds since 1970; `subject` is the id of what it speaks of."""

    at: int
    method: str
    path: str
    request_id: str
    effect: Effect
    subject: str
    name: str
    detail: str


def append(database: sqlite3.Connection, event: Event) -> None:
    """Add one event; there is no way to change or remove one."""
    database.execute(
        "INSERT INTO history (at, method, path, request_id, effect, subject, name, detail) VALUES (?,?,?,?,?,?,?,?)",
        (
            event.at,
            event.method,
            event.path,
            event.request_id,
            event.effect,
            event.subject,
            event.name,
            event.detail,
        ),
    )


def events(database: sqlite3.Connection) -> list[Event]:
    """All events, oldest first."""
    rows = database.execute(
        "SELECT at, method, path, request_id, effect, subject, name, detail FROM history ORDER BY seq"
    )
    return [
        Event(at, method, path, request_id, Effect(effect), subject, name, detail)
        for at, method, path, request_id, effect, subject, name, detail in rows
    ]


def count_request(database: sqlite3.Connection, method: str, route: str) -> None:
    """Count one request, whatever becomes of it."""
    database.execute(
        "INSERT INTO requests VALUES (?, ?, 1) ON CONFLICT (method, route) DO UPDATE SET number = number + 1",
        (method, route),
    )


def request_counts(database: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """Requests by (method, route), e.g. `("GET", "jobs/{job_id}")`."""
    rows = database.execute("SELECT method, route, number FROM requests")
    return {(method, route): number for method, route, number in rows}
