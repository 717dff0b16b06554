"""The simulator as a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from declarative.simulator import FAULT_HELP, RULE_HELP

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


@pytest.fixture
def refused(cli):
    """The complaint about a wrong call of `serve`."""

    def refuse(*arguments):
        ran = cli("simulator", "serve", "--port", "0", *arguments)
        assert (ran.code, ran.out) == (64, "")
        return ran.err

    return refuse


@pytest.mark.parametrize("fault", ["POST x:lots", "POST server-group:lost-after"], ids=["no fault", "no call"])
def test_a_fault_that_makes_no_sense_is_a_wrong_call(refused, fault):
    assert fault in refused("--fault", fault)


def test_a_rule_that_makes_no_sense_is_a_wrong_call(refused):
    assert "frozen needs true or false" in refused("--rule", "frozen=maybe")
    assert "Did you mean 'frozen'" in refused("--rule", "froze=true")


def test_an_estate_that_makes_no_sense_is_a_wrong_call(refused, folder):
    (folder / "estate.yaml").write_text("servers: [{id: 7}]")
    assert "estate.yaml" in refused("--estate", "estate.yaml")
    assert "none.yaml" in refused("--estate", "none.yaml")


def test_accounts_that_make_no_sense_are_a_wrong_call(refused, folder):
    (folder / "accounts.yaml").write_text("accounts: []")
    assert "accounts must hold at least one account" in refused("--accounts", "accounts.yaml")
    assert "none.yaml" in refused("--accounts", "none.yaml")


def test_an_estate_lies_in_the_folder_that_is_worked_in(cli, folder):
    (folder / "sub").mkdir()
    ran = cli("-C", "sub", "simulator", "serve", "--port", "0", "--estate", "none.yaml")
    assert (ran.code, "sub/none.yaml" in ran.err) == (64, True)


def _sign_in(address, password):
    identity = {"methods": ["password"], "password": {"user": {"id": "ada", "password": password}}}
    body = json.dumps({"auth": {"identity": identity}}).encode()
    try:
        with urllib.request.urlopen(f"{address}/v3/auth/tokens", body, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_quota_rules_and_accounts_are_those_of_the_call(tmp_path):
    (tmp_path / "accounts.yaml").write_text("accounts: [{name: BANK}]\nusers: [{id: ada, name: ada, password: right}]")
    arguments = ("--port", "0", "--quota", "-1", "--rule", "page_limit=7", "--accounts", "accounts.yaml")
    with subprocess.Popen(
        [sys.executable, "-c", CODE, "simulator", "serve", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            lines = dict(process.stdout.readline().removeprefix("export ").strip().split("=", 1) for _ in range(3))
            request = urllib.request.Request(
                f"{lines['SDRS_ENDPOINT']}/v1/{lines['SDRS_PROJECT_ID']}/sdrs/quotas",
                headers={"X-Auth-Token": lines["OS_AUTH_TOKEN"]},
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                quotas = json.load(answer)["quotas"]["resources"]
            request.full_url = request.full_url.replace("sdrs/quotas", "server-groups?limit=8")
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(request, timeout=10)
            with caught.value as refused:
                assert b"SDRS.0221" in refused.read()
            assert [_sign_in(lines["SDRS_ENDPOINT"], password) for password in ("right", "wrong")] == [201, 401]
        finally:
            process.kill()
    assert {quota["quota"] for quota in quotas} == {-1}


def test_the_help_tells_the_languages_of_faults_and_rules(cli):
    told = cli("simulator", "serve", "--help").out
    assert FAULT_HELP in told
    assert RULE_HELP in told
