"""Replication pairs: creation and the disk that comes with it, reading, renaming, expansion, deletion."""

from urllib.parse import quote

import pytest

from declarative.simulator import Disk, NotFoundAs, Origin, Rules

ABSENT = "c3f1b5d3-98db-45a6-a20b-2cf0dd311efa"
VOLUME = "26c40b5b-f419-4131-8fa5-9f22d06a63b3"


def test_a_new_pair_reads_as_it_was_asked_for(cloud):
    group_id = cloud.group()
    asked = cloud.ask_pair(group_id, volume_id=VOLUME, description="data disk")
    assert (asked.status, list(asked.body)) == (200, ["job_id"])
    (creating,) = cloud.world.replications()
    assert (creating["status"], creating["volume_ids"]) == ("creating", VOLUME)
    job = cloud.finished(asked)
    assert (job["status"], job["job_type"]) == ("SUCCESS", "createReplicationPairNoCG")
    assert all(isinstance(value, str) for value in job["entities"].values())
    pair_id = job["entities"]["replication_pair_id"]
    shown = cloud.show_pair(pair_id)
    assert shown.pop("volume_ids") == job["entities"]["volume_ids"]
    metadata = shown.pop("record_metadata")
    assert shown == {
        "id": pair_id,
        "name": "rp-orders",
        "description": "data disk",
        "replication_model": "hypermetro",
        "status": "available",
        "progress": 0,
        "replication_status": "inactive",
        "attachment": [],
        "server_group_id": group_id,
        "priority_station": "source",
        "fault_level": "0",
        "failure_detail": None,
        "created_at": "2025-03-11T09:14:02.912000",
        "updated_at": "2025-03-11T09:14:32.912000",
    }
    assert (metadata["volume_size"], metadata["multiattach"], metadata["bootable"]) == (100, False, False)
    assert cloud.show(group_id)["replication_num"] == 1


def test_the_second_disk_is_made_like_the_first(cloud):
    cloud.world.operator.add_disk(Disk(VOLUME, "eu-de-01", name="data", size=70, type="SSD", multiattach=True))
    pair = cloud.show_pair(cloud.pair(cloud.group(), volume_id=VOLUME))
    made = cloud.disk(pair["volume_ids"].split(",")[1])
    facts = {key: made[key] for key in ("name", "size", "type", "availability_zone", "status", "multiattach")}
    assert list(facts.values()) == ["data", 70, "SSD", "eu-de-02", "available", True]
    assert pair["record_metadata"] == {
        "multiattach": True,
        "bootable": False,
        "volume_size": 70,
        "volume_type": "SSD",
    }


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "a b"}, "SDRS.0202"),
        ({"description": ">"}, "SDRS.0212"),
        ({"server_group_id": None}, "SDRS.0207"),
        ({"server_group_id": ABSENT}, "SDRS.1013"),
        ({"volume_id": ...}, "SDRS.1803"),
        ({"volume_id": "disk"}, "SDRS.0211"),
    ],
)
def test_a_bad_field_is_refused_with_its_code(cloud, changes, code):
    refused = cloud.ask_pair(cloud.group(), **changes)
    assert (refused.status, refused.code) == (400, code)
    assert cloud.world.replications() == cloud.world.disks() == []


@pytest.mark.parametrize(
    ("disk", "code"),
    [
        (Disk(VOLUME, "eu-de-02"), "SDRS.1810"),
        (Disk(VOLUME, "eu-de-01", status="in-use"), "SDRS.1801"),
        (Disk(VOLUME, "eu-de-01", status="error"), "SDRS.1801"),
    ],
)
def test_a_disk_that_can_not_be_paired_is_refused(cloud, disk, code):
    cloud.world.operator.add_disk(disk)
    assert cloud.ask_pair(cloud.group(), volume_id=VOLUME).code == code


def test_one_pair_per_disk(cloud):
    group_id = cloud.group()
    target = cloud.show_pair(cloud.pair(group_id, volume_id=VOLUME))["volume_ids"].split(",")[1]
    assert cloud.ask_pair(cloud.group(), volume_id=VOLUME).code == "SDRS.1811"
    assert cloud.ask_pair(group_id, volume_id=target).code == "SDRS.1811"


def test_the_system_disk_of_an_instance_is_paired_already(cloud):
    group_id = cloud.group()
    cloud.instance(group_id)
    (pair,) = cloud.world.replications()
    assert cloud.ask_pair(group_id, volume_id=pair["volume_ids"].split(",")[0]).code == "SDRS.1811"


def test_a_drill_s_disk_is_refused(cloud):
    group_id = cloud.group()
    cloud.instance(group_id)
    cloud.world.operator.add_drill(group_id)
    disk_id = next(disk["id"] for disk in cloud.world.disks() if disk["role"] == "drill")
    assert cloud.ask_pair(group_id, volume_id=disk_id).code == "SDRS.1825"


@pytest.mark.parametrize("status", ["available", "protected", "stopping", "error-starting"])
def test_the_group_must_be_steady(cloud, status):
    group_id = cloud.group()
    cloud.world.operator.set_status(group_id, status)
    asked = cloud.ask_pair(group_id)
    assert (asked.status == 200) == (status in ("available", "protected"))
    assert asked.status == 200 or asked.code == "SDRS.1024"


def test_quota_and_limit(open_cloud):
    cloud = open_cloud(origin=Origin(replication_quota=1))
    group_id = cloud.group()
    cloud.pair(group_id)
    assert cloud.ask_pair(group_id).code == "SDRS.0306"
    limited = open_cloud(rules=Rules(unattached_limit=1))
    group_id = limited.group()
    limited.pair(group_id)
    assert limited.ask_pair(group_id).code == "SDRS.1826"


def test_a_failed_creation_leaves_a_pair_in_error(open_cloud):
    cloud = open_cloud(faults=["POST replications:fail-job=SDRS.1812:first=1"])
    group_id = cloud.group()
    job = cloud.finished(cloud.ask_pair(group_id))
    assert (job["status"], job["entities"]) == ("FAIL", {})
    (pair,) = cloud.world.replications()
    assert (pair["status"], pair["failure_detail"]) == ("error", "SDRS.1812")
    assert cloud.failures(group_id) == [("replications", pair["id"], "createFail")]
    assert cloud.finished(cloud.send("DELETE", f"replications/{pair['id']}"))["status"] == "SUCCESS"
    assert cloud.world.replications() == []


def test_a_rename_changes_the_name_alone(cloud):
    pair_id = cloud.pair(cloud.group())
    before = cloud.show_pair(pair_id)
    renamed = cloud.send("PUT", f"replications/{pair_id}", {"replication": {"name": "new"}})
    assert renamed.body["replication"]["name"] == "new"
    assert cloud.show_pair(pair_id) == before | {"name": "new"}
    assert cloud.send("PUT", f"replications/{pair_id}", {"name": "x"}).code == "SDRS.0201"


def expand(cloud, pair_id, size):
    return cloud.send("POST", f"replications/{pair_id}/action", {"extend-replication": {"new_size": size}})


def test_an_expansion_makes_both_disks_larger(cloud):
    pair_id = cloud.pair(cloud.group())
    accepted = expand(cloud, pair_id, 120.9)
    assert cloud.show_pair(pair_id)["status"] == "extending"
    job = cloud.finished(accepted)
    assert (job["job_type"], job["entities"]) == ("expandReplicationPairNew", {"replication_pair_id": pair_id})
    shown = cloud.show_pair(pair_id)
    assert (shown["status"], shown["record_metadata"]["volume_size"]) == ("available", 120)
    assert [cloud.disk(disk_id)["size"] for disk_id in shown["volume_ids"].split(",")] == [120, 120]


@pytest.mark.parametrize("size", [100, 99, 0, -1, "120", None, True, 1e9, float("inf")])
def test_a_bad_size_is_refused(cloud, size):
    pair_id = cloud.pair(cloud.group())
    assert expand(cloud, pair_id, size).code == "SDRS.0201"
    assert cloud.show_pair(pair_id)["status"] == "available"


@pytest.mark.parametrize("body", [{}, {"shrink": {}}, {"extend-replication": {"new_size": 120}, "x": 1}])
def test_a_bad_action_is_refused(cloud, body):
    assert cloud.send("POST", f"replications/{cloud.pair(cloud.group())}/action", body).code == "SDRS.0206"


@pytest.mark.parametrize("status", ["available", "protected", "error-extending", "attaching", "fault"])
def test_the_status_decides_whether_a_pair_can_be_expanded(cloud, status):
    pair_id = cloud.pair(cloud.group())
    cloud.world.operator.set_replication_status(pair_id, status)
    asked = expand(cloud, pair_id, 120)
    assert (asked.status == 200) == (status in ("available", "protected", "error-extending"))
    assert asked.status == 200 or asked.code == "SDRS.0214"


def test_disks_of_two_sizes_can_not_be_expanded(cloud):
    pair_id = cloud.pair(cloud.group(), volume_id=VOLUME)
    cloud.world.operator.resize_disk(VOLUME, 150)
    assert expand(cloud, pair_id, 200).code == "SDRS.1814"


def test_disks_in_use_can_be_expanded_unless_the_rules_or_sharing_forbid_it(open_cloud):
    for rules, shared, code in (
        (Rules(), False, ""),
        (Rules(grows_in_use=False), False, "1816"),
        (Rules(), True, "1818"),
    ):
        cloud = open_cloud(rules=rules)
        cloud.world.operator.add_disk(Disk(VOLUME, "eu-de-01", multiattach=shared))
        group_id = cloud.group()
        instance_id, pair_id = cloud.instance(group_id), cloud.pair(group_id, volume_id=VOLUME)
        cloud.finished(cloud.ask_attach(instance_id, pair_id))
        asked = expand(cloud, pair_id, 120)
        assert asked.status == 200 if not code else asked.code == f"SDRS.{code}"


def test_a_disk_of_which_nothing_is_known_is_shared_once_two_instances_have_it(cloud):
    group_id = cloud.group()
    pair_id = cloud.pair(group_id)
    cloud.finished(cloud.ask_attach(cloud.instance(group_id), pair_id))
    assert expand(cloud, pair_id, 120).status == 200
    cloud.world.advance()
    cloud.finished(cloud.ask_attach(cloud.instance(group_id), pair_id))
    assert cloud.show_pair(pair_id)["record_metadata"]["multiattach"]
    assert expand(cloud, pair_id, 140).code == "SDRS.1818"


def test_broken_disks_can_not_be_expanded(cloud):
    cloud.world.operator.add_disk(Disk(VOLUME, "eu-de-01"))
    pair_id = cloud.pair(cloud.group(), volume_id=VOLUME)
    cloud.world.operator.set_disk_status(VOLUME, "error")
    assert expand(cloud, pair_id, 120).code == "SDRS.1817"


def test_a_failed_expansion_can_be_repeated(open_cloud):
    cloud = open_cloud(faults=["POST replications/*/action:fail-job=SDRS.1820:first=1"])
    group_id = cloud.group()
    pair_id = cloud.pair(group_id)
    assert cloud.finished(expand(cloud, pair_id, 120))["error_code"] == "SDRS.1820"
    assert cloud.show_pair(pair_id)["status"] == "error-extending"
    assert cloud.failures(group_id) == [("replications", pair_id, "expandFail")]
    cloud.finished(expand(cloud, pair_id, 120))
    assert cloud.show_pair(pair_id)["status"] == "available"


@pytest.mark.parametrize("with_volume", [False, True])
def test_a_deletion_takes_the_second_disk_when_it_is_told_to(cloud, with_volume):
    group_id = cloud.group()
    pair = cloud.show_pair(cloud.pair(group_id))
    body = {"replication": {"server_group_id": group_id, "delete_target_volume": with_volume}}
    job = cloud.finished(cloud.send("DELETE", f"replications/{pair['id']}", body))
    assert (job["job_type"], job["entities"]) == ("deleteReplicationPairNoCG", {"replication_pair_id": pair["id"]})
    assert cloud.send("GET", f"replications/{pair['id']}").code == "SDRS.1608"
    left = cloud.disk(pair["volume_ids"].split(",")[1])
    assert left is None if with_volume else left["role"] == "ordinary"
    assert cloud.show(group_id)["replication_num"] == 0


def test_the_production_disk_stays_and_can_be_paired_again(cloud):
    cloud.world.operator.add_disk(Disk(VOLUME, "eu-de-01"))
    group_id = cloud.group()
    body = {"replication": {"delete_target_volume": True}}
    cloud.finished(cloud.send("DELETE", f"replications/{cloud.pair(group_id, volume_id=VOLUME)}", body))
    assert [disk["id"] for disk in cloud.world.disks()] == [VOLUME]
    assert cloud.pair(group_id, volume_id=VOLUME)


@pytest.mark.parametrize("body", [None, {"replication": {}}, {"replication": {"delete_target_volume": None}}])
def test_missing_delete_options_are_false(cloud, body):
    pair = cloud.show_pair(cloud.pair(cloud.group()))
    cloud.finished(cloud.send("DELETE", f"replications/{pair['id']}", body))
    assert cloud.disk(pair["volume_ids"].split(",")[1]) is not None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "SDRS.0201"),
        (b"[", "SDRS.0201"),
        ({"replication": {"delete_target_volume": "true"}}, "SDRS.0201"),
        ({"replication": {"server_group_id": "x"}}, "SDRS.0207"),
        ({"replication": {"server_group_id": ABSENT}}, "SDRS.1611"),
    ],
)
def test_bad_delete_options_are_refused(cloud, body, code):
    assert cloud.send("DELETE", f"replications/{cloud.pair(cloud.group())}", body).code == code


GROUP = {
    "available", "protected", "failed-over", "error-starting", "error-stopping", "error-reversing",
    "error-failing-over", "error-deleting", "error-reprotecting",
}  # fmt: skip
PAIR = GROUP | {"error", "error-attaching", "error-extending", "invalid", "fault"}


@pytest.mark.parametrize("status", sorted(GROUP | {"starting", "error", "deleting", "odd"}))
def test_the_group_s_status_decides_whether_a_pair_can_be_deleted(cloud, status):
    group_id = cloud.group()
    pair_id = cloud.pair(group_id)
    cloud.world.operator.set_status(group_id, status)
    asked = cloud.send("DELETE", f"replications/{pair_id}")
    assert (asked.status == 200) == (status in GROUP)
    assert asked.status == 200 or asked.code == "SDRS.1002"


@pytest.mark.parametrize("status", sorted(PAIR | {"error-detaching", "attaching", "creating", "deleting", "odd"}))
def test_the_pair_s_status_decides_whether_it_can_be_deleted(cloud, status):
    pair_id = cloud.pair(cloud.group())
    cloud.world.operator.set_replication_status(pair_id, status)
    asked = cloud.send("DELETE", f"replications/{pair_id}")
    assert (asked.status == 200) == (status in PAIR)
    assert asked.status == 200 or asked.code == "SDRS.0214"


def test_a_failed_deletion_leaves_the_pair(open_cloud):
    cloud = open_cloud(faults=["DELETE replications/*:fail-job=SDRS.1813:first=1"])
    group_id = cloud.group()
    pair_id = cloud.pair(group_id)
    assert cloud.finished(cloud.send("DELETE", f"replications/{pair_id}"))["status"] == "FAIL"
    assert cloud.show_pair(pair_id)["status"] == "error-deleting"
    assert cloud.failures(group_id) == [("replications", pair_id, "deleteFail")]


@pytest.fixture
def three(cloud):
    """Pairs rp-a and RP-b in a group, of which rp-a is attached, and other in a group of the other direction."""
    first, second = cloud.group(), cloud.group(source_availability_zone="eu-de-02", target_availability_zone="eu-de-01")
    a = cloud.pair(first, name="rp-a")
    cloud.pair(first, name="RP-b")
    other = cloud.pair(second, name="other")
    cloud.world.operator.attach(cloud.instance(first, name="pi"), a)
    cloud.world.operator.set_replication_status(other, "error-extending")
    return cloud


def chosen(cloud, **query):
    listed = cloud.send("GET", "replications", **query)
    assert listed.status == 200, listed
    return [pair["name"] for pair in listed.body["replications"]]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["rp-a", "RP-b", "other", "pi-vda"]),
        ({"name": "RP"}, ["rp-a", "RP-b"]),
        ({"status": "error-extending"}, ["other"]),
        ({"query_type": "status_abnormal"}, ["other"]),
        ({"query_type": "general"}, ["rp-a", "RP-b", "other", "pi-vda"]),
        ({"availability_zone": "eu-de-02"}, ["other"]),
        ({"limit": 2, "offset": 1}, ["RP-b", "other"]),
    ],
)
def test_a_filter_chooses(three, query, names):
    assert chosen(three, **query) == names


FORMATS = ['["{}","{}"]', "['{}', '{}']", "[{},{}]", "{},{}"]


@pytest.mark.parametrize("pattern", FORMATS)
def test_lists_of_ids_are_understood_in_every_form(three, pattern):
    first, second = (group["id"] for group in three.world.groups())
    (instance,) = three.world.instances()
    assert chosen(three, server_group_ids=pattern.format(second, ABSENT)) == ["other"]
    assert chosen(three, protected_instance_ids=pattern.format(instance["id"], ABSENT)) == ["rp-a", "pi-vda"]
    both = {"server_group_ids": pattern.format(first, second), "server_group_id": second}
    assert chosen(three, **both) == ["rp-a", "RP-b", "other", "pi-vda"]


def test_a_key_may_be_repeated(three):
    first, second = (group["id"] for group in three.world.groups())
    query = "&".join(f"server_group_ids={quote(one)}" for one in (second, first))
    assert three.ask("GET", f"replications?{query}").body["count"] == 4


def test_one_group_or_one_instance_chooses(three):
    first, _ = (group["id"] for group in three.world.groups())
    (instance,) = three.world.instances()
    assert chosen(three, server_group_id=first) == ["rp-a", "RP-b", "pi-vda"]
    assert chosen(three, protected_instance_id=instance["id"]) == ["rp-a", "pi-vda"]
    assert chosen(three, protected_instance_id=ABSENT, protected_instance_ids=f"[{instance['id']}]") != []
    assert three.send("GET", "replications", protected_instance_id="x").code == "SDRS.0208"


def test_the_list_shows_what_get_shows(three):
    listed = three.send("GET", "replications").body["replications"]
    assert listed == [three.show_pair(pair["id"]) for pair in listed] == three.world.replications()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "replications/{}", None),
        ("PUT", "replications/{}", {"replication": {"name": "a"}}),
        ("DELETE", "replications/{}", None),
        ("POST", "replications/{}/action", {}),
    ],
)
def test_a_malformed_id_is_told_from_an_unknown_one(open_cloud, method, path, body):
    cloud = open_cloud()
    assert cloud.send(method, path.format("x"), body).code == "SDRS.0213"
    assert cloud.send(method, path.format(ABSENT), body).code == "SDRS.1608"
    promised = open_cloud(rules=Rules(not_found=NotFoundAs.NOT_FOUND)).send(method, path.format(ABSENT), body)
    assert (promised.status, promised.body["itemNotFound"]["code"]) == (404, "SDRS.1608")


@pytest.mark.parametrize("asked", ["create", "expand", "delete"])
def test_a_pair_removed_meanwhile_stays_removed(cloud, asked):
    group_id = cloud.group()
    if asked == "create":
        accepted = cloud.ask_pair(group_id)
    else:
        pair_id = cloud.pair(group_id)
        path = f"replications/{pair_id}"
        accepted = expand(cloud, pair_id, 120) if asked == "expand" else cloud.send("DELETE", path)
    (pair,) = cloud.world.replications()
    cloud.world.operator.delete_replication(pair["id"])
    assert cloud.finished(accepted)["status"] == "SUCCESS"
    assert cloud.world.replications() == []
