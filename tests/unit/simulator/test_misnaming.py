"""Finished jobs that tell other ids than that of what they have made."""

import re

import pytest

ELSEWHERE = {"source_availability_zone": "eu-de-02", "target_availability_zone": "eu-de-01"}
KEYS = {
    "server-groups": "server_group_id",
    "protected-instances": "protected_instance_id",
    "replications": "replication_pair_id",
    "disaster-recovery-drills": "disaster_recovery_drill_id",
}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def site(cloud):
    """A cloud with two groups in two places, one of each kind in each, as (id here, id elsewhere) by noun."""
    here, there = cloud.group(), cloud.group(name="pg-other", **ELSEWHERE)
    ids = {"server-groups": (here, there)}
    for noun, add in (
        ("protected-instances", cloud.world.operator.add_instance),
        ("replications", cloud.world.operator.add_replication),
        ("disaster-recovery-drills", cloud.world.operator.add_drill),
    ):
        ids[noun] = (add(here), add(there))
    return cloud, ids


def ask(cloud, noun, group_id):
    match noun:
        case "server-groups":
            return cloud.create()
        case "protected-instances":
            return cloud.ask_instance(group_id)
        case "replications":
            return cloud.ask_pair(group_id)
        case _:
            return cloud.ask_drill(group_id)


def live(cloud, noun):
    return [one["id"] for one in cloud.send("GET", noun).body[noun.replace("-", "_")]]


@pytest.mark.parametrize("noun", KEYS)
@pytest.mark.parametrize("which", ["none", "ghost", "wrong", "foreign", "several"])
def test_a_job_tells_another_id(site, noun, which):
    cloud, ids = site
    before = live(cloud, noun)
    cloud.world.faults.add([f"POST {noun}:job-entity={which}:first=1"])
    job = cloud.finished(ask(cloud, noun, ids["server-groups"][0]))
    assert job["status"] == "SUCCESS"
    (made,) = set(live(cloud, noun)) - set(before)
    key, (here, there) = KEYS[noun], ids[noun]
    told = job["entities"].get(key)
    if which == "several":
        assert told is None
        told = [step["entities"][key] for step in job["entities"]["sub_jobs"] if key in step["entities"]]
        assert told == [here, made]
    elif which == "ghost":
        assert UUID.fullmatch(told)
        assert told not in [*before, made]
    else:
        assert told == {"none": None, "wrong": here, "foreign": there}[which]
    ask_again = cloud.send("GET", f"jobs/{job['job_id']}").body
    assert ask_again == job


@pytest.mark.parametrize("which", ["wrong", "foreign"])
def test_where_there_is_no_other_object_a_ghost_is_told(open_cloud, which):
    cloud = open_cloud(faults=[f"POST server-groups:job-entity={which}"])
    told = cloud.finished(cloud.create())["entities"]["server_group_id"]
    assert UUID.fullmatch(told)
    assert told != cloud.world.groups()[0]["id"]


def test_the_other_object_is_one_that_lives_when_the_job_ends(open_cloud):
    cloud = open_cloud(faults=["POST server-groups:job-entity=wrong:first=1"])
    first, second = cloud.create(), cloud.create(name="pg-other")
    told = cloud.finished(first)["entities"]["server_group_id"]
    assert told == cloud.finished(second)["entities"]["server_group_id"]


def test_a_running_and_a_failed_job_tell_what_they_always_do(open_cloud):
    cloud = open_cloud(faults=["POST *:job-entity=ghost", "POST *:fail-job=SDRS.1014"])
    accepted = cloud.create()
    assert cloud.job(accepted)["entities"] == {}
    assert cloud.finished(accepted)["entities"] == {}


def test_other_jobs_are_left_alone(open_cloud):
    cloud = open_cloud(faults=["* *:job-entity=ghost"])
    cloud.finished(cloud.create())
    group_id = cloud.world.groups()[0]["id"]
    deleted = cloud.finished(cloud.send("DELETE", f"server-groups/{group_id}"))
    assert deleted["entities"] == {"server_group_id": group_id}
