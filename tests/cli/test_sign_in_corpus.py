"""What `auth check` says when signing in fails: each case of `tests/data/sign-in` beside its message.

A case has variables (`environ`), and what the simulator does (`rules`, `faults`). UPDATE_GOLDEN=1 writes the messages,
to be read. What must never be shown has `hunter2` in it; ADDRESS and TOKEN stand for what is drawn.
"""

import os
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from declarative.cli import options
from declarative.clock import Clock
from declarative.simulator import Origin, Rules, World, load_accounts, running

ROOT = Path(__file__).parents[2]
CASES = sorted((ROOT / "tests" / "data" / "sign-in").glob("*.yaml"))
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"
PROJECT = "0605767b5780d5762fc5c0118072a564"
_MASKS = (
    (r"127\.0\.0\.1:\d{2,5}", "127.0.0.1:PORT"),
    (r"request [0-9a-f]{32}", "request ID"),
    (r"is 3\d{3} s off", "is N s off"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
)


@pytest.fixture(scope="module")
def accounts(tmp_path_factory):
    _, block = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/simulator.md").read_text(), re.MULTILINE | re.DOTALL)
    path = tmp_path_factory.mktemp("page") / "accounts.yaml"
    path.write_text(block)
    return load_accounts(path)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case_says_what_is_written_beside_it(path, cli, accounts, monkeypatch, hurried):
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    Path("words.txt").write_text("no certificate\n")  # in the folder of the test
    origin, rules = Origin(PROJECT, accounts=accounts), Rules(**case.get("rules", {}))
    with World.open(origin=origin, rules=rules, faults=case.get("faults", [])) as world, running(world) as address:
        given = {"ADDRESS": address, "TOKEN": world.preset_token}
        for name, value in case["environ"].items():
            for mark, real in given.items():
                value = value.replace(mark, real)
            monkeypatch.setenv(name, value)
        ran = cli("auth", "check")
    text = f"exit {int(ran.code)}\n--- stdout\n{ran.out}--- stderr\n{ran.err}"
    for pattern, mask in _MASKS:
        text = re.sub(pattern, mask, text)
    assert "hunter2" not in text
    golden = path.with_suffix(".txt")
    if UPDATE:
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), f"UPDATE_GOLDEN=1 writes {golden} anew"


@pytest.fixture
def hurried(monkeypatch):
    """Sleeps take no time: what is tried for a minute ends at once."""
    real, passed = Clock(), [0.0]

    async def sleep(seconds):
        passed[0] += seconds

    clock = replace(real, monotonic=lambda: real.monotonic() + passed[0], sleep=sleep, random=random.Random(1))
    make = options.make_project
    monkeypatch.setattr(options, "make_project", lambda *given, **chosen: replace(make(*given, **chosen), clock=clock))
