"""The stacks below a folder, such as those of a whole repository, and the environments of each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from declarative.errors import UsageError
from declarative.manifest.files import SKIPPED_FOLDERS
from declarative.manifest.loading import holds_stack, load_stack, named_environments
from declarative.model import DEFAULT_ENVIRONMENT


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One stack in one environment: what has a state of its own.

    `folder`: relative to where it was looked for, `.` for that folder itself. `stack`: the name of its Stack.
    """

    folder: str
    environment: str
    stack: str

    @property
    def state(self) -> tuple[str, str]:
        """What stands for `{stack}` and `{environment}` in the address of its state."""
        return self.stack, self.environment


def find_stacks(root: Path) -> Iterator[Target]:
    """Yield each stack at or below `root`, once for each file in its `environments/`; without any, `default` alone.

    Folders that begin with a dot, links, and what is below a stack are not searched. Raises UsageError when there is
    no such folder, and InputError when a file that may hold a Stack can't be read.
    """
    for folder in _folders(root):
        name = PurePosixPath(folder.relative_to(root)).as_posix()
        stack = load_stack(folder).stack
        names = [found for found, _, fault in named_environments(folder) if not fault] or [DEFAULT_ENVIRONMENT]
        yield from (Target(name, environment, stack.name if stack else "") for environment in names)


def is_touched(target: Target, path: str) -> bool:
    """True when a change of the file `path`, relative to the same folder, may change what the stack wants there.

    A file of another environment doesn't.
    """
    place = PurePosixPath(path)
    if not place.is_relative_to(target.folder):
        return False
    below = place.relative_to(target.folder).parts
    return below[:1] != ("environments",) or below[1:] == (f"{target.environment}.yaml",)


def _folders(root: Path) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"the folder {root} can't be read: {error.strerror}", "Name a folder with -C.") from error
    if holds_stack(root):
        yield root
        return
    for entry in entries:
        hidden = entry.name.startswith(".") or entry.name in SKIPPED_FOLDERS
        if not hidden and entry.is_dir(follow_symlinks=False):
            yield from _folders(root / entry.name)
