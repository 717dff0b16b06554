"""`status --wait` and `--watch` at the command line, on the embedded simulator."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scaffold.small_stacks import PROTECTED

ROOT = Path(__file__).parents[2]
CODE = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"
STACK = f"""\
apiVersion: sdrs/v1
kind: Stack
metadata: {{name: shop}}
spec: {{provider: {{simulator: true}}}}
---
{PROTECTED}---
apiVersion: sdrs/v1
kind: ProtectedInstance
metadata: {{name: web}}
spec: {{protection_group: shop, name: web-1, server_id: f8b3cb98-30b5-4965-98ee-d4e24b98109a}}
---
apiVersion: sdrs/v1
kind: DRDrill
metadata: {{name: q1}}
spec: {{protection_group: shop, name: q1}}
"""


@pytest.fixture
def shop(cli, folder):
    """The stack, applied."""
    (folder / "stack.yaml").write_text(STACK)
    assert cli("apply", "--auto-approve").code == 0


@pytest.mark.parametrize("until", ["protected", "copied"])
@pytest.mark.parametrize("address", [None, "ProtectionGroup/shop", "ProtectedInstance/web"])
def test_what_is_reached_already_ends_the_wait_at_once(cli, shop, until, address):
    ran = cli("status", *([address] if address else []), "--wait", until)
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "Healthy: 1 group.")
    assert 'ProtectionGroup/shop "shop-prod": protected, 100 %' in ran.err


def test_something_wrong_ends_the_wait(cli, shop):
    cli("simulator", "break", "ProtectedInstance/web")
    ran = cli("status", "--wait", "copied")
    assert ran.code == 1
    assert "error: unhealthy while waiting until all is copied: " in ran.err
    assert ran.out.splitlines()[-1].startswith("Not healthy: ")


def test_a_wait_in_vain_ends_with_its_time(cli, shop):
    cli("simulator", "change", "ProtectionGroup/shop", "status=starting")
    ran = cli("status", "--wait", "protected", "--timeout", "0.5", "--format", "json")
    assert (ran.code, json.loads(ran.out)["groups"][0]["status"]) == (3, "starting")
    assert "error: not protected in time: ProtectionGroup/shop is starting" in ran.err


def test_there_has_to_be_something_to_wait_for(cli, folder, shop):
    ran = cli("status", "DRDrill/q1", "--wait", "copied")
    assert (ran.code, "nothing is recorded that can be copied" in ran.err) == (1, True)
    assert cli("status", "DRDrill/q2", "--wait", "copied").code == 64
    assert cli("status", "nonsense", "--wait", "copied").code == 64


def test_nothing_recorded_is_not_protected(cli, folder):
    (folder / "stack.yaml").write_text(STACK)
    assert cli("status", "--wait", "protected").code == 1


def test_a_wait_goes_to_a_render_too(cli, folder, shop):
    assert cli("status", "--wait", "copied", "--render", "junit=status.xml").code == 0
    assert 'failures="0"' in (folder / "status.xml").read_text()


@pytest.mark.parametrize("options", [("--format", "markdown"), ("--render", "json=x.json")])
def test_a_watch_has_no_result_to_render(cli, shop, options):
    ran = cli("status", "--watch", *options)
    assert (ran.code, "--watch goes with" in ran.err) == (64, True)


def test_a_watch_ends_with_its_time_or_its_goal(cli, shop):
    ran = cli("status", "--watch", "--timeout", "0.3")
    assert (ran.code, ran.err, ran.out.splitlines()[-1]) == (0, "", "Healthy: 1 group.")
    ran = cli("status", "--watch", "--wait", "copied", "--format", "json")
    assert (ran.code, [json.loads(line)["healthy"] for line in ran.out.splitlines()]) == (0, [True])


@contextlib.contextmanager
def running(*arguments, stdout=subprocess.PIPE, **environ):
    command = [sys.executable, "-c", CODE, "status", *arguments]
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=stdout == subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_watch_prints_what_changes_until_it_is_interrupted(cli, shop):
    with running("--watch") as process:
        while process.stdout.readline() != "Healthy: 1 group.\n":
            pass
        cli("simulator", "change", "ProtectedInstance/web", "name=a\x1b[31mb")
        line = process.stdout.readline()
        assert re.fullmatch(r'\S+Z ProtectedInstance/web "a\\+u001b\[31mb": protected, 100 %\n', line), line
        cli("simulator", "delete", "ProtectedInstance/web")
        rest = ""
        while "ProtectedInstance/web: no longer shown" not in rest:
            rest += process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    assert "ProtectedInstance/web is recorded, and gone from the cloud" in rest
    assert "Healthy" not in rest


def test_an_interrupted_wait_is_not_a_success(cli, shop):
    cli("simulator", "change", "ProtectionGroup/shop", "status=starting")
    with running("--wait", "protected") as process:
        assert "starting" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130


def test_a_watch_is_drawn_anew_on_a_terminal(cli, shop):
    master, slave = pty.openpty()
    try:
        with running("--watch", stdout=slave, TERM="xterm", COLUMNS="60", LINES="24") as process:
            text = read_until(master, "Healthy: 1 group.")
            cli("simulator", "change", "ProtectionGroup/shop", "name=by-hand")
            text += read_until(master, "by-hand")
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
    finally:
        os.close(master)
        os.close(slave)
    assert text.count("\x1b[H\x1b[J") == 2
    assert "Ctrl-C ends this." in text
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    assert re.search(r"^Healthy: 1 group.\r?\nSeen at ", plain)
    assert max(len(line.rstrip("\r")) for line in plain.split("\n")) <= 60


def read_until(master, wanted):
    text = ""
    while wanted not in text:
        assert select.select([master], [], [], 30)[0], f"not shown: {wanted}"
        text += os.read(master, 65536).decode()
    return text


def test_a_terminal_that_is_too_low_shows_the_verdict_and_how_much_is_left_out(cli, shop):
    master, slave = pty.openpty()
    try:
        with running("--watch", stdout=slave, TERM="xterm", COLUMNS="60", LINES="6"):
            text = read_until(master, "more lines; name an ADDRESS to see less.")
    finally:
        os.close(master)
        os.close(slave)
    lines = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).splitlines()
    assert (lines[0], len(lines)) == ("Healthy: 1 group.", 5)
