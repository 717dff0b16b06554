"""Every change a store makes to the disk, one method each; a test passes its own to fail, cut or record any of them.

Files are readable by their owner alone, under any umask, and never reached through a symbolic link as last name.
Descriptors are closed in child processes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


class Files:
    """The disk itself. All methods raise OSError."""

    def create(self, path: Path) -> int:
        """Make a new, empty file and open it to write. FileExistsError when the name is taken."""
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
        os.fchmod(descriptor, PRIVATE_FILE)
        return descriptor

    def extend(self, path: Path) -> int:
        """Open a file whose writes all go to its end."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)

    def write(self, descriptor: int, data: bytes) -> None:
        """Write all of `data`; after an error any beginning of it may be there."""
        done = os.write(descriptor, data)
        while done < len(data):
            done += os.write(descriptor, data[done:])

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut the file to `size` bytes."""
        os.ftruncate(descriptor, size)

    def allocate(self, descriptor: int, size: int) -> None:
        """Take `size` bytes of the disk for the file."""
        os.posix_fallocate(descriptor, 0, size)

    def sync(self, descriptor: int) -> None:
        """Wait until the file's content is on the disk. An error is final: what is there can't be known any more."""
        os.fdatasync(descriptor)

    def sync_folder(self, path: Path) -> None:
        """Wait until the names in the folder are on the disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        """Give the file at `source` the name `target`, in one step, in place of what is there."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Take the name away; without it, do nothing."""
        path.unlink(missing_ok=True)

    def make_folder(self, path: Path) -> None:
        """Make the folder, and those above it that are missing."""
        if path.is_dir():
            return
        self.make_folder(path.parent)
        path.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        path.chmod(PRIVATE_FOLDER)
        self.sync_folder(path.parent)


Identity: TypeAlias = tuple[int, int, int, int] | None
"""Device, inode, size in bytes and time of change (ns) of a file; None: there is none."""


def identify(path: Path) -> Identity:
    """Return which file has this name, and as of when."""
    try:
        return _identity(path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return None


def look(path: Path, *, limit: int = -1) -> tuple[bytes | None, Identity]:
    """Return a file's content, at most `limit` bytes of it, and which file as of when that was; None: there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None, None
    with os.fdopen(descriptor, "rb") as file:
        found = _identity(os.fstat(descriptor))  # first: what is added while we read makes it differ
        return file.read(limit), found


def read_file(path: Path, *, limit: int = -1) -> bytes | None:
    """Return a file's content, at most `limit` bytes of it; None when there is none."""
    return look(path, limit=limit)[0]


def _identity(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
