from datetime import UTC, datetime

import pytest

from declarative.errors import EndpointError, OutcomeUnknown
from declarative.provider import Job, JobStatus, entity
from declarative.provider.jobs import read_job, read_time
from tests.scaffold.scripted_cloud import GROUP, Scripted, answer, error, provider, run


def job(**fields):
    return read_job({"job_id": "j1", "job_type": "createProtectionGroupNoCG", **fields}, job_id="j1")


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("INIT", JobStatus.RUNNING),
        ("RUNNING", JobStatus.RUNNING),
        ("SUCCESS", JobStatus.SUCCESS),
        ("FAIL", JobStatus.FAIL),
        ("PENDING_REVIEW", JobStatus.RUNNING),
        ("success", JobStatus.RUNNING),
        ("", JobStatus.RUNNING),
    ],
)
def test_an_unknown_status_counts_as_running(word, status):
    read = job(status=word)
    assert (read.status, read.word, read.ended) == (status, word, status is not JobStatus.RUNNING)


def test_a_failed_job_is_read():
    read = job(status="FAIL", error_code="EVS.2024", fail_reason="SdrsTask-fail:no room", entities=None)
    assert (read.succeeded, read.error_code, read.fail_reason) == (False, "EVS.2024", "SdrsTask-fail:no room")


def test_a_duration_is_told_by_the_services_own_times():
    read = job(status="SUCCESS", begin_time="2025-03-11T09:13:47.912Z", end_time="2025-03-11T09:14:02.312Z")
    assert read.seconds == pytest.approx(14.4)
    assert job(status="RUNNING", begin_time="2025-03-11T09:13:47.912Z", end_time=None).seconds is None


@pytest.mark.parametrize(
    ("entities", "named"),
    [
        ({"server_group_id": "g1"}, "g1"),
        ({"server_group_id": "g1", "sub_jobs": []}, "g1"),
        ({"server_group_id": None, "sub_jobs": [{"entities": {"server_group_id": "g2"}}]}, "g2"),
        ({"sub_jobs": [{"entities": {"server_group_id": "g2"}}, {"entities": {"server_group_id": "g2"}}]}, "g2"),
        ({"sub_jobs": [{"entities": {"server_group_id": "g2"}}, {"entities": {"server_group_id": "g3"}}]}, ""),
        ({"sub_jobs": [{"entities": {"sub_jobs": [{"entities": {"server_group_id": "g4"}}]}}]}, "g4"),
        ({"sub_jobs": [None, 7, {"entities": []}]}, ""),
        ({"sub_jobs": {"server_group_id": "g1"}}, ""),
        ({"replication_pair_id": "r1"}, ""),
        ({"server_group_id": "../x"}, ""),
        ({"server_group_id": ["g1"]}, ""),
        ({"server_group_id": ""}, ""),
        ({}, ""),
        (None, ""),
        ("text", ""),
    ],
)
def test_a_job_names_its_object(entities, named):
    assert entity(job(status="SUCCESS", entities=entities), GROUP) == named


def test_sub_jobs_are_read_to_a_depth_only():
    document: dict = {"entities": {"server_group_id": "g1"}}
    for _ in range(500):
        document = {"entities": {"sub_jobs": [document]}}
    assert entity(read_job(document, job_id="j1"), GROUP) == ""


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2025-03-11T09:14:02.312Z", 312_000),
        ("2025-03-11 09:14:02.74", 740_000),
        ("2025-03-11 09:14:02.0", 0),
        ("2025-03-11T09:14:02Z", 0),
        ("2025-03-11T09:14:02.118204", 118_204),
    ],
)
def test_all_patterns_of_time_are_read(text, microseconds):
    assert read_time(text) == datetime(2025, 3, 11, 9, 14, 2, microseconds, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "2025-13-11T09:14:02Z", "2025-03-11T09:14:02.1234567Z", None, 7])
def test_what_is_no_time_is_none(text):
    assert read_time(text) is None


def look(*answers):
    async def main():
        async with provider(Scripted(*answers)) as one:
            return await one.job("j1", deadline=5.0)

    return run(main())


def test_one_look_reads_the_job():
    found = look(answer({"job_id": "j1", "status": "SUCCESS", "job_type": "t", "entities": {"server_group_id": "g1"}}))
    assert found == Job(id="j1", status=JobStatus.SUCCESS, word="SUCCESS", entities={"server_group_id": "g1"})


@pytest.mark.parametrize(
    "unknown",
    [
        error("SDRS.0408", status=500),
        error("SDRS.0408"),
        error("SDRS.0201", status=404),
        answer({"itemNotFound": {"message": "no"}}, status=404),
    ],
)
def test_a_job_that_the_service_does_not_know_is_none(unknown):
    assert look(unknown) is None


@pytest.mark.parametrize(
    "other",
    [
        answer(status=404),
        answer(body=b"<html>", status=404),
        answer({"job_id": "j2", "status": "SUCCESS"}),
        answer({"job_id": "j1"}),
        answer({"job_id": "j1", "status": None}),
        answer({}),
    ],
)
def test_what_is_not_the_job_is_an_error(other):
    with pytest.raises(EndpointError):
        look(other)


def test_a_job_that_cannot_be_looked_at_is_an_error_at_the_deadline():
    with pytest.raises(OutcomeUnknown):
        look(answer(status=500))
