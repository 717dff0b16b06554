"""The steps of one group as a drawing: a column for each depth, an arrow from each step to those that wait for it.

Many equal steps are drawn as one box with their number, so that a group of a thousand members still fits a page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from declarative.errors import shown
from declarative.kinds import KINDS
from declarative.model import Step
from declarative.views.entries import APPEARANCES
from declarative.views.text import many

_WHOLE = 24  # steps that are drawn one by one
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 250, 40, 56, 12
_LABEL_LIMIT = 30


@dataclass(frozen=True, slots=True)
class Box:
    """What is drawn as one: an action, whom it concerns, and the depth, 0 for what waits for nothing drawn."""

    verb: str
    label: str
    depth: int


def drawing(steps: Sequence[Step], title: str) -> str:
    """The steps as an SVG; empty when there is nothing to draw an arrow between."""
    boxes, arrows = _boxes(steps)
    if not arrows:
        return ""
    places, width, height = _places(boxes)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [f'<svg class="graph" {size} role="img" aria-label="Order of the steps of {escape(title)}">']
    parts += [_arrow(places[first], places[then]) for first, then in arrows]
    parts += [_box(box, places[number]) for number, box in enumerate(boxes)]
    return "".join([*parts, "</svg>"])


def _boxes(steps: Sequence[Step]) -> tuple[list[Box], list[tuple[int, int]]]:
    depths = _depths(steps)
    number: dict[str, int] = {}
    keys: dict[tuple[str, ...], int] = {}
    members: list[list[Step]] = []
    for step in steps:
        group = (str(depths[step.id]), step.action.value, step.address.kind)
        key = group if len(steps) > _WHOLE else (step.id,)
        if key not in keys:
            keys[key] = len(members)
            members.append([])
        members[keys[key]].append(step)
        number[step.id] = keys[key]
    arrows = dict.fromkeys(
        (number[one], number[step.id])
        for step in steps
        for one in step.requires
        if one in number and number[one] != number[step.id]
    )
    return [_described(some, depths) for some in members], list(arrows)


def _described(steps: Sequence[Step], depths: Mapping[str, int]) -> Box:
    first = steps[0]
    if len(steps) == 1:
        address = first.address
        label = f"{address.name}[{address.key}]" if address.key else address.name
        label = label if len(label) <= _LABEL_LIMIT else f"{label[: _LABEL_LIMIT - 1]}…"
        return Box(first.action.value, f"{KINDS[address.kind].noun}\n{label}", depths[first.id])
    noun = KINDS[first.address.kind].noun
    return Box(first.action.value, f"{many(len(steps), noun)}\n", depths[first.id])


def _depths(steps: Sequence[Step]) -> dict[str, int]:
    """How many steps stand before each at the most; a plan's steps are in an order in which none waits for a later."""
    depths: dict[str, int] = {}
    for step in steps:
        depths[step.id] = max((depths[one] + 1 for one in step.requires if one in depths), default=0)
    return depths


def _places(boxes: Sequence[Box]) -> tuple[list[tuple[int, int]], int, int]:
    rows: dict[int, int] = {}
    places = []
    for box in boxes:
        row = rows.get(box.depth, 0)
        rows[box.depth] = row + 1
        places.append((8 + box.depth * (_WIDTH + _GAP_X), 8 + row * (_HEIGHT + _GAP_Y)))
    width = 16 + (max(rows, default=0) + 1) * (_WIDTH + _GAP_X) - _GAP_X
    return places, width, 16 + max(rows.values(), default=0) * (_HEIGHT + _GAP_Y) - _GAP_Y


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    x, y = start[0] + _WIDTH, start[1] + _HEIGHT // 2
    to_x, to_y = end[0], end[1] + _HEIGHT // 2
    bend = x + _GAP_X // 2
    return (
        f'<path class="arrow" d="M{x} {y}C{bend} {y} {to_x - _GAP_X // 2} {to_y} {to_x - 5} {to_y}"/>'
        f'<path class="head" d="M{to_x} {to_y}l-7 -4v8z"/>'
    )


def _box(box: Box, place: tuple[int, int]) -> str:
    x, y = place
    kind, _, name = box.label.partition("\n")
    tone = APPEARANCES[box.verb][1].value
    first = f"{box.verb} {kind}"
    lines = "".join(_texts(x, y, [first, name] if name else [first]))
    return f'<g class="box {tone}"><rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>{lines}</g>'


def _texts(x: int, y: int, lines: Sequence[str]) -> Iterator[str]:
    start = y + (16 if len(lines) > 1 else 24)
    for number, text in enumerate(lines):
        name = ' class="name"' if number or len(lines) == 1 else ""
        yield f'<text x="{x + 12}" y="{start + number * 16}"{name}>{escape(shown(text))}</text>'
