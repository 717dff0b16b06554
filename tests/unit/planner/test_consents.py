"""Who may consent to which danger, and that nothing else counts as a consent."""

from dataclasses import replace

import pytest

from declarative.model import Address, Consent, Danger, DangerClass, Plan
from declarative.planner.consents import POLICIES, Unconsented, agreed, given_by_yes, unconsented
from tests.scaffold.planning import BASIS, at

WAYS = ("option", "destroy", "prompt")


def plan_with(*dangers, destroy=False, consents=()):
    return Plan(replace(BASIS, destroy=destroy), dangers=dangers, consents=consents)


def danger(cls, **fields):
    subject = None if POLICIES[cls].whole_plan else at("a")
    return Danger(cls, "something would be lost", subject, **fields)


def test_every_class_has_a_policy():
    assert set(POLICIES) == set(DangerClass)


@pytest.mark.parametrize(
    ("cls", "ways"),
    [
        ("delete", "option destroy prompt"),
        ("replace", "option prompt"),
        ("duplicate", "option"),
        ("unprotect", "option destroy"),
        ("mass-delete", "option destroy"),
        ("mass-vanished", "option"),
        ("empty-manifests", "option destroy"),
        ("prevent_destroy", ""),
    ],
)
def test_only_some_ways_consent_to_a_class(cls, ways):
    one = danger(DangerClass(cls))
    found = [by for by in WAYS if not unconsented(plan_with(one, destroy=True, consents=[Consent(one.cls, by=by)]))]
    assert found == ways.split()


def test_a_consent_by_destroying_counts_in_a_plan_that_destroys_alone():
    one = danger(DangerClass.DELETE)
    assert unconsented(plan_with(one, consents=[Consent(one.cls, by="destroy")])) == (one,)


def test_a_yes_consents_to_what_it_may_and_to_no_more():
    may, may_not = danger(DangerClass.DELETE), danger(DangerClass.UNPROTECT)
    answered = agreed(plan_with(may, may_not))
    assert answered.consents == (Consent(DangerClass.DELETE, at("a"), "prompt"),)
    assert unconsented(answered) == (may_not,)
    assert given_by_yes(plan_with(may, may_not)) == "deleting 1 object"


def test_a_yes_consents_to_a_replacement_unless_it_costs_protection():
    assert unconsented(agreed(plan_with(danger(DangerClass.REPLACE)))) == ()
    costly = danger(DangerClass.REPLACE, loses_protection=True)
    assert unconsented(agreed(plan_with(costly))) == (costly,)
    assert given_by_yes(plan_with(costly)) == ""


@pytest.mark.parametrize(("cls", "covered"), [("delete", True), ("replace", True), ("unprotect", False)])
def test_a_consent_for_a_group_covers_the_members_recorded_in_it(cls, covered):
    member = replace(danger(DangerClass(cls)), address=Address("ProtectedInstance", "web"), group=at("shop"))
    consent = Consent(member.cls, at("shop"))
    assert (unconsented(plan_with(member, consents=[consent])) == ()) is covered
    assert unconsented(plan_with(replace(member, group=at("other")), consents=[consent])) != ()
    assert unconsented(plan_with(member, consents=[Consent(member.cls, at("other"))])) == (member,)


def test_what_has_a_consent_needs_no_second_one():
    consents = (Consent(DangerClass.DELETE),)
    assert agreed(plan_with(danger(DangerClass.DELETE), consents=consents)).consents == consents


def test_each_missing_consent_comes_with_what_to_do():
    dangers = [danger(cls) for cls in (DangerClass.UNPROTECT, DangerClass.PREVENT_DESTROY)]
    _, first, second = Unconsented(dangers).diagnostics()
    assert first.fix == "To accept it, add: --allow unprotect:ProtectionGroup/a"
    assert second.fix == "No option overrides this. Set lifecycle.prevent_destroy to false and apply that first."
