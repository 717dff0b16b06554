"""Failed attaches, detaches, growths and resizes: the next plan says what leads out of them, and does it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from declarative.planner.selection import PlanRequest
from tests.scaffold.cloud import done, why
from tests.scaffold.whole import (
    ATTACHMENT,
    GROUP,
    INSTANCE,
    PAIR,
    WholeSite,
    assert_agreed,
    attachment,
    group,
    instance,
    pair,
)

SHOP = {
    f"{GROUP}/shop": group(name="shop", protection="enabled"),
    f"{INSTANCE}/web": instance(1, "web"),
    f"{PAIR}/data": pair(1, "data"),
}
ALL = {**SHOP, f"{ATTACHMENT}/data": attachment("web", "data")}
DESTROY = PlanRequest(destroy=True)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WholeSite]:
    site = WholeSite(tmp_path, speed=4.0)
    yield site
    site.close()


def status(site: WholeSite) -> str:
    return str(site.object(f"{PAIR}/data")["status"])


def failing(site: WholeSite, fault: str) -> str:
    """What the next run says while this fault strikes once."""
    site.break_with(f"{fault}:first=1")
    said = why(site.apply(allow=("delete", "replace", "unprotect")))
    site.break_with()
    return said


def test_an_attach_that_failed_is_detached_and_tried_again(site):
    site.write_all(ALL)
    said = failing(site, "POST protected-instances/*/attachreplication:fail-job=SDRS.1821")
    assert status(site) == "error-attaching"
    assert "the next plan detaches it and attaches it again" in said
    assert "console" not in said
    done(site.apply())
    assert_agreed(site, ALL)


def test_a_saved_plan_detaches_what_failed_too(site):
    site.write_all(ALL)
    failing(site, "POST protected-instances/*/attachreplication:fail-job=SDRS.1821")
    done(site.apply_saved(site.plan()))
    assert_agreed(site, ALL)


def test_an_attach_that_failed_does_not_stand_in_the_way_of_a_destroy(site):
    site.write_all(ALL)
    failing(site, "POST protected-instances/*/attachreplication:fail-job=SDRS.1821")
    done(site.destroy())
    assert site.ids() == {}


@pytest.mark.parametrize("wanted", [SHOP, {}], ids=["stays", "goes"])
def test_a_detach_that_failed_is_tried_again(site, wanted):
    site.write_all(ALL)
    done(site.apply())
    site.write_all(wanted)
    site.break_with("DELETE protected-instances/*/detachreplication/*:fail-job=SDRS.1822:first=1")
    site.apply(allow=("delete", "mass-delete", "empty-manifests", "unprotect"))
    site.break_with()
    assert status(site) == "error-detaching"
    done(site.apply(allow=("delete", "mass-delete", "empty-manifests", "unprotect")))
    assert_agreed(site, wanted)


def test_a_detach_that_failed_in_the_console_is_tried_again_before_the_pair_is_deleted(site):
    site.write_all(SHOP)
    done(site.apply())
    ids = site.ids()
    site.world.operator.attach(ids[f"{INSTANCE}/web"], ids[f"{PAIR}/data"], "/dev/vdb")
    site.world.operator.set_replication_status(ids[f"{PAIR}/data"], "error-detaching")
    first = [f"{step.action.value} {step.address}" for step in site.plan(DESTROY).steps][:3]
    assert f"delete {ATTACHMENT}/data" in first
    done(site.destroy())
    assert site.ids() == {}
    assert not any(site.objects().values())


def test_a_growth_that_failed_is_tried_again(site):
    site.write_all(SHOP)
    done(site.apply())
    bigger = {**SHOP, f"{PAIR}/data": pair(1, "data", volume_size=900)}
    site.write_all(bigger)
    failing(site, "POST replications/*/action:fail-job=SDRS.1820")
    assert status(site) == "error-extending"
    done(site.apply())
    assert_agreed(site, bigger)


def test_a_resize_that_failed_is_tried_again(site):
    site.write_all(SHOP)
    done(site.apply())
    site.write_all({**SHOP, f"{INSTANCE}/web": instance(1, "web", flavorRef="s3.large.2")})
    failing(site, "POST protected-instances/*/resize:fail-job=SDRS.1329")
    assert site.object(f"{INSTANCE}/web")["status"] == "error-resizing"
    done(site.apply())
    assert site.object(f"{INSTANCE}/web")["status"] == "protected"


@pytest.mark.parametrize("ill", ["invalid", "fault", "error-deleting", "error-extending", "error-attaching"])
def test_a_pair_that_is_ill_does_not_stand_in_the_way_of_a_destroy(site, ill):
    site.write_all(ALL)
    done(site.apply())
    site.world.operator.set_replication_status(site.ids()[f"{PAIR}/data"], ill)
    done(site.destroy())
    assert site.ids() == {}


@pytest.mark.parametrize("ill", ["invalid", "fault", "error-deleting", "error-resizing"])
def test_an_instance_that_is_ill_does_not_stand_in_the_way_of_a_destroy(site, ill):
    site.write_all(ALL)
    done(site.apply())
    site.world.operator.set_instance_status(site.ids()[f"{INSTANCE}/web"], ill)
    done(site.destroy())
    assert site.ids() == {}
