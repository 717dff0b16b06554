"""Bytes of a file to text: size, encoding, and the characters that are not allowed in a manifest."""

from __future__ import annotations

import re

from declarative.errors import Diagnostic, Position, Snippet
from declarative.model import Json

MAX_BYTES = 1 << 20
MAX_DEPTH = 64

LINE_BREAK = re.compile(r"\r\n|\r|\n")  # as YAML breaks lines
UNFIT_IN_VALUE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_UNFIT_IN_FILE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_MARK = "\ufeff"


def unfit(value: Json, *, depth: int = 0) -> str:
    """Return what makes a value from outside YAML unusable: its characters or depth. Empty: nothing."""
    if depth > MAX_DEPTH:
        return f"is nested deeper than {MAX_DEPTH} levels"
    if isinstance(value, str):
        found = UNFIT_IN_VALUE.search(value)
        return f"contains the control character {named(found[0])}" if found else ""
    if isinstance(value, dict):
        return next(filter(None, (unfit(part, depth=depth + 1) for pair in value.items() for part in pair)), "")
    if isinstance(value, list):
        return next(filter(None, (unfit(part, depth=depth + 1) for part in value)), "")
    return ""


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
    summary = f"the character {named(found[0])} at byte {mark + len(before.encode())} is not allowed"
    fix = "Remove it."
    if found[0] == _MARK:
        fix = "Remove it: it is a byte order mark, which is only allowed at the beginning of a file."
    return Diagnostic(summary, fix, _end_of(file, before, text if shows else ""), id="control-character")


def named(char: str) -> str:
    """The character as Unicode names it: `U+00A0`."""
    return f"U+{ord(char):04X}"


def _end_of(file: str, before: str, text: str) -> Position:
    """Return the place after `before`. Its line is shown if `text` is given."""
    lines = LINE_BREAK.split(before)
    line, column = len(lines), len(lines[-1]) + 1
    snippet = Snippet.of(LINE_BREAK.split(text)[line - 1], column) if text else None
    return Position(file, line, column, snippet)
