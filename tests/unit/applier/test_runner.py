"""A plan is carried out in its order, many steps at once; what fails stops what waits for it, and nothing else."""

import asyncio

import pytest

from declarative.applier import Runner
from declarative.errors import EndpointError, OutcomeUnknown, StateError, Unauthorized
from declarative.model import Action
from tests.scaffold.applier import (
    Cloud,
    Disk,
    group,
    instance,
    now,
    on_virtual_time,
    operation,
    pair,
    refusal,
    session_on,
    step,
)


def create(key, *, after=()):
    """The step that creates a group of this name, `after` those of others."""
    return step(Action.CREATE, group("", key=key, name=key), requires=tuple(create(one).id for one in after))


async def run(session, *steps, max_jobs=100, fail_fast=False, interrupt_after=None, finished=()):
    """Run the steps. Returns the runner, and the result of each step by its name."""
    interrupt = asyncio.Event()
    if interrupt_after is not None:
        asyncio.get_running_loop().call_later(interrupt_after, interrupt.set)
    runner = Runner(session, steps, max_jobs=max_jobs, fail_fast=fail_fast, interrupt=interrupt)
    outcomes = await runner.run(finished=finished)
    return runner, {outcome.step.address.name: outcome.result.value for outcome in outcomes}


def started(cloud):
    """The names of the steps that were begun, in order."""
    return [event.address.name for event in cloud.events if event.type == "step-started"]


# ---------------------------------------------------------------- order


@on_virtual_time
async def test_step_starts_when_all_that_it_requires_is_done():
    cloud = Cloud(job_seconds=10.0)
    steps = create("a"), create("b"), create("c", after="ab"), create("d", after="c")
    _, results = await run(session_on(cloud), *steps)
    assert set(results.values()) == {"done"}
    assert started(cloud) == ["a", "b", "c", "d"]
    assert [at // 10.0 for at in cloud.sent_at] == [0, 0, 1, 2]


@on_virtual_time
async def test_no_more_steps_run_at_once_than_allowed():
    cloud = Cloud(job_seconds=10.0)
    _, results = await run(session_on(cloud), *(create(name) for name in "abcde"), max_jobs=2)
    assert set(results.values()) == {"done"}
    assert [at // 10.0 for at in cloud.sent_at] == [0, 0, 1, 1, 2]


@on_virtual_time
async def test_steps_that_an_earlier_run_has_finished_are_not_done_again():
    cloud = Cloud()
    _, results = await run(session_on(cloud), create("a"), create("b", after="a"), finished={create("a").id})
    assert results == {"b": "done"}
    assert len(cloud.calls) == 1


# ---------------------------------------------------------------- failures


@on_virtual_time
async def test_failed_step_stops_only_the_steps_that_wait_for_it():
    cloud = Cloud()
    cloud.answers.append(refusal("SDRS.0204"))
    steps = create("a"), create("b", after="a"), create("c", after="b"), create("d"), create("e", after="d")
    _, results = await run(session_on(cloud), *steps)
    assert results == {"a": "failed", "b": "not-started", "c": "not-started", "d": "done", "e": "done"}


@on_virtual_time
async def test_with_fail_fast_a_failure_starts_no_further_step():
    cloud = Cloud(send_seconds=1.0)
    cloud.answers.append(refusal("SDRS.0204"))
    _, results = await run(session_on(cloud), create("a"), create("b"), create("c"), max_jobs=2, fail_fast=True)
    assert results == {"a": "failed", "b": "done", "c": "not-started"}


def quota(used, limit, *, type_="replications"):
    """What a look at the quotas shows."""
    return {type_: {"type": type_, "used": used, "quota": limit}}


def warnings_of(session):
    return [finding.summary for finding in session.observer.notices.findings]


@on_virtual_time
async def test_quota_that_is_used_up_stops_creates_of_its_kind_only():
    cloud = Cloud(group())
    cloud.answers.append(refusal("SDRS.0306"))
    cloud.quota_looks.append(quota(100, 100))
    pairs = [step(Action.CREATE, pair("", key=key)) for key in ("a", "b")]
    others = [step(Action.CREATE, instance("", key="web")), step(Action.DELETE, pair("r1", key="old"))]
    cloud.add(pair("r1", key="old"))
    session = session_on(cloud, group(), pair("r1", key="old"))
    _, results = await run(session, *pairs, *others, max_jobs=1)
    assert results == {"a": "failed", "b": "not-started", "web": "done", "old": "done"}


@on_virtual_time
async def test_quota_that_is_used_up_is_said_once_with_its_numbers():
    cloud = Cloud(send_seconds=1.0)
    cloud.answers.extend([refusal("SDRS.0305")] * 3)
    cloud.quota_looks.append(quota(10, 10, type_="server_groups"))
    session = session_on(cloud)
    runner = Runner(session, [create(key) for key in "abcdef"], max_jobs=3, fail_fast=False, interrupt=asyncio.Event())
    outcomes = {outcome.step.address.name: outcome for outcome in await runner.run()}
    assert warnings_of(session) == [
        "the quota of protection groups is used up (10 of 10): no more protection groups are created in this run"
    ]
    assert [outcomes[key].summary for key in "def"] == ["the quota of protection groups is used up (10 of 10)"] * 3
    assert len(cloud.calls) == 3
    assert cloud.log.count("look at quotas") == 1


@on_virtual_time
async def test_a_full_quota_of_pairs_stops_instances_that_bring_them_and_is_read_once_for_both():
    cloud = Cloud(group())
    cloud.answers.extend([refusal("SDRS.0306")] * 2)
    cloud.quota_looks.append(quota(98, 100))
    session = session_on(cloud, group())
    servers = [step(Action.CREATE, instance("", key=key)) for key in ("web", "db")]
    _, results = await run(session, servers[0], step(Action.CREATE, pair("", key="a")), servers[1], max_jobs=1)
    assert results == {"web": "failed", "a": "failed", "db": "not-started"}
    assert warnings_of(session) == [
        f"the quota of replication pairs is used up (98 of 100): no more {noun} are created in this run"
        for noun in ("protected instances", "replication pairs")
    ]


@on_virtual_time
@pytest.mark.parametrize(
    "look",
    [
        pytest.param(EndpointError("not JSON"), id="unreadable"),
        pytest.param(OutcomeUnknown("no answer"), id="unanswered"),
        pytest.param({}, id="not-listed"),
        pytest.param(quota(3, -1, type_="server_groups"), id="unlimited"),
        pytest.param(quota("3", None, type_="server_groups"), id="no-numbers"),
    ],
)
async def test_quota_whose_numbers_cannot_be_read_stops_creates_all_the_same(look):
    cloud = Cloud()
    cloud.answers.append(refusal("SDRS.0305"))
    cloud.quota_looks.append(look)
    session = session_on(cloud)
    _, results = await run(session, create("a"), create("b"), max_jobs=1)
    assert results == {"a": "failed", "b": "not-started"}
    (warning,) = warnings_of(session)
    assert warning.startswith("the quota of protection groups is used up (how full it is could not be read):")


def token_is_rejected(cloud, disk):
    cloud.answers.append(Unauthorized("no"))


def disk_is_full(cloud, disk):
    disk.trouble = StateError("no space left")


@on_virtual_time
@pytest.mark.parametrize("trouble", [token_is_rejected, disk_is_full], ids=lambda trouble: trouble.__name__)
async def test_trouble_that_every_step_would_meet_starts_no_further_step(trouble):
    cloud = Cloud()
    disk = Disk(cloud)
    trouble(cloud, disk)
    runner, results = await run(session_on(cloud, disk=disk), create("a"), create("b"), max_jobs=1)
    assert results == {"a": "not-started", "b": "not-started"}
    assert started(cloud) == ["a"]
    assert (runner.rejected is not None) is (trouble is token_is_rejected)


@on_virtual_time
async def test_defect_in_one_step_is_kept_until_the_others_have_ended():
    cloud = Cloud(send_seconds=1.0)
    cloud.endings.append(lambda job: 1 / 0)
    runner, results = await run(session_on(cloud), create("a"), create("b"), create("c"), max_jobs=2)
    assert results == {"a": "failed", "b": "done", "c": "not-started"}
    assert isinstance(runner.crash, ZeroDivisionError)


@on_virtual_time
async def test_object_with_an_open_operation_of_an_earlier_run_gets_no_step():
    cloud = Cloud()
    session = session_on(cloud, operations=[operation(Action.CREATE, group("", key="a"))])
    _, results = await run(session, create("a"), create("b"))
    assert results == {"a": "continues", "b": "done"}
    assert len(cloud.calls) == 1


# ---------------------------------------------------------------- interrupts


@on_virtual_time
@pytest.mark.parametrize(
    ("answer_after", "job_id", "over"),
    [
        pytest.param(0.0, "job-1", 1.0, id="answered-before"),
        pytest.param(4.0, "job-1", 4.0, id="answered-in-time"),
        pytest.param(60.0, "", 6.0, id="answered-too-late"),
    ],
)
async def test_interrupt_leaves_a_call_five_seconds_for_its_answer_but_waits_for_no_job(answer_after, job_id, over):
    cloud = Cloud(send_seconds=answer_after, job_seconds=600.0)
    session = session_on(cloud)
    _, results = await run(session, create("a"), create("b", after="a"), interrupt_after=1.0)
    assert results == {"a": "continues", "b": "not-started"}
    assert [one.job_id for one in session.ledger.state.operations.values()] == [job_id]
    assert now() == pytest.approx(over, abs=0.1)


@on_virtual_time
async def test_run_ends_when_its_time_is_over():
    cloud = Cloud(job_seconds=600.0)
    _, results = await run(session_on(cloud, ends=30.0), create("a"), create("b"), max_jobs=1)
    assert results == {"a": "continues", "b": "not-started"}
    assert started(cloud) == ["a"]
    assert now() == pytest.approx(30.0, abs=1.0)
