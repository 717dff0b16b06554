"""What holds for every test."""

import signal
from collections.abc import Iterator

import pytest

# A gate that is started in the background inherits an ignored SIGINT; the tests of interrupts need the usual one.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[object]:
    """A real PostgreSQL, one for all tests of a process: a `postgres_server.Server`. Each test makes a database."""
    from tests.scaffold import postgres_server

    if not (postgres_server.BIN / "initdb").exists():
        pytest.skip("PostgreSQL 15 is not installed (Debian: postgresql-15)")
    with postgres_server.postgres_server() as server:
        yield server
