"""Signals at a real process: what the first one leaves behind, the next run ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from declarative.cli.main import main
from declarative.simulator import World

ROOT = Path(__file__).parents[2]
CODE = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"


@pytest.fixture
def running(folder):
    """An apply of the quickstart whose jobs would take hours, once its jobs are accepted."""
    assert main(["init"]) == 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DECLARATIVE_SIMULATOR_SPEED": "0.001"}
    with subprocess.Popen(
        [sys.executable, "-c", CODE, "-v", "apply", "--auto-approve"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            accepted = 0
            while accepted < 3:
                line = process.stderr.readline()
                assert line, "the run ended by itself"
                accepted += "accepted as job" in line
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_after_the_first_signal_the_next_run_goes_on(running, folder, number):
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 3
    assert "Interrupted: nothing new is begun" in err
    assert "Traceback" not in err
    assert out.splitlines()[-1] == "Interrupted: 3 still going on in the cloud. Run the command again to continue."
    with World.open(folder / ".declarative" / "simulator.sqlite") as world:
        world.advance()
    assert main(["apply", "--auto-approve"]) == 0
    with World.open(folder / ".declarative" / "simulator.sqlite") as world:
        made = [str(group["name"]) for group in world.groups()]
    assert sorted(made) == ["orders-demo", "reports-demo", "shop-demo"]


def test_the_second_signal_leaves_at_once(running):
    running.send_signal(signal.SIGSTOP)  # so that both are there when it looks
    running.send_signal(signal.SIGTERM)
    running.send_signal(signal.SIGINT)
    running.send_signal(signal.SIGCONT)
    running.communicate(timeout=60)
    assert running.returncode in (130, 143)
