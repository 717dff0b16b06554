"""What this machine has seen of each state: its lineage and highest serial, in one small file per state.

A state that is gone, older than seen, or another's is then noticed before anything is built on it. The files are a
help, not a store: where they can't be written or read, everything goes on without, after a warning.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from declarative.errors import Diagnostic, Severity, StateError, visible
from declarative.state.disk import PRIVATE_FILE, PRIVATE_FOLDER, read_start
from declarative.state.store import unheard
from declarative.typed_json import text, whole

_LONGEST = 4096
_FIX = "Set XDG_STATE_HOME to a folder that this user can write to, by its whole path."


@dataclass(frozen=True, slots=True)
class HighWaterMark:
    """How far along a history is."""

    lineage: str
    serial: int


def file_name(address: str, environment: str) -> str:
    """What this machine's files about a state are called."""
    return hashlib.sha256(f"{address}\n{environment}".encode("utf-8", "surrogateescape")).hexdigest()[:32]


class HighWaterMarks:
    """The mark of one state. `folder` None: there is none. `warn` is told once when a mark can't be kept or read.

    The file holds `{address, environment, lineage, serial}` and is rewritten in place, so that noting a serial costs a
    few microseconds; it need not survive a power cut.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        address: str,
        environment: str,
        warn: Callable[[Diagnostic], None] = unheard,
    ) -> None:
        name = file_name(address, environment)
        self._path = folder / f"{name}.json" if folder is not None else None
        self._about = {"address": visible(address), "environment": environment}
        self._warn = warn
        self._warned = False

    def prepare(self) -> None:
        """Warn now, before a run draws its progress, if the mark won't be kept."""
        if self._path is None:
            self._off("neither XDG_STATE_HOME nor HOME names a folder by its whole path")
            return
        try:
            self._path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        except OSError as error:
            self._off(f"{visible(self._path.parent)} can't be made: {visible(error.strerror or error)}")
        else:
            if not os.access(self._path if self._path.exists() else self._path.parent, os.W_OK):
                self._off(f"{visible(self._path)} can't be written")

    def seen(self) -> HighWaterMark | None:
        """Return the mark; None when there is none that can be read."""
        if self._path is None:
            return None
        try:
            text = read_start(self._path, limit=_LONGEST)
        except OSError as error:
            self._off(f"{visible(self._path)} can't be read: {visible(error.strerror or error)}")
            return None
        except StateError as error:
            self._off(error.summary)
            return None
        found = _decode(text) if text is not None else None
        if found is None and text is not None:
            self._off(f"{visible(self._path)} holds no mark")
        return found

    def _off(self, why: str) -> None:
        if not self._warned:
            self._warned = True
            summary = f"the guard against a state that was rolled back, or lost, is off: {why}"
            self._warn(Diagnostic(summary, _FIX, severity=Severity.WARNING, id="rollback-guard-off"))

    def note(self, mark: HighWaterMark) -> None:
        """Remember that the state has come this far; a lower serial of the same lineage changes nothing."""
        earlier = self.seen()
        if earlier is None or earlier.lineage != mark.lineage or earlier.serial < mark.serial:
            self.reset(mark)

    def take(self, found: HighWaterMark | None, *, accepted: bool) -> None:
        """Remember what a read has found, None for nothing; `accepted`: whatever was seen before."""
        if found is None:
            if accepted:
                self.forget()
        elif accepted:
            self.reset(found)
        else:
            self.note(found)

    def reset(self, mark: HighWaterMark) -> None:
        """Remember this mark, whatever was seen before."""
        self.prepare() if self._path is None else self._write(self._path, mark)

    def _write(self, path: Path, mark: HighWaterMark) -> None:
        shape = {**self._about, "lineage": mark.lineage, "serial": mark.serial}
        line = json.dumps(shape, sort_keys=True).encode("ascii") + b"\n"
        try:
            path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
            try:
                os.fchmod(descriptor, PRIVATE_FILE)
                os.pwrite(descriptor, line, 0)
                os.ftruncate(descriptor, len(line))
            finally:
                os.close(descriptor)
        except OSError as error:
            self._off(f"{visible(path)} can't be written: {visible(error.strerror or error)}")

    def forget(self) -> None:
        """Remember nothing of this state any more."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def _decode(line: bytes) -> HighWaterMark | None:
    try:
        shape = json.loads(line)
        return HighWaterMark(text(shape["lineage"], "lineage"), whole(shape["serial"], "serial"))
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def refuse_rollback(
    seen: HighWaterMark | None,
    found: HighWaterMark | None,
    *,
    address: str,
    accept: int | None,
    who: str = "this machine",
) -> None:
    """Raise StateError when the state `found` (None: nothing) isn't where `who` has `seen` it, or further.

    `accept` is the one serial that is taken although; 0 also takes nothing at all.
    """
    serial = found.serial if found else 0
    if accept is not None:
        if accept == serial:
            return
        raise StateError(
            f"the state {address} stands at serial {serial}, not at {accept}",
            f"If serial {serial} is what you want to go on from: --accept-rollback {serial}.",
        )
    if seen is None or (found is not None and found.lineage == seen.lineage and found.serial >= seen.serial):
        return
    raise StateError(
        f"{_what_is_odd(seen, found, who)} at {address}",
        "Put the right state back, or correct the address. To go on from what is there, after which objects made since "
        f"must be imported or removed by hand: --accept-rollback {serial}.",
    )


def _what_is_odd(seen: HighWaterMark, found: HighWaterMark | None, who: str) -> str:
    if found is None:
        return f"no state is found, but {who} has seen serial {seen.serial}"
    if found.lineage != seen.lineage:
        ours, theirs = (visible(lineage, limit=64) for lineage in (seen.lineage, found.lineage))
        return f"the state is of lineage {theirs}, but {who} has seen lineage {ours}"
    return f"the state stands at serial {found.serial}, but {who} has seen serial {seen.serial}"
