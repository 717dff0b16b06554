"""The options of a served simulator, for the command that serves it and the one that starts that in the background."""

from __future__ import annotations

import click

from declarative.cli.embedded import Speed
from declarative.cli.options import option
from declarative.cli.setting import Command

_OPTIONS = (
    option("speed", "--speed", type=Speed(), default="1", help="How many times faster jobs end; inf: at once."),
    option("project", "--project-id", metavar="ID", help="The project's id; random by default."),
    option("token", "--token", metavar="TOKEN", help="A token that works; random by default."),
    option(
        "quota", "--quota", type=click.IntRange(min=-1), help="Quota of protection groups; -1: none, of pairs neither."
    ),
    option("estate", "--estate", metavar="FILE", help="Servers and disks that exist, as YAML; else any id is fine."),
    option("accounts", "--accounts", metavar="FILE", help="Who may sign in, as YAML; else everyone is let in."),
    option("faults", "--fault", multiple=True, metavar="FAULT", help="Inject a fault; see below. Repeatable."),
    option("rules", "--rule", multiple=True, metavar="RULE", help="How the service behaves; see below. Repeatable."),
)


class ServeCommand(click.Command):
    """A command with these options, whose help ends with the languages of faults and rules."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from declarative.simulator import FAULT_HELP, RULE_HELP

        formatter.write(f"\n{FAULT_HELP}\n{RULE_HELP}")


def serving_options(command: Command) -> Command:
    """`--speed`, `--project-id`, `--token`, `--quota`, `--estate`, `--accounts`, `--fault`, `--rule`."""
    for add in reversed(_OPTIONS):
        command = add(command)
    return command
