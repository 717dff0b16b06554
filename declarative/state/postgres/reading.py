"""How a state is read: in one transaction that only reads, whole and checked. Needs no right but to read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from declarative.errors import StateError
from declarative.state.postgres.rows import (
    TABLES,
    Shadow,
    assemble,
    history_checksum,
    read_rows,
    sealed,
    state_digest,
    write_sums,
)
from declarative.state.postgres.schema import Schema
from declarative.state.postgres.session import Refused, Row, Session
from declarative.state.snapshot import NewerFormat

FORMAT = 1
LARGEST = 256 * 1024 * 1024  # characters of all texts of a state

_HERE = f"""
select s.id, s.name, s.lineage, s.serial, s.epoch, s.format, s.sums, s.previous, s.digest, s.moved_to,
    coalesce((select max(b.serial) from @.backups b where b.state = s.id), -1),
    octet_length(s.head) + {
    " + ".join(
        f"(select coalesce(sum(octet_length(r.text)), 0) from @.{table} r where r.state = s.id)" for table in TABLES
    )
}
from @.states s where s.name = %(name)s
"""  # noqa: S608
_MARK = "select lineage, serial from @.marks where name = %(name)s"
_HEAD = "select s.head from @.states s where s.id = %(id)s"
_ROWS = "select r.key, r.text, r.checksum, r.serial from @.{table} r where r.state = %(id)s"
_LINK = """
select serial, epoch, lineage, previous, digest, who, records, checksum
from @.history where state = %(id)s and serial = %(serial)s
"""


class Here(NamedTuple):
    """A state's own row, without its head. `based`: the serial of its newest backup, -1: none. `size`: in bytes."""

    id: int
    name: str
    lineage: str
    serial: int
    epoch: int
    format: int
    sums: str
    previous: str
    digest: str
    moved_to: str
    based: int
    size: int


@dataclass(frozen=True, slots=True)
class Found:
    """What was read. `shadow`: the state with the sums over its rows; None: there is none."""

    shadow: Shadow | None
    highest: tuple[str, int] | None = None
    moved_to: str = ""


@contextlib.contextmanager
def one_look(session: Session) -> Iterator[None]:
    """All that is read inside is of one moment."""
    session.query(
        "begin isolation level repeatable read read only;"
        " set local search_path = pg_catalog; set local statement_timeout = 60000"
    )
    try:
        yield
    except BaseException:
        if not session.lost:
            session.query("rollback")
        raise
    session.query("commit")


def read(session: Session, schema: Schema, name: str, *, shown: str) -> Found:
    """Read the state `name`. Raises StateError for one that isn't as it was written, NewerFormat for a later format."""
    with one_look(session):
        if schema.version(session) is None:
            return Found(None)
        named = {"name": name}
        marks, rows = session.queries((schema.sql(_MARK), named), (schema.sql(_HERE), named))
        highest = (marks[0][0], marks[0][1]) if marks and marks[0][0] else None
        if not rows:
            return Found(None, highest)
        here = Here(*rows[0])
        if here.format > FORMAT:
            raise NewerFormat(
                f"the state {shown} has the format declarative.state/{here.format}, but this version of declarative "
                f"reads declarative.state/{FORMAT}",
                "Use the version of declarative that wrote it, or a later one.",
            )
        with _told_of(shown):
            return _read(session, schema, here, highest)


def _read(session: Session, schema: Schema, here: Here, highest: tuple[str, int] | None) -> Found:
    if not here.digest and not here.serial and not here.lineage:
        return Found(None, highest)
    if here.size > LARGEST:
        raise StateError(f"is too large: {here.size:,} bytes, and at most {LARGEST:,} are read")
    at = {"id": here.id, "serial": here.serial}
    [head], links, *tables = session.queries(
        (schema.sql(_HEAD), at),
        (schema.sql(_LINK), at),
        *((schema.sql(_ROWS.format(table=table)), at) for table in TABLES),
    )
    seal = sealed(head[0])
    if here.digest != state_digest(
        name=here.name,
        lineage=here.lineage,
        serial=here.serial,
        previous=here.previous,
        moved_to=here.moved_to,
        seal=seal,
        sums=here.sums,
    ):
        raise StateError("has been changed or damaged: its row in states does not match its digest")
    if here.moved_to:
        return Found(None, highest, here.moved_to)
    _require_link(links, here)
    values, sums = {}, {}
    for table, kept in zip(TABLES, tables, strict=True):
        values[table], sums[table] = read_rows(table, kept)
    if write_sums(sums) != here.sums:
        raise StateError("has been changed or damaged: its rows are not the ones that were written")
    state = assemble(head[0], values, sums, serial=here.serial)
    if state.lineage != here.lineage:
        raise StateError("has been changed or damaged: it is of two lineages")
    return Found(Shadow(here.name, state, sums, here.digest, here.previous, seal, here.based), highest)


def _require_link(links: Sequence[Row], here: Here) -> None:
    """The newest row of the history must be about what is there."""
    if not links:
        raise StateError(f"has been changed or damaged: serial {here.serial} is not in its history")
    *row, said = links[0]
    if said != history_checksum(*row) or (row[2], row[3], row[4]) != (here.lineage, here.previous, here.digest):
        raise StateError(f"has been changed or damaged: its history tells of another serial {here.serial}")


@contextlib.contextmanager
def _told_of(shown: str) -> Iterator[None]:
    """Put the state's name before errors about what it holds."""
    try:
        yield
    except (NewerFormat, Refused):
        raise
    except StateError as error:
        if type(error) is StateError or isinstance(error, ValueError):
            raise StateError(f"the state {shown} {error.summary}", error.fix or _WAY_OUT) from error
        raise


_WAY_OUT = "Without a serial, `declarative state restore` lists what can be restored."
