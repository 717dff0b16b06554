"""Disks that fail, end their process, or lose power; all else they do for real."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from declarative.state.disk import Files


class Killed(BaseException):
    """The process has ended here; nothing of it runs any more."""


class WatchedDisk(Files):
    """Calls `before(name)` ahead of each change; what that raises is what happens."""

    def __init__(self) -> None:
        self.changes = 0
        self.names: list[str] = []

    def before(self, name: str) -> None:
        self.changes += 1
        self.names.append(name)

    def create(self, path: Path) -> int:
        self.before("create")
        return super().create(path)

    def extend(self, path: Path) -> int:
        self.before("extend")
        return super().extend(path)

    def write(self, descriptor: int, data: bytes) -> None:
        self.before("write")
        super().write(descriptor, data)

    def truncate(self, descriptor: int, size: int) -> None:
        self.before("truncate")
        super().truncate(descriptor, size)

    def allocate(self, descriptor: int, size: int) -> None:
        self.before("allocate")
        super().allocate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        self.before("sync")
        super().sync(descriptor)

    def sync_folder(self, path: Path) -> None:
        self.before("sync_folder")
        super().sync_folder(path)

    def replace(self, source: Path, target: Path) -> None:
        self.before("replace")
        super().replace(source, target)

    def remove(self, path: Path) -> None:
        self.before("remove")
        super().remove(path)


class KillingDisk(WatchedDisk):
    """The process is killed ahead of its `last`-th change; a write that it hits is cut in the middle."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last = last

    def before(self, name: str) -> None:
        super().before(name)
        if self.changes >= self.last and not (name == "write" and self.changes == self.last):
            raise Killed

    def write(self, descriptor: int, data: bytes) -> None:
        self.before("write")
        if self.changes == self.last:
            os.write(descriptor, data[: len(data) // 2])
            raise Killed
        os.write(descriptor, data)


class PowerCutDisk(KillingDisk):
    """Besides, nothing that was not synced survives: no content, and no new name in `folder` or below.

    `keeps_removals`: the one thing that does is that a name is gone; a file system may do things in any order.
    """

    def __init__(self, last: int, folder: Path, *, keeps_removals: bool) -> None:
        super().__init__(last)
        self.folder = folder
        self.keeps_removals = keeps_removals
        self.content: dict[int, bytes] = {}  # by inode
        self.inodes: dict[Path, int] = {}
        self.folders = {folder}
        self.take_in()

    def take_in(self) -> None:
        """What is there now counts as durable."""
        for path in self.folder.glob("*"):
            self.inodes[path] = path.stat().st_ino
            self.content[path.stat().st_ino] = path.read_bytes()

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        inode = os.fstat(descriptor).st_ino
        self.content[inode] = Path(f"/proc/self/fd/{descriptor}").read_bytes()

    def sync_folder(self, path: Path) -> None:
        super().sync_folder(path)
        if path.is_relative_to(self.folder):
            found = list(path.iterdir())
            self.folders.update(entry for entry in found if entry.is_dir())
            others = {name: inode for name, inode in self.inodes.items() if name.parent != path}
            self.inodes = others | {entry: entry.stat().st_ino for entry in found if entry.is_file()}

    def remove(self, path: Path) -> None:
        super().remove(path)
        if self.keeps_removals:
            self.inodes.pop(path, None)

    def replace(self, source: Path, target: Path) -> None:
        super().replace(source, target)
        if self.keeps_removals and source.parent != target.parent:
            self.inodes.pop(source, None)

    def cut(self) -> None:
        """Leave in the folder what the disk had for sure."""
        kept = {path: self.content.get(inode, b"") for path, inode in self.inodes.items()}
        shutil.rmtree(self.folder)
        for folder in sorted(self.folders):
            folder.mkdir()
        for path, content in kept.items():
            if path.parent in self.folders:
                path.write_bytes(content)


class FailingDisk(WatchedDisk):
    """`fails(name)` says which error a change meets, if any."""

    def __init__(self, fails: Callable[[str], OSError | None]) -> None:
        super().__init__()
        self.fails = fails

    def before(self, name: str) -> None:
        super().before(name)
        error = self.fails(name)
        if error is not None:
            raise error
