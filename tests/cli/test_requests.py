"""What is told of the requests to the cloud, and that no secret is told anywhere, whatever the cloud repeats."""

import json
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from declarative.simulator import Origin, World
from declarative.simulator.protocol.wire import Request

PROJECT = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
TOKEN = "MIIFcanary-token+/0123456789=="
SECRETS = {
    "OS_AUTH_TOKEN": TOKEN,
    "OS_PASSWORD": "canary-password",
    "OS_ACCESS_KEY": "AKCANARYAKCANARYAKCA",
    "OS_SECRET_KEY": "canary-secret-key",
    "OS_SECURITY_TOKEN": "canary-security-token",
    "OS_PASSCODE": "918273",
    "OS_APPLICATION_CREDENTIAL_SECRET": "canary-credential",
    "HW_SECRET_KEY": "canary-hw-key",
    "HW_SECURITY_TOKEN": "canary-hw-token",
}
STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {{name: shop}}\nspec: {{provider: {provider}}}\n"
GROUP = """\
apiVersion: sdrs/v1
kind: ProtectionGroup
metadata: {name: shop}
spec:
  name: shop
  source_availability_zone: eu-de-01
  target_availability_zone: eu-de-02
  domain: ActiveactiveDomain
  source_vpc_id: 046852ef-c49d-409b-8389-546aaaa5701f
  dr_type: migration
"""


@pytest.fixture
def stack(folder):
    def write(provider):
        (folder / "stack.yaml").write_text(STACK.format(provider=provider))
        (folder / "groups.yaml").write_text(GROUP)

    return write


def logged(folder, name="requests.log"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


# ---------------------------------------------------------------- what is told


def test_log_has_each_request_with_the_step_it_was_sent_for(cli, folder, stack):
    stack("{simulator: true}")
    assert cli("--log-file", "requests.log", "apply", "--auto-approve").code == 0
    lines = logged(folder)
    steps = {(line["method"], line["path"].rpartition("/v1/")[2].split("/")[1], line["step"]) for line in lines}
    assert ("GET", "server-groups", None) in steps
    assert ("POST", "server-groups", "ProtectionGroup/shop") in steps
    assert ("GET", "jobs", "ProtectionGroup/shop") in steps
    assert all(line["status"] == 200 and line["request_id"] and line["try"] == 1 for line in lines)


def test_commands_add_to_one_log(cli, folder, stack):
    stack("{simulator: true}")
    cli("--log-file", "requests.log", "plan")
    first = logged(folder)
    cli("--log-file", "requests.log", "plan")
    assert logged(folder)[: len(first)] == first
    assert len(logged(folder)) == 2 * len(first)


def test_vv_tells_each_request_on_standard_error(cli, stack):
    stack("{simulator: true}")
    quiet = cli("-v", "plan")
    told = cli("-vv", "plan")
    assert told.out == quiet.out
    assert re.search(
        r"^GET 127\.0\.0\.1/v1/[0-9a-f]{32}/server-groups: 200 in \d+ ms, request [0-9a-f]{32}$",
        told.err,
        re.MULTILINE,
    )
    assert "/server-groups" not in quiet.err


def test_vv_and_the_log_tell_the_same_requests(cli, folder, stack):
    stack("{simulator: true}")
    told = cli("-vv", "--log-file", "requests.log", "plan").err
    assert [line["request_id"] for line in logged(folder)] == re.findall(r"request ([0-9a-f]{32})", told)


def test_log_that_cannot_be_continued_changes_no_result(cli, folder, stack, monkeypatch):
    def full(descriptor, data):
        raise OSError(28, "No space left on device")

    stack("{simulator: true}")
    monkeypatch.setattr("declarative.cli.log_file._write", full)
    ran = cli("--log-file", "requests.log", "apply", "--auto-approve")
    assert ran.code == 0
    assert ran.err.count("requests.log can't be written, and is not continued: No space left on device.") == 1


# ---------------------------------------------------------------- secrets


class Echo(BaseHTTPRequestHandler):
    """The simulator, which puts the head of each request into every text of its answer."""

    protocol_version = "HTTP/1.1"
    server: "Hostile"

    def answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, path, query, headers, raw, "http://127.0.0.1")
        found = self.server.world.handle(request)
        said = json.dumps(f"you sent {self.requestline} {self.headers}")[1:-1]
        if self.server.is_escaping:
            said = said.replace("/", "\\/").replace("=", "\\u003d").replace("+", "\\u002b")
        body = re.sub(
            r'"(message|error_msg|fail_reason|description)": ?"[^"]*"',
            lambda match: f'"{match[1]}":"{said}"',
            found.body.decode(),
        ).encode()
        self.server.echoes += b"canary" in body
        self.send_response(found.status)
        for name, value in found.headers:
            self.send_header(name, f"{value} {TOKEN}" if name == "X-Request-Id" else value)
        if found.status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def do_DELETE(self) -> None:
        self.answer()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class Hostile(ThreadingHTTPServer):
    def __init__(self, world: World, *, is_escaping: bool) -> None:
        self.world = world
        self.is_escaping = is_escaping
        self.echoes = 0
        super().__init__(("127.0.0.1", 0), Echo)


@contextmanager
def serving(world: World, *, is_escaping: bool) -> Iterator[Hostile]:
    with Hostile(world, is_escaping=is_escaping) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


COMMANDS = [
    ("plan", "-o", "plan.json"),
    ("apply", "plan.json", "--auto-approve"),
    ("apply", "--auto-approve"),
    ("apply", "--auto-approve", "--format", "json"),
    ("plan", "--format", "json"),
    ("status",),
    ("status", "--format", "json"),
    ("drift",),
    ("export", "out"),
    ("show", "--format", "json"),
    ("destroy", "--auto-approve"),
]


@pytest.fixture
def secrets(monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SDRS_PROJECT_ID", PROJECT)


def assert_no_secret(text, where):
    found = [name for name, value in SECRETS.items() if value in text or json.dumps(value)[1:-1] in text]
    assert (where, found) == (where, [])


@pytest.mark.parametrize("is_escaping", [False, True], ids=["plain", "escaped"])
@pytest.mark.parametrize(
    ("quota", "faults"),
    [
        pytest.param(5, (), id="all-goes-well"),
        pytest.param(0, (), id="creates-are-refused"),
        pytest.param(5, ("POST server-groups:fail-job=SDRS.1014",), id="jobs-fail"),
        pytest.param(5, ("GET server-groups*:status=403:code=SDRS.0004",), id="reads-are-refused"),
        pytest.param(5, (f"* *:status=401:code={TOKEN.replace('=', '')}:envelope=E4",), id="nobody-is-known"),
    ],
)
def test_no_secret_is_told_or_kept(cli, folder, tmp_path, stack, secrets, monkeypatch, quota, faults, is_escaping):
    stack("{region: eu-de}")
    origin = Origin(project_id=PROJECT, group_quota=quota)
    with (
        World.open(speed=float("inf"), origin=origin, faults=faults, seed=1) as world,
        serving(world, is_escaping=is_escaping) as server,
    ):
        world.accept_token(TOKEN)
        monkeypatch.setenv("SDRS_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        for words in COMMANDS:
            ran = cli("-vv", "--log-file", "requests.log", *words)
            assert_no_secret(ran.out + ran.err, words)
        assert server.echoes
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert folder / "requests.log" in kept
    assert "***" in (folder / "requests.log").read_text()
    for path in kept:
        assert_no_secret(path.read_bytes().decode("latin-1"), path)


def test_details_of_a_defect_hold_no_secret(cli, stack, secrets, monkeypatch, tmp_path):
    def broken(*_, **__):
        raise RuntimeError(" ".join(SECRETS.values()))

    stack("{simulator: true}")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("declarative.workflow.plans.make_plan", broken)
    monkeypatch.delenv("SDRS_PROJECT_ID")
    ran = cli("-vv", "--log-file", "requests.log", "plan")
    assert ran.code == 1
    [details] = tmp_path.glob("declarative-*.txt")
    assert "Traceback" in details.read_text()
    assert_no_secret(ran.err + details.read_text(), "details")
