"""The engine on a real PostgreSQL: reading, writing, lost answers, the schema, damage, and going back."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from declarative.errors import StateConflict, StateError, UsageError
from declarative.model import Accepted, Begun, Binding, Closed, Dropped, PreImage, Put, Record, RunEnded, RunStarted
from declarative.state import State, fold, fresh
from declarative.state.postgres import engine as engine_module
from declarative.state.postgres import schema as schema_module
from declarative.state.postgres import session as session_module
from declarative.state.postgres.engine import PostgresEngine
from declarative.state.snapshot import NewerFormat
from tests.scaffold import recorded as r
from tests.scaffold.postgres_place import Place, holder
from tests.scaffold.postgres_proxy import Proxy, proxy_before
from tests.scaffold.postgres_server import wait_until

BATCHES: list[list[Record]] = [
    [RunStarted(r.run()), PreImage("ProtectionGroup", ("a", "\0"))],
    [r.put(1), Put(r.resource(), "step-2"), Begun(r.operation("\ud800"))],
    [Accepted("\ud800", "job-1")],
    [Dropped(r.put(1).resource.address, "step-3"), Closed("\ud800")],
    [RunEnded(r.run(ended="now"), True, {"id": "id-web"})],
    [RunStarted(r.run("run-2")), r.put(2)],
]


def after(serial: int) -> State:
    state = fresh("L")
    for batch in BATCHES[:serial]:
        for record in batch:
            fold(state, record)
        state.serial += 1
    return state


def fill(engine: PostgresEngine, serial: int = len(BATCHES)) -> None:
    for number, batch in enumerate(BATCHES[:serial]):
        engine.append(batch, lineage="L", after=number)


@pytest.fixture
def filled(place: Place) -> Place:
    """A state that stands at the last serial, unlocked."""
    engine = place.locked()
    fill(engine)
    engine.unlock()
    return place


READING = "grant usage on schema declarative;grant select on all tables in schema declarative"

# ---------------------------------------------------------------- reading and writing


def test_where_nothing_is_a_read_finds_nothing_and_makes_nothing(place):
    engine = place.open()
    assert engine.read().state is None
    assert engine.lock_seen() is None
    assert engine.points() == []
    assert engine.go_back(1) is None
    assert engine.environments() == []
    assert place.run("select 1 from pg_namespace where nspname = 'declarative'") == []


def test_each_batch_is_there_for_everybody(place):
    engine, other = place.locked(), place.open()
    for number, batch in enumerate(BATCHES):
        engine.append(batch, lineage="L", after=number)
        assert other.read().state == after(number + 1) == engine.read().state
    assert other.read().highest == ("L", len(BATCHES))


def test_a_read_hands_out_a_state_of_its_own(filled):
    engine = filled.locked()
    state = engine.read().state
    state.resources.clear()
    state.progress.steps.add("x")
    state.pre_images["x"] = {"y"}
    engine.append([r.put(5)], lineage="L", after=len(BATCHES))
    expected = after(len(BATCHES))
    fold(expected, r.put(5))
    expected.serial += 1
    assert filled.open().read().state == expected


def test_a_batch_touches_its_own_rows_alone(place):
    engine = place.locked()
    engine.append([r.put(number) for number in range(500)], lineage="L", after=0)
    engine.append([r.put(7)], lineage="L", after=1)
    touched = "(select xmin from declarative.states)"
    for table in ("resources", "history"):
        assert place.run(f"select count(*) from declarative.{table} where xmin = {touched}") == [(1,)]
    for table in ("operations", "pre_images", "backups"):
        assert place.run(f"select count(*) from declarative.{table} where xmin = {touched}") == [(0,)]


def test_the_history_is_a_chain(filled):
    rows = filled.run("select serial, epoch, lineage, previous, digest from declarative.history order by serial")
    assert [row[0] for row in rows] == list(range(1, len(BATCHES) + 1))
    assert [row[3] for row in rows] == ["", *(row[4] for row in rows[:-1])]
    assert {row[1:3] for row in rows} == {(1, "L")}


def test_nothing_is_written_without_the_lock(filled):
    engine = filled.open()
    engine.read()
    for write in (
        lambda: engine.append([r.put(3)], lineage="L", after=len(BATCHES)),
        lambda: engine.write(after(3), after=3),
        lambda: engine.replace(after(3)),
        lambda: engine.move_to("postgresql://x/y"),
    ):
        with pytest.raises(StateConflict):
            write()
    assert filled.open().read().state == after(len(BATCHES))


@pytest.mark.parametrize(("lineage", "serial"), [("L", 2), ("L", 0), ("L", 99), ("M", len(BATCHES))])
def test_a_batch_follows_the_serial_and_lineage_that_are_there(filled, lineage, serial):
    engine = filled.locked()
    with pytest.raises(StateConflict):
        engine.append([r.put(3)], lineage=lineage, after=serial)
    assert filled.open().read().state == after(len(BATCHES))
    engine.append([r.put(3)], lineage="L", after=len(BATCHES))


def test_where_nothing_is_only_serial_0_can_be_followed(place):
    engine = place.locked()
    with pytest.raises(StateConflict):
        engine.append([r.put(3)], lineage="L", after=4)
    assert place.open().read().state is None


def test_a_whole_state_is_written_and_what_it_replaces_can_be_gone_back_to(filled):
    engine = filled.locked()
    state = after(len(BATCHES))
    state.binding = Binding("project", "eu-de", "sdrs.example.com")
    fold(state, r.put(8))
    state.serial += 1
    engine.write(state, after=len(BATCHES))
    assert filled.open().read().state == state
    assert filled.open().read().highest == ("L", len(BATCHES) + 1)
    assert {len(BATCHES), len(BATCHES) + 1} <= {point.serial for point in engine.points()}
    assert engine.go_back(len(BATCHES)) == after(len(BATCHES))
    engine.append([r.put(9)], lineage="L", after=state.serial)
    assert engine.go_back(state.serial) == state


def test_a_state_of_serial_0_is_a_state(place):
    engine = place.locked()
    engine.write(fresh("L"), after=0)
    assert place.open().read().state == fresh("L")
    engine.append([r.put(1)], lineage="L", after=0)
    assert place.open().read().state.serial == 1


def test_tidying_up_writes_nothing_that_is_there(filled):
    engine = filled.locked()
    before = filled.run("select xmin from declarative.resources union all select xmin from declarative.history")
    engine.write(after(len(BATCHES)), after=len(BATCHES))
    assert filled.run("select xmin from declarative.resources union all select xmin from declarative.history") == before
    assert filled.open().read().state == after(len(BATCHES))


def test_what_is_written_at_the_serial_that_is_there_is_kept_too(filled):
    engine = filled.locked()
    state = after(len(BATCHES))
    state.binding = Binding("project", "eu-de", "sdrs.example.com")
    engine.write(state, after=len(BATCHES))
    assert filled.open().read().state == state
    engine.append([r.put(9)], lineage="L", after=len(BATCHES))
    assert engine.go_back(len(BATCHES)) == state


def test_a_state_that_contradicts_itself_is_not_written(filled):
    engine = filled.locked()
    state = after(len(BATCHES))
    state.serial += 1
    fold(state, Put(r.resource(r.DATABASE, "id-web")))
    with pytest.raises(StateError, match="the same object"):
        engine.write(state, after=len(BATCHES))
    assert filled.open().read().state == after(len(BATCHES))


def test_members_of_a_later_version_are_kept(place):
    engine = place.locked()
    engine.write(r.small(), after=0)
    engine.append([r.put(1)], lineage="a-lineage", after=7)
    assert place.open().read().state.unknown == r.small().unknown


def test_states_keep_out_of_each_other_s_way(filled):
    other = filled.locked(environment="test")
    other.append([r.put(1)], lineage="M", after=0)
    mine = filled.locked()
    mine.append([r.put(77)], lineage="L", after=len(BATCHES))
    assert list(filled.open(environment="test").read().state.resources) == [r.put(1).resource.address]
    assert filled.open().environments() == ["prod", "test"]
    assert filled.open(stack="shopping").environments() == []


# ---------------------------------------------------------------- connections


def test_a_lost_connection_ends_the_right_to_write(filled):
    engine = filled.locked()
    filled.run("select pg_terminate_backend(backend) from declarative.states")
    for _ in range(2):
        with pytest.raises(StateConflict):
            engine.append([r.put(3)], lineage="L", after=len(BATCHES))
    assert engine.read().state == after(len(BATCHES))
    assert engine.try_lock(holder()) is None
    engine.append([r.put(3)], lineage="L", after=len(BATCHES))


def test_a_reader_s_lost_connection_is_replaced(filled):
    engine = filled.open()
    engine.read()
    filled.run("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'declarative reads'")
    assert engine.read().state == after(len(BATCHES))


@pytest.fixture
def proxy(filled: Place) -> Iterator[Proxy]:
    with proxy_before(filled.server.port) as proxy:
        yield proxy


def test_a_batch_whose_answer_is_lost_is_found_to_be_there(filled, proxy):
    engine = filled.locked(filled.address(port=proxy.port))
    engine.read()
    proxy.lose = "answers"
    engine.append([r.put(3)], lineage="L", after=len(BATCHES))
    assert proxy.losses == 1
    assert filled.open().read().state.serial == len(BATCHES) + 1
    with pytest.raises(StateConflict):
        engine.append([r.put(4)], lineage="L", after=len(BATCHES) + 1)


def test_a_batch_that_is_lost_on_its_way_is_found_not_to_be_there(filled, proxy):
    engine = filled.locked(filled.address(port=proxy.port))
    engine.read()
    proxy.lose = "requests"
    with pytest.raises(StateConflict, match="nothing was written"):
        engine.append([r.put(3)], lineage="L", after=len(BATCHES))
    assert filled.open().read().state == after(len(BATCHES))


def test_a_batch_that_is_still_under_way_is_waited_for(filled, proxy):
    import psycopg

    engine = filled.locked(filled.address(port=proxy.port))
    engine.read()
    dsn = f"host=127.0.0.1 port={filled.server.port} user=postgres dbname={filled.database}"
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    with contextlib.closing(psycopg.connect(dsn)) as blocker:
        blocker.execute("select * from declarative.states for update")

        def let_go() -> None:
            wait_until(lambda: filled.run(waiting) == [(1,)], "the write waits for the row")
            proxy.cut()
            wait_until(lambda: filled.run(waiting) == [(2,)], "the look waits for it too")
            blocker.rollback()

        thread = threading.Thread(target=let_go)
        thread.start()
        engine.append([r.put(3)], lineage="L", after=len(BATCHES))
        thread.join()
    assert filled.open().read().state.serial == len(BATCHES) + 1


def test_where_nobody_can_tell_what_became_of_a_batch_that_is_said(filled, proxy):
    engine = filled.locked(filled.address(port=proxy.port))
    engine.read()
    proxy.down, proxy.lose = True, "answers"
    with pytest.raises(StateError, match="not known whether serial 7 was written") as raised:
        engine.append([r.put(3)], lineage="L", after=len(BATCHES))
    assert not isinstance(raised.value, StateConflict)
    assert len(filled.slept) == engine_module._TRIES - 1


def test_no_answer_ends_with_the_deadline(place):
    there = place.open()._connect()
    with pytest.raises(session_module.Gone, match="no answer"):
        there.query("select pg_sleep(30)", deadline=0.2)
    assert there.lost


def test_the_session_that_writes_notices_a_dead_peer(place):
    engine = place.locked()
    shown = {name: engine._held.session.query(f"show {name}")[0][0] for name in session_module._SETTINGS
             if name != "transaction_timeout"}  # fmt: skip
    assert shown["tcp_user_timeout"] == "30000"
    assert shown["client_connection_check_interval"] == "10s"
    assert shown["idle_session_timeout"] == "0"
    assert engine._held.session.query("show synchronous_commit") == [("on",)]


def test_a_server_that_can_t_be_reached_is_told_without_a_secret(place, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    with pytest.raises(StateError, match="can't reach the state") as raised:
        place.open(place.address(port=1)).read()
    assert "hunter2" not in str(raised.value) + raised.value.fix


def test_a_role_without_rights_is_told_what_it_needs(filled):
    role = filled.role("nobody", "")
    with pytest.raises(StateError, match="permission denied") as raised:
        filled.open(filled.address(user=role)).read()
    assert "postgresql.md" in raised.value.fix


def test_the_driver_is_an_extra(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError) as raised:
        place.open().read()
    assert "declarative-sdrs[postgresql]" in raised.value.fix


def test_the_driver_is_loaded_when_it_is_used():
    code = "import declarative.state.postgres.engine, sys; assert 'psycopg' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- rights to read


def test_reading_needs_no_right_but_to_read(filled):
    reader = filled.open(filled.address(user=filled.role("reader", READING)))
    held = filled.locked()
    assert reader.read().state == after(len(BATCHES))
    assert reader.read().highest == ("L", len(BATCHES))
    assert reader.lock_seen().holder.who == "me\x1b[31m"
    assert reader.points()[0].serial == len(BATCHES)
    assert reader.go_back(2) == after(2)
    assert reader.environments() == ["prod"]
    held.unlock()
    with pytest.raises(StateError, match="permission denied"):
        reader.try_lock(holder())


def test_the_rights_that_the_page_lists_are_enough(place):
    page = (Path(__file__).parents[4] / "docs/stores/postgresql.md").read_text()
    (statements,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    # The roles of a server belong to all its databases, and others run the same statements there.
    place.run(re.sub(r"\b(plan|apply)\b", r"\1_of_the_page", statements))
    reader = place.open(place.address(user="plan_of_the_page"))
    assert reader.read().state is None
    fill(place.locked(place.address(user="apply_of_the_page")))
    assert reader.read().state == after(len(BATCHES))
    other = place.open(place.address(user="apply_of_the_page"))
    other.break_lock(reader.lock_seen().holder.id, force=False, sleep=time.sleep)


def test_a_role_that_may_not_make_the_schema_is_told_what_it_needs(place):
    with pytest.raises(StateError, match="permission denied") as raised:
        place.open(place.address(user=place.role("nobody", ""))).try_lock(holder())
    assert 'CREATE SCHEMA "declarative"' in raised.value.fix


# ---------------------------------------------------------------- the schema


def test_the_schema_is_made_once_by_many_who_lock_at_the_same_time(place):
    engines = [place.open(environment=f"e{number}") for number in range(8)]
    failed = []

    def lock(engine: PostgresEngine) -> None:
        try:
            assert engine.try_lock(holder()) is None
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=lock, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


MORE = (*schema_module.UPGRADES, ("alter table @.states add column colour text not null default 'red'",))


def test_an_older_schema_is_read_as_it_is_and_upgraded_by_whoever_locks(filled, monkeypatch):
    monkeypatch.setattr(schema_module, "UPGRADES", MORE)
    reader = filled.open(filled.address(user=filled.role("reader", READING)))
    assert reader.read().state == after(len(BATCHES))
    assert filled.run("select value from declarative.meta where name = 'minor'") == [("0",)]
    engine = filled.locked()
    assert filled.run("select value from declarative.meta where name = 'minor'") == [("1",)]
    engine.append([r.put(3)], lineage="L", after=len(BATCHES))
    assert reader.read().state.serial == len(BATCHES) + 1


def test_what_a_later_minor_version_has_added_is_no_hindrance(filled, monkeypatch):
    with monkeypatch.context() as later:
        later.setattr(schema_module, "UPGRADES", MORE)
        filled.locked().unlock()
    engine = filled.locked()
    engine.append([r.put(3)], lineage="L", after=len(BATCHES))
    assert filled.run("select value from declarative.meta where name = 'minor'") == [("1",)]


def test_a_later_major_version_is_left_alone(filled):
    filled.run("update declarative.meta set value = '2' where name = 'major'")
    with pytest.raises(NewerFormat, match=r"version 2\.0"):
        filled.open().read()
    with pytest.raises(NewerFormat):
        filled.open().try_lock(holder())


def test_an_upgrade_that_fails_leaves_nothing(place, monkeypatch):
    monkeypatch.setattr(schema_module, "UPGRADES", (*schema_module.UPGRADES, ("select 1/0",)))
    with pytest.raises(StateError):
        place.open().try_lock(holder())
    assert place.run("select 1 from pg_namespace where nspname = 'declarative'") == []


def test_the_format_is_each_state_s_own(filled):
    filled.locked(environment="test").append([r.put(1)], lineage="M", after=0)
    filled.run("update declarative.states set format = 2 where name = 'shop/test'")
    with pytest.raises(NewerFormat, match=r"declarative\.state/2"):
        filled.open(environment="test").read()
    assert filled.open().read().state == after(len(BATCHES))


# ---------------------------------------------------------------- damage

DAMAGE = [
    "delete from declarative.resources where key like '%web%'",
    "delete from declarative.resources",
    "delete from declarative.steps",
    "update declarative.resources set text = replace(text, 'id-web', 'id-wed')",
    "update declarative.resources set serial = serial + 1",
    "update declarative.resources set checksum = repeat('0', 32)",
    "update declarative.resources set key = key || 'x'",
    "update declarative.resources set state = state + 1",
    "insert into declarative.resources select state, key || 'x', text, checksum, serial from declarative.resources",
    "insert into declarative.operations select state, key, text, checksum, serial from declarative.resources",
    "update declarative.states set serial = serial - 1",
    "update declarative.states set lineage = 'M'",
    "update declarative.states set head = replace(head, 'id-web', 'id-wed')",
    "update declarative.states set head = ''",
    "update declarative.states set sums = replace(sums, '1', '2')",
    "update declarative.states set digest = repeat('0', 64)",
    "update declarative.states set digest = ''",
    "update declarative.states set previous = ''",
    "update declarative.states set moved_to = 'postgresql://elsewhere/x'",
    "update declarative.history set digest = repeat('0', 64)",
    "update declarative.history set epoch = 9",
    "update declarative.history set records = ''",
    "delete from declarative.history where serial = 6",
]


@pytest.mark.parametrize("statement", DAMAGE)
def test_what_somebody_has_changed_is_refused_and_restored(filled, statement):
    filled.run(statement)
    with pytest.raises(StateError, match="changed or damaged"):
        filled.open().read()
    engine = filled.locked()
    with pytest.raises(StateError, match="changed or damaged"):
        engine.append([r.put(3)], lineage="L", after=len(BATCHES))
    if "history" in statement and "serial = 6" not in statement:
        return  # nothing whole leads anywhere
    (point,) = engine.points()
    assert point.serial == (5 if "serial = 6" in statement else 6)
    state = engine.go_back(point.serial)
    assert state == after(point.serial)
    kept = engine.replace(state)
    assert "declarative.replaced" in kept
    assert filled.open().read().state == state
    assert filled.open().read().highest == ("L", point.serial)
    engine.append([r.put(3)], lineage="L", after=point.serial)
    assert filled.open().read().state.serial == point.serial + 1


def test_a_flipped_bit_of_any_text_is_refused_or_does_no_harm(filled):
    """Each bit is put right again before the next; what was read is what was written, or nothing is."""
    engine = filled.open()
    good = engine.read().state
    tables = {"resources": "key text checksum", "steps": "key text checksum", "history": "previous digest records",
              "states": "name lineage head sums previous digest moved_to", "marks": "name lineage"}  # fmt: skip
    refused = 0
    for table, columns in tables.items():
        for column in columns.split():
            (length,) = filled.run(f"select max(length({column})) from declarative.{table}")[0]
            for position in range(1, (length or 0) + 1, max((length or 0) // 7, 1)):
                flip = (
                    f"update declarative.{table} set {column} = overlay({column} placing "
                    f"chr(ascii(substr({column}, {position}, 1)) # 1) from {position} for 1) "
                    f"where length({column}) >= {position}"
                )
                filled.run(flip)
                try:
                    kept = engine.read()
                    # Of a name that is another one, nothing is found; and the mark tells, if it isn't the mark's.
                    assert kept.state == good or (kept.state is None and column == "name" and kept.highest is not None)
                except StateError:
                    refused += 1
                filled.run(flip)
                assert engine.read().state == good
    assert refused > 60


def test_a_state_whose_row_is_lost_is_noticed_and_restored(filled):
    filled.run("delete from declarative.states")
    kept = filled.open().read()
    assert (kept.state, kept.highest) == (None, ("L", len(BATCHES)))
    engine = filled.locked()
    assert engine.read().highest == ("L", len(BATCHES))
    assert engine.go_back(4) == after(4)
    engine.replace(after(len(BATCHES)))
    assert filled.open().read().state == after(len(BATCHES))


def test_whoever_goes_on_from_nothing_leaves_nothing_of_before(filled):
    filled.run("delete from declarative.states")
    engine = filled.locked()
    engine.append([r.put(50)], lineage="M", after=0)
    assert list(filled.open().read().state.resources) == [r.put(50).resource.address]
    assert filled.open().read().highest == ("M", 1)


def test_what_is_replaced_is_kept_whole(filled):
    engine = filled.locked()
    engine.replace(after(2))
    (text,) = filled.run("select text from declarative.replaced")[0]
    assert "ProtectionGroup/g2" in text
    assert '"serial":6' in text
    assert [row[0] for row in filled.run("select serial from declarative.history order by 1")] == [1, 2]


def test_a_state_that_is_too_large_is_not_read(filled, monkeypatch):
    monkeypatch.setattr("declarative.state.postgres.reading.LARGEST", 100)
    with pytest.raises(StateError, match="too large"):
        filled.open().read()


# ---------------------------------------------------------------- going back


def test_every_serial_can_be_gone_back_to(filled):
    engine = filled.open()
    (point,) = engine.points()
    assert (point.serial, point.since) == (len(BATCHES), 0)
    for serial in range(1, len(BATCHES) + 1):
        assert engine.go_back(serial) == after(serial)
    assert engine.go_back(99) is None


def test_five_backups_are_kept_and_what_leads_on_from_them(place):
    state = fresh("L")
    for number in range(1, 9):
        engine = place.locked()
        for step in range(2):
            engine.append([r.put(10 * number + step)], lineage="L", after=state.serial)
            fold(state, r.put(10 * number + step))
            state.serial += 1
        fold(state, r.put(number))
        state.serial += 1
        engine.write(state, after=state.serial - 1)
        engine.unlock()
    assert place.run("select count(*) from declarative.backups") == [(5,)]
    points = place.open().points()
    assert points[0].serial == state.serial
    oldest = min(point.serial for point in points)
    for serial in range(oldest, state.serial + 1):
        assert place.open().go_back(serial).serial == serial
    assert place.run(f"select count(*) from declarative.history where records is not null and serial <= {oldest}") == [
        (0,)
    ]


def test_a_whole_text_is_kept_after_many_batches(filled, monkeypatch):
    monkeypatch.setattr(engine_module, "FOLD_AFTER", 4)
    engine = filled.locked()
    engine.write(after(len(BATCHES)), after=len(BATCHES))
    engine.write(after(len(BATCHES)), after=len(BATCHES))
    assert filled.run("select serial from declarative.backups") == [(len(BATCHES),)]
    filled.run("delete from declarative.history where serial < 3")
    assert engine.go_back(len(BATCHES)) == after(len(BATCHES))


def test_a_damaged_backup_is_passed_over(place):
    engine = place.locked()
    engine.write(after(1), after=0)
    engine.append(BATCHES[1], lineage="L", after=1)
    place.run("update declarative.backups set text = replace(text, 'run-1', 'run-9')")
    assert [point.serial for point in engine.points()] == [2]
    assert engine.go_back(1) is None


# ---------------------------------------------------------------- moving


def test_a_state_that_has_moved_leaves_only_the_word(filled):
    engine = filled.locked()
    engine.move_to("postgresql://elsewhere/ops")
    kept = filled.open().read()
    assert (kept.state, kept.moved_to) == (None, "postgresql://elsewhere/ops")
    assert filled.run("select count(*) from declarative.resources") == [(0,)]
    with pytest.raises(StateConflict, match="has moved"):
        engine.append([r.put(3)], lineage="L", after=len(BATCHES))
    assert engine.environments() == []
    assert engine.go_back(len(BATCHES)) == after(len(BATCHES))
    engine.replace(after(3))
    assert filled.open().read().state == after(3)
