"""What the statuses of the objects permit: the calls that the service would refuse for one, with the remedy.

A status that passes is waited for. Others need a step first: the switch, the detach or the growth that has failed is
tried again, and what is broken for good is replaced. Source: docs/sdrs-api.md, "Transitions", and each call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from declarative.errors import Diagnostic, Position, visible
from declarative.kinds import KINDS
from declarative.kinds.relations import BROUGHT, DISABLE, ENABLE, GROUP, SWITCH_FAILED, parts_of
from declarative.model import Action, Address, Attributes, Health, Kind, Step
from declarative.planner.builder import PlanBuilder
from declarative.planner.comparison import Comparison
from declarative.planner.membership import Membership

_DONE = {Action.CREATE: "created", Action.DELETE: "deleted", Action.UPDATE: "changed"}
_NEVER_SWITCHED = frozenset({"available", "protected"})


@dataclass(frozen=True, slots=True)
class Situation:
    """The steps that are left, and what they are judged by. `seen`: what is shown of the objects they delete."""

    steps: tuple[Step, ...]
    builder: PlanBuilder
    membership: Membership
    seen: Mapping[Address, Attributes]

    def place(self, address: Address) -> Position | None:
        """Where the document of an address names it."""
        wanted = self.comparison.desired.get(address)
        return wanted.position("metadata", "name") if wanted is not None else None

    def shown(self, kind: str, object_id: object) -> Attributes | None:
        """What the cloud shows of an object; None for one that is not there yet, or no more."""
        found = self.comparison.observed.objects.get(kind, {})
        return found.get(object_id) if isinstance(object_id, str) else None

    @property
    def comparison(self) -> Comparison:
        """The three views."""
        return self.builder.comparison

    @property
    def pairs(self) -> Mapping[str, Attributes]:
        """All pairs that the cloud shows, by id."""
        return self.comparison.observed.objects.get(BROUGHT.name, {})


@dataclass(slots=True)
class _Cleared:
    """What the steps of a plan set right before others need it.

    `switched`: groups; `detached`: ids of pairs; `changed`: ids of objects, by the statuses that a change clears.
    """

    switched: set[Address | str] = field(default_factory=set)
    remade: set[Address | str] = field(default_factory=set)
    detached: set[str] = field(default_factory=set)
    changed: dict[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def by(cls, steps: Sequence[Step]) -> _Cleared:
        mended = cls()
        for step in steps:
            if step.action in (Action.ENABLE, Action.DISABLE):
                mended.switched.add(step.address)
            elif step.action is Action.CREATE:
                mended.remade.add(step.address)
            elif step.action is Action.DELETE and KINDS[step.address.kind].statuses.marks:
                mended.detached.update(marked_by(step))
            elif step.action is Action.UPDATE and step.resource.id:
                mended.changed[step.resource.id] = cleared_by(step)
        return mended

    def clears(self, status: str, object_id: str, marks: frozenset[str]) -> bool:
        """True when the object has another status by the time that others need it."""
        if status in marks:
            return object_id in self.detached
        return status in self.changed.get(object_id, frozenset())


def marked_by(step: Step) -> tuple[str, ...]:
    """The ids of the objects whose status tells of the failed create or delete of what a step deletes."""
    kind = KINDS[step.address.kind]
    parts = parts_of(kind, step.resource.id)
    return tuple(
        parts[one.field]
        for one in kind.relations.refers.values()
        if one.kind in kind.statuses.marks and one.field in parts
    )


def cleared_by(step: Step) -> frozenset[str]:
    """The statuses of an object that a change of it leads out of: those that its last change of the sort has left."""
    found: frozenset[str] = frozenset()
    for name in {change.field for change in step.changes} & KINDS[step.address.kind].fields.keys():
        found |= KINDS[step.address.kind].fields[name].sent_from - _NEVER_SWITCHED
    return found


def switch_again(status: str) -> str:
    """The remedy for a status in which the last switch has failed."""
    goal = (ENABLE if status in ENABLE.sent_from else DISABLE).goal
    return f"Set the group's protection to {goal}: the switch is then tried again first."


# ---------------------------------------------------------------- findings


def status_findings(situation: Situation) -> Iterator[Diagnostic]:
    """Yield an error for each call that the service would refuse for a status which no step of the plan changes."""
    mended = _Cleared.by(situation.steps)
    for step in situation.steps:
        if step.action is Action.CREATE:
            yield from _beside(situation, step, mended, KINDS[step.address.kind].statuses.created_beside)
        elif step.action is Action.DELETE:
            yield from _own(situation, step, mended, KINDS[step.address.kind].statuses.deleted_from, "deleted")
            yield from _beside(situation, step, mended, KINDS[step.address.kind].statuses.deleted_beside)
        elif step.action is Action.UPDATE:
            yield from _changes(situation, step, mended)


def _changes(situation: Situation, step: Step, mended: _Cleared) -> Iterator[Diagnostic]:
    kind = KINDS[step.address.kind]
    for name in sorted({change.field for change in step.changes} & kind.fields.keys()):
        allowed = kind.fields[name].sent_from
        if allowed:
            yield from _own(situation, step, mended, allowed, f"given another {name}")


def _own(
    situation: Situation, step: Step, mended: _Cleared, allowed: frozenset[str], deed: str
) -> Iterator[Diagnostic]:
    kind, object_id = KINDS[step.address.kind], step.resource.id
    status = _lasting(kind, situation.shown(kind.name, object_id))
    if not allowed or status is None or status in allowed:
        return
    if _clears(situation, step, mended, status, (kind, object_id)):
        return
    yield _finding(situation, step, deed, "it has the", status, _remedy(situation, kind, object_id, status))


def _beside(
    situation: Situation, step: Step, mended: _Cleared, allowed: Mapping[str, frozenset[str]]
) -> Iterator[Diagnostic]:
    """The statuses of what an object names, and of its group."""
    for target in KINDS[step.address.kind].relations.refers.values():
        if target.kind not in allowed or target.kind == GROUP.name:
            continue
        kind, object_id = KINDS[target.kind], step.resource.inputs.get(target.field)
        status = _lasting(kind, situation.shown(kind.name, object_id))
        if status is None or status in allowed[kind.name]:
            continue
        if not _clears(situation, step, mended, status, (kind, str(object_id))):
            remedy = _remedy(situation, kind, str(object_id), status)
            whose = f"{kind.noun} {visible(object_id, limit=160)} has the"
            yield _finding(situation, step, _DONE[step.action], whose, status, remedy)
    yield from _in_group(situation, step, mended, allowed.get(GROUP.name, frozenset()))


def _in_group(situation: Situation, step: Step, mended: _Cleared, allowed: frozenset[str]) -> Iterator[Diagnostic]:
    joins = step.action is Action.CREATE
    groups = situation.membership.joins(step.address) if joins else situation.membership.has(step.address)
    for group in sorted(groups, key=str) if allowed else ():
        status = _lasting(GROUP, situation.membership.shown(group))
        if status is None or status in allowed or (joins and (group in mended.remade or status in SWITCH_FAILED)):
            continue  # members for a group whose last switch failed are told of apart
        whose = f"{visible(group, limit=200)} has the"
        remedy = "Delete the group, or replace it (--replace)."
        yield _finding(situation, step, _DONE[step.action], whose, status, remedy)


def _lasting(kind: Kind, shown: Attributes | None) -> str | None:
    """The status of an object; None for one that passes, or that isn't known."""
    if shown is None or shown.get("status") in (None, "deleting"):
        return None
    health = kind.statuses.health({"status": shown["status"]}, {})
    return None if health is Health.BUSY else str(shown["status"])


def _clears(situation: Situation, step: Step, mended: _Cleared, status: str, found: tuple[Kind, str]) -> bool:
    kind, object_id = found
    if status in SWITCH_FAILED:
        groups = situation.membership.groups(step.address)
        return any(group in mended.switched for group in groups)
    return mended.clears(status, object_id, _marks(kind))


def _marks(kind: Kind) -> frozenset[str]:
    """The statuses of a kind that only a detach leads out of."""
    return frozenset[str]().union(*(other.statuses.marks.get(kind.name, frozenset()) for other in KINDS.values()))


def _finding(situation: Situation, step: Step, deed: str, whose: str, status: str, remedy: str) -> Diagnostic:
    shown = visible(status, limit=80) or "'' (none)"
    return Diagnostic(
        f"{step.address} can't be {deed} now: {whose} status {shown}, and SDRS refuses it in that status",
        remedy,
        situation.place(step.address),
        str(step.address),
        id="status-refuses-step",
    )


def _remedy(situation: Situation, kind: Kind, object_id: str, status: str) -> str:
    owner = situation.builder.owner(kind.name, object_id)
    anew = f"Replace it (--replace '{owner}')" if owner is not None else f"Replace the {kind.noun}"
    if status in SWITCH_FAILED:
        return switch_again(status)
    if kind.statuses.health({"status": status}, {}) is Health.HELD:
        return "End the disaster recovery first."
    if status in _marks(kind):
        return f"{anew}, or detach it from the instance that it was on. Nothing else clears this status."
    if status in kind.words.remedies:
        return kind.words.remedies[status](situation.shown(kind.name, object_id) or {})
    if status == "invalid":
        what = next(iter(kind.words.key_words.values()), "part")
        return f"Its {what} was deleted outside SDRS. {anew}."
    if status == "fault":
        return f"Its synchronization is faulty. Repair it in the cloud, or drop this change. As a last resort: {anew}."
    return f"{anew}."
