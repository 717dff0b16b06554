"""What every view of a result is: an object with a method for each format in which its command can show it.

The method is called as `--format` names it. What is for a reader, such as `text`, returns lines, which a terminal can
colour; what is for a program, such as `json`, returns one text. A view with a method `report` can be shown as every
render, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from declarative.model import Json
from declarative.views.report import Report
from declarative.views.text import Line


class Reported(Protocol):
    """A view that can be shown in every format."""

    def text(self) -> Iterable[Line]:
        """Lines for a reader."""

    def json(self) -> str:
        """One document for a program."""

    def report(self) -> Report:
        """What all renders are made from."""


def document(content: Json) -> str:
    """A JSON value as a document for programs: indented, keys in the order given."""
    return json.dumps(content, indent=2)


@dataclass(frozen=True, slots=True)
class Told:
    """What a command has done or found: lines for a reader, and the members of one JSON object.

    `form` is the name of the object's schema, and stands in its `format`.
    """

    form: str
    lines: Iterable[Line]
    members: Mapping[str, Json]

    def text(self) -> Iterable[Line]:
        return self.lines

    def json(self) -> str:
        return document({"format": f"declarative.{self.form}/1", **self.members})


def formatted(view: object, output_format: str) -> Iterable[Line] | str:
    """The view in a format that it has: lines for a reader, or one text for everything else."""
    content: Iterable[Line] | str = getattr(view, output_format)()
    return content
