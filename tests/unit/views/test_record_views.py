"""Findings, recorded objects, history and events, for people and for programs."""

import json
from pathlib import Path

import jsonschema
import pytest

from declarative.errors import Diagnostic, Position, Severity
from declarative.model import Action, Address, Event, Lifecycle, Operation, Resource, Run
from declarative.views.events import event_json, event_text
from declarative.views.findings import extent, findings_json, findings_lines, findings_summary
from declarative.views.states import (
    history_lines,
    listing_lines,
    operation_json,
    operation_lines,
    resource_json,
    resource_lines,
    run_json,
)
from declarative.views.text import plain

SHOP = Address("ProtectionGroup", "shop")
RESOURCE = Resource(
    SHOP,
    "g1",
    {"name": "shop"},
    {"status": "available", "name": "shop", "id": "g1", "progress": None},
    Lifecycle(True, ("name",)),
)
RUN = Run("r", "ann", "2026-01-02T03:04:05Z", "apply", "ab" * 32, ("delete",), "2026-01-02T03:05:05Z", {"done": 2})
ERROR = Diagnostic("no such field 'nmae'", "Did you mean 'name'?", Position("a.yaml", 3, 5), id="unknown-field")
WARNING = Diagnostic("unused", severity=Severity.WARNING, id="unused-variable")


def test_findings_for_people():
    assert plain(findings_lines([ERROR, WARNING])) == (
        "a.yaml:3:5: error: no such field 'nmae'. Did you mean 'name'?\nwarning: unused.\n"
    )


def test_finding_ends_with_its_id_when_asked():
    (with_id,), (without,) = findings_lines([ERROR], ids=True), findings_lines([ERROR])
    assert with_id[0].text == f"{without[0].text} [unknown-field]"


def test_findings_for_programs():
    assert findings_json([ERROR, WARNING]) == {
        "format": "declarative.findings/1",
        "valid": False,
        "findings": [
            {
                "id": "unknown-field",
                "severity": "error",
                "summary": "no such field 'nmae'",
                "fix": "Did you mean 'name'?",
                "file": "a.yaml",
                "line": 3,
                "column": 5,
                "address": None,
                "snippet": None,
            },
            {
                "id": "unused-variable",
                "severity": "warning",
                "summary": "unused",
                "fix": "",
                "file": None,
                "line": None,
                "column": None,
                "address": None,
                "snippet": None,
            },
        ],
    }


@pytest.mark.parametrize(
    ("findings", "sentence"),
    [
        ([], "Valid."),
        ([WARNING], "Valid: 1 warning."),
        ([ERROR, ERROR, WARNING], "Not valid: 2 errors, 1 warning."),
    ],
)
def test_findings_are_counted(findings, sentence):
    assert findings_summary(findings) == sentence


@pytest.mark.parametrize(
    ("findings", "looked", "sentence"),
    [
        ([], (1, 1, ()), "Valid: 1 file, 1 document."),
        ([], (2, 5, ("prod", "staging")), "Valid: 2 files, 5 documents, environments prod, staging."),
        ([WARNING], (2, 5, ("prod",)), "Valid: 1 warning in 2 files, 5 documents, environment prod."),
        ([ERROR], (2, 5, ("prod",)), "Not valid: 1 error."),
        (
            [],
            (1, 1, tuple("abcdefghijkl")),
            f"Valid: 1 file, 1 document, environments {', '.join('abcdefghij')} and 2 more.",
        ),
    ],
)
def test_a_valid_folder_says_what_was_looked_at(findings, looked, sentence):
    assert findings_summary(findings, extent(*looked)) == sentence


def test_a_recorded_object_for_people():
    assert plain(resource_lines(RESOURCE)) == (
        '  ProtectionGroup/shop  id "g1"\n'
        '      name    "shop"\n'
        '      status  "available"\n'
        "      prevent_destroy: it must not be deleted\n"
    )


def test_a_recorded_object_for_programs():
    assert resource_json(RESOURCE) == {
        "address": "ProtectionGroup/shop",
        "kind": "ProtectionGroup",
        "id": "g1",
        "inputs": {"name": "shop"},
        "attributes": {"status": "available", "name": "shop", "id": "g1", "progress": None},
        "lifecycle": {"prevent_destroy": True, "ignore_changes": ["name"], "adopt": False},
        "depends_on": [],
    }


def test_the_list_has_a_line_for_each_object():
    short = Resource(Address("ProtectionGroup", "a"), "g2")
    assert plain(listing_lines([RESOURCE, short])) == (
        'ProtectionGroup/shop  g1  "shop"\nProtectionGroup/a     g2  null\n'
    )


def test_open_operations():
    sent = Operation("o1", "s1", Action.CREATE, RESOURCE, "j1", 1)
    assert plain(operation_lines([sent])) == "  … create ProtectionGroup/shop (job j1)\n"
    assert operation_json(sent) == {
        "id": "o1",
        "address": "ProtectionGroup/shop",
        "action": "create",
        "job_id": "j1",
        "sends": 1,
    }


def test_history():
    unfinished = Run("r2", "bob", "2026-01-03T03:04:05Z", "destroy")
    assert plain(history_lines([RUN, unfinished])) == (
        "at 2026-01-02T03:04:05Z  apply by ann: 2 done  plan abababababab  consents delete\n"
        "at 2026-01-03T03:04:05Z  destroy by bob: not ended\n"
    )
    assert run_json(unfinished)["ended"] is None
    assert run_json(RUN)["counts"] == {"done": 2}


TIME = "2026-01-02T03:04:05Z"
EVENTS = [
    (Event("run-started", TIME, detail={"steps": 2, "plan": "ab"}), "2 steps to take"),
    (Event("settled", TIME, SHOP, Action.CREATE, {"message": "it exists"}), "recovered: it exists"),
    (Event("step-started", TIME, SHOP, Action.CREATE, {"step": "s"}), "ProtectionGroup/shop: creating"),
    (Event("step-accepted", TIME, SHOP, Action.CREATE, {"step": "s", "job_id": "j"}), ""),
    (Event("step-progress", TIME, SHOP, Action.CREATE, {"step": "s", "status": "RUNNING", "job_id": "j"}), ""),
    (
        Event("step-progress", TIME, SHOP, Action.DELETE, {"step": "s", "status": "RUNNING", "percent": 40}),
        "ProtectionGroup/shop: deleting, RUNNING 40 %",
    ),
    (
        Event("step-done", TIME, SHOP, Action.CREATE, {"step": "s", "seconds": 1.52, "id": "g1"}),
        "ProtectionGroup/shop: created after 1.5 s (id g1)",
    ),
    (
        Event("step-failed", TIME, SHOP, Action.CREATE, {"step": "s", "summary": "no", "fix": "Ask.", "code": ""}),
        "ProtectionGroup/shop: create failed: no. Ask.",
    ),
    (
        Event("step-continues", TIME, SHOP, Action.CREATE, {"step": "s", "summary": "job j", "job_id": "j"}),
        "ProtectionGroup/shop: create goes on in the cloud: job j",
    ),
    (Event("warning", TIME, detail={"id": "few-connections", "summary": "slow", "fix": ""}), "warning: slow"),
    (Event("interrupted", TIME, detail={"reason": "its time is over"}), "stopping: its time is over"),
    (
        Event("run-ended", TIME, detail={"done": 1, "failed": 0, "continues": 0, "not_started": 1, "seconds": 2.5}),
        "",
    ),
]


@pytest.mark.parametrize(("event", "text"), EVENTS, ids=[event.type for event, _ in EVENTS])
def test_an_event_as_a_line(event, text):
    assert event_text(event) == text


@pytest.mark.parametrize("event", [event for event, _ in EVENTS], ids=[event.type for event, _ in EVENTS])
def test_every_event_is_as_its_schema_says(event):
    schema = json.loads((Path(__file__).parents[3] / "schemas" / "events.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(event_json(event))


def test_accepted_steps_are_told_to_those_who_ask_for_more():
    accepted = Event("step-accepted", TIME, SHOP, Action.CREATE, {"step": "s", "job_id": "j"})
    assert event_text(accepted, verbose=True) == "ProtectionGroup/shop: create accepted as job j"


def test_detail_can_not_replace_what_an_event_is():
    assert event_json(Event("warning", TIME, detail={"type": "x", "time": "y"})) == {"type": "warning", "time": TIME}
