"""What a shared store is made of: an engine keeps one state where many machines reach it. One for each scheme.

`SharedStore` is a `Store` on an engine: marks of this machine, rollbacks, recovery files and the wait for the lock are
its own, once for all. An engine knows bytes, rows or objects, compares before it swaps, and holds the lock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from declarative.model import Record
from declarative.state.snapshot import State
from declarative.state.store import Holder, Point, Seen


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept at a store's place: the state, or None where there is none.

    `highest`: the lineage and the highest serial that the store itself remembers, apart from the state, so that a
    machine that has never been here notices a state that is lost or older; None where it can't remember, or has never
    seen one. `moved_to`: the address that the state has moved to for good, "" while it is here.
    """

    state: State | None
    highest: tuple[str, int] | None = None
    moved_to: str = ""


class Engine(Protocol):
    """One state in one place. All calls block, and come one at a time, from whatever thread.

    Each raises StateError when the place can't be reached, or what it holds can't be read or trusted: damaged, changed
    by hand, of a newer format (NewerFormat). Messages name `address`, and never a credential.
    """

    @property
    def address(self) -> str:
        """The address for messages."""

    def read(self) -> Kept:
        """Return what is kept, whole and checked. Takes no lock, needs no right but to read, and makes nothing."""

    def append(self, records: Sequence[Record], *, lineage: str, after: int) -> None:
        """Make one batch durable, as serial `after` + 1 of this lineage; where nothing is, `after` is 0.

        Raises StateConflict when the state doesn't stand there, and when the lock isn't held or was lost; nothing is
        written then. An answer that is lost is followed by a look: it is written, or it is not, or StateError.
        """

    def write(self, state: State, *, after: int) -> None:
        """Put the whole of `state` in place of what stands at `after` (0: or of nothing). As `append` otherwise.

        `state.serial` is what it becomes; equal to `after` it only tidies up, and what was merely observed since may be
        saved or left out. The first write under a lock that changes the serial keeps what it replaces among the points.
        """

    def try_lock(self, holder: Holder) -> Seen | None:
        """Take the lock, once and without waiting; None: it is held now. Else who has it.

        Whoever takes it makes what the place needs (a schema, a probe of what the place can do).
        """

    def unlock(self) -> None:
        """Give the lock back, if it is still held by this engine; never anybody else's."""

    def lock_seen(self) -> Seen | None:
        """Return who holds the lock now; None: nobody. Needs no right but to read."""

    def break_lock(self, lock_id: str, *, force: bool, sleep: Callable[[float], None]) -> Holder:
        """Take the lock with exactly this id from its holder, and leave it free; whatever that one writes later fails.

        Raises LockHeld while the holder is alive, or where nobody can know and `force` is not set; StateError for any
        other id, and when nothing is locked. `sleep`: how to wait while watching whether the holder lives.
        """

    def points(self) -> Sequence[Point]:
        """Return what the state can be restored to, newest first; also when it can't be read any more."""

    def go_back(self, serial: int) -> State | None:
        """Return the state as of `serial`; None: nothing whole leads to it."""

    def replace(self, state: State) -> str:
        """Under the lock, put `state` in place of whatever is there, damaged or not; only `restore` and `push` do.

        What is replaced is kept. Returns what a person finds it by.
        """

    def move_to(self, address: str) -> None:
        """Under the lock, leave only the word that the state is at `address` now; `read` then tells so."""

    def environments(self) -> Sequence[str] | None:
        """Return the environments that have a state beside this one's; None where the place can't list them."""

    def close(self) -> None:
        """Let go of connections, and of the lock if it is held. The next call opens what it needs anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """What an engine is opened with. `address`: as given, without `{stack}` and `{environment}`, which are filled in.

    `pattern`: as given, before that. `environ`: where credentials come from. `uuid` draws nonces. `monotonic` and
    `sleep`: this machine's clock, in seconds.
    """

    address: str
    pattern: str
    stack: str
    environment: str
    environ: Mapping[str, str]
    uuid: Callable[[], str]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
