"""`state …` and `lock …`: what is recorded, and who is writing it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from declarative.cli.groups import LazyGroup
from declarative.cli.options import formats, option, with_project
from declarative.cli.progress import plain_lines
from declarative.cli.prompt import Front
from declarative.cli.setting import Setting
from declarative.errors import visible
from declarative.views.states import (
    HistoryView,
    HolderView,
    ListingView,
    ResourceView,
    holder_text,
    points_view,
    restored_view,
)
from declarative.views.text import line
from declarative.views.view import Told
from declarative.workflow.project import Project

_STATE = {
    "list": ("states:list_", "List what is recorded."),
    "show": ("states:show", "Show one recorded object."),
    "mv": ("states:mv", "Record an object under another address."),
    "rm": ("states:rm", "Forget objects; they stay in the cloud."),
    "pull": ("moving:pull", "Print the whole state."),
    "push": ("moving:push", "Put a pulled state in place of the recorded one."),
    "diff": ("moving:diff", "Show what a pulled state has other than the recorded one."),
    "rebind": ("moving:rebind", "Bind the state to a project, stack or folder that was renamed."),
    "migrate": ("moving:migrate", "Move the state to another address."),
    "rebuild": ("moving:rebuild", "Record what is declared and exists, when the state is lost."),
    "recover": ("moving:recover", "Record what an earlier run could not."),
    "restore": ("states:restore", "Go back to an earlier serial, or list which there are."),
    "history": ("states:history", "List the runs that have written the state."),
}
_LOCK = {
    "show": ("states:lock_show", "Show who holds the lock."),
    "break": ("states:lock_break", "Take the lock from a holder that is gone."),
}


@click.group(cls=LazyGroup, lazy=_STATE)
def state() -> None:
    """Show, edit, move and mend what is recorded. The cloud is never touched.

    \b
    Example:
      declarative state list
    """


@click.command("list")
@formats("text", "json")
@with_project("state")
def list_(setting: Setting, project: Project, output_format: str) -> None:
    """List what is recorded: address, id, name.

    \b
    Example:
      declarative state list
    """
    from declarative.workflow import states

    resources = states.state_list(project)
    setting.screen.present(ListingView(resources), output_format)
    if not resources:
        setting.screen.err("Nothing is recorded.")


@click.command("show")
@click.argument("address")
@formats("text", "json")
@with_project("state")
def show(setting: Setting, project: Project, address: str, output_format: str) -> None:
    """Show all that is recorded of ADDRESS.

    \b
    Example:
      declarative state show ProtectionGroup/shop
    """
    from declarative.workflow import states

    setting.screen.present(ResourceView(states.state_show(project, address)), output_format)


@click.command("mv")
@click.argument("source")
@click.argument("target")
@formats("text", "json")
@with_project("state", "cloud", "lock")
def mv(setting: Setting, project: Project, source: str, target: str, output_format: str) -> None:
    """Record the object of address SOURCE under address TARGET.

    \b
    Example:
      declarative state mv ProtectionGroup/shop ProtectionGroup/shop-eu
    """
    from declarative.workflow import states

    asyncio.run(states.state_mv(project, source, target, watch=_front(setting, project)))
    lines = [line(f"Moved: {visible(source)} is now {visible(target)}.")]
    setting.screen.present(Told("state-mv", lines, {"source": source, "target": target}), output_format)


@click.command("rm")
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@formats("text", "json")
@with_project("state", "cloud", "lock")
def rm(setting: Setting, project: Project, addresses: tuple[str, ...], output_format: str) -> None:
    """Forget each ADDRESS: the object stays in the cloud, and is managed no more.

    \b
    Example:
      declarative state rm ProtectionGroup/shop
    """
    from declarative.workflow import states

    removed = asyncio.run(states.state_rm(project, addresses, watch=_front(setting, project)))
    lines = [line(f"Forgotten: {address}. It stays in the cloud.") for address in removed]
    setting.screen.present(Told("state-rm", lines, {"addresses": [*map(str, removed)]}), output_format)


@click.command("restore")
@click.argument("serial", type=click.IntRange(min=0), required=False)
@formats("text", "json")
@with_project("state", "lock")
def restore(setting: Setting, project: Project, serial: int | None, output_format: str) -> None:
    """Go back to the state as of SERIAL, or list the serials that are whole.

    For a state that is damaged, or that was written by mistake. The files that are replaced are kept in a folder beside
    them. What was made after that serial stays in the cloud: import it before you apply.

    \b
    Example:
      declarative state restore
      declarative state restore 12
    """
    from declarative.workflow import states

    if serial is None:
        points = states.state_points(project)
        setting.screen.present(points_view(points), output_format)
        if not points:
            setting.screen.err("There is nothing to go back to: no state here is whole, nor any backup of one.")
        return
    restored = asyncio.run(states.state_restore(project, serial))
    setting.screen.present(restored_view(serial, restored), output_format)


@click.command("history")
@formats("text", "json")
@with_project("state")
def history(setting: Setting, project: Project, output_format: str) -> None:
    """List the runs that have written the state, oldest first: when, who, what came of it.

    \b
    Example:
      declarative state history
    """
    from declarative.workflow import states

    setting.screen.present(HistoryView(states.state_history(project)), output_format)


@click.group(cls=LazyGroup, lazy=_LOCK)
def lock() -> None:
    """Show or break the lock of the state.

    \b
    Example:
      declarative lock show
    """


@click.command("show")
@formats("text", "json")
@with_project("state")
def lock_show(setting: Setting, project: Project, output_format: str) -> None:
    """Show who holds the lock of the state, since when and for what.

    \b
    Example:
      declarative lock show
    """
    from declarative.workflow import states

    setting.screen.present(HolderView(states.lock_show(project)), output_format)


@click.command("break")
@click.argument("lock_id", metavar="ID")
@option("force", "--force", is_flag=True, sealed=True, help="Also where nobody can know whether its holder lives.")
@formats("text", "json")
@with_project("state")
def lock_break(setting: Setting, project: Project, lock_id: str, force: bool, output_format: str) -> None:
    """Take the lock ID from a holder that is gone; refused while it lives.

    In an object store this watches for a minute whether the holder lives. Behind HTTP nobody can know: look whether
    that run has ended, and add --force.

    \b
    Example: the id is the one that `declarative lock show` prints:
      declarative lock break 0d5e7f1a-7a9e-4c5e-9d1c-2f3b8a6c4e10
    """
    from declarative.workflow import states

    plain_lines(setting.screen)
    holder = states.lock_break(project, lock_id, force=force)
    lines = [line(f"The lock is broken. {holder_text(holder)}")]
    setting.screen.present(Told("lock-break", lines, {"holder": asdict(holder)}), output_format)


def _front(setting: Setting, project: Project) -> Front:
    return Front(setting.screen, plain_lines(setting.screen), project.clock.stamp)
