"""Many faults at once: a fifth of all requests fail, and one run still makes exactly what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from declarative.applier import steps
from declarative.errors import ExitCode
from tests.scaffold.accidents import FIFTH, HALF
from tests.scaffold.cloud import Group, Site, assert_settled, done

GROUPS: Mapping[str, Group] = {f"g{number:03}": {} for number in range(200)}
NAMES = {name: name for name in GROUPS}


def _site(folder: Path, *, seed: int = 1) -> Site:
    return Site(folder, speed=1.0, seed=seed, latency=0.1)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many requests the creation of all groups takes when nothing goes wrong."""
    site = _site(tmp_path_factory.mktemp("calm"))
    site.write(GROUPS)
    done(site.apply())
    return site.all_requests()


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_fifth_of_all_requests_failing_costs_one_run_and_few_calls(tmp_path: Path, seed: int, calm: int) -> None:
    site = _site(tmp_path, seed=seed)
    site.write(GROUPS)
    site.world.faults.add(FIFTH)
    done(site.apply())
    assert site.all_requests() <= 2.5 * calm
    site.world.faults.clear()
    assert len(site.made()) == len(GROUPS)
    assert_settled(site, NAMES)


@pytest.mark.parametrize("seed", range(1, 4))
def test_renames_and_deletes_converge_in_a_storm(tmp_path: Path, seed: int) -> None:
    site = _site(tmp_path, seed=seed)
    site.write(GROUPS)
    done(site.apply())
    kept = dict(list(GROUPS.items())[:100])
    goal = {name: {"name": f"{name}-b"} if number % 3 else {"description": "n"} for number, name in enumerate(kept)}
    site.write(goal)
    site.world.faults.add(FIFTH)
    done(site.apply(allow=["delete", "mass-delete"]))
    site.world.faults.clear()
    assert len(site.made()) == 200 + 34
    assert len(set(site.deleted_by_us())) == 100 + 34
    assert_settled(site, {name: group.get("name", name) for name, group in goal.items()})


@pytest.mark.parametrize("seed", range(1, 4))
def test_half_of_all_requests_failing_may_take_more_runs_but_loses_nothing(tmp_path: Path, seed: int) -> None:
    site = _site(tmp_path, seed=seed)
    site.write(GROUPS)
    site.world.faults.add(HALF)
    first = site.apply()
    assert first.exit_code in (ExitCode.OK, ExitCode.INCOMPLETE)
    site.world.faults.clear()
    done(site.apply())
    assert len(site.made()) == len(GROUPS)
    assert_settled(site, NAMES)


def test_lists_that_lag_behind_in_a_storm_double_nothing(tmp_path: Path) -> None:
    site = _site(tmp_path)
    site.write(GROUPS)
    site.world.faults.add([*FIFTH, "GET server-groups:list-lag=20"])
    done(site.apply())
    site.world.faults.clear()
    assert len(site.made()) == len(GROUPS)
    assert_settled(site, NAMES)


def test_an_applier_that_blindly_sends_creates_again_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def blind(*_: object, **__: object) -> None:
        """Nothing is ever found."""

    monkeypatch.setattr(steps, "lost", blind)
    site = _site(tmp_path)
    site.write(GROUPS)
    site.world.faults.add(FIFTH)
    site.apply()
    site.world.faults.clear()
    assert len(site.made()) > len(GROUPS)
    with pytest.raises(AssertionError, match="orphans"):
        assert_settled(site, NAMES)
