"""Looks that many steps share: by one list, or by a GET each where a list would be more work."""

import asyncio

import pytest

from declarative.clock import Clock
from declarative.kinds import KINDS
from declarative.observation import Observer
from declarative.provider import Listing, Look
from tests.scaffold.virtual_time import run_virtual

PAIR = KINDS["ReplicationPair"]


class Cloud:
    """Shows so many pairs, and counts how often it is asked."""

    def __init__(self, size):
        self.objects = {f"id-{number}": {"id": f"id-{number}"} for number in range(size)}
        self.lists = self.gets = 0

    async def listing(self, kind, *, deadline):
        self.lists += 1
        return Listing(self.objects, _now(), _now())

    async def look(self, kind, object_id, *, deadline):
        self.gets += 1
        return Look(_now(), self.objects[object_id])


def _now():
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    ("size", "asking", "max_age", "lists"),
    [
        pytest.param(900, 1, 0.0, 0, id="one-who-asks-reads-it-alone"),
        pytest.param(900, 64, 0.0, 1, id="many-who-ask-share-a-list"),
        pytest.param(9000, 64, 0.0, 0, id="a-wave-of-a-long-list-reads-its-own"),
        pytest.param(9000, 64, 2.0, 1, id="a-long-list-that-the-next-waves-can-use-is-read"),
        pytest.param(9000, 9000, 0.0, 1, id="all-of-a-long-list-is-read-by-list"),
    ],
)
def test_a_list_is_read_when_it_is_less_work_than_the_objects(size, asking, max_age, lists):
    cloud = Cloud(size)
    observer = Observer(cloud, Clock())
    observer.expect(PAIR.name, size)

    async def all_look():
        looks = (observer.look(PAIR, f"id-{number}", max_age=max_age, deadline=60.0) for number in range(asking))
        return await asyncio.gather(*looks)

    assert len(run_virtual(all_look)) == asking
    assert (cloud.lists, cloud.gets) == (lists, 0 if lists else asking)


@pytest.mark.parametrize(
    ("list_seconds", "trust", "shared"),
    [
        pytest.param(0.0, 5.0, 0.25, id="for-a-moment-at-least"),
        pytest.param(0.08, 5.0, 0.96, id="twelve-times-as-long-as-a-list-takes"),
        pytest.param(2.0, 5.0, 1.25, id="never-for-more-than-a-quarter-of-what-a-look-may-be-old"),
        pytest.param(2.0, 60.0, 15.0, id="which-the-user-may-have-raised"),
        pytest.param(2.0, 0.4, 0.25, id="or-lowered"),
    ],
)
def test_a_list_that_takes_long_serves_those_who_look_for_longer(list_seconds, trust, shared):
    class Slow(Cloud):
        async def listing(self, kind, *, deadline):
            began = _now()
            await asyncio.sleep(list_seconds)
            return Listing(self.objects, began, _now())

    observer = Observer(Slow(3), Clock(), trust=trust)

    async def list_once():
        return await observer.list_since(PAIR, 0.0, 60.0)

    run_virtual(list_once)
    assert observer.shared_for(PAIR) == pytest.approx(shared, rel=0.05)
