"""The tree of commands. A command's module is loaded when the command is asked for, not to list its name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from declarative.cli.groups import LazyGroup
from declarative.cli.screen import Screen
from declarative.cli.setting import Setting

if TYPE_CHECKING:
    from declarative.provider import Exchange, Hearing

_EACH_REQUEST = 2  # `-vv`
_ENVIRONMENT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

COMMANDS = {
    "init": ("starting:init", "Write a small stack that applies on the simulator."),
    "validate": ("starting:validate", "Check all manifests, offline."),
    "plan": ("plans:plan", "Show what apply would do, without doing it."),
    "apply": ("runs:apply", "Make the cloud agree with the manifests, or carry out a saved plan."),
    "destroy": ("runs:destroy", "Delete all that the stack manages."),
    "drift": ("plans:drift", "Show what the cloud has other than recorded."),
    "status": ("views:status", "Show how the recorded groups and their members are."),
    "show": ("plans:show", "Show the recorded state, or a saved plan."),
    "output": ("plans:output", "Print the recorded outputs, or one of them."),
    "graph": ("views:graph", "Draw the steps of the plan, or the objects."),
    "auth": ("auth:auth", "Show who signs in, with what, and what the service answers."),
    "state": ("states:state", "Show, edit, move and mend what is recorded."),
    "env": ("environments:env", "List the environments."),
    "lock": ("states:lock", "Show or break the lock of the state."),
    "import": ("runs:import_", "Record objects that exist in the cloud."),
    "export": ("exports:export", "Write manifests for what exists in the cloud."),
    "schema": ("schemas:schema", "Print a JSON Schema, or write those for editors."),
    "explain": ("explain:explain", "Say what a finding, a field or an error code means."),
    "simulator": ("simulators:simulator", "Run, change or reset the simulator."),
    "version": ("starting:version", "Print the version."),
}


def _print_version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from declarative import __version__

        ctx.ensure_object(Screen).out(f"declarative {__version__}")
        ctx.exit()


def _check_environment(ctx: click.Context, param: click.Parameter, name: str) -> str:
    if not _ENVIRONMENT.fullmatch(name):
        raise click.BadParameter("a name has lower-case letters, digits and dashes, at most 63.", ctx, param)
    return name


def _check_folder(ctx: click.Context, param: click.Parameter, name: str) -> Path:
    if not Path(name).is_dir():
        raise click.BadParameter(f"there is no folder {name!r}.", ctx, param)
    return Path(name)


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    no_args_is_help=False,
    context_settings={"auto_envvar_prefix": "DECLARATIVE", "max_content_width": 100},
)
@click.option(
    "-C", "folder", default=".", metavar="DIR", callback=_check_folder, allow_from_autoenv=False, help="Work in DIR."
)
@click.option(
    "environment",
    "--env",
    default="default",
    metavar="NAME",
    callback=_check_environment,
    allow_from_autoenv=False,
    help="The environment to work on.",
)
@click.option("--no-color", is_flag=True, allow_from_autoenv=False, help="No colours, also on a terminal.")
@click.option(
    "verbose", "-v", count=True, allow_from_autoenv=False, help="Say more, on standard error; -vv: each request too."
)
@click.option(
    "--log-file",
    metavar="FILE",
    allow_from_autoenv=False,
    help="Add a line of JSON for each request to the cloud at the end of FILE. Nothing in it is secret: no header, no"
    " body, no query. A new file is readable by its owner only.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    allow_from_autoenv=False,
    callback=_print_version,
    help="Print the version.",
)
@click.pass_context
def root(
    ctx: click.Context, folder: Path, environment: str, no_color: bool, verbose: int, log_file: str | None
) -> None:
    """Disaster recovery as code for the Storage Disaster Recovery Service (SDRS).

    \b
    Example: a first try, without a cloud:
      declarative init shop && cd shop
      declarative plan
      declarative apply

    Options may also be given as variables, DECLARATIVE_<COMMAND>_<OPTION>, e.g. DECLARATIVE_APPLY_PARALLELISM=8.
    """
    screen = ctx.ensure_object(Screen)
    screen.colour, screen.verbose = not no_color, verbose
    ctx.obj = Setting(folder, environment, screen, _hearing(ctx, screen, folder / log_file if log_file else None))


def _hearing(ctx: click.Context, screen: Screen, log_file: Path | None) -> Hearing | None:
    """What is told of each request: the log, standard error, both, or nothing. Raises UsageError."""
    to_log: Hearing | None = None
    if log_file is not None:
        from declarative.cli.log_file import LogFile

        log = LogFile(log_file, warn=screen.note)
        ctx.call_on_close(log.close)
        to_log = log.add
    if screen.verbose < _EACH_REQUEST:
        return to_log

    def tell(exchange: Exchange) -> None:
        from declarative.views.exchanges import exchange_text

        screen.note(exchange_text(exchange))
        if to_log is not None:
            to_log(exchange)

    return tell
