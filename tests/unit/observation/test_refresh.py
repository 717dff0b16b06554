"""Which lists a plan reads, and what becomes of a recorded object that no list shows."""

import asyncio
from dataclasses import replace

import pytest

from declarative.clock import Clock
from declarative.errors import EndpointError, Unauthorized
from declarative.kinds import KINDS
from declarative.model import Address, Desired, DesiredView, Resource, Stack
from declarative.observation import Observer
from declarative.observation.refresh import observe, read_kinds
from declarative.planner.selection import PlanRequest
from declarative.provider import Listing, Look
from tests.scaffold.virtual_time import run_virtual

LISTS = {kind.wire.collection for kind in KINDS.values()}
IDS = {name: "i1/r1" if kind.relations.identity else "x1" for name, kind in KINDS.items()}
INSTANCE = {"id": "i1", "server_group_id": "g1", "attachment": [{"replication": "r1", "device": "/dev/vda"}]}


class Cloud:
    """Lists what it holds, by collection; `hidden` objects are found by a GET alone. Remembers what was asked for."""

    def __init__(self, *, hidden=(), domains=(), trouble=None, **collections):
        self.lists = {name.replace("_", "-"): list(objects) for name, objects in collections.items()}
        self.hidden = {one["id"]: one for one in hidden}
        self.trouble = trouble
        self.known_domains = domains
        self.asked = []

    async def listings(self, kinds, *, deadline):
        kinds = tuple(kinds)
        self.asked += sorted({kind.wire.collection for kind in kinds})
        views = {
            kind.name: {
                key: one
                for item in self.lists.get(kind.wire.collection, [])
                for key, one in kind.wire.view(item).items()
            }
            for kind in kinds
        }
        return {name: Listing(objects, 0.0, 0.0) for name, objects in views.items()}

    async def get(self, kind, object_id, *, deadline):
        return (await self.look(kind, object_id, deadline=deadline)).shown

    async def look(self, kind, object_id, *, deadline):
        self.asked.append(f"{kind.wire.collection}/{kind.wire.read_id(object_id)}")
        found = self.hidden.get(kind.wire.read_id(object_id))
        return Look(asyncio.get_running_loop().time(), kind.wire.view(found).get(object_id) if found else None)

    async def domains(self, *, deadline):
        return self._lookup("active-domains", self.known_domains)

    async def quotas(self, *, deadline):
        return self._lookup("quotas", {})

    def _lookup(self, name, found):
        self.asked.append(name)
        if self.trouble:
            raise self.trouble
        return found


def recorded(kind, object_id=None, name="a"):
    return Resource(Address(kind, name), object_id or IDS[kind], attributes={"status": "available"})


def wanted(kind, name="a", **spec):
    return Desired(Address(kind, name), spec)


def read(cloud, *resources, planned=()):
    return asyncio.run(read_kinds(Observer(cloud, Clock()), resources, planned))


def look(cloud, *desired, recorded=(), **request):
    observer = Observer(cloud, Clock())
    view = DesiredView(Stack("s"), "default", {one.address: one for one in desired})
    resources = {one.address: one for one in recorded}
    seen = asyncio.run(observe(PlanRequest(**request), view, observer, resources))
    return seen, [finding.summary for finding in observer.notices.findings]


_READ_FOR = {
    "ProtectionGroup": {"server-groups"},
    "ProtectedInstance": {"server-groups", "protected-instances", "replications"},
    "ReplicationPair": {"server-groups", "replications"},
    "ReplicationAttachment": {"server-groups", "protected-instances"},
    "DRDrill": {"server-groups", "disaster-recovery-drills"},
}


@pytest.mark.parametrize(("kind", "lists"), _READ_FOR.items(), ids=list(_READ_FOR))
def test_a_planned_kind_needs_its_list_that_of_its_group_and_that_of_what_is_made_beside_it(kind, lists):
    cloud = Cloud()
    read(cloud, planned={kind})
    assert sorted(cloud.asked) == sorted(lists)


@pytest.mark.parametrize(("kind", "lists"), _READ_FOR.items(), ids=list(_READ_FOR))
def test_a_recorded_kind_needs_the_same(kind, lists):
    cloud = Cloud()
    read(cloud, recorded(kind))
    assert set(cloud.asked) & LISTS == lists


def test_an_object_that_is_shown_as_recorded_is_not_held_twice():
    same, changed = recorded("ProtectionGroup", "g1"), recorded("ProtectionGroup", "g2", "b")
    cloud = Cloud(server_groups=[{"id": "g1", "status": "available"}, {"id": "g2", "status": "protected"}])
    same = replace(same, attributes={"id": "g1", "status": "available"})
    shown = read(cloud, same, changed).objects["ProtectionGroup"]
    assert shown["g1"] is same.attributes
    assert shown["g2"] == {"id": "g2", "status": "protected"}


def test_nothing_in_use_reads_nothing():
    cloud = Cloud()
    assert read(cloud).objects == {}
    assert cloud.asked == []


def test_a_list_tells_of_all_kinds_in_it():
    seen = read(Cloud(protected_instances=[INSTANCE]), planned={"ProtectedInstance"})
    assert set(seen.objects["ReplicationAttachment"]) == {"i1/r1"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_no_list_shows_is_gone_when_the_service_says_so(kind):
    seen = read(Cloud(), recorded(kind))
    assert seen.gone == {(kind, IDS[kind])}
    assert seen.objects[kind] == {}


def test_what_a_list_lacks_and_a_get_shows_is_there():
    hidden = [INSTANCE, {"id": "g1", "name": "shop"}]
    seen = read(Cloud(hidden=hidden), recorded("ReplicationAttachment"), recorded("ProtectionGroup", "g1"))
    assert seen.gone == frozenset()
    assert seen.objects["ReplicationAttachment"]["i1/r1"]["device"] == "/dev/vda"
    assert seen.objects["ProtectionGroup"]["g1"]["name"] == "shop"


def test_what_is_listed_is_not_asked_for_again():
    cloud = Cloud(protected_instances=[INSTANCE])
    read(cloud, recorded("ProtectedInstance", "i1"), recorded("ReplicationAttachment"))
    assert set(cloud.asked) <= LISTS


@pytest.mark.parametrize(
    ("desired", "known", "lookups"),
    [
        pytest.param(wanted("ProtectionGroup"), (), {"active-domains", "quotas"}, id="new-group"),
        pytest.param(wanted("ProtectedInstance"), (), {"quotas"}, id="new-member"),
        pytest.param(wanted("ProtectionGroup"), (recorded("ProtectionGroup"),), set(), id="known-group"),
        pytest.param(
            wanted("ProtectionGroup", domain="aa"),
            (recorded("ProtectionGroup"),),
            {"active-domains"},
            id="known-group-whose-domain-is-named",
        ),
    ],
)
def test_lookups_are_read_where_they_are_used(desired, known, lookups):
    cloud = Cloud()
    look(cloud, desired, recorded=known)
    assert set(cloud.asked) & {"active-domains", "quotas"} == lookups


def test_without_a_refresh_nothing_is_read():
    cloud = Cloud()
    look(cloud, wanted("ProtectionGroup"), refreshed=False)
    assert cloud.asked == []


def test_a_check_that_can_not_be_made_is_a_warning():
    cloud = Cloud(trouble=EndpointError("no quotas here"))
    seen, warnings = look(cloud, wanted("ProtectedInstance"))
    assert seen.lookups.quotas is None
    assert warnings == ["not read, and nothing is concluded from that: the quotas (no quotas here)"]


def test_domains_that_can_not_be_read_are_left_to_whom_they_concern():
    seen, warnings = look(Cloud(trouble=EndpointError("no domains here")), wanted("ProtectionGroup", domain="aa"))
    assert seen.lookups.domains is None
    assert len(warnings) == 1


class Slow(Cloud):
    """Tells of its domains only after a while, if it is given that long."""

    async def domains(self, *, deadline):
        ready = asyncio.get_running_loop().time() + 20.0
        await asyncio.sleep(min(ready, deadline) - asyncio.get_running_loop().time())
        if ready > deadline:
            raise EndpointError("too slow")
        return ()


@pytest.mark.parametrize(
    ("known", "found"),
    [
        pytest.param((), (), id="a-new-group-names-one-and-waits"),
        pytest.param((recorded("ProtectionGroup"),), None, id="a-known-group-waits-for-evidence-alone"),
    ],
)
def test_domains_that_a_new_group_names_are_waited_for(known, found):
    desired = wanted("ProtectionGroup", domain="aa")
    view = DesiredView(Stack("s"), "default", {desired.address: desired})

    async def main():
        observer = Observer(Slow(), Clock(monotonic=asyncio.get_running_loop().time))
        return await observe(PlanRequest(), view, observer, {one.address: one for one in known})

    assert run_virtual(main).lookups.domains == found


def test_rejected_credentials_end_the_plan():
    with pytest.raises(Unauthorized):
        look(Cloud(trouble=Unauthorized("no")), wanted("ProtectedInstance"))


class Late(Cloud):
    """Shows its hidden objects from the `shown_after`-th GET on."""

    def __init__(self, shown_after, **options):
        super().__init__(**options)
        self.shown_after = shown_after

    async def look(self, kind, object_id, *, deadline):
        found = await super().look(kind, object_id, deadline=deadline)
        is_shown = len([one for one in self.asked if "/" in one]) >= self.shown_after
        return found if is_shown else Look(found.asked, None)


@pytest.mark.parametrize(
    ("attributes", "is_gone"),
    [
        pytest.param({}, False, id="never read since it was made: it may be too new to be shown"),
        pytest.param({"status": "available"}, True, id="read before: gone at once"),
    ],
)
def test_what_no_run_has_read_yet_is_asked_for_through_the_grace_period(attributes, is_gone):
    cloud = Late(3, hidden=[{"id": "x1", "status": "available"}])
    resource = Resource(Address("ProtectionGroup", "a"), "x1", attributes=attributes)

    async def main():
        clock = Clock(monotonic=asyncio.get_running_loop().time)
        return await read_kinds(Observer(cloud, clock), [resource])

    assert bool(run_virtual(main).gone) is is_gone
