"""What is known of a finding, a field or an error code, as lines for a reader and as JSON for a program."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from declarative.views.text import Line, Tone, block, line
from declarative.views.view import document

_TYPES = {"FindingEntry": "finding", "FieldEntry": "field", "CodeEntry": "code"}
_TITLES = ("id", "name", "code")


@dataclass(frozen=True, slots=True)
class ExplanationView:
    """An entry: its name, what is known of it, and what is below it. `{type, …}` with the entry's members."""

    entry: Any

    def text(self) -> Iterator[Line]:
        members = dataclasses.asdict(self.entry)
        title = next(members.pop(one) for one in _TITLES if one in members)
        yield line(title, Tone.STRONG)
        below = members.pop("fields", {})
        for name, content in members.items():
            if told := _told(content):
                yield line(f"  {name}: {told}")
        yield from block("Fields:", (line(f"  {name}: {meaning}".rstrip(": ")) for name, meaning in below.items()))

    def json(self) -> str:
        return document({"type": _TYPES[type(self.entry).__name__], **_renamed(dataclasses.asdict(self.entry))})


def _renamed(members: dict[str, Any]) -> dict[str, Any]:
    """The type of a field's value is told as `value`: `type` says what is explained."""
    return {"value" if name == "type" else name: content for name, content in members.items()}


def _told(content: object) -> str:
    if isinstance(content, tuple):
        return "; ".join(map(str, content))
    return "yes" if content is True else str(content or "")
