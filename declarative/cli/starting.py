"""`init`, `validate`, `version`: what needs neither state nor cloud."""

from __future__ import annotations

from pathlib import Path

import click

from declarative.cli.delivery import Delivery
from declarative.cli.options import formats, renders, with_project
from declarative.cli.plan_files import write_new
from declarative.cli.setting import Setting
from declarative.errors import ExitCode, InputError, Severity, pasteable, visible
from declarative.workflow.project import Project


@click.command()
@click.argument("folder", metavar="[DIR]", default=".")
@formats("text", "json")
@click.pass_obj
def init(setting: Setting, folder: str, output_format: str) -> None:
    """Write a small stack into DIR that applies on the embedded simulator; nothing is overwritten.

    With it come JSON Schemas for editors, and settings by which VS Code finds them. Settings that exist are left as
    they are; what to add to them is printed.

    \b
    Example:
      declarative init shop
    """
    from declarative.cli import editor_files
    from declarative.views.moving import written_view

    target = setting.path(folder)
    written = [*write_new(target, editor_files.quickstart())]
    settings = editor_files.write_settings(target)
    written += [settings] if settings is not None else []
    setting.screen.present(written_view("init", written), output_format)
    if settings is None:
        kept = visible(target / editor_files.SETTINGS)
        setting.screen.err(f"\n{kept} is left as it is. For VS Code, add to it:\n{editor_files.settings_text()}")
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
@formats("text", "json")
@click.pass_obj
def version(setting: Setting, output_format: str) -> None:
    """Print the version.

    \b
    Example:
      declarative version
    """
    from declarative import __version__
    from declarative.views.text import line
    from declarative.views.view import Told

    told = Told("version", [line(f"declarative {__version__}")], {"version": __version__})
    setting.screen.present(told, output_format)
