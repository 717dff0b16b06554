"""The group that a member belongs to: hands off while it is held, one at a time while it is busy, drills last."""

from __future__ import annotations

from declarative.apply.session import Session, StepFailed
from declarative.errors import visible
from declarative.kinds import KINDS
from declarative.model import Attributes, Health, Kind, Resource, Step

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


async def group_ready(run: Session, resource: Resource, *, deadline: float) -> None:
    """Look at the member's group just before the member is touched. Waits while the group is busy.

    Raises StepFailed when the group is gone or held: an operator is failing over.
    """
    group_id = group_of(run, resource)
    if not group_id:
        return
    inputs, looks = accepted_inputs(run, group_id), run.looks(deadline)
    while True:
        observed = await run.look(GROUP, group_id, max_age=0.0, deadline=deadline)
        if observed is None:
            raise StepFailed(f"{GROUP.noun} {group_id} is gone from the cloud", "Plan again.")
        health = GROUP.health(observed, inputs)
        if health is Health.HELD:
            raise held(GROUP, observed)
        if health is not Health.BUSY:
            return
        if not await looks.again():
            raise StepFailed(f"{GROUP.noun} {group_id} is busy: {visible(observed.get('status'))}", "Run again.")


async def still_open(run: Session, resource: Resource, *, deadline: float) -> None:
    """Look before a call is sent again: since the look before the first time, somebody may have failed over.

    Raises StepFailed when the object's group, or the group that it is, is held.
    """
    await group_ready(run, resource, deadline=deadline)
    if resource.address.kind == GROUP.name and resource.id:
        observed = await run.look(GROUP, resource.id, max_age=0.0, deadline=deadline)
        if observed is not None and GROUP.health(observed, resource.inputs) is Health.HELD:
            raise held(GROUP, observed)


async def at_work(run: Session, resource: Resource, *, deadline: float) -> str:
    """What is seen busy of the object and of those that it names, in words; "" when all is at rest.

    An attachment has no status: its pair is attaching, or detaching.
    """
    kind, values = run.kind(resource.address), {**resource.attributes, **resource.inputs}
    named = [(KINDS[target.kind], values.get(target.field)) for target in kind.refers.values()]
    for of_kind, object_id in [*named, *(() if kind.identity else ((kind, resource.id),))]:
        if not isinstance(object_id, str) or not object_id:
            continue
        observed = await run.look(of_kind, object_id, max_age=0.0, deadline=deadline)
        if observed is not None and of_kind.health(observed, {}) is Health.BUSY:
            return f"{of_kind.noun} {object_id} is {visible(observed.get('status'), limit=80)}"
    return ""


def held(kind: Kind, observed: Attributes) -> StepFailed:
    """The failure of a step whose object somebody fails over."""
    because = visible(kind.held_because(observed), limit=200)
    return StepFailed(f"disaster recovery is in progress: {because}", "Wait for it, then plan again.")


async def parts_busy(run: Session, resource: Resource, *, deadline: float) -> str:
    """Wait while a part of an object that is named by its parts is busy. Returns what still is, at the deadline."""
    if not run.kind(resource.address).identity:
        return ""
    looks = run.looks(deadline)
    while busy := await at_work(run, resource, deadline=deadline):
        if not await looks.again():
            return busy
    return ""


async def first_copy(run: Session, step: Step, *, deadline: float) -> None:
    """Wait until a protected group's first copy is complete; before that, what a drill starts may not boot."""
    group_id, looks = group_of(run, step.resource), run.looks(deadline)
    while True:
        observed = await run.look(GROUP, group_id, max_age=0.0, deadline=deadline)
        if observed is None:
            raise StepFailed(f"{GROUP.noun} {group_id} is gone from the cloud", "Plan again.")
        percent = _percent(observed)
        if observed.get("status") not in GROUP.protected or percent >= _COMPLETE:
            return
        run.tell("step-progress", step, status="copying", percent=percent)
        if not await looks.again():
            raise StepFailed(f"the group's first copy is not complete: {percent} %", "Run again later.")


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
