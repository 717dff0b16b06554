"""The group that a member belongs to: hands off while it is held, one at a time while it is busy, drills last."""

from __future__ import annotations

from declarative.apply.session import Session, StepFailed
from declarative.errors import visible
from declarative.kinds import KINDS
from declarative.model import Attributes, Health, Kind, Resource, Step

_FRESH = 2.0  # seconds for which one list answers all who ask after their group
_PAUSE_CAP = 15.0
_COMPLETE = 100  # percent

GROUP = next(kind for kind in KINDS.values() if not kind.group)


def group_of(run: Session, resource: Resource) -> str:
    """The id of the group a resource belongs to; "" for a group itself, and where nobody knows."""
    kind = run.kind(resource.address)
    if not kind.group:
        return ""
    own = resource.inputs.get(kind.group) or resource.attributes.get(kind.group)
    if own:
        return str(own)
    named = (run.ledger.recorded(target.kind, resource.inputs.get(target.field)) for target in kind.refers.values())
    other = next((one for one in named if one is not None), None)
    return group_of(run, other) if other is not None else ""


def accepted_inputs(run: Session, group_id: str) -> Attributes:
    """What the manifest of a recorded group accepts, such as its production side; {} for an unmanaged one."""
    group = run.ledger.recorded(GROUP.name, group_id)
    return group.inputs if group is not None else {}


async def group_ready(run: Session, step: Step, *, deadline: float) -> None:
    """Look at the member's group just before the member is touched. Waits while the group is busy.

    Raises StepFailed when the group is gone or held: an operator is failing over.
    """
    group_id = group_of(run, step.resource)
    if not group_id:
        return
    inputs = accepted_inputs(run, group_id)
    pause = 1.0
    while True:
        observed = await run.lookout.look(GROUP, group_id, max_age=_FRESH, deadline=deadline)
        if observed is None:
            raise StepFailed(f"{GROUP.noun} {group_id} is gone from the cloud", "Plan again.")
        health = GROUP.health(observed, inputs)
        if health is Health.HELD:
            raise held(GROUP, observed)
        if health is not Health.BUSY:
            return
        if run.clock.monotonic() + pause >= deadline:
            raise StepFailed(f"{GROUP.noun} {group_id} is busy: {visible(observed.get('status'))}", "Run again.")
        await run.clock.sleep(pause)
        pause = min(pause * 1.5, _PAUSE_CAP)


def held(kind: Kind, observed: Attributes) -> StepFailed:
    """The failure of a step whose object somebody fails over."""
    because = visible(kind.held_because(observed), limit=200)
    return StepFailed(f"disaster recovery is in progress: {because}", "Wait for it, then plan again.")


async def first_copy(run: Session, step: Step, *, deadline: float) -> None:
    """Wait until a protected group's first copy is complete; before that, what a drill starts may not boot."""
    group_id = group_of(run, step.resource)
    pause = 1.0
    while True:
        observed = await run.lookout.look(GROUP, group_id, max_age=_FRESH, deadline=deadline)
        if observed is None:
            raise StepFailed(f"{GROUP.noun} {group_id} is gone from the cloud", "Plan again.")
        percent = _percent(observed)
        if observed.get("status") not in GROUP.protected or percent >= _COMPLETE:
            return
        run.tell("step-progress", step, status="copying", percent=percent)
        if run.clock.monotonic() + pause >= deadline:
            raise StepFailed(f"the group's first copy is not complete: {percent} %", "Run again later.")
        await run.clock.sleep(pause)
        pause = min(pause * 1.5, _PAUSE_CAP)


def _percent(observed: Attributes) -> int:
    progress = observed.get("progress")
    return progress if isinstance(progress, int) else 0


async def take_turn(run: Session, resource: Resource) -> None:
    """From a group's first "busy" on, its members' steps go one at a time: wait for the turn, and keep it."""
    group_id = group_of(run, resource)
    if group_id:
        run.narrow.setdefault(group_id, run.new_turns())
        await run.hold_turn(group_id)


async def turn_if_narrow(run: Session, resource: Resource) -> None:
    """Before a step begins: wait for its turn, where its group has been busy."""
    if run.narrow and (group_id := group_of(run, resource)) in run.narrow:
        await run.hold_turn(group_id)
