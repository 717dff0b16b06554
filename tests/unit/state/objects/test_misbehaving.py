"""Stores that break their word in one way: refused by the probe, or never two holders and never a lost batch."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable

import pytest

from declarative.errors import StateConflict, StateError
from declarative.state.objects import ObjectEngine
from tests.scaffold.bucket_worlds import HOLDER, KEY, OTHER, Clock, after, append, engine_at, locked
from tests.scaffold.s3_server import FakeS3, serve

REFUSED = {
    "ignores-if-none-match": (FakeS3(ignores_create=True), "does not honour If-None-Match"),
    "ignores-if-match": (FakeS3(ignores_match=True), "does not honour If-Match"),
    "markers-block-creates": (FakeS3(markers_block=True), "refuses to create an object again after it was deleted"),
    "shows-old-objects": (FakeS3(stale=lambda method, key: int(method == "GET")), "doesn't show at once"),
    "lists-old-keys": (FakeS3(stale=lambda method, key: int(method == "LIST")), "doesn't list at once"),
    "one-etag-for-all": (FakeS3(etag_of=lambda data: "same"), "does not honour If-Match"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_store_that_can_not_hold_a_lock_is_refused_with_the_reason(how: str) -> None:
    fake, reason = REFUSED[how]
    with serve(fake) as endpoint:
        engine = engine_at(endpoint)
        with pytest.raises(StateError, match=reason):
            engine.try_lock(HOLDER)
        assert f"{KEY}.lock" not in fake.objects
        with pytest.raises(StateConflict):
            append(engine, 1)
        assert not [key for key in fake.objects if ".journal" in key]


@pytest.mark.parametrize("status", [400, 501])
def test_store_that_answers_conditions_with_an_error_is_refused(status: int) -> None:
    fake = FakeS3()
    serve_put = fake._serve

    def refuse(method: str, key: str, query: str, headers: dict[str, str], body: bytes) -> object:
        if "if-none-match" in headers:
            return status, {}, b"<Error><Code>NotImplemented</Code><Message>a header</Message></Error>"
        return serve_put(method, key, query, headers, body)

    fake._serve = refuse
    with serve(fake) as endpoint, pytest.raises(StateError, match="refuses to create an object with If-None-Match"):
        engine_at(endpoint).try_lock(HOLDER)


def test_probe_runs_once_for_a_store_and_only_to_lock(fake: FakeS3) -> None:
    engine_at(fake.endpoint).read()
    for _ in range(3):
        with locked(engine_at(fake.endpoint)) as engine:
            engine.read()
    probes = {key for method, key, _ in fake.requests if ".probe-" in key and method == "PUT"}
    assert len(probes) == 1
    assert not [key for key in fake.objects if ".probe-" in key]


def test_state_that_was_copied_to_another_store_is_probed_there(fake: FakeS3) -> None:
    with locked(engine_at(fake.endpoint)):
        pass
    other = FakeS3(ignores_match=True)
    other.versions.append(dict(fake.objects))
    with serve(other) as endpoint, pytest.raises(StateError, match="does not honour If-Match"):
        engine_at(endpoint).try_lock(HOLDER)


def test_probe_without_an_answer_is_made_again(fake: FakeS3) -> None:
    lost: list[str] = []
    fake.lose = lambda method, key, number: (
        "after" if ".probe-" in key and len(lost) < 2 and not lost.append(key) else None
    )
    with locked(engine_at(fake.endpoint)):
        assert len(lost) == 2


# ---------------------------------------------------------------- tolerated


def once(fate: str, wanted: Callable[[str, str], bool]) -> Callable[[str, str, int], str | None]:
    """Lose the first answer to each different object."""
    lost: set[tuple[str, str]] = set()

    def lose(method: str, key: str, number: int) -> str | None:
        if ".probe-" in key or not wanted(method, key) or (method, key) in lost:
            return None
        lost.add((method, key))
        return fate

    return lose


@pytest.mark.parametrize("fate", ["before", "after", "cut"])
def test_create_that_landed_without_an_answer_is_ours(fake: FakeS3, fate: str) -> None:
    """A client that sends it again meets 412: the lock is its own, and so is the batch."""
    fake.lose = once(fate, lambda method, key: method in ("PUT", "DELETE"))
    with locked(engine_at(fake.endpoint)) as engine:
        append(engine, 1, 2)
        engine.write(after(1, 2), after=2)
        append(engine, 3)
    assert engine_at(fake.endpoint).read().state == after(1, 2, 3)
    assert engine_at(fake.endpoint).lock_seen() is None


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("what", ["GET", "LIST", "both"])
def test_store_that_sometimes_shows_the_past_loses_nothing(fake: FakeS3, what: str, seed: int) -> None:
    """It passes the probe by luck; writers know from the lock how far the journal goes."""
    chance = random.Random(seed)
    calm = [True]

    def stale(method: str, key: str) -> int:
        matches = what == "both" or method == what
        return 0 if calm[0] or not matches or chance.random() < 0.6 else chance.randrange(1, 8)

    fake.stale = stale
    with locked(engine_at(fake.endpoint)) as engine:
        append(engine, 1)
    written = 1
    calm[0] = False
    for _ in range(12):
        engine = engine_at(fake.endpoint)
        try:
            if engine.try_lock(HOLDER) is not None:
                continue
            found = engine.read()
            if found.state is None or found.highest is None or found.highest[1] > found.state.serial:
                continue  # told to be older than what was there: nobody goes on from that unasked
            assert found.state == after(*range(1, written + 1))
            append(engine, written + 1)
            written += 1
            engine.write(after(*range(1, written + 1)), after=written)
        except StateError:
            continue
        finally:
            engine.close()
    calm[0] = True
    assert engine_at(fake.endpoint).read().state == after(*range(1, written + 1))
    assert written > 1


@pytest.mark.parametrize(
    ("page", "shuffles", "truncates"),
    [(3, False, True), (2, True, True), (5, False, False), (0, False, False)],
    ids=["small-pages", "any-order", "capped-and-silent", "empty-list"],
)
def test_lists_that_are_cut_or_unordered_hide_no_batch(
    fake: FakeS3, page: int, shuffles: bool, truncates: bool
) -> None:
    with locked(engine_at(fake.endpoint)) as engine:
        append(engine, *range(1, 12))
    fake.page, fake.shuffles, fake.truncates = page, shuffles, truncates
    assert engine_at(fake.endpoint).read().state == after(*range(1, 12))
    with locked(engine_at(fake.endpoint)) as engine:
        append(engine, 12)
        engine.write(after(*range(1, 13)), after=12)
        append(engine, 13)
    assert engine_at(fake.endpoint).read().state == after(*range(1, 14))


def test_equal_bytes_with_equal_etags_free_no_lock_of_another(fake: FakeS3) -> None:
    """S3's ETags are digests: a lock that is taken, freed and taken again must not look as it did the first time."""
    assert fake.etag_of(b"x") == hashlib.md5(b"x").hexdigest()
    first = engine_at(fake.endpoint)
    first.try_lock(HOLDER)
    clock = Clock()
    engine_at(fake.endpoint, clock).break_lock(HOLDER.id, force=False, sleep=clock.sleep)
    second = engine_at(fake.endpoint)
    assert second.try_lock(HOLDER) is None  # the very same holder
    first.unlock()
    seen = engine_at(fake.endpoint).lock_seen()
    assert seen is not None
    append(second, 1)
    second.unlock()


@pytest.mark.parametrize(
    "fault",
    [
        FakeS3(),
        FakeS3(lose=once("after", lambda method, key: method == "PUT")),
        FakeS3(stale=lambda method, key: int(method == "GET" and key.endswith(".lock"))),
    ],
    ids=["none", "lost-answers", "old-locks"],
)
def test_never_two_holders(fault: FakeS3) -> None:
    inside: list[ObjectEngine] = []
    most: list[int] = []
    taken: list[int] = []
    mutex = threading.Lock()

    def work(endpoint: str, number: int) -> None:
        engine = engine_at(endpoint)
        for _ in range(60):
            try:
                if engine.try_lock(HOLDER if number % 2 else OTHER) is not None:
                    continue
            except StateError:
                continue
            with mutex:
                inside.append(engine)
                most.append(len(inside))
            with mutex:
                inside.remove(engine)
            engine.unlock()
            taken.append(number)

    with serve(fault) as endpoint:
        threads = [threading.Thread(target=work, args=(endpoint, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most
    assert max(most) == 1


# ---------------------------------------------------------------- answers that are not a store's


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, {}, b"<html>nothing here</html>"), "not NoSuchKey"),
        ((404, {}, b"<Error><Code>NoSuchBucket</Code></Error>"), "there is no bucket states"),
        (
            (403, {}, b"<Error><Code>AccessDenied</Code><Message>Not\x1b[31m you</Message></Error>"),
            "HTTP 403 AccessDenied",
        ),
        ((301, {}, b""), "sends us elsewhere"),
        ((307, {"Location": "http://127.0.0.1:1/elsewhere"}, b""), "no whole answer"),
        ((200, {}, b"<html>"), "ETag"),
    ],
    ids=["a-proxy's-404", "no-bucket", "denied", "moved", "redirected", "no-etag"],
)
def test_answer_of_something_else_is_not_an_empty_state(
    fake: FakeS3, answer: tuple[int, dict[str, str], bytes], said: str
) -> None:
    fake._serve = lambda *asked: answer
    with pytest.raises(StateError, match=said) as raised:
        engine_at(fake.endpoint).read()
    assert "\x1b" not in str(raised.value)
    assert "testing" not in f"{raised.value} {raised.value.fix}"


def test_object_that_is_too_large_is_not_read(fake: FakeS3) -> None:
    with locked(engine_at(fake.endpoint)):
        pass
    fake.damage(f"{KEY}.lock", b"x" * 70_000)
    with pytest.raises(StateError, match="70,000 bytes"):
        engine_at(fake.endpoint).lock_seen()


def test_server_that_can_not_be_reached_is_an_error() -> None:
    with serve(FakeS3()) as endpoint:
        pass
    with pytest.raises(StateError, match="no whole answer in time, or no connection"):
        engine_at(endpoint).read()
