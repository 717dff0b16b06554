"""Failover, planned failover and reprotection: members follow, production changes sides, and what stands in the way."""

import pytest

from declarative.simulator import Disk, Server, ServerDisk

ABSENT = "c3f1b5d3-98db-45a6-a20b-2cf0dd311efa"
VPC = "68679295-0223-4b5d-aecb-656d77977de2"
VOLUME = "26c40b5b-f419-4131-8fa5-9f22d06a63b3"
TARGET = {"priority_station": "target"}


def members(cloud):
    """What instances and pairs say: status, direction, percent."""
    found = (*cloud.world.instances(), *cloud.world.replications())
    return {(one["status"], one["priority_station"], one["progress"]) for one in found}


def stop(cloud, instance_id, side):
    cloud.world.operator.set_server_status(cloud.show_instance(instance_id)[f"{side}_server"], "shutoff")


@pytest.fixture
def site(cloud):
    """A protected group with an instance."""
    return cloud, *cloud.protected()


def test_all_members_go_through_a_failover(site):
    cloud, group_id, _ = site
    accepted = cloud.act(group_id, "failover-server-group")
    assert members(cloud) == {("failing-over", "source", 0), ("failing-over", "source", 100)}
    cloud.finished(accepted)
    assert members(cloud) == {("failed-over", "target", 0)}
    assert {pair["replication_status"] for pair in cloud.world.replications()} == {"active-stopped"}
    assert cloud.act(group_id, "stop-server-group").code == "SDRS.1002"


def test_reprotection_wants_the_old_production_stopped(site):
    cloud, group_id, instance_id = site
    cloud.finished(cloud.act(group_id, "failover-server-group"))
    assert cloud.act(group_id, "start-server-group").code == "SDRS.1342"
    stop(cloud, instance_id, "source")
    accepted = cloud.act(group_id, "start-server-group")
    cloud.world.advance(20)
    assert cloud.job(accepted)["job_type"] == "reprotectProtectionGroupNoCG"
    assert members(cloud) == {("protected", "target", 0)}
    cloud.world.advance()
    assert members(cloud) == {("protected", "target", 100)}


def test_a_planned_failover_wants_production_stopped(site):
    cloud, group_id, instance_id = site
    assert cloud.act(group_id, "reverse-server-group", TARGET).code == "SDRS.1319"
    stop(cloud, instance_id, "source")
    cloud.finished(cloud.act(group_id, "reverse-server-group", TARGET))
    assert members(cloud) == {("protected", "target", 100)}
    cloud.world.operator.set_server_status(cloud.show_instance(instance_id)["target_server"], "active")
    assert cloud.act(group_id, "reverse-server-group", {"priority_station": "source"}).code == "SDRS.1319"


@pytest.mark.parametrize("how", ["failover", "planned failover", "behind our back"])
def test_after_a_switch_new_members_come_from_the_other_side(site, how):
    cloud, group_id, instance_id = site
    stop(cloud, instance_id, "source")
    if how == "planned failover":
        cloud.finished(cloud.act(group_id, "reverse-server-group", TARGET))
    else:
        if how == "failover":
            cloud.finished(cloud.act(group_id, "failover-server-group"))
        else:
            cloud.world.operator.fail_over(group_id)
        cloud.finished(cloud.act(group_id, "start-server-group"))
    old = Server(ABSENT, "eu-de-01", VPC, disks=(ServerDisk(VOLUME, bootable=True),))
    cloud.world.operator.add_server(old)
    cloud.world.operator.add_disk(Disk(VPC, "eu-de-01"))
    assert cloud.ask_instance(group_id, server_id=ABSENT).code == "SDRS.1303"
    assert cloud.ask_pair(group_id, volume_id=VPC).code == "SDRS.1810"
    new = cloud.show_instance(cloud.instance(group_id))
    zones = [cloud.server(new[key])["availability_zone"] for key in ("source_server", "target_server")]
    assert zones == ["eu-de-02", "eu-de-01"]
    assert cloud.show(group_id)["source_availability_zone"] == "eu-de-01"
    listed = cloud.send("GET", "protected-instances", availability_zone="eu-de-02").body
    assert listed["count"] == 2


def test_a_failover_behind_our_back_happens_at_once(site):
    cloud, group_id, _ = site
    cloud.world.operator.fail_over(group_id)
    assert (cloud.show(group_id)["status"], cloud.show(group_id)["priority_station"]) == ("failed-over", "target")
    assert members(cloud) == {("failed-over", "target", 0)}


def test_current_production_is_not_deleted_with_an_instance(site):
    cloud, group_id, instance_id = site
    cloud.world.operator.fail_over(group_id)
    path = f"protected-instances/{instance_id}"
    assert cloud.send("DELETE", path, {"delete_target_server": True}).code == "SDRS.1330"
    assert cloud.send("DELETE", path, {"delete_target_eip": True}).code == "SDRS.1338"
    assert cloud.finished(cloud.send("DELETE", path, {}))["status"] == "SUCCESS"


@pytest.mark.parametrize(("word", "failed"), [("stop", "stopping"), ("failover", "failing-over")])
def test_members_share_the_group_s_error(open_cloud, word, failed):
    cloud = open_cloud(faults=["POST server-groups/*/action:fail-job=SDRS.1030:every=2"])
    group_id, _ = cloud.protected()
    cloud.finished(cloud.act(group_id, f"{word}-server-group"))
    assert {status for status, _, _ in members(cloud)} == {f"error-{failed}"}


def test_a_lost_server_blocks_the_group(site):
    cloud, group_id, instance_id = site
    cloud.world.operator.delete_server(cloud.show_instance(instance_id)["source_server"])
    assert cloud.show_instance(instance_id)["status"] == "invalid"
    for word in ("stop-server-group", "failover-server-group", "reverse-server-group"):
        assert cloud.act(group_id, word, TARGET).code == "SDRS.1314"
    assert cloud.finished(cloud.send("DELETE", f"protected-instances/{instance_id}"))["status"] == "SUCCESS"


def test_a_lost_disk_blocks_the_group(site):
    cloud, group_id, _ = site
    pair_id = cloud.pair(group_id)
    cloud.world.operator.delete_disk(cloud.show_pair(pair_id)["volume_ids"].split(",")[1])
    assert cloud.show_pair(pair_id)["status"] == "invalid"
    assert cloud.act(group_id, "failover-server-group").code == "SDRS.0214"
    cloud.finished(cloud.send("DELETE", f"replications/{pair_id}"))
    assert cloud.act(group_id, "failover-server-group").status == 200


@pytest.mark.parametrize(
    ("level", "failover", "planned"), [("2", "", "SDRS.1823"), ("5", "SDRS.1824", "SDRS.1824"), ("0", "", "")]
)
def test_faults_decide_which_switch_is_allowed(site, level, failover, planned):
    cloud, group_id, instance_id = site
    stop(cloud, instance_id, "source")
    (pair,) = cloud.world.replications()
    cloud.world.operator.set_fault_level(pair["id"], level)
    status = "protected" if level == "0" else "fault"
    assert cloud.show_pair(pair["id"])["fault_level"] == level
    assert cloud.show_pair(pair["id"])["status"] == cloud.show_instance(instance_id)["status"] == status
    if planned:
        assert cloud.act(group_id, "reverse-server-group", TARGET).code == planned
    answer = cloud.act(group_id, "failover-server-group")
    if failover:
        assert answer.code == failover
    else:
        cloud.finished(answer)
        assert cloud.show_pair(pair["id"])["fault_level"] == "0"


def test_abnormal_members_are_found(site):
    cloud, _, instance_id = site
    (pair,) = cloud.world.replications()
    cloud.world.operator.set_fault_level(pair["id"], "2")
    for path in ("protected-instances", "replications"):
        assert cloud.send("GET", path, query_type="status_abnormal").body["count"] == 1
    cloud.world.operator.set_fault_level(pair["id"], "0")
    assert cloud.show_instance(instance_id)["status"] == "protected"


def test_everything_is_told_by_hand_too(site):
    cloud, group_id, instance_id = site
    pair_id, drill_id = cloud.world.operator.add_replication(group_id), cloud.world.operator.add_drill(group_id)
    cloud.world.operator.rename_instance(instance_id, "i")
    cloud.world.operator.rename_replication(pair_id, "p")
    cloud.world.operator.rename_drill(drill_id, "d")
    assert cloud.show_instance(instance_id)["name"] == "i"
    assert [pair["name"] for pair in cloud.world.replications()][-1] == "p"
    assert [drill["name"] for drill in cloud.world.drills()] == ["d"]
    cloud.world.operator.delete_group(group_id)
    assert cloud.world.instances() == cloud.world.replications() == cloud.world.drills() == []


@pytest.mark.parametrize(
    "call",
    [
        lambda world: world.operator.set_status(ABSENT, "x"),
        lambda world: world.operator.set_instance_status(ABSENT, "x"),
        lambda world: world.operator.set_replication_status(ABSENT, "x"),
        lambda world: world.operator.set_drill_status(ABSENT, "x"),
        lambda world: world.operator.set_server_status(ABSENT, "x"),
        lambda world: world.operator.delete_disk(ABSENT),
        lambda world: world.operator.add_instance(ABSENT),
        lambda world: world.operator.add_replication(ABSENT),
        lambda world: world.operator.add_drill(ABSENT),
        lambda world: world.operator.fail_over(ABSENT),
    ],
)
def test_what_is_not_there_can_not_be_changed(cloud, call):
    with pytest.raises(KeyError):
        call(cloud.world)
