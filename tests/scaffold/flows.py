"""Flows of whole stacks: from manifests that are applied to other ones, with what that makes and deletes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from declarative.planner.selection import PlanRequest
from declarative.simulator.settings import Rules
from tests.scaffold.cloud import DESTROY, done
from tests.scaffold.stage import Jobs, Stage, Start
from tests.scaffold.whole import (
    ATTACHMENT,
    DRILL,
    GROUP,
    INSTANCE,
    PAIR,
    Manifests,
    WholeSite,
    adopted,
    assert_agreed,
    attachment,
    drill,
    group,
    instance,
    pair,
)

WEB = {"ProtectedInstance/web": instance(1, "web", tags=[{"key": "tier", "value": "web"}])}
ROOT = {"ReplicationPair/root": adopted(1, "web-root")}
DATA = {"ReplicationPair/data": pair(1, "data"), "ReplicationAttachment/data": attachment("web", "data")}
SPRING = {"DRDrill/spring": drill("spring")}
ON = {"ProtectionGroup/shop": group(name="shop", protection="enabled")}
OFF = {"ProtectionGroup/shop": group(name="shop", protection="disabled")}
BARE = {"ProtectionGroup/shop": group(name="shop")}
SHOP: Manifests = {**ON, **WEB, **ROOT, **DATA, **SPRING}
ONE_MORE: Manifests = {
    "ProtectedInstance/app": instance(2, "app"),
    "ReplicationPair/logs": pair(2, "logs"),
    "ReplicationAttachment/logs": attachment("app", "logs"),
}
CHANGED: Manifests = {
    "ProtectionGroup/shop": group(name="shop-2", protection="enabled"),
    "ProtectedInstance/web": instance(1, "web-2", tags=[{"key": "owner", "value": "shop"}], flavorRef="s3.small.1"),
    "ReplicationPair/root": adopted(1, "root-2", volume_size=60),
    "ReplicationPair/data": pair(1, "data-2"),
    "ReplicationAttachment/data": attachment("web", "data"),
    "DRDrill/spring": drill("spring-2"),
}
ALLOW = ("delete", "replace", "unprotect", "mass-delete")


def _nothing(site: WholeSite) -> None:
    """The usual `Flow.meanwhile`."""


def _enabling_fails(site: WholeSite) -> None:
    site.world.operator.set_status(site.ids()["ProtectionGroup/shop"], "error-starting")


@dataclass(frozen=True)
class Flow:
    """From `start` (applied) to `goal`: what it makes by kind, and how many objects it deletes, whatever befalls it.

    `meanwhile` happens in the cloud before the goal is written. `covered`: the group is protected all the while.
    """

    goal: Manifests
    start: Manifests | None = None
    makes: Mapping[str, int] = field(default_factory=dict)
    deletes: int = 0
    covered: bool = False
    destroys: bool = False
    meanwhile: Callable[[WholeSite], None] = _nothing
    allow: Collection[str] = ALLOW

    @property
    def request(self) -> PlanRequest:
        """What is asked for."""
        return DESTROY if self.destroys else PlanRequest()

    def prepare(self, site: WholeSite) -> None:
        """Bring the site to where the flow starts."""
        if self.start is not None:
            site.write_all(self.start)
            done(site.apply())
            site.world.advance()
            site.catch_up()
            site.now += 3600.0
        self.meanwhile(site)
        site.write_all(self.goal)

    def act(self, site: WholeSite) -> None:
        """One ordinary run, as a person would start it again after a kill."""
        done(site.apply(self.request, allow=self.allow))

    def assert_whole(self, site: WholeSite, start: Start) -> None:
        """Nothing lost, nothing doubled: not now, and not at any time since the start."""
        assert_agreed(site, {} if self.destroys else self.goal, request=self.request)
        before = _made(self.start) if self.start is not None else Counter()
        assert site.creations() == before + Counter(self.makes)
        deleted = site.deletions()
        assert len(deleted) == len(set(deleted)) == self.deletes
        assert set(deleted) <= set(start.recorded.values())
        if self.covered:
            assert not site.gaps(start.recorded["ProtectionGroup/shop"], since=start.events)


def _made(manifests: Manifests) -> Counter[str]:
    """What applying these to an empty cloud makes; an adopted pair comes with its instance."""
    made = [place.partition("/")[0] for place, spec in manifests.items() if not spec.get("lifecycle", {}).get("adopt")]
    return Counter(made)


FLOWS = {
    "build": Flow(goal=SHOP, makes={GROUP: 1, INSTANCE: 1, PAIR: 1, ATTACHMENT: 1, DRILL: 1}),
    "change": Flow(start=SHOP, goal=CHANGED, covered=True),
    "join": Flow(
        start={**ON, **WEB}, goal={**ON, **WEB, **ONE_MORE}, makes={INSTANCE: 1, PAIR: 1, ATTACHMENT: 1}, covered=True
    ),
    "leave": Flow(start={**ON, **WEB, **ROOT, **ONE_MORE}, goal={**ON, **WEB, **ROOT}, deletes=3, covered=True),
    "replace": Flow(
        start={**ON, **WEB, **DATA, "ProtectedInstance/app": instance(2, "app")},
        goal={**ON, **WEB, **DATA, "ProtectedInstance/app": instance(3, "app")},
        makes={INSTANCE: 1},
        deletes=1,
        covered=True,
    ),
    "replace-under-an-attachment": Flow(
        start={**ON, **WEB, **DATA, "ProtectedInstance/app": instance(2, "app")},
        goal={**ON, "ProtectedInstance/web": instance(3, "web"), **DATA, "ProtectedInstance/app": instance(2, "app")},
        makes={INSTANCE: 1, ATTACHMENT: 1},
        deletes=2,
        covered=True,
    ),
    "reattach": Flow(
        start={**ON, **WEB, **DATA},
        goal={**ON, **WEB, **DATA, "ReplicationAttachment/data": attachment("web", "data", "/dev/vdc")},
        makes={ATTACHMENT: 1},
        deletes=1,
        covered=True,
    ),
    "take-over": Flow(
        start={**ON, **WEB}, goal={**ON, **WEB, "ReplicationPair/root": adopted(1, "root", volume_size=50)}
    ),
    "enable": Flow(start={**BARE, **WEB}, goal={**ON, **WEB}),
    "enable-again": Flow(
        start={**BARE, **WEB},
        goal={**ON, **WEB, **ONE_MORE},
        makes={INSTANCE: 1, PAIR: 1, ATTACHMENT: 1},
        meanwhile=_enabling_fails,
    ),
    "disable": Flow(start={**ON, **WEB}, goal={**OFF, **WEB}),
    "drill": Flow(start={**ON, **WEB}, goal={**ON, **WEB, **SPRING}, makes={DRILL: 1}, covered=True),
    "end-of-drill": Flow(start={**ON, **WEB, **SPRING}, goal={**ON, **WEB}, deletes=1, covered=True),
    "destroy": Flow(start=SHOP, goal=SHOP, destroys=True, deletes=5),
}


def stage_of(folder: Path, flow: Flow, jobs: Jobs, *, rules: Rules | None = None) -> Stage[WholeSite]:
    site = WholeSite(folder / "site", in_file=True, speed=jobs.speed, rules=rules or Rules())
    return Stage(site, flow, pause=jobs.pause)


every_flow = pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS.keys())
