"""The steps of a plan as a graph: an arrow leads from each step to those that wait for it.

Names in a plan were written by others. Here they can only ever be text of a label: every character that could end one,
or mean something to Mermaid, Graphviz, HTML or a terminal, is written as the format's own escape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from declarative.errors import visible
from declarative.model import Action, Step

_NAME_LIMIT = 100
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ./_-")
_MAKES, _REMOVES, _CHANGES = "make", "remove", "change"
_LOOKS = {
    Action.CREATE: _MAKES,
    Action.ADOPT: _MAKES,
    Action.ENABLE: _MAKES,
    Action.DELETE: _REMOVES,
    Action.DISABLE: _REMOVES,
}
_COLOURS = {_MAKES: "#2e7d32", _REMOVES: "#c62828", _CHANGES: "#f9a825"}


@dataclass(frozen=True, slots=True)
class GraphView:
    """The steps of a plan, drawn."""

    steps: Sequence[Step]

    def mermaid(self) -> str:
        return mermaid(self.steps)

    def dot(self) -> str:
        return dot(self.steps)


def mermaid(steps: Sequence[Step]) -> str:
    """The graph as a Mermaid flowchart, which Markdown viewers draw."""
    lines = ["flowchart LR"]
    lines += [f"    classDef {look} stroke:{colour},stroke-width:2px" for look, colour in _COLOURS.items()]
    for number, step in enumerate(steps):
        label = "<br/>".join(_for_mermaid(text) for text in _label(step))
        lines.append(f'    n{number}["{label}"]:::{_look(step)}')
    lines += [f"    n{first} --> n{then}" for first, then in _arrows(steps)]
    return "\n".join(lines) + "\n"


def dot(steps: Sequence[Step]) -> str:
    """The graph in the language of Graphviz."""
    lines = ["digraph plan {", "    rankdir=LR;", '    node [shape=box, style=rounded, fontname="sans-serif"];']
    for number, step in enumerate(steps):
        label = "\\n".join(_for_dot(text) for text in _label(step))
        lines.append(f'    n{number} [label="{label}", color="{_COLOURS[_look(step)]}"];')
    lines += [f"    n{first} -> n{then};" for first, then in _arrows(steps)]
    return "\n".join([*lines, "}"]) + "\n"


def _label(step: Step) -> Iterator[str]:
    """The lines in a step's box: what is done to which address, and the name in the cloud, if it has one."""
    moved = f"{step.source} to " if step.source else ""
    yield f"{step.action.value} {moved}{step.address}"
    name = step.resource.inputs.get("name", step.resource.attributes.get("name"))
    if isinstance(name, str) and name:
        yield visible(name, limit=_NAME_LIMIT)


def _look(step: Step) -> str:
    return _LOOKS.get(step.action, _CHANGES)


def _arrows(steps: Sequence[Step]) -> Iterator[tuple[int, int]]:
    numbers = {step.id: number for number, step in enumerate(steps)}
    for number, step in enumerate(steps):
        yield from ((numbers[one], number) for one in step.requires if one in numbers)


def _for_mermaid(text: str) -> str:
    """Mermaid reads `#91;` in a quoted label as the character of that number."""
    return "".join(char if char in _PLAIN else f"#{ord(char)};" for char in visible(text))


def _for_dot(text: str) -> str:
    """In a quoted string of Graphviz a backslash begins an escape, and `&` an HTML entity."""
    shown = visible(text).replace("\\", "\\\\").replace('"', '\\"')
    return shown.replace("&", "&amp;")
