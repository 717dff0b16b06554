"""Which addresses a selector means, and what a plan takes along with them."""

import pytest

from declarative.errors import UsageError
from declarative.model import Address
from declarative.planner.selection import PlanRequest
from declarative.planner.selectors import Selector
from tests.scaffold.planning import at, brief, desired, plan, recorded

KEYED = Address("ProtectedInstance", "web", "a-1")


@pytest.mark.parametrize(
    ("text", "address", "labels", "matches"),
    [
        pytest.param("ProtectionGroup/shop", at("shop"), {}, True, id="address"),
        pytest.param("ProtectionGroup/shop", at("shop2"), {}, False, id="whole-address-only"),
        pytest.param("ProtectionGroup/sho?", at("shop"), {}, True, id="question-mark-is-one"),
        pytest.param("ProtectionGroup/shop?", at("shop"), {}, False, id="question-mark-is-not-none"),
        pytest.param("*", KEYED, {}, True, id="star-is-all"),
        pytest.param("ProtectedInstance/web[*]", KEYED, {}, True, id="star-in-key"),
        pytest.param("ProtectedInstance/web[a-1]", KEYED, {}, True, id="brackets-are-plain"),
        pytest.param("ProtectedInstance/we[abw]", Address("ProtectedInstance", "wea"), {}, False, id="no-char-sets"),
        pytest.param("protectiongroup/shop", at("shop"), {}, False, id="case-counts"),
        pytest.param("label:tier=gold", at("shop"), {"tier": "gold"}, True, id="label"),
        pytest.param("label:tier=g*", at("shop"), {"tier": "gold"}, False, id="label-is-not-wild"),
        pytest.param("label:tier=", at("shop"), {"tier": ""}, True, id="label-may-be-empty"),
        pytest.param("label:tier=gold", at("shop"), {}, False, id="label-absent"),
    ],
)
def test_selector_matches(text, address, labels, matches):
    assert Selector.parse(text).matches(address, labels) is matches


@pytest.mark.parametrize("text", ["", "label:", "label:tier", "label:=x", "a b", "x{1}", "\x1b[31m", "x" * 301])
def test_text_that_is_no_selector_is_refused(text):
    with pytest.raises(UsageError) as refusal:
        Selector.parse(text)
    assert refusal.value.summary.isprintable()


def test_many_stars_match_in_no_time():
    assert not Selector.parse("*a" * 100 + "b").matches(at("a" * 60), {})


CHAIN = (desired("a"), desired("b", depends_on=["a"]), desired("c", depends_on=["b"], labels={"tier": "gold"}))
OLD_CHAIN = (
    recorded("a", "id-a"),
    recorded("b", "id-b", depends_on=["a"]),
    recorded("c", "id-c", depends_on=["b"]),
)


@pytest.mark.parametrize(
    ("wanted", "known", "request_", "steps"),
    [
        pytest.param(CHAIN, (), {"targets": ("*/b",)}, ["create a", "create b"], id="target-brings-dependencies"),
        pytest.param(CHAIN, (), {"targets": ("label:tier=gold",)}, ["create a", "create b", "create c"], id="by-label"),
        pytest.param(CHAIN, (), {"excludes": ("*/b",)}, ["create a"], id="exclusion-takes-dependants"),
        pytest.param(CHAIN, (), {"targets": ("*/b",), "excludes": ("*/a",)}, [], id="exclusion-beats-target"),
        pytest.param((), OLD_CHAIN, {"targets": ("*/b",), "destroy": True}, ["delete c", "delete b"], id="destroy"),
        pytest.param((), OLD_CHAIN, {"targets": ("*/b",)}, ["delete c", "delete b"], id="target-to-be-deleted"),
        pytest.param(
            (), OLD_CHAIN, {"excludes": ("*/b",), "destroy": True}, [], id="remaining-object-keeps-what-it-needs"
        ),
        pytest.param((), OLD_CHAIN, {"excludes": ("*/a",), "destroy": True}, [], id="excluded-group-keeps-dependants"),
    ],
)
def test_selectors_choose_steps(wanted, known, request_, steps):
    assert brief(plan(wanted, known, **request_)) == steps


@pytest.mark.parametrize("option", ["targets", "excludes", "replaces"])
def test_selector_without_a_match_is_a_usage_error(option):
    with pytest.raises(UsageError, match="matches nothing") as refusal:
        plan(CHAIN, **{option: ("ProtectionGroup/aa",)})
    assert "Did you mean 'ProtectionGroup/a'?" in refusal.value.fix


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"destroy": True, "refresh_only": True}, id="destroy-beside-refresh-only"),
        pytest.param({"refresh_only": True, "refreshed": False}, id="refresh-only-without-refresh"),
        pytest.param({"replaces": ("*",), "destroy": True}, id="replace-beside-destroy"),
        pytest.param({"targets": ("label:tier",)}, id="label-without-value"),
        pytest.param({"excludes": ("",)}, id="empty-selector"),
        pytest.param({"replaces": ("a b",)}, id="blank-in-a-selector"),
    ],
)
def test_a_request_that_no_stack_can_meet_is_refused_before_anything_is_read(request_):
    with pytest.raises(UsageError):
        PlanRequest(**request_)


@pytest.mark.parametrize(
    ("request_", "steps"),
    [
        pytest.param({"targets": ("*/old",)}, ["move new"], id="old-end-targeted"),
        pytest.param({"targets": ("*/new",)}, ["move new"], id="new-end-targeted"),
        pytest.param({"excludes": ("*/old",)}, [], id="old-end-excluded"),
        pytest.param({"excludes": ("*/new",)}, [], id="new-end-excluded"),
    ],
)
def test_both_ends_of_a_move_go_together(request_, steps):
    assert brief(plan([desired("new")], [recorded("old")], **request_)) == steps
