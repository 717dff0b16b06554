"""What stands before a command's name, and the types of what follows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

from declarative.cli.screen import Screen

# What an option's value is depends on the option, and what a command takes on its options: typing can't follow that.
Given: TypeAlias = Any

Command: TypeAlias = Callable[..., Given]

C = TypeVar("C", bound=Command)


@dataclass(frozen=True)
class Setting:
    """What the global options say: `-C`, `--env`, and where to write (`--no-color`, `-v`, `--log-file`).

    `log_file`: where each request to the cloud is written down; None when nowhere. `on_exchange` is told of each, once
    the command is called; None when nobody wants to know.
    """

    folder: Path = Path()
    environment: str = "default"
    screen: Screen = field(default_factory=Screen)
    log_file: Path | None = None
    on_exchange: Hearing | None = None

    def path(self, name: str) -> Path:
        """A file named on the command line; relative names start at the folder of `-C`."""
        return self.folder / name

    def call(self, *words: str) -> str:
        """A command line of ours, to be pasted where this one was run."""
        import shlex

        from declarative.errors import visible

        folder = ["-C", str(self.folder)] if self.folder != Path() else []
        environment = ["--env", self.environment] if self.environment != "default" else []
        return shlex.join(visible(word) for word in ("declarative", *folder, *environment, *words))


if TYPE_CHECKING:
    from declarative.provider import Hearing

    ValueType: TypeAlias = click.ParamType[Given]
else:
    ValueType = click.ParamType  # generic for type checkers alone
