"""`init`, `validate`, `schema`, `version`: what needs neither state nor cloud."""

from __future__ import annotations

from pathlib import Path

import click

from declarative.cli.delivery import Delivery
from declarative.cli.options import renders, with_project
from declarative.cli.plan_files import write_quickstart
from declarative.cli.setting import Setting
from declarative.errors import ExitCode, InputError, Severity, pasteable, visible
from declarative.workflow.project import Project


@click.command()
@click.argument("folder", metavar="[DIR]", default=".")
@click.pass_obj
def init(setting: Setting, folder: str) -> None:
    """Write a small stack into DIR that applies on the embedded simulator; nothing is overwritten.

    \b
    Example:
      declarative init shop
    """
    target = setting.path(folder)
    for path in write_quickstart(target):
        setting.screen.out(f"wrote {visible(path)}")
    place = pasteable(target)
    where = "" if place else ", in that folder"
    enter = f"  cd {place}\n" if place and target != Path() else ""
    setting.screen.err(f"\nNext{where}:\n{enter}  declarative plan\n  declarative apply")


@click.command()
@renders()
@with_project("variables")
def validate(setting: Setting, project: Project, deliver: Delivery) -> ExitCode:
    """Check all manifests, offline, and print all findings of all files.

    \b
    Example:
      declarative validate --format json
    """
    from declarative.views.findings import FindingsView, extent, findings_summary
    from declarative.workflow import manifests

    deliver.begin(states=(setting.folder / ".declarative",))
    looked = ""
    try:
        inspection = manifests.inspect(project)
        findings = inspection.findings
        looked = extent(inspection.files, inspection.documents, inspection.environments)
    except InputError as error:
        findings = error.findings
    is_bad = any(one.severity is Severity.ERROR for one in findings)
    view = FindingsView(findings, ids=setting.screen.verbose > 0)
    code = deliver.present(view, ExitCode.ERROR if is_bad else ExitCode.OK)
    setting.screen.err(findings_summary(findings, looked))
    return code


@click.command()
@click.argument("kind", metavar="[KIND]", required=False)
@click.pass_obj
def schema(setting: Setting, kind: str | None) -> None:
    """Print the JSON Schema of KIND's documents, or of any manifest document; it needs no other file.

    \b
    Example: let an editor check and complete manifests that begin with
    the line `# yaml-language-server: $schema=manifest.schema.json`:
      declarative schema > manifest.schema.json
    """
    from declarative.workflow import manifests

    setting.screen.out(manifests.schema(kind))


@click.command()
@click.pass_obj
def version(setting: Setting) -> None:
    """Print the version.

    \b
    Example:
      declarative version
    """
    from declarative import __version__

    setting.screen.out(f"declarative {__version__}")
