"""The local store against crashes, failing disks, other processes and people's hands."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import itertools
import os
import re
import shutil
import stat
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from declarative.errors import StateConflict, StateError
from declarative.model import Action, Begun, Closed, PreImage, Put
from declarative.state import Holder, Point, Restored, State, fold, folder, fresh, journal, recovery_file
from declarative.state import disk as files_module
from declarative.state.disk import Files
from declarative.state.high_water import HighWaterMarks
from declarative.state.local import LocalStore
from tests.scaffold import recorded as r
from tests.scaffold.disks import FailingDisk, Killed, KillingDisk, PowerCutDisk, WatchedDisk

HOLDER = Holder("lock-1", "me", "here", 1, "apply", "2026-01-02T03:04:05Z")
_numbers = itertools.count()


def open_at(place: Path, *, files: Files | None = None, accept: int | None = None, seen: bool = False) -> LocalStore:
    """A store in `place`; `seen`: with marks beside it, as on one machine."""
    marks = HighWaterMarks(place.parent / "marks" if seen else None, address="local:x", environment="default")
    return LocalStore(
        address="local:x",
        folder=place,
        marks=marks,
        uuid=lambda: f"uuid-{next(_numbers)}",
        accept_rollback=accept,
        files=files or Files(),
        jitter=lambda ceiling: ceiling / 2,
    )


def lock(store: LocalStore) -> None:
    store.lock(HOLDER, timeout=0, sleep=lambda seconds: None)


def end(store: LocalStore) -> None:
    """What the kernel does when the store's process has ended."""
    for descriptor in (store._descriptor, store._lock._descriptor):
        if descriptor is not None:
            os.close(descriptor)
    store._descriptor = store._lock._descriptor = None


def after(*numbers: int) -> State:
    """The state that the batches `numbers` make."""
    state = fresh("a-lineage")
    for number in numbers:
        fold(state, r.put(number))
        fold(state, Begun(r.operation(f"op-{number}")))
    state.serial = len(numbers)
    return state


def batch(number: int) -> list[object]:
    return [r.put(number), Begun(r.operation(f"op-{number}"))]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A state that stands at serial 2: one batch in the snapshot, one in the journal, one backup."""
    place = tmp_path / "state" / "default"
    store = open_at(place)
    store.write(fresh("a-lineage"), after=0)
    store.append(batch(1), after=0)
    store.write(after(1), after=1)
    store.append(batch(2), after=1)
    return place


def journey(store: LocalStore, done: list[int]) -> None:
    """A run that appends, folds in and appends again; `done` gets each serial as it is durable."""
    lock(store)
    state = store.read()
    done.append(store.append(batch(3), after=state.serial))
    store.write(after(1, 2, 3), after=3)
    done.append(store.append(batch(4), after=3))
    done.append(store.append(batch(5), after=4))
    store.write(after(1, 2, 3, 4, 5, 6), after=5)
    done.append(6)
    store.unlock()


def changes_of_a_journey(place: Path) -> int:
    spare = place.parent / "spare"
    shutil.copytree(place, spare)
    disk = WatchedDisk()
    journey(open_at(spare, files=disk), [])
    shutil.rmtree(spare)
    return disk.changes


def check_old_or_new(place: Path, done: list[int], *, seen: bool = True) -> State:
    """The state holds all that was durable, at most the batch in hand besides, and can be gone on from."""
    store = open_at(place, seen=seen)
    state = store.read()
    assert state == after(*range(1, state.serial + 1))
    assert state.serial - max(done, default=2) in (0, 1)
    lock(store)
    assert store.append(batch(9), after=store.read().serial) == state.serial + 1
    store.unlock()
    assert r.put(9).resource.address in open_at(place, seen=seen).read().resources
    assert list(place.glob("*.tmp.*")) == []
    return state


# ---------------------------------------------------------------- crashes


def killing(last: int, place: Path) -> KillingDisk:
    return KillingDisk(last)


def cutting_the_power(last: int, place: Path) -> KillingDisk:
    return PowerCutDisk(last, place, keeps_removals=False)


def cutting_the_power_keeping_removals(last: int, place: Path) -> KillingDisk:
    return PowerCutDisk(last, place, keeps_removals=True)


@pytest.mark.parametrize("crashing", [killing, cutting_the_power, cutting_the_power_keeping_removals])
def test_a_crash_ahead_of_any_change_leaves_the_old_or_the_new(place: Path, crashing):
    untouched = place.parent / "untouched"
    shutil.copytree(place, untouched)
    for last in range(1, changes_of_a_journey(place) + 1):
        shutil.rmtree(place)
        shutil.copytree(untouched, place)
        shutil.rmtree(place.parent / "marks", ignore_errors=True)
        disk = crashing(last, place)
        store = open_at(place, files=disk, seen=True)
        done: list[int] = []
        with pytest.raises(Killed):
            journey(store, done)
        end(store)
        if isinstance(disk, PowerCutDisk):
            disk.cut()
        check_old_or_new(place, done)


def test_a_crash_in_the_very_first_run_leaves_nothing_or_all(tmp_path: Path):
    for last in range(1, 12):
        place = tmp_path / str(last)
        store = open_at(place, files=KillingDisk(last))
        with contextlib.suppress(Killed):
            lock(store)
            store.append(batch(1), after=store.read().serial)
        end(store)
        following = open_at(place)
        state = following.read()
        assert replace(state, lineage="a-lineage") in (after(), after(1))
        assert following.append(batch(2), after=state.serial) == state.serial + 1


def test_a_crash_while_records_are_recovered_appends_them_once(place: Path):
    untouched = place.parent / "untouched"
    open_store = open_at(place)
    open_store.read()
    open_store.set_aside(batch(3), after=2)
    shutil.copytree(place, untouched)
    for last in range(1, 12):
        shutil.rmtree(place)
        shutil.copytree(untouched, place)
        store = open_at(place, files=KillingDisk(last))
        with contextlib.suppress(Killed):
            lock(store)
        end(store)
        assert open_at(place).read() == after(1, 2, 3)
        following = open_at(place)
        lock(following)
        assert following.read() == after(1, 2, 3)
        following.unlock()
        assert list(place.glob("recovery-*")) == []


def test_a_reader_at_any_moment_sees_the_old_or_the_new(place: Path):
    reader = open_at(place)
    found: list[int] = []

    class Disk(WatchedDisk):
        def before(self, name: str) -> None:
            state = reader.read()
            assert state == after(*range(1, state.serial + 1))
            found.append(state.serial)

    journey(open_at(place, files=Disk()), [])
    assert found == sorted(found)
    assert set(found) == {2, 3, 4, 5, 6}


def test_a_reader_looks_again_when_the_journal_is_folded_in_between(place: Path, monkeypatch):
    writer = open_at(place)
    writer.read()
    look = folder.look
    looked: list[str] = []

    def look_slowly(path: Path):
        looked.append(path.name)
        if len(looked) == 2:
            writer.write(after(1, 2), after=2)
        return look(path)

    monkeypatch.setattr(folder, "look", look_slowly)
    assert open_at(place).read() == after(1, 2)
    assert looked == ["state.json", "journal.jsonl"] * 2


def test_a_reader_looks_again_when_a_torn_batch_is_written_over_meanwhile(place: Path, monkeypatch):
    path = place / "journal.jsonl"
    whole = path.read_bytes()
    look = folder.look

    def look_late(path: Path):
        content, found = look(path)
        if path.name != "journal.jsonl":
            return content, found
        monkeypatch.undo()
        open_at(place).append(batch(3), after=2)
        return whole + b"0123abcd 50 {old remains" + path.read_bytes()[len(whole) + 24 :], found

    path.write_bytes(whole + b"0123abcd 50 {old remains")
    monkeypatch.setattr(folder, "look", look_late)
    assert open_at(place).read() == after(1, 2, 3)


def test_a_reader_gives_up_on_a_state_that_never_rests(place: Path, monkeypatch):
    monkeypatch.setattr(folder, "identify", lambda path: None)
    with pytest.raises(StateError, match="changes all the time"):
        open_at(place).read()


# ---------------------------------------------------------------- failing disks


def test_a_write_that_the_system_takes_in_pieces_is_whole(place: Path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    open_at(place).append(batch(3), after=2)
    assert open_at(place).read() == after(1, 2, 3)


@pytest.mark.parametrize("lasting", [False, True], ids=["one-error", "errors-from-then-on"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC], ids=errno.errorcode.get)
def test_any_change_that_fails_leaves_the_old_or_the_new(place: Path, code: int, lasting: bool):
    untouched = place.parent / "untouched"
    shutil.copytree(place, untouched)
    for last in range(1, changes_of_a_journey(place) + 1):
        shutil.rmtree(place)
        shutil.copytree(untouched, place)
        disk = FailingDisk(lambda name: None)

        def fails(name: str, disk: FailingDisk = disk, last: int = last) -> OSError | None:
            hit = disk.changes >= last if lasting else disk.changes == last
            return OSError(code, os.strerror(code)) if hit else None

        disk.fails = fails
        store = open_at(place, files=disk)
        done: list[int] = []
        with contextlib.suppress(StateError):
            journey(store, done)
        store.unlock()
        assert disk.changes >= last
        check_old_or_new(place, done, seen=False)


def failing_once(what: str, code: int = errno.EIO) -> FailingDisk:
    failed: list[str] = []

    def fails(name: str) -> OSError | None:
        if name != what or failed:
            return None
        failed.append(name)
        return OSError(code, os.strerror(code))

    return FailingDisk(fails)


def test_a_journal_that_failed_to_sync_is_not_written_again(place: Path):
    disk = failing_once("sync")
    store = open_at(place, files=disk)
    state = store.read()
    with pytest.raises(StateError, match="Input/output error"):
        store.append(batch(3), after=2)
    assert open_at(place).read() == state
    changes = disk.changes
    with pytest.raises(StateError, match="has failed to keep"):
        store.append(batch(3), after=2)
    assert "write" not in disk.names[changes:]


def test_a_whole_state_goes_into_new_files_after_a_failed_sync(place: Path):
    store = open_at(place, files=failing_once("sync"))
    with pytest.raises(StateError):
        store.append(batch(3), after=2)
    store.write(after(1, 2, 3), after=2)
    assert store.append(batch(4), after=3) == 4
    assert open_at(place).read() == after(1, 2, 3, 4)


def test_a_batch_that_failed_to_be_written_can_be_appended_again(place: Path):
    store = open_at(place, files=failing_once("write"))
    with pytest.raises(StateError):
        store.append(batch(3), after=2)
    assert store.append(batch(3), after=2) == 3
    assert open_at(place).read() == after(1, 2, 3)


class FullDisk(Files):
    """Takes nothing more in the journal as long as the reserve isn't given up."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.full = False

    def write(self, descriptor: int, data: bytes) -> None:
        if self.full and (self.place / "reserve").exists():
            os.write(descriptor, data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(descriptor, data)


def test_on_a_full_disk_the_reserve_is_for_completions_alone(place: Path):
    disk = FullDisk(place)
    store = open_at(place, files=disk)
    lock(store)
    assert (place / "reserve").stat().st_blocks * 512 >= 64 * 1024
    disk.full = True
    with pytest.raises(StateError, match="No space left") as caught:
        store.append([Begun(r.operation())], after=2)
    assert "Free some space" in caught.value.fix
    assert open_at(place).read() == after(1, 2)
    accepted = Begun(r.operation(job_id="job-1"))
    assert store.append([r.put(3), accepted, Closed("op-9")], after=2) == 3
    store.unlock()
    assert open_at(place).read().serial == 3
    assert not (place / "reserve").exists()


def test_a_lock_needs_room_for_the_reserve(place: Path):
    store = open_at(place, files=failing_once("allocate", errno.ENOSPC))
    with pytest.raises(StateError, match="No space left"):
        lock(store)
    assert open_at(place).lock_seen() is None


def test_a_file_system_that_can_not_set_space_aside_is_used_without(place: Path):
    store = open_at(place, files=failing_once("allocate", errno.EOPNOTSUPP))
    lock(store)
    assert store.append(batch(3), after=2) == 3


def test_records_that_can_not_be_kept_in_a_file_are_handed_back_as_text(place: Path):
    store = open_at(place, files=failing_once("create", errno.EROFS))
    store.read()
    text = store.set_aside(batch(3), after=2)
    (place / "recovery-by-hand.jsonl").write_bytes(base64.b64decode(text.removeprefix("base64:")))
    assert open_at(place).read() == after(1, 2, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "holds 0 whole batches", id="empty"),
        pytest.param(journal.encode_header("a-lineage", after=2), "holds 0 whole batches", id="no-batch"),
        pytest.param(
            journal.encode_header("a-lineage", after=2)
            + b"".join(journal.encode_batch([r.put(number)], serial=number) for number in (3, 4)),
            "holds 2 whole batches",
            id="two-batches",
        ),
    ],
)
def test_a_recovery_file_without_its_one_batch_is_shown_not_lost(place: Path, content: bytes, message: str):
    (place / "recovery-x.jsonl").write_bytes(content)
    store = open_at(place)
    lock(store)
    with pytest.raises(StateError, match=message) as caught:
        store.read()
    assert "Move that file out of the folder" in caught.value.fix
    assert (place / "recovery-x.jsonl").read_bytes() == content


def test_a_recovery_file_is_not_there_before_it_is_whole(place: Path):
    watcher = open_at(place)
    lock(watcher)
    seen: list[State] = []

    class Disk(WatchedDisk):
        def before(self, name: str) -> None:
            watcher._replay()  # what the holder of the lock does as its command begins
            seen.append(open_at(place).read())

    store = open_at(place, files=Disk())
    store.read()
    store.set_aside(batch(3), after=2)
    assert after(1, 2) in seen
    assert open_at(place).read() == after(1, 2, 3)


def test_recovery_files_that_can_not_be_listed_are_not_taken_for_none(place: Path, monkeypatch):
    store = open_at(place)
    store.read()
    store.set_aside(batch(3), after=2)

    def refuse(path: object = None) -> list[str]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr(os, "scandir", refuse)
    refused(place, "can't read the state local:x: Permission denied")


def test_nothing_is_added_to_a_state_that_is_not_the_one_seen(place: Path):
    store = open_at(place, seen=True)
    store.append(batch(3), after=2)
    name = Path(store.set_aside(batch(9), after=0))
    shutil.copy(place / "state.json.1", place / "state.json")  # at serial 0, which the aside batch follows
    (place / "journal.jsonl").unlink()
    following = open_at(place, seen=True)
    lock(following)
    with pytest.raises(StateError, match="stands at serial 0, but this machine has seen serial 3"):
        following.read()
    with pytest.raises(StateError):
        open_at(place, seen=True).append(batch(7), after=0)
    assert name.exists()
    assert not (place / "journal.jsonl").exists()


def test_only_what_a_store_has_left_aside_is_tidied_up(place: Path):
    for name in ("state.json.tmp.1", "state.json.3.tmp.22", "recovery-x.jsonl.tmp.4", "notes.tmp.txt", "my.tmp.1"):
        (place / name).write_text("x")
    lock(open_at(place))
    assert sorted(path.name for path in place.glob("*.tmp.*")) == ["my.tmp.1", "notes.tmp.txt"]


def test_a_damaged_recovery_file_is_shown_not_lost(place: Path):
    store = open_at(place)
    store.read()
    name = Path(store.set_aside(batch(3), after=2))
    name.write_bytes(b"x" + name.read_bytes())
    with pytest.raises(StateError, match=re.escape(f"{name} is damaged")) as caught:
        open_at(place).read()
    assert "Move that file out of the folder" in caught.value.fix


# ---------------------------------------------------------------- damage and restoring


def follow(error: StateError, place: Path) -> Restored:
    """Do what the message says."""
    found = re.search("`declarative state restore ([0-9]+)`", error.fix)
    assert found is not None
    store = open_at(place, seen=True)
    lock(store)
    restored = store.restore(int(found[1]))
    store.unlock()
    return restored


def refused(place: Path, message: str) -> StateError:
    with pytest.raises(StateError, match=message) as caught:
        open_at(place, seen=True).read()
    return caught.value


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="emptied"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-9]), id="cut"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes().replace(b"g1", b"g7")), id="edited"),
        pytest.param(lambda path: path.unlink(), id="removed"),
    ],
)
def test_a_damaged_snapshot_is_refused_until_restored_as_the_message_says(place: Path, damage):
    open_at(place, seen=True).read()
    damage(place / "state.json")
    before = {path.name: path.read_bytes() for path in place.glob("*.json*") if "lock" not in path.name}
    restored = follow(refused(place, "state.json"), place)
    assert open_at(place, seen=True).read() == after()
    assert restored.resources == (r.put(2).resource,)
    kept = {path.name: path.read_bytes() for path in Path(restored.kept).iterdir()}
    assert kept == {name: before[name] for name in ("state.json", "journal.jsonl") if name in before}
    assert (place / "state.json.1").read_bytes() == before["state.json.1"]
    assert open_at(place, seen=True).append(batch(5), after=0) == 1


def test_a_journal_damaged_in_the_middle_is_refused_until_cut_as_the_message_says(place: Path):
    store = open_at(place, seen=True)
    store.append(batch(3), after=2)
    store.append(batch(4), after=3)
    path = place / "journal.jsonl"
    damaged = path.read_bytes().replace(b"g3", b"g7")
    path.write_bytes(damaged)
    restored = follow(refused(place, "journal.jsonl is damaged in line 4"), place)
    assert open_at(place, seen=True).read() == after(1, 2)
    assert (Path(restored.kept) / "journal.jsonl").read_bytes() == damaged
    assert (restored.resources, restored.begun) == ((r.put(4).resource,), (r.WEB,))
    assert open_at(place, seen=True).append(batch(3), after=2) == 3
    assert open_at(place, seen=True).read() == after(1, 2, 3)


def test_a_journal_with_a_damaged_header_is_refused_until_cut_as_the_message_says(place: Path):
    path = place / "journal.jsonl"
    path.write_bytes(b"x" + path.read_bytes())
    follow(refused(place, "damaged in line 1"), place)
    assert open_at(place, seen=True).read() == after(1)


def test_what_does_not_go_together_is_refused_until_cut_as_the_message_says(place: Path):
    store = open_at(place, seen=True)
    store.append([Put(r.resource(r.DATABASE, "id-1"))], after=2)
    follow(refused(place, "ProtectionGroup/g1 and .* record the same object, id-1"), place)
    assert open_at(place, seen=True).read() == after(1, 2)


def test_an_operation_of_nothing_is_refused_until_cut_as_the_message_says(place: Path):
    store = open_at(place, seen=True)
    delete = replace(r.operation("op-9"), action=Action.DELETE, resource=r.resource(r.DATABASE, "id-db"))
    store.append([Begun(delete)], after=2)
    follow(refused(place, "the open delete of .* is of an object that is not recorded"), place)
    assert open_at(place, seen=True).read() == after(1, 2)


HISTORY = [
    [PreImage("a", ("1",))],
    [PreImage("b", ("2",))],
    [PreImage("c", ("3",))],
    [PreImage("d", ("4",)), PreImage("e", ("5",))],
]


def state_at(serial: int) -> State:
    state = fresh("a-lineage")
    for records in HISTORY[:serial]:
        for record in records:
            fold(state, record)
    state.serial = serial
    return state


@pytest.fixture
def lean(tmp_path: Path) -> Path:
    """A state of few bytes, with serial 0 in its backup, 1 in its snapshot and three more batches in its journal."""
    place = tmp_path / "lean" / "default"
    store = open_at(place, seen=True)
    store.write(fresh("a-lineage"), after=0)
    store.write(state_at(1), after=0)
    for serial in (1, 2, 3):
        store.append(HISTORY[serial], after=serial)
    return place


def outcome(place: Path, *, seen: bool) -> str | int:
    """Read: the serial of a state that has been, or "refused", with the way out; there is nothing else."""
    error = None
    try:
        state = open_at(place, seen=seen).read()
    except StateError as found:
        error = found
    if error is None:
        assert state == state_at(state.serial)
        return state.serial
    assert str(error.diagnostics()[0]).isprintable()
    if "this machine has seen" in error.summary:
        assert re.search("--accept-rollback [0-4]", error.fix)
    else:
        assert re.search("`declarative state restore [0-4]`", error.fix)
    return "refused"


def test_a_state_cut_anywhere_is_read_up_to_its_last_whole_batch_or_refused(lean: Path):
    path = lean / "journal.jsonl"
    lines, serial = path.read_bytes(), 1
    for size in range(len(lines)):
        if size and lines[size - 1] == ord("\n") and b'"last":true' in lines[:size].splitlines()[-1]:
            serial += 1
        path.write_bytes(lines[:size])
        assert outcome(lean, seen=False) == serial
        assert outcome(lean, seen=True) == "refused"
    assert serial == 3
    path.write_bytes(lines)
    path = lean / "state.json"
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert outcome(lean, seen=False) == "refused"
    path.write_bytes(whole)
    assert outcome(lean, seen=True) == 4


@pytest.mark.parametrize("name", ["state.json", "journal.jsonl"])
def test_a_state_with_a_wrong_byte_is_refused_unless_a_crash_has_left_it_so(lean: Path, name: str):
    path = lean / name
    whole = path.read_bytes()
    last = len(whole) - len(journal.encode_batch(HISTORY[3], serial=4)) if name == "journal.jsonl" else len(whole)
    for place, byte in enumerate(whole):
        for wrong in (0, byte ^ 1 << place % 8, ord("x")):
            path.write_bytes(whole[:place] + bytes([wrong]) + whole[place + 1 :])
            torn = wrong == 0 and place >= last
            assert outcome(lean, seen=False) == (4 if wrong == byte else 3 if torn else "refused"), (place, wrong)
            if torn:
                assert outcome(lean, seen=True) == "refused"
    path.write_bytes(whole)
    assert outcome(lean, seen=True) == 4


def test_a_batch_lost_from_the_end_of_the_journal_is_noticed(place: Path):
    open_at(place, seen=True).read()
    path = place / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    refused(place, "stands at serial 1, but this machine has seen serial 2")


@pytest.mark.parametrize(
    ("lineage", "serial", "message"),
    [
        pytest.param("another", 1, "belongs to another state", id="another-lineage"),
        pytest.param("a-lineage", 0, "follows serial 1, but state.json beside it stands at 0", id="older-snapshot"),
    ],
)
def test_a_journal_that_does_not_fit_its_snapshot_is_refused(place: Path, lineage, serial, message):
    other = open_at(place.parent / "other")
    other.write(State(lineage, serial=serial), after=0)
    shutil.copy(place.parent / "other" / "state.json", place)
    follow(refused(place, message), place)
    assert open_at(place, seen=True).read().serial == serial


def test_a_missing_snapshot_with_backups_is_no_fresh_state(place: Path):
    (place / "state.json").unlink()
    (place / "journal.jsonl").unlink()
    follow(refused(place, "is gone, but its backups are there"), place)
    assert open_at(place, seen=True).read() == after()


def test_without_a_whole_backup_the_message_says_so(place: Path):
    (place / "state.json").write_bytes(b"x")
    (place / "state.json.1").write_bytes(b"x")
    assert "Nothing of it is whole, nor any backup" in refused(place, "is not JSON").fix
    assert open_at(place).points() == []


def test_a_later_format_is_refused_without_advice_to_go_back(place: Path):
    (place / "state.json").write_bytes(sealed('{"format":"declarative.state/2"}'))
    assert "later one" in refused(place, "declarative.state/2").fix
    with pytest.raises(StateError, match=r"declarative\.state/2"):
        open_at(place).points()


def sealed(text: str) -> bytes:
    body = text.removesuffix("}").encode()
    return body + b',\n"checksum":"sha256:' + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'


def test_damage_is_never_written_over(place: Path):
    (place / "state.json").write_bytes(b"x")
    with pytest.raises(StateError):
        open_at(place).write(after(1, 2, 3), after=2)
    with pytest.raises(StateError):
        open_at(place).append(batch(3), after=2)
    assert (place / "state.json").read_bytes() == b"x"


def test_a_file_swapped_by_hand_during_a_run_is_noticed(place: Path):
    store = open_at(place)
    lock(store)
    store.append(batch(3), after=2)
    shutil.copy(place / "state.json.1", place / "state.json")
    (place / "journal.jsonl").unlink()
    with pytest.raises(StateConflict, match="stands at serial 0, not 3"):
        store.append(batch(4), after=3)
    assert open_at(place).read() == after()


def test_a_symbolic_link_is_not_followed(place: Path):
    (place / "state.json").rename(place / "elsewhere")
    (place / "state.json").symlink_to(place / "elsewhere")
    follow(refused(place, "is a symbolic link, and links are not followed"), place)
    assert open_at(place, seen=True).read() == after()
    assert (place / "replaced-1" / "state.json").is_symlink()


@pytest.mark.parametrize("name", ["state.json", "journal.jsonl"])
def test_what_is_no_regular_file_is_refused_unread(place: Path, name: str):
    (place / name).unlink()
    os.mkfifo(place / name)
    follow(refused(place, f"{name} is no regular file"), place)
    assert open_at(place, seen=True).read().serial in (0, 1)
    assert stat.S_ISFIFO((place / "replaced-1" / name).stat().st_mode)


def test_a_lock_file_that_is_no_regular_file_is_refused(place: Path):
    (place / "state.json.lock").unlink()
    os.mkfifo(place / "state.json.lock")
    for look in (lock, LocalStore.lock_seen):
        with pytest.raises(StateError, match="lock is no regular file"):
            look(open_at(place))


@pytest.mark.parametrize("name", ["state.json", "journal.jsonl", "recovery-x.jsonl"])
def test_a_file_that_is_too_large_is_refused_by_its_size(place: Path, name: str):
    with (place / name).open("ab") as file:
        file.truncate(256 * 2**20 + 1)
    tracemalloc.start()
    error = refused(place, f"{name} has 256.0 MiB .268,435,457 bytes., and at most 256 MiB are read")
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    if name.startswith("recovery"):
        assert "Move that file out of the folder" in error.fix
        return
    follow(error, place)
    assert open_at(place, seen=True).read().serial in (0, 1)
    assert (place / "replaced-1" / name).stat().st_size == 256 * 2**20 + 1


def test_a_backup_that_is_too_large_is_no_way_back(place: Path):
    with (place / "state.json.1").open("ab") as file:
        file.truncate(256 * 2**20 + 1)
    assert [point.source for point in open_at(place).points()] == ["state.json with journal.jsonl", "state.json"]


def test_what_would_not_be_read_again_is_not_written(place: Path, monkeypatch):
    store = open_at(place)
    monkeypatch.setattr(files_module, "LARGEST", (place / "journal.jsonl").stat().st_size + 100)
    with pytest.raises(StateError, match="at most 0 MiB"):
        store.append(batch(3), after=2)
    with pytest.raises(StateError, match="at most 0 MiB"):
        store.write(after(*range(1, 9)), after=2)
    monkeypatch.undo()
    assert open_at(place).read() == after(1, 2)


# ---------------------------------------------------------------- going back


def test_each_serial_that_is_whole_can_be_gone_back_to(lean: Path):
    assert open_at(lean).points() == [
        Point(4, "state.json with journal.jsonl", 0, since=1),
        Point(1, "state.json", 0, since=1),
        Point(0, "state.json.1", 0, since=0),
    ]
    for serial in range(5):
        there = lean.parent / f"at-{serial}"
        shutil.copytree(lean, there)
        store = open_at(there, seen=True)
        lock(store)
        store.restore(serial)
        store.unlock()
        assert open_at(there, seen=True).read() == state_at(serial)


def test_no_other_serial_can_be_gone_back_to(place: Path):
    store = open_at(place)
    lock(store)
    with pytest.raises(StateError, match="nothing that is whole leads to serial 7") as caught:
        store.restore(7)
    assert "`declarative state restore` lists" in caught.value.fix
    assert open_at(place).read() == after(1, 2)
    assert list(place.glob("replaced-*")) == []


def test_nothing_is_restored_without_the_lock(place: Path):
    with pytest.raises(StateConflict, match="under its lock alone"):
        open_at(place).restore(1)


def test_each_restore_keeps_what_it_replaces(place: Path):
    store = open_at(place, seen=True)
    lock(store)
    assert Path(store.restore(1).kept).name == "replaced-1"
    assert store.append(batch(7), after=1) == 2
    assert Path(store.restore(0).kept).name == "replaced-2"
    store.unlock()
    assert open_at(place, seen=True).read() == after()
    assert journal.decode((place / "replaced-2" / "journal.jsonl").read_bytes(), source="").batches[0].serial == 2


@pytest.mark.parametrize("crashing", [killing, cutting_the_power, cutting_the_power_keeping_removals])
def test_a_crash_while_a_state_is_restored_leaves_a_way_out_or_the_new(lean: Path, crashing):
    path = lean / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"c"', b'"x"'))
    untouched = lean.parent / "untouched"
    shutil.copytree(lean, untouched)
    for last in range(1, 60):
        shutil.rmtree(lean)
        shutil.copytree(untouched, lean)
        disk = crashing(last, lean)
        store = open_at(lean, files=disk)
        done = False
        with contextlib.suppress(Killed):
            lock(store)
            store.restore(2)
            done = True
        end(store)
        if isinstance(disk, PowerCutDisk):
            disk.cut()
        assert outcome(lean, seen=False) in ("refused", 2)
        following = open_at(lean)
        lock(following)
        following.restore(2)
        following.unlock()
        assert open_at(lean).read() == state_at(2)
        if done:
            break
    assert done


def test_records_that_were_rescued_are_appended_to_the_state_that_they_follow(place: Path):
    store = open_at(place, seen=True)
    store.read()
    store.set_aside(batch(3), after=2)
    path = place / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b"garbage\n")
    refused(place, "is damaged in line 4")
    store = open_at(place, seen=True)
    lock(store)
    store.restore(2)
    assert store.read() == after(1, 2, 3)
    assert store.append(batch(4), after=3) == 4
    store.unlock()
    assert open_at(place, seen=True).read() == after(1, 2, 3, 4)
    assert list(place.glob("recovery-*")) == []


# ---------------------------------------------------------------- what lies in the folder


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_files_and_folders_are_their_owners_alone(tmp_path: Path, umask: int):
    place = tmp_path / "new" / "state" / "default"
    earlier = os.umask(umask)
    try:
        store = open_at(place, seen=True)
        store.write(fresh("a-lineage"), after=0)
        lock(store)
        store.append(batch(1), after=0)
        store.write(after(1), after=1)
        store.append(batch(2), after=1)
        store.restore(0)
        recovery_file.keep(place, batch(3), lineage="a-lineage", after=2, name="x", files=Files())
    finally:
        os.umask(earlier)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").rglob("*")}
    assert modes.keys() >= {
        "state.json", "state.json.1", "state.json.lock", "journal.jsonl", "reserve", "recovery-x.jsonl"
    }  # fmt: skip
    assert {
        path.name for path in (tmp_path / "new").rglob("*") if path.is_file() and modes[path.name] != 0o600
    } == set()
    assert (modes["state"], modes["default"], modes["replaced-1"]) == (0o700, 0o700, 0o700)


def test_five_backups_are_kept_one_for_each_run(place: Path):
    store = open_at(place)
    for serial in range(3, 12):
        lock(store)
        store.append(batch(serial), after=serial - 1)
        store.write(replace(store.read(), outputs={"folded": 1}), after=serial)
        store.write(replace(store.read(), outputs={"folded": serial}), after=serial)
        store.unlock()
    kept = [re.search(rb'"serial":([0-9]+)', path.read_bytes())[1] for path in sorted(place.glob("state.json.[0-9]"))]
    assert kept == [b"10", b"9", b"8", b"7", b"6"]


def test_a_state_without_changes_writes_nothing(place: Path):
    open_at(place).write(after(1, 2), after=2)
    disk = WatchedDisk()
    store = open_at(place, files=disk)
    lock(store)
    changes = disk.changes
    store.write(store.read(), after=2)
    assert disk.changes == changes


def test_reading_writes_nothing(tmp_path: Path):
    open_at(tmp_path / "state").read()
    assert list(tmp_path.iterdir()) == []


def test_each_batch_is_one_write_with_one_sync(place: Path):
    disk = WatchedDisk()
    store = open_at(place, files=disk)
    lock(store)
    store.append(batch(3), after=2)
    changes = disk.changes
    store.append([r.put(number) for number in range(100)], after=3)
    assert disk.names[changes:] == ["write", "sync"]


def test_the_journal_is_the_same_bytes_for_the_same_records(place: Path):
    lines = b"".join([journal.encode_header("a-lineage", after=1), journal.encode_batch(batch(2), serial=2)])
    assert (place / "journal.jsonl").read_bytes() == lines
