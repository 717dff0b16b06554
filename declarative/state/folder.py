"""Reading a local state: `state.json` with the journal's later batches folded in; and what to do when that fails.

Who reads needs no lock: the snapshot is replaced before the journal goes, so a pair whose snapshot is the same before
and after was never torn apart.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from declarative.errors import StateError, visible
from declarative.model import Record
from declarative.state import journal, snapshot
from declarative.state.files import Identity, identify, look, read_file
from declarative.state.snapshot import NewerFormat, State

BACKUPS = 5
_LOOKS = 50


@dataclass(slots=True)
class Stand:
    """Where the files stood when a store last read or wrote them: a cheap proof that nobody else did since."""

    lineage: str
    serial: int
    snapshot: Identity = None
    journal: Identity = None
    intact: int = 0  # bytes of the journal that count
    extendable: bool = False  # the journal's next batch is the state's next


def fold_all(state: State, records: Sequence[Record], *, serial: int) -> None:
    """Fold a batch that makes the serial `serial`."""
    for record in records:
        snapshot.fold(state, record)
    state.serial = serial


class Folder:
    """The files of one state in the folder at `path`; `address` names it in messages."""

    def __init__(self, path: Path, *, address: str) -> None:
        self.snapshot = path / "state.json"
        self.journal = path / "journal.jsonl"
        self._address = address

    def backups(self) -> list[Path]:
        """Return the names of the backups, newest first, whether they exist or not."""
        return [self.snapshot.with_name(f"{self.snapshot.name}.{number}") for number in range(1, BACKUPS + 1)]

    def load(self, new_lineage: Callable[[], str]) -> tuple[State, Stand, bytes]:
        """Return the state, where the files stand, and the journal's bytes; a fresh state when there are no files.

        Raises OSError, or StateError for files that are damaged or don't belong together.
        """
        for _ in range(_LOOKS):
            whole, identity = look(self.snapshot)
            lines, journal_identity = look(self.journal)
            if identify(self.snapshot) == identity:
                state = snapshot.fresh(new_lineage()) if whole is None else self._decode_snapshot(whole)
                stand = Stand(state.lineage, state.serial, identity, journal_identity)
                if lines is not None:
                    self._fold_journal(state, lines, stand)
                return state, stand, lines or b""
        raise StateError(f"the state {self._address} changes all the time", "Wait until the other run has ended.")

    def _fold_journal(self, state: State, lines: bytes, stand: Stand) -> None:
        read = self._decode_journal(lines, state)
        if stand.snapshot is None:
            raise self._unfitting(f"is there, but {self.snapshot.name}, to which it belongs, is not")
        if read.intact and read.lineage != state.lineage:
            raise self._unfitting(f"belongs to another state than {self.snapshot.name} beside it")
        if (read.intact and read.after > state.serial) or read.torn > state.serial + 1:
            follows = read.after if read.intact else read.torn - 1
            raise self._unfitting(
                f"follows serial {follows}, but {self.snapshot.name} beside it stands at {state.serial}"
            )
        for batch in read.batches:
            if batch.serial > state.serial:
                fold_all(state, batch.records, serial=batch.serial)
        stand.serial = state.serial
        stand.intact = read.intact
        stand.extendable = read.intact > 0 and read.after + len(read.batches) == state.serial

    # ---------------------------------------------------------------- what to do

    def refuse_orphaned_backups(self) -> None:
        """Raise StateError when backups are left of a state that isn't there."""
        if any(map(identify, self.backups())):
            raise StateError(f"{visible(self.snapshot)} is gone, but its backups are there", self._restoring())

    def _decode_snapshot(self, whole: bytes) -> State:
        try:
            return snapshot.decode(whole, source=str(self.snapshot))
        except NewerFormat:
            raise
        except StateError as error:
            raise StateError(error.summary, self._restoring()) from error

    def _decode_journal(self, lines: bytes, state: State) -> journal.Journal:
        try:
            return journal.decode(lines, source=str(self.journal))
        except journal.Broken as error:
            serial = max(error.serial, state.serial)
            path = _quoted(self.journal)
            raise StateError(
                error.summary,
                f"Its first {error.offset} bytes are whole and end at serial {serial}. To keep the file and go on from "
                f"there: `cp -p {path} {path}.damaged && truncate -s {error.offset} {path}`, then run with "
                f"--accept-rollback {serial}; objects made later must be imported.",
            ) from error

    def _unfitting(self, how: str) -> StateError:
        return StateError(f"{visible(self.journal)} {how}", self._restoring())

    def _restoring(self) -> str:
        """Say how to restore the newest backup that is whole."""
        for path in self.backups():
            with contextlib.suppress(StateError, OSError):
                serial = snapshot.decode(read_file(path) or b"", source=path.name).serial
                aside = f"mv {_quoted(self.journal)} {_quoted(self.journal)}.old; " if identify(self.journal) else ""
                return (
                    f"The newest whole backup has serial {serial}: `{aside}cp -p {_quoted(path)} "
                    f"{_quoted(self.snapshot)}`, then run with --accept-rollback {serial}. Objects made later must be "
                    "imported."
                )
        return "No backup of it is whole. Restore the folder from a copy of your own."


def _quoted(path: Path) -> str:
    return shlex.quote(visible(path))
