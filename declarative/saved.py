"""Saved plans: each applies once, and only where and while what it was made from still holds."""

from __future__ import annotations

from declarative import manifest
from declarative.errors import PlanRefused
from declarative.model import Plan, Stack
from declarative.project import SIMULATOR, Project
from declarative.state import State


def stack_of_saved(project: Project, saved: Plan) -> Stack:
    """The settings a saved plan runs with; a stack in the folder must still resolve to what was planned."""
    try:
        loaded = manifest.load(project.folder)
    except manifest.StackMissing:
        basis = saved.basis
        return Stack(
            name=basis.stack,
            region=basis.binding.region,
            simulator=basis.binding.region == SIMULATOR,
            max_deletes=saved.max_deletes,
            timeouts=saved.timeouts,
        )
    sources = manifest.VariableSources(fixed=saved.basis.inputs)
    desired, _ = manifest.resolve(loaded, environment=saved.basis.environment, sources=sources)
    if desired.digest != saved.basis.desired:
        raise PlanRefused("the manifests have changed since the plan was made", "Plan again.")
    return desired.stack


def refuse_expired(project: Project, saved: Plan) -> None:
    now = project.clock.stamp()
    if now > saved.basis.expires:
        raise PlanRefused(f"the plan expired at {saved.basis.expires}", "Plan again.")


def refuse_stale(state: State, saved: Plan, digest: str) -> bool:
    """Refuse a plan that the state has moved on from. Returns True when it is this plan's own, interrupted run."""
    progress = state.progress
    if progress is not None and progress.run.plan == digest:
        if progress.done:
            raise PlanRefused(f"the plan was applied already, by {progress.run.who}", "Plan again.")
        return True
    if any(run.plan == digest for run in state.history):
        raise PlanRefused("the plan was begun, and other runs have followed", "Plan again.")
    if (state.lineage, state.serial) != (saved.basis.lineage, saved.basis.serial):
        if state.serial == 0 and saved.basis.serial == 0:
            return False  # nothing is recorded yet: the lineage is drawn at the first write
        raise PlanRefused(
            f"the state stands at serial {state.serial}, and the plan was made from serial {saved.basis.serial}",
            "Plan again.",
        )
    return False
