"""Each example as its reader uses it: a copy of the folder, the command in a process of its own, the embedded cloud."""

import copy
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import declarative
from declarative.simulator import World

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
COMMAND = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"
CHANGES = 2  # of plan --detailed-exitcode
WITHHELD = 5

ONE_MORE_GROUP = """\
apiVersion: sdrs/v1
kind: ProtectionGroup
metadata: {name: mail}
spec:
  name: mail
  source_availability_zone: eu-de-01
  target_availability_zone: eu-de-02
  domain: ActiveactiveDomain
  source_vpc_id: 6f8f5e0c-3d0b-4b59-9d0c-7b0a3c1d2e4f
"""


@dataclass(frozen=True)
class Example:
    """What an example makes, a change to its files, and what there is afterwards: names by kind."""

    folder: str
    made: dict
    edits: tuple  # of (file, old text, new text); no old text: a new file
    edited: dict
    protected: bool = True


QUICKSTART = Example(
    "quickstart",
    made={"groups": {"shop-demo", "orders-demo", "reports-demo"}},
    edits=(("groups.yaml", "name: reports-${var.stage}", "name: reporting"), ("mail.yaml", "", ONE_MORE_GROUP)),
    edited={"groups": {"shop-demo", "orders-demo", "reporting", "mail"}},
    protected=False,
)
NEW_WEB_SERVER = (
    "stack.yaml",
    "        web-1: ",
    "        web-3: 9f11eb4e-46c5-4445-8c7c-520ce8cd6bca\n        web-1: ",
)
THREE_TIER = Example(
    "three-tier",
    made={
        "groups": {"shop-default-application", "shop-default-database"},
        "instances": {"shop-default-web-1", "shop-default-web-2", "shop-default-app-1", "shop-default-db-1"},
        "replications": {
            "shop-default-web-1-vda",
            "shop-default-web-2-vda",
            "shop-default-app-1-vda",
            "shop-default-db-1-data",
        },
    },
    edits=(NEW_WEB_SERVER, ("database.yaml", "name: shop-${environment}-database", "name: orders")),
    edited={
        "groups": {"shop-default-application", "orders"},
        "instances": {
            *("shop-default-web-1", "shop-default-web-2", "shop-default-web-3"),
            *("shop-default-app-1", "shop-default-db-1"),
        },
    },
)
SHARED_DISK = Example(
    "shared-disk",
    made={
        "groups": {"cluster"},
        "instances": {"node-1", "node-2"},
        "replications": {"node-1-vda", "node-2-vda", "cluster-shared"},
    },
    edits=(
        ("cluster.yaml", "name: cluster-shared", "name: quorum"),
        (
            "stack.yaml",
            "        node-1: ",
            "        node-3: a84cfe8a-8631-426c-9ac1-92ef5c781daf\n        node-1: ",
        ),
    ),
    edited={
        "instances": {"node-1", "node-2", "node-3"},
        "replications": {"node-1-vda", "node-2-vda", "node-3-vda", "quorum"},
    },
)
DRILL = Example(
    "drill",
    made={"groups": {"shop"}, "instances": {"web-1", "db-1"}, "drills": {"shop-spring"}},
    edits=(
        ("shop.yaml", "name: shop-${each.key}", "name: drill-${each.key}"),
        ("shop.yaml", "  web-1: a34b", "  web-2: e7c4da02-eda7-4107-917b-cb8bfe971fc6\n  web-1: a34b"),
    ),
    edited={"instances": {"web-1", "web-2", "db-1"}, "drills": {"drill-spring"}},
)
ALL = (QUICKSTART, THREE_TIER, SHARED_DISK, DRILL)


class Reader:
    """Somebody with a copy of an example."""

    def __init__(self, example: str, place: Path) -> None:
        self.folder = place / example
        shutil.copytree(EXAMPLES / example, self.folder, ignore=shutil.ignore_patterns(".declarative"))
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("DECLARATIVE_", "SDRS_", "OS_"))
        }
        self._environment = {
            **kept,
            "PYTHONPATH": str(Path(declarative.__file__).parents[1]),  # the package that these tests import
            "XDG_STATE_HOME": str(place / "marks"),
            "DECLARATIVE_SIMULATOR_SPEED": "inf",
        }

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run one command, which must end with `code`; what it printed."""
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, "-C", str(self.folder), *arguments],
            cwd=self.folder.parent,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def run_script(self, name: str) -> None:
        """Run a shell script of the folder, for which `declarative` is on the path."""
        command = self.folder.parent / "bin" / "declarative"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{COMMAND}" "$@"\n')
        command.chmod(0o755)
        path = f"{command.parent}:{self._environment['PATH']}"
        script = ["sh", str(self.folder / name)]
        subprocess.run(script, env={**self._environment, "PATH": path}, check=True, capture_output=True, timeout=60)

    def at(self, folder: Path) -> "Reader":
        """The same person in another folder."""
        other = copy.copy(self)
        other.folder = folder
        return other

    def edit(self, file: str, old: str, new: str) -> None:
        """Put `new` in place of the one `old` in a file; without `old`, write a new file."""
        path = self.folder / file
        text = path.read_text() if old else ""
        assert text.count(old) == 1 or not old
        path.write_text(text.replace(old, new) if old else new)

    def world(self) -> World:
        """The embedded cloud of the folder."""
        return World.open(self.folder / ".declarative" / "simulator.sqlite")

    def names(self) -> dict:
        """The names of what is in the cloud, by kind."""
        with self.world() as cloud:
            return {kind: {str(one["name"]) for one in getattr(cloud, kind)()} for kind in KINDS}

    def ids(self) -> set:
        """The ids of what is in the cloud."""
        with self.world() as cloud:
            return {str(one["id"]) for kind in KINDS for one in getattr(cloud, kind)()}

    def changing_calls(self) -> int:
        """How many requests were sent to change something."""
        with self.world() as cloud:
            return len(cloud.changes())


KINDS = ("groups", "instances", "replications", "drills")


def _is_as(found: dict, wanted: dict) -> bool:
    return {kind: found[kind] for kind in wanted} == wanted


def test_every_example_is_tried_here():
    assert {path.name for path in EXAMPLES.iterdir() if path.name != "pipelines"} == {example.folder for example in ALL}


@pytest.mark.parametrize("example", ALL, ids=lambda example: example.folder)
def test_an_example_from_nothing_to_all_and_back(example, tmp_path):
    reader = Reader(example.folder, tmp_path)
    reader.run("validate")
    reader.run("plan", "--detailed-exitcode", code=CHANGES)
    assert reader.ids() == set()

    reader.run("apply", "--auto-approve")
    assert _is_as(reader.names(), example.made)
    _is_protected(reader, example)

    sent, first = reader.changing_calls(), reader.ids()
    reader.run("apply", "--auto-approve")
    reader.run("plan", "--detailed-exitcode")
    assert reader.changing_calls() == sent

    for edit in example.edits:
        reader.edit(*edit)
    reader.run("apply", "--auto-approve")
    assert _is_as(reader.names(), example.edited)
    assert first < reader.ids()
    _is_protected(reader, example)

    reader.run("destroy", "--auto-approve")
    assert reader.ids() == set()
    assert reader.run("state", "list") == ""
    with reader.world() as cloud:
        assert (cloud.servers(), cloud.disks()) == ([], [])


@pytest.mark.parametrize("example", ALL, ids=lambda example: example.folder)
def test_what_an_example_has_made_can_be_exported_and_managed_from_there(example, tmp_path):
    reader = Reader(example.folder, tmp_path)
    reader.run("apply", "--auto-approve")
    reader.run("export", "../exported")
    other = reader.at(tmp_path / "exported")
    (other.folder / ".declarative").mkdir()
    shutil.copy(reader.folder / ".declarative" / "simulator.sqlite", other.folder / ".declarative")
    other.run("validate")
    other.run_script("imports.sh")
    assert "Nothing to do" in other.run("plan", "--detailed-exitcode")
    assert "Healthy" in other.run("status")
    other.run("destroy", "--auto-approve")
    assert other.ids() == set()


def _is_protected(reader: Reader, example: Example) -> None:
    with reader.world() as cloud:
        statuses = {group["status"] for group in cloud.groups()}
    assert statuses == {"protected" if example.protected else "available"}
    assert "Healthy" in reader.run("status")


def test_the_environments_of_the_three_tiers_live_side_by_side(tmp_path):
    reader = Reader("three-tier", tmp_path)
    for name in ("staging", "prod"):
        reader.run("--env", name, "apply", "--auto-approve")
    stages = ("staging", "prod")
    assert reader.names()["groups"] == {
        f"shop-{stage}-{part}" for stage in stages for part in ("application", "database")
    }
    with reader.world() as cloud:
        made = [one["name"] for one in cloud.instances()]
    assert (sum("staging" in name for name in made), sum("prod" in name for name in made)) == (3, 7)

    assert "stays" not in reader.run("--env", "staging", "plan", "--destroy")
    reader.run("--env", "staging", "destroy", "--auto-approve")
    assert reader.names()["groups"] == {"shop-prod-application", "shop-prod-database"}
    reader.run("--env", "prod", "destroy", "--auto-approve")
    assert reader.ids() == set()
    with reader.world() as cloud:
        assert [server["role"] for server in cloud.servers()] == ["ordinary"] * 7, "prod keeps its DR servers"


def test_a_drill_is_held_once_more_and_ends(tmp_path):
    reader = Reader("drill", tmp_path)
    reader.run("apply", "--auto-approve")
    with reader.world() as cloud:
        (first,) = cloud.drills()
    reader.run("apply", "--auto-approve", "--replace", "DRDrill/shop[spring]", "--allow", "replace")
    with reader.world() as cloud:
        (second,) = cloud.drills()
    assert (second["name"], second["id"] == first["id"]) == (first["name"], False)
    reader.edit("stack.yaml", "default: [spring]", "default: []")
    reader.run("apply", "--auto-approve", "--allow", "delete:DRDrill/shop[spring]")
    assert (reader.names()["drills"], reader.names()["groups"]) == (set(), {"shop"})


def test_a_disaster_holds_one_group_and_no_other(tmp_path):
    """What docs/failover.md promises, from the failover to the acceptance of the other side."""
    reader = Reader("three-tier", tmp_path)
    reader.run("apply", "--auto-approve")
    with reader.world() as cloud:
        database = next(group["id"] for group in cloud.groups() if group["name"] == "shop-default-database")
        cloud.operator.fail_over(database)
    reader.edit("database.yaml", "name: shop-${environment}-database", "name: orders")
    reader.edit(*NEW_WEB_SERVER)

    assert "Withheld" in reader.run("plan")
    reader.run("apply", "--auto-approve", code=WITHHELD)
    assert "shop-default-web-3" in reader.names()["instances"]
    assert _about(reader, database) == {"shop-default-database", "failed-over", "target"}
    reader.run("destroy", "--auto-approve", code=WITHHELD)
    assert reader.names()["groups"] == {"shop-default-database"}

    with reader.world() as cloud:
        cloud.operator.set_status(database, "protected")  # protected again, in the other direction
        for pair in cloud.replications():
            cloud.operator.set_replication_status(pair["id"], "protected")
        for instance in cloud.instances():
            cloud.operator.set_instance_status(instance["id"], "protected")
    reader.run("apply", "--auto-approve", code=WITHHELD)
    assert _about(reader, database) == {"shop-default-database", "protected", "target"}
    reader.edit("database.yaml", "  protection: enabled\n", "  protection: enabled\n  priority_station: target\n")
    reader.run("apply", "--auto-approve")
    assert _about(reader, database) == {"orders", "protected", "target"}


def _about(reader: Reader, group_id: str) -> set:
    with reader.world() as cloud:
        group = next(group for group in cloud.groups() if group["id"] == group_id)
    return {group["name"], group["status"], group["priority_station"]}
