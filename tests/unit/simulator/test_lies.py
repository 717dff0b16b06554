"""Lists that don't tell all, and counts that aren't to be believed."""

import pytest

LISTS = {
    "server-groups": "server_groups",
    "protected-instances": "protected_instances",
    "replications": "replications",
    "disaster-recovery-drills": "disaster_recovery_drills",
}


@pytest.fixture
def five(cloud):
    """A cloud with five of each kind; groups g0 to g4, all members in the first."""
    ids = [cloud.group(name=f"g{number}") for number in range(5)]
    for number in range(5):
        cloud.world.operator.add_instance(ids[0], f"i{number}")
        cloud.world.operator.add_drill(ids[0], f"d{number}")
    return cloud


def listed(cloud, path="server-groups", **query):
    body = cloud.send("GET", path, **query).body
    return body.get("count"), [row["name"] for row in body[LISTS[path]]]


@pytest.mark.parametrize("path", LISTS)
def test_a_page_is_as_long_as_the_service_likes(five, path):
    everything = listed(five, path)[1]
    five.world.faults.add([f"GET {path}:page-cap=2"])
    assert listed(five, path) == (5, everything[:2])
    assert listed(five, path, limit=1000, offset=2) == (5, everything[2:4])
    assert listed(five, path, limit=1) == (5, everything[:1])
    assert listed(five, path, offset=4) == (5, everything[4:])
    assert listed(five, path, offset=5) == (5, [])


def test_failed_tasks_come_in_short_pages_too(open_cloud):
    cloud = open_cloud(faults=["POST server-groups:fail-job=SDRS.1014", "GET task-center/failure-jobs:page-cap=1"])
    for _ in range(2):
        cloud.finished(cloud.create())
    tasks = cloud.send("GET", "task-center/failure-jobs").body
    assert (tasks["count"], len(tasks["failure_jobs"])) == (2, 1)


@pytest.mark.parametrize(
    ("count", "told"), [("page", 2), ("absent", None), ("+3", 8), ("-1", 4), ("-9", 0)], ids=lambda value: str(value)
)
def test_the_count_is_not_what_it_seems(five, count, told):
    five.world.faults.add([f"GET server-groups:count={count}"])
    assert listed(five, limit=2) == (told, ["g0", "g1"])


def test_a_count_of_the_page_is_that_of_a_capped_one(five):
    five.world.faults.add(["GET server-groups:page-cap=2", "GET server-groups:count=page"])
    assert listed(five) == (2, ["g0", "g1"])
    assert listed(five, offset=4) == (1, ["g4"])
    assert listed(five, offset=5) == (0, [])


def test_past_the_end_the_last_page_comes_again(five):
    five.world.faults.add(["GET server-groups:repeat-last"])
    assert listed(five, limit=2, offset=2) == (5, ["g2", "g3"])
    assert listed(five, limit=2, offset=6) == listed(five, limit=2, offset=5) == (5, ["g4"])
    assert listed(five, offset=5)[1] == ["g0", "g1", "g2", "g3", "g4"]
    assert listed(five, limit=0, offset=9) == (5, [])
    assert listed(five, name="none", offset=1) == (0, [])


def test_the_newest_are_not_there_yet(five):
    five.world.faults.add(["GET *:drop-newest=2"])
    assert listed(five) == (3, ["g0", "g1", "g2"])
    assert listed(five, limit=2, offset=2) == (3, ["g2"])
    assert listed(five, name="g4") == (0, [])
    assert listed(five, "protected-instances") == (3, ["i0", "i1", "i2"])
    assert five.show(five.world.groups()[4]["id"])["name"] == "g4"


def test_the_newest_of_what_is_asked_for_are_left_out(five):
    other = five.world.groups()[1]["id"]
    five.world.operator.add_instance(other, "elsewhere")
    five.world.faults.add(["GET protected-instances:drop-newest=1"])
    first = five.world.groups()[0]["id"]
    assert listed(five, "protected-instances", server_group_id=first)[1] == ["i0", "i1", "i2", "i3"]


def test_rows_are_left_out_by_chance_while_the_count_stays(five):
    five.world.faults.add(["GET server-groups:drop-rows=0.5"])
    seen = [listed(five) for _ in range(20)]
    assert {count for count, _ in seen} == {5}
    assert len({tuple(names) for _, names in seen}) > 5
    assert {name for _, names in seen for name in names} == {"g0", "g1", "g2", "g3", "g4"}
    five.world.faults.add(["GET replications:drop-rows=1"])
    assert listed(five, "replications") == (5, [])


def test_a_list_lags_and_lies_at_once(five):
    five.clock.pass_by(60)
    five.group(name="late")
    five.world.faults.add(["GET *:list-lag=40", "GET *:drop-newest=1", "GET *:count=+1"])
    assert listed(five) == (5, ["g0", "g1", "g2", "g3"])
