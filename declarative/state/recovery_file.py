"""Recovery files: a batch that could not be appended, kept beside the state until it can.

A file is a journal of one batch, whose header says which serial of which lineage it follows. It is appended when the
state still stands there, dropped when the journal holds the very same bytes, and else left for a person to judge. It
gets its name when it is whole: somebody else may hold the lock, and look, while it is written.
"""

from __future__ import annotations

import base64
import contextlib
import enum
import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from declarative.errors import StateError, visible
from declarative.model import Begun, Put, Record
from declarative.state import journal, snapshot
from declarative.state.disk import Files, names_in, read_file
from declarative.state.snapshot import NewerFormat, State

_PATTERN = "recovery-*.jsonl"
_LOOK_AT_IT = "Then bring in each object it names that the state lacks: `declarative import ADDRESS ID`."


class Disposition(enum.Enum):
    """What becomes of a recovery file."""

    APPEND = "append"
    DROP = "drop"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Recovery:
    """A recovery file as read. `lines` are its batch as it would stand in the journal."""

    path: Path
    lineage: str
    after: int
    records: tuple[Record, ...]
    lines: bytes

    def disposition(self, state: State, *, written: bytes, never_been: bool) -> Disposition:
        """Decide by the state that is there and by its journal's bytes; `never_been`: there is no state at all."""
        if state.lineage == self.lineage and self.lines in written:
            return Disposition.DROP
        same = state.lineage == self.lineage or never_been
        return Disposition.APPEND if same and state.serial == self.after else Disposition.REFUSE

    def refusal(self, state: State) -> StateError:
        """The error that tells a person what to do with this file."""
        objects = ", ".join(
            f"{record.resource.address} = {visible(record.resource.id, limit=64)}"
            for record in self.records
            if isinstance(record, Put)
        )
        open_ones = ", ".join(str(r.operation.resource.address) for r in self.records if isinstance(r, Begun))
        return StateError(
            f"{visible(self.path)} holds what a run could not record: {objects or 'no object'}"
            + (f"; begun: {open_ones}" if open_ones else "")
            + f". It follows serial {self.after}, but the state stands at {state.serial}",
            f"Move the file out of the folder. {_LOOK_AT_IT}",
        )


def list_recoveries(folder: Path) -> list[Recovery]:
    """Return the recovery files in `folder`, in the order of the serials they follow. Raises OSError, or StateError."""
    found = [_read(folder / name) for name in names_in(folder) if fnmatch.fnmatchcase(name, _PATTERN)]
    return sorted(found, key=lambda recovery: recovery.after)


def _read(path: Path) -> Recovery:
    try:
        return read_recovery(read_file(path) or b"", source=str(path))
    except NewerFormat:
        raise
    except StateError as error:
        raise StateError(error.summary, f"Move that file out of the folder. {_LOOK_AT_IT}") from error


def read_recovery(data: bytes, *, source: str) -> Recovery:
    """Read the content of a recovery file. Raises StateError."""
    read = journal.decode(data, source=source)
    if len(read.batches) != 1:
        raise StateError(f"{visible(source)} holds {len(read.batches)} whole batches, where there should be one")
    lines = data[data.find(b"\n") + 1 : read.intact]
    return Recovery(Path(source), read.lineage, read.after, read.batches[0].records, lines)


def says_nothing_new(state: State, records: Sequence[Record]) -> bool:
    """True when the state holds all that these records say: folding them in changes nothing."""
    copy = snapshot.copied(state)
    for record in records:
        snapshot.fold(copy, record)
    return snapshot.encode(copy) == snapshot.encode(state)


def keep(
    folder: Path,
    records: Sequence[Record],
    *,
    lineage: str,
    after: int,
    name: str,
    files: Files,
    earlier: Path | None = None,
) -> Path | str:
    """Write a recovery file and return its path; return its content as `base64:…` when it can't be written.

    `earlier`: one that this takes the place of.
    """
    data = _content(records, lineage=lineage, after=after)
    path = folder / f"recovery-{name}.jsonl"
    try:
        files.make_folder(folder)
        files.replace(files.write_aside(data, path), path)
        files.sync_folder(folder)
    except OSError:
        return as_text(records, lineage=lineage, after=after)
    if earlier is not None:
        with contextlib.suppress(OSError):
            files.remove(earlier)
    return path


def as_text(records: Sequence[Record], *, lineage: str, after: int) -> str:
    """Return a recovery file's content as `base64:…`, for where no file can be written."""
    content = base64.b64encode(_content(records, lineage=lineage, after=after))
    return f"base64:{content.decode('ascii')}"


def _content(records: Sequence[Record], *, lineage: str, after: int) -> bytes:
    return journal.encode_header(lineage, after=after) + journal.encode_batch(records, serial=after + 1)
