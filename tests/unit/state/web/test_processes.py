"""Several processes at one state: none loses what another has written, and one that was stopped writes nothing more."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from declarative.errors import LockHeld
from tests.scaffold.state_servers import gitlab_server, terraform_server
from tests.scaffold.web_engine import engine, holder, names, put

ROOT = Path(__file__).parents[4]
WORKERS, ROUNDS = (32, 100) if os.environ.get("PROOFS") == "nightly" else (4, 5)


@pytest.fixture(params=[terraform_server, gitlab_server], ids=["terraform", "gitlab"])
def server(request):
    with request.param() as one:
        one.limit = 2**30
        yield one


def worker(server, name, rounds):
    command = [sys.executable, "-m", "tests.scaffold.web_worker", server.address, name, str(rounds)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@contextmanager
def ready(server):
    """A process that holds the lock and has written once."""
    process = worker(server, "zombie", 0)
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_no_write_of_any_process_is_lost(server):
    processes = [worker(server, f"w{number}", ROUNDS) for number in range(WORKERS)]
    try:
        for process in processes:
            process.communicate(timeout=3600 if ROUNDS > 5 else 100)
            assert process.returncode == 0
    finally:
        for process in processes:
            process.kill()
    assert [json.loads(text)["serial"] for text in server.texts] == list(range(1, WORKERS * ROUNDS + 1))
    with_all = {f"w{number}-{one}" for number in range(WORKERS) for one in range(ROUNDS)}
    one = engine(server)
    assert names(one) == with_all
    one.close()
    assert not server.lock_id


def test_stopped_process_writes_nothing_after_its_lock_was_broken(server):
    with ready(server) as process:
        process.send_signal(signal.SIGSTOP)
        other = engine(server)
        other.break_lock(server.lock_id, force=True, sleep=lambda seconds: None)
        assert other.try_lock(holder()) is None
        other.append([put("b")], lineage="a-lineage", after=1)
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate("go on\n", timeout=60)
        assert said.startswith("StateConflict")
        found, held = names(other), server.lock_id
        other.close()
        assert (found, held != "") == ({"zombie-first", "b"}, True)


def test_lock_of_a_killed_process_stays_until_it_is_broken(server):
    with ready(server) as process:
        process.kill()
        process.wait()
        one = engine(server)
        left = one.try_lock(holder())
        assert left is not None
        with pytest.raises(LockHeld):
            one.break_lock(left.holder.id, force=False, sleep=lambda seconds: None)
        one.break_lock(left.holder.id, force=True, sleep=lambda seconds: None)
        assert one.try_lock(holder()) is None
        assert names(one) == {"zombie-first"}
        one.close()
