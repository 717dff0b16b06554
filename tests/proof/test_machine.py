"""Any order of edits, drift, kills and faults: what is ours is known, and nothing else is touched.

A machine draws what happens next; after each step the rules that must always hold are checked.
"""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from declarative.applier import steps
from declarative.applier.ledger import Ledger
from declarative.errors import DeclarativeError, ExitCode
from declarative.kinds import KINDS
from declarative.model import Action, Begun, Health, Record
from declarative.observation import LOOKED, Candidates
from declarative.state import State
from tests.scaffold.accidents import CHANGING, Loses
from tests.scaffold.cloud import Site
from tests.scaffold.killing import run_fused
from tests.scaffold.stories import stories

CONSENTS = ("delete", "replace", "duplicate", "unprotect", "mass-delete", "mass-vanished", "empty-manifests")
HELD = ("failed-over", "reprotecting", "error-reversing", "some-new-status")
OTHERS = ("error", "protected", "error-deleting", "error-starting")
FAULTS = (
    "* *:lost-before:p=0.06",
    "* *:lost-after:p=0.08",
    "* *:status=429:p=0.06",
    "* *:status-after=503:p=0.05",
    "GET server-groups:list-lag=5",
)
# Services that go their own way where the documentation leaves it open.
ODD = (
    ("GET server-groups:page-cap=1",),
    ("GET server-groups:page-cap=2", "GET server-groups:count=page"),
    ("GET server-groups:count=absent",),
    ("GET server-groups:count=+1",),
    ("GET server-groups:hide=description", "GET server-groups/*:hide=description"),
    ("GET server-groups:hide=source_vpc_id",),
    ("POST server-groups:job-entity=none",),
    ("POST server-groups:job-entity=ghost",),
    ("POST server-groups:job-entity=wrong",),
    ("GET task-center/*:html=404", "GET sdrs/quotas:status=403"),
    ("GET jobs/*:html:p=0.5",),
    ("GET server-groups/*:slow-after=7:p=0.3", "GET server-groups:slow-after=7:p=0.3"),
)
MOMENTS = (
    ("before (POST|PUT|DELETE)",),
    ("after (POST|PUT|DELETE)",),
    ("after (POST|PUT|DELETE)", "write"),
    ("after (POST|PUT|DELETE)", "durable"),
    ("after DELETE", "durable", "durable"),
    ("before POST", "before POST"),
    ("before POST", "after POST"),
)
NAMES = ("a", "b", "c", "d")


class Machine(RuleBasedStateMachine):
    """`wanted` is what the manifests say; all else is asked of the world and the store."""

    speed = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="machine-"))
        self.site = Site(self.home, in_file=True, speed=self.speed)
        self.wanted: dict[str, dict[str, Any]] = {}
        self.theirs: set[str] = set()
        self.serial = 0
        self.number = 0
        self.site.write(self.wanted)

    def teardown(self) -> None:
        self.site.close()
        shutil.rmtree(self.home)

    # ---------------------------------------------------------------- what is known

    def _state(self) -> State:
        return self.site.state()

    def _fresh(self, word: str) -> str:
        self.number += 1
        return f"{word}-{self.number}"

    def _recorded_and_living(self) -> list[str]:
        live = self.site.live()
        return sorted(object_id for object_id in self.site.recorded().values() if object_id in live)

    def _idle(self) -> bool:
        return not self._state().operations

    # ---------------------------------------------------------------- the manifests

    @rule(name=st.sampled_from(NAMES), twin=st.booleans())
    def add(self, name: str, twin: bool) -> None:
        if name not in self.wanted:
            self.wanted[name] = {"name": self._fresh(name)}
            self.site.write(self.wanted)
            if twin and self._idle():
                self._make_a_twin(name)

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        self.wanted.pop(name, None)
        self.site.write(self.wanted)

    @rule(name=st.sampled_from(NAMES))
    def rename(self, name: str) -> None:
        if name in self.wanted:
            self.wanted[name] = {**self.wanted[name], "name": self._fresh(name)}
            self.site.write(self.wanted)

    @rule(name=st.sampled_from(NAMES))
    def change_what_needs_a_new_object(self, name: str) -> None:
        if name in self.wanted:
            self.wanted[name] = {**self.wanted[name], "description": self._fresh("text")}
            self.site.write(self.wanted)

    @rule(old=st.sampled_from(NAMES), new=st.sampled_from(NAMES))
    def give_another_address(self, old: str, new: str) -> None:
        if old in self.wanted and new not in self.wanted:
            self.wanted[new] = self.wanted.pop(old)
            self.site.write(self.wanted)

    # ---------------------------------------------------------------- the cloud, by other hands

    @rule(pick=st.integers(0, 3))
    def drift_name(self, pick: int) -> None:
        if ids := self._recorded_and_living():
            self.site.world.operator.rename_group(ids[pick % len(ids)], self._fresh("drift"))

    @rule(pick=st.integers(0, 3))
    def drift_away(self, pick: int) -> None:
        if ids := self._recorded_and_living():
            self.site.world.operator.delete_group(ids[pick % len(ids)])

    @precondition(_idle)
    @rule(pick=st.integers(0, 3), status=st.sampled_from(HELD + OTHERS))
    def drift_status(self, pick: int, status: str) -> None:
        self.site.world.advance()
        self.site.catch_up()
        if ids := self._recorded_and_living():
            self.site.world.operator.set_status(ids[pick % len(ids)], status)

    @precondition(_idle)
    @rule()
    def heal(self) -> None:
        for object_id, group in self.site.live().items():
            if group["status"] in HELD:
                self.site.world.operator.set_status(object_id, "available")

    @precondition(_idle)
    @rule(name=st.sampled_from(NAMES))
    def make_a_twin(self, name: str) -> None:
        """Only while nothing of ours is in doubt: then it can be told from ours."""
        if name in self.wanted:
            self._make_a_twin(name)

    def _make_a_twin(self, name: str) -> None:
        """Let somebody else make a group that is equal in every field."""
        faults, self.site.faults = self.site.faults, ()
        self.site.break_with()
        fields = {key: value for key, value in self.wanted[name].items() if key != "name"}
        self.theirs.add(self.site.foreign(self.wanted[name]["name"], **fields))
        self.site.break_with(*faults)
        self.site.now += 60.0  # a list that doesn't show it yet could tell nobody that it isn't ours

    # ---------------------------------------------------------------- commands

    @rule()
    def turn_faults_on(self) -> None:
        self.site.break_with(*FAULTS)

    @rule(odd=st.sampled_from(ODD))
    def serve_oddly(self, odd: tuple[str, ...]) -> None:
        self.site.break_with(*FAULTS, *odd)

    @rule()
    def turn_faults_off(self) -> None:
        self.site.break_with()

    @rule()
    def plan(self) -> None:
        before, changing = self.site.state_bytes(), self.site.changing()
        self.site.plan()
        assert self.site.state_bytes() == before
        assert self.site.changing() == changing

    @rule()
    def apply(self) -> None:
        held = self._held()
        applied = self.site.apply(allow=CONSENTS)
        self._assert_untouched(held)
        if applied.exit_code is ExitCode.OK:
            assert self.site.live().keys() - self.theirs == set(self.site.recorded().values())

    @precondition(_idle)
    @rule(number=st.integers(2, 30), pick=st.integers(0, 3), act=st.sampled_from(("rename", "delete", "fail over")))
    def apply_beside_an_operator(self, number: int, pick: int, act: str) -> None:
        """Somebody works in the same project, by the console, while a run is under way."""
        ids = self._recorded_and_living()
        if not ids:
            return
        target, acted_at = ids[pick % len(ids)], [float("inf")]

        def meanwhile() -> None:
            if target in self.site.live():
                acted_at[0] = self.site.time()
                self._by_console(act, target)

        with self.site.suffering(wire=lambda inner: _Beside(inner, number, meanwhile)):
            self.site.apply(allow=CONSENTS)
        late = [
            one for one in self.site.world.changes() if one.group_id == target and one.at / 1000 > acted_at[0] + LOOKED
        ]
        assert act != "fail over" or not late, late

    def _by_console(self, act: str, target: str) -> None:
        if act == "rename":
            self.site.world.operator.rename_group(target, self._fresh("console"))
        elif act == "delete":
            self.site.world.operator.delete_group(target)
        else:
            self.site.world.operator.set_status(target, "failed-over")

    @rule(last=st.integers(1, 110))
    def apply_and_be_killed(self, last: int) -> None:
        held = self._held()
        run_fused(self.site, lambda site: site.apply(allow=CONSENTS), last=last)
        self._assert_untouched(held)

    @rule(moment=st.sampled_from(MOMENTS))
    def apply_and_be_killed_around_a_change(self, moment: tuple[str, ...]) -> None:
        held = self._held()
        run_fused(self.site, lambda site: site.apply(allow=CONSENTS), at=moment)
        self._assert_untouched(held)

    @rule(number=st.integers(1, 4), after=st.booleans())
    def apply_and_lose_a_change(self, number: int, after: bool) -> None:
        held = self._held()
        with self.site.suffering(wire=lambda inner: Loses(inner, number=number, after=after, methods=CHANGING)):
            self.site.apply(allow=CONSENTS)
        self._assert_untouched(held)

    @rule(after=st.floats(0.0, 40.0))
    def apply_and_be_interrupted(self, after: float) -> None:
        with self.site.suffering(interrupt_after=after):
            try:
                self.site.apply(allow=CONSENTS)
            except DeclarativeError as early:
                if early.exit_code is not ExitCode.INCOMPLETE:
                    raise

    @rule()
    def converge(self) -> None:
        """With faults off, one run does all, and a second one does nothing at all."""
        self.site.break_with()
        held = self._held()
        applied = self.site.apply(allow=CONSENTS)
        expected = (ExitCode.OK, ExitCode.CONSENT) if held else (ExitCode.OK,)
        assert applied.exit_code in expected, [(o.step.id, o.result, o.summary) for o in applied.outcome.steps]
        self._assert_untouched(held)
        before, changing = self.site.state_bytes(), self.site.changing()
        again = self.site.apply(allow=CONSENTS)
        assert again.exit_code is applied.exit_code
        assert not again.outcome.steps
        assert self.site.changing() == changing
        assert self.site.state_bytes() == before
        if not held:
            self._assert_as_wanted()

    def _held(self) -> dict[str, int]:
        """Held groups of ours, with how often each has been changed by a request so far."""
        live, ours = self.site.live(), self.site.recorded().values()
        return {one: self._changes(one) for one in ours if one in live and live[one]["status"] in HELD}

    def _changes(self, object_id: str) -> int:
        return sum(
            1
            for event in self.site.world.history()
            if event.method in ("PUT", "DELETE", "POST") and event.subject == object_id and event.effect != "created"
        )

    def _assert_untouched(self, held: dict[str, int]) -> None:
        assert {object_id: self._changes(object_id) for object_id in held} == held

    def _assert_as_wanted(self) -> None:
        live, recorded = self.site.live(), self.site.recorded()
        assert {name: live[recorded[name]]["name"] for name in recorded} == {
            name: group["name"] for name, group in self.wanted.items()
        }
        assert {name: live[recorded[name]]["description"] or "" for name in recorded} == {
            name: group.get("description", "") for name, group in self.wanted.items()
        }

    # ---------------------------------------------------------------- what always holds

    @invariant()
    def everything_of_ours_is_known_and_nothing_doubled(self) -> None:
        state = self._state()
        recorded = [resource.id for resource in state.resources.values()]
        assert len(recorded) == len(set(recorded))
        creating = [op for op in state.operations.values() if op.action is Action.CREATE]
        assert len({op.resource.address for op in creating}) == len(creating)
        unknown = [group for one, group in self.site.live().items() if one not in recorded and one not in self.theirs]
        named = sorted(str(op.resource.inputs["name"]) for op in creating)
        for group in unknown:
            assert group["name"] in named, f"an orphan: {group['name']}"
            named.remove(str(group["name"]))

    @invariant()
    def what_is_not_ours_is_never_touched(self) -> None:
        assert self.theirs <= self.site.live().keys()
        assert self.theirs.isdisjoint(self.site.recorded().values())
        assert self.theirs.isdisjoint(self.site.deleted_by_us())

    @invariant()
    def the_serial_only_grows(self) -> None:
        serial = self._state().serial
        assert serial >= self.serial
        self.serial = serial


class _Beside(httpx.AsyncBaseTransport):
    """Something happens before the n-th request arrives."""

    def __init__(self, inner: httpx.AsyncBaseTransport, number: int, act: Callable[[], None]) -> None:
        self._inner = inner
        self._left = number
        self._act = act

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._left -= 1
        if not self._left:
            self._act()
        return await self._inner.handle_async_request(request)


class QuickMachine(Machine):
    """Jobs end at once."""

    speed = float("inf")


@pytest.mark.parametrize("machine", [Machine, QuickMachine])
def test_no_order_of_events_loses_or_doubles_anything(machine: type[Machine]) -> None:
    run_state_machine_as_test(machine, settings=stories(30, steps=25))


# ---------------------------------------------------------------- the machine bites


def _assert_caught(machine: Machine, *acts: Callable[[], object]) -> None:
    """Some rule or invariant fails in the course of these acts."""
    try:
        with pytest.raises(AssertionError):
            _act(machine, *acts)
    finally:
        machine.teardown()


def _act(machine: Machine, *acts: Callable[[], object]) -> None:
    for act in acts:
        act()
        machine.everything_of_ours_is_known_and_nothing_doubled()
        machine.what_is_not_ours_is_never_touched()
        machine.the_serial_only_grows()


def test_an_applier_without_intents_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Ledger.intend

    async def forgetful(self: Ledger, *records: Record) -> None:
        if not any(isinstance(record, Begun) for record in records):
            await written(self, *records)

    monkeypatch.setattr(Ledger, "intend", forgetful)
    machine = Machine()
    _assert_caught(
        machine,
        lambda: machine.add("a", twin=False),
        lambda: machine.apply_and_be_killed_around_a_change(("after POST",)),
        machine.converge,
    )


def test_an_applier_that_adopts_whatever_fits_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Candidates, "refreshed", lambda *_, **__: None)
    machine = Machine()
    _assert_caught(
        machine,
        lambda: machine.add("a", twin=True),
        lambda: machine.apply_and_lose_a_change(1, after=False),
    )


def test_an_applier_that_blindly_sends_a_create_again_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    async def blind(*_: object, **__: object) -> None:
        """Nothing is ever found."""

    monkeypatch.setattr(steps, "lost", blind)
    machine = Machine()
    _assert_caught(
        machine,
        lambda: machine.add("a", twin=False),
        lambda: machine.apply_and_lose_a_change(1, after=True),
    )


def test_an_applier_that_changes_held_groups_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = KINDS["ProtectionGroup"]
    statuses = replace(kind.statuses, health=lambda observed, inputs: Health.NORMAL)
    careless = replace(kind, statuses=statuses)
    for module in ("declarative.planner.comparison", "declarative.applier.session"):
        monkeypatch.setattr(importlib.import_module(module), "KINDS", {**KINDS, kind.name: careless})
    machine = Machine()
    _assert_caught(
        machine,
        lambda: machine.add("a", twin=False),
        machine.converge,
        lambda: machine.drift_status(0, "failed-over"),
        lambda: machine.rename("a"),
        machine.apply,
    )


def test_the_same_acts_with_the_real_applier_pass() -> None:
    machine = Machine()
    _act(
        machine,
        lambda: machine.add("a", twin=False),
        lambda: machine.apply_and_be_killed_around_a_change(("after POST",)),
        machine.converge,
        lambda: machine.add("b", twin=True),
        lambda: machine.apply_and_lose_a_change(1, after=False),
        lambda: machine.add("c", twin=False),
        lambda: machine.apply_and_lose_a_change(1, after=True),
        lambda: machine.drift_status(0, "failed-over"),
        lambda: machine.rename("a"),
        machine.apply,
        machine.converge,
    )
    machine.teardown()
