"""A plan decides what an earlier run left open as an apply does: alike wherever neither waits, and else not at all."""

import itertools

import pytest

from declarative.applier import recover
from declarative.model import Action
from tests.scaffold.applier import (
    UNREADABLE,
    Cloud,
    attachment,
    failing,
    group,
    instance,
    now,
    on_virtual_time,
    operation,
    pair,
    session_on,
)

MOMENT = 1.0  # seconds; less than that is waited for nobody but others who look at the same
LATER = 100.0

OLD, NEW = group(name="old"), group(name="new")
ATTACHED = attachment()
MEMBERS = (instance(), pair())

VERBS = {
    "create": (Action.CREATE, group("", name="old")),
    "update": (Action.UPDATE, NEW),
    "delete": (Action.DELETE, OLD),
    "enable": (Action.ENABLE, group(name="old", protection="enabled")),
    "disable": (Action.DISABLE, group(name="old", protection="disabled")),
    "attach": (Action.CREATE, attachment("")),
    "detach": (Action.DELETE, ATTACHED),
}


def named(**entities):
    return {"server_group_id": "g1", **entities}


JOBS = {
    "no-job": None,
    "unknown": lambda cloud: None,
    "running": lambda cloud: cloud.run_job("job-1", seconds=LATER, entities=named()),
    "succeeded": lambda cloud: cloud.run_job("job-1", entities=named()),
    "succeeded-and-names-nothing": lambda cloud: cloud.run_job("job-1"),
    "failed": lambda cloud: cloud.run_job("job-1", ending=failing(**named())),
    "failed-and-names-nothing": lambda cloud: cloud.run_job("job-1", ending=failing()),
    "unreadable": lambda cloud: cloud.run_job("job-1", ending=UNREADABLE),
}

GROUPS_SHOWN = {
    "gone": lambda cloud: None,
    "as-it-was": lambda cloud: cloud.add(OLD),
    "renamed": lambda cloud: cloud.add(NEW),
    "protected": lambda cloud: cloud.add(OLD, status="protected"),
    "in-error": lambda cloud: cloud.add(OLD, status="error"),
    "failed-over": lambda cloud: cloud.add(OLD, status="failed-over"),
    "starting": lambda cloud: cloud.add(OLD, status="starting"),
    "stopping": lambda cloud: cloud.add(OLD, status="stopping"),
    "being-deleted": lambda cloud: cloud.add(OLD, status="deleting"),
    "half-told": lambda cloud: cloud.add(OLD, source_vpc_id=None),
    "not-listed": lambda cloud: (cloud.add(OLD), cloud.unlisted.add("g1")),
    "two-alike": lambda cloud: (cloud.add(OLD), cloud.add(group("g2", name="old"))),
    "no-end-of-the-list": lambda cloud: setattr(cloud, "lists_end", False),
}
PAIRS_SHOWN = {
    "gone": lambda cloud: None,
    "attached": lambda cloud: cloud.add(ATTACHED),
    "gone-and-attaching": lambda cloud: cloud.change("r1", status="attaching"),
    "attached-and-detaching": lambda cloud: (cloud.add(ATTACHED), cloud.change("r1", status="detaching")),
}
SITUATIONS = [
    *itertools.product(("create", "update", "delete", "enable", "disable"), JOBS, GROUPS_SHOWN),
    *itertools.product(("attach", "detach"), JOBS, PAIRS_SHOWN),
]


class OnlyLooked(Cloud):
    """A cloud that no call may reach."""

    def slot(self):
        raise AssertionError("a recovery sends nothing")


async def recovered(verb, job, shown, *, is_patient):
    """What is recorded and what is open afterwards, which operations are told to be open, and the seconds it took."""
    action, resource = VERBS[verb]
    cloud = OnlyLooked()
    known = [] if action is Action.CREATE else [ATTACHED if verb == "detach" else OLD]
    if verb in ("attach", "detach"):
        for member in MEMBERS:
            cloud.add(member)
        known += MEMBERS
        PAIRS_SHOWN[shown](cloud)
    else:
        GROUPS_SHOWN[shown](cloud)
    if make := JOBS[job]:
        make(cloud)
    left = operation(action, resource, job_id="job-1" if make else "")
    session = session_on(cloud, *known, operations=[left], is_patient=is_patient)
    before, began = dict(session.ledger.state.resources), now()
    still = await recover(session)
    state = session.ledger.state
    assert len(still) == len(state.operations), "what is told to be open is open, and nothing else"
    if still:
        assert state.resources == before
        assert still[0].message
    return (state.resources, state.operations), now() - began


@on_virtual_time
@pytest.mark.parametrize(("verb", "job", "shown"), SITUATIONS, ids=["-".join(one) for one in SITUATIONS])
async def test_plan_and_apply_decide_alike_where_neither_waits(verb, job, shown):
    patient, took = await recovered(verb, job, shown, is_patient=True)
    at_once, took_at_once = await recovered(verb, job, shown, is_patient=False)
    assert took_at_once < MOMENT
    if took < MOMENT:
        assert at_once == patient
    else:
        assert at_once[1], "one look proves nothing that takes time to prove"
