"""YAML text to plain values, read the way manifests define it; places are found again when somebody asks.

Plain scalars follow the core of YAML 1.2: `null`, `true`, `false`, decimal numbers and nothing at all; every other one
is text, and so is all that stands in quotes. Duplicate keys, keys that aren't text, tags, anchors, aliases and merge
keys are refused. Places of values aren't kept while reading: a `Source` parses its part of the file again to find one.
The texts of files are kept compressed until then: most are never asked for again.
"""

from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

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
from declarative.manifest.syntax import syntax_fix
from declarative.model import Json, Path

MAX_BYTES = 1 << 20
MAX_NODES = 50_000
MAX_DEPTH = 64

_MAX_NUMBER = 32
_MAX_SHARED = 10_000  # values that are remembered from file to file, to be shared; most that are shared are few
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?")
_UNFIT_IN_FILE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_UNFIT_IN_VALUE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_MISSING = object()
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
    return _BREAK.split(text.unpacked())


_BREAK = re.compile(r"\r\n|\r|\n")


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
        return self.line + self.text.unpacked().count("\n", self.start, self.end) + 1

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
        raise DeclarativeError("PyYAML lacks its C loader", "Install PyYAML from a wheel, or build it with libyaml.")
    from yaml._yaml import CParser

    return CParser(text).get_event


def unfit(value: Json, *, depth: int = 0) -> str:
    """Say what makes a value from outside YAML unfit for a manifest: characters or depth. Empty: nothing."""
    if depth > MAX_DEPTH:
        return f"is nested deeper than {MAX_DEPTH} levels"
    if isinstance(value, str):
        found = _UNFIT_IN_VALUE.search(value)
        return f"holds the control character {_named(found[0])}" if found else ""
    if isinstance(value, dict):
        return next(filter(None, (unfit(part, depth=depth + 1) for pair in value.items() for part in pair)), "")
    if isinstance(value, list):
        return next(filter(None, (unfit(part, depth=depth + 1) for part in value)), "")
    return ""


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


def decode(file: str, content: bytes, *, shows: bool = False) -> str | Diagnostic:
    """Return the text of a file, or what is wrong with its bytes; `shows`: its lines may be shown."""
    if len(content) > MAX_BYTES:
        return Diagnostic(
            "the file is larger than 1 MiB", "Split it into several files.", Position(file), id="file-too-large"
        )
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Diagnostic("the file is UTF-16, found at byte 0", "Save it as UTF-8.", Position(file), id="not-utf-8")
    mark = 3 if content[:3] == b"\xef\xbb\xbf" else 0
    try:
        text = content[mark:].decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[mark : mark + error.start].decode("utf-8")
        return Diagnostic(
            f"byte {mark + error.start} is not UTF-8",
            "Save the file as UTF-8.",
            _end_of(file, before, content[mark:].decode("utf-8", "replace") if shows else ""),
            id="not-utf-8",
        )
    found = _UNFIT_IN_FILE.search(text)
    if found is None:
        return text
    before = text[: found.start()]
    summary = f"the character {_named(found[0])} at byte {mark + len(before.encode())} is not allowed"
    return Diagnostic(summary, "Remove it.", _end_of(file, before, text if shows else ""), id="control-character")


def _named(char: str) -> str:
    return f"U+{ord(char):04X}"


def _end_of(file: str, before: str, text: str) -> Position:
    """The place after `before`; its line is shown if there is a `text` to take it from."""
    start = before.rfind("\n") + 1
    line, column = before.count("\n") + 1, len(before) - start + 1
    snippet = Snippet.of(text[start : start + column + MAX_BYTES].partition("\n")[0], column) if text else None
    return Position(file, line, column, snippet)


class _Stopped(Exception):
    """The rest of the file can't be read, for a reason that stands in the findings."""


class Reader:
    """Reads files one after the other; equal texts are kept once, as long as not too many texts are different."""

    def __init__(self) -> None:
        self._values: dict[str, Json] = dict(_WORDS)
        self._keys: dict[str, str] = {}
        self._file = ""
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
        packed = PackedText.of(text)
        self._shown = packed if shows else None
        nodes: list[Node] = []
        whole = False
        try:
            while type(event := self._next()) is not StreamEndEvent:
                if type(event) is DocumentStartEvent:
                    self._document(packed, event, nodes)
            whole = True
        except _Stopped:
            pass
        except yaml.YAMLError as error:
            self._findings.append(_syntax(file, text, error, self._shown))
        return Reading(tuple(nodes), tuple(sorted(self._findings, key=Diagnostic.order)), whole)

    def _document(self, text: PackedText, start: _Event, nodes: list[Node]) -> None:
        if start.version or start.tags:
            self._refuse(
                "yaml-directive", start, "a YAML directive is not allowed", "Remove the line that begins with '%'."
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
            self._refuse(
                "yaml-anchor", event, f"the alias *{visible(event.anchor, limit=80)} is not allowed", _NO_ALIAS
            )
            return None
        if event.anchor is not None:
            self._refuse(
                "yaml-anchor", event, f"the anchor &{visible(event.anchor, limit=80)} is not allowed", _NO_ALIAS
            )
        if event.tag is not None:
            tag = visible(event.tag.replace("tag:yaml.org,2002:", "!!"), limit=80)
            self._refuse("yaml-tag", event, f"the tag {tag} is not allowed", "Remove it.")
        if kind is ScalarEvent:
            return self._scalar(event)
        if depth > MAX_DEPTH:
            self._stop(
                "nested-too-deep", event, f"the document is nested deeper than {MAX_DEPTH} levels", "Make it flatter."
            )
        return self._mapping(depth) if kind is MappingStartEvent else self._sequence(depth)

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
        if again:
            self._repeated(again, marks, whole=depth == 1)
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
                found, fix = "a list or map", 'If an expression is meant, quote it: "${var.x}".'
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
        if event.style == '"' and (found := _UNFIT_IN_VALUE.search(text)):
            self._refuse(
                "control-character",
                event,
                f"the text holds the control character {_named(found[0])}",
                "Remove its escape.",
            )
        return text

    def _count(self, event: _Event) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._stop(
                "file-too-large", event, f"the file holds more than {MAX_NODES} values", "Split it into several files."
            )

    def _repeated(self, again: list[tuple[str, _Event]], marks: dict[str, _Mark], *, whole: bool) -> None:
        """Refuse keys that stand twice in a map; `whole`: it is the document, which then may be several."""
        if whole and any(key == _FIRST_KEY for key, _ in again):
            seen: set[str] = set()
            for key, event in again:
                if not seen or key in seen:
                    seen.clear()
                    summary = "another document begins here, without a line --- before it"
                    self._refuse(
                        "missing-separator", event, summary, "Put a line with --- alone between the two documents."
                    )
                seen.add(key)
            return
        for key, event in again:
            summary = f"the key '{visible(key, limit=80)}' is given twice"
            self._refuse(
                "duplicate-key",
                event,
                summary,
                f"It is given first at {self._place(marks[key])}. Remove one of the two.",
            )

    def _refuse(self, finding_id: str, event: _Event, summary: str, fix: str) -> None:
        self._findings.append(Diagnostic(summary, fix, self._place(event.start_mark), id=finding_id))

    def _stop(self, finding_id: str, event: _Event, summary: str, fix: str) -> NoReturn:
        self._refuse(finding_id, event, summary, fix)
        raise _Stopped

    def _place(self, mark: _Mark) -> Position:
        return _position(self._file, mark.line, mark.column, self._shown)


_NO_ALIAS = "Write the value out, or put the text in quotes."


def _syntax(file: str, text: str, error: yaml.YAMLError, shown: PackedText | None) -> Diagnostic:
    """Say what the YAML library found, and what usually lies behind it."""
    mark, begin = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or "it is not YAML"
    lines = text.split("\n")
    line, column = (mark.line, mark.column) if mark else (0, 0)
    if line >= len(lines):  # the parser counts a line after the last one
        line, column = len(lines) - 1, len(lines[-1])
    fix = _strange_indent(file, lines, line) or syntax_fix(problem, lines[line], column)
    if begin is not None and begin.line < line:
        fix += f" What is being read begins at {Position(file, begin.line + 1, begin.column + 1)}."
    place = _position(file, line, column, shown)
    return Diagnostic(f"the YAML can't be read: {problem}", fix, place, id="yaml-syntax")


def _strange_indent(file: str, lines: list[str], at: int) -> str:
    """Speak of a character that looks like a blank and is none, in front of the line or of the one before it."""
    for number in range(max(at - 1, 0), at + 1):
        if strange := _STRANGE_INDENT.match(lines[number]):
            place = Position(file, number + 1, strange.start(1) + 1)
            return f"Indent with blanks alone: the character at {place} is {_named(strange[1])}."
    return ""


_STRANGE_INDENT = re.compile(r" *([^\S \t\n])")


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
