"""The state's text and how records change a state."""

from __future__ import annotations

import hashlib
import json
import re
import tracemalloc
from pathlib import Path
from types import MappingProxyType

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declarative.errors import StateError
from declarative.model import (
    Accepted,
    Address,
    Begun,
    Closed,
    Dropped,
    PreImage,
    Put,
    Resource,
    RunEnded,
    RunStarted,
)
from declarative.state import snapshot
from declarative.state.snapshot import NewerFormat, Progress, State, decode, encode, fold, fresh
from declarative.typed_json import Malformed
from tests.scaffold import recorded as r

SCHEMA = json.loads((Path(__file__).parents[3] / "schemas" / "state.json").read_text())


def folded(*records: object, state: State | None = None) -> State:
    state = state or fresh("a-lineage")
    for record in records:
        fold(state, record)
    return state


def sealed(**changes: object) -> bytes:
    """The small state with members changed by hand, and sealed again."""
    document = {**json.loads(encode(r.small())), **changes}
    del document["checksum"]
    return seal(json.dumps(document))


def seal(text: str) -> bytes:
    body = text.removesuffix("}").encode()
    return body + b',\n"checksum":"sha256:' + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'


# ---------------------------------------------------------------- fold


def test_a_put_object_is_recorded_and_a_dropped_one_is_not():
    state = folded(Put(r.resource()), Put(r.resource(r.DATABASE, "id-db")), Dropped(r.WEB))
    assert state.resources == {r.DATABASE: r.resource(r.DATABASE, "id-db")}


def test_an_accepted_operation_has_its_job_until_it_is_closed():
    state = folded(Begun(r.operation()), Begun(r.operation(sends=1)), Accepted("op-1", "job-1"))
    assert state.operations == {"op-1": r.operation(sends=1, job_id="job-1")}
    assert folded(Closed("op-1"), state=state).operations == {}


def test_accepting_or_closing_an_unknown_operation_changes_nothing():
    assert folded(Accepted("op-9", "job"), Closed("op-9")) == fresh("a-lineage")


@pytest.mark.parametrize(
    ("records", "kept"),
    [
        pytest.param([Begun(r.operation()), Closed("op-1")], True, id="between-two-waves-of-a-run"),
        pytest.param([RunEnded(r.run(ended="now"), True, {})], False, id="the-run-ended"),
        pytest.param([Begun(r.operation()), RunEnded(r.run(ended="now"), False, {})], True, id="ended-with-one-open"),
        pytest.param(
            [Begun(r.operation()), RunEnded(r.run(ended="now"), False, {}), Closed("op-1")],
            False,
            id="the-last-open-one-of-an-ended-run",
        ),
        pytest.param([RunStarted(r.run("run-2"))], False, id="the-next-run-begins"),
        pytest.param([Begun(r.operation()), RunStarted(r.run("run-2"))], True, id="the-next-run-begins-with-one-open"),
    ],
)
def test_pre_images_live_as_long_as_something_may_need_them(records, kept):
    state = folded(RunStarted(r.run()), PreImage("ProtectionGroup", ("a", "b")), *records)
    assert state.pre_images == ({"ProtectionGroup": frozenset({"a", "b"})} if kept else {})


def test_steps_that_end_in_a_run_are_its_progress():
    state = folded(RunStarted(r.run()), Put(r.resource(), "s1"), Dropped(r.DATABASE, "s2"), Put(r.resource()))
    assert state.progress == Progress(r.run(), False, {"s1", "s2"})


def test_steps_outside_a_run_are_nobodys_progress():
    assert folded(Put(r.resource(), "s1")).progress is None


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        pytest.param(r.run(plan="p"), r.run("run-2", plan="p"), {"s1"}, id="same-plan"),
        pytest.param(r.run(plan="p"), r.run("run-2", plan="q"), set(), id="another-plan"),
        pytest.param(r.run(plan=""), r.run("run-2", plan=""), set(), id="no-plan-is-not-the-same-plan"),
    ],
)
def test_an_unfinished_plan_is_resumed_with_its_finished_steps(before, after, kept):
    state = folded(RunStarted(before), Put(r.resource(), "s1"), RunEnded(before, False, {}), RunStarted(after))
    assert state.progress == Progress(after, False, kept)


def test_a_done_plan_is_not_resumed():
    state = folded(RunStarted(r.run()), Put(r.resource(), "s1"), RunEnded(r.run(ended="now"), True, {}))
    assert state.progress == Progress(r.run(ended="now"), True, {"s1"})
    assert folded(RunStarted(r.run("run-2")), state=state).progress == Progress(r.run("run-2"))


def test_history_holds_the_last_two_hundred_runs_and_the_last_outputs():
    state = folded(*(RunEnded(r.run(f"run-{n}"), True, {"n": n}) for n in range(203)))
    assert [run.id for run in state.history] == [f"run-{n}" for n in range(3, 203)]
    assert state.outputs == {"n": 202}


def test_a_run_that_was_killed_stays_in_the_history():
    ended = r.run("run-2", ended="now")
    state = folded(RunStarted(r.run()), Put(r.resource(), "s1"), RunStarted(r.run("run-2")), RunEnded(ended, True, {}))
    assert state.history == [r.run(), ended]


@given(st.lists(r.records, max_size=6))
def test_a_record_applied_again_changes_nothing_more(records):
    state = folded(*records)
    once = encode(state)
    if records:
        fold(state, records[-1])
    assert encode(state) == once


# ---------------------------------------------------------------- encode and decode


def test_a_state_reads_back_as_it_was_written():
    assert decode(encode(r.small()), source="state.json") == r.small()


@given(st.lists(r.records, max_size=8), st.lists(r.records, max_size=4))
def test_folding_goes_on_from_a_text_as_from_memory(earlier, later):
    state = folded(*earlier)
    again = decode(encode(state), source="state.json")
    assert again == state
    assert folded(*later, state=again) == folded(*later, state=state)


@given(st.lists(r.records, max_size=6))
@settings(max_examples=40)
def test_what_is_written_follows_the_schema(records):
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(encode(folded(*records))))


def test_the_schema_is_one_and_takes_a_state_with_something_of_everything():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(encode(r.small())))


def test_every_property_of_the_schema_is_described():
    def undescribed(schema, where):
        for name, value in schema.get("properties", {}).items():
            target = SCHEMA["$defs"][value["$ref"].rpartition("/")[2]] if "$ref" in value else value
            if "description" not in value and "description" not in target:
                yield f"{where}.{name}"

    places = [(SCHEMA, ""), *((schema, name) for name, schema in SCHEMA["$defs"].items())]
    assert [name for schema, where in places for name in undescribed(schema, where)] == []


def test_equal_states_have_equal_bytes():
    state, other = fresh("a"), fresh("a")
    for number in range(9):
        fold(state, r.put(number))
        fold(other, r.put(8 - number))
    assert encode(state) == encode(other)


def test_mappings_of_any_type_are_written_as_objects():
    state = folded(Put(Resource(r.WEB, "id-web", MappingProxyType({"a": MappingProxyType({"b": 1})}))))
    assert decode(encode(state), source="state.json").resources[r.WEB].inputs == {"a": {"b": 1}}


def test_each_object_has_a_line_of_its_own():
    state = folded(Put(r.resource(name="a\nb\u2028\r")), Put(r.resource(r.DATABASE, "id-db")))
    lines = [line for line in encode(state).splitlines() if b'"address"' in line]
    assert len(lines) == 2
    assert encode(state).isascii()


@pytest.mark.parametrize("bytes_at_a_time", [1, 200, 10_000])
def test_resources_are_read_the_same_however_many_at_a_time(monkeypatch, bytes_at_a_time):
    state = folded(*(r.put(number) for number in range(20)))
    monkeypatch.setattr(snapshot, "_PIECE", bytes_at_a_time)
    assert decode(encode(state), source="state.json") == state


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param({}, id="one-line"),
        pytest.param({"indent": 2}, id="indented"),
        pytest.param({"indent": 0, "separators": (",", ":")}, id="almost-ours"),
    ],
)
def test_a_text_that_is_laid_out_otherwise_is_read_too(layout):
    resources = [{**RESOURCE, "depends_on": ["ProtectionGroup/b"], "attributes": {"resources": [{"a": [1]}, {}]}}]
    document = {**json.loads(encode(r.small())), "resources": resources, "operations": []}
    del document["checksum"]
    (found,) = decode(seal(json.dumps(document, **layout)), source="state.json").resources.values()
    assert found.attributes == {"resources": [{"a": [1]}, {}]}


@pytest.mark.parametrize("nested", ["first", "last"])
def test_resources_within_another_member_are_not_those_of_the_state(nested):
    document = json.loads(encode(r.small()))
    del document["checksum"]
    own, inner = document.pop("resources"), {"resources": [{"a": 1}]}
    members = [("x-mine", inner), *document.items()] if nested == "first" else [*document.items(), ("x-mine", inner)]
    text = json.dumps({**dict(members), "resources": own}, indent=0, separators=(",", ":"))
    state = decode(seal(text), source="state.json")
    assert state.unknown["x-mine"] == inner
    assert state.resources == r.small().resources


def test_a_fault_in_a_resource_names_its_place_among_them():
    text = encode(folded(Put(r.resource()), Put(r.resource(r.DATABASE, "id-db")))).decode()
    faulty = text.replace('"id":"id-web"', '"id":1').rpartition(",\n")[0] + "}"
    with pytest.raises(StateError, match=r"resources\[1\]: 'id' must be a text"):
        decode(seal(faulty), source="state.json")


def test_reading_a_state_takes_less_memory_beside_it_than_half_of_its_text():
    text = encode(folded(*(r.put(number) for number in range(20_000))))
    tracemalloc.start()
    try:
        state = decode(text, source="state.json")
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(state.resources) == 20_000
    assert peak - kept < len(text) / 2 + 4 * snapshot._PIECE


def test_equal_values_of_recorded_objects_are_one_text():
    objects = (r.resource(zone="eu de 01"), r.resource(r.DATABASE, "id-db", zone="eu de 01"))
    read = decode(encode(folded(*map(Put, objects))), source="state.json")
    one, other = read.resources.values()
    assert one.attributes["zone"] is other.attributes["zone"]
    assert one.normalized is other.normalized
    assert one.address.kind is other.address.kind


def test_unknown_members_at_the_top_are_kept():
    state = decode(sealed(later={"a": [1]}), source="state.json")
    assert state.unknown == {"later": {"a": [1]}, "x-later": [1, {"a": None}]}
    assert decode(encode(state), source="state.json").unknown == state.unknown


def test_a_text_cut_anywhere_is_refused():
    data = encode(r.small())
    for length in range(len(data)):
        with pytest.raises(StateError):
            decode(data[:length], source="state.json")


def test_a_text_with_any_bit_flipped_is_refused():
    state = fresh("a-lineage")
    fold(state, Put(Resource(r.WEB, "id-web")))
    data = encode(state)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StateError):
            decode(bytes(flipped), source="state.json")


RESOURCE = {"address": "ProtectionGroup/web", "id": "id-web"}
OPERATION = {"id": "o", "step": "s", "action": "create", "resource": RESOURCE}
RUN = {"id": "r", "who": "me", "started": "now", "command": "apply"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b" \n", "is empty", id="blank"),
        pytest.param(b"<html>", "is not JSON", id="html"),
        pytest.param(b"\xff\xfe{}", "is not UTF-8", id="not-utf-8"),
        pytest.param(b"[" * 100_000, "is not JSON", id="deep"),
        pytest.param(b"9" * 5000, "is not JSON", id="a-number-of-5000-digits"),
        pytest.param(b'{"a":1,"a":2}', "duplicate key", id="duplicate-key"),
        pytest.param(b"[]", "is not a declarative state", id="array"),
        pytest.param(b"{}", "is not a declarative state", id="no-format"),
        pytest.param(b'{"format":"declarative.plan/1"}', "is not a declarative state", id="another-format"),
        pytest.param(b'{"format":"declarative.state/1"}', "checksum", id="no-checksum"),
        pytest.param(b'{"format":"declarative.state/1","serial":NaN}', "NaN", id="nan"),
        pytest.param(b'{"format":"declarative.state/1","serial":1e999}', "too large", id="infinite"),
        pytest.param(sealed(serial=-1), "'serial' must be a whole number", id="negative-serial"),
        pytest.param(sealed(serial=2.0), "'serial' must be a whole number", id="float-serial"),
        pytest.param(sealed(serial=2**63), "'serial' must be a whole number", id="serial-too-large"),
        pytest.param(sealed(serial=True), "'serial' must be a whole number", id="boolean-serial"),
        pytest.param(sealed(lineage=""), "'lineage' must be a text", id="empty-lineage"),
        pytest.param(sealed(binding={"project_id": "p"}), "lacks 'host'", id="half-a-binding"),
        pytest.param(sealed(resources={}), "'resources' must be an array", id="resources-not-a-list"),
        pytest.param(
            sealed(resources=[RESOURCE, RESOURCE]), "records ProtectionGroup/web twice", id="one-address-twice"
        ),
        pytest.param(
            sealed(resources=[RESOURCE, {**RESOURCE, "address": "ProtectionGroup/other"}]),
            "record the same object, id-web",
            id="one-id-twice",
        ),
        pytest.param(sealed(resources=[{**RESOURCE, "id": ""}]), "recorded without an id", id="no-id"),
        pytest.param(sealed(resources=[{**RESOURCE, "id": 1}]), "resources[0]: 'id' must be a text", id="id-a-number"),
        pytest.param(sealed(resources=[{**RESOURCE, "x": 1}]), "unknown field 'x'", id="unknown-field-of-a-resource"),
        pytest.param(sealed(resources=[{**RESOURCE, "inputs": []}]), "'inputs' must be an object", id="inputs-a-list"),
        pytest.param(sealed(resources=[{**RESOURCE, "address": "a\x1b/b"}]), r"'a\x1b/b' is no address", id="address"),
        pytest.param(
            sealed(resources=[{**RESOURCE, "address": 5}]),
            "resources[0]: 'address' must be a text",
            id="address-a-number",
        ),
        pytest.param(sealed(resources=["x"]), "resources[0]: must be an object", id="resource-a-text"),
        pytest.param(
            sealed(resources=[{**RESOURCE, "lifecycle": {"prevent_destroy": 1, "ignore_changes": []}}]),
            "'prevent_destroy' must be true or false",
            id="lifecycle",
        ),
        pytest.param(sealed(operations=[{**OPERATION, "action": "x"}]), "'action' is unknown: x", id="unknown-action"),
        pytest.param(sealed(operations=[{**OPERATION, "action": []}]), "'action' is unknown", id="action-a-list"),
        pytest.param(sealed(operations=[{**OPERATION, "id": ""}]), "'id' must be a text", id="operation-without-id"),
        pytest.param(sealed(operations=[{**OPERATION, "sends": -1}]), "'sends' must be a whole number", id="sends"),
        pytest.param(sealed(operations=[OPERATION, OPERATION]), "the operation o twice", id="one-operation-twice"),
        pytest.param(
            sealed(operations=[{**OPERATION, "action": "record"}]), "whose action, record, is none", id="no-call-at-all"
        ),
        pytest.param(
            sealed(operations=[{**OPERATION, "action": "delete", "resource": {**RESOURCE, "id": "id-other"}}]),
            "the open delete of ProtectionGroup/web is of an object that is not recorded",
            id="an-operation-of-another-object",
        ),
        pytest.param(
            sealed(resources=[], operations=[{**OPERATION, "action": "update"}]),
            "the open update of ProtectionGroup/web is of an object that is not recorded",
            id="an-operation-of-nothing",
        ),
        pytest.param(sealed(operations=[{"id": "o"}]), "lacks 'action'", id="half-an-operation"),
        pytest.param(sealed(history=[{**RUN, "counts": {"done": "1"}}]), "'counts.done' must be", id="history"),
        pytest.param(sealed(progress={"run": RUN, "done": False}), "lacks 'steps'", id="progress"),
        pytest.param(sealed(pre_images={"ProtectionGroup": "x"}), "'pre_images' must be an array", id="pre-images"),
        pytest.param(seal('{"format":"declarative.state/1","lineage":"x"}'), "lacks 'binding'", id="members-missing"),
    ],
)
def test_what_is_no_state_is_refused_with_the_reason(data, message):
    with pytest.raises(StateError, match=re.escape(message)) as caught:
        decode(data, source="state\x1b.json")
    assert str(caught.value.diagnostics()[0]).isprintable()
    assert caught.value.summary.startswith(r"state\x1b.json")
    assert caught.value.fix


def test_a_later_format_is_refused_with_both_versions():
    with pytest.raises(NewerFormat, match=r"declarative\.state/2.*declarative\.state/1"):
        decode(seal('{"format":"declarative.state/2"}'), source="state.json")


def test_a_format_whose_number_is_damaged_is_no_later_one():
    with pytest.raises(StateError, match="checksum") as caught:
        decode(encode(r.small()).replace(b"state/1", b"state/9"), source="state.json")
    assert not isinstance(caught.value, NewerFormat)


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(folded(Put(r.resource(r.WEB, "x")), Put(r.resource(r.DATABASE, "x"))), id="one-object-twice"),
        pytest.param(folded(Put(r.resource(r.WEB, ""))), id="no-id"),
        pytest.param(folded(Put(r.resource(Address("ProtectionGroup", "a\nb")))), id="no-address"),
        pytest.param(folded(Put(r.resource(Address("ProtectionGroup", "a[k]")))), id="another-address"),
        pytest.param(folded(Put(r.resource(size=float("nan")))), id="nan"),
        pytest.param(folded(Put(r.resource(size={1, 2}))), id="no-json"),
        pytest.param(folded(Begun(r.operation(""))), id="an-operation-without-id"),
        pytest.param(State("a", serial=2**63), id="serial-too-large"),
        pytest.param(State(""), id="no-lineage"),
    ],
)
def test_a_state_that_could_not_be_read_again_is_not_written(state):
    with pytest.raises(Malformed):
        encode(state)


def test_ten_thousand_objects_have_ten_thousand_lines():
    state = folded(*(r.put(number) for number in range(10_000)))
    data = encode(state)
    assert data.count(b"\n") == 10_000 + len(snapshot.encode(fresh("a")).splitlines()) + 1
    assert decode(data, source="state.json") == state
