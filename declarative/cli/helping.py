"""`help`: what `--help` says of a command, for those who ask for it in the other order."""

from __future__ import annotations

import click

from declarative.cli.setting import Setting


@click.command("help")
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@click.pass_obj
def help_(setting: Setting, words: tuple[str, ...]) -> None:
    """Show the help of COMMAND, or of declarative itself.

    \b
    Example:
      declarative help state mv
    """
    context = click.get_current_context().find_root()
    command: click.Command = context.command
    left = list(words)
    while left and isinstance(command, click.Group):
        name, found, left = command.resolve_command(context, left)
        if found is None:
            break
        command, context = found, click.Context(found, parent=context, info_name=name)
    if left:
        context.fail(f"`{context.command_path}` has no commands of its own.")
    setting.screen.out(command.get_help(context))
