"""How long a run will still take: only with evidence."""

import pytest

from declarative.cli.estimate import Estimate, in_words
from declarative.cli.progress import clock as words
from declarative.model import Action, Address, Reason, Resource, Step


class Monotonic:
    now = 0.0

    def __call__(self):
        return self.now


def step(name, kind="ProtectionGroup", action=Action.CREATE, requires=()):
    address = Address(kind, name)
    return Step(name, address, action, Reason.NEW, Resource(address, ""), requires=requires)


@pytest.fixture
def clock():
    return Monotonic()


def estimate_of(clock, *steps):
    estimate = Estimate(clock)
    estimate.planned(steps)
    estimate.begins(len(steps))
    return estimate


def takes(estimate, clock, name, seconds):
    estimate.started(name)
    clock.now += seconds
    estimate.ended(name, is_done=True)


def test_nothing_is_said_before_a_step_of_each_sort_has_ended(clock):
    estimate = estimate_of(clock, step("a"), step("b"), step("i", "ProtectedInstance"))
    assert estimate.seconds_left() is None
    takes(estimate, clock, "a", 20)
    assert estimate.seconds_left() is None
    estimate = estimate_of(clock, step("a"), step("b"))
    takes(estimate, clock, "a", 20)
    assert estimate.seconds_left() == 20


def test_steps_that_wait_for_each_other_add_up(clock):
    estimate = estimate_of(clock, step("a"), step("b"), step("c", requires=("b",)))
    takes(estimate, clock, "a", 10)
    assert estimate.seconds_left() == 20


def test_time_that_a_step_runs_already_is_taken_off(clock):
    estimate = estimate_of(clock, step("a"), step("b"))
    takes(estimate, clock, "a", 10)
    estimate.started("b")
    clock.now += 4
    assert estimate.seconds_left() == 6


def test_many_steps_are_limited_by_how_many_ran_at_a_time(clock):
    estimate = estimate_of(clock, *(step(f"s{number}") for number in range(10)))
    estimate.started("s0")
    estimate.started("s1")
    clock.now += 10
    estimate.ended("s0", is_done=True)
    estimate.ended("s1", is_done=True)
    assert estimate.seconds_left() == 40  # 8 steps of 10 s, 2 at a time


def test_step_that_takes_far_longer_than_the_others_ends_the_estimate(clock):
    estimate = estimate_of(clock, step("a"), step("b"))
    takes(estimate, clock, "a", 10)
    estimate.started("b")
    clock.now += 21
    assert estimate.seconds_left() is None


def test_steps_without_a_job_need_no_evidence(clock):
    estimate = estimate_of(clock, step("a"), step("b"), step("p", "ReplicationPair", Action.ADOPT, requires=("b",)))
    takes(estimate, clock, "a", 10)
    assert estimate.seconds_left() == 10


def test_failed_steps_are_no_evidence(clock):
    estimate = estimate_of(clock, step("a"), step("b"))
    estimate.started("a")
    clock.now += 1
    estimate.ended("a", is_done=False)
    assert estimate.seconds_left() is None


def test_resumed_plan_has_no_estimate(clock):
    estimate = Estimate(clock)
    estimate.planned([step("a"), step("b"), step("c")])
    estimate.begins(2)
    takes(estimate, clock, "a", 10)
    assert estimate.seconds_left() is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""),
        (4, ""),
        (12, "about 10s left"),
        (58, "about 1m 00s left"),
        (133, "about 2m 10s left"),
        (7300, "about 2h 01m left"),
    ],
)
def test_estimate_is_said_in_round_figures(seconds, said):
    assert in_words(seconds, words) == said
