"""Several processes at one state, on every store: one writes at a time, nothing is lost, no zombie's write lands."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from declarative.errors import LockHeld
from declarative.simulator import World, running
from tests.scaffold.shared_places import EVERY, SHARED
from tests.scaffold.small_stacks import stack_of
from tests.scaffold.store_worker import COUNTER, lock, put
from tests.scaffold.stories import NIGHTLY

ROOT = Path(__file__).parents[2]
RUN = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"
WORKERS, ROUNDS = (32, 100) if NIGHTLY else (4, 5)
APPENDS = 7 if NIGHTLY else 100  # in a round; behind HTTP each of them carries the whole state: there it is 1
SAME_MOMENTS = 100 if NIGHTLY else 2
TOKEN = "a-token"  # of the simulator
STACK = stack_of("abc", provider="region: eu-de")


@pytest.fixture(params=EVERY)
def place(request, tmp_path):
    with request.param(tmp_path, request) as made:
        yield made


@pytest.fixture
def shared(request, tmp_path):
    with request.param(tmp_path, request) as made:
        yield made


def worker(place, machine, name, rounds, appends=1):
    words = [place.address, str(machine), name, str(rounds), str(appends)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.scaffold.store_worker", *words],
        cwd=ROOT,
        env={**os.environ, **place.environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def ready(place, machine):
    """A process that holds the lock and has written once."""
    process = worker(place, machine, "zombie", 0)
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def names(store):
    return {address.name for address in store.read().resources}


def test_there_is_one_holder_at_a_time_and_no_increment_is_lost(place, tmp_path):
    appends = 1 if place.address.startswith("http") else APPENDS
    processes = [worker(place, tmp_path, f"w{number}", ROUNDS, appends) for number in range(WORKERS)]
    try:
        for process in processes:
            process.communicate(timeout=3600 if NIGHTLY else 300)
            assert process.returncode == 0
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    state = place.open(tmp_path / "fresh").read()
    assert state.serial == state.resources[COUNTER].inputs["count"] == WORKERS * ROUNDS * appends


@pytest.mark.parametrize("shared", SHARED, indirect=True)
def test_a_zombie_writes_nothing_after_its_lock_was_broken(shared, tmp_path):
    (tmp_path / "one").mkdir()
    with ready(shared, tmp_path / "one") as process:
        process.send_signal(signal.SIGSTOP)
        store = shared.open(tmp_path / "two")
        held = store.lock_seen().holder
        store.break_lock(held.id, force=True, sleep=shared.sleep)
        lock(store, "me")
        serial = store.append([put("mine")], after=store.read().serial)
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate("go on\n", timeout=60)
        assert said.startswith("StateConflict")
        assert store.append([put("mine-too")], after=serial) == serial + 1
        store.unlock()
        assert names(store) == {"zombie-first", "mine", "mine-too"}


def test_the_lock_of_a_killed_process_is_free_or_can_be_broken(place, tmp_path):
    (tmp_path / "one").mkdir()
    with ready(place, tmp_path / "one") as process:
        process.kill()
        process.wait()
        store = place.open(tmp_path / "two")
        if not place.lets_go:
            with pytest.raises(LockHeld):
                lock_at_once(store)
            store.break_lock(store.lock_seen().holder.id, force=True, sleep=place.sleep)
        lock(store, "me")
        store.append([put("mine")], after=store.read().serial)
        store.unlock()
        assert names(store) == {"zombie-first", "mine"}


def lock_at_once(store):
    from declarative.state import Holder

    store.lock(Holder("me", "me", "here", 1, "apply", "now"), timeout=0.0, sleep=time.sleep)


# ---------------------------------------------------------------- pipelines


class Pipeline:
    """Jobs, each on a machine of its own: a fresh folder and a fresh home."""

    def __init__(self, place, folder, cloud):
        self.place = place
        self.folder = folder
        self.cloud = cloud
        self.jobs = 0

    def start(self, *words, files=()):
        self.jobs += 1
        machine = self.folder / f"job-{self.jobs}"
        stack = machine / "shop"
        stack.mkdir(parents=True)
        (stack / "stack.yaml").write_text(STACK)
        for file in files:
            shutil.copy(file, stack)
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, *words],
            cwd=stack,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "HOME": str(machine),
                "DECLARATIVE_STATE": self.place.address,
                **self.cloud,
                **self.place.environ,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return process, stack

    def run(self, *words, files=()):
        process, stack = self.start(*words, files=files)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err, stack


@pytest.fixture
def cloud():
    with World.open(speed=float("inf"), seed=1) as world:
        world.accept_token(TOKEN)
        with running(world) as address:
            yield world, {"SDRS_ENDPOINT": address, "SDRS_PROJECT_ID": world.project_id, "OS_AUTH_TOKEN": TOKEN}


@pytest.mark.parametrize("shared", SHARED, indirect=True)
def test_a_plan_of_one_job_is_applied_by_another_on_a_fresh_machine_once(shared, tmp_path, cloud):
    world, environ = cloud
    pipeline = Pipeline(shared, tmp_path, environ)
    code, _, err, stack = pipeline.run("plan", "-o", "plan.json", "--detailed-exitcode")
    assert code == 2, err
    plan = stack / "plan.json"
    code, out, err, _ = pipeline.run("apply", "plan.json", "--auto-approve", files=[plan])
    assert (code, "Done: 3 created." in out + err) == (0, True), err
    code, _, err, _ = pipeline.run("apply", "plan.json", "--auto-approve", files=[plan])
    assert (code, "applied already" in err) == (1, True)
    code, _, err, _ = pipeline.run("plan", "--detailed-exitcode")
    assert code == 0, err
    assert len(world.groups()) == 3
    code, out, _, _ = pipeline.run("state", "history", "--format", "json")
    assert [run["command"] for run in json.loads(out)] == ["apply"]


@pytest.mark.timeout(3600 if NIGHTLY else 300)
@pytest.mark.parametrize("shared", SHARED, indirect=True)
def test_of_two_applies_of_one_plan_at_one_moment_one_wins(shared, tmp_path, cloud):
    world, environ = cloud
    pipeline = Pipeline(shared, tmp_path, environ)
    for _ in range(SAME_MOMENTS):
        code, _, err, stack = pipeline.run("plan", "-o", "plan.json")
        assert code == 0, err
        before = len(world.history())
        both = [pipeline.start("apply", "plan.json", "--auto-approve", files=[stack / "plan.json"])[0] for _ in "12"]
        ended = [(process.communicate(timeout=120), process.returncode) for process in both]
        codes = sorted(code for _, code in ended)
        assert codes in ([0, 1], [0, 4]), ended
        assert len(world.groups()) == 3
        made = [
            event for event in world.history()[before:] if event.method == "POST" and "created" in str(event.effect)
        ]
        assert len(made) == 3
        code, _, err, _ = pipeline.run("destroy", "--auto-approve")
        assert code == 0, err


@pytest.mark.parametrize("is_there", [False, True], ids=["never-been", "applied"])
@pytest.mark.parametrize("shared", SHARED, indirect=True)
def test_reading_needs_no_right_but_to_read(shared, tmp_path, cloud, is_there):
    _, environ = cloud
    pipeline = Pipeline(shared, tmp_path, environ)
    if is_there:
        code, _, err, _ = pipeline.run("apply", "--auto-approve")
        assert code == 0, err
    pipeline.place = replace(shared, address=shared.reader())
    before = shared.writes()
    expected = {"plan": 0 if is_there else 2}
    for words in (("plan", "--detailed-exitcode"), ("status",), ("drift",), ("state", "list"), ("env", "list")):
        code, _, err, _ = pipeline.run(*words)
        assert code == expected.get(words[0], 0), (words, err)
    assert shared.writes() == before
    code, _, err, _ = pipeline.run("state", "pull")
    assert (code, err) == (0, "") if is_there else code == 1
