"""Repairs of slips in quotes and brackets."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator
from typing import Any

import yaml

from declarative.manifest.advice import Advice, Repair, Text

_OPEN = {"[": "]", "{": "}"}
_VALUE = re.compile(r"""( *(?:- +)*(?:(?:"[^"]*"|'[^']*'|[^\s"'#:][^:#]*?) *: +)?)(\S.*?)(\s+#.*|\s*)$""")
_SMART = "\u2018-\u201f\u00ab\u00bb\u2032\u2033"
_STRAIGHT = "Use straight quotes, \" or '."
_QUOTE_VALUE = "Put the value in quotes."
_OR_BELOW = " or, if it is a `name: value` of its own, indent it on a line below."

# PyYAML's tokens; its types are not annotated.
_Token = Any
_OPENING = (yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken)
_BRACKETS = (*_OPENING, yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)


def quote_repairs(text: Text) -> Iterator[Repair]:
    """Yield possible repairs of quotes and brackets, the likeliest first."""
    yield from _smart_quotes(text)
    yield from _unclosed_quotes(text)
    yield from _around_quotes(text)
    if "flow" in text.trouble.context:
        yield from _brackets(text)
    yield from _behind_bracket(text)


def value_repairs(text: Text) -> Iterator[Repair]:
    """Yield repairs for text that needs quotes."""
    at, words = text.trouble.line, text.trouble.words
    yield from _block_header(text)
    if "mapping values" in words:
        yield from _comma_missing(text, 0)
    yield from _bracket_not_opened(text)
    found = _VALUE.match(text.lines[at])
    why = next((why for sign, why in _NEEDS_QUOTES if sign in words), "")
    if found and why:
        is_name = "mapping values" in words and re.fullmatch(
            r"[\w-]+", text.lines[at][found.end(1) : text.trouble.column]
        )
        fix = f"{_QUOTE_VALUE[:-1]}{_OR_BELOW if is_name else '.'}"
        advice = Advice(why, fix, at, text.trouble.column)
        yield Repair(advice, {at: _quoted(text.lines[at], found)})
    if found and "mapping values" in words:
        yield from _nested_in_line(text, found)


def _nested_in_line(text: Text, found: re.Match[str]) -> Iterator[Repair]:
    at = text.trouble.line
    below = f"{' ' * (text.column(at) + 2)}{found[2]}{found[3]}"
    summary = "a nested `name: value` can't start on its parent's line"
    fix = "Indent it on a line of its own below."
    yield Repair(Advice(summary, fix, at, found.start(2)), {at: f"{found[1].rstrip()}\n{below}"})


_FIRST = "a text that starts with this character needs quotes"
_NEEDS_QUOTES = (
    ("mapping values", "a text with ': ' in it needs quotes"),
    ("cannot start", _FIRST),
    ("alphabetic or numeric", _FIRST),
    ("directive", _FIRST),
)


def _quoted(line: str, found: re.Match[str]) -> str:
    inner = found[2].replace("'", "''")
    return f"{found[1]}'{inner}'{found[3]}"


# ---------------------------------------------------------------- quotes


def _smart_quotes(text: Text) -> Iterator[Repair]:
    for number in dict.fromkeys((text.trouble.line, text.last)):
        line = text.lines[number]
        if found := re.search(f"[{_SMART}]", line):
            summary = "YAML treats typographic quotes as ordinary characters"
            straight = re.sub(f"[{_SMART}]", '"', line)
            yield Repair(Advice(summary, _STRAIGHT, number, found.start()), {number: straight})


@functools.lru_cache(maxsize=1)
def _tokens(text: Text) -> list[_Token]:
    """The brackets and quoted texts before the trouble."""
    from yaml._yaml import CParser

    at = (text.trouble.line, text.trouble.column)
    parser = CParser("\n".join(text.lines))
    found: list[_Token] = []
    with contextlib.suppress(yaml.YAMLError):
        while (token := parser.get_token()) is not None:
            mark = token.start_mark
            if (mark.line, mark.column) >= at:
                break
            if isinstance(token, _BRACKETS) or _is_quoted(token):
                found.append(token)
    return found


def _open_bracket(text: Text) -> tuple[int, int] | None:
    """Return the place of the innermost bracket that is open at the trouble."""
    opened: list[tuple[int, int]] = []
    for token in _tokens(text):
        if isinstance(token, _OPENING):
            opened.append((token.start_mark.line, token.start_mark.column))
        elif isinstance(token, _BRACKETS) and opened:
            opened.pop()
    return opened[-1] if opened else None


def _last_quoted(text: Text) -> _Token | None:
    """The last text in quotes before the trouble."""
    return next(filter(_is_quoted, reversed(_tokens(text))), None)


def _unclosed_quotes(text: Text) -> Iterator[Repair]:
    """Repair quotes that open on one line and close on another, or nowhere."""
    begins = []
    if text.trouble.begin and "quoted scalar" in text.trouble.context:
        begins.append(text.trouble.begin)
    token = _last_quoted(text)
    if token is not None and token.start_mark.line < token.end_mark.line:
        begins.append((token.start_mark.line, token.start_mark.column))
    for line, column in begins:
        quote = text.lines[line][column : column + 1]
        advice = Advice("the quote that opens here is never closed", "Close the quotes on this line.", line, column)
        for end in _ends_of_value(text.lines[line], column):
            yield Repair(advice, {line: text.lines[line][:end] + quote + text.lines[line][end:]})
        extra = Advice("the quote that opens here is never closed", "Remove the quote, or close it.", line, column)
        yield Repair(extra, {line: text.lines[line][:column] + text.lines[line][column + 1 :]})


def _ends_of_value(line: str, column: int) -> Iterator[int]:
    """Yield where a value that starts at a column may end on this line."""
    comment = line.find(" #", column)
    end = len((line if comment < 0 else line[:comment]).rstrip())
    yield from (found.start() for found in re.finditer(r"[,\]}]", line[column:end]) if found.start() > 1)
    yield end


def _is_quoted(token: _Token) -> bool:
    return isinstance(token, yaml.ScalarToken) and token.style in ("'", '"')


def _around_quotes(text: Text) -> Iterator[Repair]:
    """Quotes within quotes, or text behind them."""
    at, column = text.trouble.line, text.trouble.column
    line = text.lines[at]
    token = _last_quoted(text)
    if token is None or not token.start_mark.line == token.end_mark.line == at:
        return
    begin, end = token.start_mark.column, token.end_mark.column
    if end > column:
        return
    quote = line[begin]
    last = line.rindex(quote)
    if last >= end:
        inner = line[begin + 1 : last]
        escaped = inner.replace("'", "''") if quote == "'" else inner.replace('"', '\\"')
        summary = "there is text after the closing quote"
        if quote == "'":
            fix = "Inside single quotes, write '' for a quote. Remove a quote that does not belong here."
        else:
            fix = 'Inside double quotes, write \\" for a quote. Remove a quote that does not belong here.'
        yield Repair(Advice(summary, fix, at, end - 1), {at: f"{line[: begin + 1]}{escaped}{line[last:]}"})
        if line[begin : begin + 2] == quote * 2:
            yield Repair(
                Advice("there are two quotes where one is expected", "Remove one quote.", at, begin),
                {at: line[:begin] + line[begin + 1 :]},
            )
        return
    if line[begin:end] == quote * 2 or end - begin == 2:
        advice = Advice(
            "there is text after the closing quote",
            "Remove one quote, or move the closing quote to the end of the text.",
            at,
            end - 1,
        )
    else:
        advice = Advice(
            "there is text after the closing quote", "Move the closing quote to the end of the text.", at, end - 1
        )
    for stop in _ends_of_value(line, end):
        yield Repair(advice, {at: f"{line[: end - 1]}{line[end:stop]}{quote}{line[stop:]}"})


# ---------------------------------------------------------------- brackets


def _brackets(text: Text) -> Iterator[Repair]:
    trouble = text.trouble
    at, column = trouble.line, trouble.column
    line = text.lines[at]
    begin = trouble.begin
    char = line[column : column + 1]
    if "node content" in trouble.words and char == ",":
        advice = Advice("a value is missing before this ','", "Remove the comma, or add a value.", at, column)
        yield Repair(advice, {at: line[:column] + line[column + 1 :]})
    if begin is None or text.lines[begin[0]][begin[1] : begin[1] + 1] not in _OPEN:
        begin = _open_bracket(text)
    if begin is None:
        return
    opening = text.lines[begin[0]][begin[1] : begin[1] + 1]
    closing = _OPEN[opening]
    if char in "]}" and char and char != closing:
        advice = Advice(f"the bracket {opening} is closed by {char}", f"Close the bracket with {closing}.", at, column)
        yield Repair(advice, {at: line[:column] + closing + line[column + 1 :]})
    yield from _expression(text, begin)
    not_closed = f"the bracket {opening} that opens here is never closed"
    fix = f"Close the bracket with {closing}. If it is part of a text, put the text in quotes."
    advice = Advice(not_closed, fix, *begin)
    if at == begin[0]:
        yield from _comma_missing(text, begin[1] + 1)
    for number in dict.fromkeys((begin[0], max(text.last, begin[0]))):
        for end in _ends_of_value(text.lines[number], begin[1] if number == begin[0] else 0):
            yield Repair(advice, {number: text.lines[number][:end] + closing + text.lines[number][end:]})


def _comma_missing(text: Text, first: int) -> Iterator[Repair]:
    """Two entries inside brackets with nothing between them; the second begins before the trouble."""
    at, column = text.trouble.line, text.trouble.column
    line = text.lines[at]
    inside = re.sub(r"\$\{[^{}]*\}", "", line[:column])
    if len(re.findall(r"[\[{]", inside)) <= len(re.findall(r"[\]}]", inside)):
        return
    for found in reversed([*re.finditer(r"(?<=\s)[\w\"'$]", line[:column])]):
        start = found.start()
        if start > first:
            advice = Advice("a comma is missing before this entry", "Put a comma between two entries.", at, start)
            yield Repair(advice, {at: f"{line[:start].rstrip()}, {line[start:]}"})


def _expression(text: Text, begin: tuple[int, int]) -> Iterator[Repair]:
    at = text.trouble.line
    line = text.lines[at]
    found = re.search(r"(?<![\"'$])\$\{[^{}]*\}", line)
    if found and (at, found.start()) >= begin:
        summary = "an expression inside { } or [ ] needs quotes"
        advice = Advice(summary, 'Put it in quotes: "${var.x}".', at, found.start())
        quoted = re.sub(r"(?<![\"'$])(\$\{[^{}]*\})", r'"\1"', line)
        yield Repair(advice, {at: quoted})


def _behind_bracket(text: Text) -> Iterator[Repair]:
    """Text behind a bracket that has closed, or a closing bracket too many."""
    at, column = text.trouble.line, text.trouble.column
    line = text.lines[at]
    before = line[:column].rstrip()
    if not before.endswith(("]", "}")) or column <= text.column(at) or line[column:].startswith(":"):
        return
    if line[column : column + 1] in ("]", "}"):
        advice = Advice(
            "this closing bracket has no opening bracket", "Remove the bracket, or open one before it.", at, column
        )
        yield Repair(advice, {at: line[:column] + line[column + 1 :]})
    if found := _VALUE.match(line):
        summary = "there is text after a closing bracket"
        yield Repair(
            Advice(
                summary,
                "Start a new line for it. If the brackets are part of a text, put the text in quotes.",
                at,
                column,
            ),
            {at: _quoted(line, found)},
        )


def _bracket_not_opened(text: Text) -> Iterator[Repair]:
    at = text.trouble.line
    line = text.lines[at]
    found = _VALUE.match(line)
    if found and found[2].endswith(("]", "}")) and found[2][0] not in "[{$\"'":
        opening = "[" if found[2].endswith("]") else "{"
        summary = f"the closing bracket {found[2][-1]} has no opening bracket"
        advice = Advice(
            summary,
            f"Open the bracket with {opening} before the value, or put the value in quotes.",
            at,
            found.start(2),
        )
        yield Repair(advice, {at: f"{found[1]}{opening}{found[2]}{found[3]}"})


def _block_header(text: Text) -> Iterator[Repair]:
    if "comment or line break" not in text.trouble.words:
        return
    at = text.trouble.line
    line = text.lines[at]
    if found := re.match(r"(.*?[:-] +[|>][-+0-9]*) *(?=\S)", line):
        below = " " * (text.column(at) + 2)
        summary = "there is text after the sign that starts a block of text"
        fix = "Indent the text on the next line, or put it in quotes."
        yield Repair(Advice(summary, fix, at, found.end()), {at: f"{found[1]}\n{below}{line[found.end() :]}"})
