import pytest

from declarative.model import Address, Observed, Resource
from declarative.reporting.health import report
from declarative.views.health import status_json, status_lines
from declarative.views.text import plain

SHOP, WEB = Address("ProtectionGroup", "shop"), Address("ProtectedInstance", "web", "web-1")
DATA, LINK, DRILL = (
    Address("ReplicationPair", "data"),
    Address("ReplicationAttachment", "data"),
    Address("DRDrill", "q"),
)

GROUP = {
    "id": "g1",
    "name": "shop-prod",
    "status": "protected",
    "progress": 100,
    "priority_station": "source",
    "source_availability_zone": "eu-de-01",
    "target_availability_zone": "eu-de-02",
}
INSTANCE = {"id": "i1", "name": "web-1", "server_group_id": "g1", "status": "protected", "progress": 100}
PAIR = {
    "id": "r1",
    "name": "data",
    "server_group_id": "g1",
    "status": "protected",
    "progress": 100,
    "replication_status": "active",
    "fault_level": "0",
    "failure_detail": None,
}
OWN_PAIR = PAIR | {"id": "r2", "name": "made-by-the-service"}
QUARTER = {
    "id": "d1",
    "name": "q1",
    "server_group_id": "g1",
    "status": "available",
    "created_at": "2025-03-11 10:02:18.9",
}
ATTACHED = {"server_group_id": "g1", "status": "protected", "device": "/dev/vdb"}
IDS = {SHOP: "g1", WEB: "i1", DATA: "r1", LINK: "i1/r1", DRILL: "d1"}


def recorded(**inputs):
    return {address: Resource(address, one, inputs if address is SHOP else {}) for address, one in IDS.items()}


def cloud(*, group=None, instance=None, pair=None, drill=None, more=(), without=()):
    objects = {
        "ProtectionGroup": [GROUP | (group or {})],
        "ProtectedInstance": [INSTANCE | (instance or {})],
        "ReplicationPair": [PAIR | (pair or {}), OWN_PAIR],
        "DRDrill": [QUARTER | (drill or {}), *more],
    }
    shown = {kind: {one["id"]: one for one in listed if one["id"] not in without} for kind, listed in objects.items()}
    return Observed({**shown, "ReplicationAttachment": {"i1/r1": ATTACHED} if "i1/r1" not in without else {}})


def seen(*, inputs=None, only=None, **shown):
    return report(recorded(**(inputs or {})), cloud(**shown), only=only)


def texts(found):
    return plain(status_lines(found))


def test_a_protected_application_is_healthy():
    found = seen(inputs={"protection": "enabled"})
    assert found.healthy
    (group,) = found.groups
    assert (group.address, group.status, group.progress, group.wanted) == (SHOP, "protected", 100, "enabled")
    assert [(one.kind, one.address) for one in group.members] == [
        ("ProtectedInstance", WEB),
        ("ReplicationPair", DATA),
        ("ReplicationPair", None),
        ("DRDrill", DRILL),
    ]


@pytest.mark.parametrize(
    ("station", "production", "copy"),
    [("source", "eu-de-01", "eu-de-02"), ("target", "eu-de-02", "eu-de-01"), (None, "", ""), ("north", "", "")],
)
def test_the_direction_follows_the_side_that_runs_production(station, production, copy):
    (group,) = seen(group={"priority_station": station}).groups
    assert (group.production, group.copy) == (production, copy)


@pytest.mark.parametrize(
    ("accepted", "station", "words"),
    [
        pytest.param({}, "source", "(source), copy", id="as-by-default"),
        pytest.param({}, "target", "(target; source is accepted), copy", id="swapped"),
        pytest.param({"priority_station": "target"}, "target", "(target), copy", id="swapped-and-accepted"),
        pytest.param({"priority_station": "target"}, "source", "(source; target is accepted), copy", id="back-again"),
    ],
)
def test_a_side_that_is_not_accepted_is_told(accepted, station, words):
    found = seen(inputs=accepted, group={"priority_station": station})
    assert words in texts(found)
    assert status_json(found)["groups"][0]["accepted_side"] == accepted.get("priority_station", "source")


_WORDS_IN_ORDER = (
    "available",
    "protected",
    "starting",
    "stopping",
    "failing-over",
    "reversing",
    "reprotecting",
    "resizing",
    "extending",
)


@pytest.mark.parametrize("status", _WORDS_IN_ORDER)
def test_work_that_goes_on_is_no_trouble(status):
    assert seen(group={"status": status}, instance={"status": status}, pair={"status": status}).healthy


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"group": {"status": "error-starting"}}, id="group-error"),
        pytest.param({"group": {"status": "error-of-a-new-sort"}}, id="unknown-error"),
        pytest.param({"group": {"status": "dancing"}}, id="unknown-status"),
        pytest.param({"group": {"status": None}}, id="no-status"),
        pytest.param({"instance": {"status": "invalid"}}, id="server-deleted"),
        pytest.param({"instance": {"status": "fault"}}, id="synchronisation"),
        pytest.param({"pair": {"status": "error"}}, id="pair-error"),
        pytest.param({"pair": {"fault_level": "2"}}, id="disk"),
        pytest.param({"pair": {"fault_level": 5}}, id="link-as-a-number"),
        pytest.param({"pair": {"fault_level": "9"}}, id="unknown-level"),
        pytest.param({"pair": {"failure_detail": "SDRS.1812"}}, id="failure-detail"),
        pytest.param({"drill": {"status": "error"}}, id="drill"),
        pytest.param({"group": {"status": "available"}, "inputs": {"protection": "enabled"}}, id="not-protected"),
        pytest.param({"group": {"status": "failed-over"}}, id="failed-over"),
        *(pytest.param({"without": (one,)}, id=f"gone-{address}") for address, one in IDS.items()),
    ],
)
def test_what_is_wrong_makes_it_unhealthy(wrong):
    found = seen(**wrong)
    assert not found.healthy
    assert "Not healthy" in texts(found)
    assert status_json(found)["healthy"] is False


@pytest.mark.parametrize("level", ["0", 0, None, ""])
def test_the_lowest_fault_level_is_none(level):
    assert seen(pair={"fault_level": level}).healthy


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"pair": {"fault_level": "5"}}, "fault level 5: the link between the disks is broken"),
        ({"pair": {"failure_detail": "SDRS.1812"}}, "failed with SDRS.1812 disk creation failed"),
        ({"pair": {"failure_detail": "EVS.2024"}}, "failed with EVS.2024"),
        ({"group": {"status": "error-reprotecting"}}, "status error-reprotecting: enabling protection again failed"),
        ({"without": ("i1",)}, f"{WEB} is recorded, and gone from the cloud (id i1)"),
        ({"without": ("g1",)}, "the cloud shows members of protection group g1, but not the group"),
    ],
)
def test_trouble_is_told_in_words(wrong, words):
    assert words in texts(seen(**wrong))


def test_pairs_that_are_not_active_are_counted():
    copying = seen(pair={"replication_status": "copying", "progress": 40})
    assert copying.healthy
    assert [one.id for one in copying.groups[0].not_active()] == ["r1"]
    assert "1 of 2 pairs not active" in texts(copying)
    assert 'ReplicationPair/data "data": protected, copying, 40 %' in texts(copying)
    assert status_json(copying)["groups"][0]["pairs_not_active"] == ["r1"]


def test_the_last_drill_is_the_one_made_last():
    later = QUARTER | {"id": "d2", "name": "q2", "created_at": "2025-03-11T10:02:18.95"}
    odd = QUARTER | {"id": "d3", "name": "q0", "created_at": "soon"}
    (group,) = seen(more=(later, odd)).groups
    assert group.last_drill.name == "q2"
    assert seen(without=("d1",)).groups[0].last_drill is None


def test_one_group_can_be_asked_for():
    other = Address("ProtectionGroup", "other")
    both = recorded() | {other: Resource(other, "g2")}
    shown = cloud()
    shown.objects["ProtectionGroup"]["g2"] = GROUP | {"id": "g2", "status": "error"}
    assert report(both, shown, only=SHOP).healthy
    assert [group.address for group in report(both, shown).groups] == [other, SHOP]


@pytest.mark.parametrize(
    ("address", "members"), [(WEB, ["i1"]), (DATA, ["r1"]), (LINK, ["i1", "r1"]), (DRILL, ["d1"]), (SHOP, None)]
)
def test_a_member_stands_alone_in_its_group(address, members):
    (group,) = seen(only=address).groups
    assert [one.id for one in group.members] == (members or ["i1", "r1", "r2", "d1"])


def test_a_member_is_as_healthy_as_it_is_itself():
    assert seen(only=WEB, pair={"status": "error"}).healthy
    assert not seen(only=WEB, without=("i1",)).healthy


def test_a_member_in_a_group_that_is_not_ours_shows_that_group():
    found = report({WEB: Resource(WEB, "i1")}, cloud())
    assert [(group.address, group.id) for group in found.groups] == [(None, "g1")]
    assert "protection group g1" in texts(found)


def test_nothing_recorded_is_nothing_wrong():
    found = report({}, cloud())
    assert found.healthy
    assert texts(found) == "Nothing is recorded.\n"


def test_what_others_wrote_can_not_speak_to_a_terminal():
    bad = {"name": "\x1b[2J\n::error::", "status": "error\x1b[31m", "failure_detail": "\x07", "priority_station": "\r"}
    text = texts(seen(group=bad, instance=bad, pair=bad | {"replication_status": "\x9b"}, drill=bad))
    assert all(line.isprintable() for line in text.splitlines())
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())


def test_the_document_for_programs_names_what_is_not_told():
    (group,) = status_json(seen(group={"progress": None, "priority_station": None}))["groups"]
    assert (group["progress"], group["production_zone"], group["protection_wanted"]) == (None, None, None)
    assert group["members"][0] == {
        "kind": "ProtectedInstance",
        "address": str(WEB),
        "id": "i1",
        "name": "web-1",
        "status": "protected",
        "progress": 100,
        "findings": [],
    }
    assert group["last_drill"]["created_at"] == "2025-03-11 10:02:18.9"


@pytest.mark.parametrize("status", ["protected", "starting", "stopping", "error-stopping"])
def test_protection_of_nothing_is_not_healthy(status):
    found = seen(group={"status": status}, without=("r1", "r2"))
    (group,) = found.groups
    assert f"its status is {status}, but it holds no replication pair: nothing is protected" in group.troubles
    assert not found.healthy


def test_a_group_that_is_not_protected_may_be_empty():
    assert "no replication pair" not in texts(seen(group={"status": "available"}, without=("r1", "r2")))
