"""States as rows: whatever a batch or a whole state changes, the rows are those of the state, and sums tell."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from declarative.errors import StateError
from declarative.model import Dropped, PreImage, Put, RunEnded, RunStarted
from declarative.state import State, fold, fresh
from declarative.state.postgres import rows
from declarative.state.postgres.rows import TABLES, Delta, Shadow
from declarative.typed_json import Malformed
from tests.scaffold import recorded as r

Tables = dict[str, dict[str, rows.Kept]]


def nothing() -> Tables:
    return {table: {} for table in TABLES}


def apply(tables: Tables, delta: Delta) -> None:
    """What the one statement does with its rows."""
    for table, change in delta.tables.items():
        assert not change.gone & change.put.keys()
        for key in list(tables[table]):
            if (change.cleared and key not in change.put) or key in change.gone:
                del tables[table][key]
        for key, (text, said) in change.put.items():
            tables[table][key] = key, text, said, delta.serial


def read_back(tables: Tables, head: str, sums: str, *, serial: int) -> State:
    values, found = {}, {}
    for table in TABLES:
        values[table], found[table] = rows.read_rows(table, tables[table].values())
    assert rows.write_sums(found) == sums
    return rows.assemble(head, values, found, serial=serial)


def texts(tables: Tables) -> Mapping[str, Mapping[str, str]]:
    return {table: {key: text for key, text, _, _ in kept.values()} for table, kept in tables.items()}


batches = st.lists(st.lists(r.records, min_size=1, max_size=4), min_size=1, max_size=6)


@given(batches)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_rows_after_each_batch_are_those_of_the_state(listed):
    tables, state = nothing(), fresh("L")
    shadow, head, previous = Shadow.of_nothing("shop/prod"), "", ""
    for batch in listed:
        for record in batch:
            fold(state, record)
        state.serial += 1
        delta = shadow.follow(batch, lineage="L")
        apply(tables, delta)
        head = head if delta.head is None else delta.head
        shadow.digest = delta.digest
        assert delta.previous == previous
        previous = delta.digest
        assert texts(tables) == rows.rows_of(state)
        assert read_back(tables, head, delta.sums, serial=delta.serial) == state == shadow.state


@given(batches, batches)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_whole_state_takes_the_place_of_another(earlier, later):
    tables = nothing()
    shadow, head = Shadow.of_nothing("shop/prod"), ""
    for serial, listed in ((1, earlier), (1, later), (2, earlier)):
        state = fresh("L")
        for batch in listed:
            for record in batch:
                fold(state, record)
        state.serial = serial
        delta = shadow.become(state)
        apply(tables, delta)
        head = head if delta.head is None else delta.head
        shadow.digest = delta.digest
        assert read_back(tables, head, delta.sums, serial=serial) == state


def test_what_stays_is_not_written_again():
    state = fresh("L")
    for number in range(5):
        fold(state, r.put(number))
    shadow = Shadow.of_nothing("n")
    shadow.digest = shadow.become(state).digest
    fold(state, r.put(9))
    state.serial = 1
    delta = shadow.become(state)
    assert list(delta.tables["resources"].put) == ["ProtectionGroup/g9"]
    assert delta.head is None


def test_one_change_touches_one_row():
    shadow = Shadow.of_nothing("n")
    shadow.digest = shadow.follow([r.put(number) for number in range(50)], lineage="L").digest
    shadow.digest = shadow.follow([PreImage("ProtectionGroup", ("a", "b"))], lineage="L").digest
    delta = shadow.follow([Dropped(r.put(7).resource.address)], lineage="L")
    assert {table: (len(change.put), len(change.gone), change.cleared) for table, change in delta.tables.items()} == {
        "resources": (0, 1, False),
        "operations": (0, 0, False),
        "steps": (0, 0, False),
        "pre_images": (1, 0, False),
    }
    assert delta.head is None


def test_the_steps_of_an_earlier_run_go_all_at_once():
    shadow = Shadow.of_nothing("n")
    shadow.digest = shadow.follow([RunStarted(r.run()), r.put(1), RunEnded(r.run(), True, {})], lineage="L").digest
    delta = shadow.follow([RunStarted(r.run("run-2")), Put(r.resource(), "new")], lineage="L")
    assert delta.tables["steps"].cleared
    assert list(delta.tables["steps"].put) == ["new"]


@pytest.mark.parametrize("part", range(4))
def test_a_row_that_is_not_as_it_was_written_is_refused(part):
    tables = nothing()
    apply(tables, Shadow.of_nothing("n").follow([r.put(1)], lineage="L"))
    (row,) = tables["resources"].values()
    changed = [*row]
    changed[part] = row[part] + 1 if part == 3 else row[part][:-1] + chr(ord(row[part][-1]) ^ 1)
    with pytest.raises(StateError, match="does not match its checksum"):
        rows.read_rows("resources", [tuple(changed)])


def test_a_row_s_checksum_holds_for_its_table_alone():
    assert rows.checksum("steps", "k", 1, "t") != rows.checksum("operations", "k", 1, "t")


def test_keys_are_told_apart_and_never_too_long():
    long = "x" * 5000
    assert len({rows.key_of(text) for text in (long, f"{long}y", "\0", "\\u0000", "\ud800", "é")}) == 6
    assert all(len(rows.key_of(text)) < 600 and rows.key_of(text).isascii() for text in (long, "\ud800" * 999))


def test_texts_that_postgres_can_t_hold_are_escaped():
    state = fresh("L")
    fold(state, PreImage("a/b\0", ("\0", "\ud800")))
    fold(state, RunStarted(r.run("\0")))
    written = [
        rows.head_of(state),
        *(key + text for table in rows.rows_of(state).values() for key, text in table.items()),
    ]
    assert all(text.isascii() and "\0" not in text for text in written)


def test_two_values_in_one_row_are_no_row():
    text = "1,2"
    said = rows.written(rows.checksum("steps", "k", 1, text))
    with pytest.raises(Malformed):
        rows.read_rows("steps", [("k", text, said, 1)])
