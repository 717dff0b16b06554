"""The simulator as a process of its own."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(tmp_path, number):
    arguments = ("simulator", "serve", "--port", "0", "--project-id", "a" * 32, "--token", "secret", "--speed", "inf")
    with subprocess.Popen(
        [sys.executable, "-c", CODE, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            lines = dict(process.stdout.readline().removeprefix("export ").strip().split("=", 1) for _ in range(3))
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", lines["SDRS_ENDPOINT"])
            assert (lines["SDRS_PROJECT_ID"], lines["OS_AUTH_TOKEN"]) == ("a" * 32, "secret")
            request = urllib.request.Request(
                f"{lines['SDRS_ENDPOINT']}/v1/{'a' * 32}/active-domains", headers={"X-Auth-Token": "secret"}
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert b"ActiveactiveDomain" in answer.read()
            process.send_signal(number)
            assert process.wait(timeout=20) == 0
            assert process.stderr.read() == "The simulator has ended.\n"
        finally:
            process.kill()


def test_without_its_extra_it_says_what_to_install(tmp_path):
    hidden = "import sys; sys.modules['uvicorn'] = None; " + CODE
    done = subprocess.run(
        [sys.executable, "-c", hidden, "simulator", "serve", "--port", "0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "pip install 'declarative-sdrs[simulator]'" in done.stderr
    assert done.stdout == ""


def test_a_fault_that_can_not_be_read_is_a_wrong_call(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CODE, "simulator", "serve", "--port", "0", "--fault", "POST x:lots"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 64
    assert "POST x:lots" in done.stderr
