"""What the options of `plan`, `apply` and `destroy` ask the planner for."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from declarative.cli.setting import Setting
from declarative.errors import pasteable, visible
from declarative.model import Consent, Plan
from declarative.planfile import content_digest, plan_digest
from declarative.planner.consents import OPTION, parse_consent
from declarative.planner.selection import PlanRequest

if TYPE_CHECKING:
    from declarative.workflow.project import Project


def request_from(
    *,
    target: Sequence[str] = (),
    exclude: Sequence[str] = (),
    replace: Sequence[str] = (),
    refresh: bool = True,
    refresh_only: bool = False,
    destroy: bool = False,
    allow: Sequence[str] = (),
) -> PlanRequest:
    """The request that these options make. Raises UsageError for one that contradicts itself."""
    return PlanRequest(
        targets=tuple(target),
        excludes=tuple(exclude),
        replaces=tuple(replace),
        destroy=destroy,
        refresh_only=refresh_only,
        refreshed=refresh,
        consents=consents_from(allow),
    )


def consents_from(allow: Sequence[str]) -> tuple[Consent, ...]:
    """The consents of `--allow CLASS[:ADDRESS]`. Raises UsageError for one that can't be given."""
    return tuple(parse_consent(text) for text in allow)


def saved_command(setting: Setting, path: Path, made: Plan) -> str:
    """The command that carries out the plan that was saved to `path`, and no other."""
    folder = f"-C {pasteable(setting.folder)} " if setting.folder != Path() else ""
    name = pasteable(path.relative_to(setting.folder) if path.is_relative_to(setting.folder) else path)
    if not pasteable(path):  # a command that names it would not do what it says
        folder, name = "", "FILE"
    return f"declarative {folder}apply {name} --plan-sha256 {plan_digest(made)}"


def apply_command(setting: Setting, project: Project, made: Plan) -> str:
    """The command that plans the same again and carries it out; values of --var, which may be secret, are left out."""
    basis = made.basis
    words = ["declarative"]
    if setting.folder != Path():
        words += ["-C", str(setting.folder)]
    if setting.environment != "default" or os.environ.get("DECLARATIVE_ENV"):
        words += ["--env", setting.environment]
    words.append("apply")
    words += [name for name, is_set in (("--destroy", basis.destroy), ("--refresh-only", basis.refresh_only)) if is_set]
    words += [] if basis.refreshed else ["--no-refresh"]
    for option, values in (("--target", basis.targets), ("--exclude", basis.excludes), ("--replace", basis.replaces)):
        words += [word for value in values for word in (option, value)]
    words += [word for path in project.var_files for word in ("--var-file", str(path))]
    words += [word for text in project.variables for word in ("--var", f"{text.partition('=')[0]}=…")]
    words += [word for one in made.consents if one.by == OPTION for word in ("--allow", str(one))]
    words += ["--content-sha256", content_digest(made)]
    return shlex.join(visible(word) for word in words)
