"""The database of a world: in memory, or a file that several processes may share.

A file is made aside and linked into place, so that nobody ever sees half of one. It is in WAL mode without syncs:
a process that is killed at any point harms nothing, only a crash of the whole machine could.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from declarative.simulator.settings import WorldError

_APPLICATION = 0x53445253  # "SDRS", so that another program's database isn't taken for a world
_MAGIC = b"SQLite format 3\x00"
_APPLICATION_AT = 68  # where SQLite's header has it
_FORMAT = 3
_WAIT = 30.0  # seconds for another process's transaction; one takes about a millisecond
_NO_SYNC = "PRAGMA synchronous = OFF"

Fill = Callable[[sqlite3.Connection], None]
"""Makes the tables of an empty database and what a fresh world holds."""


def open_database(path: Path | None, fill: Fill, *, lasting: bool = True) -> sqlite3.Connection:
    """Open the world at `path`, or one in memory; `fill` makes it if there is none. WorldError if it can't be used.

    Not `lasting`: a copy in memory, and nothing is written beside the file.
    """
    if path is None:
        database = _connect(":memory:")
        _make(database, fill)
        return database
    try:
        if not _is_file(path):
            if not lasting:
                return open_database(None, fill)
            _make_file(path, fill)
        database = _connect(str(path)) if lasting else _copied(path)
    except (OSError, sqlite3.Error) as error:
        raise WorldError(f"The simulator can't open {str(path)!r}: {error}.") from error
    try:
        _check(database, path)
    except BaseException:
        database.close()
        raise
    return database


def delete_world(path: Path) -> bool:
    """Remove the world at `path`, damaged or of another format too. False if there was none.

    WorldError for what isn't a world at all. What SQLite keeps beside it goes first: a fresh world that another process
    makes meanwhile must not find that.
    """
    try:
        if not _is_file(path):
            return False
        _check_header(path)
        for suffix in ("-wal", "-shm", ""):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        raise WorldError(f"The simulator can't remove {str(path)!r}: {error}.") from error
    return True


def _check_header(path: Path) -> None:
    """WorldError unless the file begins as SQLite's with our number in it, whatever comes behind."""
    with path.open("rb") as file:
        header = file.read(_APPLICATION_AT + 4)
    if not header.startswith(_MAGIC) or header[_APPLICATION_AT:] != _APPLICATION.to_bytes(4):
        raise WorldError(f"{str(path)!r} isn't a world of the simulator. {_MOVE}")


@contextlib.contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """One transaction that no other process can come between; undone as a whole by an exception."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _copied(path: Path) -> sqlite3.Connection:
    """The database at `path` in memory, with what a killed process has left in its log."""
    database = _connect(":memory:")
    with tempfile.TemporaryDirectory() as aside:
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"{path}{suffix}", f"{aside}/world{suffix}")
        with contextlib.closing(_connect(f"{aside}/world")) as source:
            source.backup(database)
    return database


def _connect(name: str) -> sqlite3.Connection:
    return sqlite3.connect(name, timeout=_WAIT, isolation_level=None, check_same_thread=False, cached_statements=256)


def _is_file(path: Path) -> bool:
    """Whether a world may be there. A link is refused: what it points to isn't ours to write."""
    if path.is_symlink():
        raise WorldError(f"The simulator's file {str(path)!r} is a symbolic link; remove it or name another file.")
    return path.exists()


def _make_file(path: Path, fill: Fill) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        with contextlib.closing(_connect(str(draft))) as database:
            database.execute(_NO_SYNC)
            database.execute("PRAGMA journal_mode = WAL")
            _make(database, fill)
        with contextlib.suppress(FileExistsError):  # another process was faster: theirs is the world
            os.link(draft, path)
    finally:
        for suffix in ("", "-wal", "-shm"):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def _make(database: sqlite3.Connection, fill: Fill) -> None:
    with transaction(database):
        database.execute(f"PRAGMA application_id = {_APPLICATION}")
        database.execute(f"PRAGMA user_version = {_FORMAT}")
        fill(database)


def _check(database: sqlite3.Connection, path: Path) -> None:
    _check_header(path)
    try:
        database.execute(_NO_SYNC)
        (version,) = database.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError as error:  # says nothing of what is in it: a read-only disk, a lock
        raise WorldError(f"The simulator can't open {str(path)!r}: {error}.") from error
    except sqlite3.Error as error:
        raise damaged(path, error) from error
    if version != _FORMAT:
        raise WorldError(
            f"The world in {str(path)!r} has format {version}, this version reads format {_FORMAT}. {_RESET}"
        )


def damaged(path: Path | None, error: sqlite3.Error) -> WorldError:
    """The error for a world that SQLite can't read or write any more."""
    return WorldError(f"The world in {str(path)!r} can't be used: {error}. {_RESET}")


_RESET = "`declarative simulator reset` begins with a fresh one."
_MOVE = "Move the file away."
