"""When what is waited for is reached, and when it is not yet, or never."""

import pytest

from declarative.model import Address, Observed, Resource
from declarative.reporting.health import report
from declarative.reporting.waiting import Until, judge

SHOP, WEB, DATA, DRILL = (
    Address("ProtectionGroup", "shop"),
    Address("ProtectedInstance", "web"),
    Address("ReplicationPair", "data"),
    Address("DRDrill", "q"),
)
LINK = Address("ReplicationAttachment", "data")
GROUP = {"id": "g1", "name": "shop", "status": "protected", "progress": 100, "priority_station": "source"}
INSTANCE = {"id": "i1", "name": "web", "server_group_id": "g1", "status": "protected", "progress": 100}
PAIR = INSTANCE | {"id": "r1", "name": "data", "replication_status": "active"}
QUARTER = {"id": "d1", "name": "q", "server_group_id": "g1", "status": "available"}
IDS = {SHOP: "g1", WEB: "i1", DATA: "r1", DRILL: "d1", LINK: "i1/r1"}


def judged(until, *, only=None, wanted="enabled", group=None, instance=None, pair=None, gone=()):
    recorded = {at: Resource(at, one, {"protection": wanted} if at is SHOP else {}) for at, one in IDS.items()}
    objects = {
        "ProtectionGroup": {"g1": GROUP | (group or {})},
        "ProtectedInstance": {"i1": INSTANCE | (instance or {})},
        "ReplicationPair": {"r1": PAIR | (pair or {})},
        "DRDrill": {"d1": QUARTER},
        "ReplicationAttachment": {"i1/r1": {"server_group_id": "g1", "status": "protected"}},
    }
    shown = {kind: {one: fields for one, fields in found.items() if one not in gone} for kind, found in objects.items()}
    return judge(report(recorded, Observed(shown), only=only), until, only=only)


@pytest.mark.parametrize("until", Until)
@pytest.mark.parametrize("only", [None, SHOP, WEB, DATA, LINK], ids=str)
def test_what_is_protected_and_copied_is_reached(until, only):
    assert judged(until, only=only).reached


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"group": {"status": "starting", "progress": 0}}, "ProtectionGroup/shop is starting"),
        ({"group": {"status": "available"}}, "ProtectionGroup/shop is available"),
        ({"instance": {"status": "available"}}, "ProtectedInstance/web is available"),
        ({"pair": {"status": "attaching"}}, "ReplicationPair/data is attaching"),
    ],
)
@pytest.mark.parametrize("until", Until)
def test_what_is_on_its_way_is_waited_for(until, changes, left):
    waited = judged(until, **changes)
    assert (waited.reached, waited.wrong, waited.nothing) == (False, (), False)
    assert waited.left[0] == left


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"group": {"progress": 99}}, "ProtectionGroup/shop is copied to 99 %"),
        ({"instance": {"progress": 40}}, "ProtectedInstance/web is copied to 40 %"),
        ({"instance": {"progress": None}}, "ProtectedInstance/web is copied to an unknown part"),
        ({"pair": {"progress": 7, "replication_status": "copying"}}, "ReplicationPair/data is copied to 7 %, copying"),
        ({"pair": {"progress": 7}}, "ReplicationPair/data is copied to 7 %, active"),
        ({"pair": {"replication_status": "inactive"}}, "ReplicationPair/data is copied to 100 %, inactive"),
        (
            {"pair": {"progress": None, "replication_status": None}},
            "ReplicationPair/data is copied to an unknown part",
        ),
    ],
)
def test_a_copy_is_reached_only_if_all_that_is_shown_says_so(changes, left):
    assert judged(Until.COPIED, **changes).left == (left,)
    assert judged(Until.PROTECTED, **changes).reached


@pytest.mark.parametrize(
    "changes", [{"group": {"progress": None}}, {"pair": {"progress": None}}, {"pair": {"replication_status": None}}]
)
def test_a_copy_is_reached_where_one_of_the_two_is_not_shown(changes):
    assert judged(Until.COPIED, **changes).reached


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"group": {"status": "error-starting"}}, "ProtectionGroup/shop: status error-starting"),
        ({"group": {"status": "failed-over"}}, "ProtectionGroup/shop: production has moved"),
        ({"group": {"status": "hibernating"}}, "ProtectionGroup/shop: status hibernating"),
        ({"pair": {"status": "fault", "fault_level": "2"}}, "ReplicationPair/data: status fault"),
        ({"gone": ("i1",)}, "ProtectedInstance/web is recorded, and gone"),
        ({"gone": ("r1",)}, "ReplicationPair/data is recorded, and gone"),
    ],
)
@pytest.mark.parametrize("until", Until)
def test_what_is_wrong_is_not_waited_for(until, changes, wrong):
    waited = judged(until, **changes)
    assert waited.wrong[0].startswith(wrong)
    assert not waited.reached


@pytest.mark.parametrize("wanted", ["", "disabled"])
def test_groups_without_a_wish_for_protection_are_waited_for_by_name_only(wanted):
    assert judged(Until.PROTECTED, wanted=wanted).nothing
    assert judged(Until.PROTECTED, wanted=wanted, only=SHOP).reached
    assert judged(Until.PROTECTED, wanted=wanted, only=SHOP, group={"status": "available"}).left


def test_a_drill_is_nothing_to_wait_for():
    assert judged(Until.COPIED, only=DRILL).nothing
