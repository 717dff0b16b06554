"""Stacks that most proofs of single faults start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scaffold.cloud import Site, done
from tests.scaffold.stories import NIGHTLY

_SECONDS = 7200 if NIGHTLY else 600  # one proof is hundreds of runs, on whatever machine; at night, thousands


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give proofs more time than other tests get."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(_SECONDS))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A stack of one group, not applied yet, on a world in memory whose jobs take time."""
    site = Site(tmp_path, speed=1.0, latency=0.02)
    site.write({"web": {"description": "shop"}})
    return site


@pytest.fixture
def applied(site: Site) -> Site:
    """The same, applied."""
    done(site.apply())
    return site
