"""The lock: an advisory lock of the session that writes, and an epoch that fences whoever had it before.

The server frees it when the session ends, however that happens. Whoever takes it makes the next epoch, and a write
names its epoch; so a holder that lost its lock without knowing can write nothing. Who has it is written in the state's
row, and counts only while that session holds the lock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import NamedTuple

from declarative.errors import StateError, visible
from declarative.state.canonical import dumps, loads
from declarative.state.holders import read_holder
from declarative.state.postgres.schema import Schema
from declarative.state.postgres.session import Refused, Session
from declarative.state.store import Holder, Seen

_NAMED = "declarative "  # what application names begin with, before the lock's id
_WAITED = 100  # looks, with a pause between them, until a session that was told to end has ended

_REGISTER = """
insert into @.marks (name) select %(name)s where not exists (select 1 from @.marks where name = %(name)s)
on conflict (name) do nothing
"""
_ID = "select id from @.marks where name = %(name)s"
_TRY = "select pg_try_advisory_lock(%(class)s, %(id)s)"
_FREE = "select pg_advisory_unlock(%(class)s, %(id)s)"
_NEXT_EPOCH = """
with next as (
    update @.marks m set epoch =
        1 + greatest(m.epoch, coalesce((select s.epoch from @.states s where s.id = m.id), 0))
    where m.id = %(id)s returning m.id, m.name, m.epoch)
insert into @.states as s (id, name, epoch, holder, backend, locked_at)
select id, name, epoch, %(holder)s, pg_backend_pid(), now() from next
on conflict (id) do update
    set epoch = excluded.epoch, holder = excluded.holder, backend = excluded.backend, locked_at = excluded.locked_at
returning s.epoch
"""
_LET_GO = "update @.states set holder = '', backend = 0 where id = %(id)s and epoch = %(epoch)s"
_HELD = """
from @.marks m join pg_catalog.pg_locks l
    on l.locktype = 'advisory' and l.granted and l.objsubid = 2
    and l.classid = %(class)s::oid and l.objid = m.id::oid
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
left join @.states s on s.id = m.id and s.backend = l.pid
left join pg_catalog.pg_stat_activity a on a.pid = l.pid
where m.name = %(name)s
"""
_SEEN = f"select l.pid, s.holder, a.application_name {_HELD}"
_END = f"select pg_catalog.pg_terminate_backend(l.pid) {_HELD} and l.pid = %(pid)s"


@dataclass(frozen=True, slots=True)
class Held:
    """A lock that is held, by this session: `id` of the state's row, and the epoch that it made."""

    session: Session
    id: int
    epoch: int
    who: str


class HeldBy(NamedTuple):
    """Who holds the lock now, in which backend."""

    holder: Holder
    backend: int


def session_name(holder: Holder) -> str:
    """Return the name under which others see the session: its lock's id first, for 63 bytes are shown."""
    return f"{_NAMED}{visible(holder.id)} {visible(holder.who)}"[:63]


def take(session: Session, schema: Schema, name: str, holder: Holder) -> Held | None:
    """Take the lock of the state `name`, once; None: somebody else has it."""
    session.query(schema.sql(_REGISTER), {"name": name})
    id_ = session.query(schema.sql(_ID), {"name": name})[0][0]
    if not session.query(_TRY, {"class": schema.lock_class, "id": id_})[0][0]:
        return None
    said = dumps(asdict(holder))
    epoch = session.query(schema.sql(_NEXT_EPOCH), {"id": id_, "holder": said})[0][0]
    return Held(session, id_, epoch, visible(f"{holder.who}@{holder.host}", limit=200))


def give_back(held: Held, schema: Schema) -> None:
    """Free the lock. Raises StateError where the session is gone, and the lock with it."""
    held.session.query(schema.sql(_LET_GO), {"id": held.id, "epoch": held.epoch})
    held.session.query(_FREE, {"class": schema.lock_class, "id": held.id})


def look(session: Session, schema: Schema, name: str) -> HeldBy | None:
    """Return who holds the lock; None: nobody."""
    if schema.version(session) is None:
        return None
    rows = session.query(schema.sql(_SEEN), {"class": schema.lock_class, "name": name})
    if not rows:
        return None
    backend, said, application = rows[0]
    return HeldBy(_read_holder(said or "") or _holder_of(application or ""), backend)


def seen(by: HeldBy) -> Seen:
    """Return what is told of a holder: its session lives, or the server would have freed the lock."""
    return Seen(by.holder, alive=True)


def end(
    session: Session, schema: Schema, name: str, lock_id: str, *, shown: str, sleep: Callable[[float], None]
) -> Holder:
    """End the session of the holder with exactly this id, fence it off, and leave the lock free.

    `session` is one of our own that may write.
    """
    by = look(session, schema, name)
    if by is None:
        raise StateError(f"the state {shown} is not locked", "There is nothing to break.")
    if by.holder.id != lock_id:
        raise StateError(
            f"the lock of the state {shown} has the id {visible(by.holder.id, limit=64)}, "
            f"not {visible(lock_id, limit=64)}",
            "Look with `declarative lock show` whose lock it is.",
        )
    _terminate(session, schema, name, by, shown)
    for _ in range(_WAITED):
        held = take(session, schema, name, _NOBODY)
        if held is not None:
            give_back(held, schema)
            return by.holder
        now = look(session, schema, name)
        if now is not None and now.backend != by.backend:
            return by.holder  # somebody else has it already, with an epoch of its own
        sleep(0.1)
    raise StateError(
        f"the session that holds the lock of the state {shown} was told to end, and has not",
        f"Look at its backend, {by.backend}, on the server.",
    )


def _terminate(session: Session, schema: Schema, name: str, by: HeldBy, shown: str) -> None:
    try:
        session.query(schema.sql(_END), {"class": schema.lock_class, "name": name, "pid": by.backend})
    except Refused as error:
        if error.code != "42501":
            raise
        raise Refused(
            f"this role may not end the session that holds the lock of the state {shown}",
            "Use the role that holds it, or one that was granted pg_signal_backend; or end it as a superuser by "
            f"`SELECT pg_terminate_backend({by.backend});`.",
            code=error.code,
        ) from error


def _read_holder(said: str) -> Holder | None:
    try:
        return read_holder(loads(said, unique_keys=True))
    except StateError:
        return None


def _holder_of(application: str) -> Holder:
    """Return what the name of a session tells: it has just taken the lock, or nobody wrote down who has."""
    id_, _, who = application.removeprefix(_NAMED).partition(" ")
    if not application.startswith(_NAMED) or not id_:
        id_, who = "unreadable", ""
    return Holder(id_, who or "somebody", "an unknown host", 0, "something", "an unknown time")


_NOBODY = Holder("", "", "", 0, "lock break", "")
