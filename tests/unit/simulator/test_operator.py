"""A second operator in the same project: what a test does by hand, at once."""

import threading

import pytest

NEVER = "c3f1b5d3-98db-45a6-a20b-2cf0dd311efa"
OWN = "0a5b2a08-9092-43da-9762-727aa5fa1e19"


def test_a_group_is_made_at_once(cloud):
    group_id = cloud.world.operator.add_group(name="console")
    shown = cloud.show(group_id)
    assert (shown["name"], shown["status"], shown["description"]) == ("console", "available", None)
    assert shown["domain_id"] == cloud.world.domain_ids[0]
    assert cloud.names() == ["console"]
    assert cloud.world.changes() == []
    assert cloud.finished(cloud.send("DELETE", f"server-groups/{group_id}"))["status"] == "SUCCESS"


def test_a_twin_is_like_the_other_but_for_what_is_given(cloud):
    group_id, _ = cloud.protected()
    cloud.clock.pass_by(60)
    twin = cloud.world.operator.add_group(like=group_id, description="twin")
    one, other = cloud.show(group_id), cloud.show(twin)
    differing = {key for key in one if one[key] != other[key]}
    numbers = {"protected_instance_num", "replication_num"}
    assert differing == {"id", "description", "created_at", "updated_at", *numbers}
    assert {other[key] for key in numbers} == {0}


@pytest.mark.parametrize(
    "fields",
    [
        {"id": OWN},
        {"id": "0" * 32},
        {"status": "hibernating"},
        {"priority_station": "target", "status": "failed-over"},
        {"server_type": None},
        {"protected_status": "started", "health_status": "normal"},
        {"created_at": "2018-01-01 00:00:00.0"},
        {"replication_num": 7},
        {"name": "", "description": ""},
    ],
)
def test_a_group_may_have_any_fields(cloud, fields):
    shown = cloud.show(cloud.world.operator.add_group(**fields))
    assert {key: shown[key] for key in fields} == fields


def test_a_group_is_listed_by_the_fields_it_was_given(cloud):
    cloud.world.operator.add_group(name="a", status="failed-over", priority_station="target")
    assert cloud.names(status="failed-over") == cloud.names(availability_zone="eu-de-02") == ["a"]


def test_a_group_that_makes_no_sense_is_refused(cloud):
    cloud.world.operator.add_group(id=OWN)
    with pytest.raises(ValueError, match=OWN):
        cloud.world.operator.add_group(id=OWN)
    with pytest.raises(KeyError):
        cloud.world.operator.add_group(like=NEVER)
    with pytest.raises(TypeError, match="colour"):
        cloud.world.operator.add_group(colour="green")
    assert len(cloud.world.groups()) == 1


def test_an_instance_may_have_any_fields(cloud):
    group_id = cloud.world.operator.add_group()
    given = {"description": "by hand", "flavor": "s3.xlarge.4", "tags": {"stage": "prod"}, "status": "fault"}
    cloud.world.operator.add_instance(group_id, "web", server_id=cloud.server_id(), instance_id=OWN, **given)
    shown = cloud.show_instance(OWN)
    assert (shown["name"], shown["description"], shown["status"]) == ("web", "by hand", "fault")
    assert shown["tags"] == [{"key": "stage", "value": "prod"}]
    assert cloud.server(shown["target_server"])["flavor"] == "s3.xlarge.4"
    assert cloud.show(group_id)["protected_instance_num"] == 1


def test_a_pair_may_have_any_fields(cloud):
    group_id = cloud.world.operator.add_group()
    disk_id = cloud.server_id()
    cloud.world.operator.add_replication(
        group_id, "data", volume_id=disk_id, description="by hand", status="error-attaching", replication_id=OWN
    )
    shown = cloud.show_pair(OWN)
    assert (shown["name"], shown["description"], shown["status"]) == ("data", "by hand", "error-attaching")
    assert shown["volume_ids"].startswith(f"{disk_id},")


def test_a_drill_may_have_any_fields(cloud):
    group_id = cloud.world.operator.add_group()
    cloud.world.operator.add_instance(group_id)
    cloud.world.operator.add_drill(group_id, "test", drill_vpc_id=NEVER, status="error-deleting", drill_id=OWN)
    (drill,) = cloud.world.drills()
    assert (drill["id"], drill["drill_vpc_id"], drill["status"]) == (OWN, NEVER, "error-deleting")
    assert len(drill["drill_servers"]) == 1


@pytest.mark.parametrize("status", ["creating", "error"])
def test_a_member_that_isn_t_whole_lacks_what_comes_last(cloud, status):
    group_id = cloud.world.operator.add_group()
    instance_id = cloud.world.operator.add_instance(group_id, status=status)
    pair_id = cloud.world.operator.add_replication(group_id, status=status)
    cloud.world.operator.add_drill(group_id, status=status)
    assert (cloud.show_instance(instance_id)["status"], cloud.show_pair(pair_id)["status"]) == (status, status)
    assert cloud.show_instance(instance_id)["target_server"] is None
    assert "," not in cloud.show_pair(pair_id)["volume_ids"]
    assert [(drill["status"], drill["drill_servers"]) for drill in cloud.world.drills()] == [(status, [])]


def test_switches_happen_at_once(cloud):
    group_id = cloud.world.operator.add_group()
    instance_id = cloud.world.operator.add_instance(group_id)

    def state():
        members = {one["status"] for one in (*cloud.world.instances(), *cloud.world.replications())}
        group = cloud.show(group_id)
        return group["status"], group["priority_station"], members

    cloud.world.operator.enable(group_id)
    assert state() == ("protected", "source", {"protected"})
    assert cloud.world.replications()[0]["replication_status"] == "copying"
    cloud.world.operator.disable(group_id)
    assert state() == ("available", "source", {"available"})
    cloud.world.operator.enable(group_id)
    cloud.world.operator.reverse(group_id)
    assert state() == ("protected", "target", {"protected"})
    cloud.world.operator.fail_over(group_id)
    assert state() == ("failed-over", "source", {"failed-over"})
    cloud.world.operator.reprotect(group_id)
    assert state() == ("protected", "source", {"protected"})
    assert cloud.show_instance(instance_id)["priority_station"] == "source"
    assert cloud.world.changes() == []
    for switch in (
        cloud.world.operator.enable,
        cloud.world.operator.disable,
        cloud.world.operator.reverse,
        cloud.world.operator.reprotect,
    ):
        with pytest.raises(KeyError):
            switch(NEVER)


def test_what_the_service_made_may_go_as_well(cloud):
    group_id = cloud.world.operator.add_group()
    instance_id, pair_id = cloud.world.operator.add_instance(group_id), cloud.world.operator.add_replication(group_id)
    server_id = cloud.show_instance(instance_id)["target_server"]
    disk_id = cloud.show_pair(pair_id)["volume_ids"].split(",")[1]
    cloud.world.operator.delete_instance(instance_id, with_server=True)
    cloud.world.operator.delete_replication(pair_id, with_volume=True)
    assert (cloud.server(server_id), cloud.disk(disk_id)) == (None, None)


def test_a_pair_grows_on_both_sides(cloud):
    pair_id = cloud.world.operator.add_replication(cloud.world.operator.add_group())
    cloud.world.operator.grow_replication(pair_id, 300)
    shown = cloud.show_pair(pair_id)
    assert shown["record_metadata"]["volume_size"] == 300
    assert [cloud.disk(disk_id)["size"] for disk_id in shown["volume_ids"].split(",")] == [300, 300]


def test_several_acts_are_one(cloud):
    group_id = cloud.group()
    with cloud.world.operator.at_once():
        cloud.world.operator.delete_group(group_id)
        twin = cloud.world.operator.add_group(name="pg-orders")
        cloud.world.operator.add_replication(twin)
        cloud.world.operator.enable(twin)
    assert [(one["id"], one["status"]) for one in cloud.world.groups()] == [(twin, "protected")]


def test_an_exception_undoes_all_acts(cloud):
    group_id = cloud.group()
    before = cloud.world.groups(), cloud.world.history()

    def act():
        with cloud.world.operator.at_once():
            cloud.world.operator.rename_group(group_id, "other")
            cloud.world.operator.add_replication(group_id)
            cloud.world.operator.enable(NEVER)

    with pytest.raises(KeyError):
        act()
    assert (cloud.world.groups(), cloud.world.history()) == before
    cloud.world.operator.rename_group(group_id, "other")
    assert cloud.names() == ["other"]


def test_no_time_passes_inside_an_act(cloud):
    cloud.create()
    with cloud.world.operator.at_once(), pytest.raises(RuntimeError, match="at_once"):
        cloud.world.advance()
    cloud.world.advance()
    assert [group["status"] for group in cloud.world.groups()] == ["available"]


def test_no_request_comes_between(cloud):
    """Another thread asks all the time; it sees all of an act or nothing."""
    seen, stop = set(), threading.Event()

    def ask():
        while not stop.is_set():
            seen.add(tuple(cloud.names()))

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(20):
        with cloud.world.operator.at_once():
            made = [cloud.world.operator.add_group(name=name) for name in ("a", "b")]
        with cloud.world.operator.at_once():
            for group_id in made:
                cloud.world.operator.delete_group(group_id)
    stop.set()
    asking.join()
    assert seen <= {(), ("a", "b")}


def test_no_request_of_another_process_comes_between(open_cloud, tmp_path):
    path = tmp_path / "simulator.sqlite"
    here, there = open_cloud(path), open_cloud(path)
    waiting = threading.Thread(target=lambda: names.append(there.names()))
    names = []
    with here.world.operator.at_once():
        here.world.operator.add_group(name="a")
        waiting.start()
        here.world.operator.add_group(name="b")
    waiting.join()
    assert names == [["a", "b"]]
