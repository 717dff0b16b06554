"""Text for a reader: lines of spans with tones, no terminal, no colours yet.

Text that others wrote (names, values, messages) passes `shown`, and no line begins with it: a line always opens with
a word or a symbol of ours, so that nothing in a manifest or an answer can speak to a terminal or to a CI log.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from declarative.errors import Diagnostic, shown
from declarative.model import Json

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]-]{0,127}")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

_VALUE_LIMIT = 160


_FINDING_LIMIT = 2000
_ID_LIMIT = 80
_WIDTH = 80
MORE: Final = "-v lists all"


class Tone(enum.Enum):
    """What a piece of text is about; a terminal may show it as a colour."""

    PLAIN = "plain"
    STRONG = "strong"
    FAINT = "faint"
    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of one line."""

    text: str
    tone: Tone = Tone.PLAIN


Line: TypeAlias = tuple[Span, ...]


def plain(lines: Iterable[Line]) -> str:
    """The lines as text without tones, each ended by a newline."""
    return "".join("".join(span.text for span in line) + "\n" for line in lines)


def line(text: str = "", tone: Tone = Tone.PLAIN) -> Line:
    """A line of one tone."""
    return (Span(text, tone),)


def value(content: Json) -> str:
    """A JSON value as one short, safe text; strings are quoted."""
    return shown(json.dumps(content, ensure_ascii=False, sort_keys=True, default=str), limit=_VALUE_LIMIT)


def field_name(name: str) -> str:
    """A field's or output's name, as it is or, when no plain word, quoted: it may open a line."""
    return name if _WORD.fullmatch(name) else value(name)


def finding(diagnostic: Diagnostic, *, with_id: bool = False) -> str:
    """One finding as one line, `file:line:column: error: what. How to put it right.`; a strange file name gets `./`.

    `with_id`: the line ends with ` [id]`, which `declarative explain` takes.
    """
    text = shown(diagnostic, limit=_FINDING_LIMIT)
    if with_id and diagnostic.id:
        text += f" [{shown(diagnostic.id, limit=_ID_LIMIT)}]"
    return text if text[:1].isalnum() or text[:1] in "._/-" else f"./{text}"


def snippet_lines(diagnostic: Diagnostic, indent: str = "") -> Iterator[Line]:
    """Yield the line of the manifest that a finding is about, and a caret below the place; nothing if there is none."""
    place = diagnostic.position
    if place is None or place.snippet is None:
        return
    gutter = f"{place.line:>5}"
    yield line(f"{indent}{gutter} | {place.snippet.text}", Tone.FAINT)
    yield line(f"{indent}{' ' * len(gutter)} | {' ' * place.snippet.caret}^", Tone.FAINT)


def block(title: str, content: Iterable[Line]) -> Iterator[Line]:
    """Yield lines under a title; of no lines, nothing."""
    for number, one in enumerate(content):
        if not number:
            yield line()
            yield line(title, Tone.STRONG)
        yield one


def identity(text: str) -> str:
    """An id as it is or, when it is none that the service would give, quoted: it may open a line."""
    return text if _ID.fullmatch(text) else value(text)


def listing(names: Sequence[str], *, most: int | None = None, indent: int = 6) -> Iterator[Line]:
    """Yield names in lines of at most _WIDTH characters, and how many there are beyond `most`.

    A name must be one that may open a line: an address, or what `identity` makes of a text.
    """
    told = list(names if most is None else names[:most])
    row = ""
    for number, name in enumerate(told):
        piece = f"{name}," if number < len(told) - 1 else name
        if row and indent + len(row) + 1 + len(piece) > _WIDTH:
            yield line(f"{'':{indent}}{row}")
            row = ""
        row = f"{row} {piece}" if row else piece
    if row:
        yield line(f"{'':{indent}}{row}")
    if len(names) > len(told):
        yield line(f"{'':{indent}}and {len(names) - len(told):,} more ({MORE})", Tone.FAINT)


def many(count: int, noun: str) -> str:
    """A count with its noun, e.g. `1 step` or `2 steps`."""
    return f"{count} {noun}" if count == 1 else f"{count:,} {noun}s"


def duration(seconds: float) -> str:
    """A time span for a reader: `2.1 s`, `4m 05s`, `1h 02m`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m" if hours else f"{minutes}m {rest:02d}s"
