"""Lines that were meant to be the separator `---`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from declarative.manifest.advice import Advice

_STROKES = "-=*_~\u2010-\u2015\u2212"
_LIKE = re.compile(rf"\s*[{_STROKES}]{{2,}}(?:\s+[{_STROKES}]+)*\s*|\s*[\u2013-\u2015]\s*|\s*(?:- +)+-\s*")
_GLUED = re.compile(r"--+[ \t]*(?=[\w\"'])")
_MAX_BETWEEN = 20  # lines without a value between a separator and its document

NO_SEPARATOR = Advice(
    "another document starts here without a line --- before it",
    "Put a line with only --- between the two documents.",
    0,
    0,
    id="missing-separator",
)
ALONE = "Write only --- on this line, starting in the first column."


def broken_separator(lines: Sequence[str], number: int) -> Advice | None:
    """Return the advice about a line that was meant to be `---`, or None."""
    line = lines[number]
    if line.rstrip() == "---":
        return None
    if _LIKE.fullmatch(line):
        column = len(line) - len(line.lstrip())
        summary = "this line should be exactly ---" if line.strip() != "---" else "there are spaces before ---"
        return Advice(summary, ALONE, number, column, id="missing-separator")
    if _GLUED.match(line) and ":" in line:
        return Advice(
            "the separator --- has other text on its line",
            "Leave only --- on this line, and move the rest to the next one.",
            number,
            0,
            id="missing-separator",
        )
    return None


def separator_above(lines: Sequence[str], number: int) -> Advice | None:
    """Return the advice about the nearest non-empty line above, if it was meant to be `---`."""
    for above in range(number - 1, max(number - 1 - _MAX_BETWEEN, -1), -1):
        advice = broken_separator(lines, above)
        if advice is not None or lines[above].lstrip()[:1] not in ("", "#"):
            return advice
    return None
