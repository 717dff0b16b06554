"""Drills: creation with servers of their own, reading, renaming, deletion."""

import pytest

from declarative.simulator import NotFoundAs, Rules

ABSENT = "c3f1b5d3-98db-45a6-a20b-2cf0dd311efa"
VPC = "68679295-0223-4b5d-aecb-656d77977de2"
DRILL_VPC = "b74770d1-1b52-4159-8687-8bc3af71001a"


def show(cloud, drill_id):
    return cloud.send("GET", f"disaster-recovery-drills/{drill_id}").body["disaster_recovery_drill"]


def test_a_new_drill_reads_as_it_was_asked_for(cloud):
    group_id, instance_id = cloud.protected()
    asked = cloud.ask_drill(group_id, drill_vpc_id=DRILL_VPC)
    (creating,) = cloud.world.drills()
    assert (creating["status"], creating["drill_servers"]) == ("creating", [])
    job = cloud.finished(asked)
    assert (job["status"], job["job_type"]) == ("SUCCESS", "createDisasterRecoveryDrill")
    shown = show(cloud, job["entities"]["disaster_recovery_drill_id"])
    ((server,), created, updated) = shown.pop("drill_servers"), shown.pop("created_at"), shown.pop("updated_at")
    assert created < updated
    assert shown == {
        "id": job["entities"]["disaster_recovery_drill_id"],
        "name": "drill-1",
        "status": "available",
        "server_group_id": group_id,
        "drill_vpc_id": DRILL_VPC,
    }
    assert server["protected_instance"] == instance_id
    assert cloud.show(group_id)["disaster_recovery_drill_num"] == 1


def test_a_drill_server_is_like_the_dr_server(cloud):
    group_id, instance_id = cloud.protected()
    (server,) = show(cloud, cloud.drill(group_id))["drill_servers"]
    made, recovery = (
        cloud.server(server["drill_server_id"]),
        cloud.server(cloud.show_instance(instance_id)["target_server"]),
    )
    for key in ("name", "availability_zone", "flavor"):
        assert made[key] == recovery[key]
    assert (made["status"], made["role"], made["vpc_id"] != VPC) == ("active", "drill", True)
    assert [disk["size"] for disk in made["disks"]] == [disk["size"] for disk in recovery["disks"]]


def test_each_automatic_vpc_is_a_new_one(cloud):
    group_id = cloud.group()
    vpcs = {show(cloud, cloud.drill(group_id, drill_vpc_id=given))["drill_vpc_id"] for given in (..., None, "")}
    assert len(vpcs) == 3


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "a b"}, "SDRS.0202"),
        ({"server_group_id": ...}, "SDRS.0207"),
        ({"server_group_id": ABSENT}, "SDRS.1013"),
        ({"drill_vpc_id": "x"}, "SDRS.0204"),
        ({"drill_vpc_id": VPC}, "SDRS.1907"),
    ],
)
def test_a_bad_field_is_refused_with_its_code(cloud, changes, code):
    assert cloud.ask_drill(cloud.group(), **changes).code == code
    assert cloud.world.drills() == []


def test_a_vpc_is_used_by_one_drill(cloud):
    first, second = cloud.group(), cloud.group()
    drill_id = cloud.drill(first, drill_vpc_id=DRILL_VPC)
    assert cloud.ask_drill(second, drill_vpc_id=DRILL_VPC).code == "SDRS.1921"
    cloud.finished(cloud.send("DELETE", f"disaster-recovery-drills/{drill_id}"))
    assert cloud.ask_drill(second, drill_vpc_id=DRILL_VPC).status == 200


GOOD = {
    "available", "protected", "failed-over", "error-starting", "error-stopping", "error-reversing",
    "error-reprotecting", "error-failing-over",
}  # fmt: skip


@pytest.mark.parametrize("status", sorted(GOOD | {"creating", "error", "starting", "deleting", "error-deleting"}))
def test_the_group_s_status_decides_whether_there_can_be_a_drill(cloud, status):
    group_id = cloud.group()
    cloud.world.operator.set_status(group_id, status)
    asked = cloud.ask_drill(group_id)
    assert (asked.status == 200) == (status in GOOD)
    assert asked.status == 200 or asked.code == "SDRS.1002"


def test_a_group_with_a_drill_can_not_be_deleted(cloud):
    group_id = cloud.group()
    drill_id = cloud.drill(group_id)
    assert cloud.send("DELETE", f"server-groups/{group_id}").code == "SDRS.1003"
    cloud.finished(cloud.send("DELETE", f"disaster-recovery-drills/{drill_id}"))
    assert cloud.finished(cloud.send("DELETE", f"server-groups/{group_id}"))["status"] == "SUCCESS"


def test_a_deletion_takes_the_drill_servers_alone(cloud):
    group_id, _ = cloud.protected()
    before = (cloud.world.servers(), cloud.world.disks())
    job = cloud.finished(cloud.send("DELETE", f"disaster-recovery-drills/{cloud.drill(group_id)}"))
    assert (job["job_type"], job["status"]) == ("deleteDisasterRecoveryDrill", "SUCCESS")
    assert (cloud.world.servers(), cloud.world.disks()) == before
    assert cloud.world.drills() == []
    assert cloud.show(group_id)["disaster_recovery_drill_num"] == 0


@pytest.mark.parametrize("status", ["available", "error", "error-deleting", "creating", "deleting"])
def test_the_status_decides_whether_a_drill_can_be_deleted(cloud, status):
    drill_id = cloud.world.operator.add_drill(cloud.group())
    cloud.world.operator.set_drill_status(drill_id, status)
    asked = cloud.send("DELETE", f"disaster-recovery-drills/{drill_id}")
    assert (asked.status == 200) == (status not in ("creating", "deleting"))
    assert asked.status == 200 or asked.code == "SDRS.1913"


@pytest.mark.parametrize(
    ("status", "code"), [("failed-over", ""), ("starting", "SDRS.1002"), ("deleting", "SDRS.1002")]
)
def test_a_drill_of_a_busy_group_can_not_be_deleted(cloud, status, code):
    group_id = cloud.group()
    drill_id = cloud.drill(group_id)
    cloud.world.operator.set_status(group_id, status)
    asked = cloud.send("DELETE", f"disaster-recovery-drills/{drill_id}")
    assert asked.status == 200 if not code else asked.code == code


def test_a_rename_changes_the_name_alone(cloud):
    drill_id = cloud.drill(cloud.group())
    before = show(cloud, drill_id)
    body = {"disaster_recovery_drill": {"name": "new"}}
    renamed = cloud.send("PUT", f"disaster-recovery-drills/{drill_id}", body)
    assert (renamed.status, renamed.body["disaster_recovery_drill"]["name"]) == (200, "new")
    assert show(cloud, drill_id) == before | {"name": "new"}


def test_failed_drills_stay_and_are_told(open_cloud):
    faults = ["POST disaster-recovery-drills:fail-job=SDRS.1922", "DELETE disaster-*:fail-job=SDRS.1923:first=1"]
    cloud = open_cloud(faults=faults)
    group_id = cloud.group()
    assert cloud.finished(cloud.ask_drill(group_id))["entities"] == {}
    (drill,) = cloud.world.drills()
    assert drill["status"] == "error"
    cloud.finished(cloud.send("DELETE", f"disaster-recovery-drills/{drill['id']}"))
    assert show(cloud, drill["id"])["status"] == "error-deleting"
    kind = "disaster_recovery_drills"
    assert cloud.failures(group_id) == [(kind, drill["id"], "createFail"), (kind, drill["id"], "deleteFail")]
    assert cloud.finished(cloud.send("DELETE", f"disaster-recovery-drills/{drill['id']}"))["status"] == "SUCCESS"


@pytest.fixture
def three(cloud):
    """Drills a and b of one group, in a VPC each, and other, in error, of another group."""
    first, second = cloud.group(), cloud.group()
    cloud.drill(first, name="drill-a", drill_vpc_id=DRILL_VPC)
    cloud.drill(first, name="Drill-b")
    cloud.world.operator.set_drill_status(cloud.drill(second, name="other"), "error")
    return cloud


def chosen(cloud, **query):
    listed = cloud.send("GET", "disaster-recovery-drills", **query)
    assert listed.status == 200, listed
    return [drill["name"] for drill in listed.body["disaster_recovery_drills"]]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["drill-a", "Drill-b", "other"]),
        ({"name": "drill"}, ["drill-a", "Drill-b"]),
        ({"status": "error"}, ["other"]),
        ({"drill_vpc_id": DRILL_VPC}, ["drill-a"]),
        ({"limit": 1, "offset": 2}, ["other"]),
        ({"offset": 3}, []),
    ],
)
def test_a_filter_chooses(three, query, names):
    assert chosen(three, **query) == names


def test_a_group_chooses(three):
    _, second = three.world.groups()
    assert chosen(three, server_group_id=second["id"]) == ["other"]
    for query, code in (({"server_group_id": "x"}, "0207"), ({"drill_vpc_id": "x"}, "0204"), ({"status": "x"}, "0209")):
        assert three.send("GET", "disaster-recovery-drills", **query).code == f"SDRS.{code}"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_malformed_id_is_told_from_an_unknown_one(open_cloud, method):
    cloud, body = open_cloud(), {"disaster_recovery_drill": {"name": "a"}}
    assert cloud.send(method, "disaster-recovery-drills/x", body).code == "SDRS.1900"
    assert cloud.send(method, f"disaster-recovery-drills/{ABSENT}", body).code == "SDRS.1902"
    promised = open_cloud(rules=Rules(not_found=NotFoundAs.NOT_FOUND))
    assert promised.send(method, f"disaster-recovery-drills/{ABSENT}", body).status == 404


def test_groups_without_a_drill_for_three_months_are_found(cloud):
    drill_id = cloud.drill(cloud.group(name="first"))
    cloud.group(name="second")
    assert cloud.names(query_type="period_no_dr_drill") == ["second"]
    cloud.finished(cloud.send("DELETE", f"disaster-recovery-drills/{drill_id}"))
    assert cloud.names(query_type="period_no_dr_drill") == ["second"]
    cloud.clock.pass_by(91 * 86_400)
    assert cloud.names(query_type="period_no_dr_drill") == ["first", "second"]


@pytest.mark.parametrize("asked", ["create", "delete"])
def test_a_drill_removed_meanwhile_stays_removed(cloud, asked):
    group_id = cloud.group()
    if asked == "create":
        accepted = cloud.ask_drill(group_id)
    else:
        accepted = cloud.send("DELETE", f"disaster-recovery-drills/{cloud.drill(group_id)}")
    (drill,) = cloud.world.drills()
    cloud.world.operator.delete_drill(drill["id"])
    assert cloud.finished(accepted)["status"] == "SUCCESS"
    assert cloud.world.drills() == []


def test_a_drill_takes_what_is_there(cloud):
    group_id, instance_id = cloud.protected()
    cloud.ask_instance(group_id)
    drill_id = cloud.world.operator.add_drill(group_id)
    (server,) = show(cloud, drill_id)["drill_servers"]
    assert server["protected_instance"] == instance_id
    cloud.world.operator.delete_server(server["drill_server_id"])
    cloud.finished(cloud.send("DELETE", f"disaster-recovery-drills/{drill_id}"))
    assert cloud.world.drills() == []
