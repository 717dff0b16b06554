"""A YAML file of credentials to nodes that know their place, read with limits; no message repeats a value of it.

Unlike in manifests, anchors, aliases and merge keys are allowed, because people share settings between clouds with
them. An alias counts as all that it stands for, so a small file can't grow in memory. Scalars keep their text: a
passcode `012345` or a project `3.10` must not become a number.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from declarative.errors import Diagnostic, InputError, Position, visible
from declarative.manifest.characters import LINE_BREAK, MAX_BYTES, MAX_DEPTH, decode
from declarative.manifest.nodes import MAX_NODES
from declarative.manifest.syntax import Adviser

_MAX_FINDINGS = 100
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text; None where the file says nothing, or null."""

    text: str | None
    position: Position


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Map:
    """A map. Its keys are text, whatever they look like."""

    entries: dict[str, Node]
    position: Position


Node: TypeAlias = Scalar | Sequence | Map

# The C parser fills in what PyYAML's types call optional.
_Event: TypeAlias = Any


def read_map(path: Path, shown: str) -> Map:
    """Read a file that holds one map, or nothing. `shown` is the name for messages.

    Raises InputError with every finding: the file can't be read, is not a regular one or larger than 1 MiB, is not
    YAML, holds more than one document, a tag or a key twice, or is not a map. A link is followed: files of secrets
    are often mounted as one.
    """
    return parse_map(shown, _content(path, shown))


def parse_map(shown: str, content: bytes) -> Map:
    """Read the bytes of a file as `read_map` does."""
    if len(content) > MAX_BYTES:
        _refuse(shown, "the file is larger than 1 MiB", "Keep only the clouds that you use.")
    text = decode(shown, content)
    if isinstance(text, Diagnostic):
        raise InputError([text])
    node = _Reader(shown).read(text)
    if isinstance(node, Scalar) and node.text is None:
        return Map({}, Position(shown))
    if not isinstance(node, Map):
        raise InputError(
            [Diagnostic("the file is not a map", "Start it with `clouds:`.", node.position, id="bad-clouds-file")]
        )
    return node


def _content(path: Path, shown: str) -> bytes:
    try:
        file = os.open(path, _OPEN)
    except OSError as error:
        _refuse(shown, f"the file can't be read: {error.strerror}", "Get read permission, or remove it.")
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            _refuse(shown, "this is not a regular file", "Replace it with a file, or remove it.")
        with open(file, "rb", closefd=False) as content:
            return content.read(MAX_BYTES + 1)
    except OSError as error:
        _refuse(shown, f"the file can't be read: {error.strerror}", "Check its disk.")
    finally:
        os.close(file)


def _refuse(shown: str, summary: str, fix: str) -> NoReturn:
    raise InputError([Diagnostic(summary, fix, Position(shown), id="bad-clouds-file")])


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A node with an anchor: how many nodes it holds, and how deep they are nested."""

    node: Node
    size: int
    height: int


class _Reader:
    """Reads one document."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._findings: list[Diagnostic] = []
        self._anchors: dict[str, _Anchored] = {}
        self._size = 0
        self._events: Iterator[_Event] = iter(())

    def read(self, text: str) -> Node:
        """Return the document, a null if there is none. Raises InputError."""
        self._events = iter(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        try:
            node = self._document()
        except yaml.YAMLError as error:
            self._findings.append(_syntax(self._shown, text, error))
            raise InputError(self._findings) from None  # its context shows lines of the file
        if self._findings:
            raise InputError(self._findings)
        return node

    def _document(self) -> Node:
        found: Node | None = None
        for event in self._events:
            if isinstance(event, StreamStartEvent | StreamEndEvent | DocumentEndEvent):
                continue
            if not isinstance(event, DocumentStartEvent):  # pragma: no cover - the parser never does that
                self._stop(event, "the file is not YAML", "Correct it.")
            if found is not None:
                self._stop(event, "the file contains more than one document", "Remove the line --- and all after it.")
            found, _ = self._value(next(self._events), 1)
        return found or Scalar(None, Position(self._shown))

    def _value(self, event: _Event, depth: int) -> tuple[Node, int]:
        """Return the node that begins with `event`, and how many levels it has."""
        if depth > MAX_DEPTH:
            self._stop(event, f"the file is nested deeper than {MAX_DEPTH} levels", "Use fewer levels.")
        if isinstance(event, AliasEvent):
            return self._alias(event, depth)
        before = self._size
        self._grow(event, 1)
        node, height = self._node(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(node, self._size - before, height)
        return node, height

    def _node(self, event: _Event, depth: int) -> tuple[Node, int]:
        if isinstance(event, ScalarEvent):
            if event.tag is not None and event.tag not in _TEXT_TAGS:
                self._tell(event, "a tag is not allowed", _NO_TAG)
            is_null = not event.style and event.tag is None and event.value in _NULLS
            return Scalar(None if is_null else event.value, self._place(event)), 1
        if event.tag is not None:
            self._tell(event, "a tag is not allowed", _NO_TAG)
        if isinstance(event, MappingStartEvent):
            return self._map(event, depth)
        return self._sequence(event, depth)

    def _sequence(self, start: _Event, depth: int) -> tuple[Sequence, int]:
        items: list[Node] = []
        height = 0
        while not isinstance(event := next(self._events), SequenceEndEvent):
            item, levels = self._value(event, depth + 1)
            items.append(item)
            height = max(height, levels)
        return Sequence(tuple(items), self._place(start)), height + 1

    def _map(self, start: _Event, depth: int) -> tuple[Map, int]:
        entries: dict[str, Node] = {}
        places: dict[str, Position] = {}
        merged: list[Map] = []
        height = 0
        while not isinstance(event := next(self._events), MappingEndEvent):
            key, _ = self._value(event, depth + 1)
            value, levels = self._value(next(self._events), depth + 1)
            height = max(height, levels)
            if not isinstance(key, Scalar):
                self._tell(event, "a key must be text, found a list or map", "Write it as text.")
            elif isinstance(event, ScalarEvent) and event.value == "<<" and not event.style:
                merged.extend(self._merged(event, value))
            elif (name := key.text or "") in entries:
                fix = f"It appears first at {places[name]}. Remove one of the two."
                self._tell(event, f"duplicate key '{visible(name, limit=80)}'", fix)
            else:
                entries[name], places[name] = value, self._place(event)
        for other in merged:
            for name, node in other.entries.items():
                entries.setdefault(name, node)
        return Map(entries, self._place(start)), height + 1

    def _merged(self, event: _Event, value: Node) -> list[Map]:
        """The maps that a merge key brings in; of two, the earlier one wins."""
        maps = value.items if isinstance(value, Sequence) else (value,)
        good = [one for one in maps if isinstance(one, Map)]
        if len(good) < len(maps):
            self._tell(event, "the merge key << takes a map", "Give it the alias of a map, such as *defaults.")
        return good

    def _alias(self, event: _Event, depth: int) -> tuple[Node, int]:
        anchored = self._anchors.get(event.anchor)
        if anchored is None:  # not named: a password that begins with a star would be shown
            summary = "an alias refers to an unknown anchor, or to the value it is part of"
            self._tell(event, summary, "Put a text that starts with * in quotes.")
            return Scalar(None, self._place(event)), 1
        self._grow(event, anchored.size)
        if depth + anchored.height - 1 > MAX_DEPTH:
            self._stop(event, f"the file is nested deeper than {MAX_DEPTH} levels", "Write the value out.")
        return anchored.node, anchored.height

    def _grow(self, event: _Event, size: int) -> None:
        self._size += size
        if self._size > MAX_NODES:
            fix = "Use fewer aliases, or keep only the clouds that you use."
            self._stop(event, f"the file contains more than {MAX_NODES:,} values", fix)

    def _tell(self, event: _Event, summary: str, fix: str) -> None:
        self._findings.append(Diagnostic(summary, fix, self._place(event), id="bad-clouds-file"))
        if len(self._findings) >= _MAX_FINDINGS:
            raise InputError(self._findings)

    def _stop(self, event: _Event, summary: str, fix: str) -> NoReturn:
        self._tell(event, summary, fix)
        raise InputError(self._findings)

    def _place(self, event: _Event) -> Position:
        mark = event.start_mark
        return Position(self._shown, mark.line + 1, mark.column + 1)


_NO_TAG = "Remove it, or put a text that starts with ! in quotes."


def _syntax(shown: str, text: str, error: yaml.YAMLError) -> Diagnostic:
    """Return what is wrong without quoting the file."""
    advice = Adviser().advise(error, LINE_BREAK.split(text))
    is_separator = advice.id != "yaml-syntax"
    return Diagnostic(
        f"the YAML can't be read: {advice.summary}",
        "Remove this line: the file is one document." if is_separator else advice.remedy(),
        Position(shown, advice.line + 1, advice.column + 1),
        id="bad-clouds-file",
    )
