"""Whatever bytes come in: a reader gives a value or an error of ours that can be shown, and never anything else.

The inputs are good ones, spoilt at random: bits and pieces of them are flipped, cut out, repeated and put in, members
of JSON are exchanged and the text is sealed again, as a forger would do it.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from declarative.errors import DeclarativeError, OutcomeUnknown, PlanRefused, StateError
from declarative.kinds import KINDS
from declarative.manifest.findings import findings
from declarative.manifest.nodes import MAX_NODES, Reader
from declarative.manifest.schemas import kinds
from declarative.model import Accepted, Begun, Call, Closed
from declarative.planfile import decode_plan, encode_plan
from declarative.provider.answers import Failure, Reply, is_object_id, judge
from declarative.provider.jobs import job_id_of, read_failed_task, read_job
from declarative.state import journal, snapshot
from tests.scaffold import recorded as r
from tests.scaffold.corpus import DATA
from tests.scaffold.planning import cloud, desired, plan, recorded, seen
from tests.scaffold.stories import NIGHTLY

EXAMPLES = 20_000 if NIGHTLY else 1_000
THOROUGH = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

YAML_SIGNS = [b"\n", b"---\n", b": ", b":", b"- ", b"\t", b"  ", b"#", b'"', b"'", b"[", b"]", b"{", b"}", b",", b"|\n"]
YAML_SIGNS += [b">", b"&a ", b"*a", b"!!x ", b"<<: ", b"%", b"@", b"`", b"? ", b"=", b"${", b"\r", b"\xc2\xa0", b"\xff"]
YAML_SIGNS += [b"\xef\xbb\xbf", b"\x00", b"\xe2\x80\x9c", b"<<<<<<< x\n", b"kind: Stack\n", b"a: &a [*a]\n", b"[" * 70]
JSON_SIGNS = [
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"null",
    b"NaN",
    b"1e999",
    b"-0",
    b"9" * 400,
    b"\\ud800",
    b"\x00",
]
JSON_SIGNS += [b"\xff", b"\n", b"\r\n", b'"id":"a",', b'"format":7,', b"[" * 2000, b"true", b"1.5", b'""', b"\x1b[31m"]


def spoilt(good: list[bytes], signs: list[bytes]) -> st.SearchStrategy[bytes]:
    """Good inputs after one to six accidents."""

    @st.composite
    def accidents(draw: st.DrawFn) -> bytes:
        data = draw(st.sampled_from(good))
        for _ in range(draw(st.integers(1, 6))):
            at = draw(st.integers(0, len(data)))
            sign, length = draw(st.sampled_from(signs)), draw(st.integers(0, 40))
            data = draw(
                st.sampled_from(
                    [
                        data[:at] + sign + data[at:],
                        data[:at] + sign + data[at + length :],
                        data[:at] + data[at + length :],
                        data[:at] + data[at : at + length] * 2 + data[at + length :],
                        data[:at],
                        data[:at] + bytes(byte ^ 1 << length % 8 for byte in data[at : at + 1]) + data[at + 1 :],
                    ]
                )
            )
        return data

    return accidents()


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False),
    st.text(max_size=6),
    st.sampled_from(
        ["", "id-web", "ProtectionGroup/a", "../x", "a" * 5000, "\x1b[31m", "2026-01-01T00:00:00Z", -1, 2**63]
    ),
    st.builds(list),
    st.builds(dict),
    st.builds(lambda: [[[{}]]]),
)


def forged(good: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A JSON document with up to four members exchanged, dropped, or doubled."""

    @st.composite
    def forgeries(draw: st.DrawFn) -> dict[str, Any]:
        document = copy.deepcopy(good)
        for _ in range(draw(st.integers(1, 4))):
            node: Any = document
            while node:
                name = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
                if not isinstance(node[name], dict | list) or not node[name] or draw(st.booleans()):
                    break
                node = node[name]
            if not node:
                continue
            what = draw(st.sampled_from(["value", "drop", "more"]))
            if what == "value":
                node[name] = draw(VALUES)
            elif what == "drop":
                del node[name]
            elif isinstance(node, dict):
                node[draw(st.text(max_size=4))] = draw(VALUES)
            else:
                node.append(copy.deepcopy(node[name]))
        return document

    return forgeries()


def showable(error: DeclarativeError) -> None:
    """An error of ours comes with text that a terminal does not act on."""
    assert error.diagnostics()
    assert all(str(one).isprintable() for one in error.diagnostics())


# ---------------------------------------------------------------- YAML

GOOD_YAML = [path.read_bytes() for path in sorted((DATA / "edits").glob("*.yaml"))]
GOOD_YAML += [path.read_bytes() for path in sorted((DATA / "good").rglob("*.yaml"))]


@THOROUGH
@given(spoilt(GOOD_YAML, YAML_SIGNS), st.booleans())
@example(b"a: [\n", True)
@example(b"\xef\xbb\xbf", False)
def test_any_yaml_is_read_or_refused_with_a_place(data, shows):
    reading = Reader().read("m.yaml", data, shows=shows)
    assert reading.whole or reading.findings
    lines = data.decode("utf-8", "replace").splitlines() or [""]
    for one in reading.findings:
        assert str(one).isprintable()
        assert one.fix
        assert one.position is not None
        assert 1 <= one.position.line <= len(lines) + 1
        assert shows or one.position.snippet is None
    for node in reading.nodes:
        assert node.source.position(()).line <= len(lines) + 1
        kind = node.value.get("kind") if isinstance(node.value, dict) else None
        if kind in kinds():
            assert all(one.summary for one in findings(kind, node.value, resolved=False))
    assert len(reading.findings) <= MAX_NODES


# ---------------------------------------------------------------- state and journal

STATE = snapshot.encode(r.small())


def seal(document: dict[str, Any]) -> bytes:
    """A state with the checksum that fits, as `encode` would have written it."""
    body = (
        json.dumps({name: value for name, value in document.items() if name != "checksum"}).removesuffix("}").encode()
    )
    return body + b',\n"checksum":"sha256:' + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'


def read_state(data: bytes) -> None:
    try:
        state = snapshot.decode(data, source="state.json")
    except StateError as error:
        showable(error)
    else:
        assert snapshot.decode(snapshot.encode(state), source="state.json") == state


@THOROUGH
@given(spoilt([STATE], JSON_SIGNS))
def test_any_accident_to_a_state_is_refused(data):
    if data.rstrip(b"\n") != STATE.rstrip(b"\n"):
        with pytest.raises(StateError) as caught:
            snapshot.decode(data, source="state.json")
        showable(caught.value)


@THOROUGH
@given(forged(json.loads(STATE)))
def test_any_sealed_state_is_read_or_refused(document):
    read_state(seal(document))


JOURNAL = journal.encode_header("a-lineage", after=5)
JOURNAL += journal.encode_batch((Begun(r.operation()), r.put(1)), serial=6)
JOURNAL += journal.encode_batch((Accepted("op-1", "job-1"),), serial=7)
JOURNAL += journal.encode_batch((Closed("op-1"), r.put(2), r.put(3)), serial=8)
LINES = JOURNAL.splitlines(keepends=True)


def journal_line(shape: Any) -> bytes:
    """A line of a journal, sealed."""
    from zlib import crc32

    text = json.dumps(shape).encode()
    return b"%08x %d %s\n" % (crc32(text), len(text), text)


def read_journal(data: bytes) -> None:
    try:
        found = journal.decode(data, source="journal.jsonl")
    except StateError as error:
        showable(error)
    else:
        assert [batch.serial for batch in found.batches] == [
            *range(found.after + 1, found.after + 1 + len(found.batches))
        ]
        assert found.intact <= len(data)
    list(journal.salvage(data, after=0))


@THOROUGH
@given(spoilt([JOURNAL], [*JSON_SIGNS, *LINES]))
def test_any_journal_is_read_or_refused(data):
    read_journal(data)


SHAPES = [json.loads(line.split(b" ", 2)[2]) for line in LINES]


@THOROUGH
@given(forged({"lines": SHAPES}))
def test_any_sealed_journal_is_read_or_refused(document):
    lines = document.get("lines")
    read_journal(b"".join(map(journal_line, lines)) if isinstance(lines, list) else b"")


# ---------------------------------------------------------------- plans

PLAN = encode_plan(
    plan(
        [desired("a", name="a2"), desired("b", name="b")],
        [recorded("a", "id-1", name="a"), recorded("c", "id-3", name="c")],
        cloud(seen("id-1", name="a"), seen("id-3", name="c")),
    )
)


def read_plan(text: str) -> None:
    try:
        made, _ = decode_plan(text, source="p")
    except PlanRefused as error:
        showable(error)
    else:
        assert encode_plan(made) == text.removesuffix("\n")


@THOROUGH
@given(spoilt([PLAN.encode()], JSON_SIGNS))
def test_any_accident_to_a_plan_is_refused(data):
    read_plan(data.decode("utf-8", "surrogateescape"))


@THOROUGH
@given(forged(json.loads(PLAN)))
def test_any_sealed_plan_is_read_as_it_stands_or_refused(document):
    document.pop("digest", None)

    def canonical() -> str:
        return json.dumps(document, sort_keys=True, separators=(",", ":"))

    document["digest"] = hashlib.sha256(canonical().encode()).hexdigest()
    read_plan(canonical())


# ---------------------------------------------------------------- answers

GROUP = {"id": "id-1", "name": "a", "status": "protected", "progress": 100, "created_at": "2026-01-01 00:00:00.0"}
ANSWERS: list[dict[str, Any]] = [
    {"server_group": GROUP},
    {"server_groups": [GROUP, {**GROUP, "id": "id-2"}], "count": 2},
    {"job_id": "ff80808288d4"},
    {
        "job_id": "ff80808288d4",
        "job_type": "createProtectionGroupNoCG",
        "status": "SUCCESS",
        "begin_time": "2026-01-01T00:00:00.000Z",
        "end_time": "2026-01-01T00:00:09.000Z",
        "error_code": None,
        "fail_reason": None,
        "entities": {"sub_jobs": [{"job_id": "x", "status": "SUCCESS", "entities": {"server_group_id": "id-1"}}]},
    },
    {"error": {"code": "SDRS.1013", "message": "not found"}},
    {"error_code": "APIGW.0308", "error_msg": "slow down", "request_id": "x"},
]
CALLS = [Call("GET", ("server-groups", "id-1")), Call("POST", ("server-groups",), {"server_group": {}})]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEADERS = st.sampled_from(
    ["", "-1", "10", "9" * 30, "nan", "Thu, 01 Jan 2026 00:00:30 GMT", "Thu, 99 Xxx", "\x1b", "1.5"]
)


def read_answer(status: int, body: bytes, header: str) -> None:
    reply = Reply(status, body, {"retry-after": header, "date": header})
    for call in CALLS:
        found = judge(reply, call, gone=frozenset({"SDRS.1013"}), now=NOW)
        if isinstance(found, Failure):
            showable(found.error)
            assert 0 <= (found.pause or 0) <= 3600
            continue
        for read in READS:
            try:
                read(found)
            except DeclarativeError as error:
                showable(error)


def read_rows(found: dict[str, Any]) -> None:
    for kind in KINDS.values():
        for value in (found, *found.values()):
            if isinstance(value, dict) and is_object_id(value.get("id"), kind):  # as lists ask before
                kind.wire.view(value)


READS: list[Callable[[Any], object]] = [
    job_id_of,
    lambda found: read_job(found, job_id="ff80808288d4"),
    read_failed_task,
    read_rows,
]
STATUSES = st.sampled_from([200, 202, 204, 301, 400, 401, 403, 404, 409, 429, 500, 503, 599])


@THOROUGH
@given(STATUSES, spoilt([json.dumps(one).encode() for one in ANSWERS], JSON_SIGNS), HEADERS)
@example(200, b"", "")
@example(200, b"null", "")
def test_any_answer_is_judged(status, body, header):
    read_answer(status, body, header)


@THOROUGH
@given(STATUSES, st.sampled_from(ANSWERS).flatmap(forged), HEADERS)
def test_any_json_answer_is_judged(status, document, header):
    read_answer(status, json.dumps(document).encode(), header)


def test_an_answer_without_a_usable_job_leaves_the_outcome_open():
    for job_id in (None, "", "../x", "a" * 10_240, 7, ["x"]):
        with pytest.raises(OutcomeUnknown):
            job_id_of({"job_id": job_id})
