"""What a step of a plan's text would send or record, beside what it shows: a reviewer sees the changes alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from declarative.kinds import KINDS
from declarative.kinds.compare import same
from declarative.model import Action, Attributes, Change, Json, Kind, Reference, Resource, Step
from declarative.planner.differences import bookkeeping_changes, by_key

_ENDS = (Action.DELETE, Action.FORGET)
_BEFORE = (Action.UPDATE, Action.DELETE, Action.ENABLE, Action.DISABLE)


def hidden(
    step: Step, others: Iterable[Step], *, old: Resource | None, seen: Attributes, guarded: bool
) -> Iterator[str]:
    """Yield what a step would send or record other than its changes say, or without a change that says it.

    `others`: all steps of its address, whose changes count where its own say nothing; `old`: what is recorded of the
    object, or of the one that it replaces; `seen`: what the cloud shows of it; `guarded`: it must not be destroyed.
    """
    if step.action in _ENDS:
        return
    kind, own = KINDS[step.address.kind], _by_field((step,))
    shown = {**_by_field(one for one in others if one.action not in _ENDS), **own}
    inputs = old.inputs if old is not None else {}
    for name, value in step.resource.inputs.items():
        if name not in kind.fields:
            yield f"the field {name}, which a {kind.noun} does not have"
        elif name in own and not _tells(own[name], name, value, old=inputs.get(name), seen=seen.get(name)):
            yield f"the new value of {name}"
        elif name not in shown and not _is_kept(kind, name, value, inputs, seen):
            yield f"a change of {name}"
    for name in own.keys() & kind.fields.keys() - step.resource.inputs.keys():
        if any(change.new is not None or not change.new_known for change in own[name]):
            yield f"the new value of {name}"
    yield from _hidden_bookkeeping(step, others, old, guarded=guarded)


def _hidden_bookkeeping(step: Step, others: Iterable[Step], old: Resource | None, *, guarded: bool) -> Iterator[str]:
    if step.action is Action.CREATE and step.resource.lifecycle.adopt:
        yield "lifecycle.adopt"
    sets = old is None or step.resource.lifecycle != old.lifecycle or step.action is Action.CREATE
    if sets and step.resource.lifecycle.prevent_destroy != guarded:
        yield "lifecycle.prevent_destroy"
    if old is not None and old.inputs and step.action not in (Action.CREATE, Action.ADOPT):
        told = {change.field for one in others for change in one.changes}
        yield from (one.field for one in bookkeeping_changes(old, step.resource) if one.field not in told)


def _by_field(steps: Iterable[Step]) -> dict[str, list[Change]]:
    shown: dict[str, list[Change]] = {}
    for step in steps:
        for change in step.changes:
            shown.setdefault(change.field.partition(".")[0], []).append(change)
    return shown


def _is_kept(kind: Kind, name: str, value: Json, old: Attributes, seen: Attributes) -> bool:
    if isinstance(value, Reference):
        return False
    if name in old and old[name] == value:
        return True
    if name in old and not isinstance(old[name], Reference) and same(kind, name, value, old[name]):
        return True
    return seen.get(name) is not None and same(kind, name, value, seen[name])


def _tells(changes: list[Change], name: str, value: Json, *, old: Json, seen: Json) -> bool:
    """True when the changes of one field come to its value."""
    if isinstance(value, Reference):
        return all(not change.new_known for change in changes)
    if any(not change.new_known for change in changes):
        return False
    wanted = by_key(value)
    whole = [by_key(change.new) for change in changes if change.field == name]
    if whole:
        return len(changes) == 1 and (whole[0] == wanted or not (wanted or whole[0]))
    parts = {change.field.partition(".")[2]: change.new for change in changes}
    return isinstance(wanted, dict) and _parts_tell(parts, wanted, [by_key(seen), by_key(old)])


def _parts_tell(parts: Attributes, wanted: Attributes, before: list[Json]) -> bool:
    """True when a mapping is as the changed parts say, and for the rest as it was before."""
    known = [one for one in before if isinstance(one, dict)]
    kept = {key: content for key, content in wanted.items() if key not in parts}
    return all(wanted.get(key) == content for key, content in parts.items()) and all(
        any(key in one and one[key] == content for one in known) for key, content in kept.items()
    )


def untold_before(step: Step, seen: Attributes) -> list[str]:
    """The fields of the object that the step should look at again before its call, and does not."""
    if step.action not in _BEFORE or not step.resource.id or not seen:
        return []
    kind = KINDS[step.address.kind]
    wrong = ["id"] if step.before.get("id") != step.resource.id else []
    return [*wrong, *(name for name in kind.fields if seen.get(name) is not None and name not in step.before)]
