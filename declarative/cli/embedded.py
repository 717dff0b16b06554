"""The embedded simulator of a stack that says `simulator: true`."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from declarative.cli.setting import ValueType
from declarative.errors import DeclarativeError, UsageError

if TYPE_CHECKING:
    from declarative.simulator import World
    from declarative.workflow.project import Embedded

_EMBEDDED_SPEED = 14.0  # the simulator's jobs that take 20 s then end in about 1.5 s: long enough to watch


class SimulatorFailed(DeclarativeError):
    """The simulator can't start or can't use its file."""

    id = "simulator-failed"


def world_file(folder: Path) -> Path:
    """Where the embedded simulator of a stack keeps its world."""
    return folder / ".declarative" / "simulator.sqlite"


def embedded(folder: Path, *, environ: Mapping[str, str] = os.environ) -> Embedded:
    """The embedded simulator of the stack in `folder`; DECLARATIVE_SIMULATOR_SPEED sets its speed.

    Raises SimulatorFailed when its file can't be used.
    """
    from declarative.simulator import EmbeddedTransport
    from declarative.workflow.project import SIMULATOR, Embedded

    path = world_file(folder)
    # A read-only checkout can be planned on all the same.
    world = open_world(
        folder, environ=environ, lasting=os.access(path.parent if path.parent.exists() else folder, os.W_OK)
    )
    world.accept_token(SIMULATOR)
    if context := click.get_current_context(silent=True):
        context.call_on_close(world.close)
    return Embedded(world.project_id, EmbeddedTransport(world))


def open_world(folder: Path, *, environ: Mapping[str, str] = os.environ, lasting: bool = True) -> World:
    """Open the world of the stack in `folder`, and make it where there is none. Not `lasting`: nothing is written.

    Raises SimulatorFailed when its file can't be used.
    """
    from declarative.simulator import World, WorldError

    speed = _speed(environ.get("DECLARATIVE_SIMULATOR_SPEED", ""))
    path = world_file(folder)
    try:
        if lasting:
            path.parent.mkdir(mode=0o700, exist_ok=True)
        return World.open(path, speed=speed, lasting=lasting)
    except (WorldError, OSError) as error:
        raise SimulatorFailed(str(error)) from error


def _speed(text: str) -> float:
    if not text:
        return _EMBEDDED_SPEED
    try:
        return Speed().convert(text, None, None)
    except click.BadParameter as error:
        raise UsageError(f"DECLARATIVE_SIMULATOR_SPEED: {error.message}") from error


class Speed(ValueType):
    """How many times faster than real jobs end; `inf`: at once."""

    name = "factor"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if not number > 0:  # also refuses what is no number
            self.fail(f"{str(value)!r} is not a number above 0.", param, ctx)
        return number
