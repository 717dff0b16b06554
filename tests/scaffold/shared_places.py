"""Where a state can be shared, each as a context that has begun nothing yet: for tests that run on every store."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pytest

from declarative.state import Store, open_store
from tests.scaffold.state_servers import GitLabServer, serving, terraform_server


@dataclass(frozen=True)
class Place:
    """An address, and the variables that go with it. `lets_go`: a lock ends with the process that holds it."""

    address: str
    environ: Mapping[str, str] = field(default_factory=dict)
    lets_go: bool = True

    def open(self, machine: Path, *, name: str = "m") -> Store:
        """The store, as the machine whose marks are in the folder would open it; it sleeps for real."""
        numbers = itertools.count(1)
        return open_store(
            self.address,
            folder=machine,
            environment="default",
            stack="shop",
            marks=machine / "marks",
            uuid=lambda: f"uuid-{name}-{os.getpid()}-{next(numbers)}",
            environ={"HOME": str(machine), **self.environ},
        )


Maker: TypeAlias = Callable[[Path, pytest.FixtureRequest], AbstractContextManager[Place]]


@contextlib.contextmanager
def local(folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    yield Place(f"local:{folder}/shared")


@contextlib.contextmanager
def postgresql(folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    server = request.getfixturevalue("postgres")
    yield Place(server.address(server.emptied()))


@contextlib.contextmanager
def terraform(folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    with terraform_server() as server:
        yield Place(server.address, lets_go=False)


@contextlib.contextmanager
def gitlab(folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    with serving(GitLabServer()) as server:
        server.limit = 2**30
        yield Place(server.address, lets_go=False)


SHARED = [pytest.param(one, id=one.__name__) for one in (postgresql, terraform, gitlab)]
EVERY = [pytest.param(local, id="local"), *SHARED]
