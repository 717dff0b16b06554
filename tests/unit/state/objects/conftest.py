"""Buckets to test with."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.scaffold.s3_server import BUCKET, FakeS3, moto_server, serve


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def fake() -> Iterator[FakeS3]:
    fake = FakeS3()
    with serve(fake):
        yield fake


@pytest.fixture(params=["moto", "fake"])
def endpoint(request: pytest.FixtureRequest) -> str:
    """A bucket that keeps its word: moto's, emptied before, and our own."""
    if request.param == "fake":
        return request.getfixturevalue("fake").endpoint
    found: str = request.getfixturevalue("moto")
    httpx.post(f"{found}/moto-api/reset", trust_env=False).raise_for_status()
    httpx.put(f"{found}/{BUCKET}", trust_env=False).raise_for_status()
    return found
