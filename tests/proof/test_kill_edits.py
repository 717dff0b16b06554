"""Edits of the state, and runs whose journal is folded on the way, killed at every moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from declarative.applier import ledger
from declarative.workflow import states
from tests.scaffold.cloud import Group, Site, address, assert_settled, done
from tests.scaffold.stage import Stage, Start

THREE: Mapping[str, Group] = {"web": {}, "db": {"description": "orders"}, "batch": {}}


@dataclass(frozen=True)
class Edit:
    """A command that edits the state of three groups, unless it is done already, and what is recorded then."""

    edit: Callable[[Site], object]
    names: Mapping[str, str]
    forgotten: list[str] = field(default_factory=list)

    def prepare(self, site: Site) -> None:
        site.write(THREE)
        done(site.apply())
        site.write({name: {**THREE.get(name, {}), "name": wanted} for name, wanted in self.names.items()})

    def act(self, site: Site) -> None:
        if set(site.recorded()) != set(self.names):
            self.edit(site)

    def assert_whole(self, site: Site, start: Start) -> None:
        foreign = [start.recorded[str(address(name))] for name in self.forgotten]
        assert_settled(site, self.names, foreign=foreign)
        assert len(site.world.history()) == start.events


def _move(site: Site) -> None:
    places = str(address("batch")), str(address("night"))
    site.run(lambda: states.state_mv(site.project(), *places, watch=site.watch))


def _forget(site: Site) -> None:
    places = [str(address("web")), str(address("batch"))]
    site.run(lambda: states.state_rm(site.project(), places, watch=site.watch))


@pytest.mark.parametrize(
    "flow",
    [
        pytest.param(Edit(_move, {"web": "web", "db": "db", "night": "batch"}), id="state-mv"),
        pytest.param(Edit(_forget, {"db": "db"}, ["web", "batch"]), id="state-rm"),
    ],
)
def test_a_killed_edit_is_done_or_not_begun(tmp_path: Path, flow: Edit) -> None:
    stage = Stage(Site(tmp_path / "site", in_file=True), flow)
    assert stage.kill_at_every_moment() > 10


class Build:
    """From three groups to three others under a journal that is folded after every few records."""

    def prepare(self, site: Site) -> None:
        site.write(THREE)
        done(site.apply())
        site.write({"web": {"description": "new"}, "db": {"name": "db-2", "description": "orders"}, "mail": {}})

    def act(self, site: Site) -> None:
        done(site.apply(allow=["delete"]))

    def assert_whole(self, site: Site, start: Start) -> None:
        assert_settled(site, {"web": "web", "db": "db-2", "mail": "mail"})
        assert len(site.made()) == 5
        assert len(site.deleted_by_us()) == len(set(site.deleted_by_us())) == 2


def test_a_run_is_killed_while_its_journal_is_folded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_FOLD_AFTER", 2)
    monkeypatch.setattr(ledger, "_FOLD_RATIO", 0)
    stage = Stage(Site(tmp_path / "site", in_file=True, speed=1.0), Build())
    assert stage.kill_at_every_moment(every=3) > 50
