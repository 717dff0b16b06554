"""`env …`: the environments of a project."""

from __future__ import annotations

import click

from declarative.cli.groups import LazyGroup
from declarative.cli.options import formats, with_project
from declarative.cli.setting import Setting
from declarative.views.moving import environments_view
from declarative.workflow.project import Project

_ENV = {"list": ("environments:list_", "List those that have a file or a state.")}


@click.group(cls=LazyGroup, lazy=_ENV)
def env() -> None:
    """List the environments: those that have a file, and those that have a state.

    \b
    Example:
      declarative env list
    """


@click.command("list")
@formats("text", "json")
@with_project("state")
def list_(setting: Setting, project: Project, output_format: str) -> None:
    """List the environments, and what each has: a file in environments/, a state.

    One with a state and no file any more is told: its objects still cost.

    \b
    Example:
      declarative env list
    """
    from declarative.workflow.environments import environments

    found = environments(project)
    setting.screen.present(environments_view(found), output_format)
    if not found:
        setting.screen.err("There is no file in environments/, and no state.")
