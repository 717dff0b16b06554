"""Whose a state is: the cloud, and the stack, environment and folder that it belongs to; another's is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from declarative.errors import StateError, shown
from declarative.model import Binding, Stack
from declarative.state import State
from declarative.workflow.project import Project


def folder_in_repository(folder: Path) -> str:
    """The folder relative to the root of the git repository around it, `.` for the root itself; "" outside of one."""
    place = folder.resolve()
    for root in (place, *place.parents):
        if (root / ".git").exists():
            return place.relative_to(root).as_posix()
    return ""


def binding_here(project: Project, stack: Stack, cloud: Binding) -> Binding:
    """What a state of this project is bound to, in this cloud."""
    folder = folder_in_repository(project.folder)
    return replace(cloud, stack=stack.name, environment=project.environment, folder=folder)


def check_owner(project: Project, stack: Stack, state: State) -> None:
    """Raise StateError for the state of another stack, environment or folder; what isn't known agrees with all."""
    bound = state.binding
    if bound is None:
        return
    here = binding_here(project, stack, bound)
    for name in ("stack", "environment", "folder"):
        theirs, ours = getattr(bound, name), getattr(here, name)
        if theirs and ours and theirs != ours:
            raise StateError(
                f"this state belongs to the {name} '{shown(theirs, limit=200)}', not to '{shown(ours, limit=200)}'",
                "A copy of a stack needs a state of its own. If the stack was renamed or moved: `declarative state"
                " rebind`.",
            )


def check_cloud(state: State, cloud: Binding) -> None:
    """Raise StateError for a state whose objects are in another project, region or endpoint."""
    bound = state.binding
    if bound is not None and not same_cloud(bound, cloud):
        raise StateError(
            f"this state belongs to project {bound.project_id} in region {bound.region!r} at {bound.host}, "
            f"not to project {cloud.project_id} in region {cloud.region!r} at {cloud.host}",
            "Use the endpoint and project it belongs to, or another state. If they were renamed: `declarative state"
            " rebind`.",
        )


def same_cloud(one: Binding, other: Binding) -> bool:
    """True when both are one project at one endpoint; a region that isn't named agrees with any."""
    regions = {one.region, other.region} - {""}
    return (one.project_id, one.host) == (other.project_id, other.host) and len(regions) <= 1
