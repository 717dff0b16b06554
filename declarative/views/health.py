"""How the protected applications are, as lines for a reader and as JSON for a program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from declarative.errors import shown
from declarative.kinds import KINDS
from declarative.kinds.relations import GROUP
from declarative.model import Json
from declarative.reporting.health import NAME_LIMIT, GroupStatus, MemberStatus
from declarative.reporting.health import Report as Health
from declarative.views.report import Block, Case, Finding, Level, Report, Verdict, worst
from declarative.views.text import Line, Span, Tone, line, many, value
from declarative.views.view import document


@dataclass(frozen=True, slots=True)
class HealthView:
    """The report of `status`."""

    health: Health

    def text(self) -> list[Line]:
        return status_lines(self.health)

    def json(self) -> str:
        return document(status_json(self.health))

    def report(self) -> Report:
        health, told = self.health, tuple(_told(self.health))
        findings = [
            Finding(Level.ERROR, f"{name}: {trouble}", address=name) for name, troubles in told for trouble in troubles
        ]
        cases = [
            Case(name, Verdict.FAILED if troubles else Verdict.PASSED, "; ".join(troubles)) for name, troubles in told
        ]
        members = sum(len(group.members) for group in health.groups)
        return Report(
            _verdict(health),
            worst(findings),
            findings,
            cases or [Case("nothing is recorded")],
            {"groups": len(health.groups), "members": members, "findings": len(findings)},
            blocks=[Block("Groups and their members", status_lines(health)[:-1])],
        )


def _told(health: Health) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each group and member by its address or id, with what is wrong with it; last, what is wrong beside them."""
    for group in health.groups:
        yield _label(group, GROUP.name), group.troubles
        for member in group.members:
            yield _label(member, member.kind), member.troubles
    if health.troubles:
        yield "other", health.troubles


def _label(one: GroupStatus | MemberStatus, kind: str) -> str:
    return str(one.address) if one.address else f"{KINDS[kind].noun} {shown(one.id, limit=NAME_LIMIT)}"


def status_lines(found: Health) -> list[Line]:
    """The report for a reader; each line opens with a word or a sign of ours."""
    lines: list[Line] = []
    for group in found.groups:
        lines += [*_group_lines(group), line()]
    lines += _troubles(found.troubles, indent=0)
    return [*lines, line(_verdict(found), Tone.STRONG)]


def changed_lines(before: Health | None, after: Health) -> list[Line]:
    """A line for each object that is new, has changed or is no longer there, and for what is wrong beside them."""
    old, new = _one_by_one(before) if before is not None else {}, _one_by_one(after)
    lines = [text for key, text in new.items() if old.get(key) != text]
    return lines + [(*text[:1], Span(": no longer shown")) for key, text in old.items() if key not in new]


def _one_by_one(health: Health) -> dict[tuple[str, str], Line]:
    found: dict[tuple[str, str], Line] = {}
    for group in health.groups:
        side = f", production in {shown(group.production)}" if group.production else ""
        found[GROUP.name, group.id] = _with_troubles(group, GROUP.name, f"{_status_words(group)}{side}")
        for one in group.members:
            found[one.kind, one.id] = _with_troubles(one, one.kind, _status_words(one))
    found.update({("", trouble): line(f"! {trouble}", Tone.REMOVE) for trouble in health.troubles})
    return found


def _with_troubles(one: GroupStatus | MemberStatus, kind: str, status: str) -> Line:
    title = _title(one, kind=kind, indent=0, status=status)[1:]
    return (*title, *(Span(f"; {trouble}", Tone.REMOVE) for trouble in one.troubles))


def _verdict(found: Health) -> str:
    if wrong := sum(1 for _ in found.all_troubles()):
        return f"Not healthy: {many(wrong, 'finding')}."
    return f"Healthy: {many(len(found.groups), 'group')}." if found.groups else "Nothing is recorded."


def _group_lines(group: GroupStatus) -> Iterator[Line]:
    yield _title(group, kind=GROUP.name, indent=0, status=_status_words(group))
    if group.production:
        accepted = f"; {group.accepted} is accepted" if group.swapped else ""
        direction = (
            f"production in {shown(group.production)} ({shown(group.side)}{accepted}), copy in {shown(group.copy)}"
        )
    else:
        direction = "production side not told"
    wanted = f"; protection {shown(group.wanted)} is the goal" if group.wanted else ""
    yield line(f"    {direction}{wanted}")
    if group.not_active():
        pairs = sum(1 for one in group.members if KINDS[one.kind].wire.copying)
        yield line(f"    {len(group.not_active())} of {many(pairs, 'pair')} not active", Tone.CHANGE)
    yield from _troubles(group.troubles, indent=4)
    for member in group.members:
        yield _title(member, kind=member.kind, indent=4, status=_status_words(member))
        yield from _troubles(member.troubles, indent=8)
    drill = group.last_drill
    made = f"last drill {value(drill.name)}, {shown(drill.status)}, made {shown(drill.made)}" if drill else "no drill"
    yield line(f"    {made}", Tone.FAINT)


def _title(one: GroupStatus | MemberStatus, *, kind: str, indent: int, status: str) -> Line:
    name = value(one.name)
    label = _label(one, kind)
    unmanaged = "" if one.address else " (not managed)"
    tone = Tone.REMOVE if one.troubles else Tone.ADD
    return (
        Span(" " * indent),
        Span(label, Tone.STRONG),
        Span(f" {name}{unmanaged}: "),
        Span(status, tone),
    )


def _status_words(one: GroupStatus | MemberStatus) -> str:
    percent = "" if one.progress is None else f", {one.progress} %"
    copying = f", {shown(one.copying, limit=NAME_LIMIT)}" if isinstance(one, MemberStatus) and one.copying else ""
    return f"{shown(one.status, limit=NAME_LIMIT) or 'no status'}{copying}{percent}"


def _troubles(troubles: Iterable[str], *, indent: int) -> Iterator[Line]:
    for trouble in troubles:
        yield line(f"{'':{indent}}! {trouble}", Tone.REMOVE)


def status_json(found: Health) -> dict[str, Json]:
    """The report as one JSON object; what the service doesn't tell is null."""
    return {
        "format": "declarative.status/1",
        "healthy": found.healthy,
        "groups": [_group_json(group) for group in found.groups],
        "findings": list(found.troubles),
    }


def _group_json(group: GroupStatus) -> dict[str, Json]:
    return {
        **_shared_json(group),
        "production_side": group.side or None,
        "accepted_side": group.accepted or None,
        "production_zone": group.production or None,
        "copy_zone": group.copy or None,
        "protection_wanted": group.wanted or None,
        "pairs_not_active": [one.id for one in group.not_active()],
        "last_drill": _member_json(group.last_drill) if group.last_drill else None,
        "members": [_member_json(one) for one in group.members],
    }


def _member_json(member: MemberStatus) -> dict[str, Json]:
    words = {"kind": member.kind, **_shared_json(member)}
    kind = KINDS[member.kind]
    if kind.wire.copying:
        words[kind.wire.copying] = member.copying or None
    if kind.wire.made_at:
        words[kind.wire.made_at] = member.made or None
    return words


def _shared_json(one: GroupStatus | MemberStatus) -> dict[str, Json]:
    return {
        "address": str(one.address) if one.address else None,
        "id": one.id,
        "name": one.name,
        "status": one.status or None,
        "progress": one.progress,
        "findings": list(one.troubles),
    }
