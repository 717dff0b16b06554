"""What a store is: where the state of one stack in one environment lives, and the nouns around it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from declarative.errors import Diagnostic, StateError, visible
from declarative.model import Address, Record, Resource
from declarative.state.snapshot import State


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, on which host and process, for which operation, since when (RFC 3339)."""

    id: str
    who: str
    host: str
    pid: int
    operation: str
    since: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A lock, as a look shows it. `alive`: False when its holder is known to be gone, None when nobody can know.

    `age`: words for how fresh that knowledge is, such as `renewed 4 s ago`; "" for none.
    """

    holder: Holder
    alive: bool | None
    age: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """A serial that a state can be restored to, from `source`; `since`: every serial from that one on can be, too."""

    serial: int
    source: str
    objects: int
    since: int


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has left: where the files that it replaced are kept, and what their cut part still tells of.

    `resources` were recorded after the serial, as they were recorded last; `begun` are creates without a known end.
    """

    kept: str
    resources: tuple[Resource, ...] = ()
    begun: tuple[Address, ...] = ()


def nobody_cares(_: Seen) -> None:
    """Nobody wants to know who holds the lock."""


class Store(Protocol):
    """Where the state of one stack in one environment lives.

    Every method raises StateError when the store can't be reached, read or trusted.
    """

    @property
    def address(self) -> str:
        """The store's address, for messages."""

    @property
    def results_wait(self) -> float:
        """Seconds that results may wait to be written together, where each write costs a whole state; else 0."""

    def read(self) -> State:
        """Return the state; a fresh one (serial 0, a new lineage) when none has ever been. Takes no lock."""

    def append(self, records: Sequence[Record], *, after: int) -> int:
        """Make one batch durable, and return its serial, `after` + 1; no records: write nothing, return `after`.

        Raises StateConflict when the state doesn't stand at `after`, or somebody else holds the lock. After any error
        nothing is written. When space ran out, a batch without intents (`Begun` without a job) may still be taken.
        """

    def write(self, state: State, *, after: int) -> None:
        """Make the whole of `state` durable in place of what is there, which stands at `after`.

        `state.serial` is what it becomes; equal to `after` it only folds the journal in. The last content is kept as
        a backup. Raises StateConflict like `append`.
        """

    def lock(
        self,
        holder: Holder,
        *,
        timeout: float,
        sleep: Callable[[float], None],
        waiting: Callable[[Seen], None] = nobody_cares,
    ) -> None:
        """Take the lock, trying again for `timeout` seconds (the pauses count). Raises LockHeld.

        `waiting` is told who has it meanwhile.
        """

    def unlock(self) -> None:
        """Give the lock back; without it, do nothing."""

    def lock_seen(self) -> Seen | None:
        """Return who holds the lock now."""

    def break_lock(self, lock_id: str, *, force: bool = False, sleep: Callable[[float], None] = time.sleep) -> Holder:
        """Free the lock with this id, which its holder left behind, and return that holder.

        Raises LockHeld while the holder lives, or where nobody can know and `force` is not set; StateError for any
        other id, and where nothing is left. `sleep`: how to wait while watching whether the holder lives.
        """

    def set_aside(self, records: Sequence[Record], *, after: int) -> str:
        """Keep records, not appended, where the next `lock` finds and appends them.

        `records` are all since serial `after`. Returns the name of the file that holds them, readable by its owner
        alone; or, when no file can be written, `base64:` and the file's content. A state that has moved on from
        `after` meanwhile is not touched: `read` then tells what to do.
        """

    def points(self) -> Sequence[Point]:
        """Return what the state can be restored to, also when it can't be read any more. Takes no lock."""

    def restore(self, serial: int) -> Restored:
        """Go back to `serial`, under the lock, and remember it as the last one seen; what is replaced is kept.

        Raises StateError when nothing that is whole leads to that serial, StateConflict without the lock.
        """

    def replace(self, state: State) -> str:
        """Under the lock, put `state` in place of whatever is there, and remember it as the last one seen.

        What is replaced is kept; returns where. Raises StateConflict without the lock.
        """

    def move_to(self, address: str) -> None:
        """Under the lock, leave only the word that the state is at `address` now; whoever opens this is told so."""

    def moved_to(self) -> str:
        """Return the address that the state has moved to; "" while it is here."""

    def environments(self) -> Sequence[str] | None:
        """Return the environments that have a state beside this one's; None where the place can't list them."""


def moved(address: str, moved_to: str) -> StateError:
    """The refusal of a state that is elsewhere now."""
    return StateError(
        f"the state {address} has moved to {visible(moved_to)}", "Use that address: --state, or DECLARATIVE_STATE."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What every store is opened with: see `open_store`. `rest` is the address behind its scheme."""

    address: str
    pattern: str
    rest: str
    stack: str
    folder: Path
    environ: Mapping[str, str]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    environment: str
    marks: Path | None
    uuid: Callable[[], str]
    accept_rollback: int | None
    restore: str
    warn: Callable[[Diagnostic], None]
    begins: str


def unheard(_: Diagnostic) -> None:
    """Nobody wants to know."""
