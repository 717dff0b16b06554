"""`export`: manifests for what exists in the cloud."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from declarative.cli.editor_files import with_modelines, write_schemas
from declarative.cli.options import formats, with_project
from declarative.cli.plan_files import write_new
from declarative.cli.setting import Setting
from declarative.errors import DeclarativeError, pasteable, shown
from declarative.model import Json
from declarative.views.moving import written_view
from declarative.views.text import many
from declarative.workflow.project import Project


@click.command()
@click.argument("folder", metavar="[DIR]", default=".")
@formats("text", "json")
@with_project("cloud")
def export(setting: Setting, project: Project, folder: str, output_format: str) -> None:
    """Write manifests into DIR for all that exists in the cloud; nothing is overwritten.

    The groups, their instances, pairs, attachments and drills, with references between them, and variables for
    values that many share. Beside them stands a script of imports: after it a plan changes nothing.

    \b
    Example:
      declarative export shop-dr
      sh shop-dr/imports.sh
      declarative -C shop-dr plan
    """
    from declarative.workflow import reports

    target = setting.path(folder)
    found = asyncio.run(reports.export(project, target=target))
    written, notes = [*write_new(target, dict(_contents(found.files)))], list(found.notes)
    try:
        written += write_schemas(target)
    except DeclarativeError as error:  # the manifests are there, and are good without
        notes.append(f"no schemas for editors were written, {error}")
    imports: Json = [{"address": str(address), "id": object_id} for address, object_id in found.imports]
    setting.screen.present(written_view("export", written, imports=imports, notes=notes), output_format)
    for note in notes:
        setting.screen.err(f"note: {shown(note)}")
    setting.screen.err(f"\n{many(len(found.imports), 'object')}. {_next(target)}")


def _contents(files: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Yield each file's name and content; manifests name their schema for editors."""
    for name, text in files.items():
        yield name, (with_modelines(text) if name.endswith(".yaml") else text).encode()


def _next(target: Path) -> str:
    """What to do with the stack in `target`, with commands to paste."""
    place = pasteable(target)
    if not place:
        return "Next, in that folder:\n  sh imports.sh\n  declarative plan"
    where = f"-C {place} " if target != Path() else ""
    return f"Next:\n  sh {pasteable(target / 'imports.sh')}\n  declarative {where}plan"
