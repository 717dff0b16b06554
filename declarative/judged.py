"""A saved plan where it is to be applied: by the locked state, a refresh, and the manifests if they are there."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from declarative.model import DesiredView, Observed, OpenOperation, Plan
from declarative.planfile import Evidence, judge, refuse_other
from declarative.planner import make_plan
from declarative.refresh import note_ids, observe, refresh
from declarative.saved import request_of

if TYPE_CHECKING:
    from declarative.apply import Session


async def judged_here(
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
        observed = await observe(request, desired, session)
    else:
        observed = await refresh(session, planned=True)
    note_ids(session, observed)
    evidence = Evidence(state.resources, observed, finished, open_, described=desired is not None)
    judged = judge(saved, evidence)
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
        refuse_other(saved, fresh, evidence)
    return judged
