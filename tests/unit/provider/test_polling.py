import asyncio
import math
from statistics import median

import httpx
import pytest

from declarative.errors import Unauthorized
from declarative.model import Action
from declarative.provider import Job, JobTimeout, JobUnknown, JobUnreadable, entity, job_id_of
from declarative.provider.polling import Poller
from tests.scaffold.scripted_cloud import CREATE, GROUP, JobCloud, Scripted, answer, clock, error, now, provider, run

RUNNING = answer({"job_id": "j1", "status": "RUNNING"})
SUCCESS = answer({"job_id": "j1", "status": "SUCCESS"})


def create(cloud, number, *, at_once=64, deadline=600.0, parallelism=16):
    """Create `number` groups, `at_once` jobs at a time; returns the seconds it took and the requests made."""

    async def one(cloud_provider, limit, index):
        async with limit:
            async with cloud_provider.slot() as slot:
                job_id = job_id_of(await slot.send(CREATE, deadline=now() + deadline))
            job = await cloud_provider.wait(GROUP, Action.CREATE, job_id, deadline=now() + deadline)
            return entity(job, GROUP) == job_id.replace("job-", "g")

    async def main():
        limit = asyncio.Semaphore(at_once)
        async with provider(cloud, parallelism=parallelism) as cloud_provider:
            named = await asyncio.gather(*(one(cloud_provider, limit, n) for n in range(number)))
            assert all(named)
            return now(), cloud_provider.requests

    return run(main())


def wait(cloud, *, deadline=600.0, **options):
    async def main():
        async with provider(cloud) as one:
            return await one.wait(GROUP, Action.CREATE, "j1", deadline=deadline, **options), now()

    return run(main())


@pytest.mark.parametrize("tells", [True, False])
def test_jobs_that_end_at_once_are_looked_at_once(tells):
    cloud = JobCloud(lambda n: 0.0, tells=tells)
    seconds, _ = create(cloud, 500)
    assert [len(job.looks) for job in cloud.jobs] == [1] * 500
    # Each request takes 2 ms and 16 are in flight: the requests alone take 0.125 s.
    assert seconds < 0.16


@pytest.mark.parametrize("tells", [True, False])
def test_many_jobs_cost_few_looks_and_are_noticed_soon(tells):
    cloud = JobCloud(lambda n: 5.0, tells=tells)
    seconds, requests = create(cloud, 200)
    assert seconds <= 1.15 * math.ceil(200 / 64) * 5.0
    assert requests / 200 <= (2.5 if tells else 3.0)


def test_jobs_that_differ_are_noticed_soon_too():
    cloud = JobCloud(lambda n: 4.0 + 2.0 * ((n * 7919) % 100) / 100)
    seconds, requests = create(cloud, 200)
    ended = [job.looks[-1] - job.begun - job.seconds for job in cloud.jobs]
    assert median(ended) < 0.6
    assert requests / 200 <= 4.0
    assert seconds < 1.3 * math.ceil(200 / 64) * 5.0


def test_long_jobs_cost_no_more_looks():
    cloud = JobCloud(lambda n: 300.0)
    seconds, requests = create(cloud, 64, deadline=900.0)
    assert seconds <= 330.0
    assert requests / 64 <= 4.0


def test_jobs_that_become_shorter_are_noticed():
    cloud = JobCloud(lambda n: 20.0 if n < 64 else 2.0)
    seconds, _ = create(cloud, 192)
    # After the first wave the next waits for its probe, not for the old median.
    assert seconds < 20.0 + 8.0 + 8.0


def test_one_job_that_hangs_does_not_hold_up_the_others():
    cloud = JobCloud(lambda n: 1000.0 if n == 0 else 5.0)

    async def main():
        async with provider(cloud) as one:
            ids = []
            async with one.slot() as slot:
                ids.extend([job_id_of(await slot.send(CREATE, deadline=60.0)) for _ in range(20)])
            waits = [asyncio.create_task(one.wait(GROUP, Action.CREATE, each, deadline=100.0)) for each in ids]
            await asyncio.gather(*waits[1:])
            assert now() < 8.0
            with pytest.raises(JobTimeout) as caught:
                await waits[0]
            assert caught.value.job_id == "job-0"
            assert 99.0 <= now() <= 100.0

    run(main())


def test_jobs_that_all_fail_at_once_add_no_delay():
    cloud = JobCloud(lambda n: 0.0, fails=True)
    seconds, _ = create(cloud, 300)
    assert seconds < 0.12
    assert [len(job.looks) for job in cloud.jobs] == [1] * 300


def test_one_failure_says_nothing_about_the_others():
    cloud = JobCloud(lambda n: 0.0 if n == 0 else 5.0)
    cloud_fails = cloud._answer

    def answer_with_first_failed(request):
        document = cloud_fails(request)
        return document | {"status": "FAIL"} if request.url.path.endswith("job-0") else document

    cloud._answer = answer_with_first_failed
    _, requests = create(cloud, 64)
    assert requests / 64 <= 2.5


def test_the_pace_of_a_single_job_grows():
    cloud = Scripted(RUNNING)
    with pytest.raises(JobTimeout):
        wait(cloud)
    pauses = [later - earlier for earlier, later in zip(cloud.times, cloud.times[1:], strict=False)]
    assert cloud.times[0] == 0.0
    assert pauses[:4] == [0.25, 0.375, 0.5625, 0.84375]
    assert max(pauses) == 15.0
    assert 599.0 <= cloud.times[-1] < 600.0


def test_an_unknown_status_is_waited_through():
    seen: list[Job] = []
    odd = answer({"job_id": "j1", "status": "PAUSED"})
    job, _ = wait(Scripted(odd, odd, SUCCESS), progress=seen.append)
    assert job.succeeded
    assert [look.word for look in seen] == ["PAUSED", "PAUSED", "SUCCESS"]


@pytest.mark.parametrize(
    "fault",
    [
        answer(status=500),
        answer(status=404),
        answer(body=b"<html>", status=200),
        answer({"job_id": "other", "status": "SUCCESS"}),
        answer(status=302),
        error("SDRS.0004"),
        error("SDRS.0408", status=500),
        httpx.ReadError(""),
        httpx.ConnectError(""),
        httpx.RemoteProtocolError(""),
    ],
)
def test_a_failed_look_is_nothing(fault):
    job, seconds = wait(Scripted(RUNNING, fault, RUNNING, SUCCESS))
    assert job.succeeded
    assert seconds < 10.0


def test_looks_that_go_on_failing_end_in_a_timeout_that_says_why():
    with pytest.raises(JobTimeout, match="read had no clear answer"):
        wait(Scripted(answer(status=503)), deadline=60.0)


@pytest.mark.parametrize(
    "given",
    [
        answer(status=404),
        answer(body=b"<html>", status=404),
        answer(body=b"<html>"),
        answer(status=302, headers={"Location": "https://elsewhere/"}),
        answer({"jobs": []}),
        error("SDRS.0004", status=403),
        error("APIGW.0301", status=403),
        answer(status=501),
    ],
    ids=["404", "404-html", "200-html", "302", "other-json", "403", "403-gateway", "501"],
)
def test_a_job_that_can_not_be_read_is_told_apart_from_one_that_runs(given):
    cloud = Scripted(given)
    with pytest.raises(JobUnreadable, match="job j1 can't be read") as caught:
        wait(cloud, grace=30.0)
    assert caught.value.job_id == "j1"
    assert 28.0 <= cloud.times[-1] <= 40.0


def test_a_job_that_can_be_read_again_is_waited_for():
    job, _ = wait(Scripted(answer(status=404), answer(status=404), RUNNING, answer(status=404), SUCCESS))
    assert job.succeeded


def test_looks_that_go_unanswered_end_in_a_timeout():
    with pytest.raises(JobTimeout, match=r"no answer to the read|no connection"):
        wait(Scripted(httpx.ReadError("")), deadline=60.0)


def test_a_job_is_unknown_after_three_looks_over_the_grace():
    cloud = Scripted(error("SDRS.0408", status=500))
    with pytest.raises(JobUnknown) as caught:
        wait(cloud, grace=30.0)
    assert cloud.times == [0.0, 2.0, 30.0]
    assert caught.value.job_id == "j1"


def test_rejected_credentials_end_the_wait():
    with pytest.raises(Unauthorized):
        wait(Scripted(RUNNING, answer(status=401)))


def test_a_failed_job_is_returned():
    job, _ = wait(Scripted(RUNNING, answer({"job_id": "j1", "status": "FAIL", "error_code": "SDRS.1014"})))
    assert (job.succeeded, job.ended, job.error_code) == (False, True, "SDRS.1014")


def test_a_cancelled_scout_leaves_its_part_to_the_next():
    cloud = JobCloud(lambda n: 5.0)

    async def main():
        async with provider(cloud) as one:
            async with one.slot() as slot:
                ids = [job_id_of(await slot.send(CREATE, deadline=60.0)) for _ in range(5)]
            waits = [asyncio.create_task(one.wait(GROUP, Action.CREATE, each, deadline=600.0)) for each in ids]
            await asyncio.sleep(1.0)
            for task in waits[:3]:
                task.cancel()
            done = await asyncio.gather(*waits, return_exceptions=True)
            assert [type(result) for result in done] == [asyncio.CancelledError] * 3 + [Job] * 2
            assert now() < 8.0

    run(main())


def test_operations_do_not_share_their_pace():
    cloud = JobCloud(lambda n: 5.0 if n % 2 else 60.0)

    async def main():
        async with provider(cloud) as one:
            async with one.slot() as slot:
                ids = [job_id_of(await slot.send(CREATE, deadline=60.0)) for _ in range(40)]
            actions = [Action.CREATE, Action.DELETE] * 20
            await asyncio.gather(
                *(one.wait(GROUP, action, each, deadline=600.0) for action, each in zip(actions, ids, strict=True))
            )
            assert one.requests <= 40 * 2 + 30
            assert now() < 75.0

    run(main())


def test_a_services_clock_that_runs_fast_is_not_believed():
    async def main():
        poller = Poller(clock())
        first, second = poller.join(), poller.join()
        assert await poller.turn(first, deadline=100.0)
        await asyncio.sleep(1.0)
        poller.ended(first, seconds=3600.0, succeeded=True)
        assert await poller.turn(second, deadline=100.0)
        assert now() <= 1.1

    run(main())


def test_a_wait_without_a_deadline_ends_with_the_job():
    assert wait(Scripted(RUNNING, RUNNING, SUCCESS), deadline=math.inf)[0].succeeded
