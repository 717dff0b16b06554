"""A database of a test's own, and engines on it."""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import dataclass, field

from declarative.state import Holder
from declarative.state.engine import Spot
from declarative.state.postgres import open_postgres
from declarative.state.postgres.engine import PostgresEngine
from tests.scaffold.postgres_server import Server

_numbers = itertools.count(1)


@dataclass
class Place:
    """A database, and everything that was opened on it. `slept`: the pauses that engines asked for."""

    server: Server
    database: str
    opened: list[PostgresEngine] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def address(self, **options: object) -> str:
        return self.server.address(self.database, **options)  # type: ignore[arg-type]

    def open(self, address: str = "", *, environment: str = "prod", stack: str = "shop") -> PostgresEngine:
        pattern = address or self.address()
        engine = open_postgres(
            Spot(
                address=pattern.replace("{stack}", stack).replace("{environment}", environment),
                pattern=pattern,
                stack=stack,
                environment=environment,
                environ=os.environ,
                uuid=lambda: f"uuid-{next(_numbers)}",
                monotonic=time.monotonic,
                sleep=self.slept.append,
            )
        )
        assert isinstance(engine, PostgresEngine)
        self.opened.append(engine)
        return engine

    def locked(self, address: str = "", **options: str) -> PostgresEngine:
        engine = self.open(address, **options)
        assert engine.try_lock(holder()) is None
        return engine

    def run(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement as the superuser."""
        return self.server.run(statement, database=self.database)

    def role(self, name: str, grants: str) -> str:
        """Make a role of its own, with these grants, each after a semicolon; return its name."""
        role = f"{name}_{next(_numbers)}"
        self.run(f"create role {role} login")
        for grant in filter(None, grants.split(";")):
            self.run(f"{grant} to {role}")
        return role


def holder(id_: str = "", who: str = "me\x1b[31m") -> Holder:
    return Holder(id_ or f"lock-{next(_numbers)}", who, "here", 123, "apply", "2026-01-02T03:04:05Z")
