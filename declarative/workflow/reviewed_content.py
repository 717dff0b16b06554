"""A content digest, held against the plan that is made anew: what was reviewed is carried out, and nothing else.

The state keeps the digest and, until all is done, the digests of the reviewed steps. So a run that was killed can be
repeated under the same digest: what it has left must be reviewed steps, as they were reviewed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from declarative.model import Plan, Review
from declarative.planfile import PlanDiffers, content_digest, review_of, unreviewed
from declarative.planner.steps import step_id
from declarative.state import State


class ContentDiffers(PlanDiffers):
    """The plan made now (`plan`) is not what was reviewed under a content digest."""

    id = "content-differs"

    def __init__(self, plan: Plan, summary: str, *, fix: str, differences: Sequence[str] = ()) -> None:
        super().__init__(differences, summary=summary, fix=fix)
        self.plan = plan


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was reviewed, for the state to keep; None where nothing is kept. `whole`: nothing of it is withheld."""

    review: Review | None
    whole: bool


AS_MADE = Accepted(None, whole=True)


def accept_content(plan: Plan, sha256: str, state: State) -> Accepted:
    """Return what was reviewed under the content digest `sha256`, if that is what the plan would do, or its rest.

    Raises ContentDiffers otherwise.
    """
    found = content_digest(plan)
    ran = any(run.content == sha256 for run in state.history)
    if not plan.has_changes() and ran:
        return AS_MADE
    if found == sha256:
        return Accepted(review_of(plan), whole=True)
    progress = state.progress
    begun = progress.review if progress is not None and not progress.done else None
    if progress is None or begun is None or begun.content != sha256:
        raise ContentDiffers(plan, f"{_why(state, sha256, found)}; nothing was done", fix=_fix(found))
    if wrong := unreviewed(plan, begun, done=progress.steps, recorded=state.resources):
        left = f"what is left of the change that was reviewed as {sha256} is not as it was reviewed; nothing was done"
        raise ContentDiffers(plan, left, fix=_fix(found), differences=wrong)
    waiting = begun.steps.keys() - progress.steps
    return Accepted(begun, whole=waiting.isdisjoint(step_id(one.action, one.address) for one in plan.withheld))


def _why(state: State, sha256: str, found: str) -> str:
    progress = state.progress
    if progress is not None and progress.done and progress.run.content == sha256:
        return f"the change that was reviewed as {sha256} was applied already, and this plan has the content {found}"
    if any(run.content == sha256 for run in state.history):
        return f"the change that was reviewed as {sha256} was begun, and other runs have followed"
    return f"this plan has the content {found}, not {sha256}: it is not what was reviewed"


def _fix(found: str) -> str:
    return f"Have the plan above reviewed, and apply it with --content-sha256 {found}."
