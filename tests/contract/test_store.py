"""What every store promises. A further one joins by a function that opens it and a line in `STORES`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from declarative.errors import LockHeld, StateConflict, StateError, UsageError
from declarative.model import Action, Address, Begun, Binding, Closed, Dropped, Operation, Put, Resource, Run, RunEnded
from declarative.state import Holder, State, Store, fold, fresh, open_store

Opener = Callable[[], Store]


def local(folder: Path) -> Opener:
    """Each store has marks of its own, as on another machine."""
    numbers = itertools.count(1)

    def open_it() -> Store:
        number = next(numbers)
        return open_store(
            "local:state",
            folder=folder,
            environment="default",
            marks=folder / f"marks-{number}",
            uuid=lambda: f"uuid-{number}-{next(numbers)}",
        )

    return open_it


STORES = [
    pytest.param(local, id="local"),
]


@pytest.fixture(params=STORES)
def another(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Open the same state once more, as another process would."""
    opened: list[Store] = []
    open_it: Opener = request.param(tmp_path)

    def open_once_more() -> Store:
        opened.append(open_it())
        return opened[-1]

    yield open_once_more
    for store in opened:
        store.unlock()


@pytest.fixture
def store(another: Opener) -> Store:
    return another()


def no_sleep(seconds: float) -> None:
    """Time passes by itself in these tests."""


def put(name: str) -> Put:
    return Put(Resource(Address("ProtectionGroup", name), f"id-{name}", {"name": f"{name}\n"}))


def begun(name: str) -> Begun:
    address = Address("ProtectionGroup", name)
    return Begun(Operation(f"op-{name}", f"create {address}", Action.CREATE, Resource(address, "")))


def holder(id_: str = "lock-1") -> Holder:
    return Holder(id_, "me\x1b[31m", "here", 123, "apply", "2026-01-02T03:04:05Z")


def names(state: State) -> set[str]:
    return {address.name for address in state.resources}


# ---------------------------------------------------------------- reading and writing


def test_a_state_that_has_never_been_is_fresh(store: Store, another: Opener):
    state = store.read()
    assert state == fresh(state.lineage)
    assert state.lineage == store.read().lineage
    assert another().read().lineage != state.lineage


def test_what_is_appended_is_read_by_others(store: Store, another: Opener):
    state = store.read()
    records = [put("a"), begun("b"), put("c")]
    assert store.append(records, after=0) == 1
    assert store.append([Closed("op-b"), Dropped(Address("ProtectionGroup", "c"))], after=1) == 2
    found = another().read()
    for record in (*records, Closed("op-b"), Dropped(Address("ProtectionGroup", "c"))):
        fold(state, record)
    assert found == replace(state, serial=2)


def test_no_records_write_nothing(store: Store, another: Opener):
    assert store.append([], after=0) == 0
    assert another().read().serial == 0


def test_a_whole_state_is_read_by_others(store: Store, another: Opener):
    state = store.read()
    fold(state, put("a"))
    state.binding = Binding("p", "eu-de", "sdrs.example.com")
    state.unknown = {"later": [1]}
    state.serial = 1
    store.write(state, after=0)
    assert another().read() == state


def test_batches_go_on_after_a_whole_state(store: Store, another: Opener):
    store.append([put("a")], after=0)
    store.write(store.read(), after=1)
    store.append([put("b")], after=1)
    state = another().read()
    assert (state.serial, names(state)) == (2, {"a", "b"})


def test_folding_in_keeps_the_serial(store: Store, another: Opener):
    store.append([put("a")], after=0)
    state = store.read()
    store.write(state, after=1)
    assert another().read() == state


def test_a_run_is_remembered_with_its_outputs(store: Store, another: Opener):
    run = Run("run-1", "me", "2026-01-02T03:04:05Z", "apply", "digest", ended="2026-01-02T03:05:00Z")
    store.append([RunEnded(run, True, {"id": "x"})], after=0)
    state = another().read()
    assert (state.history, state.outputs, state.progress.done) == ([run], {"id": "x"}, True)


# ---------------------------------------------------------------- two writers


def test_a_batch_after_an_older_serial_is_refused(store: Store, another: Opener):
    late = another()
    late.read()
    store.append([put("a")], after=0)
    with pytest.raises(StateConflict):
        late.append([put("b")], after=0)
    assert names(another().read()) == {"a"}


def test_of_two_batches_after_one_serial_the_first_is_kept(store: Store, another: Opener):
    store.append([put("a")], after=0)
    late = another()
    late.append([put("b")], after=late.read().serial)
    with pytest.raises(StateConflict):
        store.append([put("c")], after=1)
    assert names(another().read()) == {"a", "b"}


def test_a_batch_after_a_serial_not_reached_is_refused(store: Store, another: Opener):
    store.append([put("a")], after=0)
    with pytest.raises(StateConflict):
        store.append([put("b")], after=2)
    assert names(another().read()) == {"a"}


def test_a_batch_on_another_lineage_is_refused(store: Store, another: Opener):
    late = another()
    late.read()
    store.write(store.read(), after=0)
    with pytest.raises(StateConflict):
        late.append([put("b")], after=0)
    assert names(another().read()) == set()


def test_a_whole_state_after_an_older_serial_is_refused(store: Store, another: Opener):
    late = another()
    state = late.read()
    store.append([put("a")], after=0)
    with pytest.raises(StateConflict):
        late.write(replace(state, serial=1), after=0)
    assert names(another().read()) == {"a"}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"serial": 0}, id="older-serial"),
        pytest.param({"lineage": "another"}, id="another-lineage"),
        pytest.param({"serial": 2**63}, id="serial-too-large"),
    ],
)
def test_a_whole_state_that_does_not_follow_is_refused(store: Store, another: Opener, change):
    store.append([put("a")], after=0)
    with pytest.raises(StateError):
        store.write(replace(store.read(), **change), after=1)
    assert names(another().read()) == {"a"}


def test_who_holds_the_lock_may_write_and_others_may_not_overtake(store: Store, another: Opener):
    store.lock(holder(), timeout=0, sleep=no_sleep)
    serial = store.append([put("a")], after=store.read().serial)
    with pytest.raises(StateConflict):
        another().append([put("b")], after=0)
    assert store.append([put("c")], after=serial) == 2
    store.unlock()
    assert names(another().read()) == {"a", "c"}


# ---------------------------------------------------------------- the lock


def test_a_lock_keeps_others_out_and_says_who_holds_it(store: Store, another: Opener):
    store.lock(holder(), timeout=0, sleep=no_sleep)
    with pytest.raises(LockHeld, match=r"me\\x1b\[31m on here \(process 123\) for apply, since 2026") as caught:
        another().lock(holder("lock-2"), timeout=0, sleep=no_sleep)
    assert "declarative lock break lock-1" in caught.value.fix
    assert another().holder() == holder()


def test_a_lock_given_back_is_free(store: Store, another: Opener):
    store.lock(holder(), timeout=0, sleep=no_sleep)
    store.unlock()
    assert another().holder() is None
    another().lock(holder("lock-2"), timeout=0, sleep=no_sleep)


def test_giving_back_what_one_does_not_hold_changes_nothing(store: Store, another: Opener):
    store.lock(holder(), timeout=0, sleep=no_sleep)
    another().unlock()
    assert another().holder() == holder()


def test_waiting_for_a_lock_ends_when_it_is_given_back(store: Store, another: Opener):
    store.lock(holder(), timeout=0, sleep=no_sleep)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            store.unlock()

    second = another()
    second.lock(holder("lock-2"), timeout=60, sleep=sleep)
    assert another().holder() == holder("lock-2")
    assert len(pauses) == 3


def test_waiting_for_a_lock_ends_with_the_timeout(store: Store, another: Opener):
    store.lock(holder(), timeout=0, sleep=no_sleep)
    pauses: list[float] = []
    with pytest.raises(LockHeld):
        another().lock(holder("lock-2"), timeout=5, sleep=pauses.append)
    assert 5 <= sum(pauses) < 7


def test_no_lock_but_the_one_named_is_broken(store: Store, another: Opener):
    with pytest.raises(StateError):
        store.break_lock("lock-9")
    store.lock(holder(), timeout=0, sleep=no_sleep)
    with pytest.raises(StateError):
        another().break_lock("lock-9")
    assert another().holder() == holder()


# ---------------------------------------------------------------- set_aside


def test_rescued_records_are_there_for_the_next_reader(store: Store, another: Opener):
    store.append([put("a")], after=0)
    store.set_aside([put("b")], after=1)
    assert names(another().read()) == {"a", "b"}
    store.unlock()


def test_rescued_records_are_appended_under_the_next_lock(store: Store, another: Opener):
    store.append([begun("b")], after=0)
    store.set_aside([put("b"), Closed("op-b")], after=1)
    following = another()
    following.lock(holder(), timeout=0, sleep=no_sleep)
    state = following.read()
    assert (state.serial, names(state), state.operations) == (2, {"b"}, {})
    following.append([put("c")], after=2)
    following.unlock()
    state = another().read()
    assert (state.serial, names(state)) == (3, {"b", "c"})


def test_the_first_batch_of_all_can_be_rescued(store: Store, another: Opener):
    lineage = store.read().lineage
    store.set_aside([put("a")], after=0)
    state = another().read()
    assert (state.lineage, state.serial, names(state)) == (lineage, 1, {"a"})
    following = another()
    following.append([put("b")], after=following.read().serial)
    assert names(another().read()) == {"a", "b"}


def test_a_second_rescue_replaces_the_first(store: Store, another: Opener):
    store.append([put("a")], after=0)
    store.set_aside([put("b")], after=1)
    store.set_aside([put("b"), put("c")], after=1)
    assert names(another().read()) == {"a", "b", "c"}


def test_rescued_records_of_a_state_that_moved_on_are_left_to_a_person(store: Store, another: Opener):
    late = another()
    late.read()
    store.append([put("a")], after=0)
    late.append([put("c")], after=late.read().serial)
    name = store.set_aside([put("b")], after=1)
    following = another()
    following.lock(holder(), timeout=0, sleep=no_sleep)
    with pytest.raises(StateError, match="ProtectionGroup/b = id-b") as caught:
        following.read()
    assert "declarative import" in caught.value.fix
    Path(name).unlink()
    assert names(following.read()) == {"a", "c"}


# ---------------------------------------------------------------- going back


def test_a_state_that_has_never_been_can_not_be_gone_back_to(store: Store):
    assert list(store.points()) == []


def test_what_was_recorded_after_a_serial_is_let_go_and_told(store: Store, another: Opener):
    store.append([put("a")], after=0)
    store.append([put("b"), begun("c")], after=1)
    following = another()
    following.lock(holder(), timeout=0, sleep=no_sleep)
    assert max((point.serial, point.objects) for point in following.points()) == (2, 2)
    restored = following.restore(1)
    assert (restored.resources, restored.begun) == ((put("b").resource,), (Address("ProtectionGroup", "c"),))
    assert (following.read().serial, names(following.read())) == (1, {"a"})
    assert following.append([put("d")], after=1) == 2
    following.unlock()
    assert names(another().read()) == {"a", "d"}


def test_only_who_holds_the_lock_goes_back(store: Store, another: Opener):
    store.append([put("a")], after=0)
    with pytest.raises(StateConflict):
        another().restore(0)
    store.lock(holder(), timeout=0, sleep=no_sleep)
    with pytest.raises(StateConflict):
        another().restore(0)
    with pytest.raises(StateError):
        store.restore(7)
    assert names(another().read()) == {"a"}


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("address", "message"),
    [
        pytest.param("ftp://host/x", "'ftp:' is not a supported state address", id="unknown-scheme"),
        pytest.param("locl:x", "'locl:' is not", id="misspelt"),
        pytest.param("", "':' is not", id="empty"),
        pytest.param("postgresql://me:secret@host/db", "holds a password", id="password"),
        pytest.param("postgresql://me:sec/ret@host/db", "holds a password", id="password-with-a-slash"),
        pytest.param("postgresql://host/db?password=secret", "holds a password", id="password-in-the-query"),
        pytest.param("local:", "reads local:DIR", id="no-folder"),
        pytest.param("local:a\0b", "reads local:DIR", id="nul"),
    ],
)
def test_an_address_that_names_no_store_is_refused(tmp_path: Path, address: str, message: str):
    with pytest.raises(UsageError, match=message) as caught:
        open_store(address, folder=tmp_path, environment="default", marks=None, uuid=lambda: "u")
    assert "sec" not in f"{caught.value.summary} {caught.value.fix}"


@pytest.mark.parametrize("address", ["s4://bucket:1/x", "s4://[::1]:8443/a@b:c", "s4://h1:1,h2/db", "s4://me@h/x?a=1"])
def test_an_address_without_a_password_is_not_taken_for_one_with(tmp_path: Path, address: str):
    with pytest.raises(UsageError, match="'s4:' is not a supported state address"):
        open_store(address, folder=tmp_path, environment="default", marks=None, uuid=lambda: "u")


@pytest.mark.parametrize("environment", ["", "..", "a/b", "a\n", "-x", "x" * 64])
def test_an_environment_that_is_no_safe_name_is_refused(tmp_path: Path, environment: str):
    with pytest.raises(UsageError, match="no name for an environment"):
        open_store("local:x", folder=tmp_path, environment=environment, marks=None, uuid=lambda: "u")
