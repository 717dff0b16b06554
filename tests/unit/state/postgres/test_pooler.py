"""Transaction poolers are refused: on a real PgBouncer, and on pools that choose their connections otherwise."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from declarative.errors import StateError
from declarative.state.postgres.pooler import refuse_pooler
from declarative.state.postgres.session import Gone
from tests.scaffold import postgres_server as scaffold
from tests.scaffold import recorded as r
from tests.scaffold.postgres_place import holder

needs_pgbouncer = pytest.mark.skipif(
    not Path(scaffold.PGBOUNCER).exists(), reason="PgBouncer is not installed (Debian: pgbouncer)"
)

# ---------------------------------------------------------------- a real one


@needs_pgbouncer
@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("settings", [{}, {"server_round_robin": "1"}], ids=["last", "round"])
def test_a_transaction_pooler_is_refused(place, size, settings):
    with scaffold.pgbouncer(place.server, mode="transaction", pool_size=size, **settings) as port:
        for _ in range(3):
            with pytest.raises(StateError, match="transaction pooler"):
                place.open(place.address(port=port)).try_lock(holder())
    assert place.run("select 1 from pg_namespace where nspname = 'declarative'") == []


@needs_pgbouncer
def test_a_pooler_of_statements_is_refused(place):
    with (
        scaffold.pgbouncer(place.server, mode="statement", pool_size=2) as port,
        pytest.raises(StateError, match="transaction pooler"),
    ):
        place.open(place.address(port=port)).try_lock(holder())


@needs_pgbouncer
def test_a_transaction_pooler_is_good_enough_to_read_through(place):
    place.locked().append([r.put(1)], lineage="L", after=0)
    with scaffold.pgbouncer(place.server, mode="transaction", pool_size=1) as port:
        reader = place.open(place.address(port=port))
        for _ in range(8):
            assert reader.read().state.serial == 1
        assert reader.lock_seen() is not None
        reader.close()


@needs_pgbouncer
def test_a_pooler_of_sessions_will_do(place):
    with scaffold.pgbouncer(place.server, mode="session", pool_size=4) as port:
        engine = place.locked(place.address(port=port))
        engine.append([r.put(1)], lineage="L", after=0)
        assert place.open().try_lock(holder()) is not None
        engine.close()
    assert place.open().read().state.serial == 1


def test_direct_connections_are_taken_for_what_they_are_under_load(place):
    place.locked().unlock()
    over = threading.Event()

    def busy() -> None:
        import psycopg

        dsn = f"host=127.0.0.1 port={place.server.port} user=postgres dbname={place.database}"
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not over.is_set():
                connection.execute("select sum(n * n) from generate_series(1, 30000) n")

    threads = [threading.Thread(target=busy) for _ in range(16)]
    for thread in threads:
        thread.start()
    try:
        for number in range(15):
            engine = place.locked(environment=f"e{number}")
            engine.close()
    finally:
        over.set()
        for thread in threads:
            thread.join()


# ---------------------------------------------------------------- made-up ones


class Pool:
    """`size` backends, shared out by transaction: the free one at the end (`last`) or the beginning of the queue."""

    def __init__(self, size: int, *, last: bool, others: int = 0) -> None:
        self.free = list(range(100, 100 + size))
        self.last = last
        self.waits = others

    def take(self) -> int | None:
        return self.free.pop(-1 if self.last else 0) if self.free else None


class Client:
    """A session as `refuse_pooler` uses it, on a pool."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.within: int | None = None

    def query(self, text: str, *, deadline: float = 0, late: tuple[float, Callable[[], None]] | None = None):
        if text == "rollback":
            self.pool.free.append(self.within)
            self.within = None
            return []
        backend = self.within if self.within is not None else self.pool.take()
        if backend is None and late is not None:
            late[1]()
            backend = self.pool.take()
        if backend is None:
            raise Gone("no answer")
        if text == "begin":
            self.within = backend
        elif self.within is None:
            self.pool.free.append(backend)
        return [(backend,)]


class Slow:
    """A direct session; the looks whose numbers are in `late` take longer than 2 s."""

    def __init__(self, backend: int, late: set[int] = frozenset()) -> None:
        self.backend = backend
        self.late = late
        self.looks = itertools.count()

    def query(self, text: str, *, deadline: float = 0, late: tuple[float, Callable[[], None]] | None = None):
        if late is not None and next(self.looks) in self.late:
            late[1]()
        return [(self.backend,)]


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("size", range(1, 9))
def test_pools_of_any_size_are_known_by_who_changes_place(size, last):
    pool = Pool(size, last=last)
    with pytest.raises(StateError, match="transaction pooler"):
        refuse_pooler(Client(pool), Client(pool), shown="x")


@pytest.mark.parametrize("late", [set(), {0}, {0, 1}, {1}])
def test_a_server_that_is_slow_for_a_while_is_no_pooler(late):
    refuse_pooler(Slow(1, late), Slow(2), shown="x")


def test_a_session_that_is_blocked_by_the_other_each_time_is_behind_a_pooler():
    with pytest.raises(StateError, match="transaction pooler"):
        refuse_pooler(Slow(1, {0, 1, 2}), Slow(2), shown="x")


def test_a_second_session_that_gets_no_answer_proves_nothing():
    pool = Pool(0, last=True)
    with pytest.raises(StateError, match="can't find out"):
        refuse_pooler(Slow(1), Client(pool), shown="x")
