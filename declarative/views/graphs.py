"""A graph of a plan's steps, or of the stack's objects: an arrow leads from each to those that wait for it.

Names in a plan were written by others. Here they can only ever be text of a label: every character that could end one,
or mean something to Mermaid, Graphviz, HTML or a terminal, is written as the format's own escape.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from declarative.errors import visible
from declarative.model import Action, Address, Desired, Json, Resource, Step
from declarative.views.view import document

_NAME_LIMIT = 100
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ./_-")
_MAKES, _REMOVES, _CHANGES, _STAYS = "make", "remove", "change", "stay"
_LOOKS = {
    Action.CREATE: _MAKES,
    Action.ADOPT: _MAKES,
    Action.ENABLE: _MAKES,
    Action.DELETE: _REMOVES,
    Action.DISABLE: _REMOVES,
}
_COLOURS = {_MAKES: "#2e7d32", _REMOVES: "#c62828", _CHANGES: "#f9a825", _STAYS: "#546e7a"}
_OF_STEPS, _OF_OBJECTS = (_MAKES, _REMOVES, _CHANGES), (_MAKES, _REMOVES, _STAYS)


@dataclass(frozen=True, slots=True)
class GraphView:
    """The steps of a plan, drawn."""

    steps: Sequence[Step]

    def mermaid(self) -> str:
        return mermaid(self.steps)

    def dot(self) -> str:
        return dot(self.steps)

    def json(self) -> str:
        return _json(*_of_steps(self.steps))


@dataclass(frozen=True, slots=True)
class ObjectsView:
    """The objects of a stack, declared and recorded, drawn with what each depends on."""

    desired: Mapping[Address, Desired]
    recorded: Mapping[Address, Resource]

    def mermaid(self) -> str:
        return _mermaid(*_of_objects(self.desired, self.recorded), _OF_OBJECTS)

    def dot(self) -> str:
        return _dot(*_of_objects(self.desired, self.recorded), "stack")

    def json(self) -> str:
        return _json(*_of_objects(self.desired, self.recorded))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box:
    """A step (`action`; `source`: the address before a move) or an object. `name`: in the cloud, "" if it has none."""

    id: str
    address: Address
    name: str
    look: str
    action: str = ""
    source: Address | None = None
    note: str = ""

    def lines(self) -> Iterator[str]:
        moved = f"{self.source} to " if self.source else ""
        yield f"{self.action} {moved}{self.address}".lstrip()
        yield from (text for text in (visible(self.name, limit=_NAME_LIMIT), self.note) if text)


_Arrows = Sequence[tuple[int, int]]


def mermaid(steps: Sequence[Step]) -> str:
    """The steps as a Mermaid flowchart, which Markdown viewers draw."""
    return _mermaid(*_of_steps(steps), _OF_STEPS)


def dot(steps: Sequence[Step]) -> str:
    """The steps in the language of Graphviz."""
    return _dot(*_of_steps(steps), "plan")


def _mermaid(boxes: Sequence[_Box], arrows: _Arrows, looks: Collection[str]) -> str:
    lines = ["flowchart LR"]
    lines += [f"    classDef {look} stroke:{_COLOURS[look]},stroke-width:2px" for look in looks]
    for number, box in enumerate(boxes):
        label = "<br/>".join(_for_mermaid(text) for text in box.lines())
        lines.append(f'    n{number}["{label}"]:::{box.look}')
    lines += [f"    n{first} --> n{then}" for first, then in arrows]
    return "\n".join(lines) + "\n"


def _dot(boxes: Sequence[_Box], arrows: _Arrows, name: str) -> str:
    lines = [f"digraph {name} {{", "    rankdir=LR;", '    node [shape=box, style=rounded, fontname="sans-serif"];']
    for number, box in enumerate(boxes):
        label = "\\n".join(_for_dot(text) for text in box.lines())
        lines.append(f'    n{number} [label="{label}", color="{_COLOURS[box.look]}"];')
    lines += [f"    n{first} -> n{then};" for first, then in arrows]
    return "\n".join([*lines, "}"]) + "\n"


def _json(boxes: Sequence[_Box], arrows: _Arrows) -> str:
    nodes: Json = [
        {
            "id": box.id,
            "action": box.action or None,
            "address": str(box.address),
            "source": str(box.source) if box.source else None,
            "name": box.name or None,
        }
        for box in boxes
    ]
    edges: Json = [{"from": boxes[first].id, "to": boxes[then].id} for first, then in arrows]
    return document({"format": "declarative.graph/1", "nodes": nodes, "edges": edges})


def _of_steps(steps: Sequence[Step]) -> tuple[list[_Box], _Arrows]:
    numbers = {step.id: number for number, step in enumerate(steps)}
    return [_step_box(step) for step in steps], [
        (numbers[one], number) for number, step in enumerate(steps) for one in step.requires if one in numbers
    ]


def _step_box(step: Step) -> _Box:
    return _Box(
        id=step.id,
        address=step.address,
        name=_name([step.resource.inputs.get("name", step.resource.attributes.get("name"))]),
        look=_LOOKS.get(step.action, _CHANGES),
        action=step.action.value,
        source=step.source,
    )


def _of_objects(desired: Mapping[Address, Desired], recorded: Mapping[Address, Resource]) -> tuple[list[_Box], _Arrows]:
    """Return a box for each object, by address, and an arrow from each that another depends on."""
    everyone = sorted({*desired, *recorded})
    numbers = {address: number for number, address in enumerate(everyone)}
    boxes = [_object_box(address, desired.get(address), recorded.get(address)) for address in everyone]
    arrows = [
        (numbers[need], numbers[address])
        for address in everyone
        for need in sorted((desired[address] if address in desired else recorded[address]).depends_on)
        if need in numbers
    ]
    return boxes, arrows


def _object_box(address: Address, wanted: Desired | None, known: Resource | None) -> _Box:
    look, note = _STAYS, ""
    if known is None:
        look, note = _MAKES, "not recorded yet"
    elif wanted is None:
        look, note = _REMOVES, "gone from the manifests"
    names = [wanted.spec.get("name")] if wanted is not None else []
    names += [known.inputs.get("name"), known.attributes.get("name")] if known is not None else []
    return _Box(id=str(address), address=address, name=_name(names), look=look, note=note)


def _name(found: Sequence[Json]) -> str:
    """The first text among what may be a name."""
    return next((one for one in found if isinstance(one, str)), "")


def _for_mermaid(text: str) -> str:
    """Mermaid reads `#91;` in a quoted label as the character of that number."""
    return "".join(char if char in _PLAIN else f"#{ord(char)};" for char in visible(text))


def _for_dot(text: str) -> str:
    """In a quoted string of Graphviz a backslash begins an escape, and `&` an HTML entity."""
    shown = visible(text).replace("\\", "\\\\").replace('"', '\\"')
    return shown.replace("&", "&amp;")
