"""The options that every command takes, before and after its name: `-C`, `--env`, `-v`, `--no-color`, `--log-file`."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click

from declarative.cli.hearing import hearing
from declarative.cli.screen import Screen
from declarative.cli.setting import C, Command, Given, Setting

_KEY = "declarative.global-options"
_ENVIRONMENT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_AGAIN = "As before the command; see `declarative --help`."


def given(ctx: click.Context) -> dict[str, Given]:
    """What the global options say so far, by parameter name; one dictionary for all contexts of a call."""
    values: dict[str, Given] = ctx.meta.setdefault(_KEY, {})
    return values


class GlobalOption(click.Option):
    """An option that may be given at any level. Given twice, it must say the same.

    `variable`: the environment variable that stands in for it when the command line says nothing; "" for none.
    `is_nested`: it stands behind a command's name, where one line of help stands for all of them.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        variable: str = "",
        check: Callable[[str], Given] = str,
        is_nested: bool = False,
        **more: Given,
    ) -> None:
        super().__init__(names, expose_value=False, is_eager=True, callback=self._note, **more)
        self._variable = variable
        self._check = check
        self._is_nested = is_nested

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        return None  # read once by `setting`, so that a level that says nothing overrides nothing

    def value_of(self, ctx: click.Context, known: Mapping[str, Given]) -> Given:
        """What is given of it, or its variable's value, or None. Raises BadParameter for a bad variable."""
        text = os.environ.get(self._variable) if self._variable else None
        if str(self.name) in known or not text:
            return known.get(str(self.name))
        try:
            return self._check(text)
        except ValueError as error:
            raise click.BadParameter(f"{error} It stands in {self._variable}.", ctx, self) from None

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        if not self._is_nested:
            return super().get_help_record(ctx)
        return (_SOME, _AGAIN) if self.name == "global_folder" else None

    def _note(self, ctx: click.Context, _param: click.Parameter, values: Given) -> None:
        known = given(ctx)
        if self.count or self.is_flag:
            known[str(self.name)] = known.get(str(self.name), 0) + int(values or 0)
        else:
            for text in values:
                value = self._checked(ctx, text)
                if known.setdefault(str(self.name), value) != value:
                    raise click.BadParameter("it is given twice, with different values.", ctx, self)
        if isinstance(ctx.obj, Setting):
            ctx.obj = setting(ctx, ctx.obj.screen)

    def _checked(self, ctx: click.Context, text: str) -> Given:
        try:
            return self._check(text)
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, self) from None


def _environment(name: str) -> str:
    if not _ENVIRONMENT.fullmatch(name):
        raise ValueError("a name has lower-case letters, digits and dashes, at most 63.")
    return name


def _folder(name: str) -> Path:
    if not Path(name).is_dir():
        raise ValueError(f"there is no folder {name!r}.")
    return Path(name)


_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Given]], ...] = (
    (("global_folder", "-C"), {"multiple": True, "metavar": "DIR", "check": _folder, "help": "Work in DIR."}),
    (
        ("global_environment", "--env"),
        {
            "multiple": True,
            "metavar": "NAME",
            "check": _environment,
            "variable": "DECLARATIVE_ENV",
            "help": "The environment to work on, instead of DECLARATIVE_ENV.",
        },
    ),
    (("global_no_color", "--no-color"), {"is_flag": True, "help": "Do not use colours, even on a terminal."}),
    (("global_verbose", "-v"), {"count": True, "help": "Say more, on standard error; -vv: each request too."}),
    (
        ("global_log_file", "--log-file"),
        {
            "multiple": True,
            "metavar": "FILE",
            "variable": "DECLARATIVE_LOG_FILE",
            "help": "Add a line of JSON for each request to the cloud at the end of FILE, instead of"
            " DECLARATIVE_LOG_FILE. Nothing in it is secret: no header, no body, no query. A new file is readable by"
            " its owner only.",
        },
    ),
)
_SOME = "-C, --env, -v, …"


def global_options(command: C) -> C:
    """Give the root of the tree its global options."""
    for names, attributes in reversed(_OPTIONS):
        command = click.option(*names, cls=GlobalOption, **attributes)(command)
    return command


def nest(command: click.Command) -> click.Command:
    """Let a command take the global options behind its name, too; what they say is complete when it is called."""
    if not any(isinstance(one, GlobalOption) for one in command.params):
        command.params += [GlobalOption(list(names), is_nested=True, **more) for names, more in _OPTIONS]
        if command.callback is not None and not isinstance(command, click.Group):
            command.callback = _heard(command.callback)
    return command


def _heard(callback: Command) -> Command:
    """Open the log of the requests just before a command is called, when all options are known."""

    @functools.wraps(callback)
    def call(*arguments: Given, **named: Given) -> Given:
        context = click.get_current_context()
        if isinstance(context.obj, Setting):
            context.obj = replace(context.obj, on_exchange=hearing(context.obj))
        return callback(*arguments, **named)

    return call


def setting(ctx: click.Context, screen: Screen) -> Setting:
    """The setting that the global options make so far; the environment's variables stand in for what none of them says.

    Raises BadParameter for a variable with a value that the option would not take.
    """
    known, root = given(ctx), ctx.find_root()
    values = {str(one.name): one.value_of(root, known) for one in root.command.params if isinstance(one, GlobalOption)}
    screen.colour, screen.verbose = not values["global_no_color"], values["global_verbose"] or 0
    made = Setting(screen=screen)
    folder = values["global_folder"] or made.folder
    return replace(
        made,
        folder=folder,
        environment=values["global_environment"] or made.environment,
        log_file=folder / values["global_log_file"] if values["global_log_file"] else None,
    )
