"""A plan as text: the same again, refused when it isn't, described by its schema."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from declarative import __version__
from declarative.errors import Diagnostic, PlanRefused, Position, Severity
from declarative.model import Action, Change, Consent, DangerClass, OpenOperation, Output, Reference
from declarative.planfile import decode_plan, encode_plan, plan_digest, summarize
from declarative.planfile import document as document_module
from tests.scaffold.planned_world import World, group, instance, stack
from tests.scaffold.planning import at, cloud, desired, plan, recorded, seen

SCHEMA = json.loads((Path(__file__).parents[3] / "schemas" / "plan.json").read_text("utf-8"))
NASTY = '\x1b[31m\u202e\ud800"\\\n\u2028日'


def full_plan():
    """A plan in which every member of the document is at work."""
    known = [
        recorded("gone", "id-1", name="gone"),
        recorded("held", "id-2", name="held"),
        recorded("keep", "id-3", name="keep", prevent_destroy=True),
        recorded("old", "id-4", name="old"),
        recorded("red", "id-5", name="red", ignore=["description"]),
        recorded("ren", "id-6", name="ren"),
    ]
    present = cloud(
        seen("id-2", name="held", status="failed-over"),
        seen("id-3", name="keep"),
        seen("id-4", name="old"),
        seen("id-5", name="red", description=NASTY),
        seen("id-6", name=NASTY),
        gone=["id-1"],
    )
    wanted = [
        desired("gone", name="gone"),
        desired("held", name="held2"),
        desired("new", name="old"),
        desired("red", name="red", source_vpc_id="v2", ignore=["description"], depends_on=["gone"]),
        desired("ren", name="ren"),
    ]
    made = plan(
        wanted,
        known,
        present,
        outputs=[Output("all", ("x-", Reference(at("ren"), "id"), None)), Output("n", (Reference(at("gone"), "id"),))],
        recorded_outputs={"was": {"a": [1, 2.5, None]}},
        consents=(Consent(DangerClass.DELETE, at("keep")), Consent(DangerClass.MASS_DELETE)),
        max_deletes=1,
        open_=[OpenOperation(at("lost"), Action.CREATE, NASTY)],
    )
    warning = Diagnostic(NASTY, "fix", Position("a.yaml", 3, 4), "x", Severity.WARNING, id="padded-text")
    basis = replace(made.basis, tool=__version__, inputs={"v": NASTY, "n": 1.5})
    return replace(made, basis=basis, warnings=(*made.warnings, warning))


FULL = full_plan()
TEXT = encode_plan(FULL)


def costly_plan():
    """A plan that replaces a protected group with what is in it."""
    shop, web = group("shop", protection="enabled"), instance("web", "shop", "s1")
    moved = group("shop", protection="enabled", source_vpc_id="vpc-2")
    made = World().has(shop, web).plan(stack(moved, web))
    return replace(made, basis=replace(made.basis, tool=__version__))


COSTLY = costly_plan()


def sealed(document):
    """The canonical text of a changed document, with a digest that fits: what a forger would write."""
    document = {name: value for name, value in document.items() if name != "digest"}
    document["digest"] = hashlib.sha256(canonical(document).encode()).hexdigest()
    return canonical(document)


def canonical(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def test_plan_survives_its_text():
    assert decode_plan(TEXT, source="plan.json") == (FULL, plan_digest(FULL))


def test_text_is_canonical_and_ascii():
    assert canonical(json.loads(TEXT)) == TEXT
    assert TEXT.isascii()
    assert TEXT.isprintable()


def test_digest_is_the_hash_of_the_text_without_it():
    document = json.loads(TEXT)
    digest = document.pop("digest")
    assert digest == hashlib.sha256(canonical(document).encode()).hexdigest() == plan_digest(FULL)


def test_text_fits_its_schema():
    Draft202012Validator.check_schema(SCHEMA)
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(json.loads(TEXT))] == []


def test_schema_describes_every_property():
    def undescribed(node, path):
        if isinstance(node, dict):
            for name, child in node.get("properties", {}).items():
                if "description" not in child:
                    yield f"{path}/{name}"
            for name, child in node.items():
                yield from undescribed(child, f"{path}/{name}")

    assert list(undescribed(SCHEMA, "")) == []


def test_unknown_value_is_left_out():
    (change,) = [change for change in json.loads(TEXT)["output_changes"] if change["field"] == "n"]
    assert change == {"field": "n", "old": None, "new_known": False}


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda one: one.pop("depends_on"), id="without-a-member"),
        pytest.param(lambda one: one["lifecycle"].pop("adopt"), id="with-a-lifecycle-in-short"),
        pytest.param(lambda one: one.update(brought=["x"]), id="with-what-only-the-state-has"),
        pytest.param(lambda one: one.update(more=1), id="with-an-unknown-member"),
    ],
)
def test_a_resource_that_is_not_written_as_plans_have_it_is_refused(edit):
    document = json.loads(TEXT)
    edit(document["steps"][0]["resource"])
    with pytest.raises(PlanRefused, match="edited or is damaged"):
        decode_plan(sealed(document), source="p")


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda one: one.update(unprotected=[]), id="nobody-loses-protection"),
        pytest.param(lambda one: one.update(left_behind=[]), id="nothing-stays"),
        pytest.param(lambda one: one["durations"][0].update(seconds=1.0), id="quicker-than-seen"),
        pytest.param(lambda one: one.update(copied=[{}]), id="something-else-is-copied"),
    ],
)
def test_nobody_can_write_what_a_plan_means(edit):
    document = json.loads(encode_plan(COSTLY))
    assert all(document["impact"].values())
    edit(document["impact"])
    with pytest.raises(PlanRefused, match="edited or is damaged"):
        decode_plan(sealed(document), source="p")


def test_one_newline_at_the_end_is_no_edit():
    assert decode_plan(TEXT + "\n", source="p")[0] == FULL
    with pytest.raises(PlanRefused):
        decode_plan(TEXT + "\n\n", source="p")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_edit_of_one_character_is_refused(data):
    at_ = data.draw(st.integers(0, len(TEXT) - 1))
    put = data.draw(st.sampled_from(["", *'{}[]",:0 19aefnt\\.-é\n\x00']))
    edited = data.draw(st.sampled_from([TEXT[:at_] + put + TEXT[at_ + 1 :], TEXT[:at_] + put + TEXT[at_:]]))
    if edited != TEXT:
        with pytest.raises(PlanRefused):
            decode_plan(edited, source="p")


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(TEXT) - 1))
def test_cut_text_is_refused(length):
    with pytest.raises(PlanRefused):
        decode_plan(TEXT[:length], source="p")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5), st.lists
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_forged_member_is_refused_or_read_as_it_stands(data):
    document = json.loads(TEXT)
    node = document
    while True:
        name = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else list(range(len(node)))))
        child = node[name]
        if not isinstance(child, dict | list) or not child or data.draw(st.booleans()):
            break
        node = child
    node[name] = data.draw(JSON)
    text = sealed(document)
    try:
        made, _ = decode_plan(text, source="p")
    except PlanRefused:
        return
    assert encode_plan(made) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "can't be read as JSON", id="empty"),
        pytest.param("null", "not a declarative plan", id="null"),
        pytest.param("[]", "not a declarative plan", id="list"),
        pytest.param("{}", "not a declarative plan", id="no-format"),
        pytest.param('{"format":"declarative.state/1"}', "not a declarative plan", id="a-state"),
        pytest.param('{"format":7}', "not a declarative plan", id="format-of-another-type"),
        pytest.param('{"format":"declarative.plan/9"}', "has the format declarative.plan/9", id="later-format"),
        pytest.param('{"format":"declarative.plan/3"}', "edited or is damaged", id="nothing-else"),
        pytest.param('{"format":"declarative.plan/3","tool":"9.9"}', "version 9.9", id="another-version"),
        pytest.param('{"a":1,"a":1}', "can't be read as JSON", id="duplicate-member"),
        pytest.param('{"a":NaN}', "can't be read as JSON", id="nan"),
        pytest.param('{"a":-Infinity}', "can't be read as JSON", id="infinity"),
        pytest.param("[" * 100_000, "can't be read as JSON", id="deep"),
        pytest.param('{"a":' + "9" * 5000 + "}", "can't be read as JSON", id="long-number"),
        pytest.param(" " + TEXT, "digest does not match", id="blank-before"),
        pytest.param(json.dumps(json.loads(TEXT), indent=1), "digest does not match", id="other-layout"),
        pytest.param(sealed({**json.loads(TEXT), "more": 1}), "digest does not match", id="unknown-member"),
        pytest.param(sealed({**json.loads(TEXT), "serial": True}), "edited or is damaged", id="true-is-no-number"),
        pytest.param(sealed({**json.loads(TEXT), "outputs": [{"name": "a", "parts": [1]}]}), "damaged", id="part"),
        pytest.param(
            sealed({**json.loads(TEXT), "consents": [{"address": None, "by": "me", "class": "delete"}]}),
            "edited or is damaged",
            id="consent-by-nobody-we-know",
        ),
        pytest.param(sealed({**json.loads(TEXT), "serial": -1}), "edited or is damaged", id="negative-serial"),
        pytest.param(sealed({**json.loads(TEXT), "timeouts": {"a": "1"}}), "edited or is damaged", id="timeout"),
    ],
)
def test_what_is_not_a_plan_is_refused(text, words):
    with pytest.raises(PlanRefused, match=words) as refusal:
        decode_plan(text, source="p\x1b.json")
    assert refusal.value.summary.startswith("p\\x1b.json ")
    assert refusal.value.fix


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"requires": ["create:ProtectionGroup/never"]}, id="waits-for-no-step"),
        pytest.param({"requires": [1]}, id="waits-for-no-text"),
        pytest.param({"address": "ProtectionGroup/other"}, id="another-address"),
        pytest.param({"action": "explode"}, id="unknown-action"),
        pytest.param({"id": "create:ProtectionGroup/other"}, id="the-id-of-another-step"),
        pytest.param({"changes": [{"field": "a", "new": 1, "new_known": False, "old": 2}]}, id="known-unknown"),
    ],
)
def test_step_that_does_not_fit_is_refused(change):
    document = json.loads(TEXT)
    document["steps"][0].update(change)
    with pytest.raises(PlanRefused):
        decode_plan(sealed(document), source="p")


@pytest.mark.parametrize("object_id", ["../x", "a b", "é", "a" * 65, "a\n"])
def test_id_that_could_lead_a_path_astray_is_refused(object_id):
    document = json.loads(TEXT)
    document["steps"][0]["resource"]["id"] = object_id
    with pytest.raises(PlanRefused):
        decode_plan(sealed(document), source="p")


def test_step_that_stands_twice_is_refused():
    document = json.loads(TEXT)
    document["steps"].append(document["steps"][0])
    with pytest.raises(PlanRefused):
        decode_plan(sealed(document), source="p")


def test_text_beyond_the_cap_is_refused_unread(monkeypatch):
    monkeypatch.setattr(document_module, "MAX_BYTES", len(TEXT) - 1)
    with pytest.raises(PlanRefused, match="larger than a plan can be"):
        decode_plan(TEXT, source="p")


def test_summary_counts_addresses_and_a_replacement_once():
    counts = summarize(FULL.steps)
    assert {word: count for word, count in counts.items() if count} == {
        "create": 1,
        "replace": 1,
        "delete": 1,
        "update": 1,
        "move": 1,
    }
    assert list(counts)[:4] == ["create", "update", "replace", "delete"]
    assert json.loads(TEXT)["summary"] == counts


def test_same_views_give_the_same_bytes():
    assert encode_plan(full_plan()) == TEXT


def test_empty_plan_survives_its_text():
    made = plan()
    made = replace(made, basis=replace(made.basis, tool=__version__))
    assert decode_plan(encode_plan(made), source="p")[0] == made
    assert not made.has_changes()


def test_null_that_will_be_known_is_written():
    made = replace(FULL, output_changes=(Change("a", 1, None),))
    assert json.loads(encode_plan(made))["output_changes"] == [{"field": "a", "old": 1, "new": None, "new_known": True}]
