"""The state machine of a group's actions."""

import pytest

ACTIONS = {
    "start-server-group": ("SDRS.1027", {"available", "error-starting", "failed-over", "error-reprotecting"}),
    "stop-server-group": ("SDRS.1028", {"protected", "error-stopping"}),
    "failover-server-group": ("SDRS.1030", {"protected", "error-failing-over", "error-reversing"}),
    "reverse-server-group": ("SDRS.1029", {"protected", "error-reversing"}),
}
STATUSES = [
    "creating error available starting error-starting protected stopping error-stopping reversing error-reversing",
    "failing-over failed-over error-failing-over reprotecting error-reprotecting deleting error-deleting odd",
]
TARGET = {"priority_station": "target"}

# word, status before, status while it runs, status after, production after, type of the job
FLOWS = [
    ("start-server-group", "available", "starting", "protected", "source", "startProtectionGroupNoCG"),
    ("start-server-group", "error-starting", "starting", "protected", "source", "startProtectionGroupNoCG"),
    ("start-server-group", "failed-over", "reprotecting", "protected", "source", "reprotectProtectionGroupNoCG"),
    ("start-server-group", "error-reprotecting", "reprotecting", "protected", "source", "reprotectProtectionGroupNoCG"),
    ("stop-server-group", "protected", "stopping", "available", "source", "stopProtectionGroupNoCG"),
    ("stop-server-group", "error-stopping", "stopping", "available", "source", "stopProtectionGroupNoCG"),
    ("failover-server-group", "protected", "failing-over", "failed-over", "target", "failoverProtectionGroupNoCG"),
    (
        "failover-server-group",
        "error-failing-over",
        "failing-over",
        "failed-over",
        "target",
        "failoverProtectionGroupNoCG",
    ),
    (
        "failover-server-group",
        "error-reversing",
        "failing-over",
        "failed-over",
        "target",
        "failoverProtectionGroupNoCG",
    ),
    ("reverse-server-group", "protected", "reversing", "protected", "target", "reverseProtectionGroupNoCG"),
    ("reverse-server-group", "error-reversing", "reversing", "protected", "target", "reverseProtectionGroupNoCG"),
]


@pytest.mark.parametrize(("word", "before", "during", "after", "station", "job_type"), FLOWS)
def test_an_action_takes_the_group_from_status_to_status(cloud, word, before, during, after, station, job_type):
    group_id = cloud.pair_group()
    cloud.world.operator.set_status(group_id, before)
    accepted = cloud.act(group_id, word, TARGET if word == "reverse-server-group" else None)
    assert cloud.show(group_id)["status"] == during
    job = cloud.finished(accepted)
    assert (job["status"], job["job_type"]) == ("SUCCESS", job_type)
    shown = cloud.show(group_id)
    assert (shown["status"], shown["priority_station"]) == (after, station)
    assert shown["progress"] == (100 if after == "protected" else 0)
    assert shown["source_availability_zone"] == "eu-de-01"


@pytest.mark.parametrize("status", " ".join(STATUSES).split())
@pytest.mark.parametrize("word", ACTIONS)
def test_an_action_is_refused_in_any_other_status(cloud, word, status):
    group_id = cloud.pair_group()
    cloud.world.operator.set_status(group_id, status)
    reply = cloud.act(group_id, word, TARGET if word == "reverse-server-group" else None)
    if status in ACTIONS[word][1]:
        assert reply.status == 200
    else:
        assert (reply.status, reply.code) == (400, "SDRS.1002")
        assert cloud.show(group_id)["status"] == status


@pytest.mark.parametrize("word", ACTIONS)
def test_an_action_needs_a_pair(cloud, word):
    code, statuses = ACTIONS[word]
    group_id = cloud.group()
    status = next(iter(sorted(statuses - {"failed-over", "error-reprotecting"})))
    cloud.world.operator.set_status(group_id, status)
    assert cloud.act(group_id, word, TARGET).code == code
    assert cloud.show(group_id)["status"] == status


def test_an_action_is_refused_while_a_job_runs(cloud):
    group_id = cloud.pair_group()
    cloud.act(group_id, "start-server-group")
    for word in ACTIONS:
        assert cloud.act(group_id, word, TARGET).code == "SDRS.1002"


@pytest.mark.parametrize(
    ("word", "before", "failed", "failure"),
    [
        ("start-server-group", "available", "error-starting", "startFail"),
        ("start-server-group", "failed-over", "error-reprotecting", "reprotectFail"),
        ("stop-server-group", "protected", "error-stopping", "stopFail"),
        ("failover-server-group", "protected", "error-failing-over", "failoverFail"),
        ("reverse-server-group", "protected", "error-reversing", "reverseFail"),
    ],
)
def test_a_failed_action_leaves_an_error_status_and_can_be_repeated(open_cloud, word, before, failed, failure):
    cloud = open_cloud(faults=["POST server-groups/*/action:fail-job=EVS.2024:first=1"])
    group_id = cloud.pair_group()
    cloud.world.operator.set_status(group_id, before)
    job = cloud.finished(cloud.act(group_id, word, TARGET))
    assert (job["status"], job["error_code"]) == ("FAIL", "EVS.2024")
    assert (cloud.show(group_id)["status"], cloud.show(group_id)["priority_station"]) == (failed, "source")
    (task,) = cloud.send("GET", "task-center/failure-jobs", server_group_id=group_id).body["failure_jobs"]
    assert (task["failure_status"], task["resource_id"]) == (failure, group_id)
    assert cloud.finished(cloud.act(group_id, word, TARGET))["status"] == "SUCCESS"


def test_an_action_s_job_has_a_subjob_for_each_pair(cloud):
    group_id = cloud.pair_group()
    cloud.world.operator.add_replication(group_id)
    job = cloud.finished(cloud.act(group_id, "start-server-group"))
    assert list(job["entities"]) == ["sub_jobs"]
    steps = job["entities"]["sub_jobs"]
    assert len({step["job_id"] for step in steps} | {job["job_id"]}) == 3
    assert {step["job_type"] for step in steps} == {"startProtectionGroupRepNoCG"}
    assert [step["entities"] for step in steps] == [{"server_group_id": group_id}] * 2
    assert {step["status"] for step in steps} == {"SUCCESS"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "SDRS.0201"),
        ({"start-server-group": {}, "stop-server-group": {}}, "SDRS.0201"),
        ({"enable-server-group": {}}, "SDRS.0206"),
        ([], "SDRS.0201"),
    ],
)
def test_a_bad_action_is_refused(cloud, body, code):
    assert cloud.send("POST", f"server-groups/{cloud.pair_group()}/action", body).code == code


@pytest.mark.parametrize(
    ("options", "code"),
    [({}, "SDRS.0201"), ([], "SDRS.0201"), ({"priority_station": "north"}, "SDRS.0201"),
     ({"priority_station": ["target"]}, "SDRS.0201"), ({"priority_station": "source"}, "SDRS.0216")],
)  # fmt: skip
def test_a_planned_failover_names_the_other_side(cloud, options, code):
    group_id = cloud.pair_group()
    cloud.world.operator.set_status(group_id, "protected")
    assert cloud.act(group_id, "reverse-server-group", options).code == code


def test_production_goes_there_and_back(cloud):
    group_id = cloud.pair_group()
    cloud.finished(cloud.act(group_id, "start-server-group"))
    cloud.finished(cloud.act(group_id, "reverse-server-group", TARGET))
    assert cloud.names(availability_zone="eu-de-02") == ["pg-orders"]
    assert cloud.names(availability_zone="eu-de-01") == []
    cloud.finished(cloud.act(group_id, "failover-server-group"))
    assert cloud.show(group_id)["priority_station"] == "source"
    cloud.finished(cloud.act(group_id, "start-server-group"))
    assert (cloud.show(group_id)["status"], cloud.show(group_id)["priority_station"]) == ("protected", "source")


@pytest.mark.parametrize("job", ["create", "delete", "start"])
def test_a_group_removed_meanwhile_stays_removed(cloud, job):
    if job == "create":
        accepted = cloud.create()
    elif job == "delete":
        accepted = cloud.send("DELETE", f"server-groups/{cloud.group()}")
    else:
        accepted = cloud.act(cloud.pair_group(), "start-server-group")
    (group,) = cloud.world.groups()
    cloud.world.operator.delete_group(group["id"])
    assert cloud.finished(accepted)["status"] == "SUCCESS"
    assert cloud.world.groups() == []
