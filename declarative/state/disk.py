"""Every change a store makes to the disk, one method each; a test passes its own to fail, cut or record any of them.

Files are readable by their owner alone, under any umask, and never reached through a symbolic link as last name.
Descriptors are closed in child processes.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TypeAlias

from declarative.errors import StateError, visible

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

    def write_aside(self, data: bytes, path: Path) -> Path:
        """Write a temporary file beside `path`, durably, and return its name. After an error there is none."""
        aside = path.with_name(f"{path.name}.tmp.{os.getpid()}")
        self.remove(aside)
        descriptor = self.create(aside)
        try:
            self.write(descriptor, data)
            self.sync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                self.remove(aside)
            raise
        finally:
            os.close(descriptor)
        return aside

    def make_folder(self, path: Path) -> None:
        """Make the folder, and those above it that are missing."""
        if path.is_dir():
            return
        self.make_folder(path.parent)
        path.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        path.chmod(PRIVATE_FOLDER)
        self.sync_folder(path.parent)


LARGEST = 256 * 2**20
"""Bytes of the largest file that is read or written: a state is read into memory whole."""


class Unfit(StateError):
    """A file can't be what a store has written: it is too large, a link, or no regular file. Nothing of it was read."""


Identity: TypeAlias = tuple[int, int, int, int] | None
"""Device, inode, size in bytes and time of change (ns) of a file; None: there is none."""


def identify(path: Path) -> Identity:
    """Return which file has this name, and as of when."""
    try:
        return _identity(path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return None


def look(path: Path) -> tuple[bytes | None, Identity]:
    """Return a file's content, and which file as of when that was; None: there is none. Raises OSError, or Unfit."""
    descriptor = open_regular(path, os.O_RDONLY)
    if descriptor is None:
        return None, None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())  # first: what is added while we read makes it differ, and isn't read
        refuse_large(found.st_size, path)
        return file.read(found.st_size), _identity(found)


def read_file(path: Path) -> bytes | None:
    """Return a file's content; None when there is none. Raises OSError, or Unfit."""
    return look(path)[0]


def read_start(path: Path, *, limit: int) -> bytes | None:
    """Return the first `limit` bytes of a file; None when there is none. Raises OSError, or Unfit."""
    descriptor = open_regular(path, os.O_RDONLY)
    if descriptor is None:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit)


def refuse_large(size: int, path: Path) -> None:
    """Raise Unfit when a file of `size` bytes is more than is ever read."""
    if size > LARGEST:
        mebibytes = f"{size / 2**20:,.1f} MiB ({size:,} bytes)"
        raise Unfit(f"{visible(path)} has {mebibytes}, and at most {LARGEST // 2**20} MiB are read")


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, sorted; none when there is no such folder. Raises OSError."""
    try:
        return sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return []


def open_regular(path: Path, how: int) -> int | None:
    """Open a regular file; None: there is none. A pipe isn't waited for, a link not followed. Raises OSError, Unfit."""
    try:
        descriptor = os.open(path, how | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if path.is_symlink():
            raise Unfit(f"{visible(path)} is a symbolic link, and links are not followed") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unfit(f"{visible(path)} is no regular file")
    return descriptor


def _identity(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
