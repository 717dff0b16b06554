"""`plan`, `drift`, `show`, `output`: what would be done and what is recorded. They write nothing but a plan file."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path

import click

from declarative.cli.delivery import Delivery
from declarative.cli.options import CONCISE, PlanningCommand, formats, option, planning_options, renders, with_project
from declarative.cli.plan_files import is_standard_output, read_plan, refuse_output, write_plan
from declarative.cli.requests import apply_command, request_from, saved_command
from declarative.cli.setting import Given, Setting
from declarative.errors import DeclarativeError, ExitCode, UsageError, did_you_mean, visible
from declarative.model import Plan
from declarative.planfile import decode_plan, encode_plan, plan_digest
from declarative.planner.consents import takes_consent, unconsented
from declarative.views.outcomes import OutputsView, OutputView
from declarative.views.plans import DriftView, Manner, PlanView
from declarative.views.states import StateView
from declarative.workflow.project import Project


@click.command(cls=PlanningCommand)
@option("out", "-o", metavar="FILE", help="Write the plan to FILE, for `apply FILE`.")
@renders()
@CONCISE
@option("detailed_exitcode", "--detailed-exitcode", is_flag=True, help="Exit with 2 when there is something to do.")
@option("destroy", "--destroy", is_flag=True, help="Plan to delete all that the stack manages.")
@planning_options
@with_project("variables", "state", "cloud", "timeouts")
def plan(
    setting: Setting,
    project: Project,
    out: str | None,
    deliver: Delivery,
    concise: bool,
    detailed_exitcode: bool,
    **choices: Given,
) -> ExitCode:
    """Show what apply would do, without doing it.

    \b
    Example: keep the plan, have it reviewed, carry out exactly that:
      declarative plan -o plan.json
      declarative apply plan.json
    """
    from declarative.workflow import plans, states

    path = setting.path(out) if out is not None else None
    states_ = states.state_folders(project)
    if path is not None:
        refuse_output(path, stack=setting.folder, states=states_)
    deliver.begin(states=states_, out=path)
    made = asyncio.run(plans.plan(project, request_from(**choices)))
    deliver.plan = made
    lies_there = write_plan(path, encode_plan(made) + "\n") if path is not None else False
    deliver.apply = functools.cache(
        lambda: saved_command(setting, path, made) if path and lies_there else apply_command(setting, project, made)
    )
    pending = made.has_changes() or made.withheld or unconsented(made)
    code = ExitCode.CHANGES if detailed_exitcode and pending else ExitCode.OK
    manner = Manner(concise, full=setting.screen.verbose > 0, fixed=bool(path and lies_there))
    code = deliver.present(PlanView(made, manner=manner), code, taken=path is not None and is_standard_output(path))
    if path is not None and lies_there:
        _say_where(setting, path, made)
    return code


def _say_where(setting: Setting, path: Path, made: Plan) -> None:
    digest = plan_digest(made)
    where = f"\nThe plan is in {visible(path)}, its digest is {digest}."
    if not all(takes_consent(danger) for danger in unconsented(made)):
        setting.screen.err(f"{where} It can't be carried out: no option overrides all of its dangers.")
        return
    setting.screen.err(f"{where} Carry it out with:")
    setting.screen.err(f"  {saved_command(setting, path, made)}")


@click.command()
@renders()
@option("detailed_exitcode", "--detailed-exitcode", is_flag=True, help="Exit with 2 when there is drift.")
@with_project("variables", "state", "cloud", "timeouts")
def drift(setting: Setting, project: Project, deliver: Delivery, detailed_exitcode: bool) -> ExitCode:
    """Show what the cloud has other than recorded; record nothing.

    \b
    Example: tell a schedule when somebody has changed the cloud by hand:
      declarative drift --detailed-exitcode || notify
    """
    from declarative.workflow import plans, states

    deliver.begin(states=states.state_folders(project))
    made = asyncio.run(plans.plan(project, request_from(refresh_only=True)))
    code = ExitCode.CHANGES if detailed_exitcode and made.drift else ExitCode.OK
    return deliver.present(DriftView(made.drift), code)


@click.command()
@click.argument("plan_file", metavar="[PLAN]", required=False)
@formats("text", "json")
@CONCISE
@with_project("state")
def show(setting: Setting, project: Project, plan_file: str | None, concise: bool, output_format: str) -> None:
    """Show the recorded state, or the saved plan PLAN.

    \b
    Example:
      declarative show plan.json
    """
    from declarative.workflow import states

    if plan_file is not None:
        path = setting.path(plan_file)
        saved, digest = decode_plan(read_plan(path), source=str(path))
        manner = Manner(concise, full=setting.screen.verbose > 0, fixed=True)
        setting.screen.present(PlanView(saved, digest, manner), output_format)
    elif concise:
        raise UsageError("--concise goes with a saved plan", "Name the plan as well.")
    else:
        setting.screen.present(StateView(states.show(project)), output_format)


@click.command()
@click.argument("name", required=False)
@formats("text", "json")
@with_project("state")
def output(setting: Setting, project: Project, name: str | None, output_format: str) -> None:
    """Print the recorded outputs, or the bare value of the output NAME.

    \b
    Example:
      GROUP_ID=$(declarative output shop_group)
    """
    from declarative.workflow import states

    outputs = states.outputs(project)
    if name is None:
        setting.screen.present(OutputsView(outputs), output_format)
    elif name in outputs:
        setting.screen.present(OutputView(outputs[name]), output_format)
    else:
        hint = did_you_mean(name, outputs) or "Outputs are recorded by an apply; `declarative output` lists them."
        raise DeclarativeError(f"no output named '{visible(name, limit=80)}' is recorded", hint)
