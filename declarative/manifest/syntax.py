"""Advice for people on text that is not YAML: where the slip is, and how to repair it.

The YAML library stops where it can't go on, which is often lines behind the slip, and its words are those of a parser.
So repairs that are likely there are tried: one is advised only if the document can be read with it. What none of them
explains is told in the library's words.

No advice repeats what stands in the file: files of variables and of clouds may hold secrets.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

import yaml

from declarative.manifest.advice import Advice, Repair, Text, Trouble
from declarative.manifest.quoting import quote_repairs, value_repairs
from declarative.manifest.repairs import block_repairs
from declarative.manifest.separators import broken_separator

_MAX_WINDOW = 64_000  # characters of a document that is read again; 64,000 take 6 ms
_MAX_LINE = 2_000  # characters of a line that is looked at; expressions need up to the square of it
_MAX_TRIES = 48
_MAX_BEHIND = 400  # lines behind the trouble that are read again

_CONFLICT = re.compile(r"(<{7}|>{7}|\|{7})(?: |$)")
_NO_SPACE = "[^\\S \t\r\n]|[\u00ad\u180e\u200b-\u200f\u2060-\u2064]"  # looks like a space, or like nothing
_STRANGE = re.compile(rf" *(?:- +)*({_NO_SPACE})|[^\n]*?[\w\"'](?::|\uff1a)({_NO_SPACE})|[^\n]*?^ *-({_NO_SPACE})")
_WIDE_COLON = re.compile(r"[ -]*[\w.\"'-]+[ \t]*([\uff1a\ufe55\ua789\u2236])")


def trouble_of(error: yaml.YAMLError, lines: Sequence[str]) -> Trouble:
    """Return where the YAML library stopped; a place behind the last line is the end of that line."""
    mark, begin = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    words = getattr(error, "problem", None) or "it is not valid YAML"
    context = getattr(error, "context", None) or ""
    line, column = _within(mark, lines) if mark else (0, 0)
    return Trouble(words, context, line, column, _within(begin, lines) if begin else None)


def _within(mark: yaml.Mark, lines: Sequence[str]) -> tuple[int, int]:
    """A place of the parser's, which counts a line after the last one."""
    if mark.line >= len(lines):
        return len(lines) - 1, len(lines[-1])
    return mark.line, min(mark.column, len(lines[mark.line]))


class Adviser:
    """Finds the advice for the one trouble of each file. All files together may cost `budget` characters of reading."""

    def __init__(self, budget: int = 8_000_000) -> None:
        self._budget = budget

    def advise(self, error: yaml.YAMLError, lines: Sequence[str]) -> Advice:
        """Return the best advice for a text that can't be read, given its lines."""
        trouble = trouble_of(error, lines)
        return _seen(lines, trouble) or self._tried(lines, trouble) or _plain(lines, trouble)

    def _tried(self, lines: Sequence[str], trouble: Trouble) -> Advice | None:
        """The advice of the first repair with which the document can be read, or else read farthest."""
        first, last = _window(lines, trouble)
        text = Text(lines[first:last], trouble.moved(-first))
        size = sum(map(len, text.lines)) + len(text.lines)
        if size > _MAX_WINDOW or max(map(len, text.lines)) > _MAX_LINE:
            return None
        self._budget -= 4 * size  # for the tokens
        if self._budget < 0:
            return None
        best: tuple[int, Advice | None] = (text.trouble.line, None)
        for repair in itertools.islice(_repairs(text), _MAX_TRIES):
            self._budget -= size
            if self._budget < 0:
                return None
            reached = _reached(repair.of(text.lines))
            if reached is None:
                return repair.advice.moved(first)
            if reached - repair.grows() > best[0]:
                best = reached - repair.grows(), repair.advice
        return best[1].moved(first) if best[1] else None


def _repairs(text: Text) -> Iterator[Repair]:
    if "escape" in text.trouble.words:
        return
    yield from quote_repairs(text)
    yield from block_repairs(text)
    yield from value_repairs(text)


def _window(lines: Sequence[str], trouble: Trouble) -> tuple[int, int]:
    """The lines of the document that the trouble is in, from its beginning on."""
    start = min(trouble.line, trouble.begin[0] if trouble.begin else trouble.line)
    first = next((number for number in range(start, -1, -1) if _is_separator(lines[number])), 0)
    stop = min(len(lines), trouble.line + _MAX_BEHIND)
    behind = range(max(trouble.line, first) + 1, stop)
    return first, next((number for number in behind if _is_separator(lines[number])), stop)


def _is_separator(line: str) -> bool:
    return line == "---" or line.startswith(("--- ", "---\t"))


def _reached(lines: Sequence[str]) -> int | None:
    """The line, from 0, where the YAML library stops in the lines; None: it reads all of them."""
    from yaml._yaml import CParser

    parser = CParser("\n".join(lines))
    try:
        while type(parser.get_event()) is not yaml.StreamEndEvent:
            pass
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return mark.line if mark else 0
    return None


# ---------------------------------------------------------------- what needs no trying


def _seen(lines: Sequence[str], trouble: Trouble) -> Advice | None:
    suspects = _suspects(lines, trouble)
    found = (look(lines, suspects) for look in (_conflict, _separator, _strange_character, _tab))
    return next(filter(None, found), None)


def _suspects(lines: Sequence[str], trouble: Trouble) -> list[int]:
    """The lines that the trouble may come from: where reading began, the one before the stop, and the stop."""
    before = next((number for number in range(trouble.line - 1, -1, -1) if lines[number].strip()), trouble.line)
    begin = [trouble.begin[0]] if trouble.begin and "simple key" in trouble.context else []
    return [number for number in sorted({*begin, before, trouble.line}) if len(lines[number]) <= _MAX_LINE]


def _conflict(lines: Sequence[str], _: Sequence[int]) -> Advice | None:
    number = next((number for number, line in enumerate(lines) if _CONFLICT.match(line)), None)
    if number is None:
        return None
    fix = "Keep one side, and remove the lines that start with <<<<<<<, ======= and >>>>>>>."
    return Advice("the file contains an unresolved merge conflict", fix, number, 0)


def _separator(lines: Sequence[str], suspects: Sequence[int]) -> Advice | None:
    return next(filter(None, (broken_separator(lines, number) for number in suspects)), None)


def _strange_character(lines: Sequence[str], suspects: Sequence[int]) -> Advice | None:
    for number in suspects:
        if strange := _STRANGE.match(lines[number]):
            at = strange.start(strange.lastindex or 0)
            summary = f"the character U+{ord(lines[number][at]):04X} is used where YAML needs a space"
            return Advice(summary, "Replace it with a space.", number, at)
        if wide := _WIDE_COLON.match(lines[number]):
            summary = f"the character U+{ord(wide[1]):04X} is used where YAML needs a ':'"
            return Advice(summary, "Write `name: value`, with a plain ':' and a space after it.", number, wide.start(1))
    return None


def _tab(lines: Sequence[str], suspects: Sequence[int]) -> Advice | None:
    for number in suspects:
        tab = re.match(r"[ -]*(\t)", lines[number])
        if tab and lines[number].strip():
            return Advice("there is a tab in the indentation", "Use spaces, not tabs.", number, tab.start(1))
    return None


# ---------------------------------------------------------------- the plain truth


def _plain(lines: Sequence[str], trouble: Trouble) -> Advice:
    """Return the library's own words, and what to check."""
    fix = " ".join(_looks_at(lines, trouble))
    return Advice(trouble.words, fix, trouble.line, trouble.column)


def _looks_at(lines: Sequence[str], trouble: Trouble) -> Iterator[str]:
    if "${" in lines[trouble.line] and "escape" not in trouble.words:
        yield 'An expression inside { } or [ ], or beside a colon, needs quotes: "${var.x}".'
    elif "escape" in trouble.words:
        yield "In double quotes, a backslash starts an escape. Put the text in single quotes."
    elif "cannot start any token" in trouble.words:
        yield "Remove this character, or put the text that starts with it in quotes."
    else:
        yield "Check the indentation, quotes and brackets of this line and the one above it."
    if trouble.begin and trouble.begin[0] < trouble.line and "flow" in trouble.context + trouble.words:
        yield f"The open bracket is on line {trouble.begin[0] + 1}."
