"""`simulator …`: the simulator, served on this machine or reset."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from declarative.cli.embedded import SimulatorFailed, world_file
from declarative.cli.groups import LazyGroup
from declarative.cli.options import formats, option
from declarative.cli.serving import ServeCommand, serving_options
from declarative.cli.setting import Given, Setting
from declarative.errors import UsageError, visible

if TYPE_CHECKING:
    from declarative.simulator import World

_PORT = 8780

_COMMANDS = {
    "start": ("background:start", "Start a simulator in the background."),
    "stop": ("background:stop", "Stop the one that was started here."),
    "serve": ("simulators:serve", "Serve a simulator in the foreground."),
    "change": ("acts:change", "Change fields of an object, so that the cloud drifts."),
    "delete": ("acts:delete", "Delete an object, a server or a disk by hand."),
    "break": ("acts:break_", "Break production disks, or the link to their copies."),
    "repair": ("acts:repair", "Repair what was broken."),
    "power": ("acts:power", "Switch servers on or off."),
    "fail-over": ("acts:fail_over", "Fail a protection group over."),
    "reverse": ("acts:reverse", "Move production to the other side by a planned failover."),
    "reprotect": ("acts:reprotect", "Protect a group again after a failover."),
    "set": ("acts:set_", "Set the quotas."),
    "reset": ("simulators:reset", "Delete the stack's embedded simulator with all that is in it."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def simulator() -> None:
    """A faithful SDRS that needs no cloud: served to any client, or embedded in a stack.

    What people do in the console can be played: change, delete, break, power, fail-over and so on act on the embedded
    simulator of the stack, or on a served one that --endpoint or SDRS_ENDPOINT names, never on a real cloud.

    \b
    Example: point this shell at a simulator; or see what a failover does to a stack that has been applied:
      eval "$(declarative simulator start)"
      declarative simulator fail-over ProtectionGroup/orders
      declarative plan
    """


@click.command(cls=ServeCommand)
@option(
    "port", "--port", type=click.IntRange(0, 65535), default=_PORT, show_default=True, help="Port; 0 takes a free one."
)
@option(
    "ready_file",
    "--ready-file",
    metavar="FILE",
    help="Write the export lines to FILE once the simulator answers; they are gone when it ends.",
)
@serving_options
@click.pass_obj
def serve(setting: Setting, /, port: int, ready_file: str | None, token: str | None, **choices: Given) -> None:
    """Serve a fresh simulator on 127.0.0.1 until it is interrupted; its world lives in memory.

    Once it answers, it prints three export lines for a shell. `simulator start` does the same in the background.

    \b
    Example: every fifth answer to a create is lost:
      declarative simulator serve --speed 20 --fault 'POST server-groups:lost-after:p=0.2'
    """
    from declarative.simulator import WorldError
    from declarative.simulator import serve as serve_world

    path = None if ready_file is None else setting.path(ready_file)
    try:
        with _fresh_world(setting, **choices) as world:
            serve_world(world, port=port, token=token, ready_file=path)
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
    accounts: str | None,
    faults: tuple[str, ...],
    rules: tuple[str, ...],
) -> World:
    from declarative.simulator import Origin, World, load_accounts, load_estate, read_fault, read_rules

    try:
        strikes = [read_fault(fault) for fault in faults]
        behaviour = read_rules(rules)
    except ValueError as error:
        raise UsageError(str(error), "`declarative simulator serve --help` lists the faults and rules.") from error
    try:
        known = None if estate is None else load_estate(setting.path(estate))
        people = None if accounts is None else load_accounts(setting.path(accounts))
    except ValueError as error:
        raise UsageError(str(error)) from error
    origin = Origin(project or "", estate=known, accounts=people)
    if quota is not None:
        pairs = -1 if quota == -1 else origin.replication_quota
        origin = replace(origin, group_quota=quota, replication_quota=pairs)
    return World.open(speed=speed, faults=strikes, rules=behaviour, origin=origin)


@click.command()
@formats("text", "json")
@click.pass_obj
def reset(setting: Setting, output_format: str) -> None:
    """Delete the stack's embedded simulator with all that is in it; the next command begins a fresh one.

    \b
    Example:
      declarative simulator reset
    """
    from declarative.simulator import WorldError, delete_world
    from declarative.views.text import line
    from declarative.views.view import Told

    path = world_file(setting.folder)
    try:
        found = delete_world(path)
    except WorldError as error:
        raise SimulatorFailed(str(error)) from error
    lines = [line(f"deleted {visible(path)}")] if found else []
    setting.screen.present(Told("simulator-reset", lines, {"deleted": str(path) if found else None}), output_format)
    if not found:
        setting.screen.err("There is no embedded simulator here: nothing to delete.")
        return
    setting.screen.err("What is recorded of its objects is now stale; for a fresh start delete the state as well.")
