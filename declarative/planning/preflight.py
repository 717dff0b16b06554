"""What SDRS itself would refuse, found before anything is sent, and what other services must have ready.

Source: SDRS API reference, "Dependencies and ordering" and "Quotas and constraints".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from declarative.errors import Diagnostic, visible
from declarative.kinds import KINDS
from declarative.kinds.compare import same
from declarative.model import Action, Address, Attributes, Desired, Kind, Prerequisite, Reference, Step
from declarative.planning.belonging import GROUP, Belonging
from declarative.planning.differences import DISABLED, ENABLED
from declarative.planning.losses import attached, called, counted, in_words, listed, number
from declarative.planning.scene import Scene
from declarative.planning.takeover import INSTANCE

_ATTACHMENT, _PAIR = "ReplicationAttachment", "ReplicationPair"
_MEMBERS = [kind for kind in KINDS.values() if f"{kind.noun}s" in GROUP.member_counts.values()]

# What a change in place needs elsewhere, by field.
_ON_UPDATE = {"flavorRef": "the DR server must be stopped while its flavor is changed; start it again if needed"}


@dataclass(frozen=True, slots=True)
class Situation:
    """The steps that are left, and what they are judged by. `seen`: what is shown of the objects they delete."""

    steps: tuple[Step, ...]
    scene: Scene
    belonging: Belonging
    seen: Mapping[Address, Attributes]


def findings(situation: Situation, *, refreshed: bool) -> Iterator[Diagnostic]:
    """Yield an error for each thing that SDRS would refuse."""
    if refreshed:
        yield from _held_members(situation)
        yield from _closed_groups(situation)
    yield from _attachments(situation)
    yield from _full_quotas(situation)


# ---------------------------------------------------------------- groups that still hold something


def _held_members(situation: Situation) -> Iterator[Diagnostic]:
    """Groups to delete that hold members which no step deletes (SDRS.1001, 1003, 1010)."""
    created = {step.address for step in situation.steps if step.action is Action.CREATE}
    census: _Census | None = None
    for step in situation.steps:
        kind, shown = KINDS[step.address.kind], situation.seen.get(step.address)
        if step.action is not Action.DELETE or shown is None or not kind.member_counts:
            continue
        census = census or _Census(situation)
        if left := in_words(census.left(step, shown)):
            wanted = situation.scene.desired.get(step.address)
            what = "replaced" if step.address in created else "deleted"
            yield Diagnostic(
                f"the {called(kind, step.resource, shown)} can't be {what}: it still holds {listed(left)}"
                " that this stack does not manage",
                "Delete them first, in the console or where they are managed.",
                wanted.position("metadata", "name") if wanted is not None else None,
                str(step.address),
            )


def _going(situation: Situation) -> dict[str, set[str]]:
    """The ids of what goes, by kind: what steps delete or forget, and the pairs that go with their instances."""
    going: dict[str, set[str]] = {}
    for step in situation.steps:
        if step.action in (Action.DELETE, Action.FORGET):
            going.setdefault(step.address.kind, set()).add(step.resource.id)
    instances, pairs = going.get(INSTANCE, set()), going.setdefault(_PAIR, set())
    for step in situation.steps:
        if step.action is Action.DELETE and step.address.kind == INSTANCE:
            shown = situation.seen.get(step.address, step.resource.attributes)
            pairs.update(str(one.get("replication")) for one in attached(shown))
    for object_id, shown in situation.scene.observed.objects.get(_PAIR, {}).items():
        homes = {str(one.get("protected_instance")) for one in attached(shown)}
        if homes and homes <= instances:
            pairs.add(object_id)
        elif homes - instances:
            pairs.discard(object_id)
    return going


class _Census:
    """How many members stay in the groups; every list is gone through once, for all groups together."""

    def __init__(self, situation: Situation) -> None:
        objects = situation.scene.observed.objects
        self._going = _going(situation)
        self._listed = {kind.name: self._count(kind, objects[kind.name]) for kind in _MEMBERS if kind.name in objects}

    def _count(self, kind: Kind, listed: Mapping[str, Attributes]) -> Counter[str]:
        gone = self._going.get(kind.name, ())
        return Counter(str(shown.get(kind.group)) for one, shown in listed.items() if one not in gone)

    def left(self, group: Step, shown: Attributes) -> dict[str, int]:
        """How many members of each sort stay: by the lists, where they were read, else by the group's own counts."""
        counts = counted(KINDS[group.address.kind], shown)
        left = {
            f"{kind.noun}s": self._listed[kind.name][group.resource.id]
            if kind.name in self._listed
            else counts.get(f"{kind.noun}s", 0) - len(self._going.get(kind.name, ()))
            for kind in _MEMBERS
        }
        return {noun: count for noun, count in left.items() if count > 0}


# ---------------------------------------------------------------- groups that take no members


def _closed_groups(situation: Situation) -> Iterator[Diagnostic]:
    """Members for a group whose protection failed to start or to stop, and is not switched now (SDRS.1024)."""
    switched = {step.address for step in situation.steps if step.action in (Action.ENABLE, Action.DISABLE)}
    remade = {step.address for step in situation.steps if step.action is Action.CREATE}
    for step in situation.steps:
        kind = KINDS[step.address.kind]
        if step.action is not Action.CREATE or not kind.group or kind.copies_first:
            continue
        for group in situation.belonging.joins(step.address):
            if group in switched or group in remade or situation.belonging.takes_members(group):
                continue
            status = visible((situation.belonging.shown(group) or {}).get("status"), limit=80)
            yield Diagnostic(
                f"{step.address} can't be created now: the status of {visible(group, limit=200)} is {status}, and SDRS"
                " takes members only while a group is available or protected",
                f"Set the group's protection to {_tried_again(status)}: that is tried again first.",
                situation.scene.desired[step.address].position("metadata", "name"),
                str(step.address),
            )


def _tried_again(status: str) -> str:
    """The goal whose switch leads a group out of this status, in which the last switch has failed."""
    return ENABLED if GROUP.enable is not None and status in GROUP.enable.sent_from else DISABLED


# ---------------------------------------------------------------- attachments


def _attachments(situation: Situation) -> Iterator[Diagnostic]:
    deleted = {step.resource.id for step in situation.steps if step.action is Action.DELETE}
    for step in situation.steps:
        if step.action is Action.CREATE and step.address.kind == _ATTACHMENT:
            desired = situation.scene.desired[step.address]
            yield from group_findings(situation.belonging, desired)
            yield from _taken_device(situation, step, desired, deleted)


def group_findings(belonging: Belonging, desired: Desired) -> Iterator[Diagnostic]:
    """Yield an error for an attachment that ties together what is in different groups."""
    if desired.address.kind != _ATTACHMENT:
        return
    groups = sorted(visible(group, limit=200) for group in belonging.joins(desired.address))
    if len(groups) > 1:
        yield Diagnostic(
            f"{desired.address} joins an instance and a pair of different groups: {' and '.join(groups)}",
            "Put both into one group.",
            desired.position("spec"),
            str(desired.address),
        )


def _taken_device(situation: Situation, step: Step, desired: Desired, deleted: Collection[str]) -> Iterator[Diagnostic]:
    """The device must be free on an instance that stays."""
    kind, inputs = KINDS[_ATTACHMENT], step.resource.inputs
    instance = inputs.get("protected_instance_id")
    if isinstance(instance, Reference):
        return
    for one in attached(situation.scene.observed.objects.get(INSTANCE, {}).get(str(instance), {})):
        pair = one.get("replication")
        if pair == inputs.get("replication_id") or f"{instance}/{pair}" in deleted:
            continue
        if same(kind, "device", inputs.get("device"), one.get("device")):
            yield Diagnostic(
                f"device {visible(inputs.get('device'), limit=80)} of instance {visible(instance, limit=80)} holds pair"
                f" {visible(pair, limit=80)} already",
                "Name a free device.",
                desired.position("spec", "device"),
                str(step.address),
            )


# ---------------------------------------------------------------- quotas


def _full_quotas(situation: Situation) -> Iterator[Diagnostic]:
    """Kinds of which more would be created than the quota leaves room for (SDRS.0305, 0306)."""
    net = _net(situation)
    for name, more in sorted(excess(situation).items()):
        kind, room = KINDS[name], net[name] - more
        limit, used = _quota(situation, kind)
        makers = sorted(maker.noun for maker in KINDS.values() if name in maker.makes)
        brought = f", with one at least for each new {' or '.join(makers)}" if makers else ""
        yield Diagnostic(
            f"the quota leaves room for {room} more {kind.noun}s, and {net[name]} more are planned{brought}"
            f" ({used} of {limit} are used)",
            "Ask for a higher quota, or describe fewer.",
        )


def excess(situation: Situation) -> dict[str, int]:
    """By how many objects the steps go beyond the quotas, for each kind of which they do."""
    if not situation.scene.observed.lookups.quotas:
        return {}
    beyond = {}
    for name, more in _net(situation).items():
        limit, used = _quota(situation, KINDS[name])
        if more > 0 and limit is not None and used is not None and limit >= 0 and more > max(limit - used, 0):
            beyond[name] = more - max(limit - used, 0)
    return beyond


def _quota(situation: Situation, kind: Kind) -> tuple[int | None, int | None]:
    """How many objects of a kind there may be, and how many there are."""
    quota = (situation.scene.observed.lookups.quotas or {}).get(kind.quota, {})
    return number(quota.get("quota")), number(quota.get("used"))


def _net(situation: Situation) -> Counter[str]:
    """How many more objects of each kind there will be at least; an instance brings a pair for its system disk."""
    net: Counter[str] = Counter()
    for step in situation.steps:
        if step.action is Action.CREATE:
            net.update((step.address.kind, *KINDS[step.address.kind].makes))
    for name, gone in _going(situation).items():
        net[name] -= len(gone)
    return net


# ---------------------------------------------------------------- what other services must have ready


def prerequisites(steps: Iterable[Step]) -> tuple[Prerequisite, ...]:
    """Return what SDRS can't tell and would refuse a step for, in the order of the steps, each once."""
    found: dict[Prerequisite, None] = {}
    for step in steps:
        if step.action is Action.CREATE:
            for words in KINDS[step.address.kind].needs(step.resource.inputs):
                found[Prerequisite(step.address, words)] = None
        elif step.action is Action.UPDATE:
            for change in step.changes:
                if change.field in _ON_UPDATE:
                    found[Prerequisite(step.address, _ON_UPDATE[change.field])] = None
    return tuple(found)
