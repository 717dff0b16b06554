"""The task centre: failed tasks, their filters and their three deletions."""

import pytest


@pytest.fixture
def failing(open_cloud):
    """A cloud where every second creation fails and no group can be enabled."""
    return open_cloud(
        faults=["POST server-groups:fail-job=SDRS.1014:every=2", "POST server-groups/*/action:fail-job=SDRS.1027"]
    )


def listed(cloud, **query):
    answer = cloud.send("GET", "task-center/failure-jobs", **query)
    assert answer.status == 200
    return answer.body["failure_jobs"]


def test_a_failed_creation_is_listed(failing):
    failing.group(name="good")
    job_id = failing.create(name="bad").body["job_id"]
    assert listed(failing) == []
    failing.world.advance()
    (task,) = listed(failing)
    bad = failing.world.groups()[1]
    assert task.pop("fail_reason")
    assert task == {
        "job_status": "FAIL",
        "resource_id": bad["id"],
        "resource_name": "bad",
        "resource_type": "server_groups",
        "failure_status": "createFail",
        "job_id": job_id,
        "job_type": "createProtectionGroupNoCG",
        "begin_time": "2025-03-11T09:14:02.912Z",
        "error_code": "SDRS.1014",
    }


@pytest.fixture
def three(failing):
    """Two failed creations, of b and d, and one failed start, of a."""
    for name in "abcd":
        failing.finished(failing.create(name=name))
    group_id = failing.world.groups()[0]["id"]
    failing.world.operator.add_replication(group_id)
    failing.finished(failing.act(group_id, "start-server-group"))
    return failing


def test_failures_inside_a_group_are_listed_apart(three):
    first, second, *_ = three.world.groups()
    assert [task["resource_name"] for task in listed(three)] == ["b", "d"]
    assert [task["failure_status"] for task in listed(three, server_group_id=first["id"])] == ["startFail"]
    assert listed(three, server_group_id=second["id"]) == []


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"failure_status": "createFail"}, ["b", "d"]),
        ({"failure_status": "deleteFail"}, []),
        ({"resource_name": "d"}, ["d"]),
        ({"resource_name": "D"}, []),
        ({"resource_type": "server_groups"}, ["b", "d"]),
        ({"resource_type": "replications"}, []),
        ({"limit": 1}, ["b"]),
        ({"limit": 1, "offset": 1}, ["d"]),
        ({"offset": 2}, []),
    ],
)
def test_a_filter_chooses(three, query, names):
    assert [task["resource_name"] for task in listed(three, **query)] == names


def test_bad_queries_are_refused(three):
    for query, code in (({"limit": "x"}, "0221"), ({"offset": "x"}, "0222"), ({"server_group_id": "x"}, "0207")):
        assert three.send("GET", "task-center/failure-jobs", **query).code == f"SDRS.{code}"


@pytest.mark.parametrize("key", ["job_id", "resource_id"])
def test_one_entry_is_deleted_by_either_id(three, key):
    task = listed(three)[0]
    gone = three.send("DELETE", f"task-center/failure-jobs/{task[key]}")
    assert (gone.status, gone.answer.body) == (204, b"")
    assert [left["resource_name"] for left in listed(three)] == ["d"]
    assert three.send("DELETE", f"task-center/failure-jobs/{task[key]}").code == "SDRS.0201"


def test_all_entries_of_groups_are_deleted_together(three):
    group_id = three.world.groups()[0]["id"]
    assert three.send("DELETE", "task-center/failure-jobs/batch").status == 204
    assert listed(three) == []
    assert len(listed(three, server_group_id=group_id)) == 1


def test_the_entries_inside_one_group_are_deleted_together(three):
    group_id = three.world.groups()[0]["id"]
    assert three.send("DELETE", f"task-center/{group_id}/failure-jobs/batch").status == 204
    assert listed(three, server_group_id=group_id) == []
    assert len(listed(three)) == 2
    assert three.send("DELETE", "task-center/x/failure-jobs/batch").code == "SDRS.0207"
