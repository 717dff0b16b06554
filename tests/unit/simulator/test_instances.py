"""Protected instances: creation and what comes with it, reading, renaming, deletion and what stays behind."""

import pytest

from declarative.simulator import NotFoundAs, Origin, Rules, Server, ServerDisk

ABSENT = "c3f1b5d3-98db-45a6-a20b-2cf0dd311efa"
SUBNET = "0a5b2a08-9092-43da-9762-727aa5fa1e19"
SERVER = "f8b3cb98-30b5-4965-98ee-d4e24b98109a"
VPC = "68679295-0223-4b5d-aecb-656d77977de2"


def test_a_new_instance_reads_as_it_was_asked_for(cloud):
    group_id = cloud.group()
    asked = cloud.ask_instance(group_id, server_id=SERVER, description="node", tags=[{"key": "stage", "value": "prod"}])
    assert (asked.status, list(asked.body)) == (200, ["job_id"])
    job = cloud.finished(asked)
    assert (job["status"], job["job_type"]) == ("SUCCESS", "createProtectedInstanceNoCG")
    shown = cloud.show_instance(job["entities"]["protected_instance_id"])
    (pair,) = cloud.world.replications()
    assert shown == {
        "id": job["entities"]["protected_instance_id"],
        "name": "pi-orders",
        "description": "node",
        "server_group_id": group_id,
        "status": "available",
        "progress": 0,
        "source_server": SERVER,
        "target_server": job["entities"]["native_server_id"],
        "priority_station": "source",
        "attachment": [{"replication": pair["id"], "device": "/dev/vda"}],
        "tags": [{"key": "stage", "value": "prod"}],
        "metadata": {},
        "created_at": "2025-03-11 09:14:02.912",
        "updated_at": "2025-03-11 09:17:22.912",
    }
    assert cloud.show(group_id)["protected_instance_num"] == cloud.show(group_id)["replication_num"] == 1


def test_while_it_is_created_neither_its_server_nor_its_second_disk_is_there(cloud):
    group_id = cloud.group()
    job = cloud.job(cloud.ask_instance(group_id))
    assert "protected_instance_id" not in job["entities"]
    (instance,), (pair,) = cloud.world.instances(), cloud.world.replications()
    assert (instance["status"], instance["target_server"], pair["status"]) == ("creating", None, "creating")
    assert len(pair["volume_ids"].split(",")) == 1
    assert cloud.act(group_id, "start-server-group").code == "SDRS.1002"


def test_servers_disks_and_pairs_come_with_an_instance(cloud):
    disks = (
        ServerDisk(ABSENT, size=50, type="SSD", bootable=True, device="/dev/vda"),
        ServerDisk(SUBNET, size=200, type="SAS", device="/dev/vdb"),
    )
    cloud.world.operator.add_server(Server(SERVER, "eu-de-01", VPC, name="web-1", flavor="s3.large.4", disks=disks))
    instance = cloud.show_instance(cloud.instance(cloud.group(), server_id=SERVER))
    target = cloud.server(instance["target_server"])
    assert {key: target[key] for key in ("name", "availability_zone", "vpc_id", "status", "flavor", "role")} == {
        "name": "web-1",
        "availability_zone": "eu-de-02",
        "vpc_id": VPC,
        "status": "shutoff",
        "flavor": "s3.large.4",
        "role": "recovery",
    }
    pairs = cloud.world.replications()
    assert [pair["volume_ids"].split(",")[0] for pair in pairs] == [ABSENT, SUBNET]
    assert [pair["record_metadata"]["volume_size"] for pair in pairs] == [50, 200]
    assert [one["device"] for one in instance["attachment"]] == ["/dev/vda", "/dev/vdb"]
    made = [(disk["device"], disk["size"], disk["type"], disk["status"]) for disk in target["disks"]]
    assert made == [("/dev/vda", 50, "SSD", "in-use"), ("/dev/vdb", 200, "SAS", "in-use")]
    assert [disk["id"] for disk in target["disks"]] == [pair["volume_ids"].split(",")[1] for pair in pairs]


def test_the_job_has_a_flat_subjob_for_each_pair(cloud):
    job = cloud.finished(cloud.ask_instance(cloud.group()))
    (pair,) = cloud.world.replications()
    (step,) = job["entities"]["sub_jobs"]
    assert (step["job_type"], step["status"]) == ("createReplicationPairNoCG", "SUCCESS")
    assert step["entities"] == {"replication_pair_id": pair["id"]}


def test_details_of_an_assumed_server_follow_from_its_id(open_cloud):
    def details(seed):
        cloud = open_cloud(seed=seed)
        cloud.instance(cloud.group(), server_id=SERVER)
        return cloud.server(SERVER)

    assert details(1) == details(2)
    assert (details(1)["status"], details(1)["disks"][0]["size"]) == ("active", 40)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "a b"}, "SDRS.0202"),
        ({"name": ...}, "SDRS.0202"),
        ({"description": "<"}, "SDRS.0212"),
        ({"server_group_id": ...}, "SDRS.0207"),
        ({"server_group_id": "x"}, "SDRS.0207"),
        ({"server_group_id": ABSENT}, "SDRS.1013"),
        ({"server_id": ...}, "SDRS.0210"),
        ({"server_id": "web-1"}, "SDRS.0210"),
        ({"primary_ip_address": "10.0.0.256", "primary_subnet_id": SUBNET}, "SDRS.0219"),
        ({"primary_ip_address": 7, "primary_subnet_id": SUBNET}, "SDRS.0219"),
        ({"primary_ip_address": "10.0.0.5"}, "SDRS.1380"),
        ({"primary_subnet_id": "x"}, "SDRS.1335"),
        ({"flavorRef": "c6.large.2"}, "SDRS.1353"),
        ({"flavorRef": ""}, "SDRS.0201"),
        ({"tags": [{"key": "k", "value": "v"}] * 2}, "SDRS.2209"),
        ({"tags": [{"key": str(number), "value": ""} for number in range(11)]}, "SDRS.2203"),
        ({"tags": [{"key": "a*"}]}, "SDRS.2204"),
        ({"tags": {}}, "SDRS.0201"),
    ],
)
def test_a_bad_field_is_refused_with_its_code(cloud, changes, code):
    refused = cloud.ask_instance(cloud.group(), **changes)
    assert (refused.status, refused.code) == (400, code)
    assert (cloud.world.instances(), cloud.world.servers()) == ([], [])


SYSTEM = ServerDisk(ABSENT, bootable=True)


@pytest.mark.parametrize(
    ("server", "code"),
    [
        (Server(SERVER, "eu-de-02", VPC, disks=(SYSTEM,)), "SDRS.1303"),
        (Server(SERVER, "eu-de-01", SUBNET, disks=(SYSTEM,)), "SDRS.1304"),
        (Server(SERVER, "eu-de-01", VPC, disks=(SYSTEM,), status="error"), "SDRS.1333"),
        (Server(SERVER, "eu-de-01", VPC), "SDRS.1321"),
        (Server(SERVER, "eu-de-01", VPC, disks=(ServerDisk(ABSENT),)), "SDRS.1339"),
        (Server(SERVER, "eu-de-01", VPC, disks=(SYSTEM,), flavor="c6.large.2"), "SDRS.1356"),
        (Server(SERVER, "eu-de-01", VPC, disks=(SYSTEM, ServerDisk(SUBNET, multiattach=True))), "SDRS.1806"),
    ],
)
def test_a_server_that_can_not_be_protected_is_refused(cloud, server, code):
    cloud.world.operator.add_server(server)
    assert cloud.ask_instance(cloud.group(), server_id=SERVER).code == code
    assert cloud.world.instances() == []


def test_a_server_with_a_disk_of_a_pair_is_refused(cloud):
    group_id = cloud.group()
    cloud.pair(group_id, volume_id=SUBNET)
    cloud.world.operator.add_server(Server(SERVER, "eu-de-01", VPC, disks=(SYSTEM, ServerDisk(SUBNET))))
    assert cloud.ask_instance(group_id, server_id=SERVER).code == "SDRS.1811"


@pytest.mark.parametrize("lost", ["server", "disk"])
def test_what_is_lost_while_an_instance_is_created_is_not_made_up(cloud, lost):
    group_id = cloud.group()
    accepted = cloud.ask_instance(group_id, server_id=SERVER)
    if lost == "server":
        cloud.world.operator.delete_server(SERVER)
    else:
        cloud.world.operator.delete_disk(cloud.server(SERVER)["disks"][0]["id"])
    assert cloud.finished(accepted)["status"] == "SUCCESS"
    (instance,), (pair,) = cloud.world.instances(), cloud.world.replications()
    assert (instance["target_server"] is None) == (lost == "server")
    assert len(pair["volume_ids"].split(",")) == 1
    assert "invalid" in (instance["status"], pair["status"])


def test_a_server_that_is_shut_off_can_be_protected(cloud):
    cloud.world.operator.add_server(Server(SERVER, "eu-de-01", VPC, status="shutoff", disks=(SYSTEM,)))
    assert cloud.instance(cloud.group(), server_id=SERVER)


def test_one_instance_per_server(cloud):
    group_id = cloud.group()
    target = cloud.show_instance(cloud.instance(group_id, server_id=SERVER))["target_server"]
    assert cloud.ask_instance(cloud.group(), server_id=SERVER).code == "SDRS.1305"
    assert cloud.ask_instance(group_id, server_id=target).code == "SDRS.1305"


def test_an_address_is_given_once(cloud):
    group_id = cloud.group()
    network = {"primary_subnet_id": SUBNET, "primary_ip_address": "10.20.0.31"}
    cloud.instance(group_id, **network)
    assert cloud.ask_instance(group_id, **network).code == "SDRS.1334"
    assert cloud.ask_instance(group_id, primary_subnet_id=SUBNET, primary_ip_address="10.20.0.32").status == 200


STEADY = {"available", "protected"}


@pytest.mark.parametrize("status", ["available", "protected", "starting", "failed-over", "error", "odd"])
def test_the_group_must_be_steady(cloud, status):
    group_id = cloud.group()
    cloud.world.operator.set_status(group_id, status)
    asked = cloud.ask_instance(group_id)
    assert asked.status == (200 if status in STEADY else 400)
    if status not in STEADY:
        assert asked.code == "SDRS.1024"


def test_members_of_one_group_are_made_at_the_same_time(cloud):
    group_id = cloud.group()
    accepted = [cloud.ask_instance(group_id) for _ in range(3)]
    assert [reply.status for reply in accepted] == [200] * 3
    assert {cloud.finished(reply)["status"] for reply in accepted} == {"SUCCESS"}
    assert cloud.show(group_id)["protected_instance_num"] == 3


def test_a_group_may_take_one_job_at_a_time(open_cloud):
    cloud = open_cloud(rules=Rules(one_at_a_time=True))
    group_id = cloud.group()
    first = cloud.ask_instance(group_id)
    assert cloud.ask_instance(group_id).code == cloud.ask_pair(group_id).code == "SDRS.1002"
    cloud.finished(first)
    assert cloud.ask_instance(group_id).status == 200


def test_limits_and_quotas(open_cloud):
    cloud = open_cloud(rules=Rules(instance_limit=1), origin=Origin(replication_quota=2))
    first, second = cloud.group(), cloud.group()
    cloud.instance(first)
    assert cloud.ask_instance(first).code == "SDRS.1358"
    cloud.instance(second)
    assert cloud.ask_instance(cloud.group()).code == "SDRS.0306"
    used = {one["type"]: one["used"] for one in cloud.send("GET", "sdrs/quotas").body["quotas"]["resources"]}
    assert used == {"server_groups": 3, "replications": 2}


def test_a_failed_creation_leaves_an_instance_in_error(open_cloud):
    cloud = open_cloud(faults=["POST protected-instances:fail-job=SDRS.1350:first=1"])
    group_id = cloud.group()
    job = cloud.finished(cloud.ask_instance(group_id, server_id=SERVER))
    assert (job["status"], job["error_code"]) == ("FAIL", "SDRS.1350")
    assert "protected_instance_id" not in job["entities"]
    (instance,), (pair,) = cloud.world.instances(), cloud.world.replications()
    assert (instance["status"], pair["status"], pair["failure_detail"]) == ("error", "error", "SDRS.1350")
    assert cloud.failures(group_id) == [("protected_instances", instance["id"], "createFail")]
    assert cloud.finished(cloud.send("DELETE", f"protected-instances/{instance['id']}"))["status"] == "SUCCESS"
    assert (cloud.world.instances(), cloud.world.replications()) == ([], [])
    assert cloud.instance(group_id, server_id=SERVER)


def test_a_failed_creation_stays_so_when_the_group_is_enabled(open_cloud):
    cloud = open_cloud(faults=["POST protected-instances:fail-job=SDRS.1350:first=1"])
    group_id = cloud.group()
    cloud.finished(cloud.ask_instance(group_id))
    cloud.instance(group_id)
    cloud.finished(cloud.act(group_id, "start-server-group"))
    assert [instance["status"] for instance in cloud.world.instances()] == ["error", "protected"]
    assert [pair["status"] for pair in cloud.world.replications()] == ["error", "protected"]


def test_a_rename_changes_the_name_alone(cloud):
    instance_id = cloud.instance(cloud.group())
    before = cloud.show_instance(instance_id)
    renamed = cloud.send("PUT", f"protected-instances/{instance_id}", {"protected_instance": {"name": "new"}})
    assert (renamed.status, renamed.body["protected_instance"]["name"]) == (200, "new")
    assert renamed.body["protected_instance"]["created_at"].endswith(":02.0")
    assert cloud.show_instance(instance_id) == before | {"name": "new"}
    assert cloud.server(before["source_server"])["name"] != "new"
    bad = cloud.send("PUT", f"protected-instances/{instance_id}", {"protected_instance": {"name": "a b"}})
    assert bad.code == "SDRS.0202"


def test_a_deletion_takes_the_pairs_and_leaves_the_servers(cloud):
    group_id = cloud.group()
    instance = cloud.show_instance(cloud.instance(group_id))
    (pair,) = cloud.world.replications()
    accepted = cloud.send("DELETE", f"protected-instances/{instance['id']}")
    assert cloud.show_instance(instance["id"])["status"] == "deleting"
    job = cloud.finished(accepted)
    assert (job["status"], job["job_type"]) == ("SUCCESS", "deleteProtectedInstanceNoCG")
    assert cloud.send("GET", f"protected-instances/{instance['id']}").code == "SDRS.1320"
    assert cloud.send("GET", f"replications/{pair['id']}").code == "SDRS.1608"
    left = cloud.server(instance["target_server"])
    assert (left["role"], len(left["disks"])) == ("ordinary", 1)
    assert cloud.finished(cloud.send("DELETE", f"server-groups/{group_id}"))["status"] == "SUCCESS"


def test_a_deletion_takes_the_dr_server_when_it_is_told_to(cloud):
    instance = cloud.show_instance(cloud.instance(cloud.group()))
    options = {"delete_target_server": True, "delete_target_eip": False}
    cloud.finished(cloud.send("DELETE", f"protected-instances/{instance['id']}", options))
    assert cloud.world.servers() == cloud.world.disks() == []


def test_a_production_server_is_never_deleted(cloud):
    cloud.world.operator.add_server(Server(SERVER, "eu-de-01", VPC, disks=(SYSTEM,)))
    instance_id = cloud.instance(cloud.group(), server_id=SERVER)
    cloud.finished(cloud.send("DELETE", f"protected-instances/{instance_id}", {"delete_target_server": True}))
    assert [server["id"] for server in cloud.world.servers()] == [SERVER]
    assert [disk["id"] for disk in cloud.world.disks()] == [ABSENT]


@pytest.mark.parametrize("body", [b"[]", b"{", {"delete_target_server": "yes"}, {"delete_target_eip": 1}])
def test_bad_delete_options_are_refused(cloud, body):
    instance_id = cloud.instance(cloud.group())
    assert cloud.send("DELETE", f"protected-instances/{instance_id}", body).code == "SDRS.0201"


@pytest.mark.parametrize("body", [None, b"", b" ", {}, {"delete_target_server": None}])
def test_missing_delete_options_are_false(cloud, body):
    instance = cloud.show_instance(cloud.instance(cloud.group()))
    cloud.finished(cloud.send("DELETE", f"protected-instances/{instance['id']}", body))
    assert cloud.server(instance["target_server"]) is not None


DELETABLE = {
    "available", "protected", "failed-over", "error", "error-starting", "error-stopping", "error-reversing",
    "error-failing-over", "error-deleting", "error-reprotecting", "error-resizing", "invalid", "fault",
}  # fmt: skip
OTHERS = {"creating", "starting", "deleting", "resizing", "nic-creating", "nic-deleting", "odd"}


@pytest.mark.parametrize("status", sorted(DELETABLE | OTHERS))
def test_the_status_decides_whether_an_instance_can_be_deleted(cloud, status):
    instance_id = cloud.instance(cloud.group())
    cloud.world.operator.set_instance_status(instance_id, status)
    answer = cloud.send("DELETE", f"protected-instances/{instance_id}")
    assert (answer.status == 200) == (status in DELETABLE)
    if status not in DELETABLE:
        assert answer.code == "SDRS.1301"


def test_a_busy_group_lets_no_instance_go(cloud):
    group_id, instance_id = cloud.protected()
    cloud.act(group_id, "stop-server-group")
    assert cloud.send("DELETE", f"protected-instances/{instance_id}").code == "SDRS.1324"


def test_a_failed_deletion_leaves_the_instance(open_cloud):
    cloud = open_cloud(faults=["DELETE protected-instances/*:fail-job=SDRS.1351:first=1"])
    group_id = cloud.group()
    instance_id = cloud.instance(group_id)
    assert cloud.finished(cloud.send("DELETE", f"protected-instances/{instance_id}"))["status"] == "FAIL"
    assert cloud.show_instance(instance_id)["status"] == "error-deleting"
    assert cloud.failures(group_id) == [("protected_instances", instance_id, "deleteFail")]
    assert cloud.finished(cloud.send("DELETE", f"protected-instances/{instance_id}"))["status"] == "SUCCESS"


@pytest.fixture
def three(cloud):
    """Instances pi-a and PI-b in a protected group, other in one of the other direction, which is available."""
    first, second = cloud.group(), cloud.group(source_availability_zone="eu-de-02", target_availability_zone="eu-de-01")
    for group_id, name in ((first, "pi-a"), (first, "PI-b"), (second, "other")):
        cloud.instance(group_id, name=name)
    cloud.finished(cloud.act(first, "start-server-group"))
    return cloud


def chosen(cloud, **query):
    listed = cloud.send("GET", "protected-instances", **query)
    assert listed.status == 200, listed
    assert listed.body["count"] >= len(listed.body["protected_instances"])
    return [instance["name"] for instance in listed.body["protected_instances"]]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["pi-a", "PI-b", "other"]),
        ({"status": "protected"}, ["pi-a", "PI-b"]),
        ({"status": "nic-creating"}, []),
        ({"name": "pi"}, ["pi-a", "PI-b"]),
        ({"availability_zone": "eu-de-02"}, ["other"]),
        ({"query_type": "status_abnormal"}, []),
        ({"limit": 1, "offset": 1}, ["PI-b"]),
        ({"limit": 2, "offset": 9, "marker": "x"}, []),
    ],
)
def test_a_filter_chooses(three, query, names):
    assert chosen(three, **query) == names


def test_ids_choose_and_groups_beat_instances(three):
    first, second = (group["id"] for group in three.world.groups())
    a, b, other = (instance["id"] for instance in three.world.instances())
    assert chosen(three, server_group_id=second) == ["other"]
    assert chosen(three, server_group_ids=f'["{first}"]', server_group_id=second) == ["pi-a", "PI-b"]
    assert chosen(three, protected_instance_ids=f"['{b}', '{other}']") == ["PI-b", "other"]
    assert chosen(three, protected_instance_ids=f"[{a}]", server_group_id=second) == ["other"]
    assert chosen(three, protected_instance_ids=f"['{ABSENT}']") == []
    assert chosen(three, server_group_ids="[]") == ["pi-a", "PI-b", "other"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"status": "attaching"}, "SDRS.0209"),
        ({"limit": -1}, "SDRS.0221"),
        ({"offset": "x"}, "SDRS.0222"),
        ({"query_type": "stop_protected"}, "SDRS.0201"),
        ({"server_group_id": "x"}, "SDRS.0207"),
        ({"protected_instance_ids": [f"{number}" for number in range(31)]}, "SDRS.0226"),
    ],
)
def test_a_bad_query_is_refused(three, query, code):
    assert three.send("GET", "protected-instances", **query).code == code


def test_the_list_shows_what_get_shows(three):
    listed = three.send("GET", "protected-instances").body["protected_instances"]
    assert listed == [three.show_instance(instance["id"]) for instance in listed] == three.world.instances()


CALLS = [
    ("GET", "protected-instances/{}", None),
    ("PUT", "protected-instances/{}", {"protected_instance": {"name": "a"}}),
    ("DELETE", "protected-instances/{}", None),
    ("POST", "protected-instances/{}/attachreplication", {"replicationAttachment": {}}),
    ("DELETE", "protected-instances/{}/detachreplication/" + ABSENT, None),
    ("POST", "protected-instances/{}/nic", {}),
    ("POST", "protected-instances/{}/nic/delete", {}),
    ("POST", "protected-instances/{}/resize", {}),
    ("POST", "protected-instances/{}/tags", {}),
    ("GET", "protected-instances/{}/tags", None),
    ("POST", "protected-instances/{}/tags/action", {}),
    ("DELETE", "protected-instances/{}/tags/x", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_a_malformed_id_is_told_from_an_unknown_one(open_cloud, method, path, body):
    cloud = open_cloud()
    assert cloud.send(method, path.format("x"), body).code == "SDRS.0208"
    missing = cloud.send(method, path.format(ABSENT), body)
    assert (missing.status, missing.code) == (400, "SDRS.1320")
    promised = open_cloud(rules=Rules(not_found=NotFoundAs.NOT_FOUND)).send(method, path.format(ABSENT), body)
    assert (promised.status, promised.body["itemNotFound"]["code"]) == (404, "SDRS.1320")


def test_a_new_instance_may_lag_behind_in_lists(open_cloud):
    cloud = open_cloud(faults=["GET protected-instances:list-lag=30"])
    group_id = cloud.group()
    cloud.ask_instance(group_id)
    assert chosen(cloud) == []
    cloud.clock.pass_by(30)
    assert chosen(cloud) == ["pi-orders"]


@pytest.mark.parametrize("asked", ["create", "delete"])
def test_an_instance_removed_meanwhile_stays_removed(cloud, asked):
    group_id = cloud.group()
    if asked == "create":
        accepted = cloud.ask_instance(group_id)
        (instance,) = cloud.world.instances()
    else:
        instance = cloud.show_instance(cloud.instance(group_id))
        accepted = cloud.send("DELETE", f"protected-instances/{instance['id']}")
    cloud.world.operator.delete_instance(instance["id"])
    assert cloud.finished(accepted)["status"] == "SUCCESS"
    assert cloud.world.instances() == cloud.world.replications() == []
    assert cloud.show(group_id)["replication_num"] == 0
