"""What a plan refuses without having read the cloud, validate refuses too, with the same place."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from declarative.errors import InputError, Severity
from declarative.manifest import load, resolve
from declarative.model import Basis, Binding, Lookups, Observed
from declarative.planner.planner import make_plan
from declarative.planner.selection import PlanRequest
from declarative.workflow import manifests
from declarative.workflow.project import Project
from tests.scaffold.corpus import BAD, GOOD, lay_out

STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {name: s}\nspec: {outputs: {o: '${ProtectionGroup.g0.id}'}}\n"
UNTOLD = "can't be enabled: it keeps no replication pair"  # true of an empty cloud: validate warns of it


def basis():
    return Basis("s", "default", "", {}, Binding("p", "r", "h"), "l", 0, "t", "", "")


def refused_by_plan(folder, environment):
    """What planning says on an empty cloud that nobody has read; domains are taken to exist."""
    try:
        view, _ = resolve(load(folder), environment=environment)
        names = {desired.spec["domain"] for desired in view.resources.values() if "domain" in desired.spec}
        domains = tuple({"id": name, "name": name} for name in names)
        make_plan(
            view,
            {},
            Observed({}, lookups=Lookups(domains)),
            request=PlanRequest(refreshed=False),
            basis=basis(),
            recorded_outputs={},
        )
    except InputError as error:
        return error.diagnostics()
    return ()


def assert_validate_finds(folder, environment="default"):
    told = manifests.validate(Project(folder=folder, environment=environment))
    errors = {(one.summary, one.position) for one in told if one.severity is Severity.ERROR}
    warned = {one.position for one in told if one.severity is Severity.WARNING}
    for finding in refused_by_plan(folder, environment):
        if finding.summary.endswith(" is not set"):
            continue  # validate, asked for no environment, lets a value be missing
        if UNTOLD in finding.summary:
            assert finding.position in warned, finding
        else:
            assert (finding.summary, finding.position) in errors, finding


@pytest.mark.parametrize("case", BAD + GOOD, ids=lambda path: path.stem)
def test_of_every_document_at_hand(case, tmp_path):
    lay_out(case, tmp_path)
    assert_validate_finds(tmp_path)


@pytest.mark.parametrize("case", GOOD, ids=lambda path: path.stem)
def test_good_folders_stay_without_errors(case, monkeypatch):
    monkeypatch.chdir(case)
    assert [one for one in manifests.validate(Project(folder=Path())) if one.severity is Severity.ERROR] == []


def document(kind, name, spec, **envelope):
    return json.dumps({"apiVersion": "sdrs/v1", "kind": kind, "metadata": {"name": name}, "spec": spec, **envelope})


NUMBERS = st.integers(0, 1)


@st.composite
def groups(draw, number):
    spec = {
        "name": f"g{number}",
        "source_availability_zone": "a",
        "target_availability_zone": draw(st.sampled_from("aabbbbbb")),
        "source_vpc_id": "v",
    }
    spec["domain" if draw(st.booleans()) else "domain_id"] = "d"
    if draw(st.booleans()):
        spec["protection"] = draw(st.sampled_from(["enabled", "disabled"]))
    return document("ProtectionGroup", f"g{number}", spec, **draw(envelopes()))


@st.composite
def envelopes(draw):
    others = st.sampled_from(["ProtectionGroup/g0", "ProtectionGroup/g1", "ProtectedInstance/i0", "ReplicationPair/p1"])
    return {"depends_on": draw(st.lists(others, max_size=2, unique=True))} if draw(st.booleans()) else {}


@st.composite
def members(draw, kind, name, own):
    group = {"protection_group": f"g{draw(NUMBERS)}"} if draw(st.booleans()) else {"server_group_id": "elsewhere"}
    return document(kind, name, {"name": name, **group, **own}, **draw(envelopes()))


@st.composite
def stacks(draw):
    """Documents of all kinds that refer to each other in every way, right and wrong."""
    found = [STACK, draw(groups(0)), draw(groups(1))]
    for number in range(2):
        server = {"server_id": f"server-{draw(NUMBERS)}"}
        address = draw(st.sampled_from([{}, {"primary_ip_address": "10.0.0.1"}, {"primary_subnet_id": "n"}]))
        found.append(draw(members("ProtectedInstance", f"i{number}", {**server, **address})))
        found.append(draw(members("ReplicationPair", f"p{number}", {"volume_id": f"disk-{draw(NUMBERS)}"})))
        tied = {"protected_instance": f"i{draw(NUMBERS)}", "replication_pair": f"p{draw(NUMBERS)}"}
        device = draw(st.sampled_from(["/dev/sdb", "/dev/vdb", "/dev/sdc"]))
        found.append(document("ReplicationAttachment", f"a{number}", {**tied, "device": device}))
    group = draw(st.sampled_from([{"protection_group": "g0"}, {"protection_group": "g9"}, {"server_group_id": "x"}]))
    found.append(document("DRDrill", "d", {"name": "d", **group}))
    return found


@given(documents=stacks(), left_out=st.sets(st.integers(1, 9), max_size=4))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_of_drawn_stacks(tmp_path, documents, left_out):
    kept = [text for number, text in enumerate(documents) if number not in left_out]
    (tmp_path / "all.yaml").write_text("\n---\n".join(kept))
    assert_validate_finds(tmp_path)


GROUP = {"name": "g", "source_availability_zone": "a", "target_availability_zone": "b", "domain": "d"}


def group(**fields):
    return document("ProtectionGroup", "g", {**GROUP, "source_vpc_id": "v", **fields})


def validated(folder, *documents):
    (folder / "all.yaml").write_text("\n---\n".join((STACK.replace("g0", "g"), *documents)))
    return [str(one).removeprefix(f"{folder}/") for one in manifests.validate(Project(folder=folder))]


@pytest.mark.parametrize(
    ("documents", "told"),
    [
        pytest.param(
            [group(target_availability_zone="a")],
            "the source and target availability zones are both a",
            id="equal-zones",
        ),
        pytest.param(
            [group(target_availability_zone="${environment}", source_availability_zone="${environment}")],
            "the source and target availability zones are both default",
            id="equal-zones-by-expression",
        ),
        pytest.param(
            [group(), document("ProtectedInstance", "i", {
                "protection_group": "g", "server_id": "s", "name": "i", "primary_ip_address": "10.0.0.1"})],
            "primary_ip_address is given without primary_subnet_id",
            id="address-without-subnet",
        ),
        pytest.param([group(protection="enabled")], "warning: ProtectionGroup/g is to be enabled", id="no-pair"),
        pytest.param(
            [
                group(),
                document("ProtectedInstance", "i", {"server_group_id": "x", "server_id": "s", "name": "i"}),
                document("ReplicationPair", "p", {"protection_group": "g", "volume_id": "v", "name": "p"}),
                document("ReplicationAttachment", "a", {
                    "protected_instance": "i", "replication_pair": "p", "device": "/dev/vdb"}),
            ],
            "ReplicationAttachment/a connects an instance and a pair of different groups: ProtectionGroup/g and x",
            id="attachment-across-groups",
        ),
        pytest.param(
            [group(), json.dumps({**json.loads(group()), "depends_on": ["ProtectionGroup/h"]}).replace('"g"', '"h"')],
            "dependency cycle: ProtectionGroup/h → ProtectionGroup/h",
            id="itself",
        ),
    ],
)  # fmt: skip
def test_what_no_cloud_is_needed_for(tmp_path, documents, told):
    assert [told in one for one in validated(tmp_path, *documents)] == [True]


def test_protection_is_not_judged_while_members_may_be_missing(tmp_path):
    member = document("ProtectedInstance", "i", {"protection_group": "g", "server_id": "s", "name": "bad name"})
    told = validated(tmp_path, group(protection="enabled"), member)
    assert [one.partition(": ")[2][:24] for one in told] == ["error: spec.name must be"]
