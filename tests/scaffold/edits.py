"""Slips of the pen: ways to spoil a good YAML file by one edit of a line, each with the remedy that would be right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PAIR = re.compile(r"^([\s-]*)([\w-]+):( |$)")
_QUOTES = re.compile("[\"']")
_BRACKETS = re.compile(r"[\[\]{}]")


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit. `line`, from 1, is where the fault is; `remedy` matches the text of a finding that is right."""

    name: str
    line: int
    text: str
    remedy: str


def edits(text: str) -> Iterator[Edit]:
    """Yield every edit of every line, in the order of the lines."""
    lines = text.split("\n")[:-1]
    for number, line in enumerate(lines):
        for glued in ("---", "--- ", "--") if line == "---" else ():
            spoilt = "\n".join([*lines[:number], glued + lines[number + 1], *lines[number + 2 :], ""])
            yield Edit(
                f"{number + 1} separator glued {glued!r}",
                number + 1,
                spoilt,
                r"(line|separator|before|exactly|only) ---",
            )
        for name, new, remedy in _of_line(line):
            changed = [*lines[:number], *new.split("\n"), *lines[number + 1 :]]
            spoilt = "\n".join(changed) + "\n"
            place = number + 2 if name == "separator deleted" else number + 1
            yield Edit(f"{number + 1} {name}", place, spoilt, remedy)


def _of_line(line: str) -> Iterator[tuple[str, str, str]]:
    if line == "---":
        yield from _separators()
        return
    if line.lstrip().startswith("#"):
        return
    yield from _indentations(line)
    pair = _PAIR.match(line)
    if pair:
        yield from _pairs(line, pair)
    yield from _single_characters(line)
    yield "conflict", f"<<<<<<< HEAD\n{line}\n=======\n{line}\n>>>>>>> other", r"merge conflict"


def _separators() -> Iterator[tuple[str, str, str]]:
    missing = r"(line|separator|before|exactly|only) ---"
    yield "separator deleted", "# nothing", missing
    for wrong in ("----", "--", "-----", "—", "–––", " ---", "  ---", "===", "***", "-- -"):
        yield f"separator {wrong!r}", wrong, missing


def _indentations(line: str) -> Iterator[tuple[str, str, str]]:
    indent = len(line) - len(line.lstrip())
    rest = line.lstrip()
    align = r"Remove \d|Add \d|align|[Ii]ndent|[Rr]emove the spaces before it"
    for by in (1, 2, 3):
        yield f"indented by {by} more", " " * by + line, align
        if by <= indent:
            yield f"indented by {by} less", line[by:], align
    if indent:
        yield "tab indents", "\t" * max(indent // 2, 1) + rest, r"not tabs|not with tabs"
        yield "tab at the end of the indentation", line[: indent - 1] + "\t" + rest, r"not tabs|not with tabs"
        for strange in ("\u00a0", "\u3000", "\u200b"):
            name = f"U+{ord(strange):04X}"
            yield f"{name} indents", line[: indent - 1] + strange + rest, re.escape(name)


def _pairs(line: str, pair: re.Match[str]) -> Iterator[tuple[str, str, str]]:
    before, key, value = pair[1], pair[2], line[pair.end() :]
    colon = r"needs a ':'|':' and a space|Add a ':'"
    yield "colon deleted", f"{before}{key}{pair[3]}{value}", colon
    if value:
        yield "space after the colon deleted", f"{before}{key}:{value}", r"space"
        yield "no-break space after the colon", f"{before}{key}:\u00a0{value}", r"U\+00A0"
        yield "equals sign", f"{before}{key} = {value}", r"'='"
        yield "equals sign without spaces", f"{before}{key}={value}", r"'='"
        yield "semicolon", f"{before}{key}; {value}", colon
        yield "wide colon", f"{before}{key}\uff1a {value}", r"U\+FF1A"
        if not _QUOTES.search(value) and not _BRACKETS.search(value) and "#" not in value and value != ">-":
            yield "another colon", f"{before}{key}: {value}: x", r"in quotes|needs quotes"
            yield "opening quote", f'{before}{key}: "{value}', r"[Qq]uote"
            yield "closing quote", f'{before}{key}: {value}"', r"[Qq]uote"
            yield "smart quotes", f"{before}{key}: “{value}”", r"straight quotes"
            yield "begins with @", f"{before}{key}: @{value}", r"in quotes"
            yield "begins with `", f"{before}{key}: `{value}`", r"in quotes"
            yield "begins with *", f"{before}{key}: *{value}", r"in quotes"
            yield "begins with &", f"{before}{key}: &{value} x", r"in quotes"
            yield "begins with %", f"{before}{key}: %{value}", r"in quotes"
            yield "bracket before a text", f"{before}{key}: [{value}] x", r"in quotes"
    yield "smart quotes around the name", f"{before}“{key}”:{pair[3]}{value}", r"straight quotes|“"
    if not before.strip():
        yield "list of one in the line", f"{before}{key}: - {value}", r"list"


def _single_characters(line: str) -> Iterator[tuple[str, str, str]]:
    for sort, pattern, remedy in (
        ("quote", _QUOTES, r"[Qq]uote"),
        ("bracket", _BRACKETS, r"[Bb]racket|Close it with|Write an expression as|in quotes|open it with"),
        ("comma", re.compile(","), r"comma|','"),
    ):
        for count, found in enumerate(pattern.finditer(line), 1):
            at = found.start()
            yield f"{sort} {count} deleted", line[:at] + line[at + 1 :], remedy
            yield f"{sort} {count} doubled", line[:at] + found[0] + line[at:], remedy
    if dash := re.match(r"( *)- ", line):
        at = dash.end() - 2
        yield "dash deleted", f"{line[:at]}  {line[at + 2 :]}", r"'- '|list"
        yield "space after the dash deleted", line[: at + 1] + line[at + 2 :], r"space"
    for quote in ('"', "'"):
        if line.count(quote) == 2:
            first, last = line.index(quote), line.rindex(quote)
            inner = line[first + 1 : last]
            yield "quote within", f"{line[: first + 1]}it{quote}s {inner}{line[last:]}", r"[Qq]uote"
            yield "text after the quotes", f"{line[: last + 1]} x{line[last + 1 :]}", r"[Qq]uote"
            yield "smart quotes instead", f"{line[:first]}“{inner}”{line[last + 1 :]}", r"straight quotes"
