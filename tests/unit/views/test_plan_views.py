"""What a reader sees of a plan and of its outcome."""

import tracemalloc
from dataclasses import replace

import pytest

from declarative.errors import Diagnostic, Position, Severity
from declarative.model import (
    Action,
    Address,
    Basis,
    Binding,
    Change,
    Consent,
    Danger,
    DangerClass,
    Drift,
    OpenOperation,
    Outcome,
    Plan,
    Reason,
    Resource,
    Result,
    Step,
    StepOutcome,
    Withheld,
)
from declarative.views.entries import entries
from declarative.views.outcomes import outcome_lines
from declarative.views.plans import Manner, plan_lines, summary
from declarative.views.text import finding, plain

BASIS = Basis(
    stack="shop-dr",
    environment="prod",
    desired="d" * 64,
    inputs={},
    binding=Binding("0f1e", "eu-de", "sdrs.example"),
    lineage="l",
    serial=3,
    tool="0.1.0",
    created="2026-01-02T03:04:05Z",
    expires="2026-01-03T03:04:05Z",
)
PLAN = Plan(BASIS)


def address(name):
    return Address("ProtectionGroup", name)


def step(action, name, reason=Reason.NEW, *, changes=(), object_id="", source=None, number=""):
    resource = Resource(address(name), object_id, attributes={"name": f"{name}-prod"} if object_id else {})
    return Step(f"{action}:{name}{number}", address(name), action, reason, resource, changes, source=source)


CREATE = step(Action.CREATE, "new", changes=(Change("name", None, "new-prod"), Change("description", None, None)))
RENAME = step(Action.UPDATE, "web", Reason.EDITED, changes=(Change("name", "web-a", "web-b"),), object_id="w1")
DELETE = step(Action.DELETE, "old", Reason.GONE_FROM_MANIFESTS, object_id="o1")
REPLACE = (
    step(Action.DELETE, "db", Reason.REPLACED, object_id="d1"),
    step(
        Action.CREATE,
        "db",
        Reason.REPLACED,
        changes=(Change("description", "a", "b"), Change("name", "db", "db2")),
    ),
)
FULL = Plan(
    BASIS,
    steps=(
        CREATE,
        RENAME,
        DELETE,
        *REPLACE,
        step(Action.MOVE, "b", Reason.MOVED, source=address("a"), object_id="m1"),
        step(Action.RECORD, "remaining", Reason.EDITED, changes=(Change("lifecycle.prevent_destroy", False, True),)),
        step(Action.FORGET, "lost", Reason.GONE_FROM_CLOUD, object_id="l1"),
    ),
    dangers=(
        Danger(DangerClass.DELETE, "deletes the protection group old-prod", address("old")),
        Danger(DangerClass.MASS_DELETE, "11 objects would be deleted"),
        Danger(DangerClass.PREVENT_DESTROY, "the group must not be deleted", address("old")),
        Danger(DangerClass.DR_IN_PROGRESS, "its status is failed-over", address("held")),
    ),
    consents=(Consent(DangerClass.MASS_DELETE),),
    withheld=(Withheld(address("held"), Action.UPDATE, "its status is failed-over"),),
    drift=(Drift(address("web"), (Change("name", "web", "web-a"),)), Drift(address("lost"), gone=True)),
    open=(OpenOperation(address("late"), Action.CREATE, "its job goes on"),),
    output_changes=(Change("new_id", None, new_known=False), Change("old_id", "o1"), Change("stage", "a", "b")),
    warnings=(
        Diagnostic(
            "variable 'x' is unused",
            "Remove it",
            Position("stack.yaml", 3, 5),
            severity=Severity.WARNING,
            id="unused-variable",
        ),
    ),
)
FULL_TEXT = """\
Plan: 1 to create, 1 to rename, 1 to replace, 1 to delete, 1 to forget, 1 to move, 1 to record, 3 outputs to record. \
1 step withheld. 2 dangers without a consent.
Plan for stack shop-dr, environment prod (project 0f1e, region eu-de, at sdrs.example)
Consents given: mass-delete (by option)

Still open from earlier runs; apply goes on with these first:
  … create ProtectionGroup/late: its job goes on

Drift, what the cloud shows other than recorded:
    ! ProtectionGroup/web differs
        name  "web" → "web-a"
    ! ProtectionGroup/lost is gone

Steps:
    + create ProtectionGroup/new  (new)
        name  "new-prod"
    ~ rename ProtectionGroup/web  (edited in the manifests)
        name  "web-a" → "web-b"
    - delete ProtectionGroup/old  (gone from the manifests)
        id "o1", name "old-prod"
  -/+ replace ProtectionGroup/db  (can't be changed in place)
        description  "a" → "b"  (forces a new object)
        name         "db" → "db2"
    > move ProtectionGroup/a → ProtectionGroup/b  (the same object under a new address)
    # record ProtectionGroup/remaining  (edited in the manifests)
        lifecycle.prevent_destroy  false → true
    x forget ProtectionGroup/lost  (gone from the cloud)
        id "l1", name "lost-prod"

Withheld, because a disaster recovery is in progress there:
    ! update ProtectionGroup/held: its status is failed-over

Outputs:
    + new_id = (known after apply)
    - old_id = "o1"
    ~ stage = "a" → "b"

Warnings:
  ! stack.yaml:3:5: warning: variable 'x' is unused. Remove it.

Dangers:
    ! delete ProtectionGroup/old: deletes the protection group old-prod
    ! prevent_destroy ProtectionGroup/old: the group must not be deleted
        no option overrides this
    1 danger is consented to: 1 mass-delete (-v lists all)
    To accept the others, once that is put right, add:
      --allow delete:ProtectionGroup/old

Plan: 1 to create, 1 to rename, 1 to replace, 1 to delete, 1 to forget, 1 to move, 1 to record, 3 outputs to record. \
1 step withheld. 2 dangers without a consent.
"""


MISSING = (FULL.dangers[0], FULL.dangers[2])


def test_a_plan_tells_all_that_a_reviewer_must_know():
    assert plain(plan_lines(FULL, missing=MISSING)) == FULL_TEXT


def test_a_concise_plan_has_a_line_a_step_and_all_dangers_and_consents():
    told = plain(plan_lines(FULL, missing=MISSING, manner=Manner(concise=True)))
    steps = told.partition("Steps:\n")[2].partition("\n\n")[0].splitlines()
    assert steps == [one for one in FULL_TEXT.splitlines() if one.startswith(("    ", "  -/+")) and one in steps]
    assert len(steps) == len([*entries(FULL.steps)])
    assert told.partition("Dangers:")[2] == FULL_TEXT.partition("Dangers:")[2]
    assert told.splitlines()[:3] == FULL_TEXT.splitlines()[:3]


def test_the_summary_is_the_first_line_and_the_last():
    lines = plain(plan_lines(FULL, missing=MISSING)).splitlines()
    assert lines[0] == lines[-1]
    assert lines[0].startswith(summary(FULL))


def test_a_plan_of_nothing_says_so_once():
    lines = plain(plan_lines(PLAN, missing=())).splitlines()
    assert lines[0].startswith("Plan for stack")
    assert lines[1:] == ["", "Nothing to do: manifests, state and cloud agree."]


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        pytest.param(PLAN, "Nothing to do: manifests, state and cloud agree.", id="nothing"),
        pytest.param(
            replace(PLAN, basis=replace(BASIS, refreshed=False)),
            "Nothing to do: manifests and state agree.",
            id="nothing-known-of-the-cloud",
        ),
        pytest.param(replace(PLAN, steps=(CREATE,)), "Plan: 1 to create.", id="one"),
        pytest.param(replace(PLAN, steps=REPLACE), "Plan: 1 to replace.", id="a-replacement-counts-once"),
        pytest.param(
            replace(PLAN, withheld=FULL.withheld), "Nothing to do now. 1 step withheld.", id="all-of-it-withheld"
        ),
        pytest.param(
            replace(PLAN, open=FULL.open * 2),
            "Nothing to do beyond 2 operations still open from earlier runs.",
            id="only-open-operations",
        ),
        pytest.param(
            replace(PLAN, output_changes=FULL.output_changes[:1]), "Plan: 1 output to record.", id="only-outputs"
        ),
    ],
)
def test_the_last_line_counts_addresses(plan, sentence):
    assert summary(plan) == sentence


def test_a_replacement_is_one_entry_where_its_create_stands():
    found = [(entry.verb, str(entry.step.address)) for entry in entries((REPLACE[0], RENAME, REPLACE[1]))]
    assert found == [("rename", "ProtectionGroup/web"), ("replace", "ProtectionGroup/db")]


@pytest.mark.parametrize(
    ("basis", "line"),
    [
        pytest.param({"destroy": True}, "This plan destroys what the stack manages.", id="destroy"),
        pytest.param({"refresh_only": True}, "This plan only records what the cloud shows.", id="refresh-only"),
        pytest.param(
            {"refreshed": False},
            "The cloud was not read (--no-refresh): what is recorded is taken for true.",
            id="no-refresh",
        ),
    ],
)
def test_what_is_particular_about_a_plan_stands_at_its_top(basis, line):
    plan = replace(PLAN, basis=replace(BASIS, **basis))
    assert plain(plan_lines(plan, missing=())).splitlines()[1] == line


HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07",
    "a\r\nb",
    "::set-env name=PATH::/tmp",
    "##vso[task.setvariable variable=x]y",
    "##[add-mask]x",
    "\u202egnp\u2066",
    "\u2028\u2029\u200b",
    "[bold red]x[/]",
    "x" * 5000,
]


def hostile_plan(text):
    return replace(
        FULL,
        basis=replace(BASIS, stack=text, environment=text, binding=Binding(text, text, text)),
        steps=(
            step(Action.CREATE, "a", changes=(Change(text, None, text), Change("name", None, {text: [text]}))),
            step(Action.UPDATE, "b", changes=(Change("name", text, text),)),
            Step("d", address("c"), Action.DELETE, Reason.DESTROY, Resource(address("c"), text, {"name": text})),
        ),
        dangers=(Danger(DangerClass.DELETE, text, address("c")),),
        consents=(Consent(DangerClass.DELETE, by=text),),
        withheld=(Withheld(address("h"), Action.UPDATE, text),),
        drift=(Drift(address("b"), (Change(text, text, text),)),),
        open=(OpenOperation(address("o"), Action.CREATE, text),),
        output_changes=(Change(text, text, text),),
        warnings=(Diagnostic(text, text, Position(text), id=text),),
    )


def outcome_of(text):
    ends = [StepOutcome(CREATE, result, text, text) for result in (Result.FAILED, Result.CONTINUES, Result.NOT_STARTED)]
    return Outcome(tuple(ends), (Withheld(address("h"), Action.UPDATE, text),), {text: text}, conflict=text[:200])


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(lambda text: plan_lines(hostile_plan(text), missing=()), id="plan"),
        pytest.param(lambda text: outcome_lines(outcome_of(text)), id="outcome"),
    ],
)
def test_untrusted_text_can_neither_act_nor_pose_as_a_command(lines, text):
    harmless = plain(lines("harmless")).splitlines()
    shown = plain(lines(text)).split("\n")[:-1]
    assert len(shown) == len(harmless)
    for line in shown:
        assert line.isprintable()
        assert not line.lstrip().startswith(("::", "##", "[bold"))
        assert "##" not in line
        assert len(line) < 2500


def test_a_finding_never_opens_with_a_strange_file_name():
    assert finding(Diagnostic("bad", position=Position("::add-mask::x.yaml"), id="")).startswith(
        "./::add-mask::x.yaml:1:1: "
    )


def ended(action, result, name="x", **more):
    return StepOutcome(step(action, name), result, **more)


@pytest.mark.parametrize(
    ("outcome", "last"),
    [
        pytest.param(Outcome((ended(Action.CREATE, Result.DONE),)), "Done: 1 created.", id="done"),
        pytest.param(
            Outcome(tuple(StepOutcome(one, Result.DONE) for one in REPLACE)), "Done: 1 replaced.", id="replaced"
        ),
        pytest.param(
            Outcome((ended(Action.CREATE, Result.DONE, "a"), ended(Action.DELETE, Result.FAILED, "b"))),
            "Not all done: 1 created, 1 failed. Put right what failed, then run again.",
            id="failed",
        ),
        pytest.param(
            Outcome((ended(Action.CREATE, Result.CONTINUES),), interrupted=True),
            "Interrupted: 1 still going on in the cloud. Run the command again to continue.",
            id="interrupted",
        ),
        pytest.param(
            Outcome((ended(Action.CREATE, Result.DONE),), interrupted=True),
            "Done: 1 created.",
            id="interrupted-at-the-end",
        ),
    ],
)
def test_the_end_report_closes_with_what_it_came_to(outcome, last):
    assert plain(outcome_lines(outcome)).splitlines()[-1] == last


def test_a_failure_is_told_with_what_to_do():
    failed = ended(Action.CREATE, Result.FAILED, summary="the quota is used up (SDRS.0305)", fix="Ask for more.")
    assert plain(outcome_lines(Outcome((failed,)))) == (
        "\nFailed:\n"
        "    ! create ProtectionGroup/x: the quota is used up (SDRS.0305)\n"
        "        Next: Ask for more.\n"
        "\nNot all done: 1 failed. Put right what failed, then run again.\n"
    )


def test_ten_thousand_steps_not_started_are_not_all_listed():
    ends = tuple(ended(Action.CREATE, Result.NOT_STARTED, f"g{number}") for number in range(10_000))
    text = plain(outcome_lines(Outcome(ends)))
    assert "… and 9950 more" in text
    assert len(text.splitlines()) < 60


def test_nothing_done_leaves_the_report_empty():
    assert outcome_lines(Outcome()) == []


def test_lines_of_a_large_plan_are_not_held():
    changes = tuple(Change(f"field-{number}", None, number) for number in range(10))
    plan = replace(PLAN, steps=tuple(step(Action.CREATE, f"g{number}", changes=changes) for number in range(1000)))
    tracemalloc.start()
    try:
        count = sum(1 for _ in plan_lines(plan, missing=(), manner=Manner(full=True)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count > 11_000
    assert peak < 50 * count  # bytes; a line alone takes more


def test_the_same_advice_to_several_steps_is_given_once():
    ends = [
        StepOutcome(step(Action.CREATE, name), Result.CONTINUES, "the run was interrupted", fix)
        for name, fix in (("a", "Run again."), ("b", "Run again."), ("c", "Look at it."))
    ]
    assert plain(outcome_lines(Outcome(tuple(ends)))).splitlines()[1:7] == [
        "Continues in the cloud:",
        "    ! create ProtectionGroup/a: the run was interrupted",
        "    ! create ProtectionGroup/b: the run was interrupted",
        "        Next: Run again.",
        "    ! create ProtectionGroup/c: the run was interrupted",
        "        Next: Look at it.",
    ]


def test_a_rename_that_failed_is_called_so():
    end = StepOutcome(RENAME, Result.FAILED, "refused", "")
    assert "    ! rename ProtectionGroup/web: refused" in plain(outcome_lines(Outcome((end,)))).splitlines()
