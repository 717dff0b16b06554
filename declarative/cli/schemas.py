"""`schema`: the JSON Schemas of manifests, of environment files, and of what commands print."""

from __future__ import annotations

import textwrap

import click

from declarative.cli.options import option
from declarative.cli.setting import Setting
from declarative.errors import UsageError, visible


class SchemaCommand(click.Command):
    """`schema`, whose help ends with the names that it takes."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from declarative.manifest.schemas import kinds
        from declarative.workflow import schemas

        told = (
            f"NAME is a kind, {', '.join(kinds())}; {schemas.ENVIRONMENT}, for the files in environments/, made of the"
            f" variables of the Stack; or what a command prints as JSON: {', '.join(schemas.names())}."
        )
        formatter.write(f"\n{textwrap.fill(told, formatter.width, break_on_hyphens=False)}\n")


@click.command(cls=SchemaCommand)
@click.argument("name", metavar="[NAME]", required=False)
@option("write", "--write", is_flag=True, sealed=True, help="Write the two that editors need into .schemas/.")
@click.pass_obj
def schema(setting: Setting, name: str | None, write: bool) -> None:
    """Print the JSON Schema NAME, or that of any manifest document; it needs no other file.

    With --write it goes into the stack instead, where the comments that `init` writes and the settings of an editor
    name it, together with the schema of the files in environments/. Write them again after the Stack's variables have
    changed.

    \b
    Example:
      declarative schema --write
      declarative schema plan
    """
    if not write:
        from declarative.workflow import schemas

        setting.screen.out(schemas.schema(name, setting.folder))
        return
    if name is not None:
        raise UsageError("--write takes no name", "Leave out one of the two.")
    from declarative.cli.editor_files import write_schemas

    for path in write_schemas(setting.folder):
        setting.screen.out(f"wrote {visible(path)}")
