"""Many faults at once around members of every kind: a fifth of all requests fail, and one run still does its work."""

from __future__ import annotations

from pathlib import Path

import pytest

from declarative.errors import ExitCode
from declarative.simulator.settings import Rules
from tests.scaffold.accidents import FIFTH, HALF
from tests.scaffold.cloud import DESTROY, done
from tests.scaffold.whole import (
    Manifests,
    WholeSite,
    adopted,
    assert_agreed,
    attachment,
    drill,
    group,
    instance,
    pair,
)

GROUPS = 12
ALLOW = ("delete", "replace", "unprotect", "mass-delete")


def _shop(number: int, *, word: str = "") -> dict[str, dict[str, object]]:
    """One protected group with two instances, one adopted and one hand-made pair, an attachment and a drill.

    Another `word` changes all that can change, and where the attached pair is found.
    """
    name, first = f"shop-{number}", 10 * number + 1
    inside = {"protection_group": name}
    tags = [{"key": "shop", "value": f"{number}{word}"}]
    return {
        f"ProtectionGroup/{name}": group(name=f"{name}{word}", protection="enabled"),
        f"ProtectedInstance/web-{number}": instance(first, f"web{word}", **inside, tags=tags),
        f"ProtectedInstance/app-{number}": instance(
            first + 1, f"app{word}", **inside, flavorRef=f"s3.large.{2 + bool(word)}"
        ),
        f"ReplicationPair/root-{number}": adopted(first, f"root{word}", **inside, volume_size=50 + 10 * bool(word)),
        f"ReplicationPair/data-{number}": pair(first, f"data{word}", **inside),
        f"ReplicationAttachment/data-{number}": attachment(
            f"web-{number}", f"data-{number}", "/dev/vdc" if word else "/dev/vdb"
        ),
        f"DRDrill/spring-{number}": {**drill(f"spring{word}"), **inside},
    }


def _shops(word: str = "") -> Manifests:
    return {place: spec for number in range(GROUPS) for place, spec in _shop(number, word=word).items()}


def _site(folder: Path, *, seed: int = 1, one_at_a_time: bool = False) -> WholeSite:
    rules = Rules(one_at_a_time=one_at_a_time)
    return WholeSite(folder, speed=1.0, seed=seed, latency=0.1, rules=rules)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many requests it takes to make all when nothing goes wrong."""
    site = _site(tmp_path_factory.mktemp("calm"))
    site.write_all(_shops())
    done(site.apply())
    return site.all_requests()


@pytest.mark.parametrize("seed", range(1, 7))
def test_a_fifth_of_all_requests_failing_costs_one_run_and_few_calls(tmp_path: Path, seed: int, calm: int) -> None:
    site, wanted = _site(tmp_path, seed=seed), _shops()
    site.write_all(wanted)
    site.world.faults.add(FIFTH)
    done(site.apply())
    assert site.all_requests() <= 2.5 * calm
    site.world.faults.clear()
    assert sum(site.creations().values()) == 6 * GROUPS
    assert_agreed(site, wanted)


@pytest.mark.parametrize("seed", range(1, 4))
def test_changes_and_the_way_back_converge_in_a_storm(tmp_path: Path, seed: int) -> None:
    site, wanted = _site(tmp_path, seed=seed), _shops("-b")
    site.write_all(_shops())
    done(site.apply())
    site.now += 3600.0
    site.write_all(wanted)
    site.world.faults.add(FIFTH)
    done(site.apply(allow=ALLOW))
    site.world.faults.clear()
    assert_agreed(site, wanted)
    site.world.faults.add(FIFTH)
    done(site.destroy())
    site.world.faults.clear()
    assert len(site.deletions()) == 7 * GROUPS
    assert len(set(site.deletions())) == 6 * GROUPS  # an attachment that is made anew has the same id again
    assert_agreed(site, {}, request=DESTROY)


@pytest.mark.parametrize("seed", range(1, 4))
def test_half_of_all_requests_failing_may_take_more_runs_but_loses_nothing(tmp_path: Path, seed: int) -> None:
    site, wanted = _site(tmp_path, seed=seed), _shops()
    site.write_all(wanted)
    site.world.faults.add(HALF)
    assert site.apply().exit_code in (ExitCode.OK, ExitCode.INCOMPLETE)
    site.world.faults.clear()
    done(site.apply())
    assert sum(site.creations().values()) == 6 * GROUPS
    assert_agreed(site, wanted)


def test_groups_that_take_one_call_at_a_time_double_nothing_in_a_storm(tmp_path: Path) -> None:
    site, wanted = _site(tmp_path, one_at_a_time=True), _shops()
    site.write_all(wanted, timeouts={"ProtectedInstance": {"create": 7200}, "ReplicationPair": {"create": 7200}})
    site.world.faults.add(FIFTH)
    done(site.apply())
    site.world.faults.clear()
    assert sum(site.creations().values()) == 6 * GROUPS
    assert_agreed(site, wanted)
