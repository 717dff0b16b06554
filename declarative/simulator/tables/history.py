"""What happened in a world, in order, and how many requests of each kind came: proof for tests."""

from __future__ import annotations

import enum
import sqlite3
from dataclasses import dataclass

TABLES = """
CREATE TABLE history (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, request_id TEXT NOT NULL,
    effect TEXT NOT NULL, subject TEXT NOT NULL, name TEXT NOT NULL, detail TEXT NOT NULL, noun TEXT NOT NULL,
    group_id TEXT NOT NULL);
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, request_id TEXT NOT NULL,
    group_id TEXT NOT NULL, group_status TEXT NOT NULL, body BLOB NOT NULL, status INTEGER NOT NULL);
CREATE TABLE requests (
    method TEXT NOT NULL, route TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (method, route)) WITHOUT ROWID;
"""


class Effect(enum.StrEnum):
    """What an event did. `SUBMITTED` and `ENDED` speak of jobs, `FAULT` of an injected fault."""

    CREATED = "created"
    DELETED = "deleted"
    RENAMED = "renamed"
    STATUS = "status"
    ATTACHED = "attached"
    DETACHED = "detached"
    CHANGED = "changed"  # sizes, flavors, tags and NICs
    SUBMITTED = "submitted"
    ENDED = "ended"
    SIGNED_IN = "signed-in"
    FAULT = "fault"


class Noun(enum.StrEnum):
    """What an event speaks of; the first four are also the resource types of failed tasks."""

    GROUP = "server_groups"
    INSTANCE = "protected_instances"
    PAIR = "replications"
    DRILL = "disaster_recovery_drills"
    JOB = "jobs"
    SERVER = "servers"
    DISK = "disks"
    WORLD = "world"


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that something happens to. `group_id` is the group it is in, or itself; empty for none."""

    noun: Noun
    id: str = ""
    name: str = ""
    group_id: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """What caused an event: a request, or nothing of that sort (all empty) for a job that ended or a test's hand."""

    method: str = ""
    path: str = ""
    request_id: str = ""


NOBODY = Source()


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the history. `at` is in milliseconds since 1970; `subject` is the id of what it speaks of.

    `group_id` is the protection group it concerns, empty for none.
    """

    at: int
    method: str
    path: str
    request_id: str
    effect: Effect
    subject: str
    name: str
    detail: str
    noun: Noun
    group_id: str


@dataclass(frozen=True, slots=True)
class Change:
    """A request that would change something, carried out, refused or lost; searches aren't among them.

    `group_id` is the group it concerned, `group_status` that group's status when it came; both empty for none.
    `status` is that of the answer, 0 for a request that a fault kept from being looked at at all.
    """

    at: int
    method: str
    path: str
    request_id: str
    group_id: str
    group_status: str
    body: bytes
    status: int


def append(
    database: sqlite3.Connection, source: Source, effect: Effect, subject: Subject, *, at: int, detail: str
) -> None:
    """Add one event; there is no way to change or remove one."""
    cause = (at, source.method, source.path, source.request_id)
    about = (effect, subject.id, subject.name, detail, subject.noun, subject.group_id)
    database.execute(_APPEND + "VALUES (?,?,?,?,?,?,?,?,?,?)", cause + about)


_APPEND = "INSERT INTO history (at, method, path, request_id, effect, subject, name, detail, noun, group_id) "
_MEMBERS = {
    Noun.INSTANCE: "FROM instances WHERE group_id = ? AND status NOT IN (?, 'error') ORDER BY seq",
    Noun.PAIR: "FROM replications WHERE group_id = ? AND status NOT IN (?, 'error') ORDER BY seq",
}


def append_statuses(database: sqlite3.Connection, source: Source, *, at: int, group_id: str, status: str) -> None:
    """Add an event for every instance and pair of the group whose status is about to become `status`.

    Those whose creation failed stay in error.
    """
    told = (at, source.method, source.path, source.request_id, Effect.STATUS, status)
    for noun, members in _MEMBERS.items():
        select = "SELECT ?, ?, ?, ?, ?, id, name, status || ' -> ' || ?, ?, group_id "
        database.execute(_APPEND + select + members, (*told, noun, group_id, status))


def append_change(
    database: sqlite3.Connection, source: Source, *, at: int, group: tuple[str, str], body: bytes, status: int
) -> None:
    """Add one changing request, which concerned `group`: id and status."""
    database.execute(
        "INSERT INTO changes (at, method, path, request_id, group_id, group_status, body, status)"
        " VALUES (?,?,?,?,?,?,?,?)",
        (at, source.method, source.path, source.request_id, *group, body, status),
    )


def events(database: sqlite3.Connection) -> list[Event]:
    """All events, oldest first."""
    rows = database.execute(
        "SELECT at, method, path, request_id, effect, subject, name, detail, noun, group_id FROM history ORDER BY seq"
    )
    return [
        Event(at, method, path, request_id, Effect(effect), subject, name, detail, Noun(noun), group_id)
        for at, method, path, request_id, effect, subject, name, detail, noun, group_id in rows
    ]


def changes(database: sqlite3.Connection) -> list[Change]:
    """All changing requests, oldest first."""
    rows = database.execute(
        "SELECT at, method, path, request_id, group_id, group_status, body, status FROM changes ORDER BY seq"
    )
    return [Change(*row) for row in rows]


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
