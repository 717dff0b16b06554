"""A cloud as the lists show it, made of a few words a test cares about."""

from declarative.kinds import KINDS
from declarative.model import Lookups, Observed

VPC, OTHER_VPC = "68679295-0223-4b5d-aecb-656d77977de2", "ebcf5b0a-adb4-425b-be58-1e1d0ee59938"
DOMAIN = {"id": "f523d6f3-f25c-45e8-b06e-32f164fd24e5", "name": "aa-domain-01"}
GROUP = {
    "status": "available",
    "priority_station": "source",
    "source_availability_zone": "eu-de-01",
    "target_availability_zone": "eu-de-02",
    "domain_id": DOMAIN["id"],
    "source_vpc_id": VPC,
    "description": None,
    "dr_type": "migration",
}


def group(object_id, name, **fields):
    return {"id": object_id, "name": name, **GROUP, **fields}


def instance(object_id, name, *attached, group="g1", **fields):
    attachment = [{"replication": pair, "device": f"/dev/vd{chr(97 + n)}"} for n, pair in enumerate(attached)]
    shown = {"server_group_id": group, "status": "available", "source_server": f"s-{object_id}"}
    return {"id": object_id, "name": name, **shown, "attachment": attachment, "tags": [], **fields}


def pair(object_id, name, *, group="g1", **fields):
    shown = {"server_group_id": group, "status": "available", "volume_ids": f"v-{object_id},w-{object_id}"}
    return {"id": object_id, "name": name, **shown, "record_metadata": {"volume_size": 40}, **fields}


def drill(object_id, name, *, group="g1", **fields):
    return {"id": object_id, "name": name, "server_group_id": group, "status": "available", **fields}


def observed(*, groups=(), instances=(), pairs=(), drills=(), domains=(DOMAIN,)):
    shown = {
        "server-groups": groups,
        "protected-instances": instances,
        "replications": pairs,
        "disaster-recovery-drills": drills,
    }
    objects = {
        kind.name: {key: one for item in shown[kind.wire.collection] for key, one in kind.wire.view(item).items()}
        for kind in KINDS.values()
    }
    return Observed(objects, lookups=Lookups(tuple(domains)))


SHOP = observed(
    groups=[
        group("g1", "shop", status="protected", description="web shop: all"),
        group("g2", "orders", source_availability_zone="eu-de-02", target_availability_zone="eu-de-01"),
        group("g3", "reports", source_vpc_id=OTHER_VPC, priority_station="target"),
    ],
    instances=[
        instance("i1", "web-1", "r1", "r3", tags=[{"key": "stage", "value": "prod"}, {"key": "a", "value": ""}]),
        instance("i2", "web-2", "r2", "r3"),
    ],
    pairs=[pair("r1", "web-1-vda"), pair("r2", "web-2-vda"), pair("r3", "shared"), pair("r4", "spare")],
    drills=[drill("d1", "q1", drill_vpc_id="b74770d1-1b52-4159-8687-8bc3af71001a"), drill("d2", "q2")],
)
