"""Reading a local state: `state.json` with the journal's later batches folded in; and what to do when that fails.

Who reads needs no lock: the snapshot is replaced before the journal goes, so a pair whose snapshot is the same before
and after was never torn apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from declarative.errors import StateError, visible
from declarative.model import Action, Address, Begun, Dropped, Put, Record, Resource
from declarative.state import journal, snapshot
from declarative.state.disk import Files, Identity, Unfit, identify, look, read_file
from declarative.state.snapshot import NewerFormat, State
from declarative.state.store import Point
from declarative.typed_json import Malformed

BACKUPS = 5
_LOOKS = 50


@dataclass(slots=True)
class Cursor:
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


def move_away(path: Path, folder: Path, files: Files) -> None:
    """Move a file, if it is there, into another folder, durably."""
    if identify(path) is not None:
        files.replace(path, folder / path.name)
        for changed in (folder, path.parent):
            files.sync_folder(changed)


class Folder:
    """The files of one state in the folder at `path`; `address` names it in messages.

    `restore` is the command that restores this state, to which a serial is added.
    """

    def __init__(self, path: Path, *, address: str, restore: str) -> None:
        self.snapshot = path / "state.json"
        self.journal = path / "journal.jsonl"
        self._address = address
        self._restore = restore

    def backups(self) -> list[Path]:
        """Return the names of the backups, newest first, whether they exist or not."""
        return [self.snapshot.with_name(f"{self.snapshot.name}.{number}") for number in range(1, BACKUPS + 1)]

    def load(self, new_lineage: Callable[[], str]) -> tuple[State, Cursor, bytes]:
        """Return the state, where the files stand, and the journal's bytes; a fresh state when there are no files.

        Raises OSError, or StateError for files that are damaged or don't belong together.
        """
        for _ in range(_LOOKS):
            cursor = Cursor("", 0)
            try:
                whole, cursor.snapshot = look(self.snapshot)
                lines, cursor.journal = look(self.journal)
                if identify(self.snapshot) != cursor.snapshot:
                    continue
                return self._join(whole, lines, cursor, new_lineage), cursor, lines or b""
            except NewerFormat:
                raise
            except StateError as error:
                if isinstance(error, Unfit) or (cursor.snapshot, cursor.journal) == self._identities():
                    raise StateError(error.summary, self._way_out()) from error
        raise StateError(f"the state {self._address} changes all the time", "Wait until the other run has ended.")

    def _join(self, whole: bytes | None, lines: bytes | None, cursor: Cursor, new_lineage: Callable[[], str]) -> State:
        if whole is None:
            state = snapshot.fresh(new_lineage())
            if lines is not None:
                raise self._unfitting(f"is there, but {self.snapshot.name}, to which it belongs, is not")
        else:
            state = snapshot.decode(whole, source=str(self.snapshot))
        if lines is not None:
            self._fold_journal(state, journal.decode(lines, source=str(self.journal)), cursor)
        cursor.lineage, cursor.serial = state.lineage, state.serial
        return state

    def _fold_journal(self, state: State, read: journal.Journal, cursor: Cursor) -> None:
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
        try:
            snapshot.require_sound(state)
        except Malformed as error:
            raise self._unfitting(f"does not go together with {self.snapshot.name}: {error.summary}") from error
        cursor.intact = read.intact
        cursor.extendable = read.intact > 0 and read.after + len(read.batches) == state.serial

    def _identities(self) -> tuple[Identity, Identity]:
        return identify(self.snapshot), identify(self.journal)

    def _unfitting(self, how: str) -> StateError:
        return StateError(f"{visible(self.journal)} {how}")

    # ---------------------------------------------------------------- what to do

    def refuse_orphaned_backups(self) -> None:
        """Raise StateError when backups are left of a state that isn't there."""
        if any(map(identify, self.backups())):
            raise StateError(f"{visible(self.snapshot)} is gone, but its backups are there", self._way_out())

    def _way_out(self) -> str:
        """Say how to go on from the furthest serial that is whole."""
        point = max(self.points(), key=lambda point: point.serial, default=None)
        if point is None:
            return "Nothing of it is whole, nor any backup. Restore the folder from a copy of your own."
        return (
            f"What is whole goes up to serial {point.serial}. Go on from there with `{self._restore} {point.serial}`, "
            "which keeps the files that it replaces. What was made after that may exist in the cloud: look for it, and "
            "import it, before you apply."
        )

    # ---------------------------------------------------------------- going back

    def points(self) -> list[Point]:
        """Return the serials that can be gone back to: of each file its own, after the one that the journal leads to.

        Raises OSError, or NewerFormat when a later version has written here.
        """
        found = []
        for name, states in self._histories():
            serials = [(state.serial, len(state.resources)) for state in states]
            (own, objects), (last, objects_at_last) = serials[0], serials[-1]
            if last > own:
                found.append(Point(last, f"{name} with {self.journal.name}", objects_at_last, since=own))
            found.append(Point(own, name, objects, since=own))
        return found

    def go_back(self, serial: int) -> State | None:
        """Return the state as of `serial`, from the first file that leads there; None: none does. Raises as above."""
        for _, states in self._histories():
            for state in states:
                if state.serial == serial:
                    return state
        return None

    def told_after(self, serial: int) -> tuple[tuple[Resource, ...], tuple[Address, ...]]:
        """Return what the journal's whole lines tell of later than `serial`: objects recorded, and creates begun."""
        try:
            data = read_file(self.journal) or b""
        except Unfit:
            return (), ()
        resources: dict[Address, Resource] = {}
        begun: dict[Address, None] = {}
        for record in journal.salvage(data, after=serial):
            if isinstance(record, Put):
                resources[record.resource.address] = record.resource
            elif isinstance(record, Dropped):
                resources.pop(record.address, None)
            elif isinstance(record, Begun) and record.operation.action is Action.CREATE:
                begun[record.operation.resource.address] = None
        return tuple(resources.values()), tuple(address for address in begun if address not in resources)

    def _histories(self) -> Iterator[tuple[str, Iterator[State]]]:
        """Yield each snapshot that is whole, newest first, with the states that it and the journal lead through."""
        read = self._whole_journal()
        for path in (self.snapshot, *self.backups()):
            try:
                state = snapshot.decode(read_file(path) or b"", source=str(path))
            except NewerFormat:
                if path == self.snapshot:
                    raise
            except (StateError, OSError):
                continue
            else:
                yield path.name, _walk(state, read)

    def _whole_journal(self) -> journal.Journal:
        try:
            return journal.decode(read_file(self.journal) or b"", source=str(self.journal))
        except journal.Broken as broken:
            return broken.whole
        except Unfit:
            return journal.Journal()


def _walk(state: State, read: journal.Journal) -> Iterator[State]:
    """Yield `state`, then the same object again after each batch that leads on from it."""
    yield state
    if read.lineage != state.lineage or read.after > state.serial:
        return
    for batch in read.batches:
        if batch.serial > state.serial:
            fold_all(state, batch.records, serial=batch.serial)
            try:
                snapshot.require_sound(state)
            except Malformed:
                return
            yield state
