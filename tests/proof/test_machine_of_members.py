"""Any order of edits, drift, kills and faults, with members of every kind: nothing lost, doubled, or touched in vain.

A machine draws what happens next; after each step the rules that must always hold are checked.
"""

from __future__ import annotations

import importlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from declarative.applier import Ledger
from declarative.errors import DeclarativeError, ExitCode
from declarative.kinds import KINDS
from declarative.model import Action, Begun, Health, Record
from declarative.simulator.tables.history import Change
from tests.scaffold.accidents import CHANGING, Loses
from tests.scaffold.killing import run_fused
from tests.scaffold.stories import stories
from tests.scaffold.whole import (
    ATTACHMENT,
    DRILL,
    GROUP,
    INSTANCE,
    PAIR,
    WholeSite,
    adopted,
    assert_agreed,
    attachment,
    drill,
    group,
    instance,
    orphans,
    pair,
)

ALLOW = ("delete", "replace", "unprotect", "mass-delete", "mass-vanished", "empty-manifests")
SHOP, WEB, APP = f"{GROUP}/shop", f"{INSTANCE}/web", f"{INSTANCE}/app"
ROOT, DATA, LINK, SPRING = f"{PAIR}/root", f"{PAIR}/data", f"{ATTACHMENT}/data", f"{DRILL}/spring"
EVERYTHING = (SHOP, WEB, APP, ROOT, DATA, LINK, SPRING)
NEEDS = {WEB: {SHOP}, APP: {SHOP}, ROOT: {SHOP, WEB}, DATA: {SHOP}, LINK: {SHOP, WEB, DATA}, SPRING: {SHOP}}
HELD = ("failed-over", "failing-over", "reprotecting", "error-reversing", "some-new-status")
FAULTS = (
    "* *:lost-before:p=0.06",
    "* *:lost-after:p=0.08",
    "* *:status=429:p=0.06",
    "* *:status-after=503:p=0.05",
)
MOMENTS = (
    ("before (POST|PUT|DELETE)",),
    ("after (POST|PUT|DELETE)",),
    ("after (POST|PUT|DELETE)", "write"),
    ("after (POST|PUT|DELETE)", "durable"),
    ("after DELETE", "durable", "durable"),
    ("before POST", "after POST", "after POST"),
    ("after POST .*(attachreplication|/action|/resize)",),
    ("after DELETE .*detachreplication",),
)


class Machine(RuleBasedStateMachine):
    """`chosen` is what the manifests describe; all else is asked of the world and the store."""

    speed = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="members-"))
        self.site = WholeSite(self.home, in_file=True, speed=self.speed)
        self.chosen: set[str] = set()
        self.protection: str | None = None
        self.words: dict[str, str] = {}
        self.servers = {WEB: 1, APP: 2}
        self.size: int | None = None
        self.number = 2
        self.judged = 0
        self.serial = 0
        self._write()

    def teardown(self) -> None:
        self.site.close()
        shutil.rmtree(self.home)

    # ---------------------------------------------------------------- the manifests

    def manifests(self) -> dict[str, Mapping[str, Any]]:
        """What is chosen, as far as what it needs is chosen too."""
        named = {one for one in self.chosen if NEEDS.get(one, set()) <= self.chosen}
        specs = {one: self._spec(one) for one in EVERYTHING if one in named}
        if SHOP in specs and self.protection and (self.protection == "disabled" or named & {WEB, APP, DATA}):
            specs[SHOP]["protection"] = self.protection
        return specs

    def _spec(self, place: str) -> dict[str, Any]:
        name = self.words.get(place, place.rpartition("/")[2])
        size = {"volume_size": self.size} if self.size else {}
        makes: dict[str, Callable[[], dict[str, Any]]] = {
            SHOP: lambda: group(name=name),
            WEB: lambda: instance(self.servers[WEB], name, tags=[{"key": "name", "value": name}]),
            APP: lambda: instance(self.servers[APP], name),
            ROOT: lambda: adopted(self.servers[WEB], name, **size),
            DATA: lambda: pair(1, name),
            LINK: lambda: attachment("web", "data"),
            SPRING: lambda: drill(name),
        }
        return makes[place]()

    def _write(self) -> None:
        self.site.write_all(self.manifests(), timeouts={DRILL: {"create": 20_000}})

    @rule(places=st.sets(st.sampled_from(EVERYTHING), min_size=1, max_size=4))
    def describe(self, places: set[str]) -> None:
        self.chosen |= places | {SHOP}
        self._write()

    @rule(place=st.sampled_from(EVERYTHING))
    def take_out(self, place: str) -> None:
        self.chosen.discard(place)
        self._write()

    @rule(goal=st.sampled_from(["enabled", "enabled", "disabled", None]))
    def set_the_goal(self, goal: str | None) -> None:
        self.protection = goal
        self._write()

    @rule(place=st.sampled_from([SHOP, WEB, APP, ROOT, DATA, SPRING]))
    def rename(self, place: str) -> None:
        self.words[place] = self._fresh("n")
        self._write()

    @rule(place=st.sampled_from([WEB, APP]))
    def take_another_server(self, place: str) -> None:
        self.number += 1
        self.servers[place] = self.number
        self.size = None if place == WEB else self.size
        self._write()

    @rule()
    def grow(self) -> None:
        self.size = (self.size or 40) + 10
        self._write()

    def _fresh(self, word: str) -> str:
        self.number += 1
        return f"{word}-{self.number}"

    # ---------------------------------------------------------------- the cloud, by other hands

    def _idle(self) -> bool:
        return not self.site.state().operations

    def _there(self, kind: str, pick: int) -> str | None:
        objects = self.site.objects()[kind]
        ids = sorted(one for place, one in self.site.ids().items() if place.startswith(f"{kind}/") and one in objects)
        return ids[pick % len(ids)] if ids else None

    @rule(kind=st.sampled_from([GROUP, INSTANCE, PAIR, DRILL]), pick=st.integers(0, 3))
    def drift_name(self, kind: str, pick: int) -> None:
        world = self.site.world
        renames = {
            GROUP: world.operator.rename_group,
            INSTANCE: world.operator.rename_instance,
            PAIR: world.operator.rename_replication,
            DRILL: world.operator.rename_drill,
        }
        if one := self._there(kind, pick):
            renames[kind](one, self._fresh("drift"))

    @precondition(_idle)
    @rule(kind=st.sampled_from([GROUP, INSTANCE, PAIR, DRILL]), pick=st.integers(0, 3))
    def drift_away(self, kind: str, pick: int) -> None:
        world = self.site.world
        world.advance()
        self.site.catch_up()
        removes = {
            GROUP: world.operator.delete_group,
            INSTANCE: world.operator.delete_instance,
            PAIR: world.operator.delete_replication,
            DRILL: world.operator.delete_drill,
        }
        # Without the pair that it brought, an instance is not whole, and nothing brings that back: a plan says so.
        one = self.site.ids().get(DATA) if kind == PAIR else self._there(kind, pick)
        if one in self.site.objects()[kind]:
            removes[kind](one)

    @precondition(_idle)
    @rule()
    def drift_apart(self) -> None:
        """Somebody detaches a pair."""
        if one := self._there(ATTACHMENT, 0):
            self.site.world.advance()
            self.site.catch_up()
            self.site.world.operator.detach(*one.split("/"))

    @precondition(_idle)
    @rule()
    def drift_tags(self) -> None:
        if one := self._there(INSTANCE, 0):
            self.site.world.operator.set_tags(one, {"somebody": "else"})

    @precondition(_idle)
    @rule(status=st.sampled_from(HELD))
    def begin_a_disaster(self, status: str) -> None:
        self.site.world.advance()
        self.site.catch_up()
        if (one := self._there(GROUP, 0)) and self.site.object(SHOP)["status"] in ("available", "protected"):
            self.before_the_disaster = str(self.site.object(SHOP)["status"])
            self.site.world.operator.set_status(one, status)

    @precondition(_idle)
    @rule()
    def end_the_disaster(self) -> None:
        for object_id, shown in self.site.objects()[GROUP].items():
            if shown["status"] in HELD:
                self.site.world.operator.set_status(object_id, self.before_the_disaster)

    @precondition(_idle)
    @rule()
    def fail_to_start(self) -> None:
        """A group like this takes no members before it is started: from now on that is what is wanted."""
        self.site.world.advance()
        self.site.catch_up()
        has_pair = bool({WEB, APP, DATA} & self.site.ids().keys()) and bool({WEB, APP, DATA} & self.manifests().keys())
        if (one := self._there(GROUP, 0)) and self.site.object(SHOP)["status"] == "available" and has_pair:
            self.site.world.operator.set_status(one, "error-starting")
            self.set_the_goal("enabled")
            self.converge()

    @rule(seconds=st.floats(1.0, 4000.0))
    def time_passes(self, seconds: float) -> None:
        self.site.now += seconds

    # ---------------------------------------------------------------- commands

    @rule()
    def turn_faults_on(self) -> None:
        self.site.break_with(*FAULTS)

    @rule()
    def turn_faults_off(self) -> None:
        self.site.break_with()

    def _apply(self, site: WholeSite) -> None:
        """One run; what SDRS itself would refuse is an error of the plan, and leaves all as it is."""
        site.apply(allow=ALLOW)

    @rule()
    def plan(self) -> None:
        before, changes = self.site.state_bytes(), len(self.site.world.changes())
        self.site.plan()
        assert self.site.state_bytes() == before
        assert len(self.site.world.changes()) == changes

    @rule()
    def apply(self) -> None:
        self._apply(self.site)

    @rule(last=st.integers(1, 250))
    def apply_and_be_killed(self, last: int) -> None:
        run_fused(self.site, self._apply, last=last)

    @rule(moment=st.sampled_from(MOMENTS))
    def apply_and_be_killed_around_a_change(self, moment: tuple[str, ...]) -> None:
        run_fused(self.site, self._apply, at=moment)

    @rule(number=st.integers(1, 8), after=st.booleans())
    def apply_and_lose_a_change(self, number: int, after: bool) -> None:
        with self.site.suffering(wire=lambda inner: Loses(inner, number=number, after=after, methods=CHANGING)):
            self._apply(self.site)

    @rule(after=st.floats(0.0, 600.0))
    def apply_and_be_interrupted(self, after: float) -> None:
        with self.site.suffering(interrupt_after=after):
            try:
                self._apply(self.site)
            except DeclarativeError as early:
                if early.exit_code is not ExitCode.INCOMPLETE:
                    raise

    @rule()
    def converge(self) -> None:
        """With faults off, one run does all, and a second one does nothing at all."""
        self.site.break_with()
        is_held = self._is_held()
        applied = self.site.apply(allow=ALLOW)
        expected = (ExitCode.OK, ExitCode.CONSENT) if is_held else (ExitCode.OK,)
        assert applied.exit_code in expected, [(o.step.id, o.result, o.summary) for o in applied.outcome.steps]
        before, changes = self.site.state_bytes(), len(self.site.world.changes())
        again = self.site.apply(allow=ALLOW)
        assert again.exit_code is applied.exit_code
        assert not again.outcome.steps
        assert len(self.site.world.changes()) == changes
        assert self.site.state_bytes() == before
        if not is_held:
            assert_agreed(self.site, self.manifests())

    def _is_held(self) -> bool:
        return any(shown["status"] in HELD for shown in self.site.objects()[GROUP].values())

    # ---------------------------------------------------------------- what always holds

    @invariant()
    def everything_of_ours_is_known_and_nothing_doubled(self) -> None:
        state = self.site.state()
        recorded = list(self.site.ids().values())
        assert len(recorded) == len(set(recorded))
        creating = [op for op in state.operations.values() if op.action is Action.CREATE]
        assert len({op.resource.address for op in creating}) == len(creating)
        assert len(orphans(self.site)) <= len(creating), orphans(self.site)
        assert all(shown <= 1 for shown in self._by_server().values())

    def _by_server(self) -> dict[str, int]:
        servers = [str(shown["source_server"]) for shown in self.site.objects()[INSTANCE].values()]
        return {one: servers.count(one) for one in servers}

    @invariant()
    def a_group_that_is_held_gets_no_changing_call(self) -> None:
        for change in self.site.world.changes()[self.judged :]:
            assert change.group_status not in HELD, change
            self._assert_rightly_switched(change)
        self.judged = len(self.site.world.changes())

    def _assert_rightly_switched(self, change: Change) -> None:
        if change.method != "POST" or not change.path.endswith("/action") or "/server-groups/" not in change.path:
            return
        (verb,) = json.loads(change.body)
        if verb == "start-server-group":
            assert change.group_status in ("available", "error-starting"), change
        if verb == "stop-server-group":
            assert self.protection == "disabled" or SHOP not in self.chosen, change

    @invariant()
    def the_serial_only_grows(self) -> None:
        serial = self.site.state().serial
        assert serial >= self.serial
        self.serial = serial


class QuickMachine(Machine):
    """Jobs end at once."""

    speed = float("inf")


@pytest.mark.parametrize("machine", [Machine, QuickMachine])
def test_no_order_of_events_loses_or_doubles_anything(machine: type[Machine]) -> None:
    run_state_machine_as_test(machine, settings=stories(25, steps=30))


# ---------------------------------------------------------------- the machine bites


def _act(machine: Machine, *acts: Callable[[], object]) -> None:
    try:
        for act in acts:
            act()
            machine.everything_of_ours_is_known_and_nothing_doubled()
            machine.a_group_that_is_held_gets_no_changing_call()
            machine.the_serial_only_grows()
    finally:
        machine.teardown()


def _a_member_is_lost(machine: Machine) -> list[Callable[[], object]]:
    return [
        lambda: machine.describe({SHOP}),
        machine.converge,
        lambda: machine.describe({WEB, DATA}),
        lambda: machine.apply_and_be_killed_around_a_change(("after POST",)),
        machine.converge,
    ]


def _a_disaster_begins(machine: Machine) -> list[Callable[[], object]]:
    return [
        lambda: machine.describe({SHOP, WEB, DATA, LINK}),
        machine.converge,
        lambda: machine.begin_a_disaster("failed-over"),
        lambda: machine.rename(WEB),
        lambda: machine.set_the_goal("enabled"),
        machine.apply,
    ]


@pytest.mark.parametrize("story", [_a_member_is_lost, _a_disaster_begins])
def test_the_stories_pass_with_the_real_applier(story: Callable[[Machine], list[Callable[[], object]]]) -> None:
    machine = Machine()
    _act(machine, *story(machine))


def test_an_applier_without_intents_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Ledger.intend

    async def forgetful(self: Ledger, *records: Record) -> None:
        if not any(isinstance(record, Begun) for record in records):
            await written(self, *records)

    monkeypatch.setattr(Ledger, "intend", forgetful)
    machine = Machine()
    with pytest.raises(AssertionError):
        _act(machine, *_a_member_is_lost(machine))


def test_a_planner_and_an_applier_that_see_no_disaster_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    careless = {
        name: replace(kind, statuses=replace(kind.statuses, health=lambda observed, inputs: Health.NORMAL))
        for name, kind in KINDS.items()
    }
    modules = ("planner.comparison", "planner.membership", "applier.session", "applier.groups")
    for module in modules:
        monkeypatch.setattr(importlib.import_module(f"declarative.{module}"), "KINDS", careless)
    for module in ("planner.membership", "applier.groups"):
        monkeypatch.setattr(importlib.import_module(f"declarative.{module}"), "GROUP", careless[GROUP])
    machine = Machine()
    with pytest.raises(AssertionError):
        _act(machine, *_a_disaster_begins(machine))
