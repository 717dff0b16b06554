"""The file by which a served simulator says that it answers, and where: lines of `export` that a shell can read.

The server keeps the file locked for as long as it lives, and the lock goes with the process, however that ends. So
a file without a lock is stale, whatever process has the number in it by now. It appears whole, once the server answers.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shlex
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from declarative.simulator.settings import WorldError

_MARK = "# simulator of declarative, process"
_FIRST_LINE = re.compile(rf"{_MARK} ([1-9][0-9]{{0,9}}), started ([0-9]{{0,20}})\n")
_LIMIT = 1 << 16  # bytes; ours have some hundred
_TRIES = 20  # to remove a stale file that others remove at the same time
_PAUSE = 0.01  # seconds; others look at a lock for less


@dataclass(frozen=True, slots=True)
class Running:
    """A simulator that runs. `started`: when, in ticks since the machine began, "" where the system doesn't tell."""

    pid: int
    started: str
    lines: str


def export_lines(values: Mapping[str, str]) -> str:
    """Lines for a shell that export these variables."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def find_running(path: Path) -> Running | None:
    """Return the simulator whose ready file this is, or None when there is none or it has ended.

    Raises WorldError for a file that is something else.
    """
    with _opened(path) as descriptor:
        if descriptor is None:
            return None
        found = _parsed(path, descriptor)
        return found if _is_held(descriptor) else None


def remove_stale(path: Path) -> bool:
    """Remove what a simulator has left that ended without a word. Returns True when there was something.

    Raises WorldError when the simulator runs, or the file is something else.
    """
    for _ in range(_TRIES):
        with _opened(path) as descriptor:
            if descriptor is None:
                return False
            found = _parsed(path, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if _is_held(descriptor):
                    raise WorldError(f"A simulator already runs with {str(path)!r}: process {found.pid}.") from None
            else:
                if _is_at(path, descriptor):
                    path.unlink()
                    return True
        time.sleep(_PAUSE)
    raise WorldError(f"{str(path)!r} changes all the time; name another file.")


@contextlib.contextmanager
def published(path: Path, lines: str) -> Iterator[None]:
    """Keep a ready file with these lines, readable by its owner only. Raises WorldError when another one runs."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, f"{_MARK} {os.getpid()}, started {started_at(os.getpid())}\n{lines}".encode())
            _link(draft, path)
        except OSError as error:
            raise _unwritable(path, error) from error
        finally:
            draft.unlink(missing_ok=True)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                if _is_at(path, descriptor):
                    path.unlink()
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> WorldError:
    return WorldError(f"The simulator can't write {str(path)!r}: {error}.")


def _link(draft: Path, path: Path) -> None:
    for _ in range(_TRIES):
        remove_stale(path)
        with contextlib.suppress(FileExistsError):  # another one was faster, or is gone again
            os.link(draft, path)
            return
    raise WorldError(f"{str(path)!r} changes all the time; name another file.")


def started_at(pid: int) -> str:
    """Return when a process began, in ticks since the machine did; "" where that isn't told, or there is no process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return fields[19] if len(fields) > 19 else ""


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        raise WorldError(f"The simulator can't use {str(path)!r}: {error}.") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _parsed(path: Path, descriptor: int) -> Running:
    content = b""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        content = os.pread(descriptor, _LIMIT, 0)
    text = content.decode("utf-8", "replace")
    match = _FIRST_LINE.match(text)
    if match is None:
        raise WorldError(f"{str(path)!r} is not a ready file of the simulator; name another file, or move it away.")
    return Running(int(match[1]), match[2], text[match.end() :])


def _is_held(descriptor: int) -> bool:
    """True when the process that wrote the file lives. Others hold its lock for a moment when it is stale."""
    for attempt in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE if attempt else 0)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            return False
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    """True when the open file is still the one at this path."""
    try:
        there = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))
