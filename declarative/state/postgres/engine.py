"""The engine of a state in PostgreSQL: see `state/engine.py`.

Two connections: one that reads, which is opened again when it was lost, and one that holds the lock and writes, which
never is. What was read or written last is kept as a shadow, so that a write knows which rows it changes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from declarative.errors import StateConflict, StateError, visible
from declarative.model import Record
from declarative.state import journal, snapshot
from declarative.state.engine import Kept, Spot
from declarative.state.holders import UNREADABLE
from declarative.state.postgres import lock, reading, saving, session
from declarative.state.postgres.address import parse
from declarative.state.postgres.lock import Held
from declarative.state.postgres.past import Past
from declarative.state.postgres.pooler import refuse_pooler
from declarative.state.postgres.reading import Found
from declarative.state.postgres.rows import Shadow
from declarative.state.postgres.saving import Backup, Save, Standing
from declarative.state.postgres.schema import Schema
from declarative.state.postgres.session import Gone, Refused, Session
from declarative.state.snapshot import State, copied
from declarative.state.store import Holder, Point, Seen

FOLD_AFTER = 1000  # serials after which a whole text is kept
_TRIES = 8  # to find out what became of a write that nobody answered
_LONGEST_PAUSE = 5.0  # seconds

_Answer = TypeVar("_Answer")

_FENCE = """
update @.states set epoch = epoch + 1 where id = %(id)s and epoch = %(epoch)s and digest <> %(digest)s returning 1
"""
_LANDED = """
select 1 from @.history where state = %(id)s and serial = %(serial)s and digest = %(digest)s
union all select 1 from @.states where id = %(id)s and digest = %(digest)s
"""
_STANDS = "select epoch, lineage, serial, digest from @.states where id = %(id)s"
_KEEP = """
insert into @.replaced (state, text) select %(id)s, json_build_object(
    'states', (select json_agg(s) from @.states s where s.id = %(id)s),
    'resources', (select json_agg(r) from @.resources r where r.state = %(id)s),
    'operations', (select json_agg(r) from @.operations r where r.state = %(id)s),
    'steps', (select json_agg(r) from @.steps r where r.state = %(id)s),
    'pre_images', (select json_agg(r) from @.pre_images r where r.state = %(id)s),
    'history', (select json_agg(h) from @.history h where h.state = %(id)s and h.serial >= %(serial)s)
)::text returning id
"""
_SIBLINGS = "select name from @.states where digest <> '' and moved_to = ''"


class PostgresEngine:
    """One state in a schema of a database."""

    def __init__(self, spot: Spot) -> None:
        self._spot = spot
        self._target = parse(spot)
        self._shown = self._target.shown
        self._schema = Schema(self._target.schema, shown=self._shown)
        self._reader: Session | None = None
        self._held: Held | None = None
        self._changed = False  # since the lock was taken
        self._shadow: Shadow | None = None

    @property
    def address(self) -> str:
        """The address for messages."""
        return self._shown

    # ---------------------------------------------------------------- reading

    def read(self) -> Kept:
        """Return what is kept: see `Engine.read`."""
        found = self._reading(self._found)
        self._shadow = shadow = found.shadow
        if shadow is None:
            return Kept(None, found.highest, found.moved_to)
        state, shadow.state = shadow.state, copied(shadow.state)
        return Kept(state, found.highest)

    def _found(self, there: Session) -> Found:
        return reading.read(there, self._schema, self._target.name, shown=self._shown)

    def _reading(self, read: Callable[[Session], _Answer]) -> _Answer:
        """Read on the connection that there is; on a new one, once, when that was lost."""
        for there in (self._held.session if self._held is not None else None, self._reader):
            if there is not None and not there.lost:
                with contextlib.suppress(Gone):
                    return read(there)
        self._reader = self._connect(reads=True)
        return read(self._reader)

    def _connect(self, holder: Holder | None = None, *, reads: bool = False) -> Session:
        options = dict(self._target.options)
        if not reads and options.get("target_session_attrs", "any") not in {"primary", "read-write"}:
            options["target_session_attrs"] = "read-write"
        name = "declarative reads" if holder is None else lock.session_name(holder)
        return session.connect(options, shown=self._shown, name=name, monotonic=self._spot.monotonic)

    # ---------------------------------------------------------------- writing

    def append(self, records: Sequence[Record], *, lineage: str, after: int) -> None:
        """Make one batch durable: see `Engine.append`. One round trip, whatever the size of the state."""
        lines = journal.encode_batch(records, serial=after + 1).decode("ascii")
        with self._writing() as held:
            shadow = self._standing(held, lineage=lineage, after=after)
            was = _standing(shadow)
            delta = shadow.follow(records, lineage=lineage)
            self._save(held, shadow, Save(delta=delta, was=was, records=lines))

    def write(self, state: State, *, after: int) -> None:
        """Put the whole of `state` in place: see `Engine.write`. Only rows that differ are written."""
        if state.serial < after:
            raise StateError(f"serial {state.serial} would be written over serial {after} of the state {self._shown}")
        with self._writing() as held:
            shadow = self._standing(held, lineage=state.lineage, after=after)
            if state.serial == after and shadow.digest and shadow.state == state:
                self._tidy_up(held, shadow)
                self._shadow = shadow
                return
            whole = snapshot.encode(state)
            backups = [_backup(shadow)] if shadow.digest and not self._changed and shadow.based != after else []
            was = _standing(shadow)
            delta = shadow.become(state)
            backups.append(Backup(state.serial, delta.digest, whole.decode("ascii")))
            self._save(held, shadow, Save(delta=delta, was=was, backups=backups))

    def _tidy_up(self, held: Held, shadow: Shadow) -> None:
        """Keep a whole text now and then, so that going back need not start at the beginning."""
        if shadow.state.serial - max(shadow.based, 0) >= FOLD_AFTER:
            saving.back_up(held, self._schema, _backup(shadow))
            saving.prune(held, self._schema)
            shadow.based = shadow.state.serial

    def replace(self, state: State) -> str:
        """Put `state` in place of whatever is there: see `Engine.replace`. That is kept, as one JSON text."""
        whole = snapshot.encode(state).decode("ascii")
        self._shadow = None
        with self._writing() as held:
            at = {"id": held.id, "serial": state.serial}
            kept = held.session.query(self._schema.sql(_KEEP), at)[0][0]
            shadow = Shadow.of_nothing(self._target.name)
            stands = held.session.query(self._schema.sql(_STANDS), at)
            delta = shadow.become(state, previous=stands[0][3] if stands else "")
            backup = Backup(state.serial, delta.digest, whole)
            self._save(held, shadow, Save(delta=delta, was=None, backups=[backup], cut=True))
        return f"row {kept} of the table {self._target.schema}.replaced"

    def move_to(self, address: str) -> None:
        """Leave only the word that the state has moved: see `Engine.move_to`. Its backups stay, and it is one."""
        self._shadow = None
        with self._writing() as held:
            shadow = self._found(held.session).shadow or Shadow.of_nothing(self._target.name)
            was = _standing(shadow)
            backups = [_backup(shadow)] if shadow.digest else []
            wanted = Save(delta=shadow.leave(address), was=was, backups=backups, moved_to=address)
            self._save(held, shadow, wanted)
            self._shadow = None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Held]:
        """Yield the lock that is held. With its connection goes the right to write: no other one takes its place."""
        held = self._held
        if held is None:
            raise StateConflict(f"the state {self._shown} is written under its lock alone", "Take the lock first.")
        lost = f"the connection that held the lock of the state {self._shown} was lost, and the lock with it"
        if held.session.lost:
            raise StateConflict(lost, _RUN_AGAIN)
        try:
            yield held
        except Gone as error:  # before the write: `_save` sees to what comes after
            raise StateConflict(lost, _RUN_AGAIN) from error

    def _standing(self, held: Held, *, lineage: str, after: int) -> Shadow:
        """Return the shadow of what stands at `after` of this lineage. It is taken out: a write that fails loses it."""
        shadow, self._shadow = self._shadow, None
        if shadow is None or shadow.state.serial != after:
            found = self._found(held.session)
            if found.moved_to:
                raise StateConflict(
                    f"the state {self._shown} has moved to {visible(found.moved_to, limit=200)}", "Use that address."
                )
            shadow = found.shadow or Shadow.of_nothing(self._target.name)
        if shadow.state.serial != after:
            raise StateConflict(
                f"somebody else has changed the state {self._shown}: it stands at serial {shadow.state.serial}, "
                f"not {after}",
                _RUN_AGAIN,
            )
        if shadow.digest and shadow.state.lineage != lineage:
            raise StateConflict(f"the state {self._shown} has been replaced by another one", _RUN_AGAIN)
        return shadow

    def _save(self, held: Held, shadow: Shadow, wanted: Save) -> None:
        """Write, and keep the shadow if that is what stands then. `shadow` is as after the write."""
        try:
            landed = saving.save(held, self._schema, wanted)
        except Gone as error:
            if not self._outcome(held, wanted, error):
                raise StateConflict(
                    f"nothing was written to the state {self._shown}: {error.summary}", _RUN_AGAIN
                ) from error
            return
        if not landed:
            raise self._conflict(held)
        self._changed = True
        shadow.digest, shadow.previous = wanted.delta.digest, wanted.delta.previous
        self._shadow = shadow
        if wanted.backups:
            shadow.based = max(backup.serial for backup in wanted.backups)
            with contextlib.suppress(StateError):  # what is kept too long does no harm
                saving.prune(held, self._schema)

    def _conflict(self, held: Held) -> StateConflict:
        rows = held.session.query(self._schema.sql(_STANDS), {"id": held.id})
        if not rows or rows[0][0] != held.epoch:
            held.session.close()
            return StateConflict(f"the lock of the state {self._shown} was taken away from this run", _RUN_AGAIN)
        return StateConflict(
            f"somebody has changed the state {self._shown} without its lock: it stands at serial {rows[0][2]}",
            _RUN_AGAIN,
        )

    def _outcome(self, held: Held, wanted: Save, error: Gone) -> bool:
        """Return whether a write landed that nobody answered; if not, it is fenced off and never will.

        Whoever asks waits for a write that is still under way, since both want the same row.
        """
        delta = wanted.delta
        at = {"id": held.id, "epoch": held.epoch, "serial": delta.serial, "digest": delta.digest}
        for number in range(_TRIES):
            if number:
                self._spot.sleep(min(0.25 * 2**number, _LONGEST_PAUSE))
            with contextlib.suppress(StateError), contextlib.closing(self._connect()) as there:
                there.prepare()
                if there.query(self._schema.sql(_FENCE), at):
                    return False
                return bool(there.query(self._schema.sql(_LANDED), at))
        raise StateError(
            f"it is not known whether serial {delta.serial} was written to the state {self._shown}: {error.summary}",
            "Run again once the server can be reached; what is there is looked at first.",
        ) from error

    # ---------------------------------------------------------------- lock

    def try_lock(self, holder: Holder) -> Seen | None:
        """Take the lock, once: see `Engine.try_lock`. Refuses a transaction pooler; makes or upgrades the schema."""
        if self._held is not None:
            if not self._held.session.lost:
                raise StateError(f"the lock of the state {self._shown} is taken already by this process")
            self._held = None
        if (seen := self.lock_seen()) is not None:
            return seen
        with self._writer(holder) as there:
            self._held = lock.take(there, self._schema, self._target.name, holder)
            self._changed = False
        return None if self._held is not None else self.lock_seen() or Seen(UNREADABLE, alive=None)

    @contextlib.contextmanager
    def _writer(self, holder: Holder) -> Iterator[Session]:
        """Open a connection that may write; it is closed again unless the lock is held in the end."""
        there = self._connect(holder)
        try:
            with contextlib.closing(self._connect(holder)) as second:
                refuse_pooler(there, second, shown=self._shown)
            there.prepare()
            if there.query("select pg_is_in_recovery()")[0][0]:
                raise StateError(
                    f"the server of the state {self._shown} is a standby, which can't be written",
                    "Name the primary in the address, or all hosts with target_session_attrs=read-write.",
                )
            self._schema.make(there)
            yield there
        finally:
            if self._held is None or self._held.session is not there:
                there.close()

    def unlock(self) -> None:
        """Give the lock back: see `Engine.unlock`. The connection goes with it."""
        held, self._held = self._held, None
        if held is not None:
            with contextlib.suppress(StateError):  # then the server has freed it already, or does now
                if not held.session.lost:
                    lock.give_back(held, self._schema)
            held.session.close()

    def lock_seen(self) -> Seen | None:
        """Return who holds the lock now: see `Engine.lock_seen`."""
        by = self._reading(lambda there: lock.look(there, self._schema, self._target.name))
        return None if by is None else lock.seen(by)

    def break_lock(self, lock_id: str, *, force: bool, sleep: Callable[[float], None]) -> Holder:
        """End the session that holds the lock with this id, and leave it free: see `Engine.break_lock`.

        `force` changes nothing: the server knows who holds it, and ends a session for whoever may.
        """
        by = self._reading(lambda there: lock.look(there, self._schema, self._target.name))
        if by is None:
            raise StateError(f"the state {self._shown} is not locked", "There is nothing to break.")
        with self._writer(_BREAKER) as there:
            return lock.end(there, self._schema, self._target.name, lock_id, shown=self._shown, sleep=sleep)

    # ---------------------------------------------------------------- going back, and around

    def points(self) -> list[Point]:
        """Return what the state can be restored to: see `Engine.points`."""
        current: State | None = None
        with contextlib.suppress(_Unreadable):
            current = self._current()
        return self._past().points(current)

    def go_back(self, serial: int) -> State | None:
        """Return the state as of `serial`: see `Engine.go_back`."""
        with contextlib.suppress(_Unreadable):
            current = self._current()
            if current is not None and current.serial == serial:
                return current
        return self._past().go_back(serial)

    def _past(self) -> Past:
        return self._reading(lambda there: Past(there, self._schema, self._target.name))

    def _current(self) -> State | None:
        """Return the state in the tables. Raises _Unreadable where it can't be trusted; other errors as they are."""
        try:
            found = self._reading(self._found)
        except (Gone, Refused, snapshot.NewerFormat):
            raise
        except StateError as error:
            raise _Unreadable from error
        return found.shadow.state if found.shadow is not None else None

    def environments(self) -> Sequence[str] | None:
        """Return the environments of this stack that have a state here: see `Engine.environments`."""
        pattern = self._target.siblings
        if pattern is None:
            return None

        def names(there: Session) -> list[str]:
            if self._schema.version(there) is None:
                return []
            return [row[0] for row in there.query(self._schema.sql(_SIBLINGS))]

        matches = (pattern.fullmatch(name) for name in self._reading(names))
        return sorted(match[1] for match in matches if match is not None)

    def close(self) -> None:
        """Let go of the lock and the connections."""
        self.unlock()
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()


class _Unreadable(Exception):
    """The state in the tables can't be trusted."""


def _backup(shadow: Shadow) -> Backup:
    """Return the text of what stands."""
    return Backup(shadow.state.serial, shadow.digest, snapshot.encode(shadow.state).decode("ascii"))


def _standing(shadow: Shadow) -> Standing:
    return Standing(shadow.state.lineage if shadow.digest else "", shadow.state.serial, shadow.digest)


_RUN_AGAIN = "Nothing of this run was written over it. Run again to plan on what is there now."
_BREAKER = Holder("break", "lock break", "", 0, "lock break", "")
