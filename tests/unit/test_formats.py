"""What earlier versions wrote is read, and written again, byte for byte.

The files in `tests/data/formats` are of the formats state/1, journal/1 and plan/3. They are never written anew: a test
that fails here has met a change of a format.
"""

import json
from pathlib import Path

import pytest

from declarative.errors import Diagnostic, Position, Severity
from declarative.model import (
    Accepted,
    Action,
    Address,
    Basis,
    Begun,
    Binding,
    Change,
    Closed,
    Consent,
    Danger,
    DangerClass,
    Drift,
    Dropped,
    Hint,
    Lifecycle,
    OpenOperation,
    Operation,
    Output,
    Plan,
    PreImage,
    Prerequisite,
    Put,
    Reason,
    Reference,
    Resource,
    Run,
    RunEnded,
    RunStarted,
    Step,
    Withheld,
)
from declarative.planfile import encode_plan
from declarative.planfile.decoding import read_plan
from declarative.state import journal, snapshot
from declarative.views.states import HistoryView, ListingView, StateView

FOLDER = Path(__file__).parents[1] / "data" / "formats"
NASTY = '\x1b[31m\u202e\ud800"\\\n\u2028日'

SHOP, EMPTY, DATA = (
    Address("ProtectionGroup", "shop"),
    Address("ProtectionGroup", "e", "eu-1"),
    Address("ReplicationPair", "d"),
)
WEB = Address("ProtectedInstance", "web", "a.b")
FULL = Resource(
    WEB,
    "id-web",
    {"name": NASTY, "server_group_id": "id-shop", "tags": {"b": [1, 2.5, None], "a": True}},
    {"status": "available", "name": NASTY},
    Lifecycle(True, ("name", "tags"), adopt=True),
    (SHOP, EMPTY),
    {"name": (NASTY, "shown"), "size": (1, None)},
    ("pair-1", "pair-2"),
)
RESOURCES = (
    FULL,
    Resource(EMPTY, "id-e"),
    Resource(SHOP, "id-shop", {"name": "shop"}, lifecycle=Lifecycle(ignore_changes=("name",)), brought=()),
    Resource(DATA, "id-d", lifecycle=Lifecycle(adopt=True)),
)
NEW = Resource(Address("ProtectionGroup", "new"), "", {"name": "new"})
BEGUN = Operation("op-1", "create:ProtectionGroup/new", Action.CREATE, NEW)
SENT = Operation("op-2", "delete:ProtectedInstance/web[a.b]", Action.DELETE, FULL, "job-2", 3)
FIRST = Run("run-1", "me@here", "2026-01-02T03:04:05Z", "apply")
LAST = Run(
    "run-2", NASTY, "2026-01-02T03:04:05Z", "destroy", "digest", ("delete", "replace:x"), "2026-01-02T03:05:00Z",
    {"done": 1, "failed": 0},
)  # fmt: skip

STATE = snapshot.State(
    "a-lineage",
    7,
    Binding("project", "eu-de", "sdrs.example.com"),
    {one.address: one for one in RESOURCES},
    {one.id: one for one in (BEGUN, SENT)},
    {"ProtectionGroup": {"id-other", "*"}, "DRDrill": set()},
    {"id": "id-web", "all": [NASTY, None]},
    [FIRST, LAST],
    snapshot.Progress(LAST, False, {"b", "a"}),
    {"x-later": [1, {"a": None}]},
)
RECORDS = (
    *map(Put, RESOURCES),
    Put(FULL, "a-step"),
    Dropped(DATA),
    Dropped(DATA, "a-step"),
    Begun(BEGUN),
    Begun(SENT),
    Accepted("op-1", "job-1"),
    Closed("op-1"),
    PreImage("ProtectionGroup", ("id-other", "*")),
    RunStarted(FIRST),
    RunEnded(LAST, True, {"id": "id-web"}),
)


def a_step(action, resource, **more):
    return Step(f"{action.value}:{resource.address}", resource.address, action, Reason.EDITED, resource, **more)


def planned(resource):
    """What a plan holds of a resource: not what only the state knows."""
    return Resource(
        resource.address, resource.id, resource.inputs, resource.attributes, resource.lifecycle, resource.depends_on
    )


PLAN = Plan(
    Basis(
        stack="shop", environment="prod", desired="abc", inputs={"v": NASTY, "n": 1.5}, binding=STATE.binding,
        lineage="a-lineage", serial=7, tool="0.0.0", created="2026-01-02T03:04:05Z", expires="2026-01-03T03:04:05Z",
        destroy=False, refresh_only=False, refreshed=True, documents=3, guarded=(SHOP,), targets=("a",),
        excludes=("b",), replaces=("c",),
    ),
    steps=(
        a_step(Action.CREATE, Resource(SHOP, "", {"name": "shop"})),
        a_step(
            Action.CREATE,
            Resource(WEB, "", {"server_group_id": Reference(SHOP), "device": Reference(DATA, "name")}),
            requires=(f"create:{SHOP}",), leaves=("a disk",), twins=("id-x",),
        ),
        a_step(
            Action.UPDATE, planned(FULL), before={"name": "old"},
            changes=(Change("name", "old", NASTY), Change("size", None, None, new_known=False)),
        ),
        a_step(Action.MOVE, planned(RESOURCES[3]), source=EMPTY),
    ),
    dangers=(Danger(DangerClass.DELETE, NASTY, WEB, SHOP, True), Danger(DangerClass.MASS_DELETE, "many")),
    hints=(Hint(SHOP, "moved", ((SHOP, EMPTY),)),),
    consents=(Consent(DangerClass.DELETE, WEB, "option"), Consent(DangerClass.MASS_DELETE, None, "option")),
    withheld=(Withheld(WEB, Action.UPDATE, "held"),),
    drift=(Drift(SHOP, (Change("name", "a", "b"),)), Drift(DATA, (), gone=True)),
    open=(OpenOperation(EMPTY, Action.DELETE, NASTY),),
    outputs=(Output("all", ("x-", Reference(SHOP), None)),),
    output_changes=(Change("all", None, None, new_known=False),),
    warnings=(
        Diagnostic(NASTY, "fix", Position("a.yaml", 3, 4), "x", Severity.WARNING, id=""),  # as before findings had ids
        Diagnostic("plain", id=""),
    ),
    prerequisites=(Prerequisite(WEB, "a flavor"),),
    max_deletes=5,
    timeouts={"create_grace": 30, "ProtectionGroup.create": 1.5},
)  # fmt: skip

WRITTEN = {
    "state.json": lambda: snapshot.encode(STATE),
    "empty-state.json": lambda: snapshot.encode(snapshot.fresh("a-lineage")),
    "journal.jsonl": lambda: (
        journal.encode_header("a-lineage", after=7)
        + journal.encode_batch(RECORDS[:5], serial=8)
        + journal.encode_batch(RECORDS[5:], serial=9)
    ),
    "plan.json": lambda: encode_plan(PLAN).encode("ascii"),
    "state-show.json": lambda: StateView(STATE).json().encode("ascii"),
    "empty-state-show.json": lambda: StateView(snapshot.fresh("a-lineage")).json().encode("ascii"),
    "state-list.json": lambda: ListingView(RESOURCES).json().encode("ascii"),
    "state-history.json": lambda: HistoryView([FIRST, LAST]).json().encode("ascii"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_is_as_it_always_was(name):
    assert WRITTEN[name]() == (FOLDER / name).read_bytes()


@pytest.mark.parametrize(("name", "state"), [("state.json", STATE), ("empty-state.json", snapshot.fresh("a-lineage"))])
def test_an_old_state_is_read(name, state):
    assert snapshot.decode((FOLDER / name).read_bytes(), source=name) == state


def test_an_old_journal_is_read():
    """A recovery file is a journal of one batch."""
    read = journal.decode((FOLDER / "journal.jsonl").read_bytes(), source="journal.jsonl")
    assert [record for batch in read.batches for record in batch.records] == list(RECORDS)


def test_an_old_plan_is_read():
    assert read_plan(json.loads((FOLDER / "plan.json").read_bytes())) == PLAN
