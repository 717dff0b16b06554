"""`auth …`: who signs in, with what, and what the service then answers."""

from __future__ import annotations

import asyncio

import click

from declarative.cli.groups import LazyGroup
from declarative.cli.options import formats, with_project
from declarative.cli.setting import Setting
from declarative.errors import ExitCode
from declarative.views.auth import AuthView, SourcesView
from declarative.views.findings import findings_lines
from declarative.workflow.project import Project

_AUTH = {
    "check": ("auth:check", "Sign in, and read from every list of the service."),
    "show-sources": ("auth:show_sources", "Show where credentials are looked for, and what is there."),
}


@click.group(cls=LazyGroup, lazy=_AUTH)
def auth() -> None:
    """Show who signs in, with what, and what the service answers. Nothing is changed.

    \b
    Example: a first command with a new account:
      declarative auth check
    """


@click.command("check")
@formats("text", "json")
@with_project("cloud")
def check(setting: Setting, project: Project, output_format: str) -> ExitCode:
    """Sign in as plan and apply would, and read one row of every list of the service.

    Shows the way in and where each value came from, never a secret; the user, project, region and endpoint; until when
    it is valid; which lists the service gives and which it refuses, and why. Exits with 1 when a list of objects can't
    be read. Quotas and domains are not needed: they are a warning.

    \b
    Example:
      declarative auth check --cloud otc
    """
    from declarative.workflow import auth as work

    report = asyncio.run(work.check(project))
    setting.screen.present(AuthView(report), output_format)
    if report.error is not None:
        setting.screen.show(findings_lines(report.error.diagnostics(), ids=setting.screen.verbose > 0), to_stderr=True)
        return report.error.exit_code
    return ExitCode.OK if report.works else ExitCode.ERROR


@click.command("show-sources")
@formats("text", "json")
@with_project("cloud")
def show_sources(setting: Setting, project: Project, output_format: str) -> ExitCode:
    """Show every place that credentials come from, strongest first, what it holds, and which is used.

    Nothing is sent, and no secret is shown. Exits with 1 when what is there is not enough to sign in.

    \b
    Example:
      declarative auth show-sources
    """
    from declarative.workflow import auth as work

    survey = work.sources(project)
    setting.screen.present(SourcesView(survey), output_format)
    if survey.problem is not None:
        setting.screen.show(
            findings_lines(survey.problem.diagnostics(), ids=setting.screen.verbose > 0), to_stderr=True
        )
    return ExitCode.OK if survey.problem is None else ExitCode.ERROR
