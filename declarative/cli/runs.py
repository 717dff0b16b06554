"""`apply`, `destroy`, `import`: the commands that change something, with a review before and progress meanwhile."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import click
from click.core import ParameterSource

from declarative.cli.board import Board
from declarative.cli.delivery import Delivery
from declarative.cli.options import (
    CONCISE,
    PlanningCommand,
    formats,
    option,
    planning_options,
    renders,
    with_project,
)
from declarative.cli.plan_files import read_plan
from declarative.cli.progress import JsonLines, PlainLines, Progress, plain_lines
from declarative.cli.prompt import Front
from declarative.cli.requests import consents_from, request_from
from declarative.cli.screen import Screen
from declarative.cli.setting import Given, Setting
from declarative.cli.signals import run_async
from declarative.errors import ExitCode, PlanRefused, UsageError, visible
from declarative.planner.selection import PlanRequest
from declarative.views.outcomes import OutcomeView
from declarative.views.plans import Manner
from declarative.views.states import imported_view
from declarative.workflow.project import Project

if TYPE_CHECKING:
    from declarative.workflow.execution import Applied

_APPROVE = option(
    "auto_approve", "--auto-approve", is_flag=True, sealed=True, help="Don't ask. This consents to no danger."
)
# What a saved plan has decided already.
_SETTLED = ("variables", "var_files", "target", "exclude", "replace", "refresh", "refresh_only", "destroy")


@click.command(cls=PlanningCommand)
@click.argument("plan_file", metavar="[PLAN]", required=False)
@_APPROVE
@option("plan_sha256", "--plan-sha256", sealed=True, metavar="DIGEST", help="Refuse PLAN unless it has this digest.")
@option(
    "content_sha256",
    "--content-sha256",
    sealed=True,
    metavar="DIGEST",
    help="Plan anew, and refuse a plan of another content digest.",
)
@option("destroy", "--destroy", is_flag=True, help="Delete all that the stack manages.")
@renders(is_stream=True)
@CONCISE
@planning_options
@with_project("variables", "state", "cloud", "timeouts", "lock", "run")
def apply(
    setting: Setting,
    project: Project,
    plan_file: str | None,
    auto_approve: bool,
    plan_sha256: str | None,
    content_sha256: str | None,
    deliver: Delivery,
    concise: bool,
    **choices: Given,
) -> ExitCode:
    """Make the cloud agree with the manifests, or carry out the saved plan PLAN.

    Shows the plan and asks first. Each danger in it needs a consent of its own: --allow CLASS:ADDRESS.

    \b
    Example: what a pipeline does after the review of a plan, with the plan itself or with its content digest alone:
      declarative apply plan.json --auto-approve --plan-sha256 "$REVIEWED"
      declarative apply --auto-approve --content-sha256 "$REVIEWED"
    """
    from declarative.workflow import runs, states

    content = _content(content_sha256, plan_file)
    deliver.begin(states=states.state_folders(project))
    if plan_file is None:
        if plan_sha256 is not None:
            raise UsageError("--plan-sha256 goes with a saved plan", "Name the plan as well")
        return _apply(
            setting, project, request_from(**choices), auto_approve, deliver, Manner(concise), content_sha256=content
        )
    _refuse_settled(click.get_current_context())
    path = setting.path(plan_file)
    text, consents = read_plan(path), consents_from(choices["allow"])
    saved = replace(project, variables=(), var_files=())
    return _run(
        setting,
        project,
        lambda front, interrupt: runs.apply_saved(
            saved,
            text,
            source=str(path),
            sha256=plan_sha256,
            consents=consents,
            watch=front,
            interrupt=interrupt,
        ),
        auto_approve=auto_approve,
        deliver=deliver,
        manner=Manner(concise, fixed=True),
    )


def _content(given: str | None, plan_file: str | None) -> str | None:
    """The content digest of --content-sha256 in lower case. Raises UsageError for anything else."""
    if given is None:
        return None
    if plan_file is not None:
        raise UsageError("--content-sha256 does not go with a saved plan", "Use --plan-sha256 with it.")
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", given):
        hint = "`declarative plan` shows the content digest: 64 hex digits."
        raise UsageError(f"--content-sha256 is not a digest: {visible(given, limit=80) or 'it is empty'}", hint)
    return given.lower()


def _refuse_settled(ctx: click.Context) -> None:
    """A saved plan takes consents, but nothing that would make it another plan."""
    named = {parameter.name: parameter.opts[0] for parameter in ctx.command.params}
    for name in _SETTLED:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"{named[name]} does not go with a saved plan", "Give it to `plan`, and apply that plan.")


@click.command(cls=PlanningCommand)
@_APPROVE
@renders(is_stream=True)
@CONCISE
@planning_options
@with_project("variables", "state", "cloud", "timeouts", "lock", "run")
def destroy(
    setting: Setting, project: Project, auto_approve: bool, deliver: Delivery, concise: bool, **choices: Given
) -> ExitCode:
    """Delete all that the stack manages, after a review. The same as apply --destroy.

    Objects with prevent_destroy stay, and are an error until it is lifted.

    \b
    Example:
      declarative --env staging destroy
    """
    from declarative.workflow import states

    deliver.begin(states=states.state_folders(project))
    return _apply(setting, project, request_from(destroy=True, **choices), auto_approve, deliver, Manner(concise))


def _apply(
    setting: Setting,
    project: Project,
    request: PlanRequest,
    auto_approve: bool,
    deliver: Delivery,
    manner: Manner,
    *,
    content_sha256: str | None = None,
) -> ExitCode:
    from declarative.workflow import runs

    return _run(
        setting,
        project,
        lambda front, interrupt: runs.apply(
            project, request, watch=front, interrupt=interrupt, content_sha256=content_sha256
        ),
        auto_approve=auto_approve,
        deliver=deliver,
        manner=manner,
    )


def _run(
    setting: Setting,
    project: Project,
    work: Callable[[Front, asyncio.Event], Awaitable[Applied]],
    *,
    auto_approve: bool,
    deliver: Delivery,
    manner: Manner,
) -> ExitCode:
    """Carry out `work` with review, progress, signals and the report at the end."""
    progress = _progress(setting.screen, deliver.output_format)
    front = Front(setting.screen, progress, project.clock.stamp, confirmed=auto_approve, deliver=deliver, manner=manner)

    def leave(code: int) -> NoReturn:
        progress.abandon()
        os._exit(code)

    progress.open()
    try:
        applied = run_async(
            lambda interrupt: work(front, interrupt),
            announce=lambda: progress.say(
                "Interrupted: nothing new is begun, answers that are due are waited for. Once more leaves at once."
            ),
            leave=leave,
        )
    except PlanRefused as error:
        from declarative.workflow.reviewed_content import ContentDiffers

        if isinstance(error, ContentDiffers):
            front.show(error.plan)
        raise
    finally:
        progress.close()
    view = OutcomeView(applied.plan, applied.outcome)
    deliver.plan = applied.plan
    is_taken = progress.takes_stdout or deliver.takes_stdout
    setting.screen.show(view.text(), to_stderr=is_taken)
    return deliver.finish(view, applied.exit_code)


def _progress(screen: Screen, output_format: str) -> Progress:
    if output_format == "json":
        return JsonLines(screen)
    if screen.draws():
        return Board(screen)
    return PlainLines(screen)


@click.command("import")
@click.argument("words", metavar="ADDRESS ID [ADDRESS ID]...", nargs=-1, required=True)
@formats("text", "json")
@with_project("variables", "state", "cloud", "timeouts", "lock")
def import_(setting: Setting, project: Project, words: tuple[str, ...], output_format: str) -> None:
    """Record the object ID of the cloud under ADDRESS, which the manifests declare.

    Nothing in the cloud is changed. Of several objects all are recorded, or none.

    \b
    Example:
      declarative import ProtectionGroup/shop 5fb92d6c-b0cb-46c9-824b-b90ec5500ae6
    """
    from declarative.workflow import imports

    if len(words) % 2:
        click.get_current_context().fail(f"Missing argument 'ID' behind {words[-1]!r}.")
    wanted = list(zip(words[::2], words[1::2], strict=True))
    front = Front(setting.screen, plain_lines(setting.screen), project.clock.stamp)
    imported = asyncio.run(imports.import_objects(project, wanted, watch=front))
    setting.screen.present(imported_view(imported), output_format)
    setting.screen.err("See what differs from the manifests: declarative plan")
