"""What one address needs, looked at alone: the steps that lead from recorded and observed to desired."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from declarative.kinds import KINDS
from declarative.kinds.compare import is_told, same
from declarative.model import (
    Action,
    Address,
    Attributes,
    Change,
    Desired,
    Health,
    Kind,
    OnChange,
    Reason,
    Reference,
    Resource,
    Step,
)
from declarative.planner.differences import (
    baseline,
    bookkeeping_changes,
    differing,
    drifted,
    field_changes,
    ignored_fields,
    input_changes,
    kept_inputs,
    must_replace,
    quiet_changes,
    seen_inputs,
)

# Fields that no create sends, and another call changes, by kind.
_LATER = {
    kind.name: [
        name for name, rule in kind.fields.items() if not rule.at_creation and rule.on_change is OnChange.UPDATE
    ]
    for kind in KINDS.values()
}


@dataclass(frozen=True, slots=True)
class LiveObject:
    """What is known of a recorded object's present: its attributes as the cloud shows them.

    `seen` is what fields are compared with: the attributes, or without a refresh what is recorded.
    """

    attributes: Attributes
    seen: Attributes
    health: Health


@dataclass(frozen=True, slots=True)
class Completed:
    """A desired object with the inputs to send for it."""

    desired: Desired
    inputs: Attributes
    requested: bool = False  # --replace


def step_id(action: Action, address: Address) -> str:
    """The id of a step, e.g. `create:ProtectionGroup/shop`."""
    return f"{action.value}:{address}"


def new_step(
    action: Action,
    reason: Reason,
    resource: Resource,
    *,
    changes: tuple[Change, ...] = (),
    requires: tuple[str, ...] = (),
    before: Attributes | None = None,
    source: Address | None = None,
    leaves: tuple[str, ...] = (),
) -> Step:
    """A step with the id that its action and address give it.

    What an object has brought is no step's affair: the record of it stays as it is.
    """
    address = resource.address
    if resource.brought is not None:
        resource = replace(resource, brought=None)
    return Step(
        step_id(action, address), address, action, reason, resource, changes, requires, before or {}, source, leaves
    )


def deletes(steps: Iterable[Step]) -> bool:
    """True when the object of these steps ceases to be."""
    return any(step.action is Action.DELETE for step in steps)


def creates(steps: Iterable[Step]) -> bool:
    """True when these steps make an object."""
    return any(step.action is Action.CREATE for step in steps)


def _created(wanted: Completed, inputs: Attributes) -> Resource:
    desired = wanted.desired
    return Resource(desired.address, "", inputs, lifecycle=desired.lifecycle, depends_on=desired.depends_on)


def create(
    kind: Kind, wanted: Completed, reason: Reason, *, old_id: str | None = None, requires: tuple[str, ...] = ()
) -> tuple[Step, ...]:
    """Create a missing object; `old_id` is the id of the one that is gone.

    What the create call does not send and another call changes, such as a disk's size, is an update after it.
    """
    first = wanted.inputs
    later = _later(kind, first)
    if later:
        first = {name: value for name, value in first.items() if name not in later}
    step = new_step(
        Action.CREATE,
        reason,
        _created(wanted, first),
        changes=creation_changes(first, old_id=old_id),
        requires=requires,
    )
    return (step, *_grown(wanted, later, reason, requires=step.id))


def _later(kind: Kind, inputs: Attributes) -> list[str]:
    return [name for name in _LATER[kind.name] if name in inputs]


def _grown(wanted: Completed, names: list[str], reason: Reason, *, requires: str) -> tuple[Step, ...]:
    """The update of an object that isn't there yet."""
    if not names:
        return ()
    resource = _created(wanted, wanted.inputs)
    changes = field_changes(names, old={}, new=wanted.inputs)
    return (new_step(Action.UPDATE, reason, resource, changes=changes, requires=(requires,)),)


def creation_changes(inputs: Attributes, *, old_id: str | None = None, new_id: str | None = None) -> tuple[Change, ...]:
    """Return the changes shown for a created or adopted object: its id and every field."""
    changes = [Change("id", old_id, new_id, new_known=new_id is not None)]
    for name in sorted(inputs):
        value = inputs[name]
        changes.append(Change(name, new_known=False) if isinstance(value, Reference) else Change(name, None, value))
    return tuple(changes)


def adopt(
    kind: Kind, wanted: Completed, reason: Reason, *, found: tuple[str, Attributes], old_id: str | None = None
) -> tuple[Step, ...]:
    """Record an object that the service has made by itself, and bring it in line."""
    object_id, seen = found
    desired = wanted.desired
    resource = Resource(desired.address, object_id, wanted.inputs, seen, desired.lifecycle, desired.depends_on)
    changes = creation_changes(wanted.inputs, old_id=old_id, new_id=object_id)
    adopt = new_step(Action.ADOPT, reason, resource, changes=changes)
    names = differing(kind, wanted.inputs, recorded={}, seen=seen)
    if not names:
        return (adopt,)
    update = new_step(
        Action.UPDATE,
        reason,
        resource,
        changes=field_changes(names, old=seen, new=wanted.inputs),
        requires=(adopt.id,),
        before=before(kind, object_id, seen),
    )
    return adopt, update


def adopt_later(kind: Kind, wanted: Completed, reason: Reason, *, old: Resource | None = None) -> tuple[Step, ...]:
    """Record an object that the service will make by itself in the course of this plan, and bring it in line.

    `old` is what the address has recorded so far, which goes meanwhile.
    """
    first = (new_step(Action.FORGET, reason, old),) if old is not None else ()
    adopt = new_step(
        Action.ADOPT,
        reason,
        _created(wanted, wanted.inputs),
        changes=creation_changes(wanted.inputs, old_id=old.id if old is not None else None),
        requires=tuple(step.id for step in first),
    )
    names = [name for name in wanted.inputs if kind.fields[name].on_change is OnChange.UPDATE]
    return (*first, adopt, *_grown(wanted, names, reason, requires=adopt.id))


def delete(kind: Kind, recorded: Resource, live: LiveObject, reason: Reason) -> Step:
    """Delete a recorded object, if it still is as it is seen now."""
    return new_step(
        Action.DELETE,
        reason,
        recorded,
        before=before(kind, recorded.id, live.attributes),
        leaves=kind.words.leaves(recorded.inputs),
    )


def clear(recorded: Resource) -> Step:
    """Delete what an object that is gone has left behind."""
    return new_step(Action.DELETE, Reason.GONE_FROM_CLOUD, recorded)


def forget(recorded: Resource, reason: Reason = Reason.GONE_FROM_CLOUD) -> Step:
    """Stop recording an object: it is gone from the cloud, or goes with the one that brought it."""
    return new_step(Action.FORGET, reason, recorded)


def before(kind: Kind, object_id: str, attributes: Attributes) -> Attributes:
    """What must still be seen of an object just before it is changed: its fields."""
    return {"id": object_id, **{name: attributes[name] for name in kind.fields if name in attributes}}


def adjust(kind: Kind, wanted: Completed, recorded: Resource, live: LiveObject) -> tuple[Step, ...]:
    """Return what turns an existing object into the desired one; () when nothing differs.

    When the desired address is another than the recorded one, the object is moved there first.
    """
    ignored = ignored_fields(kind, wanted.desired.lifecycle)
    inputs = kept_inputs(wanted.inputs, ignored, recorded=recorded.inputs, seen=live.seen)
    names = differing(kind, inputs, recorded=recorded.inputs, seen=live.seen, normalized=recorded.normalized)
    if ignored:
        names = [name for name in names if name not in ignored or isinstance(inputs[name], Reference)]
    wanted = _with_inputs(wanted, inputs)
    if forced := _forced(wanted, live):
        return _replacement(kind, wanted, recorded, live, reason=forced, names=names)
    if not names:
        return _record(wanted, recorded, live)
    if must_replace(kind, names):
        reason = Reason.REPLACED if recorded.inputs else Reason.IMPORTED
        return _replacement(kind, wanted, recorded, live, reason=reason, names=names)
    wanted = _with_inputs(wanted, seen_inputs(inputs, ignored, seen=live.seen))
    return _update(kind, wanted, recorded, live, names=names)


def _with_inputs(wanted: Completed, inputs: Attributes) -> Completed:
    return wanted if inputs is wanted.inputs else replace(wanted, inputs=inputs)


def _forced(wanted: Completed, live: LiveObject) -> Reason | None:
    """Return why the object must be replaced, whatever its fields are."""
    if live.health is Health.BROKEN:
        return Reason.CREATION_FAILED
    if live.health is Health.LEAVING:
        return Reason.BEING_DELETED
    return Reason.REQUESTED if wanted.requested else None


def _kept(wanted: Completed, recorded: Resource, live: LiveObject) -> Resource:
    """Return the existing object as it will be recorded."""
    desired = wanted.desired
    return Resource(desired.address, recorded.id, wanted.inputs, live.attributes, desired.lifecycle, desired.depends_on)


def _replacement(
    kind: Kind, wanted: Completed, recorded: Resource, live: LiveObject, *, reason: Reason, names: list[str]
) -> tuple[Step, ...]:
    first = delete(kind, recorded, live, reason)
    create_, *more = create(kind, wanted, reason, requires=(first.id,))
    names = [name for name in names if name in create_.resource.inputs]
    changes = field_changes(names, old=_old(kind, recorded, live), new=wanted.inputs)
    changes += quiet_changes(kind, recorded.inputs, wanted.inputs) + bookkeeping_changes(recorded, create_.resource)
    return first, replace(create_, changes=changes), *more


def _update(
    kind: Kind, wanted: Completed, recorded: Resource, live: LiveObject, *, names: list[str]
) -> tuple[Step, ...]:
    reason = _why(kind, wanted, recorded, live, names=names)
    resource = _kept(wanted, recorded, live)
    old = _old(kind, recorded, live)
    changes = field_changes(names, old=old, new=wanted.inputs) + quiet_changes(kind, recorded.inputs, wanted.inputs)
    shown = before(kind, recorded.id, live.attributes)
    if recorded.address == resource.address:
        changes += bookkeeping_changes(recorded, resource)
        return (new_step(Action.UPDATE, reason, resource, changes=changes, before=shown),)
    moved = _moved(_with_inputs(wanted, recorded.inputs or wanted.inputs), recorded, live)
    update = new_step(
        Action.UPDATE,
        reason,
        resource,
        changes=changes,
        requires=(moved.id,),
        before=shown,
    )
    return moved, update


def _why(kind: Kind, wanted: Completed, recorded: Resource, live: LiveObject, *, names: list[str]) -> Reason:
    """Why the named fields differ. What is as it was last seen, no run has reached yet."""
    if not recorded.inputs:
        return Reason.IMPORTED
    if any(recorded.inputs.get(name) != wanted.inputs[name] for name in names):
        return Reason.EDITED
    known = recorded.attributes
    as_seen = all(name in known and same(kind, name, known[name], live.seen.get(name)) for name in names)
    return Reason.NOT_REACHED if as_seen else Reason.DRIFTED


def _old(kind: Kind, recorded: Resource, live: LiveObject) -> Attributes:
    """The fields as they are seen; of what the cloud does not show, as they were recorded."""
    hidden = {name: value for name, value in recorded.inputs.items() if not is_told(kind, name, live.seen)}
    return {**live.seen, **hidden} if hidden else live.seen


def _moved(wanted: Completed, recorded: Resource, live: LiveObject) -> Step:
    resource = _kept(wanted, recorded, live)
    changes = input_changes(recorded.inputs, resource.inputs) if recorded.inputs else ()
    changes += bookkeeping_changes(recorded, resource)
    return new_step(Action.MOVE, Reason.MOVED, resource, changes=changes, source=recorded.address)


def _record(wanted: Completed, recorded: Resource, live: LiveObject) -> tuple[Step, ...]:
    """What has to be written down though the cloud needs nothing."""
    desired = wanted.desired
    if recorded.address != desired.address:
        return (_moved(wanted, recorded, live),)
    same_inputs = recorded.inputs == wanted.inputs
    if same_inputs and recorded.lifecycle == desired.lifecycle and recorded.depends_on == desired.depends_on:
        return ()
    resource = _kept(wanted, recorded, live)
    changes = input_changes(recorded.inputs, resource.inputs) + bookkeeping_changes(recorded, resource)
    if not recorded.inputs:
        return (new_step(Action.ADOPT, Reason.IMPORTED, resource, changes=changes),)
    return (new_step(Action.RECORD, Reason.EDITED, resource, changes=changes),) if changes else ()


def refresh_steps(kind: Kind, recorded: Resource, live: LiveObject) -> tuple[Step, ...]:
    """Record what the cloud shows of the managed fields; () when nothing has drifted."""
    shown = drifted(kind, recorded, live.seen)
    if not shown:
        return ()
    old = baseline(kind, recorded)
    both = {name: shown.get(name, value) for name, value in recorded.inputs.items()}
    inputs = {name: value for name, value in both.items() if value is not None}
    resource = replace(recorded, inputs=inputs, attributes=live.attributes)
    changes = field_changes(shown, old=old, new=shown)
    return (new_step(Action.RECORD, Reason.DRIFTED, resource, changes=changes),)
