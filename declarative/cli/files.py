"""Files of the command line's own: saved plans, and the example that `init` writes."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from declarative.errors import DeclarativeError, UsageError, visible

QUICKSTART = ("stack.yaml", "groups.yaml", ".gitignore")


class FileRefused(DeclarativeError):
    """A file can't be read or written as asked."""


def write_private(path: Path, text: str) -> None:
    """Write `text` so that `path` holds the old or the new content, whole, readable by its owner alone.

    Raises FileRefused when `path` is anything but a regular file, or can't be written.
    """
    _refuse_strange(path)
    aside = path.with_name(f".{path.name[:128]}.{secrets.token_hex(8)}.tmp")
    try:
        _write_new(aside, text.encode())
        try:
            aside.replace(path)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise FileRefused(f"{path} can't be written: {error.strerror}") from error


def _refuse_strange(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise FileRefused(f"{path} exists and is not a regular file", "Name another file.")


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_plan(path: Path) -> str:
    """The text of a saved plan. Raises UsageError when there is none, FileRefused when it can't be a plan's."""
    from declarative.planning.document import MAX_BYTES

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise UsageError(f"there is no plan {path}", "Write one with: declarative plan -o plan.json") from error
        raise FileRefused(f"{path} can't be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileRefused(f"{path} is not a regular file", "A plan is the file that `plan -o` writes.")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(MAX_BYTES + 2)  # what is larger is refused by whoever reads the text
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise FileRefused(f"{path} is no plan: it is not UTF-8 at byte {error.start}") from error


def write_quickstart(folder: Path) -> tuple[Path, ...]:
    """Write the small stack of `init` into `folder`, as `write_new` does."""
    source = quickstart_root()
    return write_new(folder, {name: (source / name).read_bytes() for name in QUICKSTART})


def write_new(folder: Path, contents: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Write files, by name, into `folder`, which is made if need be; nothing is overwritten.

    Raises FileRefused with the names of all files that are in the way.
    """
    targets = {folder / name: content for name, content in contents.items()}
    in_the_way = [target for target in targets if os.path.lexists(target)]
    if in_the_way:
        names = ", ".join(visible(target) for target in in_the_way)
        raise FileRefused(f"nothing was written, these exist already: {names}", "Name another folder, or move them.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for target, content in targets.items():
            with target.open("xb") as file:
                file.write(content)
    except OSError as error:
        raise FileRefused(f"{folder} can't be written to: {error.strerror}") from error
    return tuple(targets)


def quickstart_root() -> Path:
    """Where the example lies: in the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "quickstart"
    return installed if installed.is_dir() else package.parent / "examples" / "quickstart"
