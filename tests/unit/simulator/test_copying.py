"""Copying: what enabling starts, what shows how far it is, and what it forbids."""

import math

import pytest

from declarative.simulator import Rules


@pytest.fixture
def started(cloud):
    """A group whose job of enabling has just ended; its pair of 40 GB copies for 40 s."""
    group_id = cloud.group()
    instance_id = cloud.instance(group_id)
    accepted = cloud.act(group_id, "start-server-group")
    members = (*cloud.world.instances(), *cloud.world.replications())
    assert {member["status"] for member in members} == {"starting"}
    cloud.world.advance(20)
    assert cloud.job(accepted)["status"] == "SUCCESS"
    return cloud, group_id, instance_id


def progress(cloud):
    (group,), (instance,), (pair,) = cloud.world.groups(), cloud.world.instances(), cloud.world.replications()
    assert group["status"] == instance["status"] == pair["status"] == "protected"
    return group["progress"], instance["progress"], pair["progress"], pair["replication_status"]


def test_progress_rises_after_the_job(started):
    cloud, group_id, _ = started
    assert progress(cloud) == (0, 0, 0, "copying")
    cloud.world.advance(10)
    assert progress(cloud) == (25, 25, 25, "copying")
    assert cloud.show(group_id)["progress"] == 25
    cloud.world.advance(29.999)
    assert progress(cloud) == (99, 99, 99, "copying")
    cloud.world.advance(0.001)
    assert progress(cloud) == (100, 100, 100, "active")


def test_every_view_of_a_group_shows_its_progress(started):
    cloud, group_id, _ = started
    cloud.world.advance(10)
    listed = cloud.send("GET", "server-groups").body["server_groups"]
    renamed = cloud.send("PUT", f"server-groups/{group_id}", {"server_group": {"name": "new"}})
    assert [group["progress"] for group in listed] == [renamed.body["server_group"]["progress"]] == [25]


def test_at_infinite_speed_all_is_copied_at_once(open_cloud):
    cloud = open_cloud(speed=math.inf)
    group_id = cloud.group()
    cloud.instance(group_id)
    cloud.act(group_id, "start-server-group")
    assert progress(cloud) == (100, 100, 100, "active")


@pytest.mark.parametrize("speed", [math.inf, 1.0])
def test_a_clock_that_is_set_back_harms_nothing(open_cloud, speed):
    cloud = open_cloud(speed=speed, rules=Rules(job_seconds=0))
    group_id, instance_id = cloud.protected()
    cloud.act(group_id, "stop-server-group")
    cloud.act(group_id, "start-server-group")
    cloud.show(group_id)
    cloud.world.advance(-60)
    assert (cloud.show(group_id)["progress"], cloud.show_instance(instance_id)["progress"]) == (0, 0)


@pytest.mark.parametrize(("speed", "seconds"), [(10, 4.0), (1, 40.0)])
def test_the_speed_divides_the_time_of_copying(open_cloud, speed, seconds):
    cloud = open_cloud(speed=speed, rules=Rules(job_seconds=0))
    group_id = cloud.group()
    cloud.instance(group_id)
    cloud.act(group_id, "start-server-group")
    cloud.world.advance(seconds / 2)
    assert progress(cloud)[:3] == (50, 50, 50)


def test_the_rules_may_give_copying_one_duration(open_cloud):
    cloud = open_cloud(rules=Rules(copy_seconds=1000, job_seconds=0))
    group_id = cloud.group()
    cloud.instance(group_id)
    cloud.act(group_id, "start-server-group")
    cloud.world.advance(100)
    assert progress(cloud)[:3] == (10, 10, 10)


def test_advancing_to_rest_takes_copying_in(cloud):
    group_id = cloud.group()
    cloud.instance(group_id)
    cloud.act(group_id, "start-server-group")
    cloud.world.advance()
    assert progress(cloud) == (100, 100, 100, "active")


def test_disabling_waits_for_the_copy(started):
    cloud, group_id, _ = started
    refused = cloud.act(group_id, "stop-server-group")
    assert (refused.status, refused.code) == (400, "SDRS.1830")
    cloud.world.advance(40)
    assert cloud.finished(cloud.act(group_id, "stop-server-group"))["status"] == "SUCCESS"
    (pair,) = cloud.world.replications()
    assert (pair["status"], pair["progress"], pair["replication_status"]) == ("available", 0, "active-stopped")
    assert cloud.show(group_id)["progress"] == 0


def test_the_rules_may_let_disabling_go_ahead(open_cloud):
    cloud = open_cloud(rules=Rules(stop_needs_copy=False))
    group_id = cloud.group()
    cloud.instance(group_id)
    cloud.act(group_id, "start-server-group")
    cloud.world.advance(21)
    assert cloud.act(group_id, "stop-server-group").status == 200


def test_new_members_of_a_protected_group_copy_by_themselves(cloud):
    group_id, _ = cloud.protected()
    accepted = [cloud.ask_instance(group_id), cloud.ask_pair(group_id)]
    assert cloud.show(group_id)["status"] == "protected"
    cloud.world.advance(200)
    assert [cloud.job(reply)["status"] for reply in accepted] == ["SUCCESS", "SUCCESS"]
    assert {one["status"] for one in (*cloud.world.instances(), *cloud.world.replications())} == {"protected"}
    assert [pair["replication_status"] for pair in cloud.world.replications()] == ["active", "copying", "active"]
    assert cloud.show(group_id)["progress"] == 66
    assert [instance["progress"] for instance in cloud.world.instances()] == [100, 0]
    assert cloud.act(group_id, "stop-server-group").code == "SDRS.1830"
    assert cloud.act(group_id, "start-server-group").code == "SDRS.1002"
    cloud.world.advance()
    assert cloud.show(group_id)["progress"] == 100


def test_enabling_again_copies_again(started):
    cloud, group_id, _ = started
    cloud.world.advance()
    cloud.finished(cloud.act(group_id, "stop-server-group"))
    cloud.act(group_id, "start-server-group")
    cloud.world.advance(30)
    assert progress(cloud) == (25, 25, 25, "copying")


def test_a_pair_that_never_copied_is_inactive(cloud):
    pair = cloud.show_pair(cloud.pair(cloud.group()))
    assert (pair["progress"], pair["replication_status"]) == (0, "inactive")


def points(cloud, **query):
    answer = cloud.send("GET", "resource/rpo-statistics", **query)
    assert answer.status == 200, answer
    return answer.body


def test_statistics_count_the_pairs_that_copied_at_each_hour(started):
    cloud, _, _ = started
    empty = points(cloud)
    assert (empty["count"], {one["resource_num"] for one in empty["resource_rpo_statistics"]}) == (24, {0})
    moment = cloud.world.now()
    cloud.world.advance(3600 - moment % 3600)
    last = points(cloud)["resource_rpo_statistics"][-1]
    assert (last["resource_type"], last["resource_num"]) == ("replication", 0)
    assert last["point_time"] == last["created_at"][:16] == "2025-03-11 10:00"


def test_statistics_see_a_copy_under_way(open_cloud):
    cloud = open_cloud(rules=Rules(copy_seconds=7200))
    group_id = cloud.group()
    cloud.instance(group_id)
    cloud.act(group_id, "start-server-group")
    cloud.world.advance(3600)
    window = {"start_time": "2025-03-11 09:00:00.000", "end_time": "2025-03-11 12:00:00.000"}
    found = points(cloud, **window, resource_type="replication")
    assert [one["resource_num"] for one in found["resource_rpo_statistics"]] == [0, 1]
    assert points(cloud, limit=1, offset=1, **window)["resource_rpo_statistics"] == found["resource_rpo_statistics"][1:]
    assert points(cloud, offset=5, **window) == {"count": 2, "resource_rpo_statistics": []}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"resource_type": "server"}, "SDRS.0201"),
        ({"start_time": "yesterday"}, "SDRS.0201"),
        ({"end_time": "2025-03-11"}, "SDRS.0201"),
        ({"limit": 1001}, "SDRS.0221"),
    ],
)
def test_a_bad_query_is_refused(cloud, query, code):
    assert cloud.send("GET", "resource/rpo-statistics", **query).code == code


def test_a_window_may_be_empty_or_huge(cloud):
    assert points(cloud, start_time="2025-03-11 10:30:00.000", end_time="2025-03-11 10:00:00.000")["count"] == 0
    assert points(cloud, start_time="0001-01-01 00:00:00.000", limit=1)["count"] > 1000
    assert points(cloud, end_time="0001-01-01 00:00:00.000")["count"] == 0
