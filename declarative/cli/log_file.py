"""The log of the requests to the cloud: JSON lines, in a file that only its owner can read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from declarative.errors import UsageError, visible

if TYPE_CHECKING:
    from declarative.provider import Exchange

_OPEN = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_FIRST = b'{"time":"'  # how each of our lines begins


class LogFile:
    """A line for each request, written at once at the end of the file.

    It follows no symbolic link, as no private file of ours does, and takes nothing but a regular file: nobody who reads
    slowly can hold up a run. What exists and isn't such a log, or is somebody else's, is left alone.

    `warn` is told once, in words, when nothing more can be written; the command goes on. Raises UsageError when the
    file can't be opened so.
    """

    def __init__(self, path: Path, *, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._path = path
        self._descriptor: int | None = None
        if path.suffix.lower() in (".yaml", ".yml"):
            raise _unfit(path, "it would be read as a manifest")
        try:
            self._descriptor = _opened(path)
        except OSError as error:
            reason = "links are not followed" if path.is_symlink() else error.strerror
            raise _unfit(path, str(reason)) from error

    def add(self, exchange: Exchange) -> None:
        """Write a line about a request."""
        from declarative.views.exchanges import exchange_json

        if self._descriptor is None:
            return
        try:
            _write(self._descriptor, f"{exchange_json(exchange)}\n".encode())
        except OSError as error:
            self.close()
            self._warn(f"warning: {visible(self._path)} can't be written, and is not continued: {error.strerror}.")

    def close(self) -> None:
        """Close the file; what comes after that is not written."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _opened(path: Path) -> int:
    try:
        descriptor = os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
        os.fchmod(descriptor, 0o600)
        return descriptor
    except FileExistsError:
        descriptor = os.open(path, _OPEN)
    try:
        _check(path, descriptor)
        _end_last_line(descriptor)
    except (OSError, UsageError):
        os.close(descriptor)
        raise
    return descriptor


def _check(path: Path, descriptor: int) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise _unfit(path, "it is not a regular file")
    if found.st_uid != os.geteuid():
        raise _unfit(path, "it belongs to another user")
    if found.st_size and os.pread(descriptor, len(_FIRST), 0) != _FIRST:
        raise _unfit(path, "it exists and is not such a log")


def _end_last_line(descriptor: int) -> None:
    """A line that a full disk has cut stays by itself."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        _write(descriptor, b"\n")


def _write(descriptor: int, data: bytes) -> None:
    done = os.write(descriptor, data)  # in one piece, so that two commands may share a file
    while done < len(data):
        done += os.write(descriptor, data[done:])


def _unfit(path: Path, reason: str) -> UsageError:
    return UsageError(f"no log can be written to {visible(path)}: {reason}", "Name another file with --log-file.")
