"""Who may consent to which danger, and that nothing else counts as a consent."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declarative.model import Address, Consent, Danger, DangerClass, Plan
from declarative.planner.consents import (
    POLICIES,
    Unconsented,
    accepting,
    agreed,
    allow_words,
    given_by_yes,
    unconsented,
)
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


def at_address(cls, kind, name, group=None):
    return Danger(DangerClass(cls), "x", Address(kind, name), at(group) if group else None)


SHOP, OTHER = (at_address("delete", "ProtectionGroup", name) for name in ("shop", "other"))
WEB, DB = (at_address("delete", "ProtectedInstance", name, "shop") for name in ("web", "db"))
MASS = Danger(DangerClass.MASS_DELETE, "many")
KEPT = at_address("prevent_destroy", "ProtectionGroup", "shop")


@pytest.mark.parametrize(
    ("dangers", "fixed", "words"),
    [
        pytest.param((WEB,), False, ["delete:ProtectedInstance/web"], id="one"),
        pytest.param((WEB,), True, ["delete:ProtectedInstance/web"], id="one-of-a-saved-plan"),
        pytest.param(
            (WEB, DB),
            False,
            ["delete:ProtectedInstance/web", "delete:ProtectedInstance/db"],
            id="never-the-group-alone",
        ),
        pytest.param((WEB, DB), True, ["delete"], id="a-saved-plan-holds-no-more"),
        pytest.param((SHOP, WEB, DB), False, ["delete:ProtectionGroup/shop"], id="a-group-with-its-members"),
        pytest.param(
            (WEB, SHOP, OTHER),
            False,
            ["delete:ProtectionGroup/shop", "delete:ProtectionGroup/other"],
            id="two-groups",
        ),
        pytest.param(
            (at_address("replace", "ProtectionGroup", "shop"), WEB),
            False,
            ["replace:ProtectionGroup/shop", "delete:ProtectedInstance/web"],
            id="a-group-covers-its-own-class",
        ),
        pytest.param((MASS, WEB), False, ["mass-delete", "delete:ProtectedInstance/web"], id="the-plan-as-a-whole"),
        pytest.param((KEPT,), False, [], id="nobody-can"),
        pytest.param((), True, [], id="none"),
    ],
)
def test_the_fewest_consents_that_cover_dangers(dangers, fixed, words):
    assert [str(one) for one in accepting(dangers, fixed=fixed)] == words


ANY = [
    *(SHOP, OTHER, WEB, DB, MASS),
    at_address("replace", "ReplicationPair", "x", "other"),
    at_address("replace", "ProtectionGroup", "other"),
    at_address("unprotect", "ProtectionGroup", "shop"),
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(ANY), unique=True), st.lists(st.sampled_from(ANY), unique=True))
def test_they_cover_these_dangers_and_no_others(some, more):
    given_ = accepting(some)
    assert unconsented(plan_with(*some, consents=given_)) == ()
    groups = {one.address for one in some if one.group is None}
    others = [one for one in more if one not in some and one.group not in groups]
    assert unconsented(plan_with(*others, consents=given_)) == tuple(others)
    assert all(str(one).partition(":")[0] in str(allow_words(given_)) for one in given_)
    assert unconsented(plan_with(*some, consents=accepting(some, fixed=True))) == ()


def test_each_missing_consent_comes_with_what_to_do():
    dangers = [danger(cls) for cls in (DangerClass.UNPROTECT, DangerClass.PREVENT_DESTROY)]
    _, first, second = Unconsented(dangers).diagnostics()
    assert first.fix == "To accept it, add: --allow unprotect:ProtectionGroup/a"
    assert second.fix == "No option overrides this. Set lifecycle.prevent_destroy to false and apply that first."
