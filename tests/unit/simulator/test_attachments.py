"""Attaching pairs to instances and detaching them."""

import pytest

from declarative.simulator import Disk

ABSENT = "c3f1b5d3-98db-45a6-a20b-2cf0dd311efa"
VOLUME = "26c40b5b-f419-4131-8fa5-9f22d06a63b3"


@pytest.fixture
def site(cloud):
    """A group, an instance in it and a pair that nobody has."""
    group_id = cloud.group()
    return cloud, group_id, cloud.instance(group_id), cloud.pair(group_id)


@pytest.mark.parametrize(
    ("device", "shown"), [("/dev/vdb", "/dev/vdb"), ("/dev/sdc", "/dev/vdc"), ("/dev/xvdd", "/dev/vdd")]
)
def test_an_attachment_is_seen_from_both_ends(site, device, shown):
    cloud, _, instance_id, pair_id = site
    accepted = cloud.ask_attach(instance_id, pair_id, device)
    assert (cloud.show_pair(pair_id)["status"], cloud.show_pair(pair_id)["attachment"]) == ("attaching", [])
    job = cloud.finished(accepted)
    assert (job["status"], job["job_type"]) == ("SUCCESS", "attachReplicationPairNew")
    assert all(isinstance(value, str) for value in job["entities"].values())
    pair = cloud.show_pair(pair_id)
    assert (pair["status"], pair["attachment"]) == ("available", [{"device": shown, "protected_instance": instance_id}])
    assert {"replication": pair_id, "device": shown} in cloud.show_instance(instance_id)["attachment"]


def test_the_disks_are_plugged_on_both_sides(site):
    cloud, _, instance_id, pair_id = site
    cloud.finished(cloud.ask_attach(instance_id, pair_id))
    instance, volumes = cloud.show_instance(instance_id), cloud.show_pair(pair_id)["volume_ids"].split(",")
    for server, volume in zip((instance["source_server"], instance["target_server"]), volumes, strict=True):
        assert [(disk["id"], disk["device"]) for disk in cloud.server(server)["disks"]][1:] == [(volume, "/dev/vdb")]
        assert cloud.disk(volume)["status"] == "in-use"
    cloud.finished(cloud.ask_detach(instance_id, pair_id))
    assert [cloud.disk(volume)["status"] for volume in volumes] == ["available", "available"]


@pytest.mark.parametrize("device", [None, "", "vdb", "/dev/hda", "/dev/vdB", "/dev/vd", 7])
def test_a_bad_device_is_refused(site, device):
    cloud, _, instance_id, pair_id = site
    assert cloud.ask_attach(instance_id, pair_id, device).code == "SDRS.0201"


def test_a_pair_and_a_device_are_used_once(site):
    cloud, group_id, instance_id, _ = site
    cloud.world.operator.add_disk(Disk(VOLUME, "eu-de-01", multiattach=False))
    pair_id = cloud.pair(group_id, volume_id=VOLUME)
    assert cloud.ask_attach(instance_id, pair_id, "/dev/sda").code == "SDRS.1603"
    accepted = cloud.ask_attach(instance_id, pair_id, "/dev/vdb")
    other = cloud.instance(group_id)
    assert cloud.ask_attach(other, pair_id, "/dev/vdb").code == "SDRS.1603"
    assert cloud.ask_attach(instance_id, cloud.pair(group_id), "/dev/vdb").code == "SDRS.1603"
    cloud.finished(accepted)
    assert cloud.ask_attach(other, pair_id, "/dev/vdc").code == "SDRS.1603"


def test_a_device_is_taken_while_it_is_being_attached(site):
    cloud, group_id, instance_id, pair_id = site
    second = cloud.pair(group_id)
    cloud.ask_attach(instance_id, pair_id, "/dev/vdb")
    assert cloud.ask_attach(instance_id, second, "/dev/vdb").code == "SDRS.1603"
    assert cloud.ask_attach(instance_id, pair_id, "/dev/vdc").code == "SDRS.1603"


def test_a_shared_pair_goes_to_several_instances(cloud):
    cloud.world.operator.add_disk(Disk(VOLUME, "eu-de-01", multiattach=True))
    group_id = cloud.group()
    pair_id, instances = cloud.pair(group_id, volume_id=VOLUME), [cloud.instance(group_id) for _ in range(2)]
    for instance_id in instances:
        cloud.finished(cloud.ask_attach(instance_id, pair_id))
    assert [one["protected_instance"] for one in cloud.show_pair(pair_id)["attachment"]] == instances
    assert cloud.ask_attach(instances[0], pair_id, "/dev/vdd").code == "SDRS.1603"
    assert cloud.send("DELETE", f"protected-instances/{instances[0]}").code == "SDRS.1365"
    cloud.finished(cloud.ask_detach(instances[0], pair_id))
    assert [one["protected_instance"] for one in cloud.show_pair(pair_id)["attachment"]] == instances[1:]
    assert cloud.disk(VOLUME)["status"] == "in-use"


def test_members_of_two_groups_do_not_fit(site):
    cloud, _, instance_id, _ = site
    assert cloud.ask_attach(instance_id, cloud.pair(cloud.group())).code == "SDRS.1611"
    assert cloud.ask_attach(instance_id, ABSENT).code == "SDRS.1608"
    assert cloud.ask_attach(instance_id, "x").code == "SDRS.0213"


STEADY = {"available", "protected"}


@pytest.mark.parametrize("status", ["available", "protected", "failed-over", "starting", "error-starting", "fault"])
@pytest.mark.parametrize("whose", ["group", "instance", "pair"])
def test_all_three_must_be_steady_for_attaching(site, whose, status):
    cloud, group_id, instance_id, pair_id = site
    if whose == "group":
        cloud.world.operator.set_status(group_id, status)
    elif whose == "instance":
        cloud.world.operator.set_instance_status(instance_id, status)
    else:
        cloud.world.operator.set_replication_status(pair_id, status)
    asked = cloud.ask_attach(instance_id, pair_id)
    if status in STEADY:
        assert cloud.finished(asked)["status"] == "SUCCESS"
    else:
        assert asked.code == {"group": "SDRS.1024", "instance": "SDRS.1328", "pair": "SDRS.1601"}[whose]


def test_an_attached_pair_can_not_be_deleted(site):
    cloud, _, instance_id, pair_id = site
    cloud.finished(cloud.ask_attach(instance_id, pair_id))
    assert cloud.send("DELETE", f"replications/{pair_id}").code == "SDRS.1605"
    cloud.finished(cloud.ask_detach(instance_id, pair_id))
    assert cloud.finished(cloud.send("DELETE", f"replications/{pair_id}"))["status"] == "SUCCESS"


def test_a_pair_attached_by_hand_outlives_the_instance(site):
    cloud, group_id, instance_id, pair_id = site
    cloud.finished(cloud.ask_attach(instance_id, pair_id))
    cloud.finished(cloud.send("DELETE", f"protected-instances/{instance_id}"))
    assert [(pair["id"], pair["attachment"]) for pair in cloud.world.replications()] == [(pair_id, [])]
    assert cloud.send("DELETE", f"server-groups/{group_id}").code == "SDRS.1010"
    assert {cloud.disk(volume)["status"] for volume in cloud.show_pair(pair_id)["volume_ids"].split(",")} == {
        "available"
    }


def test_an_instance_stays_while_a_pair_of_it_is_busy(site):
    cloud, _, instance_id, pair_id = site
    cloud.ask_attach(instance_id, pair_id)
    assert cloud.send("DELETE", f"protected-instances/{instance_id}").code == "SDRS.1301"


def test_a_failed_attachment_can_be_cleared_by_detaching(open_cloud):
    cloud = open_cloud(faults=["POST protected-instances/*/attachreplication:fail-job=SDRS.1821:first=1"])
    group_id = cloud.group()
    instance_id, pair_id = cloud.instance(group_id), cloud.pair(group_id)
    assert cloud.finished(cloud.ask_attach(instance_id, pair_id))["error_code"] == "SDRS.1821"
    assert (cloud.show_pair(pair_id)["status"], cloud.show_pair(pair_id)["attachment"]) == ("error-attaching", [])
    assert cloud.failures(group_id) == [("replications", pair_id, "attachFail")]
    assert cloud.ask_attach(instance_id, pair_id).code == "SDRS.1603"
    cloud.finished(cloud.ask_detach(instance_id, pair_id))
    assert cloud.show_pair(pair_id)["status"] == "available"
    assert cloud.finished(cloud.ask_attach(instance_id, pair_id))["status"] == "SUCCESS"


def test_a_failed_attachment_is_forgotten_once_the_group_has_acted(open_cloud):
    cloud = open_cloud(faults=["POST protected-instances/*/attachreplication:fail-job=SDRS.1821:first=1"])
    group_id = cloud.group()
    instance_id, pair_id = cloud.instance(group_id), cloud.pair(group_id)
    cloud.finished(cloud.ask_attach(instance_id, pair_id))
    cloud.finished(cloud.act(group_id, "start-server-group"))
    assert cloud.finished(cloud.ask_attach(instance_id, pair_id))["status"] == "SUCCESS"


def test_a_failed_detachment_can_be_repeated(open_cloud):
    cloud = open_cloud(faults=["DELETE protected-instances/*/detachreplication/*:fail-job=SDRS.1822:first=1"])
    group_id = cloud.group()
    instance_id, pair_id = cloud.instance(group_id), cloud.pair(group_id)
    cloud.finished(cloud.ask_attach(instance_id, pair_id))
    job = cloud.finished(cloud.ask_detach(instance_id, pair_id))
    assert (job["status"], job["job_type"]) == ("FAIL", "detachReplicationPairNew")
    assert (cloud.show_pair(pair_id)["status"], len(cloud.show_pair(pair_id)["attachment"])) == ("error-detaching", 1)
    assert cloud.failures(group_id) == [("replications", pair_id, "detachFail")]
    cloud.finished(cloud.ask_detach(instance_id, pair_id))
    assert (cloud.show_pair(pair_id)["status"], cloud.show_pair(pair_id)["attachment"]) == ("available", [])


def test_what_is_not_attached_can_not_be_detached(site):
    cloud, _, instance_id, pair_id = site
    assert cloud.ask_detach(instance_id, pair_id).code == "SDRS.1604"
    assert cloud.ask_detach(instance_id, ABSENT).code == "SDRS.1608"


def test_a_system_disk_is_detached_from_a_stopped_server_only(site):
    cloud, _, instance_id, _ = site
    instance = cloud.show_instance(instance_id)
    pair_id = instance["attachment"][0]["replication"]
    assert cloud.ask_detach(instance_id, pair_id).code == "SDRS.1316"
    cloud.world.operator.set_server_status(instance["source_server"], "shutoff")
    assert cloud.finished(cloud.ask_detach(instance_id, pair_id))["status"] == "SUCCESS"
    assert cloud.show_instance(instance_id)["attachment"] == []


UNMOVED = {
    "available", "protected", "failed-over",
    "error-starting", "error-stopping", "error-reversing", "error-failing-over",
}  # fmt: skip
DETACHING = {
    "group": (UNMOVED, {"error-reprotecting", "starting", "error"}, "SDRS.1002"),
    "instance": (
        UNMOVED | {"error-deleting", "error-reprotecting", "error-resizing", "invalid", "fault"},
        {"error", "nic-creating", "resizing"},
        "SDRS.1314",
    ),
    "pair": (
        UNMOVED
        | {"error-attaching", "error-detaching", "error-deleting", "error-reprotecting", "error-extending"}
        | {"invalid", "fault"},
        {"error", "attaching", "detaching", "extending"},
        "SDRS.0214",
    ),
}


@pytest.mark.parametrize(
    ("whose", "status"),
    [(whose, status) for whose, (good, bad, _) in DETACHING.items() for status in sorted(good | bad)],
)
def test_the_statuses_decide_whether_a_pair_can_be_detached(site, whose, status):
    cloud, group_id, instance_id, pair_id = site
    cloud.world.operator.attach(instance_id, pair_id)
    if whose == "group":
        cloud.world.operator.set_status(group_id, status)
    elif whose == "instance":
        cloud.world.operator.set_instance_status(instance_id, status)
    else:
        cloud.world.operator.set_replication_status(pair_id, status)
    good, _, code = DETACHING[whose]
    asked = cloud.ask_detach(instance_id, pair_id)
    assert (asked.status == 200) == (status in good)
    assert asked.status == 200 or asked.code == code


@pytest.mark.parametrize("asked", ["attach", "detach"])
@pytest.mark.parametrize("removed", ["instance", "pair"])
def test_what_is_removed_meanwhile_stays_removed(site, asked, removed):
    cloud, _, instance_id, pair_id = site
    if asked == "attach":
        accepted = cloud.ask_attach(instance_id, pair_id)
    else:
        cloud.world.operator.attach(instance_id, pair_id)
        accepted = cloud.ask_detach(instance_id, pair_id)
    if removed == "instance":
        cloud.world.operator.delete_instance(instance_id)
    else:
        cloud.world.operator.delete_replication(pair_id)
    assert cloud.finished(accepted)["status"] == "SUCCESS"
    left = {one["id"] for one in (*cloud.world.instances(), *cloud.world.replications())}
    assert (instance_id in left, pair_id in left) == (removed == "pair", removed == "instance")
    assert {pair["status"] for pair in cloud.world.replications()} == {"available"}


def test_what_is_attached_behind_the_client_s_back_is_seen(site):
    cloud, _, instance_id, pair_id = site
    cloud.world.operator.attach(instance_id, pair_id, "/dev/vdc")
    assert cloud.show_pair(pair_id)["attachment"] == [{"device": "/dev/vdc", "protected_instance": instance_id}]
    cloud.world.operator.detach(instance_id, pair_id)
    assert cloud.show_pair(pair_id)["attachment"] == []
