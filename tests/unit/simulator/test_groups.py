"""Protection groups: creation and its refusals, reading, renaming, deletion."""

import pytest

from declarative.simulator import Domain, NotFoundAs, Origin, Rules

ABSENT = "c3f1b5d3-98db-45a6-a20b-2cf0dd311efa"


def test_a_new_group_reads_as_it_was_asked_for(cloud):
    asked = cloud.create(dr_type="migration")
    assert (asked.status, list(asked.body)) == (200, ["job_id"])
    (listed,) = cloud.send("GET", "server-groups").body["server_groups"]
    assert listed["status"] == "creating"
    group_id = cloud.finished(asked)["entities"]["server_group_id"]
    assert cloud.show(group_id) == {
        "id": group_id,
        "name": "pg-orders",
        "description": "order system",
        "status": "available",
        "progress": 0,
        "source_availability_zone": "eu-de-01",
        "target_availability_zone": "eu-de-02",
        "domain_id": cloud.world.domain_ids[0],
        "domain_name": "ActiveactiveDomain",
        "priority_station": "source",
        "protected_instance_num": 0,
        "replication_num": 0,
        "disaster_recovery_drill_num": 0,
        "protected_status": None,
        "replication_status": None,
        "health_status": None,
        "source_vpc_id": "68679295-0223-4b5d-aecb-656d77977de2",
        "target_vpc_id": "68679295-0223-4b5d-aecb-656d77977de2",
        "test_vpc_id": None,
        "dr_type": "migration",
        "server_type": "ECS",
        "protection_type": "replication-pair",
        "replication_model": None,
        "created_at": "2025-03-11 09:13:47.912",
        "updated_at": "2025-03-11 09:14:02.912",
    }


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": ...}, "SDRS.0202"),
        ({"name": None}, "SDRS.0202"),
        ({"name": ""}, "SDRS.0202"),
        ({"name": "x" * 65}, "SDRS.0202"),
        ({"name": "a b"}, "SDRS.0202"),
        ({"name": "a\n"}, "SDRS.0202"),
        ({"name": "grüppe"}, "SDRS.0202"),
        ({"name": 7}, "SDRS.0202"),
        ({"description": "a<b"}, "SDRS.0212"),
        ({"description": "a>b"}, "SDRS.0212"),
        ({"description": "ü" * 33}, "SDRS.0212"),
        ({"description": ["x"]}, "SDRS.0212"),
        ({"domain_id": ...}, "SDRS.0205"),
        ({"domain_id": ABSENT}, "SDRS.0205"),
        ({"domain_id": {}}, "SDRS.0205"),
        ({"source_availability_zone": ...}, "SDRS.0203"),
        ({"target_availability_zone": None}, "SDRS.0203"),
        ({"target_availability_zone": "eu-de-01"}, "SDRS.0203"),
        ({"target_availability_zone": "eu-de-03"}, "SDRS.0203"),
        ({"source_vpc_id": ...}, "SDRS.0204"),
        ({"source_vpc_id": "vpc"}, "SDRS.0204"),
        ({"dr_type": "copy"}, "SDRS.0201"),
        ({"server_type": "BMS"}, "SDRS.0201"),
    ],
)
def test_a_bad_field_is_refused_with_its_code(cloud, changes, code):
    refused = cloud.create(**changes)
    assert (refused.status, refused.code) == (400, code)
    assert cloud.world.groups() == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="none"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[" * 100_000, id="too deep"),
        pytest.param({}, id="no wrapper"),
        pytest.param({"server_group": []}, id="a wrapped array"),
        pytest.param({"server_group": {"server_group_id": "\ud800"}}, id="half a surrogate pair"),
        pytest.param(b'{"server_group": NaN}', id="a number that JSON doesn't have"),
        pytest.param('{"server_group": {"name": "a"}}'.encode("utf-16"), id="not in UTF-8"),
    ],
)
def test_a_bad_body_is_refused(cloud, body):
    assert cloud.send("POST", "server-groups", body).code == "SDRS.0201"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "x" * 64},
        {"name": "."},
        {"description": "ü" * 32},
        {"description": None},
        {"description": ...},
        {"source_availability_zone": "eu-de-02", "target_availability_zone": "eu-de-01"},
        {"source_vpc_id": "6867929502234b5daecb656d77977de2"},
        {"dr_type": None, "server_type": "ECS"},
        {"colour": "green"},
    ],
)
def test_a_good_field_is_taken(cloud, changes):
    shown = cloud.show(cloud.group(**changes))
    known = {key: value for key, value in changes.items() if key in shown and value not in (..., None)}
    assert {key: shown[key] for key in known} == known
    assert "colour" not in shown


def test_two_groups_may_have_one_name(cloud):
    assert cloud.group() != cloud.group()
    assert cloud.names() == ["pg-orders", "pg-orders"]


def test_a_group_over_the_quota_is_refused(open_cloud):
    cloud = open_cloud(origin=Origin(group_quota=1))
    cloud.group()
    refused = cloud.create()
    assert (refused.status, refused.code) == (400, "SDRS.0305")
    cloud.world.operator.set_quota("server_groups", -1)
    assert cloud.create().status == 200


def test_a_sold_out_domain_takes_no_group(open_cloud):
    cloud = open_cloud(origin=Origin(domains=(Domain(sold_out=True),)))
    assert cloud.create().code == "SDRS.0233"


def test_a_rename_changes_the_name_alone(cloud):
    group_id = cloud.group()
    before = cloud.show(group_id)
    renamed = cloud.send("PUT", f"server-groups/{group_id}", {"server_group": {"name": "pg-new", "description": "x"}})
    assert renamed.status == 200
    assert renamed.body["server_group"]["name"] == "pg-new"
    assert renamed.body["server_group"]["created_at"] == "2025-03-11 09:13:47.0"
    assert cloud.show(group_id) == before | {"name": "pg-new"}


def test_a_rename_needs_a_good_name(cloud):
    group_id = cloud.group()
    assert cloud.send("PUT", f"server-groups/{group_id}", {"server_group": {"name": "a b"}}).code == "SDRS.0202"
    assert cloud.send("PUT", f"server-groups/{group_id}", {"name": "a"}).code == "SDRS.0201"
    assert cloud.show(group_id)["name"] == "pg-orders"


def test_a_rename_works_while_a_job_runs(cloud):
    group_id = cloud.pair_group()
    cloud.act(group_id, "start-server-group")
    assert cloud.send("PUT", f"server-groups/{group_id}", {"server_group": {"name": "pg-new"}}).status == 200
    cloud.world.advance()
    assert (cloud.show(group_id)["name"], cloud.show(group_id)["status"]) == ("pg-new", "protected")


@pytest.mark.parametrize("status", ["available", "error", "error-deleting", "protected"])
def test_an_empty_group_can_be_deleted(cloud, status):
    group_id = cloud.group()
    cloud.world.operator.set_status(group_id, status)
    accepted = cloud.send("DELETE", f"server-groups/{group_id}")
    assert cloud.show(group_id)["status"] == "deleting"
    job = cloud.finished(accepted)
    assert (job["status"], job["job_type"]) == ("SUCCESS", "deleteProtectionGroupNoCG")
    assert cloud.send("GET", f"server-groups/{group_id}").code == "SDRS.1013"


def test_a_group_with_members_can_not_be_deleted(cloud):
    group_id = cloud.pair_group()
    assert cloud.send("DELETE", f"server-groups/{group_id}").code == "SDRS.1010"
    cloud.world.operator.add_instance(group_id)
    assert cloud.send("DELETE", f"server-groups/{group_id}").code == "SDRS.1001"
    assert cloud.show(group_id)["status"] == "available"
    assert cloud.show(group_id)["protected_instance_num"] == 1


def test_a_group_with_a_running_job_can_not_be_deleted(cloud):
    cloud.create()
    (group,) = cloud.world.groups()
    assert cloud.send("DELETE", f"server-groups/{group['id']}").code == "SDRS.1002"
    cloud.world.advance()
    assert cloud.send("DELETE", f"server-groups/{group['id']}").status == 200
    assert cloud.send("DELETE", f"server-groups/{group['id']}").code == "SDRS.1002"


CALLS = [
    ("GET", "server-groups/{}", None),
    ("PUT", "server-groups/{}", {"server_group": {"name": "a"}}),
    ("DELETE", "server-groups/{}", None),
    ("POST", "server-groups/{}/action", {"start-server-group": {}}),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_a_malformed_id_is_told_from_an_unknown_one(cloud, method, path, body):
    for malformed in ("x", "..%2F..", ABSENT + "0", "%F0%9F%98%80"):
        assert cloud.send(method, path.format(malformed), body).code == "SDRS.0207"
    missing = cloud.send(method, path.format(ABSENT), body)
    assert (missing.status, missing.code) == (400, "SDRS.1013")


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_a_missing_group_may_be_reported_as_404(open_cloud, method, path, body):
    cloud = open_cloud(rules=Rules(not_found=NotFoundAs.NOT_FOUND))
    missing = cloud.send(method, path.format(ABSENT), body)
    assert missing.status == 404
    assert missing.body["itemNotFound"]["code"] == "SDRS.1013"


def test_a_group_whose_creation_failed_stays_in_error(open_cloud):
    cloud = open_cloud(faults=["POST server-groups:fail-job=SDRS.1014:first=1"])
    job = cloud.finished(cloud.create())
    assert (job["status"], job["error_code"], job["entities"]) == ("FAIL", "SDRS.1014", {})
    (group,) = cloud.world.groups()
    assert group["status"] == "error"
    assert cloud.send("DELETE", f"server-groups/{group['id']}").status == 200


def test_a_failed_deletion_leaves_the_group(open_cloud):
    cloud = open_cloud(faults=["DELETE server-groups/*:fail-job=SDRS.1016:first=1"])
    group_id = cloud.group()
    assert cloud.finished(cloud.send("DELETE", f"server-groups/{group_id}"))["status"] == "FAIL"
    assert cloud.show(group_id)["status"] == "error-deleting"
    assert cloud.finished(cloud.send("DELETE", f"server-groups/{group_id}"))["status"] == "SUCCESS"
    assert cloud.world.groups() == []
