"""The tree of commands. A command's module is loaded when the command is asked for, not to list its name."""

from __future__ import annotations

import click

from declarative.cli.global_options import global_options, setting
from declarative.cli.groups import LazyGroup
from declarative.cli.screen import Screen

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
    "stacks": ("stacks:stacks", "List the stacks of a repository, or those that changed."),
    "lock": ("states:lock", "Show or break the lock of the state."),
    "import": ("runs:import_", "Record objects that exist in the cloud."),
    "export": ("exports:export", "Write manifests for what exists in the cloud."),
    "schema": ("schemas:schema", "Print a JSON Schema, or write those for editors."),
    "completion": ("completions:completion", "Print the completion script of a shell: bash, zsh or fish."),
    "explain": ("explain:explain", "Say what a finding, a field or an error code means."),
    "simulator": ("simulators:simulator", "Run, change or reset the simulator."),
    "help": ("helping:help_", "Show the help of a command."),
    "version": ("starting:version", "Print the version."),
}


def _print_version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from declarative import __version__

        ctx.ensure_object(Screen).out(f"declarative {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    no_args_is_help=False,
    context_settings={
        "auto_envvar_prefix": "DECLARATIVE",
        "max_content_width": 100,
        "help_option_names": ["-h", "--help"],
    },
)
@global_options
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
def root(ctx: click.Context) -> None:
    """Disaster recovery as code for the Storage Disaster Recovery Service (SDRS).

    \b
    Example: a first try, without a cloud:
      declarative init shop && cd shop
      declarative plan
      declarative apply

    Global options may stand before the command or after it. Others may also be given as variables,
    DECLARATIVE_<COMMAND>_<OPTION>, e.g. DECLARATIVE_APPLY_PARALLELISM=8.
    """
    ctx.obj = setting(ctx, ctx.ensure_object(Screen))
