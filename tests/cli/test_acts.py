"""`simulator change` and so on, on the embedded simulator and on a served one; never on anything else."""

import json
import socket
import threading

import pytest

from declarative.simulator import World, running
from tests.scaffold.small_stacks import PROTECTED

STACK = f"""\
apiVersion: sdrs/v1
kind: Stack
metadata: {{name: shop}}
spec: {{provider: PROVIDER}}
---
{PROTECTED}---
apiVersion: sdrs/v1
kind: ProtectedInstance
metadata: {{name: web}}
for_each: {{a: f8b3cb98-30b5-4965-98ee-d4e24b98109a}}
spec: {{protection_group: shop, name: "web-${{each.key}}", server_id: "${{each.value}}"}}
"""
WEB = "ProtectedInstance/web[a]"
EMBEDDED = "{simulator: true}"


@pytest.fixture(params=["embedded", "served"])
def shop(request, cli, folder, monkeypatch):
    """An applied stack with an instance, on either sort of simulator."""
    served = request.param == "served"
    (folder / "stack.yaml").write_text(STACK.replace("PROVIDER", "{region: eu-de}" if served else EMBEDDED))
    with World.open(speed=float("inf")) as world, running(world) as address:
        if served:
            monkeypatch.setenv("SDRS_ENDPOINT", address)
            monkeypatch.setenv("SDRS_PROJECT_ID", world.project_id)
            monkeypatch.setenv("OS_AUTH_TOKEN", world.preset_token)
        assert cli("apply", "--auto-approve").code == 0
        yield


def test_a_change_is_drift(cli, shop):
    ran = cli("simulator", "change", "ProtectionGroup/shop", "name=by-hand")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "ProtectionGroup/shop \"shop-prod\": name is 'by-hand' now. Next: declarative drift\n"
    assert '"shop-prod" → "by-hand"' in cli("drift").out
    assert cli("apply", "--auto-approve").code == 0
    assert cli("drift", "--detailed-exitcode").code == 0


def test_a_broken_disk_is_seen_and_repaired(cli, shop):
    assert cli("simulator", "break", WEB).code == 0
    ran = cli("status")
    assert (ran.code, "fault level 2" in ran.out) == (1, True)
    assert cli("simulator", "repair", WEB).code == 0
    assert cli("status").code == 0


def test_a_failover_and_the_way_back_are_a_line_each(cli, shop):
    assert "failed over, production is in eu-de-02" in cli("simulator", "fail-over", "ProtectionGroup/shop").out
    assert cli("drift", "--detailed-exitcode").code == 2
    refused = cli("simulator", "reprotect", "ProtectionGroup/shop")
    assert (refused.code, refused.out) == (1, "")
    way = "declarative simulator power ProtectionGroup/shop off --copy"
    assert f"First: {way}." in refused.err
    assert cli(*way.split()[1:]).code == 0
    assert cli("simulator", "reprotect", "ProtectionGroup/shop").code == 0
    assert cli("simulator", "power", "ProtectionGroup/shop", "on").code == 0
    assert (
        "First: declarative simulator power ProtectionGroup/shop off."
        in cli("simulator", "reverse", "ProtectionGroup/shop").err
    )
    assert cli("simulator", "reverse", "ProtectionGroup/shop", "--force").code == 0
    assert cli("drift", "--detailed-exitcode").code == 0


def test_an_act_is_told_to_a_program(cli, shop):
    told = json.loads(cli("simulator", "delete", "web-a", "--format", "json").out)
    assert told.pop("id")
    assert told == {
        "format": "declarative.simulator-act/1",
        "act": "delete",
        "address": None,
        "noun": "protected instance",
        "name": "web-a",
        "happened": "deleted",
        "next": "declarative plan",
    }
    assert f"create {WEB}" in cli("plan").out


def test_a_refusal_is_told_to_a_program(cli, shop):
    ran = cli("simulator", "delete", "nobody", "--format", "json")
    assert (ran.code, json.loads(ran.out)["findings"][0]["id"]) == (1, "simulator-failed")


def test_names_are_shown_escaped(cli, shop):
    ran = cli("simulator", "change", "ProtectionGroup/shop", "name=a\x1b[31m\n::error::b")
    assert ran.code == 0
    assert "\x1b" not in ran.out
    assert ran.out.count("\n") == 1
    ran = cli("simulator", "delete", "no\x1b[31mbody\n")
    assert (ran.code, "\x1b" in ran.err, ran.err.count("\n")) == (1, False, 1)


def test_an_address_that_is_not_recorded_is_a_mistake(cli, shop):
    ran = cli("simulator", "delete", "ProtectionGroup/shp")
    assert (ran.code, "Did you mean 'ProtectionGroup/shop'?" in ran.err) == (64, True)


def test_the_quota_of_a_new_embedded_simulator_can_be_set(cli, folder):
    (folder / "stack.yaml").write_text(STACK.replace("PROVIDER", EMBEDDED))
    assert "nothing" not in cli("simulator", "set", "quota=0").out
    ran = cli("apply", "--auto-approve")
    assert (ran.code, "quota" in ran.err + ran.out) == (1, True)
    assert cli("simulator", "set", "quota=7").out == "The simulator: quota is 7 now. Next: declarative plan\n"
    assert cli("apply", "--auto-approve").code == 0


def test_without_a_simulator_an_act_makes_none(cli, folder):
    (folder / "stack.yaml").write_text(STACK.replace("PROVIDER", EMBEDDED))
    ran = cli("simulator", "fail-over", "shop-prod")
    assert (ran.code, "no embedded simulator here yet" in ran.err) == (64, True)
    assert not (folder / ".declarative").exists()


def test_a_stack_of_a_real_cloud_is_refused(cli, folder):
    (folder / "stack.yaml").write_text(STACK.replace("PROVIDER", "{region: eu-de}"))
    ran = cli("simulator", "delete", "shop-prod")
    assert (ran.code, "doesn't use the embedded simulator" in ran.err) == (64, True)


def test_a_stack_with_a_simulator_and_an_endpoint_has_two_clouds(cli, folder):
    (folder / "stack.yaml").write_text(STACK.replace("PROVIDER", EMBEDDED))
    ran = cli("simulator", "delete", "x", "--endpoint", "http://127.0.0.1:1")
    assert (ran.code, "names another cloud" in ran.err) == (64, True)


def test_a_stack_that_was_applied_elsewhere_is_refused(cli, folder, monkeypatch):
    (folder / "stack.yaml").write_text(STACK.replace("PROVIDER", "{region: eu-de}"))
    with World.open(speed=float("inf")) as world, running(world) as address:
        monkeypatch.setenv("SDRS_PROJECT_ID", world.project_id)
        monkeypatch.setenv("OS_AUTH_TOKEN", world.preset_token)
        assert cli("apply", "--auto-approve", "--endpoint", address).code == 0
    with World.open() as other, running(other) as address:
        ran = cli("simulator", "delete", "ProtectionGroup/shop", "--endpoint", address)
    assert (ran.code, "and this simulator is project" in ran.err) == (64, True)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://sdrs.eu-de.otc.t-systems.com",
        "http://sdrs.eu-de.otc.t-systems.com",
        "https://127.0.0.1:8780",
        "http://10.0.0.7:8780/v1",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1@evil.example",
        "http://127.0.0.1:x",
        "file:///etc/passwd",
        "nonsense",
    ],
)
def test_an_endpoint_beyond_this_machine_gets_no_request(cli, folder, monkeypatch, endpoint):
    def no_socket(*_arguments, **_options):
        raise AssertionError("a connection is made")

    monkeypatch.setattr(socket, "socket", no_socket)
    monkeypatch.setattr(socket, "create_connection", no_socket)
    monkeypatch.setattr(socket, "getaddrinfo", no_socket)
    monkeypatch.setenv("SDRS_ENDPOINT", endpoint)
    ran = cli("simulator", "delete", "shop-prod")
    assert (ran.code, ran.out, "defect" in ran.err) == (64, "", False)


@pytest.fixture
def stranger():
    """Another program on this machine; what it is sent, and what it answers, from then on."""
    heard, answer = [], [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"]
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    heard.append(connection.recv(65536))
                    connection.sendall(answer[0])

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], heard, answer
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "body",
    [b"{}", b"<html>", b"[]", b'{"simulator": "declarative"}', b'{"simulator": "other", "project_id": "a"}', b"\xff"],
)
def test_another_program_on_this_machine_gets_one_request_that_only_reads(cli, folder, monkeypatch, stranger, body):
    port, heard, answer = stranger
    answer[0] = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    monkeypatch.setenv("OS_AUTH_TOKEN", "a-real-token")
    monkeypatch.setenv("http_proxy", "http://10.0.0.7:3128")
    ran = cli("simulator", "delete", "x", "--endpoint", f"http://localhost:{port}")
    assert (ran.code, "is not a simulator of declarative; nothing was changed" in ran.err) == (64, True)
    assert [one.startswith(b"GET /simulator HTTP/1.1\r\n") for one in heard] == [True]
    assert b"a-real-token" not in heard[0]


def test_an_endpoint_without_anybody_is_told(cli, folder):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ran = cli("simulator", "power", "x", "off", "--endpoint", f"http://127.0.0.1:{port}")
    assert (ran.code, f"no simulator answers on port {port}" in ran.err) == (1, True)
