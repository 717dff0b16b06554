"""The ledger writes in waves, refuses intents once a write has failed, and loses nothing that has happened."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from declarative.applier import Ledger
from declarative.errors import StateConflict, StateError
from declarative.model import (
    Accepted,
    Action,
    Address,
    Begun,
    Binding,
    Closed,
    Dropped,
    Operation,
    Put,
    Record,
    Resource,
)
from declarative.state import State, Store, fresh, open_store
from declarative.state.local import LocalStore
from tests.scaffold.virtual_time import run_virtual


def on_virtual_time(test):
    @functools.wraps(test)
    def driven(**fixtures):
        run_virtual(lambda: test(**fixtures))

    return driven


BINDING = Binding("p", "r", "h")


def resource(number: int) -> Resource:
    return Resource(Address("ProtectionGroup", f"g{number}"), f"id-{number}", {"name": f"g{number}"})


def begun(number: int) -> Begun:
    return Begun(Operation(f"op-{number}", f"create:ProtectionGroup/g{number}", Action.CREATE, resource(number)))


def store_at(folder: Path) -> Store:
    return open_store(
        "local:state",
        folder=folder,
        environment="default",
        marks=None,
        uuid=lambda: "11111111-1111-4111-8111-111111111111",
    )


async def inline(work: Callable[[], object]) -> object:
    return work()


class Failing(LocalStore):
    """A real store whose disk fails from the n-th append on, for as long as `error` stands."""

    error: StateError | None = None
    appends = 0
    broken_journal = False

    def append(self, records: Sequence[Record], *, after: int) -> int:
        self.appends += 1
        if self.error is not None:
            raise self.error
        if self.broken_journal:
            raise StateError("the journal can't be trusted any more")
        return super().append(records, after=after)

    def write(self, state: State, *, after: int) -> None:
        if self.error is not None:
            raise self.error
        super().write(state, after=after)


def failing_at(folder: Path) -> Failing:
    real = store_at(folder)
    assert isinstance(real, LocalStore)
    return Failing(address=real.address, folder=real.folder, marks=real.marks, uuid=real.uuid)


@on_virtual_time
async def test_records_that_are_ready_together_share_one_write(tmp_path):
    store = failing_at(tmp_path)
    ledger = Ledger(store.read(), store, blocking=inline)
    await asyncio.gather(*(ledger.intend(begun(number)) for number in range(50)))
    assert store.appends == 1
    assert ledger.state.serial == 1
    assert len(store_at(tmp_path).read().operations) == 50


@on_virtual_time
async def test_what_is_awaited_is_on_the_disk(tmp_path):
    store = store_at(tmp_path)
    ledger = Ledger(store.read(), store, blocking=inline)
    await ledger.intend(begun(1))
    assert "op-1" in store_at(tmp_path).read().operations
    await ledger.note(Put(resource(1)), Closed("op-1"))
    again = store_at(tmp_path).read()
    assert list(again.operations) == []
    assert [one.id for one in again.resources.values()] == ["id-1"]


@on_virtual_time
async def test_after_a_failed_write_nothing_more_is_intended_and_what_happened_is_kept(tmp_path):
    store = failing_at(tmp_path)
    ledger = Ledger(store.read(), store, blocking=inline)
    await ledger.intend(begun(1))
    store.error = StateError("no space left")
    await ledger.note(Put(resource(1)), Closed("op-1"))
    with pytest.raises(StateError, match="no space left"):
        await ledger.intend(begun(2))
    store.error = None
    assert await ledger.close() == ""
    again = store_at(tmp_path).read()
    assert [one.id for one in again.resources.values()] == ["id-1"]
    assert list(again.operations) == []


@on_virtual_time
async def test_what_can_not_be_written_at_all_is_rescued_for_the_next_run(tmp_path):
    store = failing_at(tmp_path)
    ledger = Ledger(store.read(), store, blocking=inline)
    await ledger.intend(begun(1))
    store.error = StateError("no space left")
    await ledger.note(Put(resource(1)), Closed("op-1"))
    assert await ledger.close() != ""
    assert [one.id for one in store_at(tmp_path).read().resources.values()] == ["id-1"]


@on_virtual_time
async def test_a_journal_that_fails_for_good_gives_way_to_a_new_snapshot(tmp_path):
    store = failing_at(tmp_path)
    ledger = Ledger(store.read(), store, blocking=inline)
    await ledger.intend(begun(1))
    store.broken_journal = True
    await ledger.note(Put(resource(1)), Closed("op-1"))
    assert await ledger.close() == ""
    assert [one.id for one in store_at(tmp_path).read().resources.values()] == ["id-1"]


@on_virtual_time
async def test_another_writer_ends_the_run_without_a_write_over_his(tmp_path):
    mine, theirs = store_at(tmp_path), store_at(tmp_path)
    ledger = Ledger(mine.read(), mine, blocking=inline)
    theirs.append([Put(resource(7))], after=theirs.read().serial)
    with pytest.raises(StateConflict):
        await ledger.intend(begun(1))
    assert [one.id for one in store_at(tmp_path).read().resources.values()] == ["id-7"]


@on_virtual_time
async def test_the_first_run_ties_the_state_to_its_cloud_before_anything_else(tmp_path):
    store = store_at(tmp_path)
    ledger = Ledger(store.read(), store, blocking=inline)
    await ledger.bind(BINDING)
    assert store_at(tmp_path).read().binding == BINDING
    await ledger.bind(BINDING)
    assert store_at(tmp_path).read().serial == 1


@on_virtual_time
async def test_folding_costs_in_proportion_to_what_is_recorded(tmp_path):
    store = store_at(tmp_path)
    ledger = Ledger(store.read(), store, blocking=inline)
    for wave in range(0, 1200, 100):
        await asyncio.gather(*(ledger.note(Put(resource(wave + one))) for one in range(100)))
    await ledger.close()
    assert not (store.folder / "journal.jsonl").exists()
    assert len(store_at(tmp_path).read().resources) == 1200


@on_virtual_time
async def test_without_a_store_things_are_learned_and_none_is_written(tmp_path):
    ledger = Ledger(store_at(tmp_path).read())
    with pytest.raises(StateError):
        await ledger.intend(begun(1))
    ledger.learn(Put(resource(1)))
    assert list(ledger.state.resources) == [resource(1).address]
    assert await ledger.close() == ""
    assert list(tmp_path.iterdir()) == []


@on_virtual_time
async def test_an_object_is_found_by_its_id_wherever_it_is_recorded(tmp_path):
    store = store_at(tmp_path)
    store.append([Put(resource(1)), Put(resource(2))], after=0)
    ledger = Ledger(store.read(), store, blocking=inline)
    moved = Resource(Address("ProtectionGroup", "new"), "id-1")
    assert ledger.recorded("ProtectionGroup", "id-1") == resource(1)
    await ledger.intend(Dropped(resource(1).address), Put(moved))
    await ledger.note(Dropped(resource(2).address), Put(resource(3)))
    found = [ledger.recorded("ProtectionGroup", one) for one in ("id-1", "id-2", "id-3", None)]
    assert found == [moved, None, resource(3), None]
    assert ledger.recorded("ReplicationPair", "id-1") is None


# ---------------------------------------------------------------- results that wait


class Counting:
    """A store in memory to which each write is dear; `serials` has when each batch was written."""

    results_wait = 2.0

    def __init__(self):
        self.batches = []

    def append(self, records, *, after):
        self.batches.append((round(asyncio.get_running_loop().time(), 3), list(records)))
        return after + 1

    def write(self, state, *, after):
        """Folded."""


def waited(work):
    store = Counting()

    async def main():
        ledger = Ledger(fresh("a-lineage"), store, blocking=inline)
        await work(ledger)
        await ledger.close()

    run_virtual(main)
    return store.batches


def test_results_wait_for_others_where_a_write_is_dear():
    async def work(ledger):
        async def later(number):
            await asyncio.sleep(number * 0.5)
            await ledger.note(Put(resource(number)))

        await asyncio.gather(*(later(number) for number in range(4)))

    ((moment, records),) = waited(work)
    assert (moment, len(records)) == (2.0, 4)


def test_what_something_depends_on_never_waits_and_takes_the_results_along():
    async def work(ledger):
        noting = asyncio.create_task(ledger.note(Put(resource(1))))
        await asyncio.sleep(0.5)
        await ledger.intend(begun(2))
        await noting
        await ledger.note(Accepted("op-2", "job-2"))

    batches = waited(work)
    assert [(moment, len(records)) for moment, records in batches] == [(0.5, 2), (0.5, 1)]


def test_the_end_of_a_run_waits_for_nothing():
    async def work(ledger):
        task = asyncio.create_task(ledger.note(Put(resource(1))))
        await asyncio.sleep(0.25)
        await ledger.close()
        await task

    assert [moment for moment, _ in waited(work)] == [0.25]
