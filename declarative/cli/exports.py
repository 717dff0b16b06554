"""`export`: manifests for what exists in the cloud."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

import click

from declarative.cli.files import write_new
from declarative.cli.options import Setting, with_project
from declarative.errors import visible
from declarative.planning.render import many, shown
from declarative.project import Project


@click.command()
@click.argument("folder", metavar="[DIR]", default=".")
@with_project("cloud")
def export(setting: Setting, project: Project, folder: str) -> None:
    """Write manifests into DIR for all that exists in the cloud; nothing is overwritten.

    The groups, their instances, pairs, attachments and drills, with references between them, and variables for
    values that many share. Beside them stands a script of imports: after it a plan changes nothing.

    \b
    Example:
      declarative export shop-dr
      sh shop-dr/imports.sh
      declarative -C shop-dr plan
    """
    from declarative import workflow

    target = setting.path(folder)
    found = asyncio.run(workflow.export(project, target=target))
    for path in write_new(target, {name: text.encode() for name, text in found.files.items()}):
        setting.screen.out(f"wrote {visible(path)}")
    for note in found.notes:
        setting.screen.err(f"note: {shown(note)}")
    where = f"-C {visible(shlex.quote(str(target)))} " if target != Path() else ""
    script = visible(shlex.quote(str(target / "imports.sh")))
    setting.screen.err(f"\n{many(len(found.imports), 'object')}. Next:\n  sh {script}\n  declarative {where}plan")
