"""Every command shows its result in every format that it offers, and as JSON by a schema of its own."""

import asyncio
import json
import re
import shutil
from pathlib import Path

import click
import pytest

from declarative.cli.root import root
from declarative.errors import StateError
from declarative.simulator import World
from declarative.state.local import LocalStore
from declarative.workflow import schemas
from declarative.workflow.backends import writing
from declarative.workflow.manifests import stack_of
from declarative.workflow.project import Project
from tests.scaffold import small_stacks
from tests.scaffold.forms import hold

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "drill"
SHOP = "ProtectionGroup/shop"
LOCK = "0d5e7f1a-7a9e-4c5e-9d1c-2f3b8a6c4e10"
STREAMS = ("apply", "destroy")  # an event a line

# Commands without --format json, and why.
NO_JSON = {
    "schema": "prints a JSON Schema",
    "completion": "prints a script for a shell",
    "help": "prints the help of a command",
    "state pull": "prints the state as it is kept, which is JSON",
    "simulator serve": "serves until it is interrupted; what it prints is for a shell to read",
    "simulator start": "prints lines for a shell to load",
    "simulator stop": "prints a line for a shell to load",
}


def commands(command=root, path=()):
    """Each command that does something, by its words."""
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from commands(command.get_command(context, name), (*path, name))


COMMANDS = dict(commands())
FORMATS = {
    words: tuple(parameter.type.choices)
    for words, command in COMMANDS.items()
    for parameter in command.params
    if parameter.name == "output_format"
}


def test_every_command_has_json_or_a_reason_why_not():
    assert {words for words in COMMANDS if "json" not in FORMATS.get(words, ())} == NO_JSON.keys()
    assert set(schemas.FORMS) == {words for words in COMMANDS if "json" in FORMATS.get(words, ())} | {"state pull"}


# ---------------------------------------------------------------- what each command is called with


@pytest.fixture
def applied(cli, folder):
    """A stack with an object of many kinds, applied."""
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    assert cli("apply", "--auto-approve").code == 0


def pulled(cli, folder):
    cli("state", "pull", "-o", "pulled.json")


def pulled_before_a_change(cli, folder):
    """A pulled state in which one object is another, one is missing, and one is left over."""
    pulled(cli, folder)
    cli("state", "rm", "DRDrill/shop[spring]")
    cli("state", "mv", SHOP, "ProtectionGroup/store")


def environments(cli, folder):
    (folder / "environments").mkdir()
    (folder / "environments" / "prod.yaml").write_text("")


def forgotten(cli, folder):
    cli("state", "rm", SHOP)


def described_otherwise(cli, folder):
    """A manifest asks for another group, and every plan of that has dangers."""
    text = (folder / "shop.yaml").read_text()
    (folder / "shop.yaml").write_text(text.replace("source_vpc_id: ", "source_vpc_id: a"))


def changed_by_hand(cli, folder):
    """Somebody renames a group and deletes a drill in the console."""
    group, drill = id_of(cli, SHOP), id_of(cli, "DRDrill/shop[spring]")
    with World.open(folder / ".declarative" / "simulator.sqlite") as cloud:
        cloud.operator.rename_group(group, "by-hand")
        cloud.operator.set_drill_status(drill, "error")


def unrecorded(cli, folder):
    """A recovery file: the state could not be written while groups were made."""
    real, count = LocalStore.append, []

    def fails(self, records, *, after):
        count.append(records)
        if len(count) > 2:
            raise StateError("the place is away")
        return real(self, records, after=after)

    others = [re.sub(r"\bshop\b", name, small_stacks.GROUP) for name in ("a", "b", "c")]
    (folder / "other.yaml").write_text("---\n".join(others))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalStore, "append", fails)
        patch.setattr(LocalStore, "write", lambda *args, **options: fails(None, (), after=0))
        assert cli("apply", "--auto-approve", "--allow", "duplicate").code != 0
    (kept,) = (folder / ".declarative" / "default").glob("recovery-*.jsonl")
    kept.rename(folder / "kept.jsonl")


def locked(cli, folder):
    """The text of a lock whose holder was killed."""
    holder = {"id": LOCK, "who": "ada", "host": "ci", "pid": 7, "operation": "apply", "since": "2026-01-02T03:04:05Z"}
    (folder / ".declarative" / "default" / "state.json.lock").write_text(json.dumps(holder))


def id_of(cli, address):
    return json.loads(cli("state", "show", address, "--format", "json").out)["id"]


# By command: what is done before, and the arguments; several where there are several forms of a result.
CASES = {
    "init": [(None, ["../other"])],
    "plan": [(None, []), (None, ["--destroy"]), (described_otherwise, []), (changed_by_hand, [])],
    "apply": [(None, ["--auto-approve"])],
    "destroy": [(None, ["--auto-approve"])],
    "drift": [(None, []), (changed_by_hand, [])],
    "status": [(None, [])],
    "show": [(None, [])],
    "graph": [(None, ["--destroy"]), (None, []), (None, ["--objects"])],
    "explain": [
        (None, ["unknown-field"]),
        (None, [SHOP.partition("/")[0]]),
        (None, ["SDRS.1303"]),
        (None, ["Stack.spec"]),
    ],
    "state show": [(None, [SHOP])],
    "state mv": [(None, [SHOP, "ProtectionGroup/store"])],
    "state rm": [(None, [SHOP, "DRDrill/shop[spring]"])],
    "state push": [(pulled, ["pulled.json", "--force"])],
    "state diff": [(pulled_before_a_change, ["pulled.json"]), (pulled, ["pulled.json"])],
    "state rebind": [(None, ["--auto-approve"])],
    "state migrate": [(None, ["local:elsewhere"])],
    "state rebuild": [(None, []), (forgotten, [])],
    "state recover": [(unrecorded, ["kept.jsonl"])],
    "state restore": [(None, []), (None, ["1"])],
    "env list": [(None, []), (environments, [])],
    "lock show": [(None, [])],
    "lock break": [(locked, [LOCK])],
    "import": [(forgotten, [SHOP, "ID"])],
    "export": [(None, ["../copy"])],
    "simulator reset": [(None, [])],
    "simulator change": [(None, [SHOP, "name=by-hand"])],
    "simulator delete": [(None, [SHOP])],
    "simulator break": [(None, [SHOP])],
    "simulator repair": [(None, [SHOP])],
    "simulator power": [(None, [SHOP, "off"])],
    "simulator fail-over": [(None, [SHOP, "--force"])],
    "simulator reverse": [(None, [SHOP, "--force"])],
    "simulator reprotect": [(None, [SHOP, "--force"])],
    "simulator set": [(None, ["quota=7"])],
}
RUNS = [
    pytest.param(words, form, before, arguments, id=f"{words}-{form}-{number}")
    for words, forms in FORMATS.items()
    for form in forms
    for number, (before, arguments) in enumerate(CASES.get(words, [(None, [])]))
    if form in ("text", "json") or number == 0
]


@pytest.mark.parametrize(("words", "form", "before", "arguments"), RUNS)
def test_a_result_is_shown_in_each_format_that_its_command_offers(words, form, before, arguments, cli, folder, applied):
    known = {"ID": id_of(cli, SHOP)}
    if before is not None:
        before(cli, folder)
    ran = cli(*words.split(), *(known.get(one, one) for one in arguments), "--format", form)
    assert ran.code in (0, 3 if words == "state rebuild" else 0), ran.err
    if form == "json":
        hold(schemas.FORMS[words], *(ran.out.splitlines() if words in STREAMS else [ran.out]))


def test_a_pulled_state_is_valid_by_its_schema(cli, applied):
    hold(schemas.FORMS["state pull"], cli("state", "pull").out)


def test_a_saved_plan_is_shown_as_the_plan_that_it_is(cli, folder, applied):
    assert cli("plan", "--destroy", "-o", "plan.json").code == 0
    hold("plan", cli("show", "plan.json", "--format", "json").out)


@pytest.mark.parametrize("name", ["outcome", "summary"])
def test_what_is_rendered_is_valid_by_its_schema(name, cli, folder, applied):
    form = "json" if name == "outcome" else "summary"
    cli("destroy", "--auto-approve", "--render", f"{form}=result.json")
    hold(name, (folder / "result.json").read_text())


@pytest.mark.parametrize("words", [words for words in FORMATS if "json" in FORMATS[words] and words not in STREAMS])
def test_a_failure_is_findings_in_place_of_a_result(words, cli, folder):
    """In a folder with a broken Stack; what needs none succeeds."""
    (folder / "stack.yaml").write_text("apiVersion: sdrs/v1\nkind: Stack\nmetadata: {}\n")
    arguments = {"explain": ["nothing-of-the-kind"], "init": ["."]}.get(words, CASES.get(words, [(None, [])])[0][1])
    ran = cli(*words.split(), *arguments, "--format", "json")
    hold("findings" if ran.code else schemas.FORMS[words], ran.out)


def test_a_status_that_is_not_healthy_is_valid_by_its_schema(cli, folder, applied):
    changed_by_hand(cli, folder)
    ran = cli("status", "--format", "json")
    hold("status", ran.out)
    assert ran.code == 1
    assert not json.loads(ran.out)["healthy"]


def test_who_holds_a_lock_is_valid_by_its_schema(cli, folder, applied):
    async def held():
        project = Project(folder=folder)
        async with writing(project, stack_of(project), "apply"):
            return cli("lock", "show", "--format", "json").out

    shown = asyncio.run(held())
    assert json.loads(shown)["operation"] == "apply"
    hold("lock-show", shown)


def test_where_credentials_come_from_is_valid_by_its_schema(cli, folder):
    (folder / "stack.yaml").write_text("apiVersion: sdrs/v1\nkind: Stack\nmetadata: {name: s}\n")
    ran = cli("auth", "show-sources", "--format", "json")
    assert ran.code == 1
    hold("auth-show-sources", ran.out)
