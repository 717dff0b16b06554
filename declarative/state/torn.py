"""What a crash can leave of the batch that was being written: the end of a journal, judged. Pure.

A batch is one write at the journal's end, so a crash leaves its beginning, in which whole blocks may have stayed zeros.
What is wrong in such a tail is missing or NUL, and nothing else is: every other byte is the one that was written. A
tail that shows anything else is damage. JSON is written in printable ASCII, so no line has a NUL of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from zlib import crc32

_NUL = b"\0"
_HEAD = re.compile(rb"([0-9a-f]{8}) ([1-9][0-9]{0,8}) ")
_WORN_LINE = re.compile(rb"[0-9a-f\0]{8}[ \0][1-9\0][0-9\0]{0,8}[ \0][{\0][ -~\0]*")
_TEXT = re.compile(rb"(?:[{\0][ -~\0]*)?")
_MISSING = _NUL * 12  # as many as the shortest head and the brace after it: what is cut off is as good as NUL


class Damaged(Exception):
    """The tail is not what a crash leaves. `line` counts its lines from 0."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def read_tail(lines: Sequence[bytes]) -> list[tuple[int, bytes | None]]:
    """Return what a torn tail shows: for each line its number and its JSON, None for a line that is not whole.

    `lines` is the tail split at its newlines, so that the last of them, often empty, has no newline. A newline that has
    become NUL parts two lines all the same; both have the same number. Raises Damaged.
    """
    found: list[tuple[int, bytes | None]] = []
    for number, line in enumerate(lines):
        ended = number < len(lines) - 1
        if ended and not line:
            raise Damaged(number)
        found += ((number, text) for text in _texts(line, number=number, ended=ended))
    return found


def _texts(rest: bytes, *, number: int, ended: bool) -> Iterator[bytes | None]:
    while rest:
        head = _HEAD.match(rest)
        if head is None:
            _judge_worn(rest, number=number, ended=ended)
            yield None
            return
        length = int(head[2])
        text, beyond = rest[head.end() : head.end() + length], rest[head.end() + length :]
        if _TEXT.fullmatch(text) is None or (ended and len(text) < length):
            raise Damaged(number)
        if (beyond and not beyond.startswith(_NUL)) or (ended and beyond == _NUL):
            raise Damaged(number)
        whole = len(text) == length and _NUL not in text
        if whole and b"%08x" % crc32(text) != head[1]:
            raise Damaged(number)
        yield text if whole else None
        rest = beyond[1:]


def _judge_worn(line: bytes, *, number: int, ended: bool) -> None:
    """Judge a line whose head is not whole, so that nobody knows where it ends."""
    whole = _WORN_LINE.fullmatch(line if ended else line + _MISSING) is not None
    if not whole or (ended and _NUL not in line):
        raise Damaged(number)
