"""A store that many machines reach: an engine, and around it what is the same whatever keeps the state.

That is: this machine's marks, the refusal of a state that was lost or rolled back, recovery files, the wait for the
lock, and going back. A write without the lock takes it for just that write.
"""

from __future__ import annotations

import contextlib
import random
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from declarative.errors import LockHeld, StateConflict, StateError, visible
from declarative.model import Action, Address, Record, Resource
from declarative.state import recovery_file, snapshot
from declarative.state.disk import Files
from declarative.state.engine import Engine
from declarative.state.folder import fold_all
from declarative.state.high_water import HighWaterMark, HighWaterMarks, refuse_rollback
from declarative.state.holders import describe
from declarative.state.recovery_file import Recovery, says_nothing_new
from declarative.state.snapshot import State
from declarative.state.store import Holder, Point, Restored, Seen, moved, nobody_cares
from declarative.state.waiting import wait_for_lock

_WRITER = Holder("", "declarative", "an unknown host", 0, "a single write", "an unknown time")


@dataclass(kw_only=True)
class SharedStore:
    """A `Store` on an engine. `recovery`: the folder for what could not be appended, None for none.

    `jitter` draws a pause from 0 to its argument, in seconds.
    """

    engine: Engine
    marks: HighWaterMarks
    recovery: Path | None
    uuid: Callable[[], str]
    accept_rollback: int | None = None
    results_wait: float = 0.0
    restoring: str = "declarative state restore"
    begins: str = ""
    files: Files = field(default_factory=Files)
    jitter: Callable[[float], float] = field(default=lambda ceiling: random.uniform(0.0, ceiling))

    def __post_init__(self) -> None:
        self._lineage = ""  # of the state that was read last, or of the one that is to be
        self._there = False  # there was one
        self._locked = False
        self._aside: Path | None = None

    @property
    def address(self) -> str:
        """The store's address, for messages."""
        return self.engine.address

    # ---------------------------------------------------------------- reading

    @contextlib.contextmanager
    def _looking(self) -> Iterator[Engine]:
        """The engine for a look; without the lock, its connections end with it."""
        try:
            yield self.engine
        finally:
            if not self._locked:
                self.engine.close()

    def read(self) -> State:
        """Return the state: see `Store.read`. A batch in a recovery file counts already."""
        with self._looking():
            state = self._load()
        for kept in self._recoveries():
            self._take_over(state, kept)
        return state

    def _load(self) -> State:
        seen = self.marks.seen()  # before the state: a writer marks a serial after it is written
        kept = self.engine.read()
        if kept.moved_to:
            raise moved(self.address, kept.moved_to)
        found = HighWaterMark(kept.state.lineage, kept.state.serial) if kept.state is not None else None
        self._refuse_rollback(seen, found, kept.highest)
        self.marks.take(found, accepted=self.accept_rollback is not None)  # accepted once
        self.accept_rollback = None
        if kept.state is None:
            self._lineage = self._lineage if self._lineage and not self._there else self.begins or self.uuid()
            self._there = False
            return snapshot.fresh(self._lineage)
        self._lineage, self._there = kept.state.lineage, True
        return kept.state

    def _refuse_rollback(
        self, seen: HighWaterMark | None, found: HighWaterMark | None, highest: tuple[str, int] | None
    ) -> None:
        """Raise StateError for a state that isn't the one that this machine, or the place itself, has seen."""
        refuse_rollback(seen, found, address=self.address, accept=self.accept_rollback)
        if self.accept_rollback is None and highest is not None:
            refuse_rollback(HighWaterMark(*highest), found, address=self.address, accept=None, who="the place itself")

    # ---------------------------------------------------------------- writing

    def append(self, records: Sequence[Record], *, after: int) -> int:
        """Make one batch durable: see `Store.append`."""
        if not records:
            return after
        with self._writing():
            self.engine.append(records, lineage=self._lineage_to_write(), after=after)
        self._there = True
        self.marks.note(HighWaterMark(self._lineage, after + 1))
        return after + 1

    def write(self, state: State, *, after: int) -> None:
        """Make the whole state durable: see `Store.write`."""
        snapshot.require_fit(state)
        if self._there and state.lineage != self._lineage:
            raise StateError(f"the state {self.address} is of another lineage than what is to be written")
        if state.serial < after:
            raise StateError(f"serial {state.serial} can't follow {after}")
        with self._writing():
            self.engine.write(state, after=after)
        self._lineage, self._there = state.lineage, True
        self.marks.note(HighWaterMark(state.lineage, state.serial))

    def _lineage_to_write(self) -> str:
        if not self._lineage:
            self._load()
        return self._lineage

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the lock while writing; without one of our own, for just this write."""
        if self._locked:
            yield
            return
        other = self.engine.try_lock(replace(_WRITER, id=self.uuid()))
        if other is not None:
            self.engine.close()
            raise StateConflict(
                f"the state {self.address} is locked by {describe(other.holder)}", "Run again once that has ended."
            )
        try:
            self._locked = True
            self._replay()
            yield
        finally:
            self.unlock()

    # ---------------------------------------------------------------- lock

    def lock(
        self,
        holder: Holder,
        *,
        timeout: float,
        sleep: Callable[[float], None],
        waiting: Callable[[Seen], None] = nobody_cares,
    ) -> None:
        """Take the lock, and append what earlier runs could not: see `Store.lock`."""
        other = wait_for_lock(
            lambda: self.engine.try_lock(holder),
            is_free=lambda: False,
            timeout=timeout,
            sleep=sleep,
            jitter=self.jitter,
            waiting=waiting,
        )
        if other is not None:
            self.engine.close()
            raise self._held(other)
        self._locked = True
        try:
            self.marks.prepare()
            with contextlib.suppress(StateError):  # `read` tells of it; `restore` puts it right
                self._replay()
        except BaseException:
            self.unlock()
            raise

    def _held(self, other: Seen) -> LockHeld:
        age = f", {other.age}" if other.age else ""
        break_it = f"declarative lock break {shlex.quote(visible(other.holder.id, limit=64))}"
        return LockHeld(
            f"the state {self.address} is locked by {describe(other.holder)}{age}",
            f"Wait for it, or let --lock-timeout wait for you. If that run has died, free the lock: `{break_it}`.",
        )

    def unlock(self) -> None:
        """Give the lock back: see `Store.unlock`."""
        if self._locked:
            self._locked = False
            try:
                self.engine.unlock()
            finally:
                self.engine.close()

    def lock_seen(self) -> Seen | None:
        """Return who holds the lock now."""
        with self._looking() as engine:
            return engine.lock_seen()

    def break_lock(self, lock_id: str, *, force: bool = False, sleep: Callable[[float], None] = time.sleep) -> Holder:
        """Take the lock from a holder that is gone: see `Store.break_lock`."""
        with self._looking() as engine:
            return engine.break_lock(lock_id, force=force, sleep=sleep)

    # ---------------------------------------------------------------- recovery

    def set_aside(self, records: Sequence[Record], *, after: int) -> str:
        """Keep records that could not be appended: see `Store.set_aside`. A later call replaces the earlier file."""
        lineage = self._lineage or self.begins or self.uuid()
        folder = self.recovery
        if folder is None:
            return recovery_file.as_text(records, lineage=lineage, after=after)
        kept = recovery_file.keep(
            folder, records, lineage=lineage, after=after, name=self.uuid(), files=self.files, earlier=self._aside
        )
        if isinstance(kept, Path):
            self._aside = kept
        return str(kept)

    def _recoveries(self) -> list[Recovery]:
        try:
            return recovery_file.list_recoveries(self.recovery) if self.recovery is not None else []
        except OSError as error:
            raise StateError(
                f"can't read {visible(self.recovery)}: {visible(error.strerror or error)}",
                "Put that right, and run again.",
            ) from error

    def _take_over(self, state: State, kept: Recovery) -> bool:
        """Fold a recovery file into the state; False: it says nothing new. Raises StateError for one that can't be."""
        if state.lineage == kept.lineage and kept.after < state.serial and says_nothing_new(state, kept.records):
            return False
        if not (state.lineage == kept.lineage or not self._there) or state.serial != kept.after:
            raise kept.refusal(state)
        state.lineage = self._lineage = kept.lineage
        fold_all(state, kept.records, serial=kept.after + 1)
        return True

    def _replay(self) -> None:
        """Append what earlier runs on this machine could not; what doesn't fit stays, and `read` tells of it."""
        waiting = self._recoveries()
        if not waiting:
            return
        state = self._load()
        for kept in waiting:
            try:
                is_new = self._take_over(state, kept)
            except StateError:
                continue
            if is_new:
                self.engine.append(kept.records, lineage=kept.lineage, after=kept.after)
                self._there = True
                self.marks.note(HighWaterMark(kept.lineage, kept.after + 1))
            with contextlib.suppress(OSError):  # it says nothing new then, which the next run sees
                self.files.remove(kept.path)

    # ---------------------------------------------------------------- going back

    def points(self) -> Sequence[Point]:
        """Return what can be restored: see `Store.points`."""
        with self._looking() as engine:
            return engine.points()

    def restore(self, serial: int) -> Restored:
        """Go back to `serial`: see `Store.restore`."""
        self._require_lock("restored")
        state = self.engine.go_back(serial)
        if state is None:
            raise StateError(
                f"nothing that is whole leads to serial {serial} of the state {self.address}",
                f"`{self.restoring}` lists what can be restored.",
            )
        told = self._told_after(state)
        return Restored(self.replace(state), *told)

    def replace(self, state: State) -> str:
        """Put `state` in place of whatever is there: see `Store.replace`."""
        self._require_lock("replaced")
        snapshot.require_fit(state)
        kept = self.engine.replace(state)
        self._lineage, self._there, self.accept_rollback = state.lineage, True, None
        self.marks.reset(HighWaterMark(state.lineage, state.serial))
        return kept

    def _told_after(self, earlier: State) -> tuple[tuple[Resource, ...], tuple[Address, ...]]:
        """What is recorded now and wasn't then: objects, and creates without an end; nothing of what is damaged."""
        try:
            now = self.engine.read().state
        except StateError:
            return (), ()
        if now is None:
            return (), ()
        known = {resource.id for resource in earlier.resources.values()}
        resources = tuple(resource for resource in now.resources.values() if resource.id not in known)
        begun = tuple(
            operation.resource.address
            for operation in now.operations.values()
            if operation.action is Action.CREATE and operation.id not in earlier.operations
        )
        return resources, begun

    def move_to(self, address: str) -> None:
        """Leave the word that the state is elsewhere now: see `Store.move_to`."""
        self._require_lock("moved")
        self.engine.move_to(address)
        self.marks.forget()

    def moved_to(self) -> str:
        """Return the address that the state has moved to; "" while it is here."""
        with self._looking() as engine:
            return engine.read().moved_to

    def environments(self) -> Sequence[str] | None:
        """Return the environments that have a state beside this one's; None where the place can't list them."""
        with self._looking() as engine:
            return engine.environments()

    def _require_lock(self, what: str) -> None:
        if not self._locked:
            raise StateConflict(f"the state {self.address} is {what} under its lock alone", "Run again.")
