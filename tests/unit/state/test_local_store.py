"""The local store against crashes, failing disks, other processes and people's hands."""

from __future__ import annotations

import base64
import contextlib
import errno
import itertools
import os
import re
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import recorded as r
from disks import FailingDisk, Killed, KillingDisk, PowerCutDisk, WatchedDisk

from declarative.errors import StateConflict, StateError
from declarative.model import Begun, Closed
from declarative.state import Holder, State, fold, folder, fresh, journal, recovery
from declarative.state.files import Files
from declarative.state.local import LocalStore
from declarative.state.marks import Marks

HOLDER = Holder("lock-1", "me", "here", 1, "apply", "2026-01-02T03:04:05Z")
_numbers = itertools.count()


def open_at(place: Path, *, files: Files | None = None, accept: int | None = None, seen: bool = False) -> LocalStore:
    """A store in `place`; `seen`: with marks beside it, as on one machine."""
    marks = Marks(place.parent / "marks" if seen else None, address="local:x", environment="default")
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
    open_store.rescue(batch(3), after=2)
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

    def look_slowly(path: Path, **options):
        looked.append(path.name)
        if len(looked) == 2:
            writer.write(after(1, 2), after=2)
        return look(path, **options)

    monkeypatch.setattr(folder, "look", look_slowly)
    assert open_at(place).read() == after(1, 2)
    assert looked == ["state.json", "journal.jsonl"] * 2


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
    assert open_at(place).holder() is None


def test_a_file_system_that_can_not_set_space_aside_is_used_without(place: Path):
    store = open_at(place, files=failing_once("allocate", errno.EOPNOTSUPP))
    lock(store)
    assert store.append(batch(3), after=2) == 3


def test_records_that_can_not_be_kept_in_a_file_are_handed_back_as_text(place: Path):
    store = open_at(place, files=failing_once("create", errno.EROFS))
    store.read()
    text = store.rescue(batch(3), after=2)
    (place / "recovery-by-hand.jsonl").write_bytes(base64.b64decode(text.removeprefix("base64:")))
    assert open_at(place).read() == after(1, 2, 3)


def test_a_damaged_recovery_file_is_shown_not_lost(place: Path):
    store = open_at(place)
    store.read()
    name = Path(store.rescue(batch(3), after=2))
    name.write_bytes(b"x" + name.read_bytes())
    with pytest.raises(StateError, match=re.escape(f"{name} is damaged")) as caught:
        open_at(place).read()
    assert "Move that file out of the folder" in caught.value.fix


# ---------------------------------------------------------------- damage and restoring


def command_in(error: StateError) -> str:
    found = re.search("`([^`]+)`", error.fix)
    assert found is not None
    return found[1]


def follow(error: StateError) -> int:
    """Do what the message says, and return the serial to accept."""
    subprocess.run(["/bin/sh", "-ec", command_in(error)], check=True, timeout=10)
    found = re.search(r"--accept-rollback ([0-9]+)", error.fix)
    assert found is not None
    return int(found[1])


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
    serial = follow(refused(place, "state.json"))
    assert serial == 0
    refused(place, "has seen serial 2")
    assert open_at(place, seen=True, accept=serial).read() == after()
    assert open_at(place, seen=True).read() == after()
    assert (place / "journal.jsonl.old").exists()


def test_a_journal_damaged_in_the_middle_is_refused_until_cut_as_the_message_says(place: Path):
    store = open_at(place, seen=True)
    store.append(batch(3), after=2)
    store.append(batch(4), after=3)
    path = place / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"g3", b"g7"))
    serial = follow(refused(place, "journal.jsonl is damaged in line 4"))
    assert open_at(place, seen=True, accept=serial).read() == after(1, 2)
    assert (place / "journal.jsonl.damaged").read_bytes() == whole.replace(b"g3", b"g7")
    assert open_at(place, seen=True).append(batch(3), after=2) == 3
    assert open_at(place, seen=True).read() == after(1, 2, 3)


def test_a_journal_with_a_damaged_header_is_refused_until_cut_as_the_message_says(place: Path):
    path = place / "journal.jsonl"
    path.write_bytes(b"x" + path.read_bytes())
    serial = follow(refused(place, "damaged in line 1"))
    assert open_at(place, seen=True, accept=serial).read() == after(1)


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
    assert "cp -p" in refused(place, message).fix


def test_a_missing_snapshot_with_backups_is_no_fresh_state(place: Path):
    (place / "state.json").unlink()
    (place / "journal.jsonl").unlink()
    serial = follow(refused(place, "is gone, but its backups are there"))
    assert open_at(place, seen=True, accept=serial).read() == after()


def test_without_a_whole_backup_the_message_says_so(place: Path):
    (place / "state.json").write_bytes(b"x")
    (place / "state.json.1").write_bytes(b"x")
    assert "No backup of it is whole" in refused(place, "is not JSON").fix


def test_a_later_format_is_refused_without_advice_to_go_back(place: Path):
    (place / "state.json").write_bytes(b'{"format":"declarative.state/2"}')
    assert "later one" in refused(place, "declarative.state/2").fix


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
    refused(place, "can't read the state local:x")


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
        recovery.keep(place, batch(3), lineage="a-lineage", after=2, name="x", files=Files())
    finally:
        os.umask(earlier)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").rglob("*")}
    assert modes.keys() >= {
        "state.json", "state.json.1", "state.json.lock", "journal.jsonl", "reserve", "recovery-x.jsonl"
    }  # fmt: skip
    assert {
        path.name for path in (tmp_path / "new").rglob("*") if path.is_file() and modes[path.name] != 0o600
    } == set()
    assert (modes["state"], modes["default"]) == (0o700, 0o700)


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
