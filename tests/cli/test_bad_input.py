"""Each row of the matrix of bad input has its cases, and each case of a command its message beside it.

A case has arguments, and what the command meets: files, links, variables of the environment, a state, a plan, and the
answers of a cloud. The cloud refuses to be asked by a case that names no answers: what is known offline costs no call.
UPDATE_GOLDEN=1 writes the messages, to be read.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
from pathlib import Path

import httpx
import pytest
import yaml

from declarative import __version__
from declarative.clock import Clock
from declarative.workflow import project as projects
from tests.scaffold.bad_input import ELSEWHERE, MATRIX
from tests.scaffold.corpus import DATA

BAD = DATA / "bad"
CASES = sorted(BAD.glob("*.command.yaml"))
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"
ROOT = Path(__file__).parents[2]
STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {name: shop}\n"
GROUP = """apiVersion: sdrs/v1
kind: ProtectionGroup
metadata: {name: shop}
spec:
  name: shop
  source_availability_zone: eu-de-01
  target_availability_zone: eu-de-02
  domain_id: d-1
  source_vpc_id: v-1
"""
CLOUD = {
    "SDRS_ENDPOINT": "https://sdrs.example.com",
    "SDRS_PROJECT_ID": "project",
    "OS_AUTH_TOKEN": "t0ken",
    "OS_REGION_NAME": "eu-de",
}
MOST_CALLS = 100
ROWS = {
    *("manifest bytes", "YAML syntax", "YAML keys", "YAML 1.1 traps", "aliases", "documents", "values", "names", "ids"),
    *(
        "semantics",
        "schema file",
        "includes",
        "variables",
        "state",
        "plan",
        "CLI",
        "env",
        "server",
        "backend",
        "stores",
    ),
}


class Cloud(httpx.AsyncBaseTransport):
    """Gives the same answer to every call; without one it keeps the call, which should not have been."""

    def __init__(self, answer):
        self.answer = answer
        self.calls = []

    async def handle_async_request(self, request):
        self.calls.append(f"{request.method} {request.url}")
        if self.answer is None or len(self.calls) > MOST_CALLS:
            raise httpx.ConnectError("no call is expected")
        body = self.answer.get("body", "")
        content = body if isinstance(body, str) else json.dumps(body)
        return httpx.Response(self.answer["status"], headers=self.answer.get("headers"), content=content.encode())


def in_no_time():
    """A clock whose pauses take no time, and pass it all the same."""
    passed = [0.0]

    async def sleep(seconds):
        passed[0] += seconds
        await asyncio.sleep(0)

    return Clock(monotonic=lambda: asyncio.get_running_loop().time() + passed[0], sleep=sleep, pause=lambda _: None)


def spoilt(text, edit):
    """A text of ours after an edit; `sealed`: with the checksum that fits, as a forger would do it."""
    if "text" in edit:
        return edit["text"]
    for old, new in edit.get("replace", ()):
        assert old in text
        text = text.replace(old, new, 1)
    if edit.get("sealed"):
        body = text.rpartition(',\n"checksum"')[0]
        text = f'{body},\n"checksum":"sha256:{hashlib.sha256(body.encode()).hexdigest()}"\n}}\n'
    return text[: edit.get("cut", len(text))]


def resealed(text):
    """A plan as if this version had made it."""

    def canonical():
        return json.dumps(document, sort_keys=True, separators=(",", ":"))

    document = {**json.loads(text), "tool": __version__}
    del document["digest"]
    document["digest"] = hashlib.sha256(canonical().encode()).hexdigest()
    return canonical()


def lay_out(case, folder):
    """Write what the command meets."""
    for name, text in {"stack.yaml": STACK, "group.yaml": GROUP, **case.get("files", {})}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, dict):
            text = text["line"] * text["times"]
        if text is not None:
            (folder / name).write_text(text)
    for name, target in case.get("links", {}).items():
        (folder / name).symlink_to(target)
    for name in case.get("pipes", ()):
        os.mkfifo(folder / name)
    if "state" in case:
        state = folder / ".declarative" / "default"
        state.mkdir(parents=True)
        text = (DATA / "formats" / "state.json").read_text(encoding="utf-8")
        (state / "state.json").write_text(spoilt(text, case["state"]), encoding="utf-8")
    if "lock" in case:
        lock = folder / ".declarative" / "default" / "state.json.lock"
        lock.parent.mkdir(parents=True)
        lock.write_text(case["lock"])
    if "plan" in case:
        text = resealed((DATA / "formats" / "plan.json").read_text(encoding="utf-8"))
        (folder / "plan.json").write_text(spoilt(text, case["plan"]), encoding="utf-8")


@contextlib.contextmanager
def held(folder):
    """Hold the lock of the state, as another process would."""
    with (folder / ".declarative" / "default" / "state.json.lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name.removesuffix(".command.yaml"))
def test_bad_input_of_a_command_is_refused_with_a_remedy(path, cli, folder, monkeypatch):
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    lay_out(case, folder)
    for name, value in {**CLOUD, **case.get("environ", {})}.items():
        monkeypatch.setenv(name, "x" * value if isinstance(value, int) else value)
    cloud = Cloud(case.get("answer"))
    made = projects.Project
    monkeypatch.setattr(projects, "Project", lambda **given: made(**given, transport=cloud, clock=in_no_time()))
    with held(folder) if "lock" in case else contextlib.nullcontext():
        ran = cli(*case["args"])
    assert ran.code in ([case["code"]] if "code" in case else [1, 4, 64])
    assert "Traceback" not in ran.err
    assert case.get("answer") or cloud.calls == []
    assert len(cloud.calls) <= MOST_CALLS
    assert all(line.isprintable() for line in f"{ran.out}{ran.err}".splitlines())
    golden = path.with_suffix(".txt")
    told = ran.masked(folder)
    if UPDATE:
        golden.write_text(told, encoding="utf-8")
    assert told == golden.read_text(encoding="utf-8"), f"UPDATE_GOLDEN=1 writes {golden} anew"


def test_every_row_of_the_matrix_has_cases_with_messages():
    assert {*MATRIX, *ELSEWHERE} == ROWS
    missing = [case for cases in MATRIX.values() for case in cases if not (BAD / f"{case}.txt").exists()]
    assert missing == []
    assert all(MATRIX.values())


def test_every_case_of_a_command_is_in_the_matrix():
    known = {case for cases in MATRIX.values() for case in cases}
    assert [path.name for path in CASES if path.name.removesuffix(".yaml") not in known] == []


def test_rows_that_are_shown_elsewhere_are_shown_there():
    assert all((ROOT / place).exists() for places in ELSEWHERE.values() for place in places.split(", "))
