"""Differences between desired inputs, recorded inputs and the cloud, field by field.

Source of the rules: docs/sdrs-api.md, "Diff rules". Every field is compared for equality first;
deepdiff tells the parts in which unequal values differ, and is imported only then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from declarative.kinds.compare import is_told, same
from declarative.kinds.relations import DISABLED, ENABLED, GOAL
from declarative.model import Attributes, Change, Json, Kind, Lifecycle, OnChange, Reference, Resource


def differing(
    kind: Kind,
    wanted: Attributes,
    *,
    recorded: Attributes,
    seen: Attributes,
    normalized: Mapping[str, tuple[Json, Json]] = MappingProxyType({}),
) -> list[str]:
    """Return the fields of `wanted` whose value isn't what the cloud shows (`seen`).

    A field that the cloud does not show is compared with what was `recorded`; when that is unknown too, as after an
    import, it does not differ. A reference to what is not made yet differs from everything; what is only recorded
    differs from nothing. What the service has `normalized` differs once the wanted value or the cloud's has changed.
    """
    return [
        name
        for name, value in wanted.items()
        if seen.get(name) != value
        and _differs(kind, name, value, recorded=recorded, seen=seen)
        and not (name in normalized and _is_as_normalized(kind, name, normalized[name], value, seen.get(name)))
    ]


def _is_as_normalized(kind: Kind, name: str, pair: tuple[Json, Json], value: Json, shown: Json) -> bool:
    sent, made = pair
    return not isinstance(value, Reference) and same(kind, name, sent, value) and same(kind, name, made, shown)


def _differs(kind: Kind, name: str, value: Json, *, recorded: Attributes, seen: Attributes) -> bool:
    rule, shown = kind.fields[name], seen.get(name)
    if rule.on_change is OnChange.RECORD:
        return False
    if isinstance(value, Reference):
        return True
    if is_told(kind, name, seen):
        return not same(kind, name, value, shown)
    if name in recorded:
        return not same(kind, name, value, recorded[name])
    # Managed from now on: a call may repeat what is so already, a new object for that would be too much.
    return bool(recorded) and rule.on_change is OnChange.UPDATE


def must_replace(kind: Kind, names: Iterable[str]) -> bool:
    """True when one of the fields can't be changed in place."""
    return any(kind.fields[name].on_change is OnChange.REPLACE for name in names)


def sent_field(kind: Kind, name: str) -> str:
    """The field that is sent for a manifest's field: one that is looked up, or names an object, becomes an id."""
    if name in kind.relations.refers:
        return kind.relations.refers[name].field
    return kind.relations.lookups.get(name, name)


def ignored_fields(kind: Kind, lifecycle: Lifecycle) -> frozenset[str]:
    """The sent fields that `lifecycle.ignore_changes` names."""
    if not lifecycle.ignore_changes:
        return _NONE
    return frozenset(sent_field(kind, name) for name in lifecycle.ignore_changes)


_NONE: frozenset[str] = frozenset()


def kept_inputs(inputs: Attributes, ignored: frozenset[str], *, recorded: Attributes, seen: Attributes) -> Attributes:
    """Return the desired inputs in which every ignored field is as it was recorded, or else as it is seen.

    A reference to an object that is made anew can't be ignored: the old one will be gone.
    """
    if not ignored:
        return inputs
    kept = dict(inputs)
    for name in ignored & inputs.keys():
        value = recorded.get(name, seen.get(name))
        if isinstance(inputs[name], Reference):
            continue
        if value is None:
            del kept[name]
        else:
            kept[name] = value
    return kept


def seen_inputs(inputs: Attributes, ignored: frozenset[str], *, seen: Attributes) -> Attributes:
    """Return inputs in which every ignored field is as it is seen, so that a call that repeats it changes nothing."""
    shown = {name: seen[name] for name in ignored if name in inputs and seen.get(name) is not None}
    return {**inputs, **shown} if shown else inputs


def drifted(kind: Kind, recorded: Resource, seen: Attributes) -> Attributes:
    """Return what the cloud shows of the managed fields other than recorded; after an import, of all it showed then."""
    known, ignored = baseline(kind, recorded), ignored_fields(kind, recorded.lifecycle)
    names = differing(kind, known, recorded={}, seen=seen, normalized=recorded.normalized)
    found = {**{name: seen.get(name) for name in names}, **_switched(kind, recorded, seen)}
    return {name: value for name, value in found.items() if name not in ignored}


def _switched(kind: Kind, recorded: Resource, seen: Attributes) -> Attributes:
    """The goal for protection that a group at rest shows, where the recorded one had been reached before."""
    was, now = (reached_goal(kind, shown) for shown in (recorded.attributes, seen))
    return {GOAL: now} if now and was == recorded.inputs.get(GOAL) != now else {}


def reached_goal(kind: Kind, shown: Attributes) -> str:
    """The goal for protection that a group is at; "" while it is on its way, and for what has no protection."""
    if kind.calls.enable is None:
        return ""
    goals = {kind.calls.enable.reached: ENABLED, **dict.fromkeys(kind.calls.enable.sent_from, DISABLED)}
    return goals.get(str(shown.get("status")), "")


def baseline(kind: Kind, recorded: Resource) -> Attributes:
    """What drift is told from: the inputs as applied, or after an import the fields as they were seen."""
    if recorded.inputs:
        return recorded.inputs
    return {name: recorded.attributes[name] for name in kind.fields if name in recorded.attributes}


def field_changes(names: Iterable[str], *, old: Attributes, new: Attributes) -> tuple[Change, ...]:
    """Return the changes of the named fields, which differ, by name; of mappings and lists the parts that differ.

    Lists of keys with values, such as tags, are told of by key. What a reference stands for is not known yet.
    """
    before, after = {}, {}
    changes: list[Change] = []
    for name in names:
        if isinstance(new.get(name), Reference):
            changes.append(Change(name, old.get(name), new_known=False))
        else:
            before[name], after[name] = _comparable(old.get(name), new.get(name))
    if before:
        changes.extend(_changes(before, after))
    return tuple(sorted(changes, key=lambda change: change.field))


def _comparable(old: Json, new: Json) -> tuple[Json, Json]:
    one, other = by_key(old), by_key(new)
    if one == [] and isinstance(other, dict):
        one = {}
    if other == [] and isinstance(one, dict):
        other = {}
    return one, other


def by_key(content: Json) -> Json:
    """A list of `{key, value}` with unique keys as a mapping; everything else as it is."""
    if not isinstance(content, list) or not content:
        return content
    if not all(isinstance(one, dict) and one.keys() == {"key", "value"} for one in content):
        return content
    mapping = {str(one["key"]): one["value"] for one in content}
    return mapping if len(mapping) == len(content) else content


def _changes(before: Attributes, after: Attributes) -> list[Change]:
    from deepdiff import DeepDiff  # 0.1 s to import, and most plans need it not
    from deepdiff.helper import notpresent

    changes: list[Change] = []
    for levels in DeepDiff(before, after, view="tree").values():
        for level in levels:
            path = ".".join(map(str, level.path(output_format="list")))
            old, new = (None if side is notpresent else side for side in (level.t1, level.t2))
            changes.append(Change(path, old, new))
    return changes


def bookkeeping_changes(recorded: Resource, new: Resource) -> tuple[Change, ...]:
    """Return what changes in the record beside inputs: the lifecycle, and what the object depends on."""
    if recorded.lifecycle == new.lifecycle and recorded.depends_on == new.depends_on:
        return ()
    before, after = _bookkeeping(recorded), _bookkeeping(new)
    return tuple(Change(name, before[name], after[name]) for name in before if before[name] != after[name])


def _bookkeeping(resource: Resource) -> Mapping[str, Json]:
    return {
        "lifecycle.prevent_destroy": resource.lifecycle.prevent_destroy,
        "lifecycle.ignore_changes": sorted(set(resource.lifecycle.ignore_changes)),
        "lifecycle.adopt": resource.lifecycle.adopt,
        "depends_on": sorted({str(address) for address in resource.depends_on}),
    }


def quiet_changes(kind: Kind, recorded: Attributes, new: Attributes) -> tuple[Change, ...]:
    """Return the differences between two sets of inputs in what is only recorded, such as delete options."""
    names = [
        name
        for name, rule in kind.fields.items()
        if rule.on_change is OnChange.RECORD and recorded.get(name) != new.get(name)
    ]
    return field_changes(names, old=recorded, new=new) if names else ()


def input_changes(recorded: Attributes, new: Attributes) -> tuple[Change, ...]:
    """Return the differences between two sets of inputs; None stands for a field that is not managed."""
    names = {name for name in recorded.keys() | new.keys() if recorded.get(name) != new.get(name)}
    return field_changes(names, old=recorded, new=new)
