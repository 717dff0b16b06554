"""`status`, `export` and the imports between them, on a cloud that is given by its lists."""

import asyncio
import json
import random
import re
from pathlib import Path

import httpx
import pytest

from declarative.clock import Clock
from declarative.errors import InputError, StateError, UsageError
from declarative.kinds import KINDS
from declarative.model import Address
from declarative.planner.selection import PlanRequest
from declarative.workflow import plans, reports, states
from declarative.workflow.imports import import_objects
from declarative.workflow.project import Embedded, Project

DOMAIN = {"id": "dom-1", "name": "aa-domain-01"}
GROUP = {
    "id": "g1",
    "name": "shop",
    "status": "protected",
    "progress": 100,
    "priority_station": "source",
    "source_availability_zone": "eu-de-01",
    "target_availability_zone": "eu-de-02",
    "domain_id": "dom-1",
    "source_vpc_id": "vpc-1",
    "description": None,
}
MEMBER = {"server_group_id": "g1", "status": "protected"}
WEB = {"id": "i1", "name": "web-1", **MEMBER, "source_server": "s1", "tags": []}
APP = {"id": "i2", "name": "web-2", **MEMBER, "source_server": "s2", "tags": []}
SHARED = {"id": "r1", "name": "shared", **MEMBER, "volume_ids": "v1,w1", "replication_status": "active"}
QUARTER = {"id": "d1", "name": "q1", "server_group_id": "g1", "status": "available"}


class Cloud(httpx.AsyncBaseTransport):
    """The objects of all collections, changed by nobody but the test; writes are refused by there being none."""

    def __init__(self):
        attachment = [{"replication": "r1", "device": "/dev/vdb"}]
        self.lists = {
            "server-groups": [dict(GROUP)],
            "protected-instances": [{**WEB, "attachment": attachment}, {**APP, "attachment": attachment}],
            "replications": [dict(SHARED)],
            "disaster-recovery-drills": [dict(QUARTER)],
        }
        self.requests = []

    async def handle_async_request(self, request):
        assert request.method == "GET"
        path = request.url.path.partition("/v1/p1/")[2]
        self.requests.append(path)
        status, document = self._answer(*path.split("/"), offset=int(request.url.params.get("offset", 0)))
        return httpx.Response(status, content=json.dumps(document).encode())

    def _answer(self, collection, object_id="", *, offset=0):
        if collection == "active-domains":
            return 200, {"domains": [DOMAIN]}
        kind = next(kind for kind in KINDS.values() if kind.wire.collection == collection)
        if not object_id:
            return 200, {kind.wire.list_key: self.lists[collection][offset:]}
        found = [one for one in self.lists[collection] if one["id"] == object_id]
        code = next(iter(kind.codes.gone))
        return (200, {kind.wire.envelope: found[0]}) if found else (400, {"error": {"code": code, "message": "none"}})


class Nobody:
    """A front end that nobody watches."""

    def event(self, event):
        """Nothing is shown."""


@pytest.fixture
def cloud():
    return Cloud()


@pytest.fixture
def project(tmp_path, cloud):
    """A folder with nothing but a Stack in it."""
    folder = tmp_path / "stack"
    folder.mkdir()
    head = {"apiVersion": "sdrs/v1", "kind": "Stack", "metadata": {"name": "shop-dr"}}
    (folder / "stack.yaml").write_text(json.dumps({**head, "spec": {"provider": {"simulator": True}}}))
    return at(folder, cloud)


def at(folder, cloud):
    return Project(
        folder=Path(folder),
        environ={},
        embedded=lambda folder: Embedded("p1", cloud),
        clock=Clock(random=random.Random(1)),
    )


def plan(project):
    return asyncio.run(plans.plan(project, PlanRequest()))


def exported(project, folder, cloud, *, edit=("", ""), gone=()):
    """The export of the project's cloud, written into a folder of its own, edited, and imported there.

    `gone`: lists that are empty by the time of the import.
    """
    found = asyncio.run(reports.export(project, target=project.folder.parent / "copy"))
    folder.mkdir()
    for name, text in found.files.items():
        (folder / name).write_text(text.replace(*edit) if edit[0] else text)
    for collection in gone:
        cloud.lists[collection].clear()
    copy = at(folder, cloud)
    imports = [(str(address), object_id) for address, object_id in found.imports]
    asyncio.run(import_objects(copy, imports, watch=Nobody()))
    return copy


def test_what_was_exported_can_be_imported_as_it_is(project, cloud, tmp_path):
    copy = exported(project, tmp_path / "copy", cloud)
    assert {str(one.address): one.id for one in states.state_list(copy)} == {
        "DRDrill/q1": "d1",
        "ProtectedInstance/web-1": "i1",
        "ProtectedInstance/web-2": "i2",
        "ProtectionGroup/shop": "g1",
        "ReplicationAttachment/shared-on-web-1": "i1/r1",
        "ReplicationAttachment/shared-on-web-2": "i2/r1",
        "ReplicationPair/shared": "r1",
    }


def test_what_was_exported_is_nothing_to_plan_about_once_it_is_imported(project, cloud, tmp_path):
    copy = exported(project, tmp_path / "copy", cloud)
    assert not plan(copy).has_changes()


@pytest.mark.parametrize(
    ("was", "now"),
    [
        pytest.param(
            ("name: shop\n  source", "name: store\n  source"), "update ProtectionGroup/shop", id="another-name"
        ),
        pytest.param(
            ("protection: enabled", "protection: disabled"), "disable ProtectionGroup/shop", id="another-goal"
        ),
    ],
)
def test_what_an_import_finds_other_than_described_is_left_to_the_plan(project, cloud, tmp_path, was, now):
    copy = exported(project, tmp_path / "copy", cloud, edit=was)
    steps = plan(copy).steps
    assert now in [f"{step.action.value} {step.address}" for step in steps]
    assert {str(step.reason) for step in steps} == {"imported"}


def test_an_import_of_many_records_all_or_none(project, cloud, tmp_path):
    with pytest.raises(InputError) as refused:
        exported(project, tmp_path / "copy", cloud, gone=("protected-instances", "disaster-recovery-drills"))
    assert "the cloud has no DR drill with id d1" in str(refused.value)
    assert "the cloud has no protected instance with id i2" in str(refused.value)
    assert states.state_list(at(tmp_path / "copy", cloud)) == ()


@pytest.mark.parametrize(
    ("wanted", "error", "words"),
    [
        pytest.param([("DRDrill/q2", "d1")], UsageError, "declare no DRDrill/q2. *Did you mean", id="not-declared"),
        pytest.param([("DRDrill/q1", "d2")], InputError, "recorded already, as d1", id="address-taken"),
        pytest.param([("DRDrill/q1", "d1"), ("DRDrill/q1", "d2")], UsageError, "can't have two ids", id="two-ids"),
        pytest.param([("ProtectedInstance/web-1", "i2")], InputError, "recorded already, as P.*/web-2", id="id-taken"),
    ],
)
def test_an_import_of_what_is_taken_is_refused(project, cloud, tmp_path, wanted, error, words):
    copy = exported(project, tmp_path / "copy", cloud)
    with pytest.raises(error) as refused:
        asyncio.run(import_objects(copy, wanted, watch=Nobody()))
    assert re.search(words, " ".join(map(str, refused.value.diagnostics())))


def test_an_export_reads_each_list_once_to_its_empty_page(project, cloud):
    asyncio.run(reports.export(project, target=project.folder.parent / "copy"))
    assert sorted(cloud.requests) == sorted([*cloud.lists, *cloud.lists, "active-domains"])


def test_an_export_needs_no_stack_in_the_folder(tmp_path, cloud):
    elsewhere = Project(folder=tmp_path, environ={}, embedded=lambda folder: Embedded("p1", cloud))
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    with pytest.raises(UsageError, match="can't sign in: no set of credentials is complete"):
        asyncio.run(reports.export(elsewhere, target=tmp_path / "copy"))


STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {name: other}\nspec: {provider: {region: eu-de}}\n"


@pytest.mark.parametrize("folder", [".", "a/sub", "c"], ids=["above-them", "below-one", "beside-them"])
def test_an_export_works_wherever_other_stacks_are(tmp_path, folder):
    """Without a stack of its own the cloud is that of the environment."""
    for name in "ab":
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "stack.yaml").write_text(STACK)
    (tmp_path / "c").mkdir()
    environ = {"SDRS_ENDPOINT": "http://127.0.0.1", "OS_AUTH_TOKEN": "t", "SDRS_PROJECT_ID": "p1"}
    elsewhere = Project(folder=tmp_path / folder, environ=environ, transport=Cloud())
    found = asyncio.run(reports.export(elsewhere, target=tmp_path / "new"))
    assert "stack.yaml" in found.files


@pytest.mark.parametrize(
    ("name", "beside"), [("a", "exported"), ("a/new", "new"), ("a/deep/new", "new"), ("../stacks/b/new", "new")]
)
def test_an_export_into_another_stack_is_refused(tmp_path, name, beside):
    place = tmp_path / "stacks"
    for folder in "ab":
        (place / folder).mkdir(parents=True)
        (place / folder / "stack.yaml").write_text(STACK)
    elsewhere = Project(folder=place, environ={}, transport=Cloud())
    with pytest.raises(UsageError, match="can't hold a second one") as refused:
        asyncio.run(reports.export(elsewhere, target=place / name))
    assert refused.value.fix == f"Name a folder beside it, for example {beside}."


def test_an_export_above_other_stacks_into_their_folder_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "stack.yaml").write_text(STACK)
    elsewhere = Project(folder=tmp_path, environ={}, transport=Cloud())
    with pytest.raises(UsageError, match="holds other stacks"):
        asyncio.run(reports.export(elsewhere, target=tmp_path))


def test_a_stack_that_can_not_be_read_is_told_and_not_passed_over(tmp_path):
    (tmp_path / "stack.yaml").write_text("# the Stack\napiVersion: [")
    elsewhere = Project(folder=tmp_path, environ={}, transport=Cloud())
    with pytest.raises(InputError, match="can't be read"):
        asyncio.run(reports.export(elsewhere, target=tmp_path.parent / "new"))


@pytest.mark.parametrize("name", [".", "copy", "deep/copy"])
def test_an_export_into_the_folder_of_a_stack_is_refused(project, cloud, name):
    with pytest.raises(UsageError, match="can't hold a second one"):
        asyncio.run(reports.export(project, target=project.folder / name))
    assert cloud.requests == []


def test_what_is_imported_is_healthy(project, cloud, tmp_path):
    copy = exported(project, tmp_path / "copy", cloud)
    cloud.requests.clear()
    found = asyncio.run(reports.status(copy))
    assert found.healthy
    assert [group.address for group in found.groups] == [Address("ProtectionGroup", "shop")]
    assert sorted(cloud.requests) == sorted([*cloud.lists, *cloud.lists])


def test_trouble_shows_at_once(project, cloud, tmp_path):
    copy = exported(project, tmp_path / "copy", cloud)
    cloud.lists["replications"][0]["fault_level"] = 5
    assert not asyncio.run(reports.status(copy)).healthy
    assert asyncio.run(reports.status(copy, "ProtectedInstance/web-1")).healthy
    assert not asyncio.run(reports.status(copy, "ReplicationAttachment/shared-on-web-2")).healthy


def test_what_is_gone_is_confirmed_before_it_is_said(project, cloud, tmp_path):
    copy = exported(project, tmp_path / "copy", cloud)
    cloud.lists["disaster-recovery-drills"].clear()
    cloud.requests.clear()
    found = asyncio.run(reports.status(copy))
    assert found.troubles == ("DRDrill/q1 is recorded, and gone from the cloud (id d1)",)
    assert "disaster-recovery-drills/d1" in cloud.requests


def test_an_address_that_is_not_recorded_is_a_mistake(project):
    with pytest.raises(UsageError, match="is not recorded"):
        asyncio.run(reports.status(project, "ProtectionGroup/shop"))


def test_nothing_recorded_asks_the_cloud_nothing(project, cloud):
    assert asyncio.run(reports.status(project)).healthy
    assert cloud.requests == []


def test_status_refuses_another_cloud(project, cloud, tmp_path):
    copy = exported(project, tmp_path / "copy", cloud)
    other = Project(folder=copy.folder, environ={}, embedded=lambda folder: Embedded("p2", cloud))
    with pytest.raises(StateError, match="belongs to project p1"):
        asyncio.run(reports.status(other))
