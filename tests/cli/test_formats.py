"""Every command can show its result in every format that it offers."""

import json

import click
import pytest

from declarative.cli.root import root
from declarative.simulator import World

SHOP = "ProtectionGroup/shop"
ARGUMENTS = {
    "state show": [SHOP],
    "apply": ["--auto-approve"],
    "destroy": ["--auto-approve"],
    "graph": ["--destroy"],
    "explain": ["unknown-field"],
    "simulator change": [SHOP, "name=by-hand"],
    "simulator delete": [SHOP],
    "simulator break": [SHOP],
    "simulator repair": [SHOP],
    "simulator power": [SHOP, "off"],
    "simulator fail-over": [SHOP, "--force"],
    "simulator reverse": [SHOP, "--force"],
    "simulator reprotect": [SHOP, "--force"],
    "simulator set": ["quota=7"],
}


def offers(command=root, path=()):
    """Each command that has --format, by its words, with the formats."""
    context = click.Context(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from offers(command.get_command(context, name), (*path, name))
    for parameter in command.params:
        if parameter.name == "output_format":
            yield from ((" ".join(path), choice) for choice in parameter.type.choices)


@pytest.mark.parametrize(("words", "output_format"), list(offers()))
def test_a_result_is_shown_in_each_format_that_its_command_offers(words, output_format, cli, folder):
    cli("init", ".")
    cli("apply", "--auto-approve")
    if words.startswith("simulator"):
        with World.open(folder / ".declarative" / "simulator.sqlite") as world:  # there has to be what can break
            for group in world.groups():
                world.operator.add_instance(str(group["id"]))
    ran = cli(*words.split(), *ARGUMENTS.get(words, []), "--format", output_format)
    assert ran.code == 0, ran.err
    if output_format == "json":  # a stream of events has an object a line
        documents = ran.out.splitlines() if words in ("apply", "destroy") else [ran.out]
        assert documents
        for one in documents:
            json.loads(one)
