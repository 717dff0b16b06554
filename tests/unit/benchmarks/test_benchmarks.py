"""The harness itself, on numbers that are too small to measure anything."""

import json
import sys
import urllib.error
import urllib.request

import pytest

from benchmarks import rows, table, terraform
from benchmarks.__main__ import main
from benchmarks.cloud import Cloud, CloudSettings
from benchmarks.command import CommandFailed, clean_environment, run
from benchmarks.figures import Figure, Measured, Scale, Verdict
from benchmarks.machine import Surroundings, look_around, share_busy
from benchmarks.site import Site
from benchmarks.stack import write_stack
from declarative import manifest

TINY = Scale(some=3, many=4, most=5, waiting=3, job_seconds=0.05, at_once=2, faulty=2, repeats=1, short_repeats=1)
QUIET = Surroundings(0.0, 0.0, 0.1)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """Nobody watches the machine for a second before each row."""
    monkeypatch.setattr("benchmarks.machine._WATCHED", 0.0)


@pytest.mark.parametrize(
    ("value", "limit", "verdict"),
    [
        pytest.param(1.0, 1.0, Verdict.OK, id="reached-exactly"),
        pytest.param(1.01, 1.0, Verdict.MISSED, id="just-missed"),
        pytest.param(9.0, None, Verdict.NONE, id="without-a-target"),
    ],
)
def test_a_verdict_follows_from_the_limit(value, limit, verdict):
    assert Figure(what="x", value=value, limit=limit).verdict is verdict


@pytest.mark.parametrize(
    ("figure", "ending"),
    [
        pytest.param(Figure(what="x", value=0.1234, unit="s", limit=0.3), "≤ 0.30 s     0.12 s  ok", id="small"),
        pytest.param(Figure(what="x", value=35.61, unit="s", limit=35.0), "≤ 35 s     35.6 s  missed", id="medium"),
        pytest.param(Figure(what="x", value=123.4, unit="MB"), "123 MB", id="large-and-without-a-target"),
    ],
)
def test_a_line_shows_target_result_and_verdict(figure, ending):
    assert table.line(figure).endswith(ending)


@pytest.mark.parametrize(
    ("row", "reached"),
    [
        pytest.param(Measured("x", QUIET, (Figure(what="x", value=1.0, limit=1.0),)), True, id="all-well"),
        pytest.param(Measured("x", QUIET, (Figure(what="x", value=2.0, limit=1.0),)), False, id="missed"),
        pytest.param(Measured("x", QUIET, (), failure="why"), False, id="not-measured"),
    ],
)
def test_a_run_counts_as_reached_when_nothing_was_missed(row, reached):
    assert table.reached([row]) is reached


@pytest.mark.parametrize(
    ("after", "busy"),
    [
        pytest.param([0, 0, 0, 200, 0, 0, 0, 0], 0.0, id="idle"),
        pytest.param([0, 0, 0, 100, 100, 0, 0, 0], 0.0, id="waiting-for-a-disk"),
        pytest.param([50, 10, 30, 100, 0, 0, 0, 10], 0.5, id="half"),
        pytest.param([0, 0, 0, 0, 0, 0, 0, 0], 0.0, id="no-time-has-passed"),
    ],
)
def test_busy_is_the_time_that_is_not_idle(after, busy):
    assert share_busy([0] * 8, after) == busy


@pytest.mark.parametrize(
    ("busy", "quiet"),
    [
        pytest.param(0.14, True, id="little"),
        pytest.param(0.15, False, id="too-much"),
        pytest.param(None, True, id="can-not-be-told"),
    ],
)
def test_a_busy_machine_is_not_quiet(busy, quiet):
    assert Surroundings(0.0, busy, 0.1).is_quiet is quiet


def test_looking_around_waits_and_leaves_nothing(tmp_path):
    pauses = []
    seen = look_around(tmp_path, sleep=pauses.append)
    assert len(pauses) == 1
    assert seen.sync_ms >= 0
    assert list(tmp_path.iterdir()) == []


def test_a_stack_is_valid_and_has_as_many_groups_as_asked_for(tmp_path):
    write_stack(tmp_path / "stack", 5, per_file=2)
    assert sorted(path.name for path in (tmp_path / "stack").iterdir()) == [
        "groups-000.yaml",
        "groups-001.yaml",
        "groups-002.yaml",
        "stack.yaml",
    ]
    desired, findings = manifest.resolve(manifest.load(tmp_path / "stack"))
    assert (len(desired.resources), tuple(findings)) == (5, ())


def test_terraform_gets_as_many_objects_in_its_files_as_in_its_state(tmp_path):
    terraform.write_configuration(tmp_path / "x", 1001)
    terraform.write_state(tmp_path / "x", 1001)
    texts = [path.read_text() for path in sorted((tmp_path / "x").glob("*.tf"))]
    state = json.loads((tmp_path / "x" / "terraform.tfstate").read_text())
    assert [text.count('resource "terraform_data" "group_') for text in texts] == [1000, 1]
    assert [one["name"] for one in state["resources"]] == [f"group_{number:05d}" for number in range(1001)]
    assert f'"{state["resources"][1000]["instances"][0]["attributes"]["input"]["value"]["name"]}"' in texts[1]


def test_a_cloud_counts_requests_and_ends_with_its_context(tmp_path):
    with Cloud(CloudSettings(faults=("GET active-domains:status=503:first=1",))) as cloud:
        variables = cloud.variables
        url = f"{variables['SDRS_ENDPOINT']}/v1/{variables['SDRS_PROJECT_ID']}/active-domains"
        request = urllib.request.Request(url, headers={"X-Auth-Token": variables["OS_AUTH_TOKEN"]})
        with pytest.raises(urllib.error.HTTPError, match="503") as caught:
            urllib.request.urlopen(request, timeout=10)
        caught.value.close()
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200
        numbers = cloud.numbers()
    assert (numbers.requests, numbers.faults, numbers.groups) == (2, 1, 0)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(request, timeout=10)


def test_a_command_that_fails_is_no_measurement(tmp_path):
    code = "print('what went wrong'); raise SystemExit(3)"
    with pytest.raises(CommandFailed, match=r"(?s)ended with 3:.*what went wrong"):
        run([sys.executable, "-c", code], cwd=tmp_path, environ=clean_environment(), output=tmp_path / "output")


def test_a_command_is_measured_by_itself(tmp_path):
    code = "kept = bytearray(200_000_000); print(sum(range(1_000_000)))"
    ran = run([sys.executable, "-c", code], cwd=tmp_path, environ=clean_environment(), output=tmp_path / "output")
    assert (tmp_path / "output").read_text() == "499999500000\n"
    assert ran.peak_mb > 200
    assert ran.cpu_seconds > 0


def test_a_command_that_takes_too_long_is_ended(tmp_path):
    with pytest.raises(CommandFailed, match="ended with -9 after 0 s"):
        run(
            [sys.executable, "-c", "import signal; signal.pause()"],
            cwd=tmp_path,
            environ=clean_environment(),
            output=tmp_path / "output",
            timeout=0.2,
        )


def test_measured_commands_do_not_see_variables_that_lead_them_elsewhere(monkeypatch):
    monkeypatch.setenv("SDRS_ENDPOINT", "https://sdrs.example.org")
    monkeypatch.setenv("DECLARATIVE_STATE", "local:elsewhere")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    seen = clean_environment().keys()
    assert not seen & {"SDRS_ENDPOINT", "DECLARATIVE_STATE", "PYTHONDONTWRITEBYTECODE"}
    assert "PATH" in seen


def test_the_whole_way_prints_a_table_and_writes_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(terraform, "found", lambda: None)
    path = tmp_path / "folder" / "result.json"
    main(["--json", str(path), *(f"--only={name}" for name in rows.NAMES if name != "faults")], scale=TINY)
    written, printed = json.loads(path.read_text()), capsys.readouterr()
    assert printed.err == ""
    assert {name: row["failure"] for name, row in written["rows"].items()} == {
        name: "" for name in rows.NAMES if name != "faults"
    }
    requests = {one["what"]: one["value"] for row in written["rows"].values() for one in row["figures"]}
    assert requests["plan of 4 unchanged groups: requests"] <= 3
    assert requests["apply of 3 groups whose jobs take 0.05 s, 2 at a time: requests for each"] >= 2
    assert all(what in printed.out for what in requests)
    assert "Terraform is not on the PATH" in printed.out


def test_a_row_that_fails_is_told_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    class NoTime(rows.Bench):
        def light(self, *arguments):
            if "--version" in arguments:
                raise CommandFailed("it has no version")
            return super().light(*arguments)

        def warm_up(self):
            """Nothing here is measured."""

    monkeypatch.setattr("benchmarks.__main__.Bench", NoTime)
    path = tmp_path / "result.json"
    assert main(["--only=version", "--only=validate", "--json", str(path)], scale=TINY) == 1
    written = json.loads(path.read_text())["rows"]
    assert written["version"]["failure"] == "it has no version"
    assert len(written["validate"]["figures"]) == 1
    assert "it has no version" in capsys.readouterr().err


def test_a_stack_that_stands_from_the_beginning_is_as_an_apply_leaves_it(tmp_path):
    with Site(tmp_path / "x", 3, applied=True) as site:
        site.plan()
        assert site.cloud.numbers().groups == 3
        assert site.requests_of(site.apply)[1] <= 5
