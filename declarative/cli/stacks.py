"""`stacks`: which stacks a repository holds, for a pipeline that works on those that changed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from declarative.cli.global_options import given
from declarative.cli.options import formats, option
from declarative.cli.setting import Setting
from declarative.errors import UsageError

_STANDARD_INPUT = "-"


@click.command()
@click.argument("folders", metavar="[FOLDER]...", nargs=-1)
@option("changed", "--changed", metavar="FILE", help="Only those touched by the paths in FILE, - for standard input.")
@option("gone_from", "--gone-from", metavar="DIR", help="Those of DIR, an earlier checkout, that are no longer here.")
@formats("text", "json")
@click.pass_obj
def stacks(
    setting: Setting, folders: tuple[str, ...], changed: str | None, gone_from: str | None, output_format: str
) -> None:
    """List the stacks at and below the folder of -C: environment, name, folder.

    A stack is listed for each file in its environments/, without any for the environment default. FOLDERs, relative to
    the folder of -C, choose among them, and so does --env. The paths of --changed are relative to it too, and each
    ends with a zero byte, as `git diff -z` writes them. --gone-from compares names of stacks and environments.

    \b
    Example: the stacks that a pull request touches, for the jobs of a pipeline:
      git diff --name-only -z --no-renames main... | declarative stacks --changed - --format json
    """
    from declarative.manifest import stacks as of_files
    from declarative.views.stacks import StacksView

    if gone_from is not None and changed is not None:
        raise UsageError("--gone-from does not go with --changed", "Use one of the two.")
    found = sorted(of_files.find_stacks(setting.folder))
    if gone_from is not None:
        here = {one.state for one in found}
        found = [one for one in sorted(of_files.find_stacks(Path(gone_from))) if one.state not in here]
    if changed is not None:
        paths = _paths(setting, changed)
        found = [one for one in found if any(of_files.is_touched(one, path) for path in paths)]
    wanted = {Path(os.path.normpath(one)).as_posix() for one in folders}
    if folders:
        found = [one for one in found if one.folder in wanted]
        _refuse_unknown(wanted - {one.folder for one in found})
    if "global_environment" in given(click.get_current_context()):  # a variable chooses none: it is for one stack
        found = [one for one in found if one.environment == setting.environment]
    setting.screen.present(StacksView(tuple(found)), output_format)


def _refuse_unknown(folders: set[str]) -> None:
    for folder in sorted(folders):
        raise UsageError(f"no stack is in the folder '{folder}'", "`declarative stacks` lists the folders with one.")


def _paths(setting: Setting, name: str) -> list[str]:
    try:
        content = sys.stdin.buffer.read() if name == _STANDARD_INPUT else setting.path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"{name} can't be read: {error.strerror}", "Name a file of paths, or -.") from error
    return [os.fsdecode(one) for one in content.split(b"\0") if one]
