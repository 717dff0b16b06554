"""`--format` and `--render`: many outputs of one run, also of one that fails, and what is refused before it begins."""

import json
import os
import re
from pathlib import Path

import jsonschema
import pytest

from declarative.cli.delivery import FORMATS
from declarative.simulator import World

ROOT = Path(__file__).parents[2]
COMMANDS = ("validate", "plan", "drift", "status")


@pytest.fixture
def shop(cli, folder):
    """The example stack, not applied."""
    cli("init", ".")
    return folder


def every(*formats):
    """`--render` for each format, to a file named after it."""
    return [word for name in formats or FORMATS for word in ("--render", f"{name}=out.{name}")]


@pytest.mark.parametrize("command", COMMANDS)
def test_one_run_writes_every_format(command, cli, shop):
    cli("apply", "--auto-approve")
    ran = cli(command, *every())
    assert ran.code == 0, ran.err
    assert sorted(one.name for one in shop.glob("out.*")) == sorted(f"out.{name}" for name in FORMATS)
    for name in FORMATS:
        alone = cli(command, "--format", name)
        text = (shop / f"out.{name}").read_text().removeprefix(f"# declarative render 1: {command}\n")
        assert mask(text) == mask(alone.out), name


def mask(text):
    """Without what differs from one plan to the next."""
    return re.sub(r"\b[0-9a-f]{64}\b|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<>", text)


def test_a_render_replaces_an_earlier_one_of_any_format(cli, shop):
    for name in (*FORMATS, *FORMATS[1:], FORMATS[0]):
        assert cli("plan", "--render", f"{name}=out").code == 0, name


@pytest.mark.parametrize("command", ["validate", "plan", "drift", "apply"])
def test_a_command_that_fails_writes_every_format_too(command, cli, shop):
    (shop / "bad.yaml").write_text("kind: Nothing\n")
    ran = cli(command, *every())
    assert ran.code == 1
    for name in FORMATS:
        assert "apiVersion is missing" in (shop / f"out.{name}").read_text(), name
    assert json.loads((shop / "out.json").read_text())["valid"] is False
    assert json.loads((shop / "out.summary").read_text())["exit_code"] == 1


@pytest.mark.parametrize("output_format", ["json", "markdown", "html", "sarif", "github", "gitlab", "junit", "summary"])
def test_a_plan_with_errors_tells_them_on_standard_output(output_format, cli, shop):
    (shop / "bad.yaml").write_text("kind: Nothing\n")
    ran = cli("plan", "--format", output_format)
    assert (ran.code, "apiVersion is missing" in ran.out, "apiVersion is missing" in ran.err) == (1, True, True)


def test_a_crash_and_its_exit_code_are_in_the_renders(cli, shop, monkeypatch):
    monkeypatch.setattr("declarative.workflow.plans.plan", lambda *_: 1 / 0)
    ran = cli("plan", *every())
    assert ran.code == 1
    for name in FORMATS:
        assert "defect of declarative" in (shop / f"out.{name}").read_text(), name


def test_an_interrupt_is_in_the_renders(cli, shop, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("declarative.workflow.plans.plan", interrupted)
    ran = cli("plan", *every("summary", "markdown"))
    assert ran.code == 130
    assert json.loads((shop / "out.summary").read_text())["exit_code"] == 130
    assert "interrupted" in (shop / "out.markdown").read_text()


def test_the_result_of_apply_is_a_document_and_its_events_are_a_stream(cli, shop):
    ran = cli("apply", "--auto-approve", "--format", "json", *every())
    assert ran.code == 0
    assert [json.loads(line)["type"] for line in ran.out.splitlines()][-1] == "run-ended"
    outcome = json.loads((shop / "out.json").read_text())
    schema = json.loads((ROOT / "schemas" / "outcome.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(outcome)
    assert {one["result"] for one in outcome["steps"]} == {"done"}
    summary = json.loads((shop / "out.summary").read_text())
    assert (summary["command"], summary["exit_code"], summary["counts"]["done"]) == ("apply", 0, 3)
    assert (shop / "out.junit").read_text().count("<testcase ") == 3


def test_a_refused_apply_shows_the_plan_that_it_refused(cli, shop):
    cli("apply", "--auto-approve")
    groups = shop / "groups.yaml"
    groups.write_text(groups.read_text().partition("---")[0])
    ran = cli("apply", "--auto-approve", *every())
    assert ran.code == 5
    for name in ("markdown", "html"):
        text = (shop / f"out.{name}").read_text()
        assert "Dangers without a consent" in text
        assert "nothing was changed" in text
    assert json.loads((shop / "out.summary").read_text())["exit_code"] == 5


def test_an_unhealthy_status_has_an_exit_code_and_findings(cli, shop):
    cli("apply", "--auto-approve")
    with World.open(shop / ".declarative" / "simulator.sqlite") as world:
        broken = next(group for group in world.groups() if group["name"] == "orders-demo")
        world.operator.set_status(broken["id"], "error-starting")
    ran = cli("status", "--format", "junit", *every("summary", "sarif"))
    assert (ran.code, "<failure " in ran.out) == (1, True)
    assert json.loads((shop / "out.summary").read_text())["exit_code"] == 1
    results = json.loads((shop / "out.sarif").read_text())["runs"][0]["results"]
    assert [one["ruleId"] for one in results] == ["status"]


def test_drift_is_a_finding_of_its_own(cli, shop):
    cli("apply", "--auto-approve")
    with World.open(shop / ".declarative" / "simulator.sqlite") as world:
        held = next(group for group in world.groups() if group["name"] == "orders-demo")
        world.operator.set_status(held["id"], "failed-over")
    ran = cli("drift", "--detailed-exitcode", "--format", "json", *every("summary"))
    document = json.loads(ran.out)
    jsonschema.Draft202012Validator(json.loads((ROOT / "schemas" / "drift.json").read_text())).validate(document)
    assert (ran.code, [one["address"] for one in document["objects"]]) == (2, ["ProtectionGroup/orders"])
    assert json.loads((shop / "out.summary").read_text())["counts"] == {"changed": 1, "gone": 0}


def test_a_render_to_standard_output_sends_the_text_to_standard_error(cli, shop):
    ran = cli("plan", "--render", "summary=-")
    assert json.loads(ran.out)["command"] == "plan"
    assert "Plan: 3 to create" in ran.err
    ran = cli("apply", "--auto-approve", "--render", "summary=-")
    assert json.loads(ran.out)["exit_code"] == 0


def test_a_comment_ends_with_the_command_that_applies_the_saved_plan(cli, shop):
    ran = cli("plan", "-o", "plan.json", "--format", "markdown")
    (command,) = re.findall(r"^declarative (apply plan\.json --plan-sha256 [0-9a-f]{64})$", ran.out, re.MULTILINE)
    assert cli(*command.split(), "--auto-approve").code == 0


# ---------------------------------------------------------------- refused before anything is read


@pytest.mark.parametrize(
    ("words", "why"),
    [
        pytest.param(["--render", "pdf=x"], "not a format", id="an-unknown-format"),
        pytest.param(["--render", "sari=x"], "Did you mean 'sarif'", id="a-slip"),
        pytest.param(["--render", "sarif"], "FORMAT=FILE", id="no-file"),
        pytest.param(["--render", "sarif="], "FORMAT=FILE", id="an-empty-file"),
        pytest.param(["--render", "sarif=-", "--render", "json=-"], "both go to standard output", id="two-dashes"),
        pytest.param(["--render", "sarif=-", "--render", "json=/dev/stdout"], "both go to", id="two-ways-to-one"),
        pytest.param(["--render", "sarif=a", "--render", "json=./a"], "both go to", id="one-file-twice"),
        pytest.param(["--render", "sarif=a", "--render", "json=link"], "both go to", id="one-file-by-a-link"),
        pytest.param(["--render", "sarif=one", "--render", "json=other"], "both go to", id="one-file-by-two-names"),
        pytest.param(["--render", "sarif=nowhere/x"], "can't be written", id="no-such-folder"),
        pytest.param(["--render", "sarif=stack.yaml/x"], "can't be written", id="below-a-file"),
        pytest.param(["--render", "sarif=."], "is a folder", id="a-folder"),
        pytest.param(["--render", "sarif=notes.txt"], "neither a render nor a plan", id="a-file-of-others"),
        pytest.param(["--render", "sarif=new.yaml"], "read as a manifest", id="a-manifest"),
        pytest.param(["--render", "sarif=.declarative/x"], "folder of the state", id="the-state"),
    ],
)
@pytest.mark.parametrize("command", [*COMMANDS, "apply", "destroy"])
def test_what_can_not_be_written_is_refused_before_anything_is_read(command, words, why, cli, shop):
    (shop / "bad.yaml").write_text("kind: Nothing\n")  # nobody reads it
    (shop / "notes.txt").write_text("mine")
    (shop / "link").symlink_to("a")
    (shop / "one").write_text("")
    os.link(shop / "one", shop / "other")
    (shop / ".declarative").mkdir()
    ran = cli(command, *words)
    assert ran.code == 64
    assert why in ran.err
    assert "apiVersion" not in ran.err + ran.out
    assert (shop / "notes.txt").read_text() == "mine"
    assert sorted(one.name for one in shop.iterdir() if one.name in ("a", "x", "new.yaml")) == []


@pytest.mark.parametrize("words", [["--format", "json"], ["-o", "/dev/stdout"]], ids=" ".join)
def test_standard_output_takes_one_result(words, cli, shop):
    ran = cli("plan", *words, "--render", "sarif=-")
    assert (ran.code, "both go to standard output" in ran.err) == (64, True)


def test_events_and_a_render_do_not_share_standard_output(cli, shop):
    ran = cli("apply", "--auto-approve", "--format", "json", "--render", "sarif=-")
    assert (ran.code, "both go to standard output" in ran.err) == (64, True)


def test_the_plan_and_a_render_do_not_share_a_file(cli, shop):
    assert cli("plan", "-o", "plan.json", "--render", "json=plan.json").code == 64


@pytest.mark.parametrize("command", [*COMMANDS, "apply"])
def test_the_environment_names_no_render(command, cli, shop, monkeypatch):
    monkeypatch.setenv(f"DECLARATIVE_{command.upper()}_RENDER", "sarif=out.sarif")
    cli(command)
    assert not (shop / "out.sarif").exists()


def test_a_render_that_fails_at_the_end_is_an_error_and_the_others_are_written(cli, shop, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("declarative.cli.plan_files._replace", full)
    ran = cli("plan", "--render", "sarif=out.sarif", "--render", "summary=-")
    assert (ran.code, "No space left on device" in ran.err) == (1, True)
    assert json.loads(ran.out)["command"] == "plan"
