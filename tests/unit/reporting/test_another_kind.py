"""A kind that export and status have never heard of is described and judged by what it says of itself."""

from dataclasses import replace

import pytest

from declarative.kinds import KINDS
from declarative.model import Address, Observed, Resource, Words
from declarative.reporting import exporter, health

DRILL = KINDS["DRDrill"]
WORDS = replace(DRILL.words, plural="consistency-points")
COPY = replace(DRILL, name="ConsistencyPoint", noun="consistency point", words=WORDS)
GROUP = {
    "id": "g1",
    "name": "shop",
    "status": "protected",
    "priority_station": "source",
    "source_availability_zone": "eu-de-01",
    "target_availability_zone": "eu-de-02",
    "domain_id": "d1",
    "source_vpc_id": "v1",
}
POINT = {"id": "c1", "name": "night", "server_group_id": "g1", "status": "available", "drill_vpc_id": "v9"}


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    for module in (exporter, health):
        monkeypatch.setattr(module, "KINDS", {**KINDS, COPY.name: COPY})


def cloud(**point):
    return Observed({"ProtectionGroup": {"g1": GROUP}, COPY.name: {"c1": POINT | point}})


def test_its_objects_are_exported():
    found = exporter.export(cloud(), stack="shop")
    assert found.notes == ()
    assert set(found.files) == {"stack.yaml", "groups.yaml", "consistency-points.yaml", "imports.sh"}
    assert "kind: ConsistencyPoint" in found.files["consistency-points.yaml"]
    assert "protection_group: shop" in found.files["consistency-points.yaml"]
    assert (Address("ConsistencyPoint", "night"), "c1") in found.imports


@pytest.mark.parametrize(("status", "troubles"), [("available", 0), ("error", 1), ("weird", 1)])
def test_its_objects_are_judged(status, troubles):
    shop, night = Address("ProtectionGroup", "shop"), Address("ConsistencyPoint", "night")
    recorded = {shop: Resource(shop, "g1", {}), night: Resource(night, "c1", {})}
    (group,) = health.report(recorded, cloud(status=status)).groups
    (member,) = group.members
    assert (member.kind, member.address, member.status) == ("ConsistencyPoint", night, status)
    assert len(member.troubles) == troubles


@pytest.mark.parametrize("lacking", ["describe", "judge"])
def test_a_kind_that_can_not_be_described_or_judged_is_refused(lacking):
    fields = {name: getattr(WORDS, name) for name in Words.__dataclass_fields__ if name != lacking}
    with pytest.raises(TypeError, match=lacking):
        Words(**fields)
