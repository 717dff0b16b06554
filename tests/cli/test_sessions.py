"""Whole sessions at the command line against golden files: exit code, standard output, standard error."""

import json
import os
import re
import stat
from pathlib import Path

import jsonschema
import pytest
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from declarative.manifest.schemas import kinds, schema_name, schema_root
from declarative.simulator import World
from declarative.workflow import schemas

ROOT = Path(__file__).parents[2]
GROUP = """\
apiVersion: sdrs/v1
kind: ProtectionGroup
metadata: {{name: {name}}}
spec:
  name: {called}
  source_availability_zone: {zone}
  target_availability_zone: eu-de-02
  domain: ActiveactiveDomain
  source_vpc_id: 6f8f5e0c-3d0b-4b59-9d0c-7b0a3c1d2e4f
  dr_type: migration
"""
STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {name: shop}\nspec: {provider: {simulator: true}}\n"


@pytest.fixture
def write(folder):
    """Write the manifests: a stack, and a group for each name, called so or otherwise in the cloud."""

    def documents(*names, zone="eu-de-01", **called):
        (folder / "stack.yaml").write_text(STACK)
        groups = [
            GROUP.format(name=name, called=called.get(name, name), zone=zone)
            for name in dict.fromkeys([*names, *called])
        ]
        (folder / "groups.yaml").write_text("---\n".join(groups))

    return documents


@pytest.fixture
def world(folder):
    """The embedded cloud, for what others do there."""

    def open_world():
        return World.open(folder / ".declarative" / "simulator.sqlite")

    return open_world


def test_a_first_try(cli, golden):
    golden(
        "first-try",
        cli("init", "shop"),
        cli("init", "shop"),
        cli("-C", "shop", "validate"),
        cli("-C", "shop", "plan"),
        cli("-C", "shop", "apply", typed="yes\n"),
        cli("-C", "shop", "plan", "--detailed-exitcode"),
        cli("-C", "shop", "apply"),
        cli("-C", "shop", "output"),
        cli("-C", "shop", "output", "shop_group"),
        cli("-C", "shop", "output", "shop_gruop"),
        cli("-C", "shop", "show"),
        cli("-C", "shop", "destroy", typed="yes\n"),
        cli("-C", "shop", "state", "list"),
    )


def test_what_needs_consent(cli, golden, write):
    write("kept", "old")
    cli("apply", "--auto-approve")
    write("kept")
    golden(
        "consents",
        cli("plan", "--detailed-exitcode"),
        cli("apply"),
        cli("apply", "--auto-approve"),
        cli("apply", "--auto-approve", "--allow", "delte:ProtectionGroup/old"),
        cli("apply", typed="no\n"),
        cli("apply", "--auto-approve", "--allow", "delete:ProtectionGroup/old"),
    )


def test_nobody_is_asked_where_nobody_can_answer(cli, golden, write):
    write("shop")
    golden("no-terminal", cli("apply"), cli("state", "list"))


def test_a_saved_plan(cli, golden, write, folder):
    write("shop")
    saved = cli("plan", "-o", "plan.json")
    assert stat.S_IMODE((folder / "plan.json").stat().st_mode) == 0o600
    digest = json.loads((folder / "plan.json").read_text())["digest"]
    golden(
        "saved-plan",
        saved,
        cli("show", "plan.json"),
        cli("apply", "plan.json", "--auto-approve", "--target", "ProtectionGroup/shop"),
        cli("apply", "plan.json", "--auto-approve", "--plan-sha256", "0" * 64),
        cli("apply", "plan.json", "--auto-approve", "--plan-sha256", digest),
        cli("apply", "plan.json", "--auto-approve"),
        cli("apply", "nowhere.json"),
        cli("apply", "--plan-sha256", digest),
        cli("apply", "stack.yaml", "--auto-approve"),
    )


def test_a_plan_is_the_same_document_on_paper_and_on_screen(cli, write, folder):
    write("shop")
    shown = cli("plan", "--format", "json", "-o", "plan.json")
    assert shown.out == (folder / "plan.json").read_text()
    assert cli("show", "plan.json", "--format", "json").out == shown.out


@pytest.mark.parametrize(
    "name", ["groups.yaml", "plan.yaml", "notes.txt", ".declarative/default/state.json", ".declarative/plan.json"]
)
def test_a_plan_is_written_over_nothing_of_others(cli, write, folder, name):
    write("shop")
    cli("apply", "--auto-approve")
    (folder / "notes.txt").write_text("precious")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    ran = cli("plan", "-o", name)
    assert (ran.code, ran.out, ran.err.count("error: ")) == (1, "", 1)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert cli("state", "list").code == 0


def test_a_plan_replaces_an_earlier_one(cli, write):
    write("shop")
    assert cli("plan", "-o", "plan.json").code == 0
    write("shop", "web")
    assert cli("plan", "-o", "plan.json").code == 0
    assert cli("apply", "plan.json", "--auto-approve").code == 0


def test_a_state_elsewhere_is_spared_too(cli, write, monkeypatch):
    write("shop")
    monkeypatch.setenv("DECLARATIVE_STATE", "local:elsewhere")
    cli("apply", "--auto-approve")
    ran = cli("plan", "-o", "elsewhere/plan.json")
    assert (ran.code, "folder of the state" in ran.err) == (1, True)


def test_a_plan_that_nothing_can_carry_out_names_no_command(cli, write, folder):
    write("shop")
    (folder / "groups.yaml").write_text((folder / "groups.yaml").read_text() + "lifecycle: {prevent_destroy: true}\n")
    cli("apply", "--auto-approve")
    ran = cli("plan", "--destroy", "-o", "plan.json")
    assert "It can't be carried out" in ran.err
    assert "declarative apply" not in ran.err
    assert "Carry it out with" in cli("plan", "-o", "plan.json").err


@pytest.mark.parametrize(
    "arguments", [("plan",), ("show", "nowhere.json"), ("show", "stack.yaml"), ("output", "nowhere")], ids=str
)
def test_a_failure_is_json_where_a_result_would_be(cli, write, folder, arguments):
    write("shop")
    if len(arguments) == 1:
        (folder / "bad.yaml").write_text("kind: Nothing\n")
    ran = cli(*arguments, "--format", "json")
    found = json.loads(ran.out)
    jsonschema.Draft202012Validator(json.loads((ROOT / "schemas" / "findings.json").read_text())).validate(found)
    assert ran.code != 0
    assert found["valid"] is False
    assert found["findings"][0]["summary"] in ran.err


def test_validate_prints_what_its_schema_says(cli, write, folder):
    write("shop")
    (folder / "bad.yaml").write_text("kind: Nothing\n")
    schema = json.loads((ROOT / "schemas" / "findings.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(cli("validate", "--format", "json").out))


def test_a_run_that_fails_ends_its_events_with_the_findings(cli, write):
    write("shop", "old")
    cli("apply", "--auto-approve")
    write("shop")
    ran = cli("apply", "--auto-approve", "--format", "json")
    schema = json.loads((ROOT / "schemas" / "events.json").read_text())
    events = [json.loads(line) for line in ran.out.splitlines()]
    for event in events:
        jsonschema.Draft202012Validator(schema).validate(event)
    assert [event["type"] for event in events] == ["planned", "failed"]
    assert (ran.code, events[-1]["code"]) == (5, 5)
    assert "--allow delete:ProtectionGroup/old" in events[-1]["findings"][-1]["fix"]


def test_changes_are_told_from_each_other(cli, golden, write):
    write("moved", "renamed", "replaced")
    cli("apply", "--auto-approve")
    write(away="moved", renamed="renamed-2", replaced="replaced")
    renamed = cli("plan")
    replaced = cli("plan", "--replace", "ProtectionGroup/replaced")
    golden("changes", renamed, replaced, cli("apply", "--auto-approve"), cli("state", "list"))


def test_drift(cli, golden, write, world):
    write("shop", "lost")
    cli("apply", "--auto-approve")
    none = cli("drift", "--detailed-exitcode")
    with world() as cloud:
        ids = {group["name"]: group["id"] for group in cloud.groups()}
        cloud.operator.rename_group(ids["shop"], "\x1b[2Jshop")
        cloud.operator.delete_group(ids["lost"])
    golden("drift", none, cli("drift", "--detailed-exitcode"), cli("drift"), cli("plan"))


def test_findings(cli, golden, write, folder):
    write("shop")
    (folder / "bad.yaml").write_text(
        GROUP.format(name="bad", called="a b", zone="eu-de-01").replace("dr_type", "dr_tpye")
    )
    golden("findings", cli("validate"), cli("validate", "--format", "json"), cli("plan"))


def test_the_state(cli, golden, write, world):
    write("shop", "web")
    cli("apply", "--auto-approve")
    with world() as cloud:
        web = next(str(group["id"]) for group in cloud.groups() if group["name"] == "web")
    golden(
        "state",
        cli("state", "list"),
        cli("state", "show", "ProtectionGroup/shop"),
        cli("state", "show", "ProtectionGroup/shpo"),
        cli("state", "mv", "ProtectionGroup/shop", "ProtectionGroup/store"),
        cli("state", "rm", "ProtectionGroup/web"),
        cli("import", "ProtectionGroup/web", web),
        cli("import", "ProtectionGroup/web", web),
        cli("state", "list", "--format", "json"),
        cli("state", "history"),
        cli("lock", "show"),
        cli("lock", "show", "--format", "json"),
        cli("lock", "break", "00000000-0000-0000-0000-000000000000"),
    )


def test_a_run_as_events(cli, write):
    write("shop", "web")
    ran = cli("apply", "--auto-approve", "--format", "json")
    schema = json.loads((ROOT / "schemas" / "events.json").read_text())
    check = jsonschema.Draft202012Validator(schema)
    events = [json.loads(line) for line in ran.out.splitlines()]
    for event in events:
        check.validate(event)
    kinds = [event["type"] for event in events]
    assert (kinds[0], kinds[1], kinds[-1]) == ("planned", "run-started", "run-ended")
    assert kinds.count("step-done") == 2
    assert events[-1]["done"] == 2
    assert ran.code == 0


def test_the_simulator_can_be_begun_anew(cli, golden, write, folder):
    write("shop")
    nothing = cli("simulator", "reset")
    cli("plan")
    golden("simulator-reset", nothing, cli("simulator", "reset"))
    assert not (folder / ".declarative" / "simulator.sqlite").exists()


def test_only_a_simulator_is_reset(cli, folder):
    (folder / ".declarative").mkdir()
    path = folder / ".declarative" / "simulator.sqlite"
    path.write_text("no database")
    ran = cli("simulator", "reset")
    assert (ran.code, "Move the file away" in ran.err) == (1, True)
    assert path.read_text() == "no database"


def test_a_world_that_can_not_be_used_is_begun_anew_as_its_error_says(cli, write, folder):
    write("shop")
    cli("plan")
    path = folder / ".declarative" / "simulator.sqlite"
    path.write_bytes(path.read_bytes()[:5000])
    ran = cli("plan")
    assert (ran.code, ran.err.count("declarative simulator reset")) == (1, 1)
    assert cli("simulator", "reset").code == 0
    assert cli("plan").code == 0


@pytest.mark.parametrize("speed", ["0", "nan", "fast", "-1"])
def test_a_speed_that_is_none_is_refused(cli, write, monkeypatch, speed):
    write("shop")
    monkeypatch.setenv("DECLARATIVE_SIMULATOR_SPEED", speed)
    ran = cli("plan")
    assert ran.code == 64
    assert "DECLARATIVE_SIMULATOR_SPEED" in ran.err


@pytest.mark.parametrize("name", [None, "environment", *kinds(), *schemas.names()])
def test_schemas_are_printed_and_stand_alone(cli, name):
    cli("init", ".")
    ran = cli("schema", *([name] if name else []))
    assert ran.code == 0
    text = json.loads(ran.out)
    jsonschema.Draft202012Validator.check_schema(text)
    assert text["description"]
    assert [one for one in re.findall(r'"\$ref": "([^"]+)"', ran.out) if not one.startswith("#")] == []
    resolver = Registry().with_resource("", DRAFT202012.create_resource(text)).resolver()
    for reference in re.findall(r'"\$ref": "([^"]+)"', ran.out):
        resolver.lookup(reference)


def test_an_unknown_name_has_no_schema(cli):
    ran = cli("schema", "ProtectionGruop")
    assert ran.code == 64
    assert "Did you mean 'ProtectionGroup'?" in ran.err
    assert "plan" in ran.err


def test_every_schema_of_the_folder_is_printed_by_its_name():
    manifests = {"manifest.json", "sdrs.json", *map(schema_name, kinds())}
    others = {path.name for path in schema_root().iterdir()} - manifests
    assert others == {f"{name.replace('-', '_')}.json" for name in schemas.names()}


def test_the_schemas_for_editors_are_written_again(cli, write, folder):
    ran = cli("schema", "--write")
    assert ran.code == 64
    assert "no Stack was found" in ran.err
    assert not (folder / ".schemas").exists()
    write("shop")
    ran = cli("schema", "--write")
    assert (ran.code, ran.out) == (0, "wrote .schemas/sdrs.json\nwrote .schemas/environment.json\n")
    assert cli("validate").code == 0
    assert cli("schema", "--write").code == 0
    assert cli("schema", "plan", "--write").code == 64


def test_init_leaves_settings_alone_and_prints_what_to_add(cli, folder):
    path = folder / ".vscode" / "settings.json"
    path.parent.mkdir()
    path.write_text("{}")
    ran = cli("init", ".")
    assert ran.code == 0
    assert path.read_text() == "{}"
    assert "settings.json" not in ran.out
    assert ".vscode/settings.json is left as it is. For VS Code, add to it:" in ran.err
    assert '"yaml.schemas": {' in ran.err
    assert cli("validate").code == 0


@pytest.mark.parametrize("variable", ["ALLOW", "AUTO_APPROVE", "TARGET", "EXCLUDE", "REPLACE", "VAR", "PLAN_SHA256"])
def test_no_variable_of_a_pipeline_consents_or_selects(cli, write, monkeypatch, variable):
    write("shop")
    monkeypatch.setenv(f"DECLARATIVE_APPLY_{variable}", "1")
    ran = cli("apply")
    assert ran.code == 64
    assert "no terminal" in ran.err


def test_a_variable_names_the_state(cli, write, monkeypatch, folder):
    write("shop")
    monkeypatch.setenv("DECLARATIVE_STATE", "local:elsewhere")
    assert cli("apply", "--auto-approve").code == 0
    assert (folder / "elsewhere" / "default" / "state.json").exists()


def test_a_deletion_tells_of_the_file_that_is_left_out(cli, write, folder):
    write("shop")
    cli("apply", "--auto-approve")
    (folder / ".team").mkdir()
    (folder / "groups.yaml").rename(folder / ".team" / "g.yaml")
    ran = cli("plan")
    assert "(gone from the manifests; stands in .team/g.yaml, which is left out)" in ran.out
    (folder / ".team" / "g.yaml").rename(folder / "g.YAML")
    assert cli("validate").out.startswith("g.YAML:1:1: warning: this file contains ProtectionGroup/shop,")
    cli("plan", "-o", "plan.json")
    assert "stands in g.YAML, which is left out" in cli("show", "plan.json").out


@pytest.mark.parametrize("command", [("state", "list"), ("output",), ("plan",), ("destroy",), ("validate",)], ids=str)
def test_an_environment_whose_file_is_gone_is_not_forgotten(cli, write, folder, command):
    write("shop")
    (folder / "environments").mkdir()
    file = folder / "environments" / "stage.yaml"
    file.write_text("")
    cli("--env", "stage", "apply", "--auto-approve")
    file.unlink()
    ran = cli("--env", "stage", *command)
    assert ran.code == 64
    assert ran.err == (
        "error: no environment is named 'stage', yet 1 object is recorded for it. Bring environments/stage.yaml back to"
        " look at or destroy what is recorded; where every variable has a default, an empty file will do."
        " Known: default.\n"
    )
    file.write_text("")
    assert cli("--env", "stage", *command).code != 64 or command == ("destroy",)


def test_an_environment_that_never_was_is_a_mistake(cli, write):
    write("shop")
    ran = cli("--env", "stage", "state", "list")
    told = "no environment is named 'stage'. Known: default. To add it, create environments/stage.yaml."
    assert (ran.code, ran.err) == (64, f"error: {told}\n")


def tree(folder):
    """Every file below the folder, with its content and the moment it was last written."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def read_only(monkeypatch):
    """Let the system call say of every folder that it can't be written to, as it does for a read-only checkout."""
    monkeypatch.setattr("os.access", lambda path, mode, **options: not mode & os.W_OK)


@pytest.mark.parametrize("command", [("plan",), ("drift",), ("status",), ("plan", "--destroy"), ("graph",)], ids=str)
def test_a_read_only_checkout_can_be_looked_at(cli, write, folder, read_only, monkeypatch, command):
    write("shop")
    with monkeypatch.context() as writable:
        writable.setattr("os.access", lambda *_, **__: True)
        cli("apply", "--auto-approve")
    before = tree(folder)
    assert cli(*command).code == 0
    assert tree(folder) == before


def test_a_read_only_checkout_without_a_world_can_be_planned_on(cli, write, folder, read_only):
    write("shop")
    before = tree(folder)
    ran = cli("plan")
    assert (ran.code, "Plan: 1 to create." in ran.out) == (0, True)
    assert tree(folder) == before
    assert sorted(path.name for path in folder.iterdir()) == ["groups.yaml", "stack.yaml"]


def test_a_copy_of_a_world_has_what_its_log_holds(write, folder, cli, world):
    write("shop")
    cli("apply", "--auto-approve")
    path = folder / ".declarative" / "simulator.sqlite"
    with world() as cloud:  # as long as it is open, the change stands in the log alone
        (group,) = cloud.groups()
        cloud.operator.rename_group(str(group["id"]), "renamed")
        assert path.with_name("simulator.sqlite-wal").stat().st_size
        with World.open(path, lasting=False) as copy:
            assert [group["name"] for group in copy.groups()] == ["renamed"]
            copy.operator.delete_group(str(group["id"]))
        assert [group["name"] for group in cloud.groups()] == ["renamed"]
