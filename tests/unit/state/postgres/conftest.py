"""What the tests with a real server share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scaffold.postgres_place import Place
from tests.scaffold.postgres_server import Server


@pytest.fixture
def place(postgres: Server) -> Iterator[Place]:
    place = Place(postgres, postgres.emptied())
    yield place
    for engine in place.opened:
        engine.close()
