"""Prose in the width of a terminal: broken between words, and continued under the words of its first line.

Only lines that are `Prose` are broken. Values of fields, commands to paste and ids stay as they are: a reader copies
them, and a line that the terminal itself breaks is copied whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from unicodedata import combining, east_asian_width

from declarative.views.text import Line, Span, Tone

_NARROWEST = 30  # columns; below, a hanging indent would leave room for no words
_PIECES = re.compile(r"`[^`]*`\S*|\S+|\s+")  # a command in backticks is one piece
_MARK = re.compile(r"( *)(?:[-+~!?x>#…*]|-/\+) ")


class Prose(tuple[Span, ...]):
    """A line of sentences, which may be broken between words."""

    __slots__ = ()


def prose(text: str, tone: Tone = Tone.PLAIN) -> Line:
    """A line of sentences in one tone."""
    return Prose((Span(text, tone),))


def width_of(text: str) -> int:
    """The columns that a text takes on a terminal: two for a wide character, none for one that joins the one before."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(char) in ("W", "F") else 0 if combining(char) else 1 for char in text)


def wrapped(lines: Iterable[Line], width: int) -> Iterator[Line]:
    """Yield the lines, those of prose broken so that each fits in `width` columns where its words allow it."""
    for line in lines:
        if isinstance(line, Prose) and width >= _NARROWEST and sum(width_of(one.text) for one in line) > width:
            yield from _broken(line, width)
        else:
            yield line


def _broken(line: Line, width: int) -> Iterator[Line]:
    text = "".join(span.text for span in line)
    mark = _MARK.match(text)
    indent = len(mark[0]) if mark else len(text) - len(text.lstrip(" ")) + 2
    row: list[Span] = []
    used, gap, has_words = 0, "", False
    for piece, tone in _pieces(line):
        if piece.isspace():
            if has_words:
                gap += piece
            else:
                row.append(Span(piece, tone))
                used += len(piece)
            continue
        if has_words and gap and used + len(gap) + width_of(piece) > width:
            yield tuple(row)
            row, used, gap = [Span(" " * indent)], indent, ""
        row.append(Span(gap + piece, tone))
        used, gap, has_words = used + len(gap) + width_of(piece), "", True
    yield tuple(row)


def _pieces(line: Line) -> Iterator[tuple[str, Tone]]:
    """Yield the words and the gaps between them. Spans that meet within a word stay on one row: nothing parts them."""
    for span in line:
        for match in _PIECES.finditer(span.text):
            yield match[0], span.tone
