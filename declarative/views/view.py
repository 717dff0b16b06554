"""What every view of a result has: a method for each format in which its command can show it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from declarative.model import Json
from declarative.views.text import Line


class View(Protocol):
    """A result, ready to be shown. A method is called as the format that `--format` names."""

    def text(self) -> Sequence[Line]:
        """Lines for a reader."""

    def json(self) -> str:
        """One JSON document for a program."""


def document(content: Json) -> str:
    """A JSON value as a document for programs: indented, keys in the order given."""
    return json.dumps(content, indent=2)


def formatted(view: object, output_format: str) -> Sequence[Line] | str:
    """The view in a format that it has: lines for a reader, or one text for everything else."""
    shown: Sequence[Line] | str = getattr(view, output_format)()
    return shown
