"""Kills between any two writes, and bits that flip in anything that is kept."""

from __future__ import annotations

import pytest

from declarative.errors import StateError
from declarative.state import State
from declarative.state.objects import ObjectEngine
from tests.scaffold.bucket_worlds import HOLDER, KEY, LINEAGE, OTHER, Clock, after, append, batch, engine_on
from tests.scaffold.s3_server import FakeS3, Killed


def life(engine: ObjectEngine, reached: list[State | None]) -> None:
    """Go through all that an engine writes. `reached`: the states that were acknowledged."""
    assert engine.try_lock(HOLDER) is None
    for number in (1, 2, 3):
        append(engine, number)
        reached.append(after(*range(1, number + 1)))
    engine.write(after(1, 2, 3), after=3)
    append(engine, 4)
    reached.append(after(1, 2, 3, 4))
    engine.write(after(1, 2, 3, 4), after=4)
    engine.write(after(1, 2, 4, serial=5), after=4)
    reached.append(after(1, 2, 4, serial=5))
    engine.append(batch(6), lineage=LINEAGE, after=5)
    reached.append(after(1, 2, 4, 6, serial=6))
    engine.unlock()
    assert engine.try_lock(OTHER) is None
    engine.replace(after(1, 2, serial=2))
    reached.append(after(1, 2, serial=2))
    engine.append(batch(7), lineage=LINEAGE, after=2)
    reached.append(after(1, 2, 7, serial=3))
    engine.unlock()


STEPS: list[State | None] = []
_whole = engine_on(FakeS3())
life(_whole, STEPS)
WRITES = _whole._bucket.writes


def test_life_is_long_enough_to_prove_something() -> None:
    assert WRITES > 35


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", range(1, WRITES + 1))
def test_kill_leaves_what_was_acknowledged_or_the_next(number: int, moment: str) -> None:
    fake = FakeS3()
    engine = engine_on(fake, strike=lambda key, at: moment if at == number else "")
    reached: list[State | None] = [None]
    with pytest.raises(Killed):
        life(engine, reached)
    left = engine_on(fake).read().state
    assert left in (reached[-1], *STEPS[len(reached) - 1 : len(reached)])
    clock = Clock()
    seen = engine_on(fake).lock_seen()
    if seen is not None:
        engine_on(fake, clock).break_lock(seen.holder.id, force=False, sleep=clock.sleep)
    assert engine_on(fake).read().state == left
    following = engine_on(fake)
    assert following.try_lock(OTHER) is None
    serial = left.serial if left is not None else 0
    following.append(batch(9), lineage=LINEAGE, after=serial)
    following.unlock()
    kept = engine_on(fake).read()
    assert kept.state is not None
    assert kept.state.serial == serial + 1
    assert kept.highest == (LINEAGE, serial + 1)


def test_every_flipped_bit_is_refused_or_changes_nothing() -> None:
    fake = FakeS3()
    engine = engine_on(fake)
    assert engine.try_lock(HOLDER) is None
    append(engine, 1, 2)
    engine.write(after(1, 2), after=2)
    append(engine, 3, 4)
    engine.unlock()
    whole = engine_on(fake).read()
    assert whole.state == after(1, 2, 3, 4)
    flipped = refused = 0
    for key, kept in dict(fake.objects).items():
        for position in range(len(kept.data)):
            data = bytearray(kept.data)
            data[position] ^= 1 << (position * 5 % 8)
            fake.damage(key, bytes(data))
            flipped += 1
            try:
                found = engine_on(fake).read()
            except StateError:
                refused += 1
                assert key == KEY or ".journal/" in key
            else:
                assert found.state == whole.state
            fake.versions = fake.versions[-3:]
        fake.change(key, kept)
    assert flipped > 3000
    assert refused > 2000


@pytest.mark.parametrize("key", [KEY, f"{KEY}.journal/000000000003", f"{KEY}.journal/000000000004"])
@pytest.mark.parametrize("change", ["cut", "empty", "another-link", "another-lineage"])
def test_object_in_the_place_of_another_is_refused(key: str, change: str) -> None:
    fake = FakeS3()
    engine = engine_on(fake)
    assert engine.try_lock(HOLDER) is None
    append(engine, 1, 2)
    engine.write(after(1, 2), after=2)
    append(engine, 3, 4)
    engine.unlock()
    other = FakeS3()
    stranger = engine_on(other)
    assert stranger.try_lock(OTHER) is None
    for number in range(1, 5):
        stranger.append(batch(number), lineage="another", after=number - 1)
        if number == 2:
            found = stranger.read().state
            assert found is not None
            stranger.write(found, after=2)
    stranger.unlock()
    content = {
        "cut": fake.objects[key].data[:-1],
        "empty": b"",
        "another-link": fake.objects[f"{KEY}.journal/000000000002"].data,
        "another-lineage": other.objects[key].data,
    }[change]
    fake.damage(key, content)
    with pytest.raises(StateError):
        engine_on(fake).read()
