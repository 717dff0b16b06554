"""The served simulator under the vendor's own client (`huaweicloudsdksdrs`), which nobody here has written.

The client signs its requests, decodes answers into its own models and turns error envelopes into its own exceptions.
What it can't say, plain HTTP says at the end.
"""

import http.client
import json
import urllib.request
from urllib.parse import urlsplit

import pytest
from huaweicloudsdkcore.exceptions.exceptions import (
    ClientRequestException,
    ConnectionException,
    ServerResponseException,
)
from huaweicloudsdksdrs.v1 import model as sdrs

from declarative.simulator import NotFoundAs, Origin, Rules, World, running
from tests.scaffold.accounts import PEOPLE

DOMAIN = "f523d6f3-f25c-45e8-b06e-32f164fd24e5"
PROJECT = "0605767b5780d5762fc5c0118072a564"
ABSENT = "c3f1b5d3-98db-45a6-a20b-2cf0dd311efa"


def test_versions(client):
    (version,) = client.list_api_versions(sdrs.ListApiVersionsRequest()).versions
    assert (version.id, version.status) == ("v1", "CURRENT")
    one = client.show_specified_api_version(sdrs.ShowSpecifiedApiVersionRequest(api_version="v1"))
    assert one.version == version


def test_active_domains(client):
    (domain,) = client.list_active_active_domains(sdrs.ListActiveActiveDomainsRequest()).domains
    assert (domain.id, domain.name, domain.sold_out) == (DOMAIN, "ActiveactiveDomain", False)
    assert domain.local_replication_cluster.availability_zone == "eu-de-01"
    assert domain.remote_replication_cluster.availability_zone == "eu-de-02"


def test_quotas(client, group):
    group()
    resources = client.show_quota(sdrs.ShowQuotaRequest()).quotas.resources
    assert {kind.type: (kind.used, kind.quota) for kind in resources} == {
        "server_groups": (1, 3),
        "replications": (0, 100),
    }


def test_create_and_its_job(create, job):
    accepted = create()
    assert accepted.status_code == 200
    done = job(accepted)
    assert (done.status, done.job_type) == ("SUCCESS", "createProtectionGroupNoCG")
    assert (done.job_id, done.error_code, done.fail_reason) == (accepted.job_id, None, None)
    assert done.begin_time <= done.end_time


def test_get(group, show):
    shown = show(group())
    assert (shown.name, shown.description, shown.status) == ("pg-orders", "order system", "available")
    assert (shown.priority_station, shown.protection_type, shown.server_type) == ("source", "replication-pair", "ECS")
    missing = [key for key in shown.openapi_types if getattr(shown, key) is None]
    assert missing == [
        "protected_status",
        "replication_status",
        "health_status",
        "test_vpc_id",
        "replication_model",
    ]


def test_list_with_filters_and_pages(client, group):
    for name in ("pg-a", "pg-b", "other"):
        group(name=name)

    def names(**query):
        listed = client.list_protection_groups(sdrs.ListProtectionGroupsRequest(**query))
        return listed.count, [item.name for item in listed.server_groups]

    assert names() == (3, ["pg-a", "pg-b", "other"])
    assert names(name="PG", status="available", availability_zone="eu-de-01") == (2, ["pg-a", "pg-b"])
    assert names(limit=1, offset=1) == (3, ["pg-b"])
    assert names(limit=2, offset=4) == (3, [])
    assert names(query_type="status_abnormal") == (0, [])


def test_rename(client, group):
    group_id = group()
    params = sdrs.UpdateProtectionGroupNameRequestParams(name="pg-new")
    body = sdrs.UpdateProtectionGroupNameRequestBody(server_group=params)
    request = sdrs.UpdateProtectionGroupNameRequest(server_group_id=group_id, body=body)
    renamed = client.update_protection_group_name(request).server_group
    assert (renamed.id, renamed.name, renamed.description) == (group_id, "pg-new", "order system")


def test_delete(client, group, job, show):
    group_id = group()
    deleted = job(client.delete_protection_group(sdrs.DeleteProtectionGroupRequest(server_group_id=group_id)))
    assert (deleted.status, deleted.entities.server_group_id) == ("SUCCESS", group_id)
    with pytest.raises(ClientRequestException) as caught:
        show(group_id)
    assert (caught.value.status_code, caught.value.error_code) == (400, "SDRS.1013")


def test_the_actions(client, world, group, job, show):
    group_id = group()
    world.operator.add_replication(group_id)
    flip = sdrs.ReverseProtectionGroupRequestParams(priority_station="target")
    start = sdrs.StartProtectionGroupRequestBody(start_server_group={})
    stop = sdrs.StopProtectionGroupRequestBody(stop_server_group={})
    reverse = sdrs.ReverseProtectionGroupRequestBody(reverse_server_group=flip)
    failover = sdrs.FailoverProtectionGroupRequestBody(failover_server_group={})
    steps = (
        ("start_protection_group", start, "protected", "source"),
        ("stop_protection_group", stop, "available", "source"),
        ("start_protection_group", start, "protected", "source"),
        ("start_reverse_protection_group", reverse, "protected", "target"),
        ("start_failover_protection_group", failover, "failed-over", "source"),
        ("start_protection_group", start, "protected", "source"),
    )
    types = []
    for call, body, status, station in steps:
        request = getattr(sdrs, call.title().replace("_", "") + "Request")
        done = job(getattr(client, call)(request(server_group_id=group_id, body=body)))
        types.append(done.job_type)
        (step,) = done.entities.sub_jobs
        assert (done.status, step.status, step.entities.server_group_id) == ("SUCCESS", "SUCCESS", group_id)
        assert (show(group_id).status, show(group_id).priority_station) == (status, station)
    assert [name.removesuffix("ProtectionGroupNoCG") for name in types] == [
        "start",
        "stop",
        "start",
        "reverse",
        "failover",
        "reprotect",
    ]


def test_failed_tasks(client, world, create, job):
    world.faults.add(["POST server-groups:fail-job=SDRS.1014"])
    for name in ("one", "two", "three"):
        failed = job(create(name=name))
        assert (failed.status, failed.error_code) == ("FAIL", "SDRS.1014")

    def names(**query):
        listed = client.list_failure_jobs(sdrs.ListFailureJobsRequest(**query))
        return listed.count, [task.resource_name for task in listed.failure_jobs]

    assert names() == (3, ["one", "two", "three"])
    assert names(failure_status="createFail", resource_type="server_groups", limit=1, offset=1) == (3, ["two"])
    (task,) = client.list_failure_jobs(sdrs.ListFailureJobsRequest(resource_name="two")).failure_jobs
    assert (task.job_status, task.error_code, task.job_type) == ("FAIL", "SDRS.1014", "createProtectionGroupNoCG")
    gone = client.delete_failure_job(sdrs.DeleteFailureJobRequest(failure_job_id=task.job_id))
    assert (gone.status_code, names()) == (204, (2, ["one", "three"]))
    inside = sdrs.DeleteServerGroupFailureJobsRequest(server_group_id=task.resource_id)
    assert client.delete_server_group_failure_jobs(inside).status_code == 204
    assert names()[0] == 2
    everything = sdrs.DeleteAllServerGroupFailureJobsRequest()
    assert client.delete_all_server_group_failure_jobs(everything).status_code == 204
    assert names() == (0, [])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "a b"}, "SDRS.0202"),
        ({"description": "<"}, "SDRS.0212"),
        ({"target_availability_zone": "eu-de-03"}, "SDRS.0203"),
        ({"source_vpc_id": "vpc"}, "SDRS.0204"),
        ({"domain_id": ABSENT}, "SDRS.0205"),
    ],
)
def test_refusals(create, changes, code):
    with pytest.raises(ClientRequestException) as caught:
        create(**changes)
    assert (caught.value.status_code, caught.value.error_code) == (400, code)
    assert caught.value.request_id


def test_the_quota(create, group):
    for _ in range(3):
        group()
    with pytest.raises(ClientRequestException) as caught:
        create()
    assert caught.value.error_code == "SDRS.0305"


def test_its_signatures_are_verified(signing):
    """Of a body and of a query with characters that are quoted."""
    with World.open(origin=Origin(PROJECT, accounts=PEOPLE)) as world, running(world) as address:
        right, wrong = signing(address, "AKADA", "SKADA"), signing(address, "AKADA", "other")
        params = sdrs.CreateProtectionGroupRequestParams(name="a b/ä", description="ä+%&")
        create = sdrs.CreateProtectionGroupRequest(body=sdrs.CreateProtectionGroupRequestBody(server_group=params))
        assert right.list_protection_groups(sdrs.ListProtectionGroupsRequest(name="a b/ä+~")).count == 0
        for client, told in ((right, (400, "SDRS.0202")), (wrong, (401, "APIGW.0301"))):
            with pytest.raises(ClientRequestException) as caught:
                client.create_protection_group(create)
            assert (caught.value.status_code, caught.value.error_code) == told
            assert caught.value.request_id


def test_it_signs_with_a_temporary_key(signing):
    with World.open(origin=Origin(PROJECT, accounts=PEOPLE)) as world, running(world) as address:
        asked = {"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 900}}}}
        request = urllib.request.Request(
            f"{address}/v3.0/OS-CREDENTIAL/securitytokens",
            json.dumps(asked).encode(),
            {"X-Auth-Token": world.preset_token, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            key = json.load(answer)["credential"]
        listing = sdrs.ListActiveActiveDomainsRequest()
        whole = signing(address, key["access"], key["secret"], security_token=key["securitytoken"])
        assert len(whole.list_active_active_domains(listing).domains) == 1
        with pytest.raises(ClientRequestException) as caught:
            signing(address, key["access"], key["secret"]).list_active_active_domains(listing)
        assert (caught.value.status_code, caught.value.error_code) == (401, "APIGW.0301")


def test_an_unknown_job(client):
    with pytest.raises(ClientRequestException) as caught:
        client.show_job_status(sdrs.ShowJobStatusRequest(job_id="0" * 32))
    assert (caught.value.status_code, caught.value.error_code) == (404, "SDRS.0408")


def test_faults_reach_the_client(world, client):
    world.faults.add(["GET active-domains:lost-after:first=1", "GET active-domains:status=500:first=1"])
    with pytest.raises(ConnectionException):
        client.list_active_active_domains(sdrs.ListActiveActiveDomainsRequest())
    with pytest.raises(ServerResponseException) as caught:
        client.list_active_active_domains(sdrs.ListActiveActiveDomainsRequest())
    assert caught.value.error_code == "SDRS.0013"
    assert client.list_active_active_domains(sdrs.ListActiveActiveDomainsRequest()).domains


def ask(address, method, path, *, body=None, headers=None):
    """Plain HTTP: status, headers, body."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    try:
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_a_token_from_the_identity_service_opens_the_endpoint_of_its_catalogue(address):
    user = {"name": "ada", "password": "secret", "domain": {"name": "OTC-1"}}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"project": {"name": "eu-de"}}}
    status, headers, body = ask(address, "POST", "/v3/auth/tokens", body={"auth": auth})
    assert status == 201
    (endpoint,) = (
        entry["endpoints"][0]["url"] for entry in json.loads(body)["token"]["catalog"] if entry["type"] == "sdrs"
    )
    path = urlsplit(endpoint).path + "/server-groups"
    status, _, body = ask(address, "GET", path, headers={"X-Auth-Token": headers["X-Subject-Token"]})
    assert (status, json.loads(body)) == (200, {"count": 0, "server_groups": []})


def test_nobody_gets_in_without_a_token(address):
    for headers in ({}, {"X-Auth-Token": "made-up"}, {"Authorization": "SDK-HMAC-SHA256 Access=AK"}):
        status, _, body = ask(address, "GET", f"/v1/{PROJECT}/server-groups", headers=headers)
        assert (status, json.loads(body)["error_code"]) == (401, "APIGW.0301")


def test_content_types(address, world):
    headers = {"X-Auth-Token": world.preset_token, "Content-Type": "application/json;charset=UTF-8"}
    status, answered, body = ask(address, "POST", f"/v1/{PROJECT}/server-groups", body={}, headers=headers)
    assert (status, json.loads(body)["error"]["code"]) == (400, "SDRS.0201")
    assert answered["Content-Type"] == "application/json"
    assert answered["X-Request-Id"]


def test_a_missing_group_as_the_reference_promises_it():
    rules = Rules(not_found=NotFoundAs.NOT_FOUND)
    with World.open(rules=rules) as world, running(world) as address:
        path = f"/v1/{world.project_id}/server-groups/{ABSENT}"
        status, _, body = ask(address, "GET", path, headers={"X-Auth-Token": world.preset_token})
    assert (status, json.loads(body)["itemNotFound"]["code"]) == (404, "SDRS.1013")
