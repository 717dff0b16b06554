"""Checks for what SDRS would refuse, before anything is sent, and what other services must provide.

Source: docs/sdrs-api.md, "Dependencies and ordering" and "Quotas and constraints".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from declarative.errors import Diagnostic, visible
from declarative.kinds import KINDS
from declarative.kinds.relations import BROUGHT, GROUP, MAKER, MEMBERS, TIE, made_with, parts_of, tie_id
from declarative.model import Action, Address, Attributes, Desired, Exclusive, Kind, Prerequisite, Step
from declarative.planner.brought_pairs import makers_of, pair_document, pair_in_words
from declarative.planner.builder import PlanBuilder
from declarative.planner.conflicts import Holders
from declarative.planner.losses import called, counted, in_words, listed, number
from declarative.planner.membership import Membership
from declarative.planner.status_rules import Situation, status_findings, switch_again

_TOLD = 5  # pairs of a group that are told of one by one


def preflight_findings(situation: Situation, *, refreshed: bool) -> Iterator[Diagnostic]:
    """Yield an error for each thing that SDRS would refuse."""
    if refreshed:
        yield from _held_members(situation)
        yield from _held_pairs(situation)
        yield from _closed_groups(situation)
        yield from status_findings(situation)
    yield from _ties(situation)
    yield from _full_quotas(situation)


# ---------------------------------------------------------------- groups that still hold something


def _held_members(situation: Situation) -> Iterator[Diagnostic]:
    """Groups to delete that hold members which no step deletes (SDRS.1001, 1003, 1010)."""
    created = {step.address for step in situation.steps if step.action is Action.CREATE}
    census: _MemberCounts | None = None
    for step in situation.steps:
        shown = situation.seen.get(step.address)
        if step.action is not Action.DELETE or shown is None or step.address.kind != GROUP.name:
            continue
        census = census or _MemberCounts(situation)
        what = "replaced" if step.address in created else "deleted"
        head = f"the {called(GROUP, step.resource, shown)} can't be {what}: it still has"
        place = situation.place(step.address)
        for summary, fix in (*census.pairs_left(step), *_others_left(census.left(step, shown))):
            yield Diagnostic(f"{head} {summary}", fix, place, str(step.address), id="group-not-empty")


def _others_left(counts: dict[str, int]) -> Iterator[tuple[str, str]]:
    if left := in_words(counts):
        yield (
            f"{listed(left)} that this stack does not manage",
            "Delete them in the console or where they are managed.",
        )


def _going(situation: Situation) -> dict[str, set[str]]:
    """The ids of what goes, by kind: what steps delete, and the pairs that came with instances that go."""
    going: dict[str, set[str]] = {}
    for step in situation.steps:
        if step.action is Action.DELETE:
            going.setdefault(step.address.kind, set()).add(step.resource.id)
    instances, pairs = going.get(MAKER.name, set()), going.setdefault(BROUGHT.name, set())
    for step in situation.steps:
        if step.action is Action.DELETE and step.address.kind == MAKER.name:
            brought = situation.builder.brought(situation.builder.source(step.address))
            pairs.update(one for one in brought if makers_of(situation.pairs.get(one, {})) <= instances)
    return going


class _MemberCounts:
    """How many members stay in the groups; every list is gone through once, for all groups together."""

    def __init__(self, situation: Situation) -> None:
        objects = situation.comparison.observed.objects
        self._situation = situation
        self._going = _going(situation)
        self._listed = {kind.name: self._count(kind, objects[kind.name]) for kind in MEMBERS if kind.name in objects}

    def _count(self, kind: Kind, listed: Mapping[str, Attributes]) -> Counter[str]:
        gone = self._going.get(kind.name, ())
        return Counter(str(shown.get(kind.relations.group)) for one, shown in listed.items() if one not in gone)

    def left(self, group: Step, shown: Attributes) -> dict[str, int]:
        """How many members of each sort stay: by the lists, where they were read, else by the group's own counts.

        Pairs that were listed are told of by `pairs_left`.
        """
        counts = counted(shown)
        left = {
            f"{kind.noun}s": self._listed[kind.name][group.resource.id]
            if kind.name in self._listed
            else counts.get(f"{kind.noun}s", 0) - len(self._going.get(kind.name, ()))
            for kind in MEMBERS
            if kind is not BROUGHT or kind.name not in self._listed
        }
        return {noun: count for noun, count in left.items() if count > 0}

    def pairs_left(self, group: Step) -> Iterator[tuple[str, str]]:
        """Each pair that stays in a group, and what would take it out."""
        if BROUGHT.name not in self._listed or not self._listed[BROUGHT.name][group.resource.id]:
            return
        gone, field = self._going[BROUGHT.name], BROUGHT.relations.group
        shown = self._situation.pairs.items()
        left = [(one, pair) for one, pair in shown if one not in gone and str(pair.get(field)) == group.resource.id]
        for object_id, pair in left[:_TOLD]:
            yield self._pair_left(group.address, object_id, pair)
        if len(left) > _TOLD:
            yield f"{len(left) - _TOLD} more {BROUGHT.noun}s", "`declarative export` describes them all."

    def _pair_left(self, group: Address, object_id: str, pair: Attributes) -> tuple[str, str]:
        builder, name = self._situation.builder, pair_in_words(object_id, pair)
        foreign = sorted(one for one in makers_of(pair) if builder.owner(MAKER.name, one) is None)
        if foreign:
            home = f"instance {visible(foreign[0], limit=160)}"
            return (
                f"{name}, attached to {home}, which this stack does not manage",
                "Delete that instance where it is managed first.",
            )
        if owner := builder.owner(BROUGHT.name, object_id):
            return f"{name}, which is recorded as {owner} and stays", "Plan without selectors."
        return f"{name}, {_why_it_stays(builder, pair)}", pair_document(builder.comparison, group, object_id, pair)


def _why_it_stays(builder: PlanBuilder, pair: Attributes) -> str:
    homes = sorted(str(home) for one in makers_of(pair) if (home := builder.owner(MAKER.name, one)))
    return f"which is attached to {homes[0]} but did not come with it" if homes else "which is not recorded here"


def _held_pairs(situation: Situation) -> Iterator[Diagnostic]:
    """Pairs to delete that are attached, with no step that detaches them or deletes the instance (SDRS.1605)."""
    deletes = [step for step in situation.steps if step.action is Action.DELETE]
    going = {step.resource.id for step in deletes}
    created = {step.address for step in situation.steps if step.action is Action.CREATE}
    for step in deletes:
        if step.address.kind != BROUGHT.name:
            continue
        homes = makers_of(situation.seen.get(step.address, {}))
        held = sorted(one for one in homes if one not in going and tie_id(one, step.resource.id) not in going)
        if held:
            owner = situation.builder.owner(MAKER.name, held[0])
            where = str(owner) if owner is not None else f"instance {visible(held[0], limit=160)}"
            yield Diagnostic(
                f"{step.address} can't be {'replaced' if step.address in created else 'deleted'} now: it is attached to"
                f" {where}, and no step of this plan detaches it",
                f"Describe the attachment (kind {TIE.name}) and import it, or detach the pair first. To leave"
                " the pair with its instance, describe it with lifecycle.adopt set to true.",
                situation.place(step.address),
                str(step.address),
                id="pair-attached",
            )


# ---------------------------------------------------------------- groups that take no members


def _closed_groups(situation: Situation) -> Iterator[Diagnostic]:
    """Members for a group whose protection failed to start or to stop, and is not switched now (SDRS.1024)."""
    switched = {step.address for step in situation.steps if step.action in (Action.ENABLE, Action.DISABLE)}
    remade = {step.address for step in situation.steps if step.action is Action.CREATE}
    for step in situation.steps:
        kind = KINDS[step.address.kind]
        if step.action is not Action.CREATE or not kind.relations.group or kind.statuses.copies_first:
            continue
        for group in situation.membership.joins(step.address):
            if group in switched or group in remade or situation.membership.takes_members(group):
                continue
            status = visible((situation.membership.shown(group) or {}).get("status"), limit=80)
            yield Diagnostic(
                f"{step.address} can't be created now: the status of {visible(group, limit=200)} is {status}, and SDRS"
                " takes members only while a group is available or protected",
                switch_again(status),
                situation.comparison.desired[step.address].position("metadata", "name"),
                str(step.address),
                id="group-takes-no-members",
            )


# ---------------------------------------------------------------- what ties two objects together


def _ties(situation: Situation) -> Iterator[Diagnostic]:
    deleted = {(step.address.kind, step.resource.id) for step in situation.steps if step.action is Action.DELETE}
    holders: dict[str, Holders] = {}
    for step in situation.steps:
        if step.action is not Action.CREATE:
            continue
        kind, desired = KINDS[step.address.kind], situation.comparison.desired[step.address]
        yield from group_findings(situation.membership, desired)
        if kind.relations.exclusive is not None:
            if kind.name not in holders:
                holders[kind.name] = Holders(situation.builder, kind, kind.relations.exclusive)
            ids = holders[kind.name].of(step.resource.inputs)
            others = (one for one in ids if (kind.name, one) not in deleted and not _is_it(kind, step, one))
            yield from (_taken(kind, kind.relations.exclusive, step, desired, one) for one in others)


def _is_it(kind: Kind, step: Step, object_id: str) -> bool:
    """True for the object that a create would make, where its parts name it."""
    parts = parts_of(kind, object_id)
    return bool(parts) and all(step.resource.inputs.get(name) == part for name, part in parts.items())


def group_findings(membership: Membership, desired: Desired) -> Iterator[Diagnostic]:
    """Yield an error for an object that ties together what is in different groups."""
    kind = KINDS[desired.address.kind]
    if kind.relations.group in kind.fields:
        return
    groups = sorted(visible(group, limit=200) for group in membership.joins(desired.address))
    if len(groups) > 1:
        parts = " and ".join(_an(word) for word in kind.words.key_words.values())
        yield Diagnostic(
            f"{desired.address} connects {parts} of different groups: {' and '.join(groups)}",
            "Put both in the same group.",
            desired.position("spec"),
            str(desired.address),
            id="different-groups",
        )


def _an(word: str) -> str:
    return f"an {word}" if word[:1] in "aeiou" else f"a {word}"


def _taken(kind: Kind, exclusive: Exclusive, step: Step, desired: Desired, object_id: str) -> Diagnostic:
    """What no two may share is to be free in an object that stays."""
    words, inputs = kind.words.key_words, step.resource.inputs
    home, value = (visible(inputs.get(name), limit=80) for name in (exclusive.within, exclusive.field))
    others = {name: one for name, one in parts_of(kind, object_id).items() if name != exclusive.within}
    held = others or {kind.noun: object_id}
    holds = " with ".join(f"{words.get(name, name)} {visible(one, limit=80)}" for name, one in held.items())
    return Diagnostic(
        f"{exclusive.field} {value} of {words.get(exclusive.within, exclusive.within)} {home} is already used"
        f" by {holds}",
        f"Use a free {exclusive.field}.",
        desired.position("spec", exclusive.field),
        str(step.address),
        id="value-taken",
    )


# ---------------------------------------------------------------- quotas


def _full_quotas(situation: Situation) -> Iterator[Diagnostic]:
    """Kinds of which more would be created than the quota leaves room for (SDRS.0305, 0306)."""
    net = _net(situation)
    for name, more in sorted(excess(situation).items()):
        kind, room = KINDS[name], net[name] - more
        limit, used = _quota(situation, kind)
        makers = sorted(maker.noun for maker in KINDS.values() if name in made_with(maker))
        brought = f", at least one for each new {' or '.join(makers)}" if makers else ""
        yield Diagnostic(
            f"the quota leaves room for {room} more {kind.noun}s, but {net[name]} more are planned{brought}"
            f" ({used} of {limit} are used)",
            "Ask for a higher quota, or describe fewer objects.",
            id="quota-exceeded",
        )


def excess(situation: Situation) -> dict[str, int]:
    """By how many objects the steps go beyond the quotas, for each kind of which they do."""
    if not situation.comparison.observed.lookups.quotas:
        return {}
    beyond = {}
    for name, more in _net(situation).items():
        limit, used = _quota(situation, KINDS[name])
        if more > 0 and limit is not None and used is not None and limit >= 0 and more > max(limit - used, 0):
            beyond[name] = more - max(limit - used, 0)
    return beyond


def _quota(situation: Situation, kind: Kind) -> tuple[int | None, int | None]:
    """How many objects of a kind there may be, and how many there are."""
    quota = (situation.comparison.observed.lookups.quotas or {}).get(kind.wire.quota, {})
    return number(quota.get("quota")), number(quota.get("used"))


def _net(situation: Situation) -> Counter[str]:
    """How many more objects of each kind there will be at least; an instance brings a pair for its system disk."""
    net: Counter[str] = Counter()
    for step in situation.steps:
        if step.action is Action.CREATE:
            net.update((step.address.kind, *made_with(KINDS[step.address.kind])))
    for name, gone in _going(situation).items():
        net[name] -= len(gone)
    return net


# ---------------------------------------------------------------- what other services must have ready


def prerequisites(steps: Iterable[Step]) -> tuple[Prerequisite, ...]:
    """Return what SDRS can't tell and would refuse a step for, in the order of the steps, each once."""
    found: dict[Prerequisite, None] = {}
    for step in steps:
        if step.action is Action.CREATE:
            for words in KINDS[step.address.kind].words.needs(step.resource.inputs):
                found[Prerequisite(step.address, words)] = None
        elif step.action is Action.UPDATE:
            fields = KINDS[step.address.kind].fields
            for change in step.changes:
                if change.field in fields and (words := fields[change.field].needs):
                    found[Prerequisite(step.address, words)] = None
    return tuple(found)
