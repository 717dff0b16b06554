"""The list of groups: filters, paging and their refusals."""

import pytest


@pytest.fixture
def three(cloud):
    """Three groups: pg-a protected, PG-b available, other in error."""
    first = cloud.pair_group(name="pg-a")
    cloud.group(name="PG-b", source_availability_zone="eu-de-02", target_availability_zone="eu-de-01")
    last = cloud.group(name="other")
    cloud.finished(cloud.act(first, "start-server-group"))
    cloud.world.operator.set_status(last, "error-deleting")
    return cloud


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["pg-a", "PG-b", "other"]),
        ({"status": "protected"}, ["pg-a"]),
        ({"status": "creating"}, []),
        ({"status": ""}, ["pg-a", "PG-b", "other"]),
        ({"name": "pg"}, ["pg-a", "PG-b"]),
        ({"name": "%"}, []),
        ({"name": "'"}, []),
        ({"availability_zone": "eu-de-02"}, ["PG-b"]),
        ({"availability_zone": "mars"}, []),
        ({"query_type": "status_abnormal"}, ["other"]),
        ({"query_type": "stop_protected"}, ["PG-b"]),
        ({"query_type": "period_no_dr_drill"}, ["pg-a", "PG-b", "other"]),
        ({"query_type": "general"}, ["pg-a", "PG-b", "other"]),
        ({"query_type": ""}, ["pg-a", "PG-b", "other"]),
        ({"name": "pg", "status": "available"}, ["PG-b"]),
        ({"marker": "x", "colour": "green"}, ["pg-a", "PG-b", "other"]),
        ({"limit": 2}, ["pg-a", "PG-b"]),
        ({"limit": 2, "offset": 2}, ["other"]),
        ({"limit": 0}, []),
        ({"limit": 1000, "offset": 3}, []),
        ({"offset": "9" * 40}, []),
        ({"offset": "9" * 5000}, []),
    ],
)
def test_a_filter_chooses(three, query, names):
    assert three.names(**query) == names


def test_the_count_is_of_all_pages(three):
    assert three.send("GET", "server-groups", limit=1, offset=1).body["count"] == 3
    assert three.send("GET", "server-groups", limit=1, name="pg").body["count"] == 2
    assert three.send("GET", "server-groups", offset=7).body == {"count": 3, "server_groups": []}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": -1}, "SDRS.0221"),
        ({"limit": 1001}, "SDRS.0221"),
        ({"limit": "ten"}, "SDRS.0221"),
        ({"limit": ""}, "SDRS.0221"),
        ({"limit": "9" * 30}, "SDRS.0221"),
        ({"limit": "\u0661"}, "SDRS.0221"),
        ({"offset": -1}, "SDRS.0222"),
        ({"offset": "1.5"}, "SDRS.0222"),
        ({"status": "happy"}, "SDRS.0209"),
        ({"query_type": "odd"}, "SDRS.0201"),
        ({f"x{number}": "" for number in range(1001)}, "SDRS.0201"),
    ],
)
def test_a_bad_query_is_refused(three, query, code):
    refused = three.send("GET", "server-groups", **query)
    assert (refused.status, refused.code) == (400, code)


def test_the_list_shows_what_get_shows(three):
    listed = three.send("GET", "server-groups").body["server_groups"]
    assert listed == [three.show(group["id"]) for group in listed]
    assert listed == three.world.groups()
