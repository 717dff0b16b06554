"""Every kind through the one table: views, ids that are made of others, shared lists, deletes with a body."""

import json
from collections import Counter

import httpx
import pytest

from declarative.errors import EndpointError, NotFound, Rejected
from declarative.kinds import KINDS
from declarative.provider import JobStatus, entity
from declarative.provider.jobs import read_job
from tests.scaffold.scripted_cloud import Scripted, answer, error, provider, query, run

ATTACHMENT, DRILL, GROUP = KINDS["ReplicationAttachment"], KINDS["DRDrill"], KINDS["ProtectionGroup"]
INSTANCE, PAIR = KINDS["ProtectedInstance"], KINDS["ReplicationPair"]

WEB = {
    "id": "i1",
    "name": "web",
    "server_group_id": "g1",
    "status": "available",
    "source_server": "s1",
    "priority_station": "source",
    "tags": [{"key": "b", "value": "2"}, {"key": "a", "value": None}],
    "attachment": [{"replication": "r1", "device": "/dev/vda"}, {"replication": "r2", "device": "/dev/vdb"}],
}
DATA = {"id": "r1", "name": "data", "volume_ids": "v1, v2", "record_metadata": {"volume_size": "40"}}


class Cloud(httpx.AsyncBaseTransport):
    """Serves the objects of all collections: one by its id, or all of them by pages of the size that is asked for."""

    def __init__(self, **collections):
        self.objects = {name.replace("_", "-"): objects for name, objects in collections.items()}
        self.requests = Counter()

    async def handle_async_request(self, request):
        collection, _, object_id = request.url.path.removeprefix("/v1/p1/").partition("/")
        kind = next(kind for kind in KINDS.values() if kind.wire.collection == collection)
        self.requests[collection] += 1
        objects = self.objects.get(collection, [])
        if object_id:
            found = [one for one in objects if one["id"] == object_id]
            return answer({kind.wire.envelope: found[0]}) if found else error(min(kind.codes.gone))
        start, limit = (int(query(request)[name]) for name in ("offset", "limit"))
        return answer({"count": len(objects), kind.wire.list_key: objects[start : start + limit]})


def call(cloud, method, *arguments, **options):
    async def main():
        async with provider(cloud) as one:
            return await getattr(one, method)(*arguments, deadline=30.0, **options)

    return run(main())


def cloud():
    return Cloud(protected_instances=[WEB], replications=[DATA], server_groups=[{"id": "g1", "name": "shop"}])


def test_an_instance_is_read_under_our_names():
    found = call(cloud(), "get", INSTANCE, "i1")
    assert (found["server_id"], found["source_server"]) == ("s1", "s1")
    assert found["tags"] == [{"key": "a", "value": ""}, {"key": "b", "value": "2"}]


def test_a_pair_is_read_under_our_names():
    found = call(cloud(), "listing", PAIR).objects["r1"]
    assert (found["volume_id"], found["volume_size"]) == ("v1", 40)


def test_an_attachment_is_read_from_its_instance():
    found = call(cloud(), "get", ATTACHMENT, "i1/r2")
    assert (found["device"], found["server_group_id"]) == ("/dev/vdb", "g1")


@pytest.mark.parametrize("gone", ["i1/r3", "i2/r1"])
def test_an_attachment_is_gone_with_its_instance_or_from_it(gone):
    assert call(cloud(), "get", ATTACHMENT, gone) is None


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        *(("ProtectionGroup", bad) for bad in ("g1/r1", "", "..")),
        *(("ProtectedInstance", bad) for bad in ("i1/r1", "i1/")),
        *(("ReplicationAttachment", bad) for bad in ("i1", "i1/", "/r1", "i1/r1/x", "../r1", "i1/..", "i1/r 1", "")),
    ],
)
def test_every_part_of_an_id_is_checked_before_it_is_sent(kind, bad):
    silent = Scripted(answer({}))
    with pytest.raises(Rejected, match="not an id"):
        call(silent, "get", KINDS[kind], bad)
    assert silent.requests == []


def test_kinds_that_share_a_list_share_its_calls():
    shop = cloud()
    found = call(shop, "listings", KINDS.values())
    assert {name: set(listing.objects) for name, listing in found.items()} == {
        "ProtectionGroup": {"g1"},
        "ProtectedInstance": {"i1"},
        "ReplicationPair": {"r1"},
        "ReplicationAttachment": {"i1/r1", "i1/r2"},
        "DRDrill": set(),
    }
    assert shop.requests == {
        "server-groups": 2,
        "protected-instances": 2,
        "replications": 2,
        "disaster-recovery-drills": 1,
    }


@pytest.mark.parametrize(("number", "pages"), [(999, 2), (1000, 2), (2500, 4)])
def test_a_shared_list_is_read_to_its_empty_page(number, pages):
    many = Cloud(protected_instances=[WEB | {"id": f"i{n}"} for n in range(number)])
    found = {name: listing.objects for name, listing in call(many, "listings", (INSTANCE, ATTACHMENT)).items()}
    assert (len(found["ProtectedInstance"]), len(found["ReplicationAttachment"])) == (number, 2 * number)
    assert many.requests["protected-instances"] == pages


def test_only_what_is_asked_for_is_listed():
    shop = cloud()
    assert set(call(shop, "listings", (PAIR,))) == {"ReplicationPair"}
    assert set(shop.requests) == {"replications"}
    assert call(shop, "listings", ()) == {}


@pytest.mark.parametrize("odd", [{"replication": "../x"}, {"replication": ""}])
def test_an_attachment_without_a_usable_id_is_left_out(odd):
    strange = Cloud(protected_instances=[WEB | {"attachment": [odd]}])
    found = call(strange, "listing", ATTACHMENT)
    assert found.objects == {}
    assert [stray["replication_id"] for stray in found.strays] == [odd["replication"]]
    assert set(call(strange, "listing", INSTANCE).objects) == {"i1"}


@pytest.mark.parametrize("none", [None, [], {}, "text", [None, 7, {"replication": ["r1"]}]])
def test_an_instance_may_show_no_attachment(none):
    bare = Cloud(protected_instances=[WEB | {"attachment": none}])
    assert call(bare, "listing", ATTACHMENT).objects == {}


# ---------------------------------------------------------------- what a job was about


@pytest.mark.parametrize(
    ("kind", "entities", "named"),
    [
        pytest.param(INSTANCE, {"protected_instance_id": "i1", "sub_jobs": []}, "i1", id="flat"),
        pytest.param(
            INSTANCE,
            {
                "sub_jobs": [
                    {"entities": {"replication_pair_id": "r1", "volume_ids": "v1,v2"}},
                    {"entities": {"protected_instance_id": "i1", "native_server_id": "s2"}},
                ]
            },
            "i1",
            id="in-a-sub-job",
        ),
        pytest.param(INSTANCE, None, "", id="null"),
        pytest.param(PAIR, {"replication_pair_id": "r1"}, "r1", id="the-jobs-own-key"),
        pytest.param(PAIR, {"replication_id": "r1"}, "r1", id="the-key-of-paths"),
        pytest.param(PAIR, {"replication_pair_id": None, "replication_id": "r1"}, "r1", id="null-beside-a-key"),
        pytest.param(DRILL, {"disaster_recovery_drill_id": "d1"}, "d1", id="drill"),
        pytest.param(DRILL, {"drill_id": "d1"}, "d1", id="short-drill-key"),
        pytest.param(ATTACHMENT, {"protected_instance_id": "i1", "replication_pair_id": "r1"}, "", id="attachment"),
    ],
)
def test_a_job_names_the_object_of_each_kind(kind, entities, named):
    job = read_job({"status": "SUCCESS", "entities": entities}, job_id="j1")
    assert (entity(job, kind), job.status) == (named, JobStatus.SUCCESS)


# ---------------------------------------------------------------- writes


@pytest.mark.parametrize(
    ("kind", "object_id", "inputs", "path", "body"),
    [
        pytest.param(
            INSTANCE,
            "i1",
            {"delete_target_server": True},
            "protected-instances/i1",
            {"delete_target_server": True, "delete_target_eip": False},
            id="instance",
        ),
        pytest.param(
            PAIR,
            "r1",
            {"server_group_id": "g1"},
            "replications/r1",
            {"replication": {"server_group_id": "g1", "delete_target_volume": False}},
            id="pair",
        ),
        pytest.param(
            ATTACHMENT, "i1/r1", {}, "protected-instances/i1/detachreplication/r1", None, id="attachment-has-no-body"
        ),
    ],
)
def test_a_delete_sends_its_body(kind, object_id, inputs, path, body):
    taken = Scripted(answer({"job_id": "j1"}))
    call(taken, "send", kind.calls.delete(object_id, inputs))
    (request,) = taken.requests
    sent = request.read()
    assert (request.method, request.url.path) == ("DELETE", f"/v1/p1/{path}")
    assert (json.loads(sent) if sent else None) == body
    assert (request.headers.get("content-type"), request.headers.get("content-length")) == (
        ("application/json", str(len(sent))) if body else (None, None)
    )


def test_an_answer_without_content_is_a_good_answer():
    tagging = INSTANCE.calls.update("i1", {"tags": [{"key": "a", "value": "1"}]}, {"tags": []}, frozenset({"tags"}))
    assert [call(Scripted(answer(status=204)), "send", one) for one in tagging] == [{}]


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_delete_of_what_is_gone_says_so_by_the_kinds_codes(kind):
    deleting = kind.calls.delete("x1/y1" if kind.relations.identity else "x1", {})
    for code in kind.codes.gone:
        with pytest.raises(NotFound):
            call(Scripted(error(code)), "send", deleting)


def test_a_missing_pair_is_no_missing_instance():
    """What a detach takes for gone, the deletion of an instance doesn't: a billed instance would be forgotten."""
    for code in ("SDRS.1604", "SDRS.1608"):
        with pytest.raises(Rejected) as caught:
            call(Scripted(error(code)), "send", INSTANCE.calls.delete("i1", {}))
        assert not isinstance(caught.value, NotFound)


# ---------------------------------------------------------------- failed tasks

TASK = {
    "job_id": "j1",
    "resource_id": "i1",
    "resource_name": "web",
    "resource_type": "protected_instances",
    "failure_status": "createFail",
}


@pytest.mark.parametrize("word", ["protected_instances", "protectedInstance", "PROTECTED_INSTANCE"])
def test_failures_of_members_are_asked_for_with_their_group(word):
    other = TASK | {"job_id": "j2", "resource_id": "r1", "resource_type": "replications"}
    tasks = Scripted(answer({"failure_jobs": [TASK | {"resource_type": word}, other]}))
    found = call(tasks, "failed_tasks", INSTANCE, name="web", failure_status="createFail", server_group_id="g1")
    assert [task.resource_id for task in found] == ["i1"]
    asked = query(tasks.requests[0])
    assert (asked["server_group_id"], asked["resource_type"]) == ("g1", "protected_instances")


def test_a_kind_that_the_task_centre_has_no_word_for_is_asked_for_without_one():
    task = TASK | {"resource_name": "data", "resource_type": "replications", "failure_status": "attachFail"}
    tasks = Scripted(answer({"failure_jobs": [task]}))
    found = call(tasks, "failed_tasks", ATTACHMENT, name="data", failure_status="attachFail", server_group_id="g1")
    assert [one.job_id for one in found] == ["j1"]
    assert "resource_type" not in query(tasks.requests[0])


# ---------------------------------------------------------------- numbers that JSON does not have


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_no_json_can_hold_makes_an_answer_unreadable(number):
    body = f'{{"server_group": {{"id": "g1", "progress": {number}}}}}'.encode()
    with pytest.raises(EndpointError, match="not JSON"):
        call(Scripted(answer(body=body)), "get", GROUP, "g1")


def test_a_large_number_is_read():
    body = b'{"server_group": {"id": "g1", "progress": 1.5e300}}'
    assert call(Scripted(answer(body=body)), "get", GROUP, "g1")["progress"] == 1.5e300
