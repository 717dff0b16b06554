"""The lock of a bucket: who holds it, how it is renewed and broken, and what a broken one is good for."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest

from declarative.errors import LockHeld, StateConflict, StateError
from declarative.state.engine import Kept
from declarative.state.objects import ObjectEngine
from tests.scaffold import recorded as r
from tests.scaffold.bucket_worlds import (
    HOLDER,
    KEY,
    LINEAGE,
    OTHER,
    Clock,
    after,
    append,
    engine_at,
    engine_on,
    locked,
)
from tests.scaffold.s3_server import FakeS3

LOCK = f"{KEY}.lock"


def break_lock(fake: FakeS3, lock_id: str = HOLDER.id) -> Clock:
    clock = Clock()
    engine_on(fake, clock).break_lock(lock_id, force=False, sleep=clock.sleep)
    return clock


def test_only_one_of_many_takes_the_lock(endpoint: str) -> None:
    engines = [engine_at(endpoint) for _ in range(8)]
    taken = [engine.try_lock(HOLDER) for engine in engines]
    assert taken.count(None) == 1
    engines[taken.index(None)].unlock()
    assert engines[3].try_lock(HOLDER) is None
    engines[3].unlock()


def test_lock_object_is_never_deleted() -> None:
    fake = FakeS3()
    for _ in range(3):
        with locked(engine_on(fake)):
            pass
    assert LOCK in fake.objects
    assert ("DELETE", LOCK, 204) not in fake.requests


def test_every_write_of_the_lock_has_an_etag_of_its_own() -> None:
    fake = FakeS3()
    etags = []
    for _ in range(5):
        with locked(engine_on(fake)) as engine:
            etags.append(fake.objects[LOCK].etag)
            engine._lock.beat()
            etags.append(fake.objects[LOCK].etag)
        etags.append(fake.objects[LOCK].etag)
    assert len(set(etags)) == len(etags)


def test_heartbeat_renews_the_lock(fake: FakeS3) -> None:
    beaten = threading.Event()
    fake.before = lambda method, key: (method, key) == ("PUT", LOCK) and fake.count > 20 and beaten.set()
    with locked(engine_at(fake.endpoint, pause=0.01)):
        fake.count = 100
        assert beaten.wait(10)


def test_heartbeat_ends_with_the_lock(fake: FakeS3) -> None:
    engine = engine_at(fake.endpoint, pause=0.01)
    with locked(engine):
        thread = engine._lock._thread
        assert thread is not None
        assert thread.daemon
    thread.join(10)
    assert not thread.is_alive()


def test_lock_that_is_renewed_is_not_broken() -> None:
    fake = FakeS3()
    with locked(engine_on(fake)) as engine:
        clock = Clock(during=engine._lock.beat)
        with pytest.raises(LockHeld):
            engine_on(fake, clock).break_lock(HOLDER.id, force=True, sleep=clock.sleep)
        append(engine, 1)
    assert engine_on(fake).read().state == after(1)


def test_lock_that_is_renewed_at_the_last_moment_is_not_broken() -> None:
    fake = FakeS3()
    engine = engine_on(fake)
    with locked(engine):
        clock = Clock()
        looks = []

        def renew_late(method: str, key: str) -> None:
            if (method, key) == ("GET", LOCK):
                looks.append(clock.now)
            if (method, key) == ("PUT", LOCK) and len(looks) == 13:
                looks.append(0)
                engine._lock.beat()

        fake.before = renew_late
        with pytest.raises(LockHeld):
            engine_on(fake, clock).break_lock(HOLDER.id, force=False, sleep=clock.sleep)
        assert looks[12] - looks[0] >= 60
        append(engine, 1)


@pytest.mark.parametrize("lock_id", ["other", ""])
def test_lock_is_broken_by_its_exact_id_only(lock_id: str) -> None:
    fake = FakeS3()
    with locked(engine_on(fake)), pytest.raises(StateError, match="has no lock"):
        break_lock(fake, lock_id)


def test_free_lock_is_nothing_to_break() -> None:
    fake = FakeS3()
    with pytest.raises(StateError, match="has no lock"):
        break_lock(fake)
    with locked(engine_on(fake)):
        pass
    with pytest.raises(StateError, match="has no lock"):
        break_lock(fake)


def test_broken_lock_is_free_and_named() -> None:
    fake = FakeS3()
    engine_on(fake).try_lock(HOLDER)
    clock = Clock()
    assert engine_on(fake, clock).break_lock(HOLDER.id, force=False, sleep=clock.sleep) == HOLDER
    assert clock.now >= 1060
    assert engine_on(fake).lock_seen() is None
    with locked(engine_on(fake), OTHER) as engine:
        append(engine, 1)


def test_break_that_was_killed_is_broken_again() -> None:
    fake = FakeS3()
    engine_on(fake).try_lock(HOLDER)
    clock = Clock()
    breaker = engine_on(fake, clock)
    breaker._lock.seize(breaker._lock.watch(HOLDER.id, clock.sleep))
    seen = engine_on(fake).try_lock(OTHER)
    assert seen is not None
    assert seen.holder == HOLDER
    break_lock(fake)
    with locked(engine_on(fake), OTHER) as engine:
        append(engine, 1)


def test_damaged_lock_is_held_by_nobody_knows_whom_and_can_be_broken() -> None:
    fake = FakeS3()
    with locked(engine_on(fake)) as engine:
        append(engine, 1)
    fake.damage(LOCK, fake.objects[LOCK].data.replace(b'"held"', b'"helb"'))
    seen = engine_on(fake).try_lock(OTHER)
    assert seen is not None
    assert seen.holder.id == "unreadable"
    break_lock(fake, "unreadable")
    with locked(engine_on(fake), OTHER) as engine:
        append(engine, 2)


def test_watcher_learns_whether_a_holder_lives() -> None:
    fake = FakeS3()
    engine = engine_on(fake)
    engine.try_lock(HOLDER)
    clock = Clock()
    watcher = engine_on(fake, clock)
    assert [seen.alive for seen in (watcher.lock_seen(), watcher.lock_seen()) if seen] == [None, None]
    engine._lock.beat()
    clock.now += 11
    seen = watcher.lock_seen()
    assert seen is not None
    assert seen.alive is True
    clock.now += 61
    seen = watcher.lock_seen()
    assert seen is not None
    assert seen.alive is False
    assert seen.age == "not renewed for 61 s"


# ---------------------------------------------------------------- holding on to it


def test_holder_that_can_not_renew_for_a_minute_writes_nothing_until_it_can() -> None:
    fake = FakeS3()
    clock = Clock()
    engine = engine_on(fake, clock)
    with locked(engine):
        append(engine, 1)
        fake.lose = lambda method, key, number: "before" if key == LOCK else None
        clock.now += 59
        append(engine, 2)
        clock.now += 2
        with pytest.raises(StateError, match="could not be renewed"):
            append(engine, 3)
        fake.lose = lambda method, key, number: None
        append(engine, 3)
    assert engine_on(fake).read().state == after(1, 2, 3)


@pytest.mark.parametrize("fate", ["before", "after", "cut"])
def test_lost_answers_do_not_lose_the_lock(fake: FakeS3, fate: str) -> None:
    clock = Clock()
    engine = engine_at(fake.endpoint, clock)
    lost: list[int] = []

    def once_in_three(method: str, key: str, number: int) -> str | None:
        if method == "PUT" and number % 3 == 0 and ".probe-" not in key:
            lost.append(number)
            return fate
        return None

    fake.lose = once_in_three
    for number in range(1, 6):
        with locked(engine):
            append(engine, number)
            clock.now += 61
            engine.write(after(*range(1, number + 1)), after=number)
    assert len(lost) > 5
    assert engine_at(fake.endpoint).read().state == after(1, 2, 3, 4, 5)


def test_heartbeat_that_lands_late_is_still_ours() -> None:
    fake = FakeS3()
    engine = engine_on(fake)
    with locked(engine):
        session = engine._lock._session
        assert session is not None
        etag = session.etag
        engine._lock.beat()
        session.etag = etag  # as if the answer had never come
        engine._lock.beat()
        append(engine, 1)
    assert engine_on(fake).lock_seen() is None


def test_heartbeat_that_is_refused_means_the_lock_is_lost() -> None:
    fake = FakeS3()
    engine = engine_on(fake)
    engine.try_lock(HOLDER)
    append(engine, 1)
    break_lock(fake)
    engine._lock.beat()
    before = len(fake.requests)
    with pytest.raises(StateConflict):
        append(engine, 2)
    assert len(fake.requests) == before


def test_lock_object_that_somebody_deletes_fences_its_holder() -> None:
    fake = FakeS3()
    engine = engine_on(fake)
    engine.try_lock(HOLDER)
    append(engine, 1)
    fake.change(LOCK, None)
    with locked(engine_on(fake), OTHER) as other:
        with pytest.raises(StateConflict):
            append(engine, 2)
        append(other, 2)


# ---------------------------------------------------------------- zombies

ZOMBIE_WRITES: dict[str, Callable[[ObjectEngine], object]] = {
    "append": lambda engine: append(engine, 3),
    "fold": lambda engine: engine.write(after(1, 2), after=2),
    "write": lambda engine: engine.write(after(9, serial=3), after=2),
    "restore": lambda engine: engine.replace(after(1)),
    "move": lambda engine: engine.move_to("local:x"),
}


@pytest.mark.parametrize("meanwhile", ["nothing", "work", "folded-work", "restore"])
@pytest.mark.parametrize("knows", ["nothing", "what-it-read", "what-it-wrote"])
@pytest.mark.parametrize("write", ZOMBIE_WRITES)
def test_no_write_lands_after_a_break(write: str, knows: str, meanwhile: str) -> None:
    fake = FakeS3()
    with locked(engine_on(fake)) as engine:
        append(engine, 1)
        if knows != "what-it-wrote":
            append(engine, 2)
    zombie = engine_on(fake)
    zombie.try_lock(HOLDER)
    if knows != "nothing":
        zombie.read()
    if knows == "what-it-wrote":
        append(zombie, 2)
    break_lock(fake)
    with locked(engine_on(fake), OTHER) as other:
        if meanwhile != "nothing":
            append(other, 3, 4)
        if meanwhile == "folded-work":
            other.write(after(1, 2, 3, 4), after=4)
        if meanwhile == "restore":
            other.replace(after(1, 2))
    objects = dict(fake.objects)
    for _ in range(2):
        with pytest.raises(StateConflict):
            ZOMBIE_WRITES[write](zombie)
    zombie.close()
    changed = {key for key in objects.keys() | fake.objects.keys() if objects.get(key) != fake.objects.get(key)}
    assert {key for key in changed if ".replaced-" not in key} == set()


@pytest.mark.parametrize("write", ZOMBIE_WRITES)
def test_request_on_its_way_during_a_break_does_not_land_after_it(fake: FakeS3, write: str) -> None:
    with locked(engine_at(fake.endpoint)) as engine:
        append(engine, 1)
    zombie = engine_at(fake.endpoint)
    zombie.try_lock(HOLDER)
    append(zombie, 2)
    broken: list[dict[str, object]] = []

    def break_first(method: str, key: str) -> None:
        if method == "PUT" and not broken and (key == KEY or ".journal/" in key):
            broken.append({})
            break_lock(fake)
            with locked(engine_on(fake), OTHER) as other:
                append(other, 3)
            broken[0].update(fake.objects)

    fake.before = break_first
    with pytest.raises(StateConflict):
        ZOMBIE_WRITES[write](zombie)
    zombie.close()
    assert broken[0] == {key: kept for key, kept in fake.objects.items() if ".replaced-" not in key}
    assert engine_on(fake).read() == Kept(after(1, 2, 3), (LINEAGE, 3))


def test_deletes_of_a_zombie_take_nothing_that_counts() -> None:
    fake = FakeS3()
    zombie = engine_on(fake)
    zombie.try_lock(HOLDER)
    append(zombie, 1, 2, 3)
    done: list[bool] = []

    def break_first(method: str, key: str) -> None:
        if method == "DELETE" and ".journal/" in key and not done:
            done.append(True)
            break_lock(fake)
            with locked(engine_on(fake), OTHER) as other:
                state = other.go_back(3)
                assert state is not None
                other.replace(after(1))
                append(other, 2, 3, 4)

    fake.before = break_first
    zombie.write(after(1, 2, 3), after=3)
    fake.before = lambda method, key: None
    assert done
    assert engine_on(fake).read().state == after(1, 2, 3, 4)


def test_request_that_lands_after_the_next_holder_began_is_fenced() -> None:
    fake = FakeS3()
    engine = engine_on(fake)
    engine.try_lock(HOLDER)
    append(engine, 1)
    fake.lose = lambda method, key, number: "before" if ".journal/" in key else None
    with pytest.raises(StateError):
        append(engine, 2)
    fake.lose = lambda method, key, number: None
    pending = engine._pending
    assert pending is not None
    engine.unlock()
    with locked(engine_on(fake), OTHER) as other:
        assert other._bucket.etag(f"{KEY}.journal/000000000002") is not None
        append(other, 2)
    assert engine_on(fake).read().state == after(1, 2)


def test_batch_without_an_answer_is_not_written_twice() -> None:
    fake = FakeS3()
    with locked(engine_on(fake)) as engine:
        append(engine, 1)
        puts: list[str] = []

        def deaf(method: str, key: str, number: int) -> str | None:
            if ".journal/" not in key:
                return None
            if method == "PUT":
                puts.append(key)
                return "after" if len(puts) == 1 else "before"
            return "before"

        fake.lose = deaf
        with pytest.raises(StateError):
            append(engine, 2)
        fake.lose = lambda method, key, number: None
        append(engine, 2)  # the same again
        append(engine, 3)
    assert engine_on(fake).read().state == after(1, 2, 3)


def test_other_batch_after_one_without_an_answer_that_has_landed_is_a_conflict() -> None:
    fake = FakeS3()
    with locked(engine_on(fake)) as engine:
        engine.read()
        puts: list[str] = []

        def deaf(method: str, key: str, number: int) -> str | None:
            if method == "PUT":
                puts.append(key)
            return "after" if len(puts) == 1 and method == "PUT" else "before"

        fake.lose = deaf
        with pytest.raises(StateError):
            append(engine, 1)
        fake.lose = lambda method, key, number: None
        with pytest.raises(StateConflict):
            engine.append([r.put(7)], lineage=LINEAGE, after=0)
        assert engine.read().state == after(1)
        append(engine, 2)
    assert engine_on(fake).read().state == after(1, 2)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_acknowledged_is_lost_and_no_serial_is_given_twice(seed: int) -> None:
    chance = random.Random(seed)
    fake = FakeS3()
    fates = [None] * 12 + ["before", "after"]
    fake.lose = lambda method, key, number: chance.choice(fates)
    machines: list[ObjectEngine] = [engine_on(fake) for _ in range(4)]
    states: dict[int, int] = {}
    acknowledged: dict[int, int] = {}
    names = 0
    for _ in range(300):
        one = chance.randrange(len(machines))
        engine = machines[one]
        try:
            deed = chance.choice(["lock", "lock", *["append"] * 6, "fold", "unlock", "break", "restart"])
            if deed == "lock" and engine._lock.body is None and engine.try_lock(HOLDER) is None:
                found = engine.read().state
                states[one] = found.serial if found else 0
            elif deed == "append" and one in states:
                names += 1
                engine.append([r.put(names)], lineage=LINEAGE, after=states[one])
                states[one] += 1
                assert acknowledged.setdefault(states[one], names) == names
            elif deed == "fold" and one in states:
                found = engine.read().state
                if found is not None and found.serial == states[one]:
                    engine.write(found, after=found.serial)
            elif deed == "unlock":
                states.pop(one, None)
                engine.unlock()
            elif deed == "break":
                break_lock(fake)
            elif deed == "restart":
                machines[one] = engine_on(fake)
                states.pop(one, None)
        except StateConflict:
            states.pop(one, None)
            engine.unlock() if chance.random() < 0.5 else None
        except StateError:
            pass
    fake.lose = lambda method, key, number: None
    found = engine_on(fake).read().state
    recorded = {address.name for address in found.resources} if found else set()
    assert {f"g{name}" for name in acknowledged.values()} <= recorded
    assert len(acknowledged) > 5
