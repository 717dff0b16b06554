"""Estates: files of servers and disks, and worlds that know no others."""

import json

import pytest

from declarative.simulator import Disk, Estate, Origin, Server, ServerDisk, World, load_estate

VPC = "68679295-0223-4b5d-aecb-656d77977de2"
SERVER = "f8b3cb98-30b5-4965-98ee-d4e24b98109a"
SYSTEM = "26c40b5b-f419-4131-8fa5-9f22d06a63b3"
DATA = "98d3044c-4fe0-4470-9035-2d7eb677e5e5"
ABSENT = "c3f1b5d3-98db-45a6-a20b-2cf0dd311efa"

GOOD = f"""
servers:
  - id: {SERVER}
    name: web-1
    availability_zone: eu-de-01
    vpc_id: {VPC}
    status: ACTIVE
    flavor: s3.large.4
    disks:
      - {{id: {SYSTEM}, size: 50, type: SSD, bootable: true, device: /dev/vda}}
disks:
  - {{id: {DATA}, size: 200, type: SAS, availability_zone: eu-de-01, status: available, multiattach: true}}
"""


def loaded(tmp_path, text):
    path = tmp_path / "estate.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_estate(path)


def test_a_file_is_read(tmp_path):
    disk = ServerDisk(SYSTEM, size=50, type="SSD", bootable=True, device="/dev/vda")
    server = Server(SERVER, "eu-de-01", VPC, name="web-1", status="active", flavor="s3.large.4", disks=(disk,))
    free = Disk(DATA, "eu-de-01", size=200, type="SAS", multiattach=True)
    assert loaded(tmp_path, GOOD) == Estate((server,), (free,))


@pytest.mark.parametrize("text", ["", "null", "servers:\ndisks: []", "{}"])
def test_an_estate_may_be_empty(tmp_path, text):
    assert loaded(tmp_path, text) == Estate()


def test_details_may_be_left_out(tmp_path):
    bare = {"id": SERVER, "availability_zone": "eu-de-01", "vpc_id": VPC, "disks": [{"id": SYSTEM}]}
    estate = loaded(tmp_path, json.dumps({"servers": [bare]}))
    assert estate == Estate((Server(SERVER, "eu-de-01", VPC, disks=(ServerDisk(SYSTEM),)),))


PLACE = f"availability_zone: eu-de-01, vpc_id: {VPC}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("servers: [", "isn't YAML at line 1, column 11"),
        (b"\xff\xfe\x00", "isn't YAML"),
        ("[]", "the file must be a map with servers, disks"),
        ("hosts: []", "the file has an unknown field 'hosts'"),
        ("servers: {}", "servers of the file must be a list"),
        ("servers: [x]", "servers[1] must be a map"),
        (f"servers: [{{id: x, {PLACE}}}]", "servers[1].id must be an id"),
        (f"servers: [{{id: {SERVER}, vpc_id: {VPC}}}]", "servers[1].availability_zone must be text"),
        (f"servers: [{{id: {SERVER}, {PLACE}, flavour: s}}]", "unknown field 'flavour'"),
        (f"servers: [{{id: {SERVER}, {PLACE}, name: 7}}]", "servers[1].name must be text, not 7"),
        (f"servers: [{{id: {SERVER}, {PLACE}, disks: [{{id: {DATA}, device: hda}}]}}]", "servers[1].disks[1].device"),
        (f"disks: [{{id: {DATA}, availability_zone: a, size: 0}}]", "disks[1].size must be a whole number"),
        (f"disks: [{{id: {DATA}, availability_zone: a, size: true}}]", "disks[1].size must be a whole number"),
        (f"disks: [{{id: {DATA}, availability_zone: a, multiattach: 1}}]", "disks[1].multiattach must be true or"),
        (f"disks: [{{id: {DATA}, availability_zone: a}}, {{id: {DATA}, availability_zone: a}}]", "stands there twice"),
        (f"servers: [{{id: {SERVER}, {PLACE}, disks: [{{id: {DATA}}}, {{id: {DATA}}}]}}]", "multiattach: true"),
    ],
)
def test_a_bad_file_is_told(tmp_path, text, message):
    with pytest.raises(ValueError) as caught:
        loaded(tmp_path, text)
    assert message in str(caught.value)
    assert "estate.yaml" in str(caught.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ValueError, match="can't be read"):
        load_estate(tmp_path / "none.yaml")


def test_a_shared_disk_stands_under_all_its_servers():
    shared = ServerDisk(DATA, multiattach=True)
    servers = tuple(Server(f"{number:08x}{SERVER[8:]}", "eu-de-01", VPC, disks=(shared,)) for number in range(2))
    with World.open(origin=Origin(estate=Estate(servers))) as world:
        assert [[disk["id"] for disk in server["disks"]] for server in world.servers()] == [[DATA], [DATA]]
    other = Server(SERVER, "eu-de-01", VPC, disks=(ServerDisk(DATA, size=7, multiattach=True),))
    with pytest.raises(ValueError, match="two sizes"):
        World.open(origin=Origin(estate=Estate((*servers, other))))


@pytest.fixture
def known(open_cloud, tmp_path):
    """A world that knows the servers and disks of a file."""
    return open_cloud(tmp_path / "world", origin=Origin(estate=loaded(tmp_path, GOOD)))


def test_only_known_servers_and_disks_can_be_used(known):
    group_id = known.group()
    assert known.ask_instance(group_id, server_id=ABSENT).code == "SDRS.1326"
    assert known.ask_pair(group_id, volume_id=ABSENT).code == "SDRS.0211"
    instance = known.show_instance(known.instance(group_id, server_id=SERVER))
    pair = known.show_pair(known.pair(group_id, volume_id=DATA))
    assert known.server(instance["target_server"])["flavor"] == "s3.large.4"
    assert pair["record_metadata"] == {
        "multiattach": True,
        "bootable": False,
        "volume_size": 200,
        "volume_type": "SAS",
    }


def test_an_estate_stays_with_its_world(known, open_cloud, tmp_path):
    again = open_cloud(tmp_path / "world")
    assert again.world.servers() == known.world.servers()
    assert again.ask_instance(again.group(), server_id=ABSENT).code == "SDRS.1326"
    with pytest.raises(KeyError):
        again.world.operator.add_instance(again.group())
    with pytest.raises(KeyError):
        again.world.operator.add_replication(again.group())


def test_what_is_added_later_is_known_too(known):
    known.world.operator.add_server(Server(ABSENT, "eu-de-01", VPC, disks=(ServerDisk(ABSENT, bootable=True),)))
    known.world.operator.add_disk(Disk(VPC, "eu-de-01"))
    group_id = known.group()
    assert known.instance(group_id, server_id=ABSENT)
    assert known.pair(group_id, volume_id=VPC)
    with pytest.raises(ValueError, match="already"):
        known.world.operator.add_server(Server(SERVER, "eu-de-01", VPC))
    with pytest.raises(ValueError, match="already"):
        known.world.operator.add_disk(Disk(DATA, "eu-de-01"))
