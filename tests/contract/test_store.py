"""What every store promises. A further one joins by a function that opens it and a line in `STORES`."""

from __future__ import annotations

import contextlib
import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from declarative.errors import LockHeld, StateConflict, StateError, UsageError
from declarative.model import (
    Accepted,
    Action,
    Address,
    Begun,
    Binding,
    Closed,
    Dropped,
    Operation,
    PreImage,
    Put,
    Resource,
    Run,
    RunEnded,
    RunStarted,
)
from declarative.state import Holder, Seen, State, Store, fold, fresh, open_store
from declarative.state.engine import Engine
from declarative.state.high_water import HighWaterMarks
from declarative.state.shared import SharedStore
from tests.scaffold.memory_engine import MemoryEngine, MemoryPlace
from tests.scaffold.s3_server import CREDENTIALS, address_of, moto_server
from tests.scaffold.state_servers import GitLabServer, serving, terraform_server

Opener = Callable[[], Store]


@contextlib.contextmanager
def local(folder: Path, request: pytest.FixtureRequest) -> Iterator[Opener]:
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

    yield open_it


@contextlib.contextmanager
def memory(folder: Path, request: pytest.FixtureRequest) -> Iterator[Opener]:
    """A shared store on an engine in memory: what all engines are measured by."""
    place, numbers = MemoryPlace(alive=False), itertools.count(1)

    def open_it() -> Store:
        return shared_store(MemoryEngine(place), folder, numbers)

    yield open_it


@contextlib.contextmanager
def terraform(folder: Path, request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Terraform's protocol, on a strict server."""
    with terraform_server() as server:
        yield _at(server.address, folder, HOME=str(folder))


@contextlib.contextmanager
def gitlab(folder: Path, request: pytest.FixtureRequest) -> Iterator[Opener]:
    """GitLab's dialect, on a strict server."""
    with serving(GitLabServer()) as server:
        yield _at(server.address, folder, HOME=str(folder))


def _at(address: str, folder: Path, **environ: str) -> Opener:
    """Each store as on a machine of its own, but for the folder of recovery files."""
    numbers = itertools.count(1)

    def open_it() -> Store:
        number = next(numbers)
        store = open_store(
            address,
            folder=folder,
            environment="default",
            stack="shop",
            marks=folder / f"marks-{number}",
            uuid=lambda: f"uuid-{number}-{next(numbers)}",
            environ=environ,
            sleep=no_sleep,
        )
        store.recovery = folder / "recovery"
        return store

    return open_it


@contextlib.contextmanager
def postgresql(folder: Path, request: pytest.FixtureRequest) -> Iterator[Opener]:
    """A real PostgreSQL."""
    server = request.getfixturevalue("postgres")
    yield _at(server.address(server.emptied()), folder, **os.environ)


@contextlib.contextmanager
def s3(folder: Path, request: pytest.FixtureRequest) -> Iterator[Opener]:
    """A bucket, on moto's server."""
    with moto_server() as endpoint:
        key = f"{uuid.uuid4()}/{{stack}}/{{environment}}.json"  # moto's servers share their buckets
        yield _at(address_of(endpoint, key), folder, **CREDENTIALS)


def shared_store(engine: Engine, folder: Path, numbers: Iterator[int]) -> Store:
    """A shared store of a machine of its own, but for the folder of recovery files."""
    number = next(numbers)
    marks = HighWaterMarks(folder / f"marks-{number}", address="shared", environment="default")
    return SharedStore(
        engine=engine,
        marks=marks,
        recovery=folder / "recovery",
        uuid=lambda: f"uuid-{number}-{next(numbers)}",
        jitter=lambda ceiling: ceiling / 2,
    )


STORES = [
    pytest.param(local, id="local"),
    pytest.param(memory, id="memory"),
    pytest.param(terraform, id="terraform"),
    pytest.param(gitlab, id="gitlab"),
    pytest.param(postgresql, id="postgresql"),
    pytest.param(s3, id="s3"),
]


@pytest.fixture(params=STORES)
def another(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Open the same state once more, as another process would."""
    opened: list[Store] = []
    with request.param(tmp_path, request) as open_it:

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


def tells_only_the_id(store: Store) -> bool:
    """GitLab answers with its own user, and for the rest with what the asking request has said."""
    return "/api/v4/" in store.address


def keeps_earlier_states(store: Store) -> bool:
    """Terraform's protocol has one document, and no earlier ones."""
    return not store.address.startswith("http") or tells_only_the_id(store)


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


def test_folding_in_may_leave_out_what_was_merely_observed_and_nothing_else(store: Store, another: Opener):
    store.lock(holder(), timeout=0, sleep=no_sleep)
    store.append([put("a")], after=store.read().serial)
    state = store.read()
    resource = put("a").resource
    fold(state, Put(replace(resource, attributes={"status": "available"})))
    store.write(state, after=1)
    assert store.append([put("b")], after=1) == 2
    found = another().read()
    assert (found.serial, names(found)) == (2, {"a", "b"})
    assert found.resources[resource.address].attributes in ({}, {"status": "available"})


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
    store.write(replace(store.read(), serial=1), after=0)
    with pytest.raises(StateConflict):
        late.append([put("b")], after=1)
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
    told = "root on" if tells_only_the_id(store) else r"me\\x1b\[31m on here \(process 123\) for apply, since 2026"
    with pytest.raises(LockHeld, match=told) as caught:
        another().lock(holder("lock-2"), timeout=0, sleep=no_sleep)
    assert "declarative lock break lock-1" in caught.value.fix
    assert another().lock_seen().holder.id == holder().id


def test_a_lock_given_back_is_free(store: Store, another: Opener):
    store.lock(holder(), timeout=0, sleep=no_sleep)
    store.unlock()
    assert another().lock_seen() is None
    another().lock(holder("lock-2"), timeout=0, sleep=no_sleep)


def test_giving_back_what_one_does_not_hold_changes_nothing(store: Store, another: Opener):
    store.lock(holder(), timeout=0, sleep=no_sleep)
    another().unlock()
    assert another().lock_seen().holder.id == holder().id


def test_waiting_for_a_lock_ends_when_it_is_given_back(store: Store, another: Opener):
    store.lock(holder(), timeout=0, sleep=no_sleep)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            store.unlock()

    second = another()
    second.lock(holder("lock-2"), timeout=60, sleep=sleep)
    assert another().lock_seen().holder.id == "lock-2"
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
    assert another().lock_seen().holder.id == holder().id


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
    if not keeps_earlier_states(store):
        assert list(store.points()) == []
        return
    following = another()
    following.lock(holder(), timeout=0, sleep=no_sleep)
    assert max((point.serial, point.objects) for point in following.points()) == (2, 2)
    restored = following.restore(1)
    assert (restored.resources, restored.begun) == ((put("b").resource,), (Address("ProtectionGroup", "c"),))
    state = following.read()
    assert (state.serial == 1 or tells_only_the_id(store), names(state)) == (True, {"a"})
    following.append([put("d")], after=state.serial)
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


def test_a_state_is_put_in_place_of_another_lineage_and_what_was_there_is_kept(store: Store, another: Opener):
    store.append([put("a")], after=0)
    following = another()
    following.lock(holder(), timeout=0, sleep=no_sleep)
    following.read()
    new = replace(fresh("elsewhere"), serial=7)
    fold(new, put("b"))
    assert following.replace(new)
    assert following.append([put("c")], after=7) == 8
    following.unlock()
    state = another().read()
    assert (state.lineage, state.serial, names(state)) == ("elsewhere", 8, {"b", "c"})


def test_only_who_holds_the_lock_replaces_or_moves(store: Store, another: Opener):
    store.append([put("a")], after=0)
    with pytest.raises(StateConflict):
        store.replace(fresh("elsewhere"))
    with pytest.raises(StateConflict):
        store.move_to("local:elsewhere")
    assert names(another().read()) == {"a"}


def test_a_state_that_has_moved_says_where_and_takes_nothing(store: Store, another: Opener):
    store.append([put("a")], after=0)
    following = another()
    following.lock(holder(), timeout=0, sleep=no_sleep)
    following.move_to("local:elsewhere")
    following.unlock()
    assert another().moved_to() == "local:elsewhere"
    with pytest.raises(StateError, match="has moved to local:elsewhere") as caught:
        another().read()
    assert "--state" in caught.value.fix


def test_a_state_that_is_here_has_not_moved(store: Store):
    assert store.moved_to() == ""
    store.append([put("a")], after=0)
    assert store.moved_to() == ""


def test_what_has_moved_can_be_put_back(store: Store, another: Opener):
    store.append([put("a")], after=0)
    following = another()
    following.lock(holder(), timeout=0, sleep=no_sleep)
    state = following.read()
    following.move_to("local:elsewhere")
    following.replace(state)
    following.unlock()
    assert names(another().read()) == {"a"}
    assert another().moved_to() == ""


# ---------------------------------------------------------------- more than one at a time


def test_who_waits_is_told_once_who_holds_the_lock(store: Store, another: Opener):
    store.lock(holder(), timeout=0, sleep=no_sleep)
    told: list[Seen] = []
    with pytest.raises(LockHeld):
        another().lock(holder("lock-2"), timeout=5, sleep=no_sleep, waiting=told.append)
    assert [one.holder.id for one in told] == [holder().id]


def test_who_does_not_wait_is_told_by_the_error(store: Store, another: Opener):
    store.lock(holder(), timeout=0, sleep=no_sleep)
    told: list[Seen] = []
    with pytest.raises(LockHeld) as caught:
        another().lock(holder("lock-2"), timeout=0, sleep=no_sleep, waiting=told.append)
    assert told == []
    if not tells_only_the_id(store):
        assert "me\\x1b[31m on here (process 123) for apply" in caught.value.summary
    assert "declarative lock break lock-1" in caught.value.fix


def test_a_lock_can_be_taken_again_after_it_was_given_back(store: Store, another: Opener):
    for number in range(3):
        store.lock(holder(f"lock-{number}"), timeout=0, sleep=no_sleep)
        store.append([put(f"a{number}")], after=number)
        store.unlock()
        store.unlock()
    assert another().read().serial == 3


def test_reading_takes_no_lock_and_sees_each_durable_batch(store: Store, another: Opener):
    store.lock(holder(), timeout=0, sleep=no_sleep)
    reader = another()
    for number in range(3):
        store.append([put(f"a{number}")], after=number)
        assert len(names(reader.read())) == number + 1
    store.write(store.read(), after=3)
    assert reader.read().serial == 3


def test_many_batches_in_a_row_are_all_there(store: Store, another: Opener):
    store.lock(holder(), timeout=0, sleep=no_sleep)
    state = store.read()
    for number in range(40):
        store.append([begun(f"a{number}")], after=state.serial)
        store.append([put(f"a{number}"), Closed(f"op-a{number}")], after=state.serial + 1)
        state.serial += 2
        if number % 15 == 0:
            store.write(store.read(), after=state.serial)
    found = another().read()
    assert (found.serial, len(names(found)), found.operations) == (80, 40, {})


def test_a_run_that_was_killed_leaves_its_intents_to_the_next(store: Store, another: Opener):
    run = Run("run-1", "me", "2026-01-02T03:04:05Z", "apply", "digest")
    store.append([RunStarted(run), PreImage("ProtectionGroup", ("x", "y"))], after=0)
    store.append([begun("a"), begun("b")], after=1)
    store.append([Accepted("op-a", "job-1")], after=2)
    state = another().read()
    assert state.operations["op-a"].job_id == "job-1"
    assert state.operations["op-b"].job_id == ""
    assert state.pre_images == {"ProtectionGroup": {"x", "y"}}
    assert (state.progress.run, state.progress.done) == (run, False)


def test_the_steps_of_a_plan_are_remembered_until_it_is_done(store: Store, another: Opener):
    run = Run("run-1", "me", "2026-01-02T03:04:05Z", "apply", "digest")
    store.append([RunStarted(run)], after=0)
    store.append([replace(put("a"), step="create a")], after=1)
    store.append([Dropped(Address("ProtectionGroup", "a"), "delete a")], after=2)
    assert another().read().progress.steps == {"create a", "delete a"}
    store.append([RunEnded(replace(run, ended="2026-01-02T03:05:00Z"), True, {"x": [1]})], after=3)
    state = another().read()
    assert (state.progress.done, state.outputs) == (True, {"x": [1]})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "\0",
        "\x1b[31m",
        "\u2028",
        "\ud800",
        "😀",
        "'; drop table states; --",
        "a" * 70_000,
        "\\u0000",
        "%s {0} $1",
    ],
)
def test_texts_of_every_kind_come_back_as_they_were(store: Store, another: Opener, text: str):
    resource = Resource(Address("ProtectionGroup", "a"), "id-a", {"name": text, text or "x": [text, {"y": text}]})
    store.append([Put(resource)], after=0)
    assert another().read().resources[resource.address] == resource
    store.write(store.read(), after=1)
    assert another().read().resources[resource.address] == resource


@pytest.mark.parametrize("number", [0, -1, 2**53, 2**63, -(2**63), 10**30, 1.5, 1e300, True, None])
def test_numbers_of_every_kind_come_back_as_they_were(store: Store, another: Opener, number):
    resource = Resource(Address("ProtectionGroup", "a"), "id-a", {"size": number})
    store.append([Put(resource)], after=0)
    found = another().read().resources[resource.address].inputs["size"]
    assert (type(found), found) == (type(number), number)


def test_members_of_a_later_version_stay(store: Store, another: Opener):
    state = store.read()
    state.unknown, state.serial = {"later": {"deep": [1, "😀"]}}, 1
    store.write(state, after=0)
    store.append([put("a")], after=1)
    assert another().read().unknown == {"later": {"deep": [1, "😀"]}}


def test_two_addresses_with_one_object_are_refused(store: Store, another: Opener):
    state = store.read()
    fold(state, put("a"))
    twin = Put(Resource(Address("ProtectionGroup", "b"), "id-a", {}))
    fold(state, twin)
    state.serial = 1
    with pytest.raises(StateError):
        store.write(state, after=0)
    assert another().read().serial == 0


def test_the_binding_is_kept(store: Store, another: Opener):
    state = store.read()
    state.binding, state.serial = Binding("p", "eu-de", "sdrs.example.com"), 1
    store.write(state, after=0)
    store.append([put("a")], after=1)
    assert another().read().binding == Binding("p", "eu-de", "sdrs.example.com")


def test_a_write_without_the_lock_is_refused_while_another_holds_it(store: Store, another: Opener):
    store.lock(holder(), timeout=0, sleep=no_sleep)
    late = another()
    state = late.read()
    with pytest.raises(StateConflict):
        late.append([put("b")], after=0)
    with pytest.raises(StateConflict):
        late.write(replace(state, serial=1), after=0)
    store.append([put("a")], after=0)
    assert names(another().read()) == {"a"}


def test_an_older_state_than_this_machine_has_seen_is_refused_and_can_be_accepted(store: Store, another: Opener):
    store.append([put("a")], after=0)
    store.append([put("b")], after=1)
    other = another()
    other.lock(holder(), timeout=0, sleep=no_sleep)
    state = other.read()
    fold(state, Dropped(Address("ProtectionGroup", "b")))
    other.replace(replace(state, serial=1))
    other.unlock()
    if tells_only_the_id(store):  # it takes no serial twice: what is put back is a later one
        assert store.read().serial == 3
        return
    with pytest.raises(StateError, match=r"stands at serial 1, but .* has seen serial 2") as caught:
        store.read()
    assert "--accept-rollback 1" in caught.value.fix
    store.accept_rollback = 1
    assert names(store.read()) == {"a"}
    assert names(store.read()) == {"a"}


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
