"""`simulator start` and `stop`, with real processes, some of which are killed."""

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from declarative.cli import background
from declarative.simulator import WorldError
from declarative.simulator.transport.ready_file import find_running, started_at

ROOT = Path(__file__).parents[2]
CODE = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"


@pytest.fixture
def ready(folder):
    """Where the simulator of the folder says that it answers; whatever runs there is killed afterwards."""
    path = background.ready_file(folder)
    yield path
    with contextlib.suppress(WorldError):
        if (found := find_running(path)) is not None:
            os.kill(found.pid, signal.SIGKILL)
            wait_for(lambda: find_running(path) is None)


def wait_for(condition):
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def exported(text):
    return dict(re.findall(r"^export (\w+)=(\S+)$", text, re.MULTILINE))


def answers(lines):
    """True when a simulator answers at once where these lines say."""
    values = exported(lines)
    request = urllib.request.Request(
        f"{values['SDRS_ENDPOINT']}/v1/{values['SDRS_PROJECT_ID']}/active-domains",
        headers={"X-Auth-Token": values["OS_AUTH_TOKEN"]},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return b"ActiveactiveDomain" in answer.read()
    except urllib.error.URLError:
        return False


def killed(ready):
    found = find_running(ready)
    os.kill(found.pid, signal.SIGKILL)
    wait_for(lambda: find_running(ready) is None)
    return found


@contextlib.contextmanager
def somebody():
    """A process that has nothing to do with all this."""
    with subprocess.Popen(["sleep", "100"]) as process:
        yield process
        assert process.poll() is None, "the wrong process was ended"
        process.kill()


def test_start_returns_once_it_answers_and_stop_ends_it(cli, ready):
    started = cli("simulator", "start", "--speed", "inf", "--project-id", "a" * 32)
    assert started.code == 0
    assert exported(started.out)["SDRS_PROJECT_ID"] == "a" * 32
    assert answers(started.out)
    pid = find_running(ready).pid
    assert f"The simulator runs (process {pid}). End it: declarative simulator stop" in started.err
    stopped = cli("simulator", "stop")
    assert (stopped.code, stopped.out) == (0, "unset SDRS_ENDPOINT SDRS_PROJECT_ID OS_AUTH_TOKEN\n")
    assert stopped.err == f"The simulator has ended (process {pid}).\n"
    assert not answers(started.out)
    assert not ready.exists()


def test_a_second_start_says_so_and_prints_the_same(cli, ready):
    first = cli("simulator", "start")
    second = cli("simulator", "start", "--speed", "3")
    assert (second.code, second.out) == (0, first.out)
    assert "A simulator runs here already" in second.err


def test_starts_at_one_time_make_one_simulator(folder, ready):
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CODE, "simulator", "start"]
    running = [subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(set(told)) == 1
    assert answers(told[0])


def test_each_folder_has_its_own(cli, folder, ready):
    (folder / "sub").mkdir()
    one, other = cli("simulator", "start"), cli("-C", "sub", "simulator", "start")
    assert "declarative -C sub simulator stop" in other.err
    assert exported(one.out)["SDRS_ENDPOINT"] != exported(other.out)["SDRS_ENDPOINT"]
    assert cli("-C", "sub", "simulator", "stop").code == 0
    assert answers(one.out)


def test_after_a_kill_start_begins_a_new_one(cli, ready):
    cli("simulator", "start")
    dead = killed(ready)
    assert ready.exists()
    started = cli("simulator", "start")
    assert (started.code, "already" in started.err) == (0, False)
    assert answers(started.out)
    assert find_running(ready).pid != dead.pid


def test_after_a_kill_stop_tidies_up(cli, ready):
    cli("simulator", "start")
    killed(ready)
    stopped = cli("simulator", "stop")
    assert (stopped.code, "has ended before" in stopped.err, stopped.out[:5]) == (0, True, "unset")
    assert not ready.exists()
    assert cli("simulator", "stop").err == "No simulator runs here: nothing to stop.\n"


def test_stop_never_ends_a_process_that_has_the_number_now(cli, ready):
    cli("simulator", "start")
    text = ready.read_text()
    dead = killed(ready)
    with somebody() as process:
        ready.write_text(text.replace(f"process {dead.pid},", f"process {process.pid},"))
        assert "has ended before" in cli("simulator", "stop").err


def test_stop_refuses_a_number_of_another_process_though_the_lock_is_held(cli, ready):
    ready.parent.mkdir()
    with somebody() as process, ready.open("w") as file:
        file.write(f"# simulator of declarative, process {process.pid}, started 1\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        assert started_at(process.pid) != "1"
        stopped = cli("simulator", "stop")
        assert (stopped.code, "is not the simulator that runs here" in stopped.err) == (1, True)
        assert ready.exists()


def test_one_that_does_not_end_is_killed(cli, ready, monkeypatch):
    monkeypatch.setattr(background, "_END", 0.2)
    started = cli("simulator", "start")
    pid = find_running(ready).pid
    os.kill(pid, signal.SIGSTOP)
    assert cli("simulator", "stop").err == f"The simulator has ended (process {pid}).\n"
    assert not answers(started.out)
    assert not ready.exists()


def test_a_simulator_that_can_not_start_says_why(cli, ready):
    wrong = cli("simulator", "start", "--fault", "nonsense")
    assert (wrong.code, wrong.out, "The fault 'nonsense' can't be read" in wrong.err) == (64, "", True)
    running = cli("simulator", "start")
    port = exported(running.out)["SDRS_ENDPOINT"].rpartition(":")[2]
    cli("simulator", "stop")
    command = [sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as other:
        try:
            wait_for(lambda: listens(port))
            taken = cli("simulator", "start", "--port", port)
        finally:
            other.kill()
    assert (taken.code, taken.out, f"port {port}" in taken.err) == (1, "", True)
    assert not ready.exists()


def listens(port):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
    except OSError:
        return False
    return True


def test_a_file_of_another_sort_is_left_alone(cli, ready):
    ready.parent.mkdir()
    ready.write_text("export MINE=1\n")
    for verb in ("start", "stop"):
        ran = cli("simulator", verb)
        assert (ran.code, ran.out, "is not a ready file" in ran.err) == (1, "", True)
    assert ready.read_text() == "export MINE=1\n"


@pytest.fixture
def serve(folder, ready):
    """Start `simulator serve` in the foreground of another process."""
    with contextlib.ExitStack() as kept:

        def begin(*arguments):
            process = subprocess.Popen(
                [sys.executable, "-c", CODE, "simulator", "serve", "--port", "0", *arguments],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            kept.enter_context(process)
            kept.callback(process.kill)
            return process

        yield begin


def test_a_ready_file_appears_as_a_whole_once_the_simulator_answers(serve, folder):
    process = serve("--ready-file", "cloud.env")
    path = folder / "cloud.env"
    wait_for(path.exists)
    text = path.read_text()
    assert answers(text)
    assert text.endswith(process.stdout.readline() + process.stdout.readline() + process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert not path.exists()


def test_a_ready_file_of_one_that_was_killed_is_replaced(serve, folder):
    path = folder / "cloud.env"
    first = serve("--ready-file", "cloud.env")
    wait_for(path.exists)
    second = serve("--ready-file", "cloud.env")
    assert (second.wait(timeout=30), "already runs" in second.stderr.read()) == (1, True)
    first.kill()
    first.wait()
    serve("--ready-file", "cloud.env")
    wait_for(lambda: find_running(path) is not None)
    assert answers(path.read_text())
