"""The installed command over a real socket: against a server of few words, and against the served simulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from declarative.simulator import Origin, Rules, World
from declarative.simulator.transport.server import running

COMMAND = [sys.executable, "-c", "from declarative.cli.main import run; run()"]
PROJECT = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
SAMPLE = {
    "name": "testname",
    "description": "description",
    "source_availability_zone": "AZ01",
    "target_availability_zone": "AZ02",
    "domain_id": "fb4bb8e3-a574-4437-a156-78c916aeea4d",
    "source_vpc_id": "046852ef-c49d-409b-8389-546aaaa5701f",
    "dr_type": "migration",
    "server_type": "ECS",
}
STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {name: e2e}\nspec: {provider: {region: eu-de}}\n"


class Sdrs(ThreadingHTTPServer):
    """As little of SDRS as a create needs, written from docs/sdrs-api.md; it remembers what it was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, object, str]] = []
        self.groups: list[dict[str, object]] = []
        super().__init__(("127.0.0.1", 0), Answers)


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Sdrs

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix(f"/v1/{PROJECT}/")
        job = {"job_id": "ff80", "job_type": "createProtectionGroupNoCG", "status": "SUCCESS", "entities": None}
        answers = {
            "server-groups": {"count": len(self.server.groups), "server_groups": self.server.groups},
            "active-domains": {"domains": []},
            "sdrs/quotas": {"quotas": {"resources": []}},
            **{f"server-groups/{group['id']}": {"server_group": group} for group in self.server.groups},
            "jobs/ff80": job | {"entities": {"server_group_id": "g-1"}},
        }
        self._answer(answers[path])

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        body = json.loads(raw)
        self.server.sent.append((self.command, self.path, body, self.headers["X-Auth-Token"]))
        self.server.groups.append({"id": "g-1", "status": "available", **body["server_group"]})
        self._answer({"job_id": "ff80"})

    def _answer(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def sdrs() -> Iterator[Sdrs]:
    server = Sdrs()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def environment(folder: Path, endpoint: str, project_id: str, token: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("DECLARATIVE_", "OS_", "SDRS_"))}
    return plain | {
        "SDRS_ENDPOINT": endpoint,
        "SDRS_PROJECT_ID": project_id,
        "OS_AUTH_TOKEN": token,
        "XDG_STATE_HOME": str(folder / "xdg"),
    }


def declarative(folder: Path, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "-C", str(folder), *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
    )


def write(folder: Path, *specs: dict[str, str]) -> None:
    documents = [
        {"apiVersion": "sdrs/v1", "kind": "ProtectionGroup", "metadata": {"name": f"g{number}"}, "spec": spec}
        for number, spec in enumerate(specs)
    ]
    # JSON is YAML.
    (folder / "stack.yaml").write_text(STACK + "".join(f"---\n{json.dumps(one)}\n" for one in documents))


def test_the_reference_s_own_example_is_sent_to_the_letter(tmp_path, sdrs):
    env = environment(tmp_path, f"http://127.0.0.1:{sdrs.server_port}", PROJECT, "t0ken")
    write(tmp_path, SAMPLE)
    done = declarative(tmp_path, env, "apply", "--auto-approve")
    assert (done.returncode, sdrs.sent) == (
        0,
        [("POST", f"/v1/{PROJECT}/server-groups", {"server_group": SAMPLE}, "t0ken")],
    ), done.stderr


def test_what_the_manifest_does_not_say_is_not_sent(tmp_path, sdrs):
    env = environment(tmp_path, f"http://127.0.0.1:{sdrs.server_port}/v1/{PROJECT}/", PROJECT, "t0ken")
    spec = {name: SAMPLE[name] for name in SAMPLE if name not in ("description", "dr_type", "server_type")}
    write(tmp_path, spec)
    done = declarative(tmp_path, env, "apply", "--auto-approve")
    assert done.returncode == 0, done.stderr
    assert [body for _, _, body, _ in sdrs.sent] == [{"server_group": spec}]
    again = declarative(tmp_path, env, "apply", "--auto-approve")
    assert (again.returncode, len(sdrs.sent)) == (0, 1), again.stderr


def plain(world: World, name: str) -> dict[str, str]:
    return {
        "name": name,
        "source_availability_zone": "eu-de-01",
        "target_availability_zone": "eu-de-02",
        "domain_id": world.domain_ids[0],
        "source_vpc_id": SAMPLE["source_vpc_id"],
    }


def test_a_whole_life_over_a_socket(tmp_path):
    with World.open(origin=Origin(group_quota=-1), speed=float("inf")) as world, running(world) as endpoint:
        env = environment(tmp_path, endpoint, world.project_id, world.preset_token)
        write(tmp_path, plain(world, "web"), plain(world, "db"))
        assert declarative(tmp_path, env, "plan", "--detailed-exitcode", "-o", "plan.json").returncode == 2
        assert declarative(tmp_path, env, "apply", "plan.json", "--auto-approve").returncode == 0
        assert sorted(str(group["name"]) for group in world.groups()) == ["db", "web"]
        assert declarative(tmp_path, env, "apply", "plan.json", "--auto-approve").returncode == 1
        write(tmp_path, plain(world, "web-2"), plain(world, "db"))
        assert declarative(tmp_path, env, "apply", "--auto-approve").returncode == 0
        assert sorted(str(group["name"]) for group in world.groups()) == ["db", "web-2"]
        assert declarative(tmp_path, env, "plan", "--detailed-exitcode").returncode == 0
        assert declarative(tmp_path, env, "destroy", "--auto-approve").returncode == 0
        assert world.groups() == []


@pytest.mark.parametrize("files", [17, 18, 20, 24])
def test_a_run_that_may_open_few_files_ends_well(tmp_path, files):
    """Connections take all files there are; the state needs one at the end, to be written whole."""
    specs = [f"g{number:02}" for number in range(60)]
    with World.open(origin=Origin(group_quota=-1), speed=50.0) as world, running(world) as endpoint:
        env = environment(tmp_path, endpoint, world.project_id, world.preset_token)
        write(tmp_path, *(plain(world, name) for name in specs))
        command = ["bash", "-c", f'ulimit -n {files}; exec "$@"', "bash", *COMMAND, "-C", str(tmp_path)]
        ran = subprocess.run([*command, "apply", "--auto-approve"], env=env, capture_output=True, text=True, timeout=60)
        assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "Done: 60 created."), ran.stderr
        assert sorted(str(group["name"]) for group in world.groups()) == specs
    assert [one.name for one in (tmp_path / ".declarative" / "default").glob("journal*")] == []


def test_a_command_that_is_killed_is_gone_on_with(tmp_path):
    """SIGKILL while jobs run: the next run goes on with the same jobs, and makes nothing twice."""
    with (
        World.open(origin=Origin(group_quota=-1), speed=1.0, rules=Rules(job_seconds=3600)) as world,
        running(world) as endpoint,
    ):
        env = environment(tmp_path, endpoint, world.project_id, world.preset_token)
        write(tmp_path, plain(world, "web"), plain(world, "db"))
        with subprocess.Popen(
            [*COMMAND, "-C", str(tmp_path), "apply", "--auto-approve", "--format", "json"],
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        ) as first:
            assert first.stdout is not None
            seen = 0
            while seen < 2:
                line = first.stdout.readline()
                assert line, "the run ended by itself"
                seen += json.loads(line)["type"] == "step-accepted"
            first.send_signal(signal.SIGKILL)
        assert len(world.groups()) == 2
        world.advance()
        done = declarative(tmp_path, env, "apply", "--auto-approve")
        assert done.returncode == 0, done.stderr
        assert sorted(str(group["name"]) for group in world.groups()) == ["db", "web"]
        listed = declarative(tmp_path, env, "state", "list", "--format", "json")
        assert {one["id"] for one in json.loads(listed.stdout)} == {str(group["id"]) for group in world.groups()}


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_plan_can_be_written_to_standard_output(tmp_path: Path, form: str) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    declarative(tmp_path, env, "init", ".")
    piped = declarative(tmp_path, env, "plan", "--format", form, "-o", "/dev/stdout")
    assert json.loads(piped.stdout)["format"] == "declarative.plan/3"
    assert ("Steps:" in piped.stderr) is (form == "text")
    with (tmp_path / "kept.json").open("w") as file:
        command = [*COMMAND, "plan", "--format", form, "-o", "/dev/stdout"]
        subprocess.run(command, cwd=tmp_path, env=env, stdout=file, stderr=subprocess.DEVNULL, timeout=60, check=True)
    assert json.loads((tmp_path / "kept.json").read_text())["format"] == "declarative.plan/3"


def test_a_plan_can_be_written_to_a_file_that_is_there_and_empty(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    declarative(tmp_path, env, "init", ".")
    (tmp_path / "made.by.mktemp").touch()
    assert declarative(tmp_path, env, "plan", "-o", "made.by.mktemp").returncode == 0
    assert json.loads((tmp_path / "made.by.mktemp").read_text())["format"] == "declarative.plan/3"
