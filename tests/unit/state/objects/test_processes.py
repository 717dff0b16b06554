"""Several processes on one bucket; and one that is stopped, broken, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scaffold import recorded as r
from tests.scaffold.bucket_worlds import KEY, LINEAGE, Clock, engine_on, locked
from tests.scaffold.s3_server import FakeS3
from tests.scaffold.stories import NIGHTLY

PROCESSES, ROUNDS = (32, 100) if NIGHTLY else (4, 5)


def start(fake: FakeS3, rounds: int, number: int, sign: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.scaffold.bucket_process", fake.endpoint, str(rounds), str(number), str(sign)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[4],
    )


def test_processes_take_turns_and_lose_nothing(fake: FakeS3, tmp_path: Path) -> None:
    processes = [start(fake, ROUNDS, number, tmp_path / "sign") for number in range(PROCESSES)]
    ended = []
    for process in processes:
        with process:
            ended.append((process.communicate(), process.returncode))
    assert [(code, errors) for (_, errors), code in ended] == [(0, "")] * PROCESSES
    serials = sorted(int(serial) for (shown, _), _ in ended for serial in shown.split())
    assert serials == list(range(1, PROCESSES * ROUNDS + 1))
    found = engine_on(fake).read().state
    assert found is not None
    assert (found.serial, len(found.resources)) == (PROCESSES * ROUNDS, PROCESSES * ROUNDS)


@pytest.mark.parametrize(
    ("method", "part"),
    [("PUT", ".journal/"), ("GET", ".journal/"), ("PUT", KEY)],
    ids=["while-it-appends", "while-it-reads", "while-it-folds"],
)
def test_stopped_process_writes_nothing_after_its_lock_was_broken(
    fake: FakeS3, tmp_path: Path, method: str, part: str
) -> None:
    stopped: list[dict[str, object]] = []
    process = start(fake, 10_000, 1, tmp_path / "sign")

    def stop(asked: str, key: str) -> None:
        held = fake.objects.get(f"{KEY}.lock")
        is_it = part in key and (part != KEY or key == KEY)
        if (
            stopped
            or not (asked == method and is_it)
            or fake.count < 150
            or held is None
            or b'"held":true' not in held.data
        ):
            return
        stopped.append({})
        os.kill(process.pid, signal.SIGSTOP)
        clock = Clock()
        engine_on(fake, clock).break_lock("lock-1", force=False, sleep=clock.sleep)
        with locked(engine_on(fake)) as other:
            before = other.read().state
            assert before is not None
            other.append([r.put(1)], lineage=LINEAGE, after=before.serial)
            other.append([r.put(2)], lineage=LINEAGE, after=before.serial + 1)
        stopped[0].update(fake.objects)
        os.kill(process.pid, signal.SIGCONT)

    fake.before = stop
    with process:
        try:
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert stopped
    assert process.returncode == 1
    assert "was taken away from this run" in errors
    assert fake.objects == stopped[0]
