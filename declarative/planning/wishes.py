"""What one address needs, looked at alone: the steps that lead from recorded and observed to desired."""

from __future__ import annotations

from dataclasses import dataclass, replace

from declarative.model import (
    Action,
    Address,
    Attributes,
    Change,
    Desired,
    Health,
    Kind,
    Reason,
    Resource,
    Step,
)
from declarative.planning.differences import (
    baseline,
    bookkeeping_changes,
    differing,
    drifted,
    field_changes,
    ignored_fields,
    input_changes,
    kept_inputs,
    must_replace,
    seen_inputs,
)


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of a recorded object's present: its attributes as the cloud shows them.

    `seen` is what fields are compared with: the attributes, or without a refresh what is recorded.
    """

    attributes: Attributes
    seen: Attributes
    health: Health


@dataclass(frozen=True, slots=True)
class Wanted:
    """A desired object with the inputs to send for it."""

    desired: Desired
    inputs: Attributes
    requested: bool = False  # --replace


def step_id(action: Action, address: Address) -> str:
    """The id of a step, e.g. `create:ProtectionGroup/shop`."""
    return f"{action.value}:{address}"


def _step(
    action: Action,
    reason: Reason,
    resource: Resource,
    *,
    changes: tuple[Change, ...] = (),
    requires: tuple[str, ...] = (),
    before: Attributes | None = None,
    source: Address | None = None,
) -> Step:
    address = resource.address
    return Step(step_id(action, address), address, action, reason, resource, changes, requires, before or {}, source)


def _born(wanted: Wanted, inputs: Attributes) -> Resource:
    desired = wanted.desired
    return Resource(desired.address, "", inputs, lifecycle=desired.lifecycle, depends_on=desired.depends_on)


def create(wanted: Wanted, reason: Reason, *, old_id: str | None = None) -> tuple[Step, ...]:
    """Create an object that isn't there; `old_id` is the one that is gone."""
    inputs = wanted.inputs
    changes = (
        Change("id", old_id, new_known=False),
        *(Change(name, None, inputs[name]) for name in sorted(inputs)),
    )
    return (_step(Action.CREATE, reason, _born(wanted, inputs), changes=changes),)


def delete(kind: Kind, recorded: Resource, sight: Sight, reason: Reason) -> Step:
    """Delete a recorded object, if it still is as it is seen now."""
    return _step(Action.DELETE, reason, recorded, before=_before(kind, recorded, sight))


def forget(recorded: Resource) -> Step:
    """Stop recording an object that is gone from the cloud."""
    return _step(Action.FORGET, Reason.GONE_FROM_CLOUD, recorded)


def _before(kind: Kind, recorded: Resource, sight: Sight) -> Attributes:
    shown = {name: sight.attributes[name] for name in kind.fields if name in sight.attributes}
    return {"id": recorded.id, **shown}


def adjust(kind: Kind, wanted: Wanted, recorded: Resource, sight: Sight) -> tuple[Step, ...]:
    """Return what turns an existing object into the desired one; () when nothing differs.

    When the desired address is another than the recorded one, the object is moved there first.
    """
    ignored = ignored_fields(kind, wanted.desired.lifecycle)
    inputs = kept_inputs(wanted.inputs, ignored, recorded=recorded.inputs, seen=sight.seen)
    names = differing(kind, inputs, recorded=recorded.inputs, seen=sight.seen)
    if ignored:
        names = [name for name in names if name not in ignored]
    wanted = _with_inputs(wanted, inputs)
    if forced := _forced(wanted, sight):
        return _replacement(kind, wanted, recorded, sight, reason=forced, names=names)
    if not names:
        return _record(wanted, recorded, sight)
    if must_replace(kind, names):
        reason = Reason.REPLACED if recorded.inputs else Reason.IMPORTED
        return _replacement(kind, wanted, recorded, sight, reason=reason, names=names)
    wanted = _with_inputs(wanted, seen_inputs(inputs, ignored, seen=sight.seen))
    return _update(kind, wanted, recorded, sight, names=names)


def _with_inputs(wanted: Wanted, inputs: Attributes) -> Wanted:
    return wanted if inputs is wanted.inputs else replace(wanted, inputs=inputs)


def _forced(wanted: Wanted, sight: Sight) -> Reason | None:
    """Why the object has to be made anew, whatever its fields are."""
    if sight.health is Health.BROKEN:
        return Reason.CREATION_FAILED
    if sight.health is Health.LEAVING:
        return Reason.BEING_DELETED
    return Reason.REQUESTED if wanted.requested else None


def _kept(wanted: Wanted, recorded: Resource, sight: Sight) -> Resource:
    """The living object as it will be recorded."""
    desired = wanted.desired
    return Resource(
        desired.address, recorded.id, wanted.inputs, sight.attributes, desired.lifecycle, desired.depends_on
    )


def _replacement(
    kind: Kind, wanted: Wanted, recorded: Resource, sight: Sight, *, reason: Reason, names: list[str]
) -> tuple[Step, ...]:
    first = delete(kind, recorded, sight, reason)
    resource = _born(wanted, wanted.inputs)
    changes = field_changes(names, old=sight.seen, new=wanted.inputs) + bookkeeping_changes(recorded, resource)
    return first, _step(Action.CREATE, reason, resource, changes=changes, requires=(first.id,))


def _update(kind: Kind, wanted: Wanted, recorded: Resource, sight: Sight, *, names: list[str]) -> tuple[Step, ...]:
    edited = any(recorded.inputs.get(name) != wanted.inputs[name] for name in names)
    reason = (Reason.EDITED if edited else Reason.DRIFTED) if recorded.inputs else Reason.IMPORTED
    resource = _kept(wanted, recorded, sight)
    changes = field_changes(names, old=sight.seen, new=wanted.inputs) + bookkeeping_changes(recorded, resource)
    before = _before(kind, recorded, sight)
    if recorded.address == resource.address:
        return (_step(Action.UPDATE, reason, resource, changes=changes, before=before),)
    moved = _moved(_with_inputs(wanted, recorded.inputs or wanted.inputs), recorded, sight)
    update = _step(
        Action.UPDATE,
        reason,
        resource,
        changes=field_changes(names, old=sight.seen, new=wanted.inputs),
        requires=(moved.id,),
        before=before,
    )
    return moved, update


def _moved(wanted: Wanted, recorded: Resource, sight: Sight) -> Step:
    resource = _kept(wanted, recorded, sight)
    changes = bookkeeping_changes(recorded, resource)
    return _step(Action.MOVE, Reason.MOVED, resource, changes=changes, source=recorded.address)


def _record(wanted: Wanted, recorded: Resource, sight: Sight) -> tuple[Step, ...]:
    """What has to be written down though the cloud needs nothing."""
    desired = wanted.desired
    if recorded.address != desired.address:
        return (_moved(wanted, recorded, sight),)
    same_inputs = recorded.inputs == wanted.inputs
    if same_inputs and recorded.lifecycle == desired.lifecycle and recorded.depends_on == desired.depends_on:
        return ()
    resource = _kept(wanted, recorded, sight)
    changes = input_changes(recorded.inputs, resource.inputs) + bookkeeping_changes(recorded, resource)
    if not recorded.inputs:
        return (_step(Action.ADOPT, Reason.IMPORTED, resource, changes=changes),)
    return (_step(Action.RECORD, Reason.EDITED, resource, changes=changes),) if changes else ()


def refresh(kind: Kind, recorded: Resource, sight: Sight) -> tuple[Step, ...]:
    """Record what the cloud shows of the managed fields; () when nothing has drifted."""
    names = drifted(kind, recorded, sight.seen)
    if not names:
        return ()
    old = baseline(kind, recorded)
    inputs = dict(recorded.inputs)
    for name in names:
        if name in inputs:
            inputs[name] = sight.seen.get(name)
    inputs = {name: value for name, value in inputs.items() if value is not None}
    resource = replace(recorded, inputs=inputs, attributes=sight.attributes)
    changes = field_changes(names, old=old, new=sight.seen)
    return (_step(Action.RECORD, Reason.DRIFTED, resource, changes=changes),)
