"""Jobs: their ids, their times and how they pass."""

import math

import pytest

from declarative.simulator import Rules


def test_a_job_passes_through_its_statuses(cloud):
    accepted = cloud.create()
    seen = []
    for _ in range(16):
        seen.append(cloud.job(accepted)["status"])
        cloud.clock.pass_by(1)
    assert seen == ["INIT"] * 2 + ["RUNNING"] * 13 + ["SUCCESS"]
    assert cloud.job(accepted)["status"] == "SUCCESS"


def test_a_running_job_tells_no_id(cloud):
    job = cloud.job(cloud.create())
    assert job["entities"] == {}
    assert (job["end_time"], job["error_code"], job["fail_reason"]) == (None, None, None)


def test_a_job_ends_when_it_was_due_however_late_one_looks(cloud):
    accepted = cloud.create()
    cloud.clock.pass_by(3600)
    job = cloud.job(accepted)
    assert job["job_type"] == "createProtectionGroupNoCG"
    assert job["begin_time"] == "2025-03-11T09:13:47.912Z"
    assert job["end_time"] == "2025-03-11T09:14:02.912Z"


def test_a_job_id_holds_the_time_in_milliseconds(cloud):
    job_id = cloud.create().body["job_id"]
    assert (len(job_id), job_id[:8]) == (32, "ff808082")
    assert int(job_id[16:28], 16) == 1741684427912
    assert cloud.create().body["job_id"] != job_id


@pytest.mark.parametrize(("speed", "seconds"), [(1, 15.0), (10, 1.5), (1000, 0.015)])
def test_the_speed_divides_the_time_a_job_takes(open_cloud, speed, seconds):
    cloud = open_cloud(speed=speed)
    accepted = cloud.create()
    cloud.clock.pass_by(seconds - 0.004)
    assert cloud.job(accepted)["status"] != "SUCCESS"
    cloud.clock.pass_by(0.005)
    assert cloud.job(accepted)["status"] == "SUCCESS"


def test_at_next_to_no_speed_a_job_goes_on_and_on(open_cloud):
    cloud = open_cloud(speed=1e-320)
    accepted = cloud.create()
    cloud.clock.pass_by(1e6)
    assert cloud.job(accepted)["status"] == "INIT"


def test_at_infinite_speed_the_first_look_finds_the_job_done(open_cloud):
    cloud = open_cloud(speed=math.inf)
    job = cloud.job(cloud.create())
    assert job["status"] == "SUCCESS"
    assert cloud.show(job["entities"]["server_group_id"])["status"] == "available"


@pytest.mark.parametrize("speed", [0, -1, math.nan])
def test_a_speed_of_nothing_is_refused(open_cloud, speed):
    with pytest.raises(ValueError, match="speed"):
        open_cloud(speed=speed)


def test_all_jobs_may_take_one_time(open_cloud):
    cloud = open_cloud(rules=Rules(job_seconds=5), speed=2)
    group_id = cloud.group()
    deletion = cloud.send("DELETE", f"server-groups/{group_id}")
    cloud.clock.pass_by(2.4)
    assert cloud.job(deletion)["status"] == "RUNNING"
    cloud.clock.pass_by(0.2)
    assert cloud.job(deletion)["status"] == "SUCCESS"


def test_an_unknown_job_is_reported(cloud):
    missing = cloud.send("GET", "jobs/ff80808200000000000000000000abcd")
    assert (missing.status, missing.code) == (404, "SDRS.0408")


def test_a_stuck_job_never_ends(open_cloud):
    cloud = open_cloud(faults=["POST server-groups:stuck-job"])
    accepted = cloud.create()
    cloud.clock.pass_by(10**6)
    cloud.world.advance()
    assert cloud.job(accepted)["status"] == "RUNNING"
    assert cloud.world.groups()[0]["status"] == "creating"


def test_a_failed_job_says_why(open_cloud):
    cloud = open_cloud(faults=["POST server-groups:fail-job=EVS.2024"])
    accepted = cloud.create()
    assert cloud.job(accepted)["error_code"] is None
    job = cloud.finished(accepted)
    assert (job["status"], job["error_code"]) == ("FAIL", "EVS.2024")
    assert "-fail:" in job["fail_reason"]


def test_the_world_s_clock_can_be_moved_on(cloud):
    accepted = cloud.create()
    before = cloud.world.now()
    cloud.world.advance(14)
    assert cloud.job(accepted)["status"] == "RUNNING"
    cloud.world.advance(1)
    assert cloud.job(accepted)["status"] == "SUCCESS"
    assert cloud.world.now() == pytest.approx(before + 15)
