"""Groups of commands whose modules are loaded only when a command is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from declarative.cli.global_options import nest
from declarative.cli.screen import Screen
from declarative.cli.setting import Given
from declarative.cli.spelling import COMMANDS, refuse_foreign
from declarative.errors import ExitCode, did_you_mean, visible

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """A group whose commands are named as `module:function`, each with one line of help."""

    def __init__(self, *args: Given, lazy: Mapping[str, tuple[str, str]], **attributes: Given) -> None:
        super().__init__(*args, **attributes)
        self._lazy = lazy

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            ctx.ensure_object(Screen).err(ctx.get_help())
            ctx.exit(ExitCode.USAGE)
        if not ctx.resilient_parsing:
            refuse_foreign(ctx, self, args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return None
        module, _, function = self._lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(f"declarative.cli.{module}"), function)
        return nest(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self._lazy and not args[0].startswith("-"):
            foreign = COMMANDS.get(args[0].lower(), "") if ctx.parent is None else ""
            hint = foreign or did_you_mean(args[0], self._lazy)
            ctx.fail(f"There is no command '{visible(args[0], limit=80)}'. {hint}".rstrip())
        name, command, left = super().resolve_command(ctx, args)
        if command is not None and not isinstance(command, click.Group) and not ctx.resilient_parsing:
            refuse_foreign(click.Context(command, parent=ctx, info_name=name), command, left)
        return name, command, left

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands' names, without loading them, and the options."""
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=told) for name, (_, told) in self._lazy.items() if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in self._lazy.items()])
