"""The codec knows every field of every noun, and reads what it writes, in full or in short."""

from dataclasses import fields, replace

import pytest

from declarative import codec
from declarative.model import Action, Address, Binding, Lifecycle, Operation, Resource, Run

SHOP = Address("ProtectionGroup", "shop")
RESOURCE = Resource(
    Address("ProtectedInstance", "web", "a"),
    "id-web",
    {"name": "web"},
    {"status": "available"},
    Lifecycle(True, ("name",), True),
    (SHOP,),
    {"name": ("web", "WEB")},
    ("pair-1",),
)
OPERATION = Operation("op-1", "create:x", Action.CREATE, RESOURCE, "job-1", 2)
RUN = Run("run-1", "me", "then", "apply", "digest", ("delete",), "later", {"done": 1}, "content")
BINDING = Binding("project", "eu-de", "sdrs.example.com", "shop", "prod", "teams/shop")
NOUNS = [
    pytest.param(RESOURCE, codec.resource_in_short, codec.read_resource, id="resource"),
    pytest.param(OPERATION, codec.operation_in_short, codec.read_operation, id="operation"),
    pytest.param(RUN, codec.run_in_short, codec.read_run, id="run"),
    pytest.param(BINDING, codec.write_binding, codec.read_binding, id="binding"),
]


def names(noun):
    return {field.name for field in fields(noun)}


@pytest.mark.parametrize(("noun", "write", "read"), NOUNS)
def test_every_field_is_written_and_read(noun, write, read):
    assert write(noun).keys() == names(noun)
    assert read(write(noun)) == noun


def test_in_full_every_member_is_there_at_its_default_too():
    bare = codec.resource_in_full(Resource(SHOP, "id"))
    assert bare.keys() == names(Resource) - {"normalized", "brought"}
    assert bare["lifecycle"].keys() == names(Lifecycle)
    assert codec.read_resource(bare) == Resource(SHOP, "id")
    assert codec.run_in_full(Run("r", "", "", "")).keys() == names(Run)


def test_in_short_what_is_at_its_default_is_left_out():
    assert codec.resource_in_short(Resource(SHOP, "id")) == {"address": "ProtectionGroup/shop", "id": "id"}
    assert codec.run_in_short(Run("r", "", "", "")) == {"id": "r", "who": "", "started": "", "command": ""}


@pytest.mark.parametrize("flag", sorted(names(Lifecycle)))
def test_every_flag_of_a_lifecycle_survives(flag):
    life = replace(Lifecycle(), **{flag: getattr(RESOURCE.lifecycle, flag)})
    for write in (codec.resource_in_full, codec.resource_in_short):
        assert codec.read_resource(write(Resource(SHOP, "id", lifecycle=life))).lifecycle == life
