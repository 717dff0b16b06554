"""The lock on a real PostgreSQL: one holder, however processes end; and whoever lost it writes nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import pytest

from declarative.errors import StateConflict, StateError
from declarative.state.postgres import lock as lock_module
from tests.scaffold import recorded as r
from tests.scaffold.postgres_place import Place, holder
from tests.scaffold.postgres_server import Server, wait_until


def test_one_has_the_lock_and_everybody_sees_who(place):
    first, second = place.open(), place.open()
    mine = holder("lock-1")
    assert first.try_lock(mine) is None
    seen = second.try_lock(holder("lock-2"))
    assert (seen.holder, seen.alive) == (mine, True)
    assert second.lock_seen().holder == first.lock_seen().holder == mine
    first.unlock()
    assert second.lock_seen() is None
    assert second.try_lock(holder("lock-2")) is None


def test_the_lock_is_taken_once_by_one_engine(place):
    engine = place.locked()
    with pytest.raises(StateError, match="already"):
        engine.try_lock(holder())


def test_unlocking_frees_nobody_else_s_lock(place):
    first, second = place.locked(), place.open()
    second.unlock()
    second.close()
    assert second.lock_seen() is not None
    first.unlock()
    first.unlock()


def test_locks_of_two_schemas_with_the_same_ids_are_two(place):
    place.locked()
    place.locked(place.address().replace("schema=declarative", "schema=other"))
    assert place.run("select (select id from declarative.marks) = (select id from other.marks)") == [(True,)]


def test_the_session_is_named_after_its_lock(place):
    place.open().try_lock(holder("lock-77", who="ö" * 80))
    names = [row[0] for row in place.run("select application_name from pg_stat_activity")]
    assert any(name.startswith("declarative lock-77 ") for name in names)


def test_a_holder_who_is_not_written_down_is_told_by_its_session_s_name(place):
    place.open().try_lock(holder("lock-77"))
    place.run("update declarative.states set holder = 'nonsense'")
    assert place.open().lock_seen().holder.id == "lock-77"


def test_what_is_written_down_means_nothing_without_the_session(place):
    engine = place.locked()
    place.run("select pg_terminate_backend(backend) from declarative.states")
    other = place.open()
    wait_until(lambda: other.lock_seen() is None, "the lock is free")
    assert place.run("select holder <> '' from declarative.states") == [(True,)]
    assert other.try_lock(holder()) is None
    engine.unlock()
    assert other.lock_seen() is not None


# ---------------------------------------------------------------- fencing


def test_whoever_lost_the_lock_without_knowing_writes_nothing(place):
    zombie = place.locked()
    zombie.append([r.put(1)], lineage="L", after=0)
    place.run("update declarative.states set epoch = epoch + 1")
    for _ in range(2):
        with pytest.raises(StateConflict):
            zombie.append([r.put(2)], lineage="L", after=1)
    assert place.open().read().state.serial == 1


def test_each_lock_makes_an_epoch_also_where_the_state_s_row_was_lost(place):
    for epoch in (1, 2):
        place.locked().unlock()
        assert place.run("select epoch from declarative.states") == [(epoch,)]
    place.run("delete from declarative.states")
    place.locked()
    assert place.run("select epoch from declarative.states") == [(3,)]
    place.run("update declarative.states set epoch = 9")
    place.opened[-1].unlock()
    place.locked()
    assert place.run("select epoch from declarative.states") == [(10,)]


def test_a_change_without_the_lock_is_told_from_a_lost_lock(place):
    engine = place.locked()
    engine.append([r.put(1)], lineage="L", after=0)
    place.run("update declarative.states set digest = 'x'")
    with pytest.raises(StateConflict, match="without its lock"):
        engine.append([r.put(2)], lineage="L", after=1)


# ---------------------------------------------------------------- breaking


def test_breaking_ends_the_session_and_leaves_the_lock_free(place):
    zombie, other = place.locked(), place.open()
    zombie.append([r.put(1)], lineage="L", after=0)
    mine = other.lock_seen().holder
    assert other.break_lock(mine.id, force=False, sleep=time.sleep) == mine
    assert other.lock_seen() is None
    assert place.run("select epoch from declarative.states") == [(2,)]
    with pytest.raises(StateConflict):
        zombie.append([r.put(2)], lineage="L", after=1)
    assert other.read().state.serial == 1


@pytest.mark.parametrize("id_", ["lock-2", "", "lock-1 "])
def test_breaking_asks_for_exactly_the_id(place, id_):
    engine = place.open()
    engine.try_lock(holder("lock-1"))
    with pytest.raises(StateError, match="has the id lock-1"):
        place.open().break_lock(id_, force=True, sleep=time.sleep)
    engine.append([r.put(1)], lineage="L", after=0)


def test_there_is_nothing_to_break_where_nobody_holds_the_lock(place):
    engine = place.open()
    for _ in range(2):
        with pytest.raises(StateError, match="is not locked"):
            engine.break_lock("lock-1", force=True, sleep=time.sleep)
        place.locked().unlock()


WRITING = "grant usage on schema declarative;grant select, insert, update, delete on all tables in schema declarative"


def test_breaking_tells_which_right_it_needs(place):
    held = place.open()
    held.try_lock(holder("lock-1"))
    role = place.role("writer", WRITING)
    other = place.open(place.address(user=role))
    with pytest.raises(StateError, match="may not end the session") as raised:
        other.break_lock("lock-1", force=True, sleep=time.sleep)
    assert "pg_signal_backend" in raised.value.fix
    place.run(f"grant pg_signal_backend to {role}")
    assert other.break_lock("lock-1", force=False, sleep=time.sleep).id == "lock-1"


def test_a_session_that_does_not_end_is_told(place, monkeypatch):
    place.open().try_lock(holder("lock-1"))
    (backend,) = place.run("select backend from declarative.states")[0]
    monkeypatch.setattr(lock_module, "_WAITED", 3)
    os.kill(backend, signal.SIGSTOP)
    pauses: list[float] = []
    try:
        with pytest.raises(StateError, match="has not"):
            place.open().break_lock("lock-1", force=False, sleep=pauses.append)
        assert len(pauses) == 3
    finally:
        os.kill(backend, signal.SIGCONT)


# ---------------------------------------------------------------- other processes

SPAWN = multiprocessing.get_context("spawn")


def start(work: Callable[..., None], place: Place, *rest: object) -> tuple[Any, Connection]:
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=work, args=(place.server.port, place.database, theirs, *rest), daemon=True)
    process.start()
    return process, ours


def elsewhere(port: int, database: str) -> Place:
    return Place(Server(port, None, None), database)  # type: ignore[arg-type]


def hold(port: int, database: str, pipe: Connection) -> None:
    """Lock, write serial 1, tell so, and write another one when told to."""
    engine = elsewhere(port, database).locked()
    engine.append([r.put(1)], lineage="L", after=0)
    pipe.send("holds")
    pipe.recv()
    try:
        engine.append([r.put(2)], lineage="L", after=1)
        pipe.send("wrote")
    except StateConflict:
        pipe.send("conflict")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_of_a_process_that_ends_is_free(place, number):
    process, pipe = start(hold, place)
    assert pipe.recv() == "holds"
    os.kill(process.pid, number)
    process.join()
    other = place.open()
    wait_until(lambda: other.try_lock(holder()) is None, "the lock is free")
    assert other.read().state.serial == 1


def test_a_process_that_was_stopped_wakes_up_as_nobody(place):
    process, pipe = start(hold, place)
    assert pipe.recv() == "holds"
    os.kill(process.pid, signal.SIGSTOP)
    other = place.open()
    other.break_lock(other.lock_seen().holder.id, force=False, sleep=time.sleep)
    assert other.try_lock(holder()) is None
    other.append([r.put(9)], lineage="L", after=1)
    os.kill(process.pid, signal.SIGCONT)
    pipe.send("go on")
    assert pipe.recv() == "conflict"
    process.join()
    assert set(other.read().state.resources) == {r.put(1).resource.address, r.put(9).resource.address}
    assert place.run("select serial, epoch from declarative.history order by 1") == [(1, 1), (2, 3)]


def increment(port: int, database: str, pipe: Connection, rounds: int) -> None:
    """Lock, add one object, unlock; so often. Nobody else is there meanwhile."""
    place = elsewhere(port, database)
    engine = place.open()
    for _ in range(rounds):
        while engine.try_lock(holder(f"lock-{os.getpid()}")) is not None:
            time.sleep(0.001)
        state = engine.read().state
        serial = state.serial if state is not None else 0
        engine.append([r.put(serial)], lineage="L", after=serial)
        assert engine.lock_seen().holder.id == f"lock-{os.getpid()}"
        engine.unlock()
    engine.close()
    pipe.send("done")


def test_processes_take_turns_and_lose_nothing(place):
    started = [start(increment, place, 10) for _ in range(3)]
    assert [pipe.recv() for _, pipe in started] == ["done"] * 3
    for process, _ in started:
        process.join()
    state = place.open().read().state
    assert (state.serial, len(state.resources)) == (30, 30)
    epochs = [row[0] for row in place.run("select epoch from declarative.history order by serial")]
    assert epochs == list(range(1, 31))
