"""`status` and `graph`: how the protected applications are, and how the steps of a plan hang together."""

from __future__ import annotations

import asyncio

import click

from declarative.cli.delivery import Delivery
from declarative.cli.options import PlanningCommand, formats, option, planning_options, renders, with_project
from declarative.cli.requests import request_from
from declarative.cli.setting import Given, Setting
from declarative.errors import ExitCode
from declarative.workflow.project import Project


@click.command()
@click.argument("address", metavar="[ADDRESS]", required=False)
@option("watches", "--watch", is_flag=True, help="Look again and again, and show what changes, until Ctrl-C.")
@option(
    "until",
    "--wait",
    type=click.Choice(("protected", "copied")),
    help="Wait until all is protected, or copied too: 0 when it is, 1 when something is wrong, 3 after --timeout.",
)
@renders()
@with_project("state", "cloud")
def status(
    setting: Setting, project: Project, address: str | None, watches: bool, until: str | None, deliver: Delivery
) -> ExitCode:
    """Show how the recorded groups and their members are just now, or those of ADDRESS.

    Direction, progress, faults, pairs that are not active, the last drill. Exits with 1 when something is wrong: an
    error or a fault, a recorded object that is gone, a group that should be protected and is not, or that is and holds
    no pair.

    --wait waits for groups whose manifests want protection, and for their instances and pairs. Without --timeout it
    waits as long as it takes. --watch redraws a terminal; elsewhere it prints the lines that change.

    \b
    Example: tell a schedule when protection has broken; wait for the first copy:
      declarative status ProtectionGroup/shop || notify
      declarative status --wait copied --timeout 2h
    """
    from declarative.views.health import HealthView
    from declarative.workflow import reports, states

    deliver.begin(states=states.state_folders(project))
    if watches or until is not None:
        from declarative.cli import watching
        from declarative.reporting.waiting import Until

        aim = Until(until) if until is not None else None
        if watches or aim is None:
            return watching.watch(setting, project, address, deliver, aim)
        return watching.wait(setting, project, address, deliver, aim)
    found = asyncio.run(reports.status(project, address))
    return deliver.present(HealthView(found), ExitCode.OK if found.healthy else ExitCode.ERROR)


@click.command(cls=PlanningCommand)
@formats("mermaid", "dot", "json")
@option("of_objects", "--objects", is_flag=True, help="Draw the objects instead; this needs no cloud.")
@option("destroy", "--destroy", is_flag=True, help="Draw the plan to delete all that the stack manages.")
@planning_options
@with_project("variables", "state", "cloud", "timeouts")
def graph(setting: Setting, project: Project, output_format: str, of_objects: bool, **choices: Given) -> None:
    """Draw the steps of the plan, or the objects of the stack if it has none.

    An arrow leads to each step from those it waits for, and to each object from those it depends on. Objects are those
    that the manifests declare and those that are recorded.

    \b
    Example: a picture by Graphviz:
      declarative graph --format dot | dot -Tsvg > plan.svg
      declarative graph --objects
    """
    from declarative.views.graphs import GraphView, ObjectsView
    from declarative.workflow import plans, reports

    request = request_from(**choices)
    if not of_objects:
        made = asyncio.run(plans.plan(project, request))
        if made.steps:
            setting.screen.present(GraphView(made.steps), output_format)
            return
        setting.screen.err("The plan has no steps; this graph shows the objects.")
    view = ObjectsView(*reports.objects(project))
    setting.screen.present(view, output_format)
    if not view.desired and not view.recorded:
        setting.screen.err("The stack has no objects.")
