"""The group that a member belongs to: hands off while it is held, one at a time while it is busy, drills last."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from declarative.applier.session import Busy, Session, StepFailed
from declarative.errors import visible
from declarative.kinds import KINDS
from declarative.kinds.relations import GROUP
from declarative.model import Attributes, Health, Kind, Resource, Step

_COMPLETE = 100  # percent


def group_of(session: Session, resource: Resource) -> str:
    """The id of the group a resource belongs to; "" for a group itself, and where nobody knows."""
    kind = session.kind(resource.address)
    if not kind.relations.group:
        return ""
    own = resource.inputs.get(kind.relations.group) or resource.attributes.get(kind.relations.group)
    if own:
        return str(own)
    named = (
        session.ledger.recorded(target.kind, resource.inputs.get(target.field))
        for target in kind.relations.refers.values()
    )
    other = next((one for one in named if one is not None), None)
    return group_of(session, other) if other is not None else ""


def accepted_inputs(session: Session, group_id: str) -> Attributes:
    """What the manifest of a recorded group accepts, such as its production side; {} for an unmanaged one."""
    group = session.ledger.recorded(GROUP.name, group_id)
    return group.inputs if group is not None else {}


class GroupGone(StepFailed):
    """The group that a member belongs to is gone from the cloud."""

    def __init__(self, group_id: str) -> None:
        super().__init__(f"{GROUP.noun} {group_id} is gone from the cloud", "Plan again.")


async def check_group(
    session: Session, resource: Resource, look_at: Callable[[Kind, str], Awaitable[Attributes | None]]
) -> None:
    """Look at the member's group just before the member is touched.

    Raises GroupGone, StepFailed when the group is held (an operator is failing over), and Busy.
    """
    if not (group_id := group_of(session, resource)):
        return
    observed = await look_at(GROUP, group_id)
    if observed is None:
        raise GroupGone(group_id)
    health = GROUP.statuses.health(observed, accepted_inputs(session, group_id))
    if health is Health.HELD:
        raise held(GROUP, observed)
    if health is Health.BUSY:
        raise busy(GROUP, group_id, observed)


async def at_work(session: Session, resource: Resource, *, deadline: float) -> str:
    """What is seen busy of the object and of those that it names, in words; "" when all is at rest.

    An attachment has no status: its pair is attaching, or detaching.
    """

    async def look_at(kind: Kind, object_id: str) -> Attributes | None:
        return await session.observer.object(kind, object_id, max_age=0.0, deadline=deadline)

    try:
        await check_parts(session, resource, look_at, with_itself=True)
    except Busy as one:
        return str(one)
    return ""


async def check_parts(
    session: Session,
    resource: Resource,
    look_at: Callable[[Kind, str], Awaitable[Attributes | None]],
    *,
    with_itself: bool = False,
) -> None:
    """Look at the objects that an object names. Raises Busy when one of them is."""
    kind, values = session.kind(resource.address), {**resource.attributes, **resource.inputs}
    named = [(KINDS[target.kind], values.get(target.field)) for target in kind.relations.refers.values()]
    own = [(kind, resource.id)] if with_itself and not kind.relations.identity else []
    for of_kind, object_id in (*named, *own):
        if not isinstance(object_id, str) or not object_id:
            continue
        observed = await look_at(of_kind, object_id)
        if observed is not None and of_kind.statuses.health(observed, {}) is Health.BUSY:
            raise busy(of_kind, object_id, observed)


def held(kind: Kind, observed: Attributes) -> StepFailed:
    """The failure of a step whose object somebody fails over."""
    because = visible(kind.statuses.held_because(observed), limit=200)
    return StepFailed(f"disaster recovery is in progress: {because}", "Wait for it, then plan again.")


def busy(kind: Kind, object_id: str, observed: Attributes) -> Busy:
    """Something is under way at an object."""
    return Busy(f"{kind.noun} {object_id} is {visible(observed.get('status'), limit=80)}")


async def is_marked(
    session: Session, resource: Resource, look_at: Callable[[Kind, str], Awaitable[Attributes | None]]
) -> bool:
    """True while something that an object names tells of a failed create or delete of it, which a delete clears."""
    kind = session.kind(resource.address)
    for target in kind.relations.refers.values() if kind.statuses.marks else ():
        object_id = resource.inputs.get(target.field)
        if target.kind in kind.statuses.marks and isinstance(object_id, str):
            observed = await look_at(KINDS[target.kind], object_id)
            if observed is not None and observed.get("status") in kind.statuses.marks[target.kind]:
                return True
    return False


async def parts_busy(session: Session, resource: Resource, *, deadline: float) -> str:
    """Wait while a part of an object that is named by its parts is busy. Returns what still is, at the deadline."""
    if not session.kind(resource.address).relations.identity:
        return ""
    looks = session.looks(deadline)
    while still := await at_work(session, resource, deadline=deadline):
        if not await looks.again():
            return still
    return ""


async def first_copy(session: Session, step: Step, *, deadline: float) -> None:
    """Wait until a protected group's first copy is complete; before that, what a drill starts may not boot."""
    group_id, looks = group_of(session, step.resource), session.looks(deadline)
    while True:
        observed = await session.observer.object(GROUP, group_id, max_age=0.0, deadline=deadline)
        if observed is None:
            raise GroupGone(group_id)
        percent = _percent(observed)
        if observed.get("status") not in GROUP.statuses.protected or percent >= _COMPLETE:
            return
        session.tell("step-progress", step, status="copying", percent=percent)
        if not await looks.again():
            raise StepFailed(f"the group's first copy is not complete: {percent} %", "Run again later.")


def _percent(observed: Attributes) -> int:
    """What the group says of its first copy, as a number or as text; 0 where it says nothing."""
    progress = str(observed.get("progress"))
    return int(progress) if progress.isdecimal() and len(progress) <= len(str(_COMPLETE)) else 0


async def take_turn(session: Session, resource: Resource) -> None:
    """From a group's first "busy" on, its members' steps go one at a time: wait for the turn, and keep it."""
    group_id = group_of(session, resource)
    if group_id:
        session.narrow.setdefault(group_id, session.new_turns())
        await session.hold_turn(group_id)


async def turn_if_narrow(session: Session, resource: Resource) -> None:
    """Before a step begins: wait for its turn, where its group has been busy."""
    if session.narrow and (group_id := group_of(session, resource)) in session.narrow:
        await session.hold_turn(group_id)
