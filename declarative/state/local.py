"""The local store: `DIR/<environment>/` with `state.json`, `journal.jsonl`, a lock, and five backups.

The files change so that a crash leaves the old or the new: the snapshot by temporary file, sync, rename and sync of the
folder; the journal by one write at its end and a sync. The journal goes only after the snapshot that holds it is
durable.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import re
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from declarative.errors import LockHeld, StateConflict, StateError, UsageError, visible
from declarative.model import NAME_PATTERN, Begun, Record
from declarative.state import journal, recovery_file, snapshot
from declarative.state.disk import Files, Unfit, identify, names_in, read_file, refuse_large
from declarative.state.folder import Cursor, Folder, fold_all, move_away
from declarative.state.high_water import HighWaterMark, HighWaterMarks, refuse_rollback
from declarative.state.holders import UNREADABLE, describe
from declarative.state.lockfile import LockFile
from declarative.state.recovery_file import Disposition
from declarative.state.reserve import Reserve
from declarative.state.snapshot import State
from declarative.state.store import Holder, Place, Point, Restored, Seen, moved, nobody_cares
from declarative.state.waiting import wait_for_lock

_LEFT_ASIDE = re.compile(r"(?:state\.json|recovery-).*\.tmp\.[0-9]+")  # see `Files.write_aside`
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def open_local(place: Place) -> LocalStore:
    """Open `local:DIR`. Raises UsageError for a DIR or an environment that can't be a folder."""
    if not place.rest or not place.rest.isprintable():
        raise UsageError("a local state address reads local:DIR", "For example: local:.declarative")
    if re.fullmatch(NAME_PATTERN, place.environment) is None:
        raise UsageError(
            f"'{visible(place.environment, limit=80)}' is no name for an environment",
            "Use letters, digits, - and _, at most 63, beginning with a letter or digit.",
        )
    folder = place.folder.absolute() / place.rest
    return LocalStore(
        address=place.address,
        folder=folder / place.environment,
        # One state has one mark, however its folder is spelt.
        marks=HighWaterMarks(
            place.marks, address=f"local:{folder.resolve()}", environment=place.environment, warn=place.warn
        ),
        uuid=place.uuid,
        accept_rollback=place.accept_rollback,
        restoring=place.restore,
        begins=place.begins,
    )


@dataclass(kw_only=True)
class LocalStore:
    """A `Store` in a folder of its own. `jitter` draws a pause from 0 to its argument, in seconds."""

    address: str
    folder: Path
    marks: HighWaterMarks
    uuid: Callable[[], str]
    results_wait: float = 0.0
    accept_rollback: int | None = None
    restoring: str = "declarative state restore"
    begins: str = ""
    files: Files = field(default_factory=Files)
    jitter: Callable[[float], float] = field(default=lambda ceiling: random.uniform(0.0, ceiling))

    def __post_init__(self) -> None:
        self._there = Folder(self.folder, address=self.address, restore=self.restoring)
        self._snapshot, self._journal = self._there.snapshot, self._there.journal
        self._reserve = Reserve(self.folder / "reserve", files=self.files)
        self._moved = self.folder / "moved-to"
        self._lock = LockFile(self.folder / "state.json.lock", address=self.address, files=self.files)
        self._cursor: Cursor | None = None
        self._descriptor: int | None = None  # of the journal
        self._abandoned = False
        self._rotated = False
        self._aside: Path | None = None

    # ---------------------------------------------------------------- reading

    def read(self) -> State:
        """Return the state: see `Store.read`. A batch in a recovery file counts already."""
        if moved_to := self.moved_to():
            raise moved(self.address, moved_to)
        with self._reporting("read"):
            seen = self.marks.seen()  # before the files: a writer marks a serial after it is written
            state, cursor, written = self._load()
            self._refuse_rollback(seen, cursor)
            self._remember(cursor)
            self._cursor = cursor
            for kept in recovery_file.list_recoveries(self.folder):
                disposition = kept.disposition(
                    state, written=written, never_been=cursor.snapshot is None and state.serial == 0
                )
                if disposition is Disposition.REFUSE:
                    raise kept.refusal(state)
                if disposition is Disposition.APPEND:
                    state.lineage = cursor.lineage = kept.lineage
                    fold_all(state, kept.records, serial=kept.after + 1)
            return state

    def _refuse_rollback(self, seen: HighWaterMark | None, cursor: Cursor) -> None:
        """Raise StateError for a state that isn't the one this machine has seen, or a later one of it."""
        if cursor.snapshot is not None:
            found = HighWaterMark(cursor.lineage, cursor.serial)
            refuse_rollback(seen, found, address=self.address, accept=self.accept_rollback)
        elif self._cursor is None or self._cursor.snapshot is not None:  # else: nothing again, as accepted before
            refuse_rollback(seen, None, address=self.address, accept=self.accept_rollback)
            if self.accept_rollback is None:
                self._there.refuse_orphaned_backups()

    def _remember(self, cursor: Cursor) -> None:
        """Mark what has been read; an accepted rollback is accepted once."""
        found = HighWaterMark(cursor.lineage, cursor.serial) if cursor.snapshot is not None else None
        self.marks.take(found, accepted=self.accept_rollback is not None)
        self.accept_rollback = None

    def _load(self) -> tuple[State, Cursor, bytes]:
        return self._there.load(self._lineage_of_nothing)

    def _lineage_of_nothing(self) -> str:
        """One lineage for as long as this store finds nothing, so that what was read first is what is written."""
        if self._cursor is not None and self._cursor.snapshot is None:
            return self._cursor.lineage
        return self.begins or self.uuid()

    # ---------------------------------------------------------------- writing

    def append(self, records: Sequence[Record], *, after: int) -> int:
        """Make one batch durable: see `Store.append`.

        Once a sync has failed the journal is abandoned: what it holds can't be known, so only `write`, which makes new
        files, and `set_aside` go on from there.
        """
        if not records:
            return after
        lines = journal.encode_batch(records, serial=after + 1)
        with self._reporting("write"), self._writing():
            cursor = self._at(after)
            if self._abandoned:
                raise StateError(f"the disk has failed to keep {visible(self._journal)}; it is not written any more")
            self._extend(cursor, lines, draw=not any(isinstance(r, Begun) and not r.operation.job_id for r in records))
            self.marks.note(HighWaterMark(cursor.lineage, cursor.serial))
        return after + 1

    def write(self, state: State, *, after: int) -> None:
        """Make the whole state durable: see `Store.write`. The first change under a lock keeps a backup."""
        whole = snapshot.encode(state)
        refuse_large(len(whole), self._snapshot)
        with self._reporting("write"), self._writing():
            cursor = self._at(after)
            if cursor.snapshot is not None and state.lineage != cursor.lineage:
                raise StateError(f"the state {self.address} has another lineage than what would be written over it")
            if state.serial < after:
                raise StateError(f"serial {state.serial} would be written over serial {after} of {self.address}")
            before = read_file(self._snapshot)
            if before == whole and cursor.journal is None:
                return
            self._leave_journal()
            if before != whole:
                self._back_up(before)
                self._publish(whole, self._snapshot)
            self.files.remove(self._journal)
            self.files.sync_folder(self.folder)
            self._abandoned = False
            self._cursor = Cursor(state.lineage, state.serial, identify(self._snapshot))
            self.marks.note(HighWaterMark(state.lineage, state.serial))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the lock while writing; without one of our own, for just this write."""
        if self._lock.held:
            if self._lock.lost():
                raise StateConflict(
                    f"the lock of {self.address} was taken away from this run: its file has been replaced",
                    "Nothing of this run was written over the state. Run again once the other run has ended.",
                )
            yield
            return
        self.files.make_folder(self.folder)
        if not self._lock.acquire(None):
            raise StateConflict(
                f"the state {self.address} is locked by {describe(self._lock.holder() or UNREADABLE)}",
                "Run again once that has ended.",
            )
        try:
            self._rotated = False
            self._replay()
            yield
        finally:
            self.unlock()

    def _at(self, after: int) -> Cursor:
        """Return where the files stand, which must be at the serial `after` of the lineage that we know."""
        cursor = self._cursor
        if cursor is None or cursor.snapshot != identify(self._snapshot) or cursor.journal != identify(self._journal):
            self._leave_journal()
            _, found, _ = self._load()
            if cursor is not None and found.lineage != cursor.lineage:
                raise StateConflict(f"the state {self.address} has been replaced by another one", _RUN_AGAIN)
            self._cursor = cursor = found
        if cursor.serial != after:
            raise StateConflict(
                f"somebody else has changed the state {self.address}: it stands at serial {cursor.serial}, not {after}",
                _RUN_AGAIN,
            )
        return cursor

    def _extend(self, cursor: Cursor, lines: bytes, *, draw: bool) -> None:
        """Add a batch to the journal, durably. `draw`: on a full disk, the reserve may be used up for it."""
        if cursor.snapshot is None:
            self._publish(snapshot.encode(snapshot.fresh(cursor.lineage)), self._snapshot)
            cursor.snapshot = identify(self._snapshot)
        header = b"" if cursor.extendable else journal.encode_header(cursor.lineage, after=cursor.serial)
        refuse_large(cursor.intact + len(header) + len(lines), self._journal)
        try:
            descriptor = self._add(cursor, header + lines)
        except OSError as error:
            if error.errno not in _FULL or not draw or not self._reserve.is_there:
                raise
            self._reserve.use_up()
            descriptor = self._add(cursor, header + lines)
        self._make_durable(cursor, descriptor)
        cursor.serial += 1
        cursor.intact += len(header) + len(lines)
        cursor.extendable = True
        cursor.journal = identify(self._journal)

    def _add(self, cursor: Cursor, data: bytes) -> int:
        """Write at the journal's end and return its descriptor; after an error, nothing is written."""
        try:
            descriptor = self._open_journal(cursor) if self._descriptor is None else self._descriptor
            self.files.write(descriptor, data)
        except OSError:
            self._take_back(cursor)
            raise
        return descriptor

    def _open_journal(self, cursor: Cursor) -> int:
        if cursor.extendable:
            self._descriptor = self.files.extend(self._journal)
            if cursor.journal is not None and cursor.journal[2] > cursor.intact:  # remains of a broken batch
                self.files.truncate(self._descriptor, cursor.intact)
                self.files.sync(self._descriptor)  # what a crash leaves then is of one batch, not of two
        else:
            cursor.intact = 0
            self.files.remove(self._journal)
            self._descriptor = self.files.create(self._journal)
        return self._descriptor

    def _make_durable(self, cursor: Cursor, descriptor: int) -> None:
        try:
            self.files.sync(descriptor)
            if not cursor.extendable:
                self.files.sync_folder(self.folder)
        except OSError:
            self._abandoned = True
            self._take_back(cursor)
            raise

    def _take_back(self, cursor: Cursor) -> None:
        """Cut off what was written of a batch that isn't durable; failing that, remember that it is there."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                self.files.truncate(self._descriptor, cursor.intact)
        self._leave_journal()
        cursor.journal = identify(self._journal)

    def _leave_journal(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _publish(self, data: bytes, path: Path) -> None:
        self.files.replace(self.files.write_aside(data, path), path)
        self.files.sync_folder(path.parent)

    def _back_up(self, before: bytes | None) -> None:
        """Keep the old content as the newest backup, once per lock. A copy: a link would change with its original."""
        if before is None or self._rotated:
            return
        newest, *_ = backups = self._there.backups()
        aside = self.files.write_aside(before, newest)
        for older, newer in zip(reversed(backups), reversed(backups[:-1]), strict=False):
            if identify(newer) is not None:
                self.files.replace(newer, older)
        self.files.replace(aside, newest)
        self._rotated = True

    # ---------------------------------------------------------------- lock

    def lock(
        self,
        holder: Holder,
        *,
        timeout: float,
        sleep: Callable[[float], None],
        waiting: Callable[[Seen], None] = nobody_cares,
    ) -> None:
        """Take the lock, tidy up after a crash, and set 64 KiB of the disk aside: see `Store.lock`."""
        with self._reporting("lock"):
            self.files.make_folder(self.folder)
            other = wait_for_lock(
                lambda: self._try_lock(holder),
                is_free=lambda: self._lock.holder() is None,
                timeout=timeout,
                sleep=sleep,
                jitter=self.jitter,
                waiting=waiting,
            )
            if other is not None:
                raise self._held(other.holder)
            try:
                self._rotated = False
                self.marks.prepare()
                self._tidy_up()
                with contextlib.suppress(StateError):  # `read` tells of it; `restore` puts it right
                    self._replay()
                self._reserve.set_aside()
            except BaseException:
                self.unlock()
                raise

    def _tidy_up(self) -> None:
        for name in names_in(self.folder):
            if _LEFT_ASIDE.fullmatch(name):
                self.files.remove(self.folder / name)

    def _try_lock(self, holder: Holder) -> Seen | None:
        if self._lock.acquire(holder):
            return None
        return Seen(self._lock.holder() or UNREADABLE, alive=True)

    def _held(self, other: Holder) -> LockHeld:
        return LockHeld(
            f"the state {self.address} is locked by {describe(other)}",
            "Wait for it, or let --lock-timeout wait for you. The lock is free as soon as that process ends; what it "
            f"leaves is cleared by `declarative lock break {shlex.quote(visible(other.id, limit=64))}`.",
        )

    def unlock(self) -> None:
        """Give the lock back: see `Store.unlock`."""
        self._leave_journal()
        if self._lock.held:
            if not self._lock.lost():
                with contextlib.suppress(OSError):  # the next lock finds it and takes it over
                    self._reserve.use_up()
            self._lock.release()

    def lock_seen(self) -> Seen | None:
        """Return who holds the lock now; what an ended process left doesn't count."""
        with self._reporting("read the lock of"):
            holder = self._lock.holder()
            return Seen(holder, alive=True) if holder is not None else None

    def break_lock(self, lock_id: str, *, force: bool = False, sleep: Callable[[float], None] = time.sleep) -> Holder:
        """Clear what an ended process left in the lock file. Raises LockHeld while the lock is really held."""
        with self._reporting("free the lock of"):
            return self._lock.clear(lock_id)

    # ---------------------------------------------------------------- recovery

    def set_aside(self, records: Sequence[Record], *, after: int) -> str:
        """Keep records that could not be appended: see `Store.set_aside`. A later call replaces the earlier file."""
        if self._lock.held and not self._lock.lost():
            with contextlib.suppress(OSError):
                self._reserve.use_up()
        lineage = self._cursor.lineage if self._cursor is not None else self.uuid()
        kept = recovery_file.keep(
            self.folder, records, lineage=lineage, after=after, name=self.uuid(), files=self.files, earlier=self._aside
        )
        if isinstance(kept, Path):
            self._aside = kept
        return str(kept)

    def _replay(self) -> None:
        """Append what earlier runs could not; what doesn't fit stays, and `read` tells of it."""
        waiting = recovery_file.list_recoveries(self.folder)
        if not waiting:
            return
        seen = self.marks.seen()
        state, cursor, written = self._load()
        self._refuse_rollback(seen, cursor)  # nothing is added to a state that isn't trusted
        for kept in waiting:
            disposition = kept.disposition(state, written=written, never_been=cursor.snapshot is None)
            if disposition is Disposition.APPEND:
                state.lineage = cursor.lineage = kept.lineage
                self._extend(cursor, kept.lines, draw=True)
                fold_all(state, kept.records, serial=cursor.serial)
            if disposition is not Disposition.REFUSE:
                self.files.remove(kept.path)
        self._leave_journal()
        self._cursor = cursor

    # ---------------------------------------------------------------- restoring

    def points(self) -> list[Point]:
        """Return what can be restored: see `Store.points`."""
        with self._reporting("read"):
            return self._there.points()

    def restore(self, serial: int) -> Restored:
        """Go back to `serial`: see `Store.restore`. The files as they were are kept in a folder beside, for good."""
        with self._reporting("restore"):
            self._require_lock("restored")
            state = self._there.go_back(serial)
            if state is None:
                raise StateError(
                    f"nothing that is whole leads to serial {serial} of the state {self.address}",
                    f"`{self.restoring}` lists what can be restored.",
                )
            told = self._there.told_after(serial)
            return Restored(self._put_in_place(state), *told)

    def replace(self, state: State) -> str:
        """Put `state` in place of whatever is there: see `Store.replace`."""
        with self._reporting("replace"):
            self._require_lock("replaced")
            return self._put_in_place(state)

    def _put_in_place(self, state: State) -> str:
        whole = snapshot.encode(state)
        kept = self._keep_files()
        self._leave_journal()
        if identify(kept / self._snapshot.name) is None:
            move_away(self._snapshot, kept, self.files)
        self._publish(whole, self._snapshot)
        move_away(self._journal, kept, self.files)  # only now: without it, the old snapshot would be believed
        self.files.remove(self._moved)
        self._abandoned, self._rotated = False, True
        self._cursor = Cursor(state.lineage, state.serial, identify(self._snapshot))
        self.marks.reset(HighWaterMark(state.lineage, state.serial))
        with contextlib.suppress(StateError):  # `read` tells of it
            self._replay()
        return str(kept)

    def _require_lock(self, what: str) -> None:
        if not self._lock.held or self._lock.lost():
            raise StateConflict(f"the state {self.address} is {what} under its lock alone", _RUN_AGAIN)

    def move_to(self, address: str) -> None:
        """Leave the word that the state is elsewhere now, and the files as they were: see `Store.move_to`."""
        with self._reporting("move"):
            self._require_lock("moved")
            self._publish(f"{address}\n".encode(), self._moved)
            self.marks.forget()

    def moved_to(self) -> str:
        """Return the address that the state has moved to; "" while it is here."""
        with self._reporting("read"):
            return (read_file(self._moved) or b"").decode("utf-8", "replace").strip()

    def environments(self) -> list[str]:
        """Return the environments with a state in the folders beside this one."""
        with self._reporting("list the environments of"):
            folders = [self.folder.parent / name for name in names_in(self.folder.parent)]
            return [one.name for one in folders if one.is_dir() and identify(one / self._snapshot.name)]

    def _keep_files(self) -> Path:
        """Copy the snapshot and the journal into a new folder, and return that; what can't be read is not copied."""
        number = 1
        while identify(kept := self.folder / f"replaced-{number}") is not None:
            number += 1
        self.files.make_folder(kept)
        for path in (self._snapshot, self._journal):
            with contextlib.suppress(Unfit):
                content = read_file(path)
                if content is not None:
                    self._publish(content, kept / path.name)
        return kept

    @contextlib.contextmanager
    def _reporting(self, verb: str) -> Iterator[None]:
        """Turn errors of the disk into StateError."""
        try:
            yield
        except OSError as error:
            about = f" ({visible(error.filename)})" if error.filename else ""
            raise StateError(
                f"can't {verb} the state {self.address}: {visible(error.strerror or error)}{about}",
                "Free some space, and run again." if error.errno in _FULL else "Put that right, and run again.",
            ) from error


_RUN_AGAIN = "Nothing of this run was written over it. Run again to plan on what is there now."
