"""The nouns of YAML advice: where reading stopped, what to say about it, and a repair that may be tried.

Lines and columns count from 0, except in texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

_HEAD = re.compile(r"( *)((?:- +)*)")
_PAIR = re.compile(r"""(?:"[^"]*" *|'[^']*' *|-?[^\s"'\[\]{},#&*!|>%@`-][^:#]*):(?: |$)""")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Where and why the YAML library stopped, in its words. `context`: what it was doing since `begin`."""

    words: str
    context: str
    line: int
    column: int
    begin: tuple[int, int] | None

    def moved(self, by: int) -> Trouble:
        """Return the same for a text with `by` more lines before it."""
        begin = (self.begin[0] + by, self.begin[1]) if self.begin else None
        return replace(self, line=self.line + by, begin=begin)


@dataclass(frozen=True, slots=True)
class Advice:
    """What is wrong (`summary`, which may follow a colon) and what helps. Neither repeats what stands in the file.

    `beside`: a line that the `fix` names, as `{}`; its number changes with the place of the document.
    """

    summary: str
    fix: str
    line: int
    column: int
    beside: int | None = None
    id: str = "yaml-syntax"

    def moved(self, by: int) -> Advice:
        """Return the same for a text with `by` more lines before it."""
        return replace(self, line=self.line + by, beside=None if self.beside is None else self.beside + by)

    def remedy(self) -> str:
        """Return the fix with the number of the line that it names."""
        return self.fix if self.beside is None else self.fix.format(self.beside + 1)


@dataclass(frozen=True, slots=True)
class Repair:
    """An advice, and the text that would follow from it: `lines` that change, each to one line or several."""

    advice: Advice
    lines: Mapping[int, str]

    def of(self, lines: Sequence[str]) -> list[str]:
        """The repaired lines."""
        return [self.lines.get(number, line) for number, line in enumerate(lines)]

    def grows(self) -> int:
        """Return the number of lines that the repair adds."""
        return sum(line.count("\n") for line in self.lines.values())


@dataclass(frozen=True, eq=False)
class Text:
    """The lines of one document that can't be read, and where the library stopped in it."""

    lines: Sequence[str]
    trouble: Trouble

    def is_empty(self, number: int) -> bool:
        """True for a line with nothing, or only a comment."""
        return self.lines[number].lstrip()[:1] in ("", "#")

    def indent(self, number: int) -> int:
        """Return the number of spaces before the first character."""
        return len(self.lines[number]) - len(self.lines[number].lstrip(" "))

    def column(self, number: int) -> int:
        """Return the column of the first character after spaces and `- `."""
        return _head(self.lines[number])

    def has_pair(self, number: int) -> bool:
        """True for a line that starts a `name: value`."""
        return bool(_PAIR.match(self.lines[number], self.column(number)))

    def colon(self, number: int) -> int | None:
        """Return the column of the colon in a line's `name: value`."""
        found = _PAIR.match(self.lines[number], self.column(number))
        return self.lines[number].rindex(":", 0, found.end()) if found else None

    def opens(self, number: int) -> bool:
        """True for a line that ends with a name and its colon, so that its value is below."""
        return bool(re.search(r":\s*(?:#.*)?$", self.lines[number])) and self.has_pair(number)

    def before(self, number: int) -> int | None:
        """Return the nearest line above that is not empty."""
        return next((above for above in range(number - 1, -1, -1) if not self.is_empty(above)), None)

    def beside(self, number: int) -> int | None:
        """Return the nearest line above that is not empty, or the one that starts its block of text."""
        above = self.before(number)
        limit = None if above is None else self.indent(above)
        for one in range((above or 0) - 1, -1, -1):
            if limit == 0:
                break
            if limit is not None and not self.is_empty(one) and self.indent(one) < limit:
                if _BLOCK.search(self.lines[one]):
                    return one
                limit = self.indent(one)
        return above

    def after(self, number: int) -> int | None:
        """Return the nearest line below that is not empty."""
        return next((below for below in range(number + 1, len(self.lines)) if not self.is_empty(below)), None)

    @cached_property
    def last(self) -> int:
        """The nearest line above the trouble that holds something; the trouble's own when there is none."""
        before = self.before(self.trouble.line)
        return self.trouble.line if before is None else before

    def columns_above(self, number: int) -> Iterator[tuple[int, int]]:
        """Yield columns that open maps and lists have above a line, nearest first, each with a line of theirs."""
        limit: int | None = None
        for above in range(number - 1, -1, -1):
            if self.is_empty(above):
                continue
            indent = self.indent(above)
            if limit is None or indent < limit:
                yield from ((column, above) for column in sorted({self.column(above), indent}, reverse=True))
                limit = indent
            if limit == 0:
                return

    def block_opener(self, number: int) -> int | None:
        """The line whose block of text ends above a line that is not indented enough for it; None: there is none."""
        limit = self.indent(number)
        above = self.before(number)
        while above is not None and self.indent(above) > limit:
            above = self.before(above)
        lines = range(number - 1, -1, -1) if above is None else range(number - 1, above - 1, -1)
        return next((one for one in lines if _BLOCK.search(self.lines[one]) and self.indent(one) <= limit), None)


_BLOCK = re.compile(r"(?:^|[:-]) *[|>][-+0-9]{0,2}\s*(?:#.*)?$")


def _head(line: str) -> int:
    match = _HEAD.match(line)
    return match.end() if match else 0
