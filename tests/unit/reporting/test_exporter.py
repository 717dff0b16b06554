import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declarative import manifest
from declarative.kinds import KINDS
from declarative.kinds.compare import same
from declarative.model import Address, Reference
from declarative.reporting.exporter import IMPORTS, export, manifest_name
from tests.scaffold.exported_cloud import DOMAIN, SHOP, VPC, drill, group, instance, observed, pair


def exported(cloud, **options):
    return export(cloud, stack="shop-dr", **options)


def resolved(found):
    """What reading makes of the files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in found.files.items():
            (Path(folder) / name).write_text(text)
        return manifest.resolve(manifest.load(Path(folder)))


def differences(cloud, found):
    """Fields of the exported manifests that are not as the cloud has them, and objects that can't be looked up."""
    view, warnings = resolved(found)
    ids = dict(found.imports)
    assert all("has leading or trailing spaces" in one.summary for one in warnings)  # as the cloud has them
    assert set(view.resources) == set(ids)
    for address, wanted in view.resources.items():
        kind, shown = KINDS[address.kind], cloud.objects[address.kind][ids[address]]
        inputs, problems = kind.calls.complete(wanted.spec, cloud.lookups)
        assert problems == ()
        for field, value in inputs.items():
            known = ids[value.address] if isinstance(value, Reference) else value
            compared = field not in (*wanted.lifecycle.ignore_changes, "protection", "priority_station")
            if compared and not same(kind, field, known, shown.get(field)):
                yield address, field


def documents(found):
    return {str(address): dict(wanted.spec) for address, wanted in resolved(found)[0].resources.items()}


def test_what_is_written_is_what_is_there():
    found = exported(SHOP, region="eu-de")
    assert list(differences(SHOP, found)) == []
    assert list(found.files) == [
        "stack.yaml",
        "groups.yaml",
        "instances.yaml",
        "pairs.yaml",
        "attachments.yaml",
        "drills.yaml",
        IMPORTS,
    ]


def test_groups_are_written_with_what_they_share_in_variables():
    found = exported(SHOP, region="eu-de")
    assert found.files["groups.yaml"].split("---\n")[2] == (
        "apiVersion: sdrs/v1\n"
        "kind: ProtectionGroup\n"
        "metadata:\n"
        "  name: shop\n"
        "spec:\n"
        "  name: shop\n"
        "  source_availability_zone: ${var.zone_1}\n"
        "  target_availability_zone: ${var.zone_2}\n"
        "  domain: ${var.domain}\n"
        "  source_vpc_id: ${var.vpc_id}\n"
        '  description: "web shop: all"\n'
        "  protection: enabled\n"
    )
    view, _ = resolved(found)
    assert (view.stack.name, view.stack.region, view.stack.simulator) == ("shop-dr", "eu-de", False)
    assert view.inputs == {"domain": DOMAIN["name"], "vpc_id": VPC, "zone_1": "eu-de-01", "zone_2": "eu-de-02"}


def test_a_value_that_is_used_once_is_no_variable():
    found = exported(observed(groups=[group("g1", "shop")]))
    assert "var." not in found.files["groups.yaml"]
    assert "variables" not in found.files["stack.yaml"]


def test_members_refer_to_each_other_by_name():
    written = documents(exported(SHOP))
    shop, web = Reference(Address("ProtectionGroup", "shop")), Reference(Address("ProtectedInstance", "web-1"))
    assert written["ProtectedInstance/web-1"] == {
        "name": "web-1",
        "protection_group": shop,
        "server_id": "s-i1",
        "tags": [{"key": "a", "value": ""}, {"key": "stage", "value": "prod"}],
    }
    assert written["ReplicationAttachment/shared-on-web-1"] == {
        "protected_instance": web,
        "replication_pair": Reference(Address("ReplicationPair", "shared")),
        "device": "/dev/vdb",
    }
    assert written["DRDrill/q2"] == {"name": "q2", "protection_group": shop}


def disk(object_id, name, **metadata):
    return pair(object_id, name, record_metadata={"volume_size": 40, **metadata})


def test_only_pairs_of_system_disks_are_left_out():
    pairs = [disk("r1", "vda", bootable=True), disk("r2", "vdb", bootable=False), disk("r3", "spare", bootable=True)]
    found = exported(observed(groups=[group("g1", "shop")], instances=[instance("i1", "web", "r1", "r2")], pairs=pairs))
    written = resolved(found)[0].resources
    kept = {str(address): one.lifecycle.adopt for address, one in written.items() if address.kind == "ReplicationPair"}
    assert kept == {"ReplicationPair/vdb": True, "ReplicationPair/spare": False}
    assert not any(address.kind == "ReplicationAttachment" for address in written)
    assert found.notes == ("1 pair of a system disk is not written: it goes with the instance that brought it",)


def test_pairs_of_one_instance_are_to_be_adopted_and_those_of_several_are_attached():
    found = exported(SHOP)
    written = {str(address): one.lifecycle.adopt for address, one in resolved(found)[0].resources.items()}
    assert {name: adopt for name, adopt in written.items() if name.startswith("Replication")} == {
        "ReplicationAttachment/shared-on-web-1": False,
        "ReplicationAttachment/shared-on-web-2": False,
        "ReplicationPair/shared": False,
        "ReplicationPair/spare": False,
        "ReplicationPair/web-1-vda": True,
        "ReplicationPair/web-2-vda": True,
    }
    assert found.notes == tuple(
        f"the cloud doesn't tell whether replication pair {one} is that of a system disk: it is written"
        for one in ("r1", "r2")
    )


def test_a_shared_disk_is_written_when_one_server_has_it_so_far():
    shared = pair("r3", "quorum", record_metadata={"multiattach": True})
    found = exported(observed(groups=[group("g1", "shop")], instances=[instance("i1", "web", "r3")], pairs=[shared]))
    assert {"ReplicationPair/quorum", "ReplicationAttachment/quorum-on-web"} <= documents(found).keys()
    assert found.notes == ()


def test_a_swapped_group_accepts_the_side_that_runs_production():
    assert documents(exported(SHOP))["ProtectionGroup/reports"]["priority_station"] == "target"


def test_a_member_of_a_group_that_is_not_written_names_it_by_id():
    cloud = observed(groups=[group("g1", "shop", status="error")], instances=[instance("i1", "web")])
    found = exported(cloud)
    assert documents(found) == {"ProtectedInstance/web": {"name": "web", "server_group_id": "g1", "server_id": "s-i1"}}
    assert found.notes == ("protection group g1 is not written: its creation failed",)


@pytest.mark.parametrize("status", ["error", "deleting", "error-deleting"])
def test_what_can_not_stay_is_not_written(status):
    cloud = observed(
        groups=[group("g1", "shop", status=status, priority_station="target")],
        pairs=[pair("r1", "data", status=status)],
        drills=[drill("d1", "q1", status=status)],
    )
    found = exported(cloud)
    assert found.imports == ()
    assert len(found.notes) == 3


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ({"groups": [group("g1", "a", source_vpc_id=None)]}, "the cloud doesn't show its source_vpc_id"),
        ({"groups": [group("g1", "a", source_availability_zone="eu de")]}, "written in a manifest"),
        ({"groups": [group("g1", "a", domain_id="")]}, "the cloud doesn't show its domain_id"),
        ({"instances": [instance("i1", "a", source_server=None)]}, "the cloud doesn't show its server_id"),
        ({"pairs": [pair("r1", "a", volume_ids=None)]}, "the cloud doesn't show its volume_id"),
        ({"instances": [instance("i1", "a", "r1"), instance("i2", "b", "r1")]}, "its replication pair is left out"),
    ],
)
def test_what_the_cloud_does_not_tell_is_not_made_up(lacking, words):
    found = exported(observed(**lacking))
    assert any(words in note for note in found.notes)
    assert list(differences(observed(**lacking), found)) == []


def test_a_device_of_another_spelling_is_written_by_its_letters():
    shown = [{"replication": "r1", "device": "vdc"}], [{"replication": "r1", "device": "/dev/xvdc"}]
    instances = [instance(f"i{n}", f"web-{n}", attachment=one) for n, one in enumerate(shown)]
    found = exported(observed(groups=[group("g1", "shop")], instances=instances, pairs=[pair("r1", "data")]))
    assert documents(found)["ReplicationAttachment/data-on-web-0"]["device"] == "/dev/vdc"
    assert "the cloud doesn't show its device" in found.notes[0]


def test_two_of_one_name_are_told_apart():
    cloud = observed(
        groups=[group("g1", "shop"), group("g2", "shop"), group("g3", "Shop"), group("g4", "shop-2")],
        drills=[drill("d1", "q"), drill("d2", "q"), drill("d3", "q", group="g2")],
    )
    found = exported(cloud)
    assert list(differences(cloud, found)) == []
    names = {str(address): object_id for address, object_id in found.imports}
    assert len({name.lower() for name in names}) == 7
    view, _ = resolved(found)
    alone = {names[str(address)] for address, one in view.resources.items() if one.lifecycle.ignore_changes}
    assert alone == {"g2", "d2"}
    assert len(found.notes) == 2


def test_a_domain_is_named_only_when_its_name_means_it_alone():
    twins = [DOMAIN, DOMAIN | {"id": "other"}]
    for domains in (twins, [], [DOMAIN | {"name": "a\nb"}]):
        cloud = observed(groups=[group("g1", "shop")], domains=domains)
        assert documents(exported(cloud))["ProtectionGroup/shop"]["domain_id"] == DOMAIN["id"]


def test_an_expression_in_the_cloud_is_only_text():
    texts = ["${var.vpc_id}", "$${x", "a ${stack.name} b", "${"]
    cloud = observed(groups=[group(f"g{n}", f"shop-{n}", description=text) for n, text in enumerate(texts)])
    assert list(differences(cloud, exported(cloud))) == []
    assert [spec["description"] for spec in documents(exported(cloud)).values()] == texts


def test_a_domain_that_looks_like_an_expression_is_no_variable():
    odd = DOMAIN | {"name": "${var.x}"}
    cloud = observed(groups=[group("g1", "a"), group("g2", "b")], domains=[odd])
    assert list(differences(cloud, exported(cloud))) == []


def test_many_objects_go_into_several_files():
    cloud = observed(groups=[group(f"g{n}", f"shop-{n:04}", source_vpc_id=f"vpc-{n}") for n in range(900)])
    found = exported(cloud)
    assert [name for name in found.files if name.startswith("groups")] == [
        "groups.yaml",
        "groups-2.yaml",
        "groups-3.yaml",
    ]
    assert len(resolved(found)[0].resources) == 900


def test_an_empty_cloud_is_a_stack_without_objects():
    found = exported(observed())
    assert set(found.files) == {"stack.yaml", IMPORTS}
    assert resolved(found)[0].resources == {}


@pytest.mark.parametrize(
    ("options", "region", "simulator"),
    [({"region": "eu-de"}, "eu-de", False), ({"simulator": True}, "", True), ({}, "", False)],
)
def test_the_stack_says_which_cloud_it_came_from(options, region, simulator):
    stack = resolved(exported(observed(groups=[group("g1", "a")]), **options))[0].stack
    assert (stack.region, stack.simulator) == (region, simulator)


def test_a_simulator_is_not_copied_along():
    assert "copy .declarative/simulator.sqlite there" in exported(observed(), simulator=True).notes[-1]
    assert exported(observed()).notes == ()


def ran(script: str, folder) -> list[list[str]]:
    """The arguments of each command that the script of imports runs, and where: by a stand-in of that name."""
    (folder / IMPORTS).write_text(script)
    said = folder / "bin" / "declarative"
    said.parent.mkdir()
    said.write_text('#!/bin/sh\necho "$PWD" "$@"\n')
    said.chmod(0o755)
    environ = {"PATH": f"{said.parent}:/usr/bin:/bin"}
    command = ["sh", str(folder / IMPORTS)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, cwd="/")
    return [line.split(" ") for line in done.stdout.splitlines()]


def test_the_imports_are_a_script_that_imports_everything(tmp_path):
    found = exported(SHOP)
    words = [word for address, one in found.imports for word in (str(address), one)]
    assert ran(found.files[IMPORTS], tmp_path) == [[str(tmp_path), "import", *words]]
    assert {"ReplicationAttachment/shared-on-web-1", "i1/r3"} <= set(words)


def test_many_imports_are_few_commands(tmp_path):
    found = exported(observed(groups=[group(f"g{n}", f"shop-{n:04}") for n in range(500)]))
    commands = ran(found.files[IMPORTS], tmp_path)
    assert [len(command) for command in commands] == [402, 402, 202]


def test_nothing_to_import_runs_nothing(tmp_path):
    assert ran(exported(observed()).files[IMPORTS], tmp_path) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("shop-prod", "shop-prod"),
        ("shop.prod", "shop-prod"),
        ("_-shop_", "shop"),
        ("a b/c", "a-b-c"),
        ("ä店", "group"),
        ("", "group"),
        ("x" * 70, "x" * 63),
        ("../../etc", "etc"),
    ],
)
def test_a_manifest_name_is_made_of_a_cloud_name(text, name):
    assert manifest_name(text, "group") == name


# ---------------------------------------------------------------- any cloud at all

names = st.sampled_from(["shop", "Shop", "shop-2", "a.b", "ä", "", "x" * 64, "x" * 65, "$" + "{var.a}"]) | st.text(
    max_size=12
)
descriptions = st.none() | st.text(max_size=30)
tags = st.lists(
    st.fixed_dictionaries({"key": st.text(max_size=4), "value": st.none() | st.text(max_size=4)}), max_size=12
)
places = st.sampled_from([VPC, "vpc-2"]), st.sampled_from([("eu-de-01", "eu-de-02"), ("eu-de-02", "eu-de-01")])
statuses = st.sampled_from(["available", "protected", "error", "failed-over", "deleting"])


@st.composite
def clouds(draw):
    numbers = range(draw(st.integers(0, 4)))
    groups = [
        group(
            f"g{n}",
            draw(names),
            description=draw(descriptions),
            status=draw(statuses),
            source_vpc_id=draw(places[0]),
            priority_station=draw(st.sampled_from(["source", "target", None])),
            **dict(zip(("source_availability_zone", "target_availability_zone"), draw(places[1]), strict=True)),
        )
        for n in numbers
    ]
    pairs = [pair(f"r{n}", draw(names), description=draw(descriptions)) for n in range(draw(st.integers(0, 4)))]
    attached = st.lists(st.sampled_from([f"r{n}" for n in range(5)]), unique=True, max_size=3)
    instances = [
        instance(f"i{n}", draw(names), *draw(attached), group=f"g{draw(st.integers(0, 4))}", tags=draw(tags))
        for n in range(draw(st.integers(0, 3)))
    ]
    drills = [drill(f"d{n}", draw(names), group=draw(st.sampled_from(["g0", "g1"]))) for n in range(2)]
    return observed(groups=groups, pairs=pairs, instances=instances, drills=drills)


@settings(max_examples=60, deadline=None)
@given(clouds())
def test_whatever_is_in_the_cloud_reads_back_without_a_difference(cloud):
    assert list(differences(cloud, exported(cloud))) == []


FULL = observed(
    groups=[group("g1", "shop", status="protected", description="shop", priority_station="target")],
    instances=[instance("i1", "web", "r1", "r2", description="shop", tags=[{"key": "tier", "value": "web"}])],
    pairs=[
        pair("r1", "data", description="shop", attachment=[{"protected_instance": "i1", "device": "/dev/vda"}]),
        pair("r2", "logs"),  # it doesn't say that it is attached, so nobody knows that it came with the instance
    ],
    drills=[drill("d1", "spring", drill_vpc_id=VPC)],
)
NOT_EXPORTED = {
    # usual values, and what the service doesn't show
    "ProtectionGroup": {"dr_type", "server_type"},
    "ProtectedInstance": {
        *("primary_subnet_id", "primary_ip_address", "flavorRef", "cluster_id", "tenancy", "dedicated_host_id"),
        *("delete_target_server", "delete_target_eip"),
    },
    "ReplicationPair": {"volume_size", "delete_target_volume"},
}


@pytest.mark.parametrize("name", KINDS)
def test_every_field_of_a_kind_is_exported_or_known_to_be_left_out(name):
    kind, written = KINDS[name], set()
    for cloud in (FULL, SHOP):  # in which a pair is attached to two instances
        for address, wanted in resolved(exported(cloud))[0].resources.items():
            if address.kind == name:
                written |= set(kind.calls.complete(wanted.spec, cloud.lookups)[0])
    assert set(kind.fields) - written == NOT_EXPORTED.get(name, set()), "export leaves a field out, see exporter.py"
