"""One write: a single statement that compares and swaps, so that all of it lands, or none.

It changes the state's own row only if that stands where the writer believes, in the epoch of the writer's lock; every
other part of it takes its rows from that change, and does nothing without. So it is one round trip and one transaction,
and its cost is that of the rows which change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from declarative.state.postgres.lock import Held
from declarative.state.postgres.reading import FORMAT
from declarative.state.postgres.rows import Change, Delta, history_checksum
from declarative.state.postgres.schema import Schema

BACKUPS = 5
CHAIN = 10_000  # serials whose rows of the history are kept

_SWAP = """
with swapped as (
    update @.states set lineage = %(lineage)s, serial = %(serial)s, format = %(format)s,
        head = coalesce(%(head)s, head), sums = %(sums)s, previous = %(previous)s, digest = %(digest)s,
        moved_to = %(moved_to)s, written_at = now()
    where id = %(id)s and epoch = %(epoch)s
"""
_STANDS = " and serial = %(was_serial)s and lineage = %(was_lineage)s and digest = %(was_digest)s"
_MARK = """
    returning id),
marked as (
    update @.marks m set lineage = %(lineage)s, serial = %(serial)s from swapped where m.id = swapped.id)
"""
_PUT = """,
put_{table} as (
    insert into @.{table} as r (state, key, text, checksum, serial)
    select swapped.id, u.key, u.text, u.checksum, %(serial)s
    from swapped, unnest(%({table}_keys)b::text[], %({table}_texts)b::text[], %({table}_sums)b::text[])
        as u(key, text, checksum)
    on conflict (state, key) do update
        set text = excluded.text, checksum = excluded.checksum, serial = excluded.serial)
"""
_GONE = """,
gone_{table} as (
    delete from @.{table} r using swapped where r.state = swapped.id and r.key = any(%({table}_gone)b::text[]))
"""
_CLEARED = """,
gone_{table} as (
    delete from @.{table} r using swapped where r.state = swapped.id and r.key <> all(%({table}_keys)b::text[]))
"""
_HISTORY = """,
chained as (
    insert into @.history as h (state, serial, epoch, lineage, previous, digest, checksum, who, records)
    select swapped.id, %(serial)s, %(epoch)s, %(lineage)s, %(previous)s, %(digest)s, %(checksum)s, %(who)s, %(records)s
    from swapped
    on conflict (state, serial) do update set epoch = excluded.epoch, lineage = excluded.lineage,
        previous = excluded.previous, digest = excluded.digest, checksum = excluded.checksum, who = excluded.who,
        at = excluded.at, records = excluded.records)
"""
_CUT = """,
cut as (delete from @.history h using swapped where h.state = swapped.id and h.serial > %(serial)s)
"""
_BACKUP = """,
backed as (
    insert into @.backups (state, serial, digest, text)
    select swapped.id, u.serial, u.digest, u.text
    from swapped, unnest(%(backup_serials)b::bigint[], %(backup_digests)b::text[], %(backup_texts)b::text[])
        as u(serial, digest, text))
"""
_COUNT = "select count(*) from swapped"

_KEEP = "insert into @.backups (state, serial, digest, text) values (%(id)s, %(serial)s, %(digest)s, %(text)s)"
_PRUNE = (
    """
    delete from @.backups b where b.state = %(id)s and b.id not in (
        select n.id from @.backups n where n.state = %(id)s order by n.id desc limit %(backups)s)
    """,
    """
    update @.history h set records = null
    where h.state = %(id)s and h.records is not null
        and h.serial <= (select min(b.serial) from @.backups b where b.state = %(id)s)
        and %(backups)s <= (select count(*) from @.backups b where b.state = %(id)s)
        and h.serial < (select s.serial from @.states s where s.id = %(id)s)
    """,
    """
    delete from @.history h where h.state = %(id)s and h.records is null
        and h.serial <= (select s.serial from @.states s where s.id = %(id)s) - %(chain)s
    """,
)


@dataclass(frozen=True, slots=True)
class Backup:
    """A whole state's text, to be kept; `digest` is the one of its serial."""

    serial: int
    digest: str
    text: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What the writer believes to be there: the lineage, serial and digest of the state's row."""

    lineage: str
    serial: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """A write in full. `records`: the batch's text, None where it is no batch. `was` None: whatever stands there.

    `cut`: serials beyond this one are of the past, and their rows of the history go.
    """

    delta: Delta
    was: Standing | None
    records: str | None = None
    backups: Sequence[Backup] = ()
    moved_to: str = ""
    cut: bool = False


def save(held: Held, schema: Schema, wanted: Save) -> bool:
    """Write; False: something else stands there, and nothing was written. Raises Gone when nobody answers."""
    text, parameters = _statement(held, wanted)
    return bool(held.session.query(schema.sql(text), parameters, prepare=True)[0][0])


def back_up(held: Held, schema: Schema, backup: Backup) -> None:
    """Keep a whole text of what stands."""
    at = {"id": held.id, "serial": backup.serial, "digest": backup.digest, "text": backup.text}
    held.session.query(schema.sql(_KEEP), at)


def prune(held: Held, schema: Schema) -> None:
    """Let go of backups beyond the newest five, and of what leads on from those."""
    for statement in _PRUNE:
        held.session.query(schema.sql(statement), {"id": held.id, "backups": BACKUPS, "chain": CHAIN})


def _statement(held: Held, wanted: Save) -> tuple[str, dict[str, Any]]:
    delta, was = wanted.delta, wanted.was
    row = (delta.serial, held.epoch, delta.lineage, delta.previous, delta.digest, held.who, wanted.records)
    parameters: dict[str, Any] = {
        "id": held.id,
        "epoch": held.epoch,
        "lineage": delta.lineage,
        "serial": delta.serial,
        "format": FORMAT,
        "head": delta.head,
        "sums": delta.sums,
        "previous": delta.previous,
        "digest": delta.digest,
        "moved_to": wanted.moved_to,
        "who": held.who,
        "records": wanted.records,
        "checksum": history_checksum(*row),
    }
    text = _SWAP
    if was is not None:
        text += _STANDS
        parameters |= {"was_serial": was.serial, "was_lineage": was.lineage, "was_digest": was.digest}
    text += _MARK
    for table, change in delta.tables.items():
        text += _changes(table, change, parameters)
    if not wanted.moved_to:
        text += _HISTORY
    if wanted.cut:
        text += _CUT
    if wanted.backups:
        text += _BACKUP
        parameters["backup_serials"] = [one.serial for one in wanted.backups]
        parameters["backup_digests"] = [one.digest for one in wanted.backups]
        parameters["backup_texts"] = [one.text for one in wanted.backups]
    return text + _COUNT, parameters


def _changes(table: str, change: Change, parameters: dict[str, Any]) -> str:
    text = ""
    if change.put:
        text += _PUT
        parameters[f"{table}_texts"] = [kept for kept, _ in change.put.values()]
        parameters[f"{table}_sums"] = [said for _, said in change.put.values()]
    if change.put or change.cleared:
        parameters[f"{table}_keys"] = list(change.put)
    if change.cleared:
        text += _CLEARED
    elif change.gone:
        text += _GONE
        parameters[f"{table}_gone"] = list(change.gone)
    return text.format(table=table)
