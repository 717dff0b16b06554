"""The lock between processes: who has it, who waits, and what is left behind."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import declarative
from declarative.errors import LockHeld, StateConflict, StateError
from declarative.state import Holder, Store, open_store
from tests.scaffold import recorded as r

HOLDER = Holder("lock-2", "you", "there", 2, "plan", "2026-01-02T03:04:05Z")

OTHER_PROCESS = """
import sys
from pathlib import Path
from declarative.state import Holder, open_store
store = open_store("local:state", folder=Path(sys.argv[1]), environment="prod", marks=None, uuid=lambda: "u")
store.lock(Holder("lock-1", "me", "here", 1, "apply", "now"), timeout=0, sleep=lambda seconds: None)
print("locked", flush=True)
sys.stdin.readline()
store.unlock()
print("free", flush=True)
sys.stdin.readline()
"""


@contextmanager
def other_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until it gets a line."""
    home = str(Path(declarative.__file__).parents[1])
    command = [sys.executable, "-c", OTHER_PROCESS, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": home}, **pipes) as process:
        try:
            assert process.stdout.readline() == "locked\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_at(tmp_path)


def open_at(folder: Path) -> Store:
    return open_store("local:state", folder=folder, environment="prod", marks=None, uuid=lambda: "u")


def lock(store: Store) -> None:
    store.lock(HOLDER, timeout=0, sleep=lambda seconds: None)


def test_another_process_waits_until_the_lock_is_given_back(tmp_path: Path, store: Store):
    with other_process(tmp_path) as process:
        with pytest.raises(LockHeld, match=r"me on here \(process 1\) for apply"):
            lock(store)

        def sleep(seconds: float) -> None:
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "free\n"

        store.lock(HOLDER, timeout=60, sleep=sleep)
        assert store.lock_seen().holder == HOLDER


def test_a_killed_process_leaves_a_free_lock(tmp_path: Path, store: Store):
    with other_process(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert store.lock_seen() is None
        lock(store)
        assert open_at(tmp_path).lock_seen().holder == HOLDER


def test_what_a_killed_process_left_is_cleared_by_its_id(tmp_path: Path, store: Store):
    with other_process(tmp_path) as process:
        with pytest.raises(LockHeld, match="held by a living process: me on here"):
            store.break_lock("lock-1")
        process.send_signal(signal.SIGKILL)
        process.wait()
        with pytest.raises(StateError, match="has no lock lock-9") as caught:
            store.break_lock("lock-9")
        assert "lock-1" in caught.value.fix
        assert store.break_lock("lock-1").id == "lock-1"
        with pytest.raises(StateError, match="has no lock lock-1"):
            store.break_lock("lock-1")


def test_a_child_process_does_not_keep_the_lock(tmp_path: Path, store: Store):
    lock(store)
    runs = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(runs, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False) as child:
        assert child.stdout is not None
        child.stdout.readline()  # now it runs: until then it may still hold what is closed as it begins
        store.unlock()
        assert open_at(tmp_path).lock_seen() is None
        lock(open_at(tmp_path))
        child.communicate(b"\n")


@pytest.mark.parametrize(
    "garbage",
    [b"", b"x" * 1_000_000, b"[]", b"{}", b'{"id":1}', b"\xff", b"[" * 5000],
    ids=lambda garbage: repr(garbage[:8]),
)
def test_a_held_lock_with_an_unreadable_holder_is_held(tmp_path: Path, store: Store, garbage: bytes):
    lock(store)
    (tmp_path / "state" / "prod" / "state.json.lock").write_bytes(garbage)
    other = open_at(tmp_path)
    assert other.lock_seen() is not None
    with pytest.raises(LockHeld, match="somebody"):
        lock(other)


def test_a_lock_whose_file_is_replaced_is_lost(tmp_path: Path, store: Store):
    lock(store)
    store.append([r.put(1)], after=0)
    (tmp_path / "state" / "prod" / "state.json.lock").unlink()
    other = open_at(tmp_path)
    lock(other)
    assert other.append([r.put(2)], after=1) == 2
    with pytest.raises(StateConflict, match="was taken away from this run"):
        store.append([r.put(3)], after=1)
    store.unlock()
    assert other.append([r.put(4)], after=2) == 3
    assert (tmp_path / "state" / "prod" / "reserve").exists()


def test_a_lock_whose_file_is_removed_is_lost(tmp_path: Path, store: Store):
    lock(store)
    (tmp_path / "state" / "prod" / "state.json.lock").unlink()
    with pytest.raises(StateConflict, match="was taken away from this run"):
        store.append([r.put(1)], after=0)


def test_a_lock_on_a_file_replaced_just_now_does_not_count(tmp_path: Path, store: Store, monkeypatch):
    flock = fcntl.flock
    path = tmp_path / "state" / "prod" / "state.json.lock"
    other = open_at(tmp_path)

    def flock_late(descriptor: int, how: int) -> None:
        monkeypatch.undo()
        path.unlink()
        lock(other)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock_late)
    with pytest.raises(LockHeld, match="you on there"):
        lock(store)


def test_a_lock_is_taken_once(store: Store):
    lock(store)
    with pytest.raises(StateError, match="taken already by this process"):
        lock(store)
    assert store.append([r.put(1)], after=0) == 1


def test_a_file_system_that_grants_every_lock_is_refused(store: Store, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", lambda descriptor, how: None)
    with pytest.raises(StateError, match="has no working locks"):
        lock(store)


def test_a_file_system_without_locks_is_refused(store: Store, monkeypatch):
    def refuse(descriptor: int, how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StateError, match="can't lock the state local:state: Operation not supported"):
        lock(store)
