"""A terminal in memory: what a program on a pseudo-terminal has written, as rows of coloured cells, and as an SVG.

It knows the control sequences that declarative and rich use, and raises for any other, so that no picture lies.
"""

from __future__ import annotations

import re
from html import escape
from typing import NamedTuple

_SEQUENCE = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|\r\n|[\r\n]|[^\x1b\r\n]")
_WORDS = re.compile(r"\S+(?: \S+)*")
_IGNORED = "hl"  # modes, such as showing the cursor
_PALETTE = {"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341"}
_PLAIN, _STRONG, _FAINT, _GROUND, _BAR = "#d0d7de", "#ffffff", "#8b949e", "#0d1117", "#161b22"
_WIDE, _HIGH, _LEFT, _TOP = 8.4, 19, 16, 52  # pixels: a cell, and the margins of the window
_FONTS = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"  # of the reader's own machine


class Cell(NamedTuple):
    """One character, and the codes of its colours."""

    char: str = " "
    style: frozenset[str] = frozenset()


class Terminal:
    """Rows of cells; what scrolls off the top is kept."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows: list[list[Cell]] = [[]]
        self._row = self._column = 0
        self._style: frozenset[str] = frozenset()

    def feed(self, text: str) -> None:
        """Take what a program has written. Raises ValueError for a sequence that is not known."""
        position = 0
        for match in _SEQUENCE.finditer(text):
            if match.start() != position:
                raise ValueError(f"unknown control sequence {text[position : position + 12]!r}")
            position = match.end()
            if match[2]:
                self._control(match[1], match[2])
            elif match[0] == "\r":
                self._column = 0
            elif match[0] in ("\n", "\r\n"):
                self._row, self._column = self._row + 1, 0
                self._reach()
            else:
                self._put(match[0])

    def text(self) -> list[str]:
        """The rows as text."""
        return ["".join(cell.char for cell in row).rstrip() for row in self.rows]

    def _reach(self) -> None:
        while len(self.rows) <= self._row:
            self.rows.append([])

    def _put(self, char: str) -> None:
        if self._column >= self.columns:
            self._row, self._column = self._row + 1, 0
            self._reach()
        row = self.rows[self._row]
        row += [Cell()] * (self._column + 1 - len(row))
        row[self._column] = Cell(char, self._style)
        self._column += 1

    def _control(self, codes: str, letter: str) -> None:
        if letter == "m":
            for code in codes.split(";"):
                self._style = frozenset() if code in ("", "0") else self._style | {code}
        elif letter == "A":
            self._row = max(self._row - int(codes or 1), 0)
        elif letter == "K":
            self.rows[self._row] = self.rows[self._row][: self._column] if codes in ("", "0") else []
        elif letter not in _IGNORED:
            raise ValueError(f"unknown control sequence CSI {codes}{letter}")


def svg(terminal: Terminal, title: str, *, first: int = 0, last: int | None = None) -> str:
    """The rows from `first` to before `last` as a picture that needs nothing but itself."""
    rows = terminal.rows[first:last]
    while rows and not any(cell.char.strip() for cell in rows[-1]):
        rows = rows[:-1]
    width = round(terminal.columns * _WIDE + 2 * _LEFT)
    height = _TOP + len(rows) * _HIGH + 14
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" rx="8" fill="{_GROUND}"/>',
        f'<path d="M0 8a8 8 0 0 1 8-8h{width - 16}a8 8 0 0 1 8 8v26H0z" fill="{_BAR}"/>',
        *(f'<circle cx="{20 + 18 * number}" cy="17" r="5" fill="#30363d"/>' for number in range(3)),
        f'<g font-family="{_FONTS}" font-size="14" fill="{_PLAIN}">',
        f'<text x="{width / 2}" y="22" text-anchor="middle" font-size="13" fill="{_FAINT}">{escape(title)}</text>',
    ]
    for number, row in enumerate(rows):
        lines += _runs(row, _TOP + number * _HIGH)
    return "\n".join([*lines, "</g>", "</svg>", ""])


def _runs(row: list[Cell], y: int) -> list[str]:
    """Neighbours of one style as one text, of the exact width of its cells.

    Browsers draw several spaces as one, whatever `xml:space` says, so none stands at an end or beside another.
    """
    runs: list[tuple[int, str, frozenset[str]]] = []
    for column, cell in enumerate(row):
        if runs and runs[-1][2] == cell.style:
            runs[-1] = (runs[-1][0], runs[-1][1] + cell.char, cell.style)
        else:
            runs.append((column, cell.char, cell.style))
    return [
        f'<text x="{_LEFT + (start + part.start()) * _WIDE:.1f}" y="{y}" textLength="{len(part[0]) * _WIDE:.1f}" '
        f'lengthAdjust="spacingAndGlyphs"{_attributes(style)}>{escape(part[0])}</text>'
        for start, text, style in runs
        for part in _WORDS.finditer(text)
    ]


def _attributes(style: frozenset[str]) -> str:
    colour = next((_PALETTE[code] for code in sorted(style) if code in _PALETTE), "")
    colour = colour or (_STRONG if "1" in style else _FAINT if "2" in style else "")
    fill = f' fill="{colour}"' if colour else ""
    return f'{fill} font-weight="bold"' if "1" in style else fill
