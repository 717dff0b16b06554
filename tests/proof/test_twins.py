"""Objects of the same name in the same place that this state doesn't know: nothing is made beside them unasked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from declarative.errors import ConsentMissing
from declarative.model import DangerClass
from declarative.planner.selection import PlanRequest
from tests.scaffold.cloud import Site, assert_settled, done

BLIND = PlanRequest(refreshed=False)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.write({"web": {"domain": None, "domain_id": made.world.domain_ids[0]}})
    return made


def _lose_the_state(site: Site) -> None:
    shutil.rmtree(site.state_folder)
    shutil.rmtree(site.marks)


@pytest.mark.parametrize("request_", [PlanRequest(), BLIND], ids=["refreshed", "blind"])
def test_after_a_lost_state_nothing_is_doubled(site: Site, request_: PlanRequest) -> None:
    done(site.apply())
    (only,) = site.made()
    _lose_the_state(site)
    (danger,) = site.plan(request_).dangers
    assert danger.cls is DangerClass.DUPLICATE
    assert f"declarative import 'ProtectionGroup/web' {only}" in danger.message
    with pytest.raises(ConsentMissing):
        site.apply(request_, allow=["delete", "replace", "unprotect"])
    assert site.made() == [only]
    site.import_object("web", only)
    done(site.apply(request_))
    assert_settled(site, {"web": "web"})


def test_who_consents_gets_a_second_one(site: Site) -> None:
    twin = site.foreign("WEB")
    done(site.apply(allow=["duplicate:ProtectionGroup/web"]))
    assert_settled(site, {"web": "web"}, foreign=[twin])


def test_a_blind_plan_costs_one_list_more_only_where_something_is_made(site: Site) -> None:
    before = site.requests("GET", "server-groups")
    site.plan(BLIND)
    made = site.requests("GET", "server-groups") - before
    done(site.apply())
    before = site.all_requests()
    site.plan(BLIND)
    assert made > 0
    assert site.all_requests() == before
