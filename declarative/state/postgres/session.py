"""One connection to PostgreSQL: deadlines on every call, settings that notice a dead peer, and errors in our words.

A connection that is lost stays lost: whoever needs another one asks for it, and knows that locks went with the old.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from declarative.errors import StateError, UsageError, visible

if TYPE_CHECKING:
    import psycopg

DEADLINE = 90.0  # seconds for one call; the server ends a statement of its own after two thirds of that
_STATEMENT_TIMEOUT = "60000"  # ms
_LOCK_TIMEOUT = "30000"

Row: TypeAlias = tuple[Any, ...]
Parameters: TypeAlias = Mapping[str, Any]
_Answer = TypeVar("_Answer")

# For the whole session of a writer. A server that hasn't got one of them is not asked for it.
_SETTINGS: Mapping[str, str] = {
    "search_path": "pg_catalog",
    "statement_timeout": _STATEMENT_TIMEOUT,
    "lock_timeout": _LOCK_TIMEOUT,
    "idle_in_transaction_session_timeout": "60000",
    "idle_session_timeout": "0",  # a run may wait for hours between two writes, and the lock is the session's
    "transaction_timeout": "0",
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "client_connection_check_interval": "10000",
    "default_transaction_isolation": "read committed",
}
_SET = """
select count(set_config(s.name, w.value, false))
from unnest(%(names)s::text[], %(values)s::text[]) as w(name, value) join pg_catalog.pg_settings s on s.name = w.name
"""
# An answer of "written" must outlive a crash of the server.
_SYNCHRONOUS = """
select set_config('synchronous_commit', 'on', false)
where current_setting('synchronous_commit') = 'off'
"""


class Gone(StateError):
    """The connection was lost during the call: what was sent may or may not have had its effect."""


class Refused(StateError):
    """The server answered with an error; nothing of the statement took effect. `code`: its SQLSTATE."""

    def __init__(self, summary: str, fix: str = "", *, code: str = "") -> None:
        super().__init__(summary, fix)
        self.code = code


class Session:
    """One connection, in autocommit."""

    def __init__(self, connection: psycopg.Connection[Row], *, shown: str, monotonic: Callable[[], float]) -> None:
        self._connection = connection
        self._shown = shown
        self._monotonic = monotonic
        self._watch = _Watch(monotonic)
        self._bound()

    def _bound(self) -> None:
        """Let the connection's own waits pass through our watch."""
        plain = self._connection.wait

        self._connection.wait = (  # type: ignore[method-assign]
            lambda gen, *more, **named: plain(self._watch.over(gen), *more, **named)
        )

    @property
    def lost(self) -> bool:
        """True once the connection can't be used any more."""
        return bool(self._connection.closed)

    def query(
        self,
        text: str,
        parameters: Parameters | None = None,
        *,
        prepare: bool = False,
        deadline: float = DEADLINE,
        late: tuple[float, Callable[[], None]] | None = None,
    ) -> list[Row]:
        """Run one statement, and return its rows. `late`: after that many seconds without an answer, what to call.

        Raises Gone when the connection was lost, or nothing came before the deadline; Refused for the server's errors.
        """

        def run() -> list[Row]:
            cursor = self._connection.execute(text.encode(), parameters, prepare=prepare)
            return cursor.fetchall() if cursor.description else []

        return self._answered(run, deadline, late)

    def queries(self, *statements: tuple[str, Parameters], deadline: float = DEADLINE) -> list[list[Row]]:
        """Run several statements in one round trip, inside a transaction, and return the rows of each."""

        def run() -> list[list[Row]]:
            with self._connection.pipeline():
                cursors = [self._connection.execute(text.encode(), parameters) for text, parameters in statements]
            return [cursor.fetchall() for cursor in cursors]

        return self._answered(run, deadline, None)

    def _answered(
        self, run: Callable[[], _Answer], deadline: float, late: tuple[float, Callable[[], None]] | None
    ) -> _Answer:
        import psycopg

        self._watch.start(deadline, late)
        try:
            return run()
        except psycopg.Error as error:
            raise self._judged(error) from error
        except _Late as error:
            self.close()
            raise Gone(f"the state {self._shown} got no answer from PostgreSQL in {deadline:.0f} s", _AGAIN) from error
        except BaseException:  # an interrupt; what it left of the connection can't be known
            self.close()
            raise

    def prepare(self) -> None:
        """Set what a writer's session needs; not before it is known that the session is ours alone."""
        self.query(_SET, {"names": list(_SETTINGS), "values": list(_SETTINGS.values())})
        self.query(_SYNCHRONOUS)

    def close(self) -> None:
        """Let go of the connection."""
        with contextlib.suppress(Exception):
            self._connection.close()

    def _judged(self, error: psycopg.Error) -> StateError:
        code = error.sqlstate or ""
        if self._connection.closed or self._connection.broken or code.startswith(("08", "57P")):
            self.close()
            return Gone(f"the connection to the state {self._shown} was lost: {_said(error)}", _AGAIN)
        return _refused(error, self._shown)


class _Late(Exception):
    """No answer before the deadline."""


class _Watch:
    """Ends a wait at its deadline. psycopg wakes the generator that it waits for ten times a second."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._end = 0.0
        self._late: tuple[float, Callable[[], None]] | None = None

    def start(self, deadline: float, late: tuple[float, Callable[[], None]] | None) -> None:
        now = self._monotonic()
        self._end = now + deadline
        self._late = None if late is None else (now + late[0], late[1])

    def over(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready:
                    self._look()
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _look(self) -> None:
        now = self._monotonic()
        if self._late is not None and now >= self._late[0]:
            (_, call), self._late = self._late, None
            call()
        if now >= self._end:
            raise _Late


def connect(options: Mapping[str, str], *, shown: str, name: str, monotonic: Callable[[], float]) -> Session:
    """Open a connection. `name`: the application name that others see. Raises StateError, UsageError."""
    try:
        import psycopg
    except ImportError as error:
        raise UsageError(
            "a state in PostgreSQL needs psycopg", "Install it with `pip install 'declarative-sdrs[postgresql]'`."
        ) from error

    try:
        wanted = psycopg.conninfo.make_conninfo(**options, application_name=name, client_encoding="utf8")
        connection = psycopg.connect(wanted, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        if error.sqlstate:
            raise _refused(error, shown) from error
        raise StateError(
            f"can't reach the state {shown}: {_said(error)}",
            f"{_TLS} Else check the host, the network and what PGUSER, PGPASSWORD, ~/.pgpass or the service file say."
            if "certificate" in str(error) or "SSL" in str(error)
            else "Check the host, the network and what PGUSER, PGPASSWORD, ~/.pgpass or the service file say.",
        ) from error
    return Session(connection, shown=shown, monotonic=monotonic)


_AGAIN = "Run again once the server can be reached."
_TLS = (
    "Beyond this machine the server's certificate is verified: name its authority with sslrootcert=FILE in the "
    "address, or choose another sslmode there."
)


def _said(error: psycopg.Error) -> str:
    said = error.diag.message_primary or " ".join(str(error).split()) or type(error).__name__
    return visible(said, limit=300)


def _refused(error: psycopg.Error, shown: str) -> Refused:
    code = error.sqlstate or ""
    for start, fix in _FIXES:
        if code.startswith(start):
            return Refused(f"PostgreSQL refused the state {shown}: {_said(error)} (SQLSTATE {code})", fix, code=code)
    return Refused(f"PostgreSQL failed with the state {shown}: {_said(error)} (SQLSTATE {code or 'none'})", code=code)


_FIXES = (
    ("42501", "Give the role the rights that docs/stores/postgresql.md lists for reading or for writing."),
    ("28", "Check the user and the password: PGUSER, PGPASSWORD, ~/.pgpass or the service file."),
    ("3D000", "Create the database, or correct its name in the address."),
    ("25006", "The server or the role only reads. Name the primary, or a role that may write."),
    ("53", "The server has run out of something. Make room there, and run again."),
    ("57014", "The server took too long. Run again once it is less busy."),
    ("55P03", "Something else holds what was needed for too long. Run again once that has ended."),
)
