"""A lock file: `flock` on a file that is never renamed or removed, with its holder's description inside.

The kernel frees the lock when its process ends, however that happens; the text may stay behind and means nothing then.
The file's identity is compared with its name's, so that a lock on a file that somebody removed isn't taken for ours.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import asdict
from pathlib import Path

from declarative.errors import LockHeld, StateError, visible
from declarative.state.disk import Files, open_regular, read_start
from declarative.state.holders import UNREADABLE, describe, holder_in
from declarative.state.store import Holder

_LONGEST = 65536


class LockFile:
    """The lock at `path`. One object takes it at most once at a time."""

    def __init__(self, path: Path, *, address: str, files: Files) -> None:
        self._path = path
        self._address = address
        self._files = files
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """True when this object has taken the lock and not given it back. It may be lost: see `lost`."""
        return self._descriptor is not None

    def lost(self) -> bool:
        """True when the name now stands for another file, which another process may have locked."""
        return self._descriptor is None or not _same_file(self._descriptor, self._path)

    def acquire(self, holder: Holder | None) -> bool:
        """Try once to take the lock, and describe its holder in it. Raises StateError where locks don't work."""
        if self._descriptor is not None:
            raise StateError(f"the lock of {self._address} is taken already by this process")
        descriptor = self._open()
        try:
            if not _try_lock(descriptor):
                return False
            if not _same_file(descriptor, self._path):
                return False
            self._refuse_lock_that_does_not_exclude()
            self._files.truncate(descriptor, 0)
            if holder is not None:
                self._files.write(descriptor, json.dumps(asdict(holder)).encode("ascii") + b"\n")
            self._descriptor, descriptor = descriptor, -1
            return True
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def release(self) -> None:
        """Give the lock back; without it, do nothing."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            with contextlib.suppress(OSError):  # the text is for people; closing the file is what frees the lock
                self._files.truncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def holder(self) -> Holder | None:
        """Return who holds the lock; `UNREADABLE` when somebody does who has left no readable text."""
        return None if self._is_free() else _read(self._path) or UNREADABLE

    def clear(self, lock_id: str) -> Holder:
        """Wipe the text that an ended process left, and return who that was.

        Raises LockHeld while any process holds the lock.
        """
        holder = self.holder()
        if holder is not None:
            raise LockHeld(
                f"the lock of {self._address} is held by a living process: {describe(holder)}",
                "End that process; the lock is free then.",
            )
        left = _read(self._path)
        if left is None or left.id != lock_id:
            raise StateError(
                f"the state {self._address} has no lock {visible(lock_id, limit=64)}",
                f"The id of the one left behind is {visible(left.id, limit=64)}."
                if left
                else "It is not locked: there is nothing to break.",
            )
        if self.acquire(None):
            self.release()
        return left

    def _open(self) -> int:
        found = open_regular(self._path, os.O_RDWR)
        if found is not None:
            return found
        try:
            return self._files.create(self._path)
        except FileExistsError:
            return os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)

    def _is_free(self) -> bool:
        descriptor = open_regular(self._path, os.O_RDONLY)
        if descriptor is None:
            return True
        try:
            return _try_lock(descriptor, shared=True)
        finally:
            os.close(descriptor)

    def _refuse_lock_that_does_not_exclude(self) -> None:
        """Some network file systems grant every lock."""
        if self._is_free():
            raise StateError(
                f"the file system of {self._address} has no working locks: two processes could both hold one",
                "Keep the state on a local disk.",
            )


def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        named = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), named)


def _read(path: Path) -> Holder | None:
    try:
        shape = json.loads(read_start(path, limit=_LONGEST) or b"null")
    except (ValueError, RecursionError):
        return None
    return holder_in(shape) if isinstance(shape, dict) else None
