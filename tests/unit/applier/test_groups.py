"""Members follow their group: untouched while it is held, waiting while it is busy, one at a time once it was busy."""

import asyncio
from collections import Counter

import pytest

from declarative.applier.groups import (
    GroupGone,
    check_group,
    first_copy,
    group_of,
    is_marked,
    parts_busy,
    take_turn,
    turn_if_narrow,
)
from declarative.applier.session import Busy, StepFailed
from declarative.applier.steps import carry_out
from declarative.model import Action
from tests.scaffold.applier import (
    Cloud,
    attachment,
    drill,
    group,
    instance,
    now,
    on_virtual_time,
    pair,
    refusal,
    session_on,
    step,
)


async def check(cloud, member, *recorded):
    """Look at a member's group just before the member is touched."""
    session = session_on(cloud, *recorded)

    async def look_at(kind, object_id):
        return await cloud.get(kind, object_id, deadline=60.0)

    await check_group(session, member, look_at)


def group_shown(**shown):
    cloud = Cloud()
    cloud.add(group(), **shown)
    return cloud


# ---------------------------------------------------------------- what a group allows


@on_virtual_time
@pytest.mark.parametrize("status", ["failing-over", "failed-over", "reversing", "reprotecting", "a-new-word", None])
async def test_members_of_a_held_group_are_left_alone(status):
    with pytest.raises(StepFailed):
        await check(group_shown(status=status), instance())


@on_virtual_time
async def test_side_that_runs_production_holds_the_group_until_its_manifest_accepts_it():
    swapped = group_shown(status="protected", priority_station="target")
    with pytest.raises(StepFailed):
        await check(swapped, instance(), group())
    await check(swapped, instance(), group(priority_station="target"))


@on_virtual_time
@pytest.mark.parametrize("status", ["starting", "stopping", "creating"])
async def test_members_of_a_busy_group_wait(status):
    with pytest.raises(Busy, match=status):
        await check(group_shown(status=status), instance())


@on_virtual_time
async def test_members_of_a_group_that_is_gone_fail():
    with pytest.raises(GroupGone, match="g1"):
        await check(Cloud(), instance())


@on_virtual_time
async def test_group_of_an_attachment_is_that_of_its_recorded_instance():
    session = session_on(Cloud(), instance())
    assert group_of(session, attachment()) == "g1"
    assert group_of(session_on(Cloud()), attachment()) == ""
    assert group_of(session, group()) == ""


# ---------------------------------------------------------------- turns


class OneJobAtATime(Cloud):
    """Refuses each create while the job of an earlier one runs. `refused`: how often, by the name of what it makes."""

    def __init__(self, *resources, **timing):
        super().__init__(*resources, **timing)
        self.busy_until, self.refused = 0.0, Counter()

    async def send(self, call, **when):
        if now() < self.busy_until:
            self.refused[call.body["protected_instance"]["name"]] += 1
            self.answers.append(refusal("SDRS.1002"))
        else:
            self.busy_until = now() + self.job_seconds
        return await super().send(call, **when)


@on_virtual_time
async def test_only_one_step_of_a_group_keeps_trying_from_its_first_refusal_on():
    cloud = OneJobAtATime(group(), job_seconds=60.0)
    session = session_on(cloud, group())
    steps = [step(Action.CREATE, instance("", key=key)) for key in ("a", "b", "c", "d")]
    await asyncio.gather(*(carry_out(session, one) for one in steps))
    assert len(session.ledger.state.resources) == 5
    assert sorted(cloud.refused.values())[:-1] == [1, 1]


@on_virtual_time
async def test_turn_in_a_narrow_group_is_kept_until_it_is_given_back():
    session, order = session_on(Cloud()), []

    async def work(member, seconds):
        await turn_if_narrow(session, member)
        order.append(f"{member.address.name} begins")
        await take_turn(session, member)
        await asyncio.sleep(seconds)
        order.append(f"{member.address.name} ends")
        session.end_turn()

    first = asyncio.create_task(work(instance(key="first"), 10.0))
    await asyncio.sleep(1.0)
    elsewhere = instance(key="elsewhere", server_group_id="g2")
    await asyncio.gather(first, work(instance(key="second"), 0.0), work(elsewhere, 0.0))
    assert order == ["first begins", "elsewhere begins", "elsewhere ends", "first ends", "second begins", "second ends"]


# ---------------------------------------------------------------- parts and copies


@on_virtual_time
async def test_attachment_is_busy_for_as_long_as_its_pair_is():
    cloud = Cloud(instance(), pair())
    cloud.change("r1", status="attaching")
    session = session_on(cloud, instance())
    assert "r1" in await parts_busy(session, attachment(), deadline=30.0)
    cloud.change("r1", after=60.0, status="available")
    assert await parts_busy(session, attachment(), deadline=600.0) == ""
    assert now() >= 60.0


@on_virtual_time
@pytest.mark.parametrize(
    ("status", "marked"), [("error-attaching", True), ("error-detaching", True), ("available", False)]
)
async def test_pair_tells_of_an_attachment_that_only_a_detach_clears(status, marked):
    cloud = Cloud(instance(), pair())
    cloud.change("r1", status=status)

    async def look_at(kind, object_id):
        return await cloud.get(kind, object_id, deadline=60.0)

    assert await is_marked(session_on(cloud), attachment(), look_at) is marked


@on_virtual_time
@pytest.mark.parametrize(
    ("status", "seconds"),
    [pytest.param("protected", 60.0, id="waits-for-the-copy"), pytest.param("available", 0.0, id="without-protection")],
)
async def test_drill_waits_for_the_first_copy_of_a_protected_group(status, seconds):
    cloud = group_shown(status=status, progress=40)
    cloud.change("g1", after=60.0, progress=100)
    await first_copy(session_on(cloud), step(Action.CREATE, drill("")), deadline=600.0)
    assert seconds <= now() < seconds + 20.0
