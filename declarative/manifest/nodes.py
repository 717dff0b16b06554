"""YAML text to plain values, read the way manifests define it; places are found again when somebody asks.

Plain scalars follow the core of YAML 1.2: `null`, `true`, `false`, decimal numbers and nothing at all; every other one
is text, and so is all that stands in quotes. Duplicate keys, keys that aren't text, tags, anchors, aliases and merge
keys are refused. Places of values aren't kept while reading: a `Source` parses its part of the file again to find one.
The texts of files are kept compressed until then: most are never asked for again.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from declarative.errors import DeclarativeError, Diagnostic, Position, Snippet, visible
from declarative.manifest.advice import Advice
from declarative.manifest.characters import LINE_BREAK, MAX_DEPTH, UNFIT_IN_VALUE, decode, named
from declarative.manifest.separators import NO_SEPARATOR, broken_separator, separator_above
from declarative.model import Json, Path

if TYPE_CHECKING:
    from declarative.manifest.syntax import Adviser

MAX_NODES = 50_000

_MAX_NUMBER = 32
_MAX_SHARED = 10_000  # values that are remembered from file to file, to be shared; most that are shared are few
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?")
_MISSING = object()
_FIRST_KEYS = frozenset({"apiVersion", "kind", "metadata"})  # with a separator before them that has no line end
_FIRST_KEY = "apiVersion"  # no document can have it twice: it is where the next one begins


@dataclass(frozen=True, slots=True, eq=False)
class PackedText:
    """The text of a file, compressed at a cost of 0.6 ms for each 1,000 documents."""

    packed: bytes

    @classmethod
    def of(cls, text: str) -> PackedText:
        """Pack a text."""
        return cls(zlib.compress(text.encode(), level=1))

    def unpacked(self) -> str:
        """Return the text. Findings come file by file, so the last few are kept."""
        return _unpacked(self)

    def lines(self) -> list[str]:
        """Return the lines of the text, as YAML breaks them."""
        return _lines(self)


@functools.lru_cache(maxsize=4)
def _lines(text: PackedText) -> list[str]:
    return LINE_BREAK.split(text.unpacked())


@functools.lru_cache(maxsize=4)
def _unpacked(text: PackedText) -> str:
    return zlib.decompress(text.packed).decode()


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One document's part of a file: characters `start` to `end` of `text`, with `line` lines before it.

    `shows`: it is a manifest, whose lines may be shown.
    """

    file: str
    text: PackedText
    start: int
    end: int
    line: int = 0
    shows: bool = False

    def last_line(self) -> int:
        """The number of the document's last line, from 1."""
        return self.line + len(LINE_BREAK.findall(self.text.unpacked(), self.start, self.end)) + 1

    def __call__(self, path: Path) -> Position:
        """Return the place of a value, as `Desired.locate` does; a bound method would take as much memory again."""
        return self.position(path)

    def position(self, path: Path, *, key: bool = False) -> Position:
        """The place of the value at `path`, or of what is nearest to it.

        A collection's place is that of its key, and with `key` that is so for every value.
        """
        places = _places(self)
        while path and path not in places:
            path = path[:-1]
        key_mark, mark = places.get(path, ((0, 0), (0, 0)))
        line, column = key_mark if key else mark
        return _position(self.file, self.line + line, column, self.text if self.shows else None)


def _position(file: str, line: int, column: int, text: PackedText | None) -> Position:
    """The place of a character, from 0, with its line if the `text` may be shown."""
    lines = text.lines() if text is not None else ()
    snippet = Snippet.of(lines[line], column + 1) if line < len(lines) else None
    return Position(file, line + 1, column + 1, snippet)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One document's value. `expressions`: some text in it holds `${`."""

    value: Json
    source: Source
    expressions: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """The documents of a file, empty ones left out, and what is wrong with it. `whole`: it was read to its end."""

    nodes: tuple[Node, ...]
    findings: tuple[Diagnostic, ...]
    whole: bool = True


# PyYAML's events and marks. `Any`, because the C parser fills in what its types call optional, and the loops below
# tell events apart by identity of type, which is what makes them fast.
_Event: TypeAlias = Any
_Mark: TypeAlias = Any
_Next: TypeAlias = Callable[[], _Event]


def _events(text: str) -> _Next:
    """Return a function that yields one event after the other; it raises YAMLError where there is none.

    Raises DeclarativeError when PyYAML was built without its C parser.
    """
    if not yaml.__with_libyaml__:
        raise DeclarativeError("PyYAML has no C loader", "Install PyYAML from a wheel, or build it with libyaml.")
    from yaml._yaml import CParser

    return CParser(text).get_event


def plain(text: str) -> Json:
    """Return what an unquoted scalar means. Raises ValueError for a number that is too long to be one."""
    if text in _WORDS:
        return _WORDS[text]
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    if len(text) > _MAX_NUMBER:
        raise ValueError(f"a number has at most {_MAX_NUMBER} characters")
    return float(text) if match[1] else int(text)


_WORDS: dict[str, Json] = {"": None, "null": None, "true": True, "false": False}


class _Stopped(Exception):
    """The rest of the file can't be read; the findings say why."""


class Reader:
    """Reads files one after the other; equal texts are kept once, as long as not too many texts are different."""

    def __init__(self) -> None:
        self._values: dict[str, Json] = dict(_WORDS)
        self._keys: dict[str, str] = {}
        self._adviser: Adviser | None = None
        self._file = ""
        self._text = PackedText(b"")
        self._cut_short = False  # what follows a missing separator was left out
        self._shown: PackedText | None = None  # the text, if its lines may be shown
        self._findings: list[Diagnostic] = []
        self._next: _Next = _events("")
        self._nodes = 0
        self._expressions = False

    def read(self, file: str, content: bytes, *, shows: bool = False) -> Reading:
        """Read all documents of a file; what comes after a syntax error is not read. `shows`: as for a `Source`."""
        text = decode(file, content, shows=shows)
        if isinstance(text, Diagnostic):
            return Reading((), (text,), whole=False)
        return self.read_text(file, text, shows=shows)

    def read_text(self, file: str, text: str, *, shows: bool = False) -> Reading:
        """Read all documents of a decoded text."""
        self._file, self._findings, self._nodes = file, [], 0
        if len(self._values) > _MAX_SHARED:
            self._values = dict(_WORDS)
        self._next = _events(text)
        packed = self._text = PackedText.of(text)
        self._shown = packed if shows else None
        self._cut_short = False
        nodes: list[Node] = []
        whole = False
        try:
            while type(event := self._next()) is not StreamEndEvent:
                if type(event) is DocumentStartEvent:
                    self._document(packed, event, nodes)
            whole = not self._cut_short
        except _Stopped:
            pass
        except yaml.YAMLError as error:
            from declarative.manifest.syntax import Adviser

            if "document start" in str(error) and nodes:
                nodes.pop()  # it does not end there: the next line is one of it that is indented less
            self._adviser = self._adviser or Adviser()
            self._findings.append(_syntax(file, self._adviser.advise(error, packed.lines()), self._shown))
        return Reading(tuple(nodes), tuple(sorted(self._findings, key=Diagnostic.order)), whole)

    def _document(self, text: PackedText, start: _Event, nodes: list[Node]) -> None:
        if start.version or start.tags:
            self._refuse(
                "yaml-directive", start, "a YAML directive is not allowed", "Remove the line that starts with '%'."
            )
        self._expressions = False
        value = self._value(self._next(), 1)
        end = self._next()
        if value is not None:
            mark = start.start_mark
            source = Source(
                self._file, text, mark.index - mark.column, end.end_mark.index, mark.line, self._shown is not None
            )
            nodes.append(Node(value, source, self._expressions))

    def _value(self, event: _Event, depth: int) -> Json:
        kind = type(event)
        if kind is AliasEvent:
            self._refuse("yaml-anchor", event, f"{self._sign('alias', '*', event.anchor)} is not allowed", _NO_ALIAS)
            return None
        if event.anchor is not None:
            self._refuse("yaml-anchor", event, f"{self._sign('anchor', '&', event.anchor)} is not allowed", _NO_ALIAS)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            fix = "Remove it." if self._shown else "Remove it, or put the text in quotes."
            self._refuse("yaml-tag", event, f"{self._sign('tag', '', tag)} is not allowed", fix)
        if kind is ScalarEvent:
            return self._scalar(event)
        if depth > MAX_DEPTH:
            self._stop(
                "nested-too-deep", event, f"the document is nested deeper than {MAX_DEPTH} levels", "Use fewer levels."
            )
        return self._mapping(depth) if kind is MappingStartEvent else self._sequence(depth)

    def _sign(self, what: str, sign: str, name: str) -> str:
        """Name an alias, anchor or tag, but not in a file of values: it may be an unquoted secret."""
        return (
            f"the {what} {sign}{visible(name, limit=80)}" if self._shown else f"an {what}" if what != "tag" else "a tag"
        )

    def _mapping(self, depth: int) -> dict[str, Json]:
        following, values, keys = self._next, self._values, self._keys
        found: dict[str, Json] = {}
        marks: dict[str, _Mark] = {}
        again: list[tuple[str, _Event]] = []
        while type(event := following()) is not MappingEndEvent:
            key = None
            if event.__class__ is ScalarEvent and event.style == "" and not event.tag and not event.anchor:
                key = keys.get(event.value)
            if key is None:
                key = self._key(event, depth)
            self._count(event)
            item = following()
            if item.__class__ is ScalarEvent and item.style == "" and not item.tag and not item.anchor:
                value = values.get(item.value, _MISSING)
                if value is _MISSING:
                    value = self._scalar(item)
            else:
                value = self._value(item, depth + 1)
            if key is None:
                continue
            if key in found:
                again.append((key, event))
            else:
                found[key] = value
                marks[key] = event.start_mark
        if depth == 1 and found:
            self._further_documents(found, marks, again)
        if again:
            self._repeated(again, marks)
        return found

    def _sequence(self, depth: int) -> list[Json]:
        found = []
        while type(event := self._next()) is not SequenceEndEvent:
            self._count(event)
            found.append(self._value(event, depth + 1))
        return found

    def _key(self, event: _Event, depth: int) -> str | None:
        """Return the key, or None after a finding; a collection used as one is read to its end."""
        seen = len(self._findings)
        key = self._value(event, depth + 1)
        if len(self._findings) > seen:
            return None
        if not isinstance(key, str):
            if type(event) is ScalarEvent:
                found, fix = visible(event.value, limit=80) or "nothing", "Put the key in quotes."
            else:
                found, fix = "a list or map", 'Put an expression in quotes: "${var.x}".'
            self._refuse("key-not-text", event, f"a key must be text, found {found}", fix)
            return None
        if key == "<<" and event.style == "":
            self._refuse("yaml-merge-key", event, "the merge key << is not allowed", "Write the values out.")
            return None
        if event.style == "":
            self._keys[key] = key
        return key

    def _scalar(self, event: _Event) -> Json:
        text: str = event.value
        if "${" in text:
            self._expressions = True
        elif event.style == "":
            try:
                value = self._values[text] = plain(text)
            except ValueError as error:
                self._refuse(
                    "number-too-long", event, f"the number is too long: {error}", "Put it in quotes if it is text."
                )
                return text
            return value
        if event.style == '"' and (found := UNFIT_IN_VALUE.search(text)):
            self._refuse(
                "control-character",
                event,
                f"the text contains the control character {named(found[0])}",
                "Remove its escape sequence.",
            )
        return text

    def _count(self, event: _Event) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._stop(
                "file-too-large",
                event,
                f"the file contains more than {MAX_NODES} values",
                "Split it into several files.",
            )

    def _further_documents(
        self, found: dict[str, Json], marks: dict[str, _Mark], again: list[tuple[str, _Event]]
    ) -> None:
        """Refuse documents that are read as part of this one because the line --- is missing.

        What is theirs is taken out of `found` and `again`, and is not read.
        """
        starts = [marks[key] for key in found if key.startswith("--") and key.lstrip("- ") in _FIRST_KEYS]
        seen: set[str] = set()
        if any(key == _FIRST_KEY for key, _ in again):
            for key, event in again:
                if not seen or key in seen:
                    seen.clear()
                    starts.append(event.start_mark)
                seen.add(key)
        if not starts:
            return
        lines = self._text.lines()
        for mark in starts:
            advice = broken_separator(lines, mark.line) or separator_above(lines, mark.line) or NO_SEPARATOR
            if advice is NO_SEPARATOR:
                advice = dataclasses.replace(advice, line=mark.line)
            self._findings.append(_syntax(self._file, advice, self._shown))
        first = min(mark.line for mark in starts)
        for key in [key for key in found if marks[key].line >= first]:
            del found[key]
        again.clear()
        self._cut_short = True

    def _repeated(self, again: list[tuple[str, _Event]], marks: dict[str, _Mark]) -> None:
        for key, event in again:
            summary = f"duplicate key '{visible(key, limit=80)}'"
            self._refuse(
                "duplicate-key",
                event,
                summary,
                f"It appears first at {self._place(marks[key])}. Remove one of the two.",
            )

    def _refuse(self, finding_id: str, event: _Event, summary: str, fix: str) -> None:
        self._findings.append(Diagnostic(summary, fix, self._place(event.start_mark), id=finding_id))

    def _stop(self, finding_id: str, event: _Event, summary: str, fix: str) -> NoReturn:
        self._refuse(finding_id, event, summary, fix)
        raise _Stopped

    def _place(self, mark: _Mark) -> Position:
        return _position(self._file, mark.line, mark.column, self._shown)


_NO_ALIAS = "Write the value out, or put the text in quotes."


def _syntax(file: str, advice: Advice, shown: PackedText | None) -> Diagnostic:
    summary = advice.summary if advice.id != "yaml-syntax" else f"the YAML can't be read: {advice.summary}"
    return Diagnostic(summary, advice.remedy(), _position(file, advice.line, advice.column, shown), id=advice.id)


_Spot: TypeAlias = tuple[int, int]
_Places: TypeAlias = dict[Path, tuple[_Spot, _Spot]]


@functools.lru_cache(maxsize=8)
def _places(source: Source) -> _Places:
    """For each path the places of its key and of its value, from 0, within the document."""
    found: _Places = {}
    following = _events(source.text.unpacked()[source.start : source.end])
    try:
        while type(following()) is not DocumentStartEvent:
            pass
        _visit(following, following(), (), None, found)
    except yaml.YAMLError:
        return found  # JSON that YAML reads otherwise: the places up to there
    return found


def _visit(following: _Next, event: _Event, path: Path, key: _Spot | None, found: _Places) -> None:
    mark = (event.start_mark.line, event.start_mark.column)
    scalar = type(event) is ScalarEvent
    empty = scalar and event.start_mark.index == event.end_mark.index
    found.setdefault(path, (key or mark, mark if key is None or (scalar and not empty) else key))
    if type(event) is MappingStartEvent:
        while type(name := following()) is not MappingEndEvent:
            inner = (name.start_mark.line, name.start_mark.column)
            if type(name) is ScalarEvent:
                _visit(following, following(), (*path, name.value), inner, found)
            else:  # refused when it was read
                _visit(following, name, path, inner, found)
                _visit(following, following(), path, inner, found)
    elif type(event) is SequenceStartEvent:
        number = 0
        while type(element := following()) is not SequenceEndEvent:
            _visit(following, element, (*path, number), None, found)
            number += 1
