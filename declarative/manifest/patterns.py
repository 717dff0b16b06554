"""Regular expressions of variables, matched in bounded time.

A manifest may come from somebody who wishes it no good, and Python's own engine can be kept busy for years by a short
pattern. This one follows all ways at once: a part of a pattern maps the set of places where it may begin to the set of
places where it may end, so the work is bounded by the lengths of pattern and text. It knows what Python and ECMA 262
read alike: literals, `.`, classes, groups, `|`, `^`, `$`, and the quantifiers `* + ? {n} {n,} {n,m}`.

google-re2 is linear too, and was tried in its place. It has no wheel for Alpine, and none for Python 3.13 with a glibc
older than 2.26; all that is needed today has them, and without one it takes a compiler and Abseil. It refuses nested
counts beyond 1,000, as in `^([a-z]{1,63}\\.){1,20}$`, reads `[[:alpha:]]` otherwise, and accepts much that Python or
ECMA 262 does not, so a reader like this one would stay as a check. Nor is it always faster: twenty `[a-z0-9_]?` in a
group `{1000}`, on 256 letters, take it 230 ms of CPU and this engine 5 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

MAX_TEXT = 256
MAX_PATTERN = 256

_MAX_COUNT = 1000
_MAX_GROUPS = 16
_MAX_REPEATS = 2

_Places: TypeAlias = frozenset[int]
_Part: TypeAlias = Callable[[str, _Places], _Places]
_OneOf: TypeAlias = Callable[[str], bool]

_DIGITS = frozenset("0123456789")
_WORD = _DIGITS | frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_SPACE = frozenset(" \t\n\r\f\v")
_SETS = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_SYNTAX = frozenset("\\^$.|?*+()[]{}/-")


class BadPattern(ValueError):
    """The pattern is invalid; the text says why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that was read. `text` is how it was written."""

    text: str
    _part: _Part

    def matches(self, value: str) -> bool:
        """True when the pattern matches somewhere in `value`, which has at most MAX_TEXT characters."""
        return bool(self._part(value, frozenset(range(len(value) + 1))))


def compile_pattern(text: str) -> Pattern:
    """Read a pattern. Raises BadPattern."""
    if len(text) > MAX_PATTERN:
        raise BadPattern(f"it has more than {MAX_PATTERN} characters")
    reader = _Reader(text)
    part, _ = reader.alternatives()
    if reader.rest():
        raise BadPattern(f"there is an unmatched ')' at character {reader.at + 1}")
    return Pattern(text, part)


class _Reader:
    """Reads a pattern from left to right; each method returns a part and how deep quantifiers are nested in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._groups = 0
        self.at = 0

    def rest(self) -> str:
        return self._text[self.at :]

    def _take(self, text: str) -> bool:
        found = self._text.startswith(text, self.at)
        self.at += len(text) if found else 0
        return found

    def _next(self, inside: str) -> str:
        if self.at >= len(self._text):
            raise BadPattern(f"{inside} is not closed")
        self.at += 1
        return self._text[self.at - 1]

    def alternatives(self) -> tuple[_Part, int]:
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        return _either([part for part, _ in parts]), max(depth for _, depth in parts)

    def _sequence(self) -> tuple[_Part, int]:
        parts: list[_Part] = []
        deepest = 0
        while self.rest()[:1] not in ("", "|", ")"):
            part, depth = self._repeated(*self._one())
            parts.append(part)
            deepest = max(deepest, depth)
        return _one_after_another(parts), deepest

    def _one(self) -> tuple[_Part, int]:
        char = self._next("it")
        if char == "(":
            return self._group()
        if char == "[":
            return _char(self._class()), 0
        if char == "^":
            return _at_start, 0
        if char == "$":
            return _at_end, 0
        if char == ".":
            return _char(lambda found: found != "\n"), 0
        if char == "\\":
            return _char(self._escape()), 0
        if char in "*+?{":
            raise BadPattern(f"there is nothing to repeat before the '{char}' at character {self.at}")
        return _char(frozenset(char).__contains__), 0

    def _group(self) -> tuple[_Part, int]:
        if not self._take("?:") and self._take("?"):
            raise BadPattern("only '(?:' is supported of the groups that start with '(?'")
        self._groups += 1
        if self._groups > _MAX_GROUPS:
            raise BadPattern(f"it has more than {_MAX_GROUPS} groups")
        found = self.alternatives()
        self._next("a group")
        return found

    def _repeated(self, part: _Part, depth: int) -> tuple[_Part, int]:
        bounds = self._bounds()
        if bounds is None:
            return part, depth
        self._take("?")  # a lazy quantifier matches the same texts
        if self.rest()[:1] in ("*", "+", "?", "{"):
            raise BadPattern(f"there are two quantifiers at character {self.at + 1}")
        if depth >= _MAX_REPEATS:
            raise BadPattern(f"quantifiers are nested deeper than {_MAX_REPEATS} levels")
        return _repeat(part, *bounds), depth + 1

    def _bounds(self) -> tuple[int, int | None] | None:
        if self._take("*"):
            return 0, None
        if self._take("+"):
            return 1, None
        if self._take("?"):
            return 0, 1
        if not self._take("{"):
            return None
        low = self._count()
        high: int | None = low
        if self._take(","):
            high = None if self.rest()[:1] == "}" else self._count()
        if not self._take("}") or (high is not None and high < low):
            raise BadPattern(f"the quantifier before character {self.at + 1} must be {{n}}, {{n,}} or {{n,m}}")
        return low, high

    def _count(self) -> int:
        digits = ""
        while self.rest()[:1] in _DIGITS and self.rest():
            digits += self._next("a quantifier")
        if not digits or len(digits) > 4 or int(digits) > _MAX_COUNT:
            raise BadPattern(f"a quantifier is limited to {_MAX_COUNT}; write \\{{ for a brace")
        return int(digits)

    def _escape(self) -> _OneOf:
        char = self._next("an escape")
        if char.lower() in _SETS:
            return _set_of(char)
        if char in _CONTROLS:
            return frozenset(_CONTROLS[char]).__contains__
        if char in _SYNTAX:
            return frozenset(char).__contains__
        raise BadPattern(f"the escape '\\{char}' is not supported")

    def _class(self) -> _OneOf:
        negated = self._take("^")
        members: list[_OneOf] = []
        while not self._take("]"):
            members.append(self._member())
        if not members:
            raise BadPattern("a class is empty")
        return lambda found: any(member(found) for member in members) is not negated

    def _member(self) -> _OneOf:
        low = self._next("a class")
        if low == "\\":
            if self.rest()[:1].lower() in _SETS and self.rest():
                return _set_of(self._next("a class"))
            low = self._class_escape()
        if self.rest()[:1] != "-" or self.rest()[:2] == "-]":
            return frozenset(low).__contains__
        self._take("-")
        high = self._next("a class")
        if high == "\\":
            high = self._class_escape()
        if high < low:
            raise BadPattern(f"the range {low}-{high} is reversed")
        return lambda found: low <= found <= high

    def _class_escape(self) -> str:
        char = self._next("a class")
        if char in _SYNTAX:
            return char
        if char not in _CONTROLS:
            raise BadPattern(f"the escape '\\{char}' is not supported in a class")
        return _CONTROLS[char]


def _set_of(char: str) -> _OneOf:
    members = _SETS[char.lower()]
    return members.__contains__ if char.islower() else (lambda found: found not in members)


def _char(fits: _OneOf) -> _Part:
    return lambda text, starts: frozenset(at + 1 for at in starts if at < len(text) and fits(text[at]))


def _at_start(_: str, starts: _Places) -> _Places:
    return starts & {0}


def _at_end(text: str, starts: _Places) -> _Places:
    return starts & {len(text)}


def _one_after_another(parts: Iterable[_Part]) -> _Part:
    parts = tuple(parts)

    def ends(text: str, places: _Places) -> _Places:
        for part in parts:
            places = part(text, places)
        return places

    return ends


def _either(parts: list[_Part]) -> _Part:
    if len(parts) == 1:
        return parts[0]
    return lambda text, starts: frozenset().union(*(part(text, starts) for part in parts))


def _repeat(part: _Part, low: int, high: int | None) -> _Part:
    """Places only move forward: after as many rounds as the text is long, nothing new comes, so the loops end early."""

    def ends(text: str, places: _Places) -> _Places:
        for _ in range(low):
            following = part(text, places)
            if following == places:
                break
            places = following
        reached = fresh = places
        rounds = len(text) + 1 if high is None else min(high - low, len(text) + 1)
        for _ in range(rounds):
            fresh = part(text, fresh) - reached
            if not fresh:
                break
            reached |= fresh
        return reached

    return ends
