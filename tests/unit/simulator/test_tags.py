"""Tags of instances: writing, reading, and the search by them."""

from urllib.parse import quote

import pytest

from declarative.simulator import Rules


@pytest.fixture
def tagged(cloud):
    """An instance with the tags a=1 and b=2, and the path of its tags."""
    instance_id = cloud.instance(cloud.group(), tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    return cloud, instance_id, f"protected-instances/{instance_id}/tags"


def tags(cloud, path):
    return {tag["key"]: tag["value"] for tag in cloud.send("GET", path).body["tags"]}


def test_tags_are_seen_in_the_instance_and_alone(tagged):
    cloud, instance_id, path = tagged
    assert cloud.send("GET", path).body["tags"] == cloud.show_instance(instance_id)["tags"]
    assert tags(cloud, path) == {"a": "1", "b": "2"}


def test_one_tag_is_added_or_overwritten(tagged):
    cloud, _, path = tagged
    for key, value in (("c", ""), ("a", "9")):
        answer = cloud.send("POST", path, {"tag": {"key": key, "value": value}})
        assert (answer.status, answer.answer.body) == (204, b"")
    assert tags(cloud, path) == {"a": "9", "b": "2", "c": ""}


def test_some_are_added_or_deleted(tagged):
    cloud, _, path = tagged
    new = [{"key": "b", "value": "3"}, {"key": "c", "value": "4"}]
    assert cloud.send("POST", f"{path}/action", {"action": "create", "tags": new}).status == 204
    assert tags(cloud, path) == {"a": "1", "b": "3", "c": "4"}
    gone = [{"key": "a"}, {"key": "c", "value": "odd"}, {"key": "unknown"}]
    assert cloud.send("POST", f"{path}/action", {"action": "delete", "tags": gone}).status == 204
    assert tags(cloud, path) == {"b": "3"}


def test_one_tag_is_deleted_and_an_unknown_one_is_not_found(tagged):
    cloud, _, path = tagged
    cloud.world.operator.set_tags(cloud.world.instances()[0]["id"], {"a": "1", "ä ?": "2"})
    assert cloud.send("DELETE", f"{path}/{quote('ä ?')}").status == 204
    assert tags(cloud, path) == {"a": "1"}
    missing = cloud.send("DELETE", f"{path}/b")
    assert (missing.status, missing.code) == (404, "SDRS.2206")


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ({"value": "v"}, "SDRS.2205"),
        ({"key": "", "value": "v"}, "SDRS.2205"),
        ({"key": " ", "value": "v"}, "SDRS.2205"),
        ({"key": "k" * 37, "value": "v"}, "SDRS.2204"),
        ({"key": "a=b", "value": "v"}, "SDRS.2204"),
        ({"key": 7, "value": "v"}, "SDRS.2204"),
        ({"key": "k"}, "SDRS.2208"),
        ({"key": "k", "value": "v" * 44}, "SDRS.2207"),
        ({"key": "k", "value": "a|b"}, "SDRS.2207"),
        ({"key": "k", "value": "\n"}, "SDRS.2207"),
    ],
)
def test_a_bad_tag_is_refused_with_its_code(tagged, tag, code):
    cloud, _, path = tagged
    assert cloud.send("POST", path, {"tag": tag}).code == code
    assert cloud.send("POST", f"{path}/action", {"action": "create", "tags": [tag]}).code == code
    assert tags(cloud, path) == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "SDRS.2201"),
        ({"action": "filter", "tags": [{"key": "a", "value": "1"}]}, "SDRS.2201"),
        ({"action": "create"}, "SDRS.2202"),
        ({"action": "delete", "tags": []}, "SDRS.2202"),
        ({"action": "create", "tags": ["a"]}, "SDRS.0201"),
        ({"action": "create", "tags": [{"key": "a", "value": "1"}] * 2}, "SDRS.2209"),
        ({"action": "delete", "tags": [{"value": "1"}]}, "SDRS.2205"),
    ],
)
def test_a_bad_batch_is_refused(tagged, body, code):
    cloud, _, path = tagged
    assert cloud.send("POST", f"{path}/action", body).code == code


def test_the_number_of_tags_is_limited(tagged, open_cloud):
    cloud, _, path = tagged
    for number in range(8):
        assert cloud.send("POST", path, {"tag": {"key": str(number), "value": ""}}).status == 204
    assert cloud.send("POST", path, {"tag": {"key": "more", "value": ""}}).code == "SDRS.2203"
    assert cloud.send("POST", path, {"tag": {"key": "a", "value": "x"}}).status == 204
    many = [{"key": str(number), "value": ""} for number in range(20)]
    for limit in (20, -1):
        roomy = open_cloud(rules=Rules(tag_limit=limit))
        assert roomy.instance(roomy.group(), tags=many)


@pytest.mark.parametrize("status", ["available", "protected", "failed-over", "fault", "creating", "error", "deleting"])
def test_the_status_decides_whether_tags_can_be_written(tagged, status):
    cloud, instance_id, path = tagged
    cloud.world.operator.set_instance_status(instance_id, status)
    answers = [
        cloud.send("POST", path, {"tag": {"key": "c", "value": ""}}),
        cloud.send("DELETE", f"{path}/c"),
        cloud.send("POST", f"{path}/action", {"action": "delete", "tags": [{"key": "a"}]}),
    ]
    if status in ("creating", "error", "deleting"):
        assert [answer.code for answer in answers] == ["SDRS.2221", "SDRS.2222", "SDRS.2222"]
    else:
        assert {answer.status for answer in answers} == {204}


@pytest.fixture
def four(cloud):
    """Four instances with various tags; the last one has none."""
    group_id = cloud.group()
    for name, pairs in (
        ("web-1", {"stage": "prod", "tier": "web"}),
        ("web-2", {"stage": "test", "tier": "web"}),
        ("DB-1", {"stage": "prod", "tier": "database"}),
        ("bare", {}),
    ):
        cloud.instance(group_id, name=name, tags=[{"key": key, "value": value} for key, value in pairs.items()])
    return cloud


def test_the_project_s_tags(four):
    assert four.send("GET", "protected-instances/tags").body == {
        "tags": [{"key": "stage", "values": ["prod", "test"]}, {"key": "tier", "values": ["web", "database"]}]
    }


def search(cloud, **fields):
    return cloud.send("POST", "protected-instances/resource_instances/action", fields)


PROD = {"key": "stage", "values": ["prod"]}
WEB = {"key": "tier", "values": ["web"]}


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, ["web-1", "web-2", "DB-1", "bare"]),
        ({"tags": [PROD]}, ["web-1", "DB-1"]),
        ({"tags": [PROD, WEB]}, ["web-1"]),
        ({"tags": [{"key": "stage", "values": ["prod", "test"]}]}, ["web-1", "web-2", "DB-1"]),
        ({"tags": [{"key": " stage ", "values": []}]}, ["web-1", "web-2", "DB-1"]),
        ({"tags": [{"key": "tier", "values": ["*data"]}]}, ["DB-1"]),
        ({"tags": [{"key": "none", "values": []}]}, []),
        ({"tags_any": [PROD, WEB]}, ["web-1", "web-2", "DB-1"]),
        ({"not_tags": [PROD, WEB]}, ["web-2", "DB-1", "bare"]),
        ({"not_tags_any": [PROD, WEB]}, ["bare"]),
        ({"tags": [PROD], "not_tags": [WEB]}, ["DB-1"]),
        ({"matches": [{"key": "resource_name", "value": "db"}]}, ["DB-1"]),
        ({"matches": [{"key": "resource_name", "value": ""}]}, []),
        ({"tags": None, "matches": None}, ["web-1", "web-2", "DB-1", "bare"]),
    ],
)
def test_a_search_finds(four, fields, names):
    answer = search(four, action="filter", **fields)
    assert answer.status == 200
    assert [found["resource_name"] for found in answer.body["resources"]] == names
    assert answer.body["total_count"] == len(names)
    assert search(four, action="count", **fields).body == {"total_count": len(names)}


@pytest.mark.parametrize(
    ("limit", "offset", "names"),
    [
        ("2", "1", ["web-2", "DB-1"]),
        (2, 3, ["bare"]),
        ("1000", "0", ["web-1", "web-2", "DB-1", "bare"]),
        ("1", "9", []),
    ],
)
def test_paging_takes_text_or_numbers(four, limit, offset, names):
    answer = search(four, action="filter", limit=limit, offset=offset)
    assert [found["resource_name"] for found in answer.body["resources"]] == names
    assert answer.body["total_count"] == 4


def test_a_search_shows_what_get_shows(four):
    (found,) = search(four, action="filter", tags=[PROD, WEB]).body["resources"]
    shown = four.show_instance(found["resource_id"])
    times = {key: found["resource_detail"][key] for key in ("created_at", "updated_at")}
    assert (found["resource_detail"], found["tags"]) == (shown | times, shown["tags"])


def test_a_search_tells_times_as_numbers(open_cloud):
    cloud = open_cloud()
    cloud.world.operator.add_instance(cloud.group())
    search(cloud, action="filter")
    (found,) = search(cloud, action="filter").body["resources"]
    assert found["resource_detail"]["created_at"] == 1_741_684_442_912
    assert cloud.show_instance(found["resource_id"])["created_at"] == "2025-03-11 09:14:02.912"
    cloud.world.faults.add(["POST protected-instances/resource_instances/action:stamps=seconds"])
    (found,) = search(cloud, action="filter").body["resources"]
    assert found["resource_detail"]["created_at"] == 1_741_684_442


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"action": "find"}, "SDRS.2210"),
        ({"action": "count", "limit": "10"}, "SDRS.2211"),
        ({"action": "count", "offset": 0}, "SDRS.2211"),
        ({"limit": "0"}, "SDRS.2220"),
        ({"limit": 1001}, "SDRS.2220"),
        ({"limit": True}, "SDRS.2220"),
        ({"offset": "-1"}, "SDRS.0222"),
        ({"tags": "stage"}, "SDRS.0201"),
        ({"tags": [{"values": []}]}, "SDRS.2205"),
        ({"tags": [{"key": "k" * 128, "values": []}]}, "SDRS.2204"),
        ({"tags": [{"key": "k"}]}, "SDRS.2208"),
        ({"tags": [{"key": "k", "values": ["*"]}]}, "SDRS.2207"),
        ({"tags": [{"key": "k", "values": ["v" * 256]}]}, "SDRS.2207"),
        ({"tags": [{"key": "k", "values": [str(number) for number in range(21)]}]}, "SDRS.2218"),
        ({"tags": [{"key": "k", "values": ["v", "v"]}]}, "SDRS.2219"),
        ({"tags_any": [PROD, PROD]}, "SDRS.2209"),
        ({"not_tags": [{"key": str(number), "values": []} for number in range(21)]}, "SDRS.2203"),
        ({"matches": []}, "SDRS.2212"),
        ({"matches": [{"value": "x"}]}, "SDRS.2213"),
        ({"matches": [{"key": "id", "value": "x"}]}, "SDRS.2214"),
        ({"matches": [{"key": "resource_name", "value": "x"}] * 2}, "SDRS.2215"),
        ({"matches": [{"key": "resource_name"}]}, "SDRS.2216"),
        ({"matches": [{"key": "resource_name", "value": 7}]}, "SDRS.2217"),
    ],
)
def test_a_bad_search_is_refused(four, fields, code):
    refused = search(four, **{"action": "filter", **fields})
    assert (refused.status, refused.code) == (400, code)
