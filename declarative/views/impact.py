"""What a plan means, in sentences: who loses protection, what is copied, what stays behind, how long it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from declarative.errors import shown
from declarative.kinds import KINDS
from declarative.model import Address
from declarative.planner.impact import Copied, Duration, Impact, LeftBehind, Unprotected
from declarative.views.text import Line, Tone, identity, listing, many
from declarative.views.wrapping import prose

LISTED = 20  # equal entries that are listed before the rest is counted


@dataclass(frozen=True, slots=True)
class Point:
    """One sentence, without a full stop, and whom it is about; each of `names` may open a line."""

    sentence: str
    names: Sequence[str]
    tone: Tone


def points(found: Impact) -> Iterator[Point]:
    """Yield the impact, the worst first; what is equal is said once."""
    yield from (_unprotected(some) for some in _alike(found.unprotected, _like_unprotected))
    yield from (_copied(some) for some in _alike(found.copied, _like_copied))
    by_address = _alike(found.left_behind, lambda one: one.address)
    yield from (_left(some) for some in _alike(by_address, lambda own: tuple(one.what for one in own)))
    if found.durations and (found.unprotected or found.copied):  # else nobody waits for the end
        yield _durations(found.durations, copies=bool(found.copied))


def impact_lines(found: Impact, *, full: bool) -> Iterator[Line]:
    """Yield the sentences for a reader, each with whom it is about below it."""
    for point in points(found):
        mark = "  " if point.tone is Tone.FAINT else "! "
        yield prose(f"    {mark}{point.sentence}{':' if point.names else ''}", point.tone)
        yield from listing(point.names, most=None if full else LISTED)


_One = TypeVar("_One")


def _alike(some: Iterable[_One], key: Callable[[_One], object]) -> Iterable[list[_One]]:
    found: dict[object, list[_One]] = {}
    for one in some:
        found.setdefault(key(one), []).append(one)
    return found.values()


# ---------------------------------------------------------------- protection


def _like_unprotected(one: Unprotected) -> object:
    return _verb(one.since), _verb(one.until), one.servers is None


def _unprotected(some: Sequence[Unprotected]) -> Point:
    first, alone = some[0], len(some) == 1
    who = _amount(some, lambda one: one.servers, lambda one: one.disks)
    verb = "loses" if who.startswith("1 ") else "lose"
    since, until = (_step(text, alone=alone) for text in (first.since, first.until))
    if first.until:
        span = f"from {since} until {until} and the first copy after it are done"
    else:
        span = f"from {since} on, and no step of this plan protects {'it' if verb == 'loses' else 'them'} again"
    return Point(f"{who} {verb} protection {span}", _groups(some), Tone.REMOVE)


def _amount(some: Sequence[_One], servers: Callable[[_One], int | None], disks: Callable[[_One], int | None]) -> str:
    """How many servers, or where there are none, how many disks."""
    if any(servers(one) is None for one in some):
        return "servers whose number is not known" if len(some) == 1 else "unknown numbers of servers"
    if count := sum(servers(one) or 0 for one in some):
        return many(count, "server")
    return many(sum(disks(one) or 0 for one in some), "disk")


def _groups(some: Sequence[Unprotected] | Sequence[Copied]) -> list[str]:
    """The groups that a sentence is about, unless its step names the only one."""
    if len(some) == 1 and some[0].group and some[0].since.partition(":")[2] == some[0].group:
        return []
    return [_group(one.group, one.servers) for one in some]


def _group(group: str, servers: int | None) -> str:
    name = _named(group) if group else "a group that the plan does not name"
    return f"{name} ({many(servers, 'server')})" if servers else name


def _named(group: str) -> str:
    """An address as it is, the id of a group of others as one that may open a line."""
    try:
        return str(Address.parse(group))
    except ValueError:
        return identity(group)


def _verb(step: str) -> str:
    return step.partition(":")[0]


def _step(step: str, *, alone: bool) -> str:
    verb, _, address = step.partition(":")
    return shown(f"{verb} {address}" if alone else verb)


# ---------------------------------------------------------------- copies


def _like_copied(one: Copied) -> object:
    return one.again, _verb(one.since), one.servers > 0


def _copied(some: Sequence[Copied]) -> Point:
    first = some[0]
    servers = sum(one.servers for one in some)
    counted = [one.disks for one in some]
    disks = sum(one for one in counted if one is not None)
    is_known = None not in counted
    who = many(servers, "server") if servers else many(disks, "disk")
    if servers and disks:
        who += f" with {many(disks, 'disk')}{'' if is_known else ' and more'}"
    verb = "is" if who.startswith("1 ") and not (servers and disks) else "are"
    start = f"from {_step(first.since, alone=len(some) == 1)} on" if first.since else "once the group is protected"
    again = " again" if first.again else ""
    sentence = f"{who} {verb} copied{again} {start}, {_size(some, disks, is_known=is_known)}"
    return Point(sentence, _groups(some), Tone.CHANGE)


def _size(some: Sequence[Copied], disks: int, *, is_known: bool) -> str:
    sized, gigabytes = sum(one.sized for one in some), sum(one.gigabytes for one in some)
    if not sized:
        return "of a size that is not known"
    if sized == disks and is_known:
        return f"{gigabytes:,} GB"
    return f"{gigabytes:,} GB and what {'the other disks' if sized > 1 else 'other disks'} hold"


# ---------------------------------------------------------------- the rest


def _left(some: Sequence[Sequence[LeftBehind]]) -> Point:
    """What each of several deletes leaves; with the address stands the id of what it leaves, where that is known."""
    times = f" ({len(some):,} times)" if len(some) > 1 else ""
    whats = "; ".join(shown(one.what) for one in some[0])
    names = []
    for own in some:
        ids = ", ".join(identity(one.id) for one in own if one.id)
        names.append(f"{own[0].address} ({ids})" if ids else str(own[0].address))
    return Point(f"left behind and still billed{times}: {whats}", names, Tone.CHANGE)


def _durations(some: Sequence[Duration], *, copies: bool) -> Point:
    gerunds = ((f"{one.action.value.removesuffix('e')}ing a {KINDS[one.kind].noun}", one.seconds) for one in some)
    told = ", ".join(f"{doing} {_time(seconds)}" for doing, seconds in gerunds)
    more = "; how long copying takes is not documented" if copies else ""
    return Point(f"seen so far, for one object each: {told}{more}", (), Tone.FAINT)


def _time(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds >= 120 else f"{seconds:g} s"
