"""What is told of the requests to the cloud, on standard error and in the log."""

import json
import re

import pytest

from tests.scaffold.small_stacks import GROUP

STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {{name: shop}}\nspec: {{provider: {provider}}}\n"


@pytest.fixture
def stack(folder):
    def write(provider):
        (folder / "stack.yaml").write_text(STACK.format(provider=provider))
        (folder / "groups.yaml").write_text(GROUP)

    return write


def logged(folder, name="requests.log"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


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
