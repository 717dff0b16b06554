"""`state pull`, `push`, `diff`, `rebind`, `migrate`, `rebuild`, `recover`: the state as a whole."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from declarative.cli.options import formats, option, with_project
from declarative.cli.plan_files import read_state_file, write_private
from declarative.cli.progress import plain_lines
from declarative.cli.prompt import Front, said_yes
from declarative.cli.setting import Setting
from declarative.errors import ExitCode, visible
from declarative.model import Binding, Json
from declarative.views.moving import DifferenceView, RebuiltView, binding_lines, rebound_view, recovery_lines
from declarative.views.text import line
from declarative.views.view import Told
from declarative.workflow.project import Project

_APPROVE = option("auto_approve", "--auto-approve", is_flag=True, sealed=True, help="Don't ask.")


@click.command("pull")
@option("out", "-o", metavar="FILE", help="Write it to FILE, readable by you alone.")
@with_project("state")
def pull(setting: Setting, project: Project, out: str | None) -> None:
    """Print the whole state, as it is kept: JSON, sealed by a checksum.

    \b
    Example: a copy before something daring:
      declarative state pull -o state-before.json
    """
    from declarative.workflow import moving

    text = moving.state_pull(project)
    if out is None:
        setting.screen.out(text.decode())
        return
    path = setting.path(out)
    write_private(path, text)
    setting.screen.err(f"The state is in {visible(path)}.")


@click.command("push")
@click.argument("file", metavar="FILE")
@option("force", "--force", is_flag=True, sealed=True, help="Also over a later, another, or a broken state.")
@formats("text", "json")
@with_project("state", "lock")
def push(setting: Setting, project: Project, file: str, force: bool, output_format: str) -> None:
    """Put the pulled state FILE in place of the recorded one, which is kept aside.

    \b
    Example: look first, then push:
      declarative state diff state.json
      declarative state push state.json
    """
    from declarative.workflow import moving

    path = setting.path(file)
    kept = asyncio.run(moving.state_push(project, read_state_file(path), source=str(path), force=force))
    lines = [line(f"Pushed {visible(path)}. What it replaces is kept: {visible(kept)}.")]
    setting.screen.present(Told("state-push", lines, {"file": str(path), "kept": str(kept)}), output_format)


@click.command("diff")
@click.argument("file", metavar="FILE")
@option("detailed_exitcode", "--detailed-exitcode", is_flag=True, help="Exit with 2 when there is a difference.")
@formats("text", "json")
@with_project("state")
def diff(setting: Setting, project: Project, file: str, detailed_exitcode: bool, output_format: str) -> ExitCode:
    """Show what the pulled state FILE has other than the recorded one.

    \b
    Example:
      declarative state diff state-before.json
    """
    from declarative.workflow import moving

    path = setting.path(file)
    found = moving.state_diff(project, read_state_file(path), source=str(path))
    setting.screen.present(DifferenceView(found), output_format)
    return ExitCode.CHANGES if detailed_exitcode and not found.is_empty else ExitCode.OK


@click.command("rebind")
@_APPROVE
@formats("text", "json")
@with_project("state", "cloud", "lock")
def rebind(setting: Setting, project: Project, auto_approve: bool, output_format: str) -> None:
    """Bind the state to the project, endpoint, stack and folder at hand, after they were renamed or moved.

    Shows both, and asks. Objects and the cloud stay as they are.

    \b
    Example:
      declarative state rebind
    """
    from declarative.workflow import moving

    def confirm(old: Binding | None, new: Binding) -> None:
        setting.screen.show(binding_lines(old, new), to_stderr=True)
        if not auto_approve:
            said_yes(setting.screen, 'Bind the state to this? Only "yes" will be accepted: ', instead="--auto-approve")

    old, new = asyncio.run(moving.state_rebind(project, confirm=confirm))
    setting.screen.present(rebound_view(old, new), output_format)


@click.command("migrate")
@click.argument("address", metavar="ADDRESS")
@formats("text", "json")
@with_project("state", "lock")
def migrate(setting: Setting, project: Project, address: str, output_format: str) -> None:
    """Move the state to ADDRESS: copy it, read it back, and leave the word where it went.

    The old place then refuses. Killed anywhere, the same command goes on. Quote {stack} and {environment} in ADDRESS as
    they are: they are kept, for DECLARATIVE_STATE.

    \b
    Example: from the disk of this machine to a database:
      declarative state migrate 'postgresql://db.example.com/declarative?state={stack}/{environment}'
    """
    from declarative.workflow import moving

    moved = asyncio.run(moving.state_migrate(project, address))
    done = "had moved before" if moved.again else "has moved"
    told = (
        f"The state {done} from {visible(moved.source)} to {visible(moved.target)}: serial {moved.serial},"
        f" {moved.objects} objects. Name it from now on: --state or DECLARATIVE_STATE."
    )
    setting.screen.present(Told("state-migrate", [line(told)], asdict(moved)), output_format)


@click.command("rebuild")
@formats("text", "json")
@with_project("variables", "state", "cloud", "lock")
def rebuild(setting: Setting, project: Project, output_format: str) -> ExitCode:
    """Record what the manifests declare and the cloud has, when the state is lost.

    An object counts only if it fits exactly, alone, and for one address alone; every doubtful match is listed with its
    `import`, none is guessed. The cloud is not changed. Exits with 3 when something is left to decide.

    \b
    Example: after the state was lost for good:
      declarative state rebuild --accept-rollback 0
    """
    from declarative.workflow import rebuild as work

    found = asyncio.run(work.state_rebuild(project, watch=_front(setting, project)))
    setting.screen.present(RebuiltView(found), output_format)
    return ExitCode.INCOMPLETE if found.looked_for.doubtful or found.looked_for.waiting else ExitCode.OK


@click.command("recover")
@click.argument("file", metavar="FILE")
@formats("text", "json")
@with_project("state", "lock")
def recover(setting: Setting, project: Project, file: str, output_format: str) -> None:
    """Record what an earlier run could not, from the recovery FILE that it has named.

    FILE may also hold the `base64:` text that such a run prints. Where the state has moved on since, nothing is
    written, and the message tells what to import.

    \b
    Example:
      declarative state recover recovery-0d5e7f1a.jsonl
    """
    from declarative.workflow import moving

    path = setting.path(file)
    done = asyncio.run(
        moving.state_recover(
            project,
            read_state_file(path),
            source=str(path),
            show=lambda kept: setting.screen.show(recovery_lines(kept), to_stderr=True),
        )
    )
    lines = [line("All of it is recorded already." if done.there else "Recorded.")]
    members: dict[str, Json] = {"file": str(path), "records": len(done.recovery.records), "again": done.there}
    setting.screen.present(Told("state-recover", lines, members), output_format)


def _front(setting: Setting, project: Project) -> Front:
    return Front(setting.screen, plain_lines(setting.screen), project.clock.stamp)
