"""The tables, and how they are made and upgraded: by whoever locks, one at a time, and within a major by adding only.

`@.` in a statement stands for the schema. A minor version adds tables, or columns with a default; so an older version
of declarative goes on reading and writing what a newer one has upgraded. The format of each state is its own matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from declarative.errors import StateError
from declarative.state.postgres.rows import TABLES
from declarative.state.postgres.session import Refused, Session
from declarative.state.snapshot import NewerFormat

MAJOR = 1

_ROWS = """
create table @.{table} (
    state integer not null,
    key text not null,
    text text not null,
    checksum text not null,
    serial bigint not null,
    primary key (state, key)
)
"""
# What each minor version adds, from 0 on.
UPGRADES: Sequence[Sequence[str]] = (
    (
        "create table @.meta (name text primary key, value text not null)",
        f"insert into @.meta (name, value) values ('major', '{MAJOR}'), ('minor', '0')",  # noqa: S608
        # One row for each name that has ever had a state: it stays when the state's own row is lost.
        """
        create table @.marks (
            id integer generated always as identity primary key,
            name text not null unique,
            lineage text not null default '',
            serial bigint not null default 0,
            epoch bigint not null default 0
        )
        """,
        """
        create table @.states (
            id integer primary key,
            name text not null unique,
            lineage text not null default '',
            serial bigint not null default 0,
            epoch bigint not null default 0,
            format integer not null default 0,
            head text not null default '',
            sums text not null default '',
            previous text not null default '',
            digest text not null default '',
            moved_to text not null default '',
            holder text not null default '',
            backend integer not null default 0,
            locked_at timestamptz,
            written_at timestamptz
        )
        """,
        *(_ROWS.format(table=table) for table in TABLES),
        """
        create table @.history (
            state integer not null,
            serial bigint not null,
            epoch bigint not null,
            lineage text not null,
            previous text not null,
            digest text not null,
            checksum text not null,
            who text not null,
            at timestamptz not null default now(),
            records text,
            primary key (state, serial)
        )
        """,
        """
        create table @.backups (
            id bigint generated always as identity primary key,
            state integer not null,
            serial bigint not null,
            digest text not null,
            at timestamptz not null default now(),
            text text not null
        )
        """,
        "create index on @.backups (state, id)",
        """
        create table @.replaced (
            id bigint generated always as identity primary key,
            state integer not null,
            at timestamptz not null default now(),
            text text not null
        )
        """,
    ),
)


class Schema:
    """The schema of one name. `lock_class`: the first half of its advisory keys, whose second is a state's id."""

    def __init__(self, name: str, *, shown: str) -> None:
        self.name = name
        self.lock_class = crc32(f"declarative:{name}".encode()) & 0x7FFFFFFF
        self._shown = shown

    def sql(self, text: str) -> str:
        """Put the schema's name into a statement."""
        return text.replace("@.", f'"{self.name}".')

    def version(self, session: Session) -> int | None:
        """Return the minor version that is there; None: nothing is. Raises NewerFormat for a newer major.

        Needs no right but to read.
        """
        there = session.query(
            "select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = %(schema)s and c.relname = 'meta'",
            {"schema": self.name},
        )
        if not there:
            return None
        found: dict[str, str] = dict(
            session.query(self.sql("select name, value from @.meta where name in ('major', 'minor')"))
        )
        try:
            major, minor = int(found["major"]), int(found["minor"])
        except (KeyError, ValueError) as error:
            raise StateError(
                f"the schema {self.name} of the state {self._shown} has no version that can be read",
                "Restore its table meta from a copy of the database, or name another schema in the address.",
            ) from error
        if major > MAJOR:
            raise NewerFormat(
                f"the schema {self.name} of the state {self._shown} has version {major}.{minor}, but this version of "
                f"declarative reads {MAJOR}.x",
                "Use the version of declarative that made it, or a later one.",
            )
        return minor

    def make(self, session: Session) -> None:
        """Make the schema, or upgrade it. One at a time, and all or nothing."""
        if (found := self.version(session)) is not None and found >= len(UPGRADES) - 1:
            return
        session.query("begin")
        try:
            session.query("select pg_advisory_xact_lock(%(class)s, 0)", {"class": self.lock_class})
            found = self.version(session)
            if found is None and not session.query(
                "select 1 from pg_catalog.pg_namespace where nspname = %(schema)s", {"schema": self.name}
            ):
                session.query(f'create schema "{self.name}"')
            for statements in UPGRADES[0 if found is None else found + 1 :]:
                for statement in statements:
                    session.query(self.sql(statement))
            session.query(
                self.sql("update @.meta set value = %(minor)s where name = 'minor'"), {"minor": str(len(UPGRADES) - 1)}
            )
            session.query("commit")
        except Refused as error:
            session.query("rollback")
            if error.code != "42501":
                raise
            raise Refused(
                error.summary,
                f'Create it once by `CREATE SCHEMA "{self.name}" AUTHORIZATION …` for the role that applies.',
                code=error.code,
            ) from error
