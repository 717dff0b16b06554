"""The served world: real sockets, real accidents."""

import contextlib
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http.client import IncompleteRead, RemoteDisconnected

import pytest

from declarative.simulator import WorldError, running, serve


@pytest.fixture
def served(cloud):
    """Send one request over a socket; gives status and body."""
    with running(cloud.world) as address:

        def ask(method, path, body=None, *, whole=False):
            request = urllib.request.Request(
                address + (path if whole else f"/v1/{cloud.world.project_id}/{path}"),
                method=method,
                data=None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode(),
                headers={"X-Auth-Token": cloud.world.preset_token, "Content-Type": "application/json"},
            )
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    return answer.status, answer.read()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read()

        ask.address = address
        yield ask


def test_a_group_is_created_over_a_socket(cloud, served):
    status, body = served("POST", "server-groups", {"server_group": cloud.fields()})
    assert (status, list(json.loads(body))) == (200, ["job_id"])
    status, body = served("GET", "server-groups?name=PG&limit=1")
    assert (status, json.loads(body)["count"]) == (200, 1)
    assert served("GET", "server-groups/a%2Fb")[0] == 400
    assert served("DELETE", "task-center/failure-jobs/batch") == (204, b"")


def test_addresses_in_answers_are_those_of_the_client(served):
    _, body = served("GET", "/v1", whole=True)
    assert json.loads(body)["version"]["links"][0]["href"] == f"{served.address}/v1"


@pytest.mark.parametrize(("fault", "groups"), [("refused", 0), ("lost-before", 0), ("lost-after", 1)])
def test_a_lost_answer_ends_the_connection(cloud, served, fault, groups):
    cloud.world.faults.add([f"POST *:{fault}:first=1"])
    with pytest.raises((RemoteDisconnected, ConnectionResetError)):
        served("POST", "server-groups", {"server_group": cloud.fields()})
    assert len(cloud.world.groups()) == groups
    assert served("GET", "active-domains")[0] == 200


def test_a_cut_body_promises_more_than_comes(cloud, served):
    cloud.world.faults.add(["GET active-domains:cut"])
    with pytest.raises(IncompleteRead) as caught:
        served("GET", "active-domains")
    assert caught.value.partial
    assert caught.value.expected


def test_a_dripping_body_is_whole(cloud, served):
    cloud.world.faults.add(["GET active-domains:drip=0.01"])
    assert json.loads(served("GET", "active-domains")[1])["domains"]


def test_bad_bodies_come_with_a_good_status(cloud, served):
    cloud.world.faults.add(["GET active-domains:html", "GET sdrs/quotas:empty"])
    assert served("GET", "active-domains")[1].startswith(b"<html>")
    assert served("GET", "sdrs/quotas") == (200, b"")


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [("empty=404", 404, b""), ("html=404", 404, b"<html>"), ("json=404", 404, b"{"), ("status=405", 405, b"{")],
)
def test_evidence_is_refused_over_a_socket(cloud, served, fault, status, body):
    cloud.world.faults.add([f"GET active-domains:{fault}"])
    answered, content = served("GET", "active-domains")
    assert (answered, content.startswith(body)) == (status, True)


def test_a_redirect_over_a_socket_names_another_origin(cloud, served):
    cloud.world.faults.add(["GET active-domains:redirect=307"])
    host, port = served.address.removeprefix("http://").split(":")
    with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=20)) as connection:
        connection.request("GET", f"/v1/{cloud.world.project_id}/active-domains")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (307, b"")
        assert answer.headers["Location"].startswith("https://elsewhere.invalid/v1/")


@pytest.mark.parametrize("fault", ["slow=30", "slow-after=30"])
def test_a_slow_answer_holds_up_nobody_else(cloud, served, fault):
    cloud.world.faults.add([f"POST server-groups:{fault}"])
    body = json.dumps({"server_group": cloud.fields()})
    host, port = served.address.removeprefix("http://").split(":")
    with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=20)) as slow:
        slow.request(
            "POST", f"/v1/{cloud.world.project_id}/server-groups", body, {"X-Auth-Token": cloud.world.preset_token}
        )
        for _ in range(200):
            status, listed = served("GET", "server-groups")
            if fault == "slow=30" or json.loads(listed)["count"]:
                break
    assert (status, json.loads(listed)["count"]) == (200, 0 if fault == "slow=30" else 1)


@pytest.mark.parametrize("fault", ["slow=0.05", "slow-after=0.05"])
def test_a_slow_answer_comes_in_the_end(cloud, served, fault):
    cloud.world.faults.add([f"GET active-domains:{fault}"])
    began = time.monotonic()
    assert served("GET", "active-domains")[0] == 200
    assert time.monotonic() - began >= 0.05


def test_a_long_body_is_refused(cloud, served):
    body = json.dumps({"server_group": {"name": "x" * (1 << 20)}}).encode()
    status, answer = served("POST", "server-groups", body)
    assert (status, json.loads(answer)["error_code"]) == (413, "APIGW.0106")


@pytest.mark.parametrize("body", [b"", b'{"delete_target_server": '], ids=["before its body", "in its body"])
def test_a_request_that_is_cut_off_is_not_carried_out(cloud, served, body):
    instance_id = cloud.instance(cloud.group())
    host, port = served.address.removeprefix("http://").split(":")
    path = f"/v1/{cloud.world.project_id}/protected-instances/{instance_id}"
    head = (
        f"DELETE {path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {cloud.world.preset_token}\r\nContent-Length: 30\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=20) as raw:
        raw.sendall(head.encode() + body)
        raw.shutdown(socket.SHUT_WR)
        assert raw.recv(100) == b""
    assert [one["status"] for one in cloud.world.instances()] == ["available"]


def test_nonsense_on_the_socket_harms_nobody(served):
    host, port = served.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as raw:
        raw.sendall(b"\x00\xffnonsense\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    assert served("GET", "/", whole=True)[0] == 200


def test_a_taken_port_is_told(cloud, served):
    port = int(served.address.rsplit(":", 1)[1])
    with pytest.raises(WorldError, match=str(port)):
        serve(cloud.world, port=port, out=io.StringIO())
    with pytest.raises(WorldError, match="70000"):
        serve(cloud.world, port=70000, out=io.StringIO())


def test_a_missing_server_is_told(cloud, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(WorldError, match="pip install"):
        serve(cloud.world, out=io.StringIO())


SERVE = """
from declarative.simulator import World, serve
serve(World.open(), token="chosen")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_tells_its_address_and_ends_at_a_signal(number):
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        told = dict(process.stdout.readline().strip().removeprefix("export ").split("=", 1) for _ in range(3))
        assert list(told) == ["SDRS_ENDPOINT", "SDRS_PROJECT_ID", "OS_AUTH_TOKEN"]
        assert told["OS_AUTH_TOKEN"] == "chosen"
        request = urllib.request.Request(
            f"{told['SDRS_ENDPOINT']}/v1/{told['SDRS_PROJECT_ID']}/active-domains", headers={"X-Auth-Token": "chosen"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 200
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "")
