"""Looking again and again: how often, by which calls, and when it ends. Time is virtual."""

import asyncio
import itertools
import json
import random
from contextlib import aclosing

import httpx
import pytest

from declarative.clock import Clock
from declarative.errors import UsageError
from declarative.kinds import KINDS
from declarative.model import Address
from declarative.workflow import reports
from declarative.workflow.imports import import_objects
from declarative.workflow.project import Embedded, Project
from tests.scaffold.virtual_time import run_virtual

STACK = """\
apiVersion: sdrs/v1
kind: Stack
metadata: {name: shop}
spec: {provider: {simulator: true}}
---
apiVersion: sdrs/v1
kind: ProtectionGroup
metadata: {name: shop}
spec:
  name: shop
  source_availability_zone: eu-de-01
  target_availability_zone: eu-de-02
  domain_id: dom-1
  source_vpc_id: vpc-1
  protection: enabled
"""
GROUP = {
    "id": "g1",
    "name": "shop",
    "status": "protected",
    "priority_station": "source",
    "source_availability_zone": "eu-de-01",
    "target_availability_zone": "eu-de-02",
    "domain_id": "dom-1",
    "source_vpc_id": "vpc-1",
    "dr_type": "migration",
}


class Cloud(httpx.AsyncBaseTransport):
    """A group whose progress goes by `progress`, a function of the time; `silent_from`: when it ceases to answer."""

    def __init__(self, progress=lambda now: 100, silent_from=float("inf")):
        self.progress = progress
        self.silent_from = silent_from
        self.asked = []

    async def handle_async_request(self, request):
        now = asyncio.get_running_loop().time()
        path = request.url.path.partition("/v1/p1/")[2]
        self.asked.append((round(now, 3), request.method, path))
        if now >= self.silent_from:
            await asyncio.sleep(10_000)
        is_group = path.startswith("server-groups") and not int(request.url.params.get("offset", 0))
        kind = next(kind for kind in KINDS.values() if kind.wire.collection == path.partition("/")[0])
        shown = {**GROUP, "progress": self.progress(now)}
        if "/" in path:
            return httpx.Response(200, content=json.dumps({kind.wire.envelope: shown}).encode())
        return httpx.Response(200, content=json.dumps({kind.wire.list_key: [shown] if is_group else []}).encode())


class Nobody:
    def event(self, event):
        """Nothing is shown."""


async def at_once(work):
    return work()


@pytest.fixture
def project(tmp_path):
    """A stack whose one group is recorded, and a way to look at it in another cloud."""
    (tmp_path / "stack.yaml").write_text(STACK)

    def at(cloud, **settings):
        return Project(
            folder=tmp_path,
            environ={},
            embedded=lambda folder: Embedded("p1", cloud),
            clock=Clock(random=random.Random(1)),
            blocking=at_once,
            **settings,
        )

    asyncio.run(import_objects(at(Cloud()), [("ProtectionGroup/shop", "g1")], watch=Nobody()))
    return at


def seen(project, *, looks):
    """The progress that each of so many looks shows, with its time."""

    async def look():
        found = []
        async with aclosing(reports.watched(project)) as reported:
            async for report in reported:
                found.append((round(asyncio.get_running_loop().time(), 1), report.groups[0].progress))
                if len(found) == looks:
                    break
        return found

    return run_virtual(look)


def test_pauses_grow_while_nothing_changes(project):
    times = [at for at, _ in seen(project(Cloud()), looks=12)]
    pauses = [round(later - now, 1) for now, later in itertools.pairwise(times)]
    assert pauses[:4] == [2.0, 3.0, 4.5, 6.8]
    assert pauses[-3:] == [30.0, 30.0, 30.0]


def test_a_change_is_looked_at_closely_again(project):
    cloud = Cloud(lambda now: 50 if now < 30 else 51)
    found = seen(project(cloud), looks=9)
    changed = next(number for number, (_, progress) in enumerate(found) if progress == 51)
    assert found[changed + 1][0] - found[changed][0] == pytest.approx(2.0, abs=0.1)


def test_looks_are_lists_only(project):
    cloud = Cloud()
    seen(project(cloud), looks=5)
    assert {path for _, _, path in cloud.asked if "/" in path} == set()
    assert {method for _, method, _ in cloud.asked} == {"GET"}


def test_the_last_look_is_just_before_the_time_is_over(project):
    found = seen(project(Cloud(), timeout=60.0), looks=1000)
    assert found[-1][0] == pytest.approx(58, abs=0.5)
    assert len(found) < 12


def test_a_cloud_that_ceases_to_answer_does_not_outlast_the_time(project):
    found = seen(project(Cloud(silent_from=20), timeout=60.0), looks=1000)
    assert found[-1][0] < 20


def test_an_address_that_is_not_recorded_is_a_mistake(project):
    async def look():
        async for _ in reports.watched(project(Cloud()), str(Address("ProtectionGroup", "shp"))):
            pytest.fail("there is nothing to see")

    with pytest.raises(UsageError, match="not recorded"):
        run_virtual(look)
