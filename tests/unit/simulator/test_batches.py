"""Several instances at once."""

import pytest

from declarative.simulator import Disk, Estate, Origin, Server, ServerDisk

ABSENT = "c3f1b5d3-98db-45a6-a20b-2cf0dd311efa"
VPC = "68679295-0223-4b5d-aecb-656d77977de2"
SHARED = "26c40b5b-f419-4131-8fa5-9f22d06a63b3"
WEB = ["f8b3cb98-30b5-4965-98ee-d4e24b98109a", "f8b3cb98-30b5-4965-98ee-d4e24b98109b"]


def create(cloud, group_id, servers, **changes):
    fields = {"name_prefix": "web", "server_group_id": group_id, "servers": servers} | changes
    return cloud.send("POST", "protected-instances/batch", {"protected_instances": fields})


def delete(cloud, ids, **options):
    body = {"protected_instances": [{"id": one} for one in ids], **options}
    return cloud.send("POST", "protected-instances/delete", body)


def finished(cloud, accepted):
    assert accepted.status == 202, accepted
    cloud.world.advance()
    return cloud.job(accepted)


@pytest.fixture
def sharing(cloud):
    """Two servers that share a disk."""
    for number, server_id in enumerate(WEB):
        disks = (
            ServerDisk(f"{number:08x}-0223-4b5d-aecb-656d77977de2", bootable=True),
            ServerDisk(SHARED, size=70, multiattach=True, device="/dev/vdb"),
        )
        cloud.world.operator.add_server(Server(server_id, "eu-de-01", VPC, disks=disks))
    return cloud


def test_a_batch_makes_an_instance_of_each_server(cloud):
    group_id = cloud.group()
    servers = [{"server_id": WEB[0]}, {"server_id": WEB[1], "flavorRef": "s3.xlarge.8"}]
    tags = [{"key": "stage", "value": "prod"}]
    job = finished(cloud, create(cloud, group_id, servers, description="all", tags=tags))
    assert job["status"] == "SUCCESS"
    instances = cloud.world.instances()
    assert [step["entities"] for step in job["entities"]["sub_jobs"]] == [
        {"protected_instance_id": instance["id"]} for instance in instances
    ]
    assert {step["job_type"] for step in job["entities"]["sub_jobs"]} == {"createProtectedInstanceNoCG"}
    assert [(one["name"], one["source_server"], one["status"]) for one in instances] == [
        ("web-0001", WEB[0], "available"),
        ("web-0002", WEB[1], "available"),
    ]
    assert [one["description"] for one in instances] == ["all"] * 2
    assert [one["tags"] for one in instances] == [tags] * 2
    assert cloud.server(instances[1]["target_server"])["flavor"] == "s3.xlarge.8"


def test_servers_that_share_a_disk_get_one_pair_for_it(sharing):
    group_id = sharing.group()
    finished(sharing, create(sharing, group_id, [{"server_id": one} for one in WEB]))
    ids = [instance["id"] for instance in sharing.world.instances()]
    (pair,) = [pair for pair in sharing.world.replications() if pair["record_metadata"]["multiattach"]]
    assert [one["protected_instance"] for one in pair["attachment"]] == ids
    assert {one["device"] for one in pair["attachment"]} == {"/dev/vdb"}
    assert len(sharing.world.replications()) == 3
    assert sharing.send("DELETE", f"protected-instances/{ids[0]}").code == "SDRS.1365"
    assert delete(sharing, ids[:1]).code == "SDRS.1409"
    assert finished(sharing, delete(sharing, ids, delete_target_server=True))["status"] == "SUCCESS"
    assert sharing.world.instances() == sharing.world.replications() == []
    assert {server["id"] for server in sharing.world.servers()} == set(WEB)
    assert sharing.finished(sharing.send("DELETE", f"server-groups/{group_id}"))["status"] == "SUCCESS"


def test_servers_that_share_a_disk_go_together(sharing):
    group_id = sharing.group()
    assert create(sharing, group_id, [{"server_id": WEB[0]}]).code == "SDRS.1806"
    stranger = {"server_id": ABSENT}
    assert create(sharing, group_id, [{"server_id": WEB[0]}, stranger]).code == "SDRS.1408"
    assert sharing.world.instances() == []


@pytest.mark.parametrize(
    ("servers", "changes", "code"),
    [
        ([], {}, "SDRS.0201"),
        (None, {}, "SDRS.0201"),
        (["x"], {}, "SDRS.0201"),
        ([{"server_id": "x"}], {}, "SDRS.0210"),
        ([{"server_id": WEB[0]}] * 2, {}, "SDRS.1361"),
        ([{"server_id": f"{one:08x}{ABSENT[8:]}"} for one in range(6)], {}, "SDRS.1362"),
        ([{"server_id": WEB[0], "flavorRef": "c6.x"}], {}, "SDRS.1353"),
        ([{"server_id": WEB[0]}], {"name_prefix": "x" * 60}, "SDRS.0202"),
        ([{"server_id": WEB[0]}], {"name_prefix": None}, "SDRS.0202"),
        ([{"server_id": WEB[0]}], {"description": "<"}, "SDRS.0212"),
        ([{"server_id": WEB[0]}], {"server_group_id": ABSENT}, "SDRS.1013"),
    ],
)
def test_a_bad_batch_is_refused(cloud, servers, changes, code):
    assert create(cloud, cloud.group(), servers, **changes).code == code


def test_an_unknown_server_is_refused(open_cloud):
    cloud = open_cloud(origin=Origin(estate=Estate()))
    assert create(cloud, cloud.group(), [{"server_id": WEB[0]}]).code == "SDRS.1360"


def test_the_group_must_be_steady(cloud):
    group_id = cloud.group()
    cloud.world.operator.set_status(group_id, "error-stopping")
    assert create(cloud, group_id, [{"server_id": WEB[0]}]).code == "SDRS.1024"


@pytest.mark.parametrize("ids", [[], [ABSENT] * 21, None])
def test_a_deletion_names_1_to_20(cloud, ids):
    body = {"protected_instances": ids and [{"id": one} for one in ids]}
    assert cloud.send("POST", "protected-instances/delete", body).code == "SDRS.0201"


def test_a_bad_deletion_is_refused(cloud):
    one, other = cloud.instance(cloud.group()), cloud.instance(cloud.group())
    assert delete(cloud, ["x"]).code == "SDRS.0208"
    assert delete(cloud, [ABSENT]).code == "SDRS.1320"
    assert delete(cloud, [one, one]).code == "SDRS.1363"
    assert delete(cloud, [one, other]).code == "SDRS.1364"
    assert cloud.send("POST", "protected-instances/delete", {"protected_instances": ["x"]}).code == "SDRS.0201"
    cloud.world.operator.set_instance_status(one, "resizing")
    assert delete(cloud, [one]).code == "SDRS.1301"
    assert [instance["status"] for instance in cloud.world.instances()] == ["resizing", "available"]


def test_a_failed_batch_fails_all(open_cloud):
    faults = ["POST protected-instances/batch:fail-job=SDRS.1350:first=1", "POST */delete:fail-job=SDRS.1351:first=1"]
    cloud = open_cloud(faults=faults)
    group_id = cloud.group()
    job = finished(cloud, create(cloud, group_id, [{"server_id": one} for one in WEB]))
    assert (job["status"], job["error_code"]) == ("FAIL", "SDRS.1350")
    ids = [instance["id"] for instance in cloud.world.instances()]
    assert [instance["status"] for instance in cloud.world.instances()] == ["error"] * 2
    assert finished(cloud, delete(cloud, ids))["status"] == "FAIL"
    assert [instance["status"] for instance in cloud.world.instances()] == ["error-deleting"] * 2
    assert [failure[2] for failure in cloud.failures(group_id)] == ["createFail"] * 2 + ["deleteFail"] * 2


def test_a_shared_disk_that_is_free_is_paired_by_itself(cloud):
    cloud.world.operator.add_disk(Disk(SHARED, "eu-de-01", multiattach=True))
    assert cloud.pair(cloud.group(), volume_id=SHARED)
