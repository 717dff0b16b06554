"""`simulator …`, and the way to the embedded simulator for stacks that say `simulator: true`."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from declarative.cli.options import Given, Setting, ValueType, option
from declarative.cli.root import LazyGroup
from declarative.errors import DeclarativeError, UsageError, visible

if TYPE_CHECKING:
    from declarative.simulator import World
    from declarative.workflow.project import Embedded

_EMBEDDED_SPEED = 14.0  # the simulator's jobs that take 20 s then end in about 1.5 s: long enough to watch
_PORT = 8780

_COMMANDS = {
    "serve": ("simulators:serve", "Serve the simulator on this machine."),
    "reset": ("simulators:reset", "Delete the stack's embedded simulator with all that is in it."),
}


class SimulatorFailed(DeclarativeError):
    """The simulator can't start or can't use its file."""


def world_file(folder: Path) -> Path:
    """Where the embedded simulator of a stack keeps its world."""
    return folder / ".declarative" / "simulator.sqlite"


def embedded(folder: Path, *, environ: Mapping[str, str] = os.environ) -> Embedded:
    """The embedded simulator of the stack in `folder`; DECLARATIVE_SIMULATOR_SPEED sets its speed.

    Raises SimulatorFailed when its file can't be used.
    """
    from declarative.simulator import EmbeddedTransport, World, WorldError
    from declarative.workflow.project import SIMULATOR, Embedded

    speed = _speed(environ.get("DECLARATIVE_SIMULATOR_SPEED", ""))
    path = world_file(folder)
    lasting = os.access(path.parent if path.parent.exists() else folder, os.W_OK)
    try:
        if lasting:
            path.parent.mkdir(mode=0o700, exist_ok=True)
        world = World.open(path, speed=speed, lasting=lasting)  # a read-only checkout can be planned on all the same
    except (WorldError, OSError) as error:
        raise SimulatorFailed(str(error)) from error
    world.accept_token(SIMULATOR)
    if context := click.get_current_context(silent=True):
        context.call_on_close(world.close)
    return Embedded(world.project_id, EmbeddedTransport(world))


def _speed(text: str) -> float:
    if not text:
        return _EMBEDDED_SPEED
    try:
        return Speed().convert(text, None, None)
    except click.BadParameter as error:
        raise UsageError(f"DECLARATIVE_SIMULATOR_SPEED: {error.message}") from error


class Speed(ValueType):
    """How many times faster than real jobs end; `inf`: at once."""

    name = "factor"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if not number > 0:  # also refuses what is no number
            self.fail(f"{str(value)!r} is no number above 0.", param, ctx)
        return number


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def simulator() -> None:
    """A faithful SDRS that needs no cloud: served to any client, or embedded in a stack.

    \b
    Example:
      declarative simulator serve
    """


class ServeCommand(click.Command):
    """`serve`, whose help ends with the languages of faults and rules."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from declarative.simulator import FAULT_HELP, RULE_HELP

        formatter.write(f"\n{FAULT_HELP}\n{RULE_HELP}")


@click.command(cls=ServeCommand)
@option(
    "port", "--port", type=click.IntRange(0, 65535), default=_PORT, show_default=True, help="Port; 0 takes a free one."
)
@option("speed", "--speed", type=Speed(), default="1", help="How many times faster jobs end; inf: at once.")
@option("project", "--project-id", metavar="ID", help="The project's id; drawn when not given.")
@option("token", "--token", metavar="TOKEN", help="A token that works; drawn when not given.")
@option("quota", "--quota", type=click.IntRange(min=-1), help="Quota of protection groups; -1: none, of pairs neither.")
@option("estate", "--estate", metavar="FILE", help="Servers and disks that exist, as YAML; else any id is fine.")
@option("faults", "--fault", multiple=True, metavar="FAULT", help="What shall go wrong, see below. Repeatable.")
@option("rules", "--rule", multiple=True, metavar="RULE", help="How the service behaves, see below. Repeatable.")
@click.pass_obj
def serve(setting: Setting, /, port: int, token: str | None, **choices: Given) -> None:
    """Serve a fresh simulator on 127.0.0.1 until it is interrupted; its world lives in memory.

    It prints three export lines for a shell.

    \b
    Example: every fifth answer to a create is lost:
      declarative simulator serve --speed 20 --fault 'POST server-groups:lost-after:p=0.2'
    """
    from declarative.simulator import WorldError
    from declarative.simulator import serve as serve_world

    try:
        with _fresh_world(setting, **choices) as world:
            serve_world(world, port=port, token=token)
    except WorldError as error:
        raise SimulatorFailed(str(error)) from error
    setting.screen.err("The simulator has ended.")


def _fresh_world(
    setting: Setting,
    *,
    project: str | None,
    speed: float,
    quota: int | None,
    estate: str | None,
    faults: tuple[str, ...],
    rules: tuple[str, ...],
) -> World:
    from declarative.simulator import Origin, World, load_estate, read_fault, read_rules

    try:
        strikes = [read_fault(fault) for fault in faults]
        behaviour = read_rules(rules)
    except ValueError as error:
        raise UsageError(str(error), "`declarative simulator serve --help` lists the faults and rules.") from error
    try:
        known = None if estate is None else load_estate(setting.path(estate))
    except ValueError as error:
        raise UsageError(str(error)) from error
    origin = Origin(project or "", estate=known)
    if quota is not None:
        pairs = -1 if quota == -1 else origin.replication_quota
        origin = replace(origin, group_quota=quota, replication_quota=pairs)
    return World.open(speed=speed, faults=strikes, rules=behaviour, origin=origin)


@click.command()
@click.pass_obj
def reset(setting: Setting) -> None:
    """Delete the stack's embedded simulator with all that is in it; the next command begins a fresh one.

    \b
    Example:
      declarative simulator reset
    """
    from declarative.simulator import WorldError, delete_world

    path = world_file(setting.folder)
    try:
        found = delete_world(path)
    except WorldError as error:
        raise SimulatorFailed(str(error)) from error
    if not found:
        setting.screen.err("There is no embedded simulator here: nothing to delete.")
        return
    setting.screen.out(f"deleted {visible(path)}")
    setting.screen.err("What is recorded of its objects is now stale; for a fresh start delete the state as well.")
