"""A real PostgreSQL 15 for tests, on a free port in a folder of its own, and PgBouncer before it.

From Debian (`postgresql-15`, `pgbouncer`). `initdb` refuses root, so root starts it as the user `postgres`. Nothing is
durable there: syncs are off.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BIN = Path(os.environ.get("PG_BIN", "/usr/lib/postgresql/15/bin"))
PGBOUNCER = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
OWNER = "owner"  # of what tests make; no superuser
_PATIENCE = 30.0  # seconds
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "synchronous_commit": "off",
    "unix_socket_directories": "",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "log_statement": "none",
}


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def as_postgres(command: Sequence[str | Path]) -> list[str]:
    """The command, run by the user `postgres` when we are root."""
    return [*(["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []),
            *map(str, command)]  # fmt: skip


def wait_until(reached: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not reached():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.02)


def answers(port: int) -> bool:
    with socket.socket() as trying:
        trying.settimeout(1)
        return trying.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Server:
    """A running server. `connections`: the superuser's, by database."""

    port: int
    process: subprocess.Popen[bytes]
    folder: Path
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    connections: dict[str, Any] = field(default_factory=dict)
    emptiable: str = ""

    def run(self, statement: str, *, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement as the superuser, in autocommit."""
        import psycopg

        connection = self.connections.get(database)
        if connection is None or connection.closed:
            dsn = f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"
            connection = self.connections[database] = psycopg.connect(dsn, autocommit=True)
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []

    def forget(self, database: str) -> None:
        """Let go of the connection to a database."""
        if database in self.connections:
            self.connections.pop(database).close()

    def new_database(self) -> str:
        """Make a database that belongs to `OWNER`, and return its name. Costs 0.2 s; see `emptied`."""
        name = f"db{next(self.numbers)}"
        self.run(f"create database {name} owner {OWNER}")
        return name

    def emptied(self) -> str:
        """Return the name of a database without a schema of ours: the same one for each test."""
        if not self.emptiable:
            self.emptiable = self.new_database()
        named = "select nspname from pg_namespace where nspname !~ '^pg_|^information_schema$|^public$'"
        for (schema,) in self.run(named, database=self.emptiable):
            self.run(f'drop schema "{schema}" cascade', database=self.emptiable)
        return self.emptiable

    def address(self, database: str, *, user: str = OWNER, port: int | None = None, query: str = "") -> str:
        """The address of a state in this database."""
        return (
            f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"
            f"?schema=declarative&state={{stack}}/{{environment}}{query}"
        )


def _fast_place() -> str | None:
    """Return a folder in memory if there is room for a server; None: the usual one."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 2 << 30 else None


def ready(port: int) -> bool:
    return subprocess.run(
        [BIN / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False
    ).returncode == 0  # fmt: skip


@contextlib.contextmanager
def postgres_server(**settings: str) -> Iterator[Server]:
    """Start a server, and stop it at the end, by its process."""
    folder = Path(tempfile.mkdtemp(prefix="declarative-postgres-", dir=_fast_place()))
    data = folder / "data"
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    process = None
    try:
        subprocess.run(
            as_postgres([BIN / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync",
                         "--locale=C"]),
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        port = free_port()
        options = [f"-c{name}={value}" for name, value in {**_SETTINGS, **settings, "port": str(port)}.items()]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                as_postgres([BIN / "postgres", "-D", data, *options]), cwd=folder, stdout=log, stderr=log
            )
        wait_until(lambda: ready(port), f"PostgreSQL, see {folder}/log")
        server = Server(port, process, folder)
        server.run(f"create role {OWNER} login")
        yield server
        for database in list(server.connections):
            server.forget(database)
    finally:
        if process is not None:
            stop(process, signal.SIGQUIT)  # without a last checkpoint
        shutil.rmtree(folder, ignore_errors=True)


def stop(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGINT) -> None:
    """End a server by its process, without waiting for its clients."""
    process.send_signal(number)
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def pgbouncer(server: Server, *, mode: str, pool_size: int, **settings: str) -> Iterator[int]:
    """Start PgBouncer before the server, and yield its port."""
    folder = Path(tempfile.mkdtemp(prefix="declarative-pgbouncer-"))
    port = free_port()
    lines = {
        "listen_addr": "127.0.0.1", "listen_port": str(port), "unix_socket_dir": "", "auth_type": "any",
        "pool_mode": mode, "default_pool_size": str(pool_size), "reserve_pool_size": "0", **settings,
    }  # fmt: skip
    configuration = "".join(f"{name} = {value}\n" for name, value in lines.items())
    file = folder / "pgbouncer.ini"
    file.write_text(f"[databases]\n* = host=127.0.0.1 port={server.port} user={OWNER}\n[pgbouncer]\n{configuration}")
    if os.geteuid() == 0:
        folder.chmod(0o755)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(as_postgres([PGBOUNCER, file]), stdout=log, stderr=log)
    try:
        wait_until(lambda: answers(port), "PgBouncer does not answer")
        yield port
    finally:
        stop(process)
        shutil.rmtree(folder, ignore_errors=True)
