"""The engine for buckets, on stores that keep their word."""

from __future__ import annotations

import pytest

from declarative.errors import StateConflict, StateError
from declarative.state import fresh
from declarative.state.engine import Kept
from tests.scaffold.bucket_worlds import HOLDER, KEY, LINEAGE, OTHER, after, append, batch, engine_at, engine_on, locked
from tests.scaffold.s3_server import FakeS3


def keys(fake: FakeS3) -> list[str]:
    return sorted(key.removeprefix(KEY) for key in fake.objects)


def test_empty_bucket_holds_nothing(endpoint: str) -> None:
    engine = engine_at(endpoint)
    assert engine.read() == Kept(None)
    assert engine.lock_seen() is None
    assert list(engine.points()) == []


def test_batches_are_read_back_by_another_machine(endpoint: str) -> None:
    with locked(engine_at(endpoint)) as engine:
        append(engine, 1, 2, 3)
        assert engine_at(endpoint).read() == Kept(after(1, 2, 3), (LINEAGE, 3))


def test_folding_keeps_the_state_and_deletes_the_links(endpoint: str) -> None:
    with locked(engine_at(endpoint)) as engine:
        append(engine, 1, 2, 3)
        engine.write(after(1, 2, 3), after=3)
        append(engine, 4)
        engine.write(after(1, 2, 3, 4), after=4)
    assert engine_at(endpoint).read().state == after(1, 2, 3, 4)


def test_whole_state_takes_the_place_of_another(endpoint: str) -> None:
    with locked(engine_at(endpoint)) as engine:
        append(engine, 1, 2)
        engine.write(after(2, serial=3), after=2)
        engine.append(batch(5), lineage=LINEAGE, after=3)
    assert engine_at(endpoint).read() == Kept(after(2, 5, serial=4), (LINEAGE, 4))


def test_first_write_may_be_of_serial_zero(endpoint: str) -> None:
    with locked(engine_at(endpoint)) as engine:
        engine.write(fresh(LINEAGE), after=0)
        append(engine, 1)
    assert engine_at(endpoint).read().state == after(1)


def test_unchanged_state_is_not_written_again() -> None:
    fake = FakeS3()
    with locked(engine_on(fake)) as engine:
        append(engine, 1)
        engine.write(after(1), after=1)
        before = len(fake.requests)
        engine.write(after(1), after=1)
        assert [request for request in fake.requests[before:] if request[0] == "PUT"] == []


def test_append_is_one_small_put_whatever_the_state_holds() -> None:
    fake = FakeS3()
    with locked(engine_on(fake)) as engine:
        append(engine, 1)
        for number in range(2, 60):
            before = len(fake.requests)
            append(engine, number)
            assert [method for method, _, _ in fake.requests[before:]] == ["PUT"]
        assert len({len(kept.data) // 100 for key, kept in fake.objects.items() if ".journal/" in key}) <= 2


def test_append_elsewhere_than_at_the_serial_is_a_conflict(endpoint: str) -> None:
    with locked(engine_at(endpoint)) as engine:
        append(engine, 1, 2)
        with pytest.raises(StateConflict):
            engine.append(batch(9), lineage=LINEAGE, after=1)
        with pytest.raises(StateConflict):
            engine.append(batch(9), lineage="another", after=2)
        with pytest.raises(StateConflict):
            engine.write(after(9, serial=2), after=1)
    assert engine_at(endpoint).read().state == after(1, 2)


def test_nothing_is_written_without_the_lock(endpoint: str) -> None:
    engine = engine_at(endpoint)
    for write in (
        lambda: engine.append(batch(1), lineage=LINEAGE, after=0),
        lambda: engine.write(after(1), after=0),
        lambda: engine.replace(after(1)),
        lambda: engine.move_to("local:x"),
    ):
        with pytest.raises(StateConflict):
            write()
    assert engine_at(endpoint).read() == Kept(None)


def test_nothing_is_written_after_unlock(endpoint: str) -> None:
    engine = engine_at(endpoint)
    with locked(engine):
        append(engine, 1)
    with pytest.raises(StateConflict):
        append(engine, 2)


def test_reading_needs_no_other_right_than_to_read() -> None:
    fake = FakeS3()
    with locked(engine_on(fake)) as engine:
        append(engine, 1)
        before = len(fake.requests)
        reader = engine_on(fake)
        reader.read(), reader.points(), reader.go_back(1), reader.lock_seen()
        assert {method for method, _, _ in fake.requests[before:]} <= {"GET", "HEAD"}


def test_backup_of_each_lock_can_be_gone_back_to(endpoint: str) -> None:
    for number in range(1, 9):
        with locked(engine_at(endpoint)) as engine:
            append(engine, number)
            engine.write(after(*range(1, number + 1)), after=number)
    engine = engine_at(endpoint)
    assert [(point.serial, point.objects) for point in engine.points()] == [(n, n) for n in (8, 7, 6, 5, 4, 3)]
    assert engine.go_back(4) == after(1, 2, 3, 4)
    assert engine.go_back(2) is None


def test_whole_write_keeps_what_the_journal_holds() -> None:
    fake = FakeS3()
    with locked(engine_on(fake)) as engine:
        append(engine, 1, 2)
        engine.write(after(9, serial=3), after=2)
    assert engine_on(fake).go_back(2) == after(1, 2)


def test_restore_goes_back_and_on(endpoint: str) -> None:
    with locked(engine_at(endpoint)) as engine:
        append(engine, 1, 2)
        engine.write(after(1, 2), after=2)
        append(engine, 3)
        state = engine.go_back(2)
        assert state is not None
        kept = engine.replace(state)
        assert kept.startswith("s3://states/shop/prod.json.replaced-")
        assert engine.read() == Kept(after(1, 2), (LINEAGE, 2))
        engine.append(batch(7), lineage=LINEAGE, after=2)
    assert engine_at(endpoint).read() == Kept(after(1, 2, 7, serial=3), (LINEAGE, 3))


@pytest.mark.parametrize("part", ["checkpoint", "link", "missing-link", "missing-checkpoint"])
def test_damaged_state_is_refused_and_restored(part: str) -> None:
    fake = FakeS3()
    for number in (1, 2):
        with locked(engine_on(fake)) as engine:
            append(engine, number)
            engine.write(after(*range(1, number + 1)), after=number)
    with locked(engine_on(fake)) as engine:
        append(engine, 3, 4)
    link = f"{KEY}.journal/000000000003"
    if part.startswith("missing"):
        fake.change(link if part == "missing-link" else KEY, None)
    else:
        key = link if part == "link" else KEY
        fake.damage(key, fake.objects[key].data[:-9])
    engine = engine_on(fake)
    with pytest.raises(StateError) as raised:
        engine.read()
    assert "restore" in raised.value.fix
    point = engine.points()[0]
    assert point.serial == (2 if "link" in part else 4)
    with locked(engine):
        state = engine.go_back(point.serial)
        assert state is not None
        engine.replace(state)
        engine.append(batch(8), lineage=LINEAGE, after=point.serial)
    found = engine_on(fake).read().state
    assert found is not None
    assert found.serial == point.serial + 1


def test_moved_state_tells_where_it_is(endpoint: str) -> None:
    with locked(engine_at(endpoint)) as engine:
        append(engine, 1)
        engine.move_to("postgresql://host/db")
        assert engine.read() == Kept(None, None, "postgresql://host/db")
    engine = engine_at(endpoint)
    assert engine.read().moved_to == "postgresql://host/db"
    with locked(engine):
        engine.write(after(1, 2, serial=5), after=0)
    assert engine_at(endpoint).read() == Kept(after(1, 2, serial=5), (LINEAGE, 5))


def test_lost_state_is_noticed_by_a_machine_that_was_never_here() -> None:
    fake = FakeS3()
    with locked(engine_on(fake)) as engine:
        append(engine, 1, 2)
    for key in [key for key in fake.objects if not key.endswith(".highest")]:
        fake.change(key, None)
    assert engine_on(fake).read() == Kept(None, (LINEAGE, 2))


def test_older_state_is_noticed_by_a_machine_that_was_never_here() -> None:
    fake = FakeS3()
    with locked(engine_on(fake)) as engine:
        append(engine, 1)
        engine.write(after(1), after=1)
        old = {key: kept for key, kept in fake.objects.items() if ".lock" not in key}
        append(engine, 2)
        engine.write(after(1, 2), after=2)
    for key in [key for key in fake.objects if key.startswith(f"{KEY}.journal")]:
        fake.change(key, None)
    for key, kept in old.items():
        fake.change(key, kept)
    engine = engine_on(fake)
    assert engine.read() == Kept(after(1), (LINEAGE, 2))
    # Whoever accepts that goes on from there, and nothing blocks afterwards.
    with locked(engine):
        assert engine.read() == Kept(after(1), (LINEAGE, 2))
        engine.append(batch(5), lineage=LINEAGE, after=1)
    assert engine_on(fake).read() == Kept(after(1, 5), (LINEAGE, 2))


@pytest.mark.parametrize("left", ["gone", "damaged", "behind"])
def test_mark_that_is_lost_or_lags_never_blocks(left: str) -> None:
    fake = FakeS3()
    mark = f"{KEY}.highest"
    with locked(engine_on(fake)) as engine:
        append(engine, 1)
    early = fake.objects[mark]
    with locked(engine_on(fake)) as engine:
        append(engine, 2)
        engine.replace(after(1, serial=1))
    if left == "gone":
        fake.change(mark, None)
    elif left == "damaged":
        fake.damage(mark, b"?")
    else:
        fake.change(mark, early)
    assert engine_on(fake).read() == Kept(after(1), (LINEAGE, 1))
    with locked(engine_on(fake)) as engine:
        append(engine, 2)
    assert engine_on(fake).read() == Kept(after(1, 2), (LINEAGE, 2))


def test_reader_beside_a_writer_sees_every_state_whole(endpoint: str) -> None:
    reader = engine_at(endpoint)
    with locked(engine_at(endpoint)) as engine:
        for number in range(1, 8):
            append(engine, number)
            if number % 3 == 0:
                engine.write(after(*range(1, number + 1)), after=number)
            assert reader.read().state == after(*range(1, number + 1))


def test_reader_that_is_overtaken_by_a_fold_reads_again(fake: FakeS3) -> None:
    with locked(engine_at(fake.endpoint)) as engine:
        append(engine, 1, 2, 3)
        folded = []

        def fold_meanwhile(method: str, key: str) -> None:
            if key.endswith(".journal/000000000002") and method == "GET" and not folded:
                folded.append(True)
                engine.write(after(1, 2, 3), after=3)

        fake.before = fold_meanwhile
        assert engine_at(fake.endpoint).read().state == after(1, 2, 3)
        assert folded


def test_environments_are_those_with_a_state(endpoint: str) -> None:
    with locked(engine_at(endpoint)) as engine:
        append(engine, 1)
        assert engine_at(endpoint).environments() == ["prod"]
        engine.write(after(1), after=1)
        assert engine_at(endpoint).environments() == ["prod"]


def test_lock_of_another_is_described(endpoint: str) -> None:
    with locked(engine_at(endpoint)):
        seen = engine_at(endpoint).try_lock(OTHER)
        assert seen is not None
        assert seen.holder == HOLDER
        assert seen.alive is None
        assert "by the store's clock" in seen.age
        looked = engine_at(endpoint).lock_seen()
        assert looked is not None
        assert looked.holder == HOLDER
    assert engine_at(endpoint).lock_seen() is None
