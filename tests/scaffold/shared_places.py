"""Where a state can be shared, each as a context that has begun nothing yet: for tests that run on every store."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pytest

from declarative.state import Store, open_store
from tests.scaffold.s3_server import CREDENTIALS, FakeS3, address_of, serve
from tests.scaffold.state_servers import GitLabServer, Server, serving, terraform_server


@dataclass(frozen=True)
class Place:
    """An address, and the variables that go with it. `lets_go`: a lock ends with the process that holds it.

    `hurry`: how many times as fast the clock of this process goes, for whoever watches whether a holder lives.
    `empty`: makes the address of a state that has never been, in the same place. `reader`: makes the address of whoever
    may only read. `writes`: how many requests have come that would write; 0 where such a one is refused.
    """

    address: str
    environ: Mapping[str, str] = field(default_factory=dict)
    lets_go: bool = True
    hurry: float = 1.0
    empty: Callable[[], str] = lambda: ""
    reader: Callable[[], str] = lambda: ""
    writes: Callable[[], int] = lambda: 0

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self.hurry)

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
            monotonic=lambda: time.monotonic() * self.hurry,
            sleep=self.sleep,
        )


Maker: TypeAlias = Callable[[Path, pytest.FixtureRequest], AbstractContextManager[Place]]


@contextlib.contextmanager
def local(folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    yield Place(f"local:{folder}/shared")


@contextlib.contextmanager
def postgresql(folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    server, numbers = request.getfixturevalue("postgres"), itertools.count(1)
    database = server.emptied()
    address = server.address(database)

    def reader() -> str:
        role = f"reader_{uuid.uuid4().hex[:12]}"
        server.run(f"create role {role} login", database=database)
        if server.run("select 1 from pg_namespace where nspname = 'declarative'", database=database):
            for right in ("usage on schema declarative", "select on all tables in schema declarative"):
                server.run(f"grant {right} to {role}", database=database)
        return server.address(database, user=role)

    yield Place(address, empty=lambda: f"{address.partition('?')[0]}?state=state-{next(numbers)}", reader=reader)


@contextlib.contextmanager
def s3(folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    fake = FakeS3()
    with serve(fake) as endpoint:  # moto takes fifty times as long
        numbers = itertools.count(1)
        yield Place(
            address_of(endpoint),
            CREDENTIALS,
            lets_go=False,
            hurry=60.0,
            empty=lambda: address_of(endpoint, f"state-{next(numbers)}.json"),
            reader=lambda: address_of(endpoint),
            writes=lambda: sum(method not in ("GET", "HEAD") for method, _, _ in fake.requests),
        )


@contextlib.contextmanager
def terraform(folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    with terraform_server() as server:

        def empty() -> str:
            server.text = server.lock = None
            server.texts.clear()
            return server.address

        yield _behind_http(server, empty)


@contextlib.contextmanager
def gitlab(folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    with serving(GitLabServer()) as server:
        server.limit = 2**30

        def empty() -> str:
            server.versions.clear()
            server.lock_id, server.exists = None, False
            return server.address

        yield _behind_http(server, empty)


def _behind_http(server: Server, empty: Callable[[], str]) -> Place:
    return Place(
        server.address,
        lets_go=False,
        empty=empty,
        reader=lambda: server.address,
        writes=lambda: sum(request.method not in ("GET", "HEAD") for request in server.requests),
    )


SHARED = [pytest.param(one, id=one.__name__) for one in (postgresql, s3, terraform, gitlab)]
EVERY = [pytest.param(local, id="local"), *SHARED]
