"""The members of groups under the vendor's own client: instances, pairs, attachments, tags, drills, statistics.

The client decodes answers into its own models, so that a key that is missing or of another shape is seen.
"""

import http.client
import json
from urllib.parse import urlsplit

import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdksdrs.v1 import model as sdrs

SERVER = "f8b3cb98-30b5-4965-98ee-d4e24b98109a"
OTHER = "f8b3cb98-30b5-4965-98ee-d4e24b98109b"
VOLUME = "26c40b5b-f419-4131-8fa5-9f22d06a63b3"
SUBNET = "0a5b2a08-9092-43da-9762-727aa5fa1e19"
DRILL_VPC = "b74770d1-1b52-4159-8687-8bc3af71001a"
ABSENT = "c3f1b5d3-98db-45a6-a20b-2cf0dd311efa"


def tag(key, value):
    return sdrs.ResourceTag(key=key, value=value)


def missing(shown):
    """The keys of a model that the answer didn't fill."""
    return [key for key in shown.openapi_types if getattr(shown, key) is None]


@pytest.fixture
def create_instance(client, group):
    """Create an instance in a group of its own, and give the answer."""

    def creator(**changes):
        given = {"server_group_id": changes.pop("server_group_id", None) or group(), "server_id": SERVER}
        params = sdrs.CreateProtectedInstanceRequestParams(**{**given, "name": "pi-orders", **changes})
        body = sdrs.CreateProtectedInstanceRequestBody(protected_instance=params)
        return client.create_protected_instance(sdrs.CreateProtectedInstanceRequest(body=body))

    return creator


@pytest.fixture
def instance(create_instance, job):
    """The id of a new instance."""
    return lambda **changes: job(create_instance(**changes)).entities.protected_instance_id


@pytest.fixture
def show_instance(client):
    """An instance as the client reads it."""
    return lambda instance_id: (
        client.show_protected_instance(
            sdrs.ShowProtectedInstanceRequest(protected_instance_id=instance_id)
        ).protected_instance
    )


@pytest.fixture
def create_pair(client, group):
    """Create a pair in a group of its own, and give the answer."""

    def creator(**changes):
        given = {"server_group_id": changes.pop("server_group_id", None) or group(), "volume_id": VOLUME}
        params = sdrs.CreateReplicationRequestParams(**{**given, "name": "rp-orders", **changes})
        body = sdrs.CreateReplicationRequestBody(replication=params)
        return client.create_replication(sdrs.CreateReplicationRequest(body=body))

    return creator


@pytest.fixture
def pair(create_pair, job):
    """The id of a new pair."""
    return lambda **changes: job(create_pair(**changes)).entities.replication_pair_id


@pytest.fixture
def show_pair(client):
    """A pair as the client reads it."""
    return lambda pair_id: client.show_replication(sdrs.ShowReplicationRequest(replication_id=pair_id)).replication


def test_create_an_instance(create_instance, job, show_instance, show_pair):
    accepted = create_instance(
        description="database node",
        primary_subnet_id=SUBNET,
        primary_ip_address="10.20.0.31",
        flavor_ref="s3.large.4",
        tags=[tag("stage", "prod")],
    )
    assert accepted.status_code == 200
    done = job(accepted)
    assert (done.status, done.job_type) == ("SUCCESS", "createProtectedInstanceNoCG")
    shown = show_instance(done.entities.protected_instance_id)
    assert missing(shown) == []
    assert (shown.name, shown.description, shown.status) == ("pi-orders", "database node", "available")
    assert (shown.source_server, shown.target_server) == (SERVER, done.entities.native_server_id)
    assert shown.tags == [tag("stage", "prod")]
    assert shown.metadata.system__frozen is None
    (attachment,) = shown.attachment
    assert attachment.device == "/dev/vda"
    (step,) = done.entities.sub_jobs
    assert (step.status, step.entities.replication_pair_id) == ("SUCCESS", attachment.replication)
    made = show_pair(attachment.replication)
    assert [one.protected_instance for one in made.attachment] == [shown.id]


def test_list_instances(client, group, instance):
    first, second = group(), group()
    ids = [instance(server_group_id=first, name="pi-a"), instance(server_group_id=second, server_id=OTHER, name="b")]

    def names(**query):
        listed = client.list_protected_instances(sdrs.ListProtectedInstancesRequest(**query))
        return listed.count, [item.name for item in listed.protected_instances]

    assert names() == (2, ["pi-a", "b"])
    assert names(server_group_id=second) == (1, ["b"])
    assert names(server_group_ids=f"['{first}']") == (1, ["pi-a"])
    assert names(protected_instance_ids=json.dumps(ids[1:])) == (1, ["b"])
    assert names(name="PI", status="available", availability_zone="eu-de-01", query_type="general") == (1, ["pi-a"])
    assert names(limit=1, offset=1) == (2, ["b"])


def test_rename_an_instance(client, instance):
    instance_id = instance()
    params = sdrs.UpdateProtectedInstanceNameRequestParams(name="pi-new")
    body = sdrs.UpdateProtectedInstanceNameRequestBody(protected_instance=params)
    request = sdrs.UpdateProtectedInstanceNameRequest(protected_instance_id=instance_id, body=body)
    renamed = client.update_protected_instance_name(request).protected_instance
    assert (renamed.id, renamed.name) == (instance_id, "pi-new")


@pytest.mark.parametrize("body", [{}, {"delete_target_server": True, "delete_target_eip": False}])
def test_delete_an_instance(client, world, instance, job, show_instance, body):
    instance_id = instance()
    body = sdrs.DeleteProtectedInstanceRequestBody(**body)
    request = sdrs.DeleteProtectedInstanceRequest(protected_instance_id=instance_id, body=body)
    done = job(client.delete_protected_instance(request))
    assert (done.status, done.entities.protected_instance_id) == ("SUCCESS", instance_id)
    assert len(world.servers()) == (0 if body.delete_target_server else 1)
    with pytest.raises(ClientRequestException) as caught:
        show_instance(instance_id)
    assert (caught.value.status_code, caught.value.error_code) == (400, "SDRS.1320")


def test_batches(client, world, group, job):
    servers = [sdrs.ServerInfo(server_id=SERVER), sdrs.ServerInfo(server_id=OTHER, flavor_ref="s3.large.4")]
    params = sdrs.BatchCreateProtectedInstancesRequestParams(
        name_prefix="web", server_group_id=group(), servers=servers, tags=[tag("a", "1")]
    )
    body = sdrs.BatchCreateProtectedInstancesRequestBody(protected_instances=params)
    accepted = client.batch_create_protected_instances(sdrs.BatchCreateProtectedInstancesRequest(body=body))
    assert accepted.status_code == 202
    ids = [step.entities.protected_instance_id for step in job(accepted).entities.sub_jobs]
    assert [(one["id"], one["name"]) for one in world.instances()] == list(
        zip(ids, ("web-0001", "web-0002"), strict=True)
    )
    listed = [sdrs.ResourceId(id=one) for one in ids]
    gone = sdrs.BatchDeleteProtectedInstancesRequestBody(protected_instances=listed, delete_target_server=True)
    deleted = client.batch_delete_protected_instances(sdrs.BatchDeleteProtectedInstancesRequest(body=gone))
    assert (deleted.status_code, job(deleted).status, world.instances()) == (202, "SUCCESS", [])


def test_attach_and_detach(client, group, instance, pair, job, show_pair):
    group_id = group()
    instance_id, pair_id = instance(server_group_id=group_id), pair(server_group_id=group_id)
    params = sdrs.ProtectedInstanceAttachReplicationRequestParams(replication_id=pair_id, device="/dev/sdb")
    body = sdrs.ProtectedInstanceAttachReplicationRequestBody(replication_attachment=params)
    request = sdrs.AttachProtectedInstanceReplicationRequest(protected_instance_id=instance_id, body=body)
    done = job(client.attach_protected_instance_replication(request))
    assert (done.status, done.job_type, done.entities.sub_jobs) == ("SUCCESS", "attachReplicationPairNew", None)
    (attachment,) = show_pair(pair_id).attachment
    assert (attachment.protected_instance, attachment.device) == (instance_id, "/dev/vdb")
    away = sdrs.DetachProtectedInstanceReplicationRequest(protected_instance_id=instance_id, replication_id=pair_id)
    assert job(client.detach_protected_instance_replication(away)).job_type == "detachReplicationPairNew"
    assert show_pair(pair_id).attachment == []


def test_nics(client, instance, job):
    instance_id = instance()
    groups = [sdrs.SecurityGroupsParams(id=ABSENT)]
    body = sdrs.ProtectedInstanceAddNicRequestBody(subnet_id=SUBNET, security_groups=groups, ip_address="10.0.0.9")
    request = sdrs.AddProtectedInstanceNicRequest(protected_instance_id=instance_id, body=body)
    done = job(client.add_protected_instance_nic(request))
    assert (done.status, done.job_type) == ("SUCCESS", "addNicNew")
    body = sdrs.ProtectedInstanceDeleteNicRequestBody(nic_id=done.entities.nic_id)
    request = sdrs.DeleteProtectedInstanceNicRequest(protected_instance_id=instance_id, body=body)
    assert job(client.delete_protected_instance_nic(request)).job_type == "deleteNicNew"


def test_resize(client, world, instance, job, show_instance):
    instance_id = instance()
    params = sdrs.ResizeProtectedInstanceRequestParams(dr_flavor_ref="s3.2xlarge.8")
    body = sdrs.ResizeProtectedInstanceRequestBody(resize=params)
    request = sdrs.ResizeProtectedInstanceRequest(protected_instance_id=instance_id, body=body)
    done = job(client.resize_protected_instance(request))
    assert (done.status, done.entities.protected_instance_id) == ("SUCCESS", instance_id)
    flavors = {server["id"]: server["flavor"] for server in world.servers()}
    assert flavors[show_instance(instance_id).target_server] == "s3.2xlarge.8"


def test_tags(client, instance, show_instance):
    instance_id = instance(tags=[tag("a", "1")])
    one = sdrs.ProtectedInstanceAddTagsRequestBody(tag=tag("b", "2"))
    request = sdrs.AddProtectedInstanceTagsRequest(protected_instance_id=instance_id, body=one)
    assert client.add_protected_instance_tags(request).status_code == 204
    some = sdrs.BatchAddTagsRequestBody(action="create", tags=[tag("c", "3"), tag("a", "9")])
    request = sdrs.BatchAddTagsRequest(protected_instance_id=instance_id, body=some)
    assert client.batch_add_tags(request).status_code == 204
    assert show_instance(instance_id).tags == [tag("a", "9"), tag("b", "2"), tag("c", "3")]
    gone = sdrs.BatchDeleteTagsRequestBody(action="delete", tags=[sdrs.DeleteResourceTag(key="c", value="3")])
    request = sdrs.BatchDeleteTagsRequest(protected_instance_id=instance_id, body=gone)
    assert client.batch_delete_tags(request).status_code == 204
    request = sdrs.DeleteProtectedInstanceTagRequest(protected_instance_id=instance_id, key="b")
    assert client.delete_protected_instance_tag(request).status_code == 204
    listed = client.list_protected_instance_tags(
        sdrs.ListProtectedInstanceTagsRequest(protected_instance_id=instance_id)
    )
    assert listed.tags == [tag("a", "9")]
    project = client.list_protected_instances_project_tags(sdrs.ListProtectedInstancesProjectTagsRequest())
    assert project.tags == [sdrs.TagParams(key="a", values=["9"])]
    with pytest.raises(ClientRequestException) as caught:
        client.delete_protected_instance_tag(request)
    assert (caught.value.status_code, caught.value.error_code) == (404, "SDRS.2206")


def test_search_by_tag(client, instance):
    instance_id = instance(tags=[tag("stage", "prod")])
    wanted = {"tags": [sdrs.TagParams(key="stage", values=["prod", "test"])]}
    names = [sdrs.MatchParams(key="resource_name", value="ORDERS")]

    def search(**fields):
        body = sdrs.ListProtectedInstancesByTagsRequestBody(**fields)
        return client.list_protected_instances_by_tags(sdrs.ListProtectedInstancesByTagsRequest(body=body))

    found = search(action="filter", limit="10", offset="0", matches=names, **wanted)
    (resource,) = found.resources
    assert (found.total_count, resource.resource_id, resource.resource_name) == (1, instance_id, "pi-orders")
    assert (resource.resource_detail.id, resource.tags) == (instance_id, [tag("stage", "prod")])
    assert search(action="count", not_tags=wanted["tags"]).total_count == 0


def test_create_a_pair(create_pair, job, show_pair):
    accepted = create_pair(description="data disk")
    assert accepted.status_code == 200
    done = job(accepted)
    assert (done.status, done.job_type, done.entities.sub_jobs) == ("SUCCESS", "createReplicationPairNoCG", None)
    shown = show_pair(done.entities.replication_pair_id)
    assert missing(shown) == ["failure_detail"]
    assert (shown.name, shown.status, shown.replication_model) == ("rp-orders", "available", "hypermetro")
    assert (shown.volume_ids, shown.volume_ids.split(",")[0]) == (done.entities.volume_ids, VOLUME)
    assert (shown.fault_level, shown.replication_status, shown.progress) == ("0", "inactive", 0)
    assert missing(shown.record_metadata) == []
    assert (shown.record_metadata.volume_size, shown.record_metadata.bootable) == (100, False)


def test_list_pairs(client, group, instance, pair):
    group_id = group()
    pair(server_group_id=group_id)
    instance_id = instance(server_group_id=group_id)

    def names(**query):
        listed = client.list_replications(sdrs.ListReplicationsRequest(**query))
        return listed.count, [item.name for item in listed.replications]

    assert names() == (2, ["rp-orders", "pi-orders-vda"])
    assert names(server_group_id=group_id, name="RP") == (1, ["rp-orders"])
    assert names(protected_instance_id=instance_id) == (1, ["pi-orders-vda"])
    assert names(protected_instance_ids=f"['{instance_id}']", status="available") == (1, ["pi-orders-vda"])
    assert names(server_group_ids=f'["{ABSENT}"]') == (0, [])
    assert names(availability_zone="eu-de-02", query_type="status_abnormal") == (0, [])
    assert names(limit=1, offset=1) == (2, ["pi-orders-vda"])


def test_rename_expand_and_delete_a_pair(client, pair, job, show_pair):
    pair_id = pair()
    params = sdrs.UpdateReplicationNameRequestParams(name="rp-new")
    body = sdrs.UpdateReplicationNameRequestBody(replication=params)
    renamed = client.update_replication_name(sdrs.UpdateReplicationNameRequest(replication_id=pair_id, body=body))
    assert renamed.replication.name == "rp-new"
    grow = sdrs.ExtendReplicationRequestBody(extend_replication=sdrs.ExtendReplicationRequestParams(new_size=160))
    done = job(client.expand_replication(sdrs.ExpandReplicationRequest(replication_id=pair_id, body=grow)))
    assert (done.job_type, show_pair(pair_id).record_metadata.volume_size) == ("expandReplicationPairNew", 160)
    options = sdrs.DeleteReplicationRequestParams(
        server_group_id=show_pair(pair_id).server_group_id, delete_target_volume=True
    )
    gone = sdrs.DeleteReplicationRequestBody(replication=options)
    done = job(client.delete_replication(sdrs.DeleteReplicationRequest(replication_id=pair_id, body=gone)))
    assert (done.status, done.entities.replication_pair_id) == ("SUCCESS", pair_id)
    with pytest.raises(ClientRequestException) as caught:
        show_pair(pair_id)
    assert caught.value.error_code == "SDRS.1608"


def test_drills(client, group, instance, job, show):
    group_id = group()
    instance_id = instance(server_group_id=group_id)
    params = sdrs.CreateDisasterRecoveryDrillRequestParams(
        server_group_id=group_id, name="drill-1", drill_vpc_id=DRILL_VPC
    )
    body = sdrs.CreateDisasterRecoveryDrillRequestBody(disaster_recovery_drill=params)
    done = job(client.create_disaster_recovery_drill(sdrs.CreateDisasterRecoveryDrillRequest(body=body)))
    assert (done.status, done.job_type) == ("SUCCESS", "createDisasterRecoveryDrill")
    (drill,) = client.list_disaster_recovery_drills(
        sdrs.ListDisasterRecoveryDrillsRequest(server_group_id=group_id, name="drill", status="available", limit=5)
    ).disaster_recovery_drills
    assert missing(drill) == []
    assert (drill.name, drill.drill_vpc_id) == ("drill-1", DRILL_VPC)
    assert [server.protected_instance for server in drill.drill_servers] == [instance_id]
    one = {"disaster_recovery_drill_id": drill.id}
    found = client.show_disaster_recovery_drill(sdrs.ShowDisasterRecoveryDrillRequest(**one))
    assert found.disaster_recovery_drill == drill
    new = sdrs.UpdateDisasterRecoveryDrillNameRequestParams(name="drill-2")
    body = sdrs.UpdateDisasterRecoveryDrillNameRequestBody(disaster_recovery_drill=new)
    renamed = client.update_disaster_recovery_drill_name(sdrs.UpdateDisasterRecoveryDrillNameRequest(body=body, **one))
    assert renamed.disaster_recovery_drill.name == "drill-2"
    assert show(group_id).disaster_recovery_drill_num == 1
    gone = job(client.delete_disaster_recovery_drill(sdrs.DeleteDisasterRecoveryDrillRequest(**one)))
    assert gone.job_type == "deleteDisasterRecoveryDrill"
    assert show(group_id).disaster_recovery_drill_num == 0


def test_statistics(client):
    request = sdrs.ListRpoStatisticsRequest(resource_type="replication", limit=3)
    listed = client.list_rpo_statistics(request)
    assert listed.count >= 24
    assert [missing(point) for point in listed.resource_rpo_statistics] == [[], [], []]


def test_a_protected_group_with_members(client, world, group, instance, pair, job, show, show_instance, show_pair):
    group_id = group()
    instance_id = instance(server_group_id=group_id)
    start = sdrs.StartProtectionGroupRequestBody(start_server_group={})
    done = job(client.start_protection_group(sdrs.StartProtectionGroupRequest(server_group_id=group_id, body=start)))
    assert [step.status for step in done.entities.sub_jobs] == ["SUCCESS"]
    pair_id = pair(server_group_id=group_id)
    shown = (show(group_id), show_instance(instance_id), show_pair(pair_id))
    assert [(one.status, one.progress) for one in shown] == [("protected", 100)] * 3
    assert shown[2].replication_status == "active"
    assert (shown[0].protected_instance_num, shown[0].replication_num) == (1, 2)
    world.operator.fail_over(group_id)
    assert show_instance(instance_id).priority_station == show_pair(pair_id).priority_station == "target"


def test_failed_tasks_of_members(client, world, create_instance, group, job):
    world.faults.add(["POST protected-instances:fail-job=SDRS.1350"])
    group_id = group()
    failed = job(create_instance(server_group_id=group_id))
    assert (failed.status, failed.entities.protected_instance_id) == ("FAIL", None)
    listed = client.list_failure_jobs(sdrs.ListFailureJobsRequest(server_group_id=group_id))
    (task,) = listed.failure_jobs
    assert (task.resource_type, task.failure_status) == ("protected_instances", "createFail")
    assert client.list_failure_jobs(sdrs.ListFailureJobsRequest()).count == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"name": "a b"}, "SDRS.0202"), ({"server_id": "x"}, "SDRS.0210"), ({"server_group_id": ABSENT}, "SDRS.1013")],
)
def test_refusals(create_instance, changes, code):
    with pytest.raises(ClientRequestException) as caught:
        create_instance(**changes)
    assert (caught.value.status_code, caught.value.error_code) == (400, code)


def test_bodies_of_deletions_may_be_missing(address, world, group, instance, pair):
    group_id = group()
    members = (
        ("protected-instances", instance(server_group_id=group_id)),
        ("replications", pair(server_group_id=group_id)),
    )
    for noun, member_id in members:
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
        path = f"/v1/{world.project_id}/{noun}/{member_id}"
        connection.request("DELETE", path, headers={"X-Auth-Token": world.preset_token})
        answer = connection.getresponse()
        assert (answer.status, list(json.loads(answer.read()))) == (200, ["job_id"])
        connection.close()
    assert world.instances() == world.replications() == []
