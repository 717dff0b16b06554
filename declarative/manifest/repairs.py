"""Repairs of slips in blocks: indentation, colons, dashes, and text that has left its block."""

from __future__ import annotations

import re
from collections.abc import Iterator

from declarative.manifest.advice import Advice, Repair, Text

_NAME = r"""(?=[.-]*\w)[\w./-]+|"[^"]*"|'[^']*'"""
_EQUALS = re.compile(rf"({_NAME}) *(=+) *(?=\S)")
_SEMICOLON = re.compile(rf"({_NAME})( *;) *(?=\S)")
_GLUED = re.compile(rf"({_NAME})(:)(?=[^\s/:])")
_WORDS = re.compile(rf"({_NAME}) +(?=[^\s#])")
_WORD = re.compile(rf"({_NAME})(?=\s*(?:#.*)?$)")
_BEGINS = re.compile(r"""[\[{"']""")
_STARTS = "-[{\"'?"
_PAIR_AS = "Write `name: value`, with a ':' and a space after the name."


def block_repairs(text: Text) -> Iterator[Repair]:
    """Yield possible repairs of blocks, the likeliest first."""
    trouble = text.trouble
    at, words = trouble.line, trouble.words
    if "could not find expected ':'" in words and trouble.begin:
        yield from _unpaired(text, trouble.begin[0])
        yield from _dash_missing(text, trouble.begin[0])
        yield from _moves(text, trouble.begin[0])
        yield from _moves(text, at)
        yield from _moves_of_block(text, at)
    elif "mapping values" in words:
        yield from _mapping_where_none_can_be(text, at)
    else:
        yield from _dash_glued(text, at)
        if not text.has_pair(at):
            yield from _dash_missing(text, at)
        if trouble.column <= text.column(at):
            yield from _indented_text(text, at)
            yield from _moves(text, at)
            yield from _unpaired(text, text.last)
        yield from _dash_missing(text, text.last)
        yield from _dash_missing(text, at)
        if trouble.column <= text.column(at):
            yield from _moves_of_block(text, at)
    if "block sequence entries" in words:
        yield from _list_in_line(text, at)


def _mapping_where_none_can_be(text: Text, at: int) -> Iterator[Repair]:
    """A ':' where the text above, or before it in its line, is not at its end."""
    column = text.trouble.column
    yield from _dash_glued(text, at)
    if not text.has_pair(text.last):
        yield from _unpaired(text, text.last)
    if text.colon(at) == column:
        yield from _moves(text, at)
        yield from _dash_missing(text, at)
        yield from _moves_of_block(text, at)
        yield from _parent_missing(text, at)
        return
    if _BEGINS.search(text.lines[at][:column]):
        yield from _unpaired(text, at)
    yield from _two_in_a_line(text, at)
    if text.lines[at].lstrip().startswith("- "):
        yield from _parent_missing(text, at)


def _two_in_a_line(text: Text, at: int) -> Iterator[Repair]:
    """A second `name: value` behind a value."""
    line = text.lines[at]
    found = re.search(rf"(?<=\S)\s+(?:{_NAME})$", line[: text.trouble.column])
    if found and (text.colon(at) or 0) < found.start() - 1:
        start = len(line[: found.end()]) - len(found[0].lstrip())
        summary = "there is a second `name: value` on this line"
        fix = "Start a new line for it. If it is part of the text before it, put that text in quotes."
        rest = f"{' ' * text.column(at)}{line[start:]}"
        yield Repair(Advice(summary, fix, at, start), {at: f"{line[:start].rstrip()}\n{rest}"})


# ---------------------------------------------------------------- names and values


def _unpaired(text: Text, number: int) -> Iterator[Repair]:
    """Repair a line that should be a `name: value`."""
    line, column = text.lines[number], text.column(number)
    yield from _dash_glued(text, number)
    if found := _EQUALS.match(line, column):
        summary = f"there is an '{found[2]}' where YAML needs a ':'"
        yield _paired(text, number, found, Advice(summary, _PAIR_AS, number, found.start(2)))
    if found := _SEMICOLON.match(line, column):
        summary = "there is a ';' where YAML needs a ':'"
        yield _paired(text, number, found, Advice(summary, _PAIR_AS, number, found.end(1)))
    if found := _GLUED.match(line, column):
        advice = Advice("a space is missing after the ':'", "Write `name: value`.", number, found.end(2))
        yield _paired(text, number, found, advice)
    yield from _indented_text(text, number)
    if found := _WORDS.match(line, column):
        yield _paired(text, number, found, Advice("this line needs a ':'", _PAIR_AS, number, found.end(1)))
    if found := _WORD.match(line, column):
        advice = Advice("this line needs a ':'", "Add a ':' at its end.", number, found.end(1))
        yield _paired(text, number, found, advice)


def _paired(text: Text, number: int, found: re.Match[str], advice: Advice) -> Repair:
    line = text.lines[number]
    return Repair(advice, {number: f"{line[: found.end(1)]}: {line[found.end() :]}"})


def _dash_glued(text: Text, number: int) -> Iterator[Repair]:
    found = re.match(r"( *(?:- +)*)-(?=[^\s-])", text.lines[number])
    if found:
        summary, fix = "a space is missing after the '-'", "Start a list entry with '- '."
        line = text.lines[number]
        yield Repair(
            Advice(summary, fix, number, found.end()), {number: f"{line[: found.end()]} {line[found.end() :]}"}
        )


def _dash_missing(text: Text, number: int) -> Iterator[Repair]:
    """An entry of a list without its dash, above or below one that has it."""
    line = text.lines[number]
    if text.is_empty(number) or line.lstrip().startswith("- "):
        return
    columns = [column for column, above in text.columns_above(number) if text.lines[above][column:].startswith("- ")]
    below = text.after(number)
    if below is not None and text.lines[below].lstrip().startswith("- "):
        columns.append(text.indent(below))
    for column in dict.fromkeys(columns):
        fix = "Start a list entry with '- ', in line with the other entries."
        advice = Advice("a '- ' is missing before this entry", fix, number, text.indent(number))
        yield Repair(advice, {number: f"{' ' * column}- {line.lstrip()}"})


def _list_in_line(text: Text, number: int) -> Iterator[Repair]:
    line, column = text.lines[number], text.trouble.column
    summary = "a list can't start on the line of its name"
    fix = "Write each entry on a line of its own below, as `- value`, or put the entries in [ ]."
    below = " " * (text.column(number) + 2)
    yield Repair(Advice(summary, fix, number, column), {number: f"{line[:column].rstrip()}\n{below}{line[column:]}"})


# ---------------------------------------------------------------- indentation


def _moves(text: Text, number: int) -> Iterator[Repair]:
    """Repair the column of a line, or of the one above it."""
    if text.is_empty(number):
        return
    if not text.has_pair(number) and text.lines[number].lstrip()[0] not in _STARTS:
        yield from _continued(text, number)
        return
    own = [_moved(text, [number], column, above) for column, above in _columns(text, number)]
    above = text.beside(number)
    other = []
    if above is not None and text.column(above) != text.column(number) and _is_alone(text, above):
        other = [_moved(text, [above], text.indent(number), number)]
    first, second = (other, own) if other and _suspects_other(text, above or 0, number) else (own, other)
    yield from first
    yield from second


def _continued(text: Text, number: int) -> Iterator[Repair]:
    """A line of bare text, which may belong to the value above."""
    above = text.beside(number)
    if above is None or text.column(above) < text.indent(number):
        return
    fix = "If it continues line {}, indent it more than that line. If it is a comment, start it with #."
    summary = "this line is neither a `name: value` nor a list entry"
    advice = Advice(summary, fix, number, text.indent(number), above)
    yield Repair(advice, {number: f"{' ' * (text.column(above) + 2)}{text.lines[number].lstrip()}"})


def _moves_of_block(text: Text, number: int) -> Iterator[Repair]:
    """Repair the column of a line and those below it."""
    rest = _rest_of_block(text, number)
    if len(rest) > 1:
        for column, level in _columns(text, number):
            yield _moved(text, rest, column, level)


def _columns(text: Text, number: int) -> list[tuple[int, int]]:
    """Columns that a line could have, the nearest first, each with a line that has it."""
    own = text.indent(number)
    found = dict(sorted(text.columns_above(number), reverse=True))
    return sorted(
        ((column, above) for column, above in found.items() if column != own), key=lambda one: abs(one[0] - own)
    )


def _moved(text: Text, numbers: list[int], column: int, beside: int) -> Repair:
    number = numbers[0]
    by = column - text.indent(number)
    spaces = "1 space" if abs(by) == 1 else f"{abs(by)} spaces"
    verb = f"Add {spaces} at" if by > 0 else f"Remove {spaces} from"
    whose = "its start" if len(numbers) == 1 else "the start of this line and of those below it"
    or_else = "" if len(numbers) == 1 else ", or add the parent line that is missing"
    summary = f"this line is indented too {'little' if by > 0 else 'far'}"
    advice = Advice(
        summary, f"{verb} {whose}, to align it with line {{}}{or_else}.", number, text.indent(number), beside
    )
    moved = {}
    for one in numbers:
        line = text.lines[one]
        moved[one] = " " * by + line if by > 0 else line[min(-by, text.indent(one)) :]
    return Repair(advice, moved)


def _is_alone(text: Text, number: int) -> bool:
    """True for a line that has none of its own column directly above it: it begins a block."""
    above = text.beside(number)
    return above is None or text.indent(above) != text.indent(number) or text.opens(above)


def _suspects_other(text: Text, above: int, number: int) -> bool:
    """True when the line above is more likely to be in the wrong column than the line itself."""
    behind = text.after(number)
    if behind is not None and text.indent(behind) == text.indent(number):
        return True
    opener = text.before(above)
    if opener is not None and text.opens(opener) and text.indent(opener) >= text.indent(above):
        return True
    return text.indent(above) % 2 > text.indent(number) % 2


def _rest_of_block(text: Text, number: int) -> list[int]:
    """The line and those behind it that are indented as far, or farther."""
    found = [number]
    for below in range(number + 1, len(text.lines)):
        if text.lines[below].strip() and text.indent(below) < text.indent(number):
            break
        found.append(below)
    return found


def _parent_missing(text: Text, number: int) -> Iterator[Repair]:
    above = text.last
    if text.indent(above) >= text.indent(number):
        return
    summary = "these lines are indented below a line that already has a value"
    fix = "Add the parent line that is missing, such as `spec:`, or align them with line {}."
    line = f"{' ' * text.indent(above)}x:\n{text.lines[number]}"
    yield Repair(Advice(summary, fix, number, text.indent(number), above), {number: line})


def _indented_text(text: Text, number: int) -> Iterator[Repair]:
    """A line of a text that a `|` or `>` began, less indented than the text."""
    opener = text.block_opener(number)
    first = None if opener is None else text.after(opener)
    if opener is None or first is None:
        return
    if first == number:
        first = text.after(number)
    column = text.indent(opener) + 2 if first is None else text.indent(first)
    by = column - text.indent(number)
    if by <= 0 or column <= text.indent(opener):
        return
    spaces = "1 space" if by == 1 else f"{by} spaces"
    beside = first if text.beside(number) == opener and first is not None and text.before(number) == first else None
    either = "" if beside is None else ", or remove the same number from line {}"
    ours = f"If it belongs to that text, add {spaces} at its start{either}"
    fix = f"{ours}. Otherwise write `name: value`, with a ':' and a space."
    summary = "this line is indented less than the text above, so the text ends here"
    advice = Advice(summary, fix, number, text.indent(number), beside)
    yield Repair(advice, {number: " " * by + text.lines[number]})
