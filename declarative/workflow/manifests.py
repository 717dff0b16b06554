"""The manifests of a project: checked and resolved. None of it needs a state or the cloud."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from declarative import manifest
from declarative.errors import DeclarativeError, Diagnostic, visible
from declarative.model import DEFAULT_ENVIRONMENT, DesiredView, Stack
from declarative.planner.offline import offline_findings
from declarative.workflow.project import Project


def validate(project: Project) -> tuple[Diagnostic, ...]:
    """All findings of all files: of the manifests themselves, and what every plan would refuse."""
    return inspect(project).findings


def inspect(project: Project) -> manifest.Inspection:
    """The findings of `validate`, and how much was looked at."""
    chosen = None if project.environment == DEFAULT_ENVIRONMENT else project.environment
    with _environment_known(project):
        return manifest.inspect(project.folder, environment=chosen, sources=project.sources(), judge=offline_findings)


def resolved(project: Project) -> tuple[DesiredView, tuple[Diagnostic, ...]]:
    loaded = manifest.load(project.folder, variable_files=project.var_files)
    with _environment_known(project):
        return manifest.resolve(loaded, environment=project.environment, sources=project.sources())


def stack_of(project: Project) -> Stack:
    with _environment_known(project):
        return manifest.stack_of(project.folder, environment=project.environment)


def stack_here(project: Project) -> Stack:
    """The settings of the folder's stack; empty ones where there is none."""
    return stack_of(project) if manifest.holds_stack(project.folder) else Stack(name="")


@contextmanager
def _environment_known(project: Project) -> Iterator[None]:
    """Where the environment's file is gone and its objects are not, say so: they go on costing."""
    try:
        yield
    except manifest.EnvironmentMissing as error:
        count = _recorded(project)
        if not count:
            raise
        file = project.folder / "environments" / f"{project.environment}.yaml"
        objects = "1 object is" if count == 1 else f"{count} objects are"
        raise manifest.EnvironmentMissing(
            f"{error.summary}, yet {objects} recorded for it",
            f"Bring {visible(file)} back to look at or destroy what is recorded; where every variable has a default,"
            f" an empty file will do. {error.known}",
        ) from error


def _recorded(project: Project) -> int:
    """How many objects are recorded for an environment without a file; 0 also when that can't be told."""

    from declarative.workflow.backends import store_of

    stack = Stack(name="")
    with suppress(DeclarativeError):
        stack = manifest.stack_of(project.folder)
    try:
        return len(store_of(project, stack).read().resources)
    except DeclarativeError:
        return 0
