"""Saved plans: each applies once, and only where and while what it was made from still holds.

It is verified where it is to be applied: by the locked state, a refresh, and the manifests if they are there.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from declarative import manifest
from declarative.errors import PlanRefused
from declarative.kinds import KINDS
from declarative.model import Binding, DesiredView, Observed, OpenOperation, Plan, Stack
from declarative.observation.refresh import observe, read_kinds
from declarative.planfile import Circumstances, decode_plan, refuse_other, verify
from declarative.planner.planner import make_plan
from declarative.planner.selection import PlanRequest
from declarative.state import State
from declarative.workflow.ownership import same_cloud
from declarative.workflow.project import SIMULATOR, Project

if TYPE_CHECKING:
    from declarative.applier import Session


def reviewed_plan(text: str, *, source: str, sha256: str | None) -> tuple[Plan, str]:
    """The plan of a text, and its digest. Raises PlanRefused when that isn't `sha256`, if one is given."""
    saved, digest = decode_plan(text, source=source)
    if sha256 is not None and sha256.lower() != digest:
        raise PlanRefused(
            f"{source} has the digest {digest}, not {sha256.lower()}", "Apply the plan that was reviewed."
        )
    return saved, digest


def refuse_other_cloud(binding: Binding, saved: Plan) -> None:
    """Raise PlanRefused for another project or endpoint than the plan was made for."""
    theirs = saved.basis.binding
    if not same_cloud(binding, theirs):
        raise PlanRefused(
            f"the plan was made for project {theirs.project_id} at {theirs.host}, not for {binding.project_id} at"
            f" {binding.host}",
            "Use the endpoint and project it was made for, or plan again.",
        )


def desired_of(project: Project, saved: Plan) -> DesiredView | None:
    """The folder's manifests, resolved as the plan was; None where there are none.

    Raises PlanRefused when they don't come to what was planned.
    """
    try:
        loaded = manifest.load(project.folder)
    except manifest.StackMissing:
        return None
    sources = manifest.VariableSources(fixed=saved.basis.inputs)
    desired, _ = manifest.resolve(loaded, environment=saved.basis.environment, sources=sources)
    if desired.digest != saved.basis.desired:
        raise PlanRefused("the manifests have changed since the plan was made", "Plan again.")
    return desired


def settings(saved: Plan) -> Stack:
    """The settings that a saved plan brings with it, for where there are no manifests."""
    basis = saved.basis
    return Stack(
        name=basis.stack,
        region=basis.binding.region,
        simulator=basis.binding.region == SIMULATOR,
        max_deletes=saved.max_deletes,
        timeouts=saved.timeouts,
    )


def request_of(saved: Plan) -> PlanRequest:
    """What the plan was asked for."""
    basis = saved.basis
    return PlanRequest(
        destroy=basis.destroy,
        refresh_only=basis.refresh_only,
        refreshed=basis.refreshed,
        targets=basis.targets,
        excludes=basis.excludes,
        replaces=basis.replaces,
    )


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
    basis = saved.basis
    if state.lineage != basis.lineage:
        raise PlanRefused("the plan was made from another state", "Apply it to that state, or plan again.")
    if state.serial != basis.serial and not (basis.serial == 0 and _is_only_bound(state)):
        raise PlanRefused(
            f"the state stands at serial {state.serial}, and the plan was made from serial {basis.serial}",
            "Plan again.",
        )
    return False


def _is_only_bound(state: State) -> bool:
    """True for what a first run leaves that is killed once it has tied the new state to its cloud."""
    known = (state.resources, state.operations, state.history, state.progress, state.outputs, state.pre_images)
    return state.serial == 1 and not any(known)


async def verified_here(
    session: Session,
    saved: Plan,
    desired: DesiredView | None,
    *,
    finished: Collection[str],
    open_: tuple[OpenOperation, ...],
) -> Plan:
    """The saved plan as it stands here and now: with the dangers that are found, without what has to be withheld.

    `desired`: the manifests, where there are any. Raises PlanRefused when the plan does not hold any more, or says less
    than it would do.
    """
    state, request = session.ledger.state, request_of(saved)
    if desired is not None and request.refreshed:
        observed = await observe(request, desired, session.observer, state.resources)
    else:
        observed = await read_kinds(session.observer, state.resources.values(), KINDS)
    session.refreshed(observed)
    circumstances = Circumstances(state.resources, observed, finished, open_, described=desired is not None)
    verified = verify(saved, circumstances)
    if desired is not None:
        fresh = make_plan(
            desired,
            state.resources,
            observed if request.refreshed else Observed(),
            request=request,
            basis=saved.basis,
            recorded_outputs=state.outputs,
            open=open_,
        )
        refuse_other(saved, fresh, circumstances)
    return verified
