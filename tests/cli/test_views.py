"""`status`, `graph` and `export` at the command line, on the embedded simulator."""

import json
import re
import shutil

import pytest

from declarative.simulator import World


@pytest.fixture
def shop(cli, folder):
    """The example stack, applied."""
    cli("init", "shop")
    assert cli("-C", "shop", "apply", "--auto-approve").code == 0
    return folder / "shop"


def test_an_applied_stack_is_healthy(cli, shop):
    ran = cli("-C", "shop", "status")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("ProtectionGroup/orders ")
    assert ran.out.endswith("Healthy: 3 groups.\n")


def test_one_address_can_be_asked_for(cli, shop):
    document = json.loads(cli("-C", "shop", "status", "ProtectionGroup/shop", "--format", "json").out)
    assert [group["address"] for group in document["groups"]] == ["ProtectionGroup/shop"]
    assert document["healthy"] is True


def test_a_broken_group_is_an_error(cli, shop):
    with World.open(shop / ".declarative" / "simulator.sqlite") as world:
        broken = next(group for group in world.groups() if group["name"] == "orders-demo")
        world.operator.set_status(broken["id"], "error-starting")
    ran = cli("-C", "shop", "status", "ProtectionGroup/orders")
    assert ran.code == 1
    assert "! status error-starting: enabling protection failed" in ran.out
    assert cli("-C", "shop", "status", "ProtectionGroup/shop").code == 0


def test_a_plan_that_only_withholds_has_something_to_do_and_a_failover_is_drift(cli, shop):
    with World.open(shop / ".declarative" / "simulator.sqlite") as world:
        held = next(group for group in world.groups() if group["name"] == "orders-demo")
        world.operator.set_status(held["id"], "failed-over")
    ran = cli("-C", "shop", "drift", "--detailed-exitcode")
    assert (ran.code, "failed-over" in ran.out) == (2, True)
    assert cli("-C", "shop", "plan", "--detailed-exitcode").code == 0
    groups = shop / "groups.yaml"
    groups.write_text(groups.read_text().replace("name: orders-", "name: new-orders-"))
    assert cli("-C", "shop", "plan", "--detailed-exitcode").code == 2
    assert cli("-C", "shop", "apply", "--auto-approve").code == 5


def test_an_unknown_address_is_a_mistake(cli, shop):
    ran = cli("-C", "shop", "status", "ProtectionGroup/order")
    assert (ran.code, ran.out) == (64, "")
    assert "Did you mean 'ProtectionGroup/orders'?" in ran.err


def test_a_stack_that_was_never_applied_has_no_status(cli):
    cli("init")
    ran = cli("status")
    assert (ran.code, ran.out) == (0, "Nothing is recorded.\n")


@pytest.mark.parametrize(
    ("form", "first", "node"),
    [("mermaid", "flowchart LR", 'n0["create ProtectionGroup/orders'), ("dot", "digraph plan {", "n0 [label=")],
)
def test_the_graph_has_a_box_for_each_step(cli, form, first, node):
    cli("init")
    ran = cli("graph", "--format", form)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(first)
    assert node in ran.out


def test_graph_without_steps_draws_the_objects(cli, shop):
    ran = cli("-C", "shop", "graph")
    assert (ran.code, ran.err) == (0, "The plan has no steps; this graph shows the objects.\n")
    assert 'n0["ProtectionGroup/orders<br/>orders-demo"]:::stay' in ran.out
    assert "delete ProtectionGroup/shop" in cli("-C", "shop", "graph", "--destroy").out


def test_graph_of_objects_needs_neither_steps_nor_a_cloud(cli, folder):
    cli("init")
    ran = cli("graph", "--objects", "--format", "dot")
    assert (ran.code, ran.err) == (0, "")
    assert 'label="ProtectionGroup/orders\\norders-demo\\nnot recorded yet"' in ran.out
    assert not (folder / ".declarative" / "simulator.sqlite").exists()


def test_graph_of_a_stack_without_objects_says_so(cli, folder):
    cli("init")
    (folder / "groups.yaml").unlink()
    stack = (folder / "stack.yaml").read_text()
    (folder / "stack.yaml").write_text(stack.partition("  outputs:")[0])
    ran = cli("graph", "--objects")
    assert (ran.code, ran.err.splitlines()[-1]) == (0, "The stack has no objects.")


def test_an_export_can_be_imported_as_it_is(cli, shop, folder):
    ran = cli("-C", "shop", "export", "../copy")
    assert ran.code == 0
    assert [line.rpartition("/")[2] for line in ran.out.splitlines()] == [
        "stack.yaml",
        "groups.yaml",
        "imports.sh",
        "sdrs.json",
        "environment.json",
    ]
    assert "3 objects. Next:" in ran.err
    copy = folder / "copy"
    (copy / ".declarative").mkdir()
    shutil.copy(shop / ".declarative" / "simulator.sqlite", copy / ".declarative")
    words = [word for line in (copy / "imports.sh").read_text().splitlines()[4:-1] for word in line.split()]
    assert len(words) == 6
    assert cli("-C", "copy", "import", *words).code == 0
    ran = cli("-C", "copy", "plan", "--detailed-exitcode")
    assert (ran.code, "Nothing to do" in ran.out) == (0, True)


def test_an_import_without_an_id_is_a_mistake(cli, shop):
    ran = cli("-C", "shop", "import", "ProtectionGroup/shop", "g1", "ProtectionGroup/orders")
    assert (ran.code, "Missing argument 'ID' behind 'ProtectionGroup/orders'" in ran.err) == (64, True)


def test_an_export_overwrites_nothing(cli, shop, folder):
    (folder / "copy").mkdir()
    (folder / "copy" / "groups.yaml").write_text("mine")
    ran = cli("-C", "shop", "export", "../copy")
    assert (ran.code, ran.out) == (1, "")
    assert "nothing was written, these exist already" in ran.err
    assert [path.name for path in (folder / "copy").iterdir()] == ["groups.yaml"]


def test_an_export_into_a_stack_is_a_mistake(cli, shop):
    before = sorted(shop.iterdir())
    ran = cli("-C", "shop", "export")
    assert (ran.code, "for example ../exported" in ran.err) == (64, True)
    assert sorted(shop.iterdir()) == before


@pytest.mark.parametrize("command", ["status", "graph", "export"])
def test_the_help_has_an_example(cli, command):
    ran = cli(command, "--help")
    assert ran.code == 0
    assert re.search(rf"Example.*\n(?:.*\n)*?\s+declarative {command}", ran.out)
