"""Odd requests of every sort to every call, over a socket: each gets an answer that makes sense."""

import http.client
import json
import math
import re
from urllib.parse import quote, urlsplit

import pytest

from declarative.simulator import Origin, World, running
from declarative.simulator.routes import ROUTES

VPC = "68679295-0223-4b5d-aecb-656d77977de2"
FRESH = "f8b3cb98-30b5-4965-98ee-d4e24b98109a"
TAGS = [{"key": "stage", "value": "prod"}]
TEXTS = (
    *("", "a", "x" * 65, "é" * 40, "\x00", "\ud800", "\U0001f600", "<", "*", "'; DROP TABLE groups;--", "[]", "%2F"),
    *("/dev/vdaaa", "::1", "eu-de-02", "-1", "1001", "9" * 30, "٣", "0001-01-01 00:00:00.000", "status_abnormal"),
)
VALUES = (None, True, 0, -1, 10**30, 1.5, math.inf, math.nan, [], {}, [None], {"id": []}, *TEXTS)
NONSENSE = (b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 9_000, b'{"a": 1}{')
QUERIES = (
    *("limit", "offset", "name", "status", "query_type", "availability_zone", "server_group_id", "server_group_ids"),
    *("protected_instance_id", "protected_instance_ids", "drill_vpc_id", "start_time", "end_time", "resource_type"),
    *("resource_name", "failure_status", "marker"),
)


def good_bodies(domain_id, ids):
    """Bodies that are fine in themselves, by path, so that a request with one odd field gets far."""
    zones = {"source_availability_zone": "eu-de-01", "target_availability_zone": "eu-de-02"}
    group = {"name": "a", "domain_id": domain_id, "source_vpc_id": VPC, "description": "b", **zones}
    network = {"primary_subnet_id": VPC, "primary_ip_address": "10.0.0.7"}
    member = {"server_group_id": ids.get("server_group_id"), "name": "a", "description": "b"}
    servers = [{"server_id": FRESH, "flavorRef": "s3.a"}]
    instance = "protected-instances/{protected_instance_id}"
    options = {"delete_target_server": True, "delete_target_eip": False}
    nic = {"subnet_id": VPC, "ip_address": "10.0.0.9", "security_groups": [{"id": VPC}]}
    flavors = {"flavorRef": "s3.b", "production_flavorRef": "s3.c", "dr_flavorRef": "s3.d"}
    wanted = {"tags": [{"key": "stage", "values": ["*"]}], "matches": [{"key": "resource_name", "value": "a"}]}
    token = {"methods": ["token"], "token": {"id": "a"}}
    return {
        "server-groups": {"server_group": group},
        "server-groups/{server_group_id}": {"server_group": {"name": "a"}},
        "server-groups/{server_group_id}/action": {"reverse-server-group": {"priority_station": "target"}},
        "protected-instances": {
            "protected_instance": {**member, **network, "server_id": FRESH, "flavorRef": "s3.a", "tags": TAGS}
        },
        "protected-instances/batch": {"protected_instances": {**member, "name_prefix": "a", "servers": servers}},
        "protected-instances/delete": {"protected_instances": [{"id": ids.get("protected_instance_id")}], **options},
        "protected-instances/resource_instances/action": {"action": "filter", "limit": "5", "offset": "0", **wanted},
        instance: {"protected_instance": {"name": "a"}, **options},
        f"{instance}/attachreplication": {
            "replicationAttachment": {"replication_id": ids.get("replication_id"), "device": "/dev/vdc"}
        },
        f"{instance}/nic": nic,
        f"{instance}/nic/delete": {"nic_id": VPC},
        f"{instance}/resize": {"resize": flavors},
        f"{instance}/tags": {"tag": TAGS[0]},
        f"{instance}/tags/action": {"action": "create", "tags": TAGS},
        "replications": {"replication": {**member, "volume_id": FRESH}},
        "replications/{replication_id}": {"replication": {"name": "a", "delete_target_volume": True}},
        "replications/{replication_id}/action": {"extend-replication": {"new_size": 200}},
        "disaster-recovery-drills": {"disaster_recovery_drill": {**member, "drill_vpc_id": FRESH}},
        "disaster-recovery-drills/{disaster_recovery_drill_id}": {"disaster_recovery_drill": {"name": "a"}},
        "/v3/auth/tokens": {"auth": {"identity": token, "scope": {"project": {"id": FRESH}}}},
    }


def changed(document, value):
    """The document, each time with `value` in place of one of its parts, or of all of it."""
    yield value
    if isinstance(document, dict):
        for key, part in document.items():
            yield from ({**document, key: odd} for odd in changed(part, value))
    if isinstance(document, list):
        for place, part in enumerate(document):
            yield from ([*document[:place], odd, *document[place + 1 :]] for odd in changed(part, value))


def odd_requests(route, good, project_id, ids):
    """Paths with queries, and bodies: good ones but for one thing."""
    start = "" if route.path.startswith("/") else f"/v1/{project_id}/"
    fine = start + re.sub(r"{(\w+)}", lambda part: ids.get(part[1], FRESH), route.path)
    body = json.dumps(good).encode()
    for text in TEXTS:
        odd = quote(text.encode("utf-8", "surrogatepass"), safe="")
        yield start + re.sub(r"{\w+}", odd, route.path), body
        if route.method == "GET" and not route.is_open and "{" not in route.path:
            yield from ((f"{fine}?{key}={odd}", body) for key in QUERIES)
    if route.method != "GET":
        yield from ((fine, json.dumps(one).encode()) for value in VALUES for one in changed(good, value))
        yield from ((fine, nonsense) for nonsense in NONSENSE)
    yield from ((f"{fine}?{query}", body) for query in ("&&=&", "%", "limit", "name=%ff%00", "&a" * 1100))


@pytest.fixture(scope="module")
def served():
    """A world behind a socket, whose jobs end at once, and a function that sends it a request."""
    origin = Origin(group_quota=-1, replication_quota=-1)
    with World.open(speed=math.inf, origin=origin, seed=7) as world, running(world) as address:
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)

        def ask(method, path, body):
            connection.request(method, path, body, {"X-Auth-Token": world.preset_token})
            answer = connection.getresponse()
            return answer.status, answer.read()

        yield world, ask
        connection.close()


@pytest.fixture
def ids(served):
    """The ids of a fresh group and of a member of each kind."""
    world, ask = served
    body = json.dumps(good_bodies(world.domain_ids[0], {})["server-groups"])
    assert ask("POST", f"/v1/{world.project_id}/server-groups", body)[0] == 200
    group_id = world.groups()[-1]["id"]
    return {
        "server_group_id": group_id,
        "replication_id": world.operator.add_replication(group_id),
        "protected_instance_id": world.operator.add_instance(group_id),
        "disaster_recovery_drill_id": world.operator.add_drill(group_id),
    }


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_odd_request_gets_an_answer_that_makes_sense(served, ids, route):
    world, ask = served
    good = good_bodies(world.domain_ids[0], ids).get(route.path, {})
    for path, body in odd_requests(route, good, world.project_id, ids):
        status, text = ask(route.method, path, body)
        assert (status < 500, isinstance(json.loads(text or "{}"), dict)) == (True, True), (path, body, text)
