"""The review of a plan: which consents it takes, when it asks, and what counts as a yes."""

import io
import json
import os
import pty
import signal
import sys
from pathlib import Path

import jsonschema
import pytest

from declarative.cli.progress import JsonLines, PlainLines
from declarative.cli.prompt import Front
from declarative.cli.screen import Screen
from declarative.errors import ExitCode, UsageError
from declarative.model import (
    Action,
    Address,
    Basis,
    Binding,
    Consent,
    Danger,
    DangerClass,
    Plan,
    Reason,
    Resource,
    Step,
    Withheld,
)
from declarative.planner.consents import Unconsented
from declarative.workflow.watch import Declined

TIME = "2026-01-02T03:04:05Z"
OLD = Address("ProtectionGroup", "old")
BASIS = Basis("shop", "prod", "d" * 64, {}, Binding("p", "r", "h"), "l", 1, "0.1.0", TIME, "2026-01-03T03:04:05Z")
DELETE_OLD = Danger(DangerClass.DELETE, "deletes the protection group old", OLD)
MASS = Danger(DangerClass.MASS_DELETE, "11 objects would be deleted")
PREVENTED = Danger(DangerClass.PREVENT_DESTROY, "it must not be deleted", OLD)


def plan_with(*dangers, consents=()):
    step = Step("s", OLD, Action.DELETE, Reason.GONE_FROM_MANIFESTS, Resource(OLD, "g1"))
    return Plan(BASIS, steps=(step,), dangers=dangers, consents=consents)


class Person(io.StringIO):
    """Somebody at a terminal."""

    def isatty(self):
        return True


class Pipe(io.StringIO):
    """Nobody; to read from it would be a mistake."""

    def readline(self, *_):
        raise AssertionError("nobody can answer")


def front(confirmed=False, progress=PlainLines):
    screen = Screen()
    return Front(screen, progress(screen), lambda: TIME, confirmed=confirmed)


@pytest.mark.parametrize(
    ("dangers", "consents", "given"),
    [
        pytest.param((), (), [], id="no-danger"),
        pytest.param((DELETE_OLD,), (), ["delete:ProtectionGroup/old"], id="a-yes-consents-to-delete"),
        pytest.param((MASS,), (Consent(DangerClass.MASS_DELETE),), ["mass-delete"], id="consented-before"),
    ],
)
def test_a_yes_goes_on(monkeypatch, dangers, consents, given):
    monkeypatch.setattr(sys, "stdin", Person("yes\n"))
    reviewed = front().review(plan_with(*dangers, consents=consents))
    assert [str(consent) for consent in reviewed.consents] == given


def test_a_consent_by_yes_is_told_before_and_recorded_as_such(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Person("yes\n"))
    reviewed = front().review(plan_with(DELETE_OLD))
    assert [consent.by for consent in reviewed.consents] == ["prompt"]
    assert "A yes also consents to deleting 1 object, as listed under Dangers." in capsys.readouterr().err


@pytest.mark.parametrize("answer", ["y\n", "YES\n", "no\n", "\n", "", "yes please\n"])
def test_anything_but_yes_is_a_no(monkeypatch, answer):
    monkeypatch.setattr(sys, "stdin", Person(answer))
    with pytest.raises(Declined):
        front().review(plan_with())


@pytest.mark.parametrize(
    ("dangers", "stdin", "confirmed"),
    [
        pytest.param((MASS,), Person("yes\n"), False, id="mass-delete-takes-no-yes"),
        pytest.param((DELETE_OLD, MASS), Person("yes\n"), False, id="delete-never-implies-mass-delete"),
        pytest.param((PREVENTED,), Person("yes\n"), False, id="prevent-destroy"),
        pytest.param((DELETE_OLD,), Person("yes\n"), True, id="auto-approve-consents-to-nothing"),
        pytest.param((DELETE_OLD,), Pipe(), False, id="nobody-to-say-yes"),
    ],
)
def test_a_danger_without_consent_stops_before_anything_is_asked(monkeypatch, capsys, dangers, stdin, confirmed):
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(Unconsented) as refused:
        front(confirmed).review(plan_with(*dangers))
    assert refused.value.exit_code == ExitCode.CONSENT
    assert "?" not in capsys.readouterr().err


def test_each_missing_consent_is_told_with_the_option_to_add(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Pipe())
    with pytest.raises(Unconsented) as refused:
        front(confirmed=True).review(plan_with(DELETE_OLD, MASS, PREVENTED))
    assert [str(one) for one in refused.value.diagnostics()] == [
        "error: nothing was changed: the plan has 3 dangers that need your consent.",
        (
            "error: delete ProtectionGroup/old: deletes the protection group old."
            " To accept it, add: --allow delete:ProtectionGroup/old."
        ),
        "error: mass-delete: 11 objects would be deleted. To accept it, add: --allow mass-delete.",
        (
            "error: prevent_destroy ProtectionGroup/old: it must not be deleted."
            " No option overrides this. Set lifecycle.prevent_destroy to false and apply that first."
        ),
    ]


def test_without_a_terminal_nothing_hangs(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Pipe())
    with pytest.raises(UsageError, match="no terminal") as refused:
        front().review(plan_with())
    assert "--auto-approve" in refused.value.fix


@pytest.mark.parametrize("stdin", [Pipe(), None])
def test_auto_approve_asks_nobody(monkeypatch, stdin):
    monkeypatch.setattr(sys, "stdin", stdin)
    plan = plan_with()
    assert front(confirmed=True).review(plan) is plan


def test_nothing_to_do_asks_nothing(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Pipe())
    front().review(Plan(BASIS))
    assert "Nothing to do" in capsys.readouterr().out


def test_an_interrupt_at_the_question_ends_the_command(monkeypatch):
    class Interrupting(Person):
        def readline(self, *_):
            os.kill(os.getpid(), signal.SIGINT)
            return "yes\n"

    monkeypatch.setattr(sys, "stdin", Interrupting())
    with pytest.raises(KeyboardInterrupt):
        front().review(plan_with())


def test_in_an_event_stream_the_plan_is_one_event(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Pipe())
    withheld = (Withheld(Address("ProtectionGroup", "held"), Action.UPDATE, "failed over"),)
    plan = Plan(BASIS, dangers=(MASS,), withheld=withheld)
    front(confirmed=True, progress=JsonLines).review(plan)
    out, err = capsys.readouterr()
    event = json.loads(out)
    schema = json.loads((Path(__file__).parents[3] / "schemas" / "events.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(event)
    assert event["dangers"] == [
        {"class": "mass-delete", "address": None, "message": "11 objects would be deleted", "consented": False}
    ]
    assert err == ""


def test_in_an_event_stream_a_person_who_is_asked_sees_the_plan_beside_it(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Person("yes\n"))
    front(progress=JsonLines).review(plan_with())
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert "delete ProtectionGroup/old" in err


def test_what_was_typed_before_the_question_is_dropped(monkeypatch):
    controller, terminal = pty.openpty()
    os.write(controller, b"yes\n")
    with os.fdopen(terminal, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)

        def asked(self, text):
            os.write(controller, b"no\n")

        monkeypatch.setattr(Screen, "ask", asked)
        with pytest.raises(Declined):
            front().review(plan_with())
    os.close(controller)
