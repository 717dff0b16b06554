"""A project: where a command runs, with which cloud and which clock, as data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from declarative import manifest
from declarative.clock import Clock
from declarative.errors import Diagnostic

if TYPE_CHECKING:
    import httpx

    from declarative.provider import Hearing

# Runs work that blocks, such as a write to the disk, without stopping the event loop.
Blocking: TypeAlias = Callable[[Callable[[], object]], Awaitable[object]]


async def in_thread(work: Callable[[], object]) -> object:
    """The usual `Blocking`: in a thread of its own."""
    import asyncio

    return await asyncio.to_thread(work)


def _unheard(warning: Diagnostic) -> None:
    """Nobody wants to know."""


SIMULATOR = "simulator"  # the region and host of the embedded cloud, in states and plans


@dataclass(frozen=True, slots=True)
class Embedded:
    """The embedded cloud of a stack with `simulator: true`: its project, and the way onto it."""

    project_id: str
    transport: httpx.AsyncBaseTransport


@dataclass(frozen=True, kw_only=True)
class Project:
    """Everything a command needs to know of its surroundings, as data. Times are seconds."""

    folder: Path
    working_folder: Path = field(default_factory=Path.cwd)
    environment: str = "default"
    environ: Mapping[str, str] = field(default_factory=dict)
    var_files: tuple[Path, ...] = ()
    variables: tuple[str, ...] = ()
    state: str | None = None
    cloud: str | None = None
    endpoint: str | None = None
    region: str | None = None
    project_id: str | None = None
    lock_timeout: float = 0.0
    timeout: float | None = None
    timeouts: Mapping[str, float] = field(default_factory=dict)
    parallelism: int = 16
    max_jobs: int = 64
    fail_fast: bool = False
    accept_rollback: int | None = None
    embedded: Callable[[Path], Embedded] | None = None
    transport: httpx.AsyncBaseTransport | None = None  # in place of connections of our own
    clock: Clock = field(default_factory=Clock)
    blocking: Blocking = in_thread
    on_exchange: Hearing | None = None  # told of every request to the cloud, once it is over
    warn: Callable[[Diagnostic], None] = _unheard  # told, at most once a command, what is not as safe as it should be

    def sources(self) -> manifest.VariableSources:
        """Where variables get their values from."""
        return manifest.VariableSources(environ=self.environ, files=self.var_files, options=self.variables)
