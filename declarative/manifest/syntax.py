"""What usually lies behind a text that is not YAML, and what helps."""

from __future__ import annotations

import re


def syntax_fix(problem: str, line: str, column: int) -> str:
    """Return a remedy for what the YAML library found at a `column` of a line, from 0."""
    if "\t" in line[: column + 1]:
        return "Indent with blanks, not with tabs."
    if "mapping values" in problem and column <= _MAX_KEY and _KEY_BEFORE.fullmatch(line[:column]):
        return "Check the indentation, here and in the line before: a key begins in the column of the ones beside it."
    if "${" in line:
        return 'Quote it: inside { } and [ ], and beside a colon, an expression needs quotes: "${var.x}".'
    if "node content" in problem or ("," in problem and ("}" in problem or "]" in problem)):
        return "Close the bracket; if the bracket is part of a text, quote it: put the text in quotes."
    if "cannot start any token" in problem or "mapping values" in problem or "alphabetic or numeric" in problem:
        return "Quote it: put the value in quotes."
    if "expected key" in problem or "block" in problem:
        return "Check the indentation of this line; if a text begins with a bracket, quote it: put the text in quotes."
    if "end of stream" in problem:
        return "Close the quotes."
    if "escape" in problem:
        return "Put the text in single quotes, where a backslash is just that."
    return "Check the line, and the one before it."


# A key is all that stands before the colon: what is wrong is where it begins.
_KEY_BEFORE = re.compile(r"""[\s-]*(?:[^\s:#"'{}\[\],][^:#"'{}\[\],]*|"[^"]*"|'[^']*')""")
_MAX_KEY = 256
