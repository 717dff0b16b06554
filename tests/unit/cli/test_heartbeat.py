"""Signs of life where nothing else is said."""

import pytest

from declarative.cli.heartbeat import Heartbeat
from declarative.cli.progress import PlainLines
from declarative.cli.screen import Screen
from declarative.model import Action, Address, Basis, Binding, Change, Event, Plan, Reason, Resource, Step

TIME = "2026-01-02T03:04:05Z"
WEB = Address("ProtectedInstance", "web", "web-1")
BASIS = Basis("shop", "prod", "d" * 64, {}, Binding("p", "r", "h"), "l", 1, "0.1.0", TIME, "2026-01-03T03:04:05Z")


class Monotonic:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Monotonic()


def passes(clock, seconds, look):
    """What is seen at each whole second in which something is seen."""
    seen = []
    for _ in range(seconds):
        clock.now += 1
        if what := look():
            seen.append((clock.now - 100, what))
    return seen


def test_first_sign_comes_after_ten_seconds_and_the_next_ones_rarer(clock):
    beat = Heartbeat(clock)
    assert [at for at, _ in passes(clock, 1600, beat.is_due)] == [10, 30, 70, 150, 310, 610, 910, 1210, 1510]


def test_sign_waits_for_silence(clock):
    beat = Heartbeat(clock)
    clock.now += 9
    beat.heard()
    assert [at for at, _ in passes(clock, 15, beat.is_due)] == [19]


def event(kind, address=WEB, step="create:web", **detail):
    return Event(kind, TIME, address, Action.CREATE, {"step": step, **detail})


def told(lines, capsys):
    def look():
        lines.tick()
        return capsys.readouterr().err.partition("] ")[2].strip()

    return look


def test_log_says_how_many_run_and_which_takes_longest(clock, capsys):
    lines = PlainLines(Screen(), monotonic=clock)
    lines.event(Event("run-started", TIME, detail={"steps": 3, "plan": "ab"}))
    lines.event(event("step-started"))
    clock.now += 5
    lines.event(event("step-started", Address("ProtectionGroup", "shop"), "create:shop"))
    lines.event(event("step-failed", Address("ProtectionGroup", "db"), "create:db", summary="no", fix=""))
    capsys.readouterr()
    assert passes(clock, 35, told(lines, capsys)) == [
        (15, "2 running, longest ProtectedInstance/web[web-1] creating for 15s; 1 of 3 done, 1 failed"),
        (35, "2 running, longest ProtectedInstance/web[web-1] creating for 35s; 1 of 3 done, 1 failed"),
    ]


def test_log_says_what_is_waited_for_before_the_run(clock, capsys):
    screen = Screen()
    lines = PlainLines(screen, monotonic=clock)
    assert passes(clock, 10, told(lines, capsys)) == [(10, "still preparing, 10s so far")]
    screen.waits = "waiting for the lock of the state"
    assert passes(clock, 20, told(lines, capsys)) == [(30, "still waiting for the lock of the state, 30s so far")]
    lines.event(Event("settled", TIME, WEB, Action.CREATE, {"step": "s", "message": "x"}))
    assert screen.waits == ""


def test_log_is_silent_while_a_person_thinks_and_after_the_run(clock, capsys):
    lines = PlainLines(Screen(), monotonic=clock)
    lines.reviewed(Plan(BASIS))
    assert passes(clock, 100, told(lines, capsys)) == []
    lines.event(Event("run-started", TIME, detail={"steps": 1, "plan": "ab"}))
    capsys.readouterr()
    assert passes(clock, 10, told(lines, capsys)) == [(110, "0 of 1 done, reading back what was made")]
    lines.event(Event("run-ended", TIME, detail={"done": 1}))
    assert passes(clock, 100, told(lines, capsys)) == []


def test_clock_of_a_log_starts_with_the_run(clock, capsys):
    lines = PlainLines(Screen(), monotonic=clock)
    clock.now += 14
    lines.event(Event("run-started", TIME, detail={"steps": 1, "plan": "ab"}))
    assert capsys.readouterr().err == "[    0.0 s] 1 step to take\n"


def test_progress_uses_the_words_of_the_plan(clock, capsys):
    old, new = Address("ProtectionGroup", "old"), Address("ProtectionGroup", "new")
    resource = Resource(old, "g1")
    renamed = Step("u", new, Action.UPDATE, Reason.EDITED, Resource(new, "g2"), changes=(Change("name", "a", "b"),))
    steps = (
        Step("d", old, Action.DELETE, Reason.REPLACED, resource),
        Step("c", old, Action.CREATE, Reason.REPLACED, resource),
        renamed,
    )
    lines = PlainLines(Screen(), monotonic=clock)
    lines.reviewed(Plan(BASIS, steps=steps))
    for step in steps:
        lines.event(Event("step-started", TIME, step.address, step.action, {"step": step.id}))
        lines.event(Event("step-done", TIME, step.address, step.action, {"step": step.id, "seconds": 2.1, "id": ""}))
    assert [one.partition("] ")[2] for one in capsys.readouterr().err.splitlines()] == [
        "ProtectionGroup/old: deleting, to be replaced",
        "ProtectionGroup/old: deleted, to be replaced, after 2.1 s",
        "ProtectionGroup/old: creating the replacement",
        "ProtectionGroup/old: replaced after 2.1 s",
        "ProtectionGroup/new: renaming",
        "ProtectionGroup/new: renamed after 2.1 s",
    ]


def test_thread_gives_signs_until_it_is_closed(monkeypatch):
    ticked = []
    lines = PlainLines(Screen())
    monkeypatch.setattr(lines, "tick", lambda: ticked.append(True))
    lines.open()
    thread = lines._ticking._thread
    assert thread.daemon
    lines.close()
    assert not thread.is_alive()
    lines.close()


def test_lines_are_coloured_where_it_is_wished(monkeypatch, capsys):
    lines = PlainLines(Screen(environ={"FORCE_COLOR": "1"}))
    lines.event(event("step-done", seconds=1.0, id="g"))
    assert "\x1b[32m" in capsys.readouterr().err
