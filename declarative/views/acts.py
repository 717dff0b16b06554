"""What an act on the simulator came to, as one line for a reader and as JSON for a program."""

from __future__ import annotations

from dataclasses import dataclass

from declarative.errors import shown
from declarative.views.text import Line, Span, Tone, value
from declarative.views.view import document

_LIMIT = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class ActView:
    """One act. `address`: how the thing was named, "" for a name or id; `next`: a command to try then, or "".

    `noun`, `id`, `name` and `happened` are the simulator's own words.
    """

    act: str
    address: str
    noun: str
    id: str
    name: str
    happened: str
    next: str = ""

    def text(self) -> list[Line]:
        label = self.address or f"The {shown(self.noun, limit=_LIMIT)}"
        name = f" {value(self.name)}" if self.name else ""
        told = shown(self.happened, limit=_LIMIT)
        spans = [Span(label, Tone.STRONG), Span(f"{name}: {told}.")]
        return [(*spans, Span(f" Next: {self.next}", Tone.FAINT)) if self.next else tuple(spans)]

    def json(self) -> str:
        return document(
            {
                "format": "declarative.simulator-act/1",
                "act": self.act,
                "address": self.address or None,
                "noun": self.noun,
                "id": self.id,
                "name": self.name,
                "happened": self.happened,
                "next": self.next or None,
            }
        )
