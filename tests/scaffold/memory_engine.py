"""An engine in memory: several handles on one place, which can be away, lose answers, or lose the state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from declarative.errors import LockHeld, StateConflict, StateError
from declarative.model import Record
from declarative.state import Holder, Point, Seen, State, snapshot
from declarative.state.engine import Kept
from declarative.state.folder import fold_all


@dataclass
class MemoryPlace:
    """What all handles share. `texts`: the state's text at each serial it has had, the last one is now."""

    texts: list[bytes] = field(default_factory=list)
    holder: Holder | None = None
    highest: tuple[str, int] | None = None
    moved_to: str = ""
    away: bool = False
    loses_answers: int = 0  # so many writes are done and then fail
    alive: bool | None = True
    kept: list[bytes] = field(default_factory=list)
    environments: list[str] = field(default_factory=list)


class MemoryEngine:
    """One handle on a place."""

    def __init__(self, place: MemoryPlace) -> None:
        self.address = "memory:place"
        self._place = place
        self._mine: Holder | None = None

    def read(self) -> Kept:
        self._reach()
        state = self._now()
        return Kept(None if self._place.moved_to else state, self._place.highest, self._place.moved_to)

    def _now(self) -> State | None:
        return snapshot.decode(self._place.texts[-1], source=self.address) if self._place.texts else None

    def _reach(self) -> None:
        if self._place.away:
            raise StateError("the place is away", "Wait until it is back.")

    def _at(self, lineage: str | None, after: int) -> State:
        self._reach()
        if self._mine is None or self._place.holder != self._mine:
            raise StateConflict("the lock was lost", "Run again.")
        now = self._now()
        stands = now is not None and now.serial == after and lineage in (None, now.lineage)
        if not (stands or (now is None and after == 0)):
            raise StateConflict("the state stands elsewhere", "Run again.")
        return now or snapshot.fresh(lineage or "none")

    def append(self, records: Sequence[Record], *, lineage: str, after: int) -> None:
        state = self._at(lineage, after)
        fold_all(state, records, serial=after + 1)
        self._put(state)

    def write(self, state: State, *, after: int) -> None:
        self._at(None, after)
        self._put(state)

    def _put(self, state: State) -> None:
        self._place.texts.append(snapshot.encode(state))
        self._place.highest = state.lineage, state.serial
        if self._place.loses_answers:
            self._place.loses_answers -= 1
            raise StateError("the answer was lost", "Look.")

    def try_lock(self, holder: Holder) -> Seen | None:
        self._reach()
        if self._place.holder is not None:
            return Seen(self._place.holder, self._place.alive, "seen just now")
        self._place.holder = self._mine = holder
        return None

    def unlock(self) -> None:
        if self._mine is not None and self._place.holder == self._mine:
            self._place.holder = None
        self._mine = None

    def lock_seen(self) -> Seen | None:
        self._reach()
        return Seen(self._place.holder, self._place.alive, "seen just now") if self._place.holder else None

    def break_lock(self, lock_id: str, *, force: bool, sleep: Callable[[float], None]) -> Holder:
        holder = self._place.holder
        if holder is None or holder.id != lock_id:
            raise StateError(f"there is no lock {lock_id}", "")
        if self._place.alive or (self._place.alive is None and not force):
            raise LockHeld("its holder lives", "")
        self._place.holder = None
        return holder

    def _history(self) -> dict[int, State]:
        states = [snapshot.decode(text, source=self.address) for text in self._place.texts]
        return {state.serial: state for state in states}

    def points(self) -> Sequence[Point]:
        return [
            Point(state.serial, "memory", len(state.resources), state.serial)
            for state in sorted(self._history().values(), key=lambda state: -state.serial)
        ]

    def go_back(self, serial: int) -> State | None:
        return self._history().get(serial)

    def replace(self, state: State) -> str:
        if self._place.holder != self._mine or self._mine is None:
            raise StateConflict("the lock was lost", "Run again.")
        self._place.kept += self._place.texts[-1:]
        self._place.texts = [snapshot.encode(state)]
        self._place.highest, self._place.moved_to = (state.lineage, state.serial), ""
        return "kept 1"

    def move_to(self, address: str) -> None:
        self._place.moved_to = address

    def environments(self) -> Sequence[str] | None:
        return list(self._place.environments)

    def close(self) -> None:
        self.unlock()
