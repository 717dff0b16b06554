"""Attachments: a replication pair that was made from a free disk, attached to a protected instance.

They have no id and no list of their own: the instances tell of them. Source: docs/sdrs-api.md, "Attach" and "Detach".
"""

from __future__ import annotations

import re

from declarative.errors import visible
from declarative.kinds.attached import attached
from declarative.kinds.judging import no_troubles
from declarative.kinds.spec import recorded_fields
from declarative.kinds.status import DETACHED_BESIDE, OF_INSTANCES, PROTECTED, STEADY, by_status, held_because
from declarative.model import (
    Attributes,
    Call,
    Calls,
    Codes,
    Describing,
    Exclusive,
    Field,
    Health,
    Json,
    Kind,
    Lookups,
    Problem,
    Refers,
    Relations,
    Statuses,
    Undescribable,
    Wire,
    Words,
)

_DEVICE = re.compile(r"/dev/[sv]d[a-z]{1,2}")


def letters(device: Json) -> str:
    """The last letters of a device name: the service rewrites the rest to fit the hypervisor (`/dev/sdb`: `b`)."""
    name = str(device or "").rpartition("/")[2]
    return name[2:] if name[:2] in ("sd", "vd") else name


_REFERS = {
    "protected_instance": Refers("ProtectedInstance", "protected_instance_id"),
    "replication_pair": Refers("ReplicationPair", "replication_id"),
}
_FIELDS = {
    "protected_instance_id": Field(),
    "replication_id": Field(),
    "device": Field(same=lambda one, other: letters(one) == letters(other)),
}


def _identity(inputs: Attributes) -> str:
    return f"{inputs['protected_instance_id']}/{inputs['replication_id']}"


def _view(listed: Attributes) -> dict[str, Attributes]:
    """The attachments of one listed instance."""
    found = [one for one in attached(listed) if isinstance(one.get("replication"), str)]
    shown = [
        {
            "protected_instance_id": str(listed["id"]),
            "replication_id": one["replication"],
            "device": one.get("device"),
            "server_group_id": listed.get("server_group_id"),
            "status": listed.get("status"),
            "priority_station": listed.get("priority_station"),
        }
        for one in found
    ]
    return {_identity(one): one for one in shown}


_STATUS = by_status(OF_INSTANCES)


def _health(observed: Attributes, inputs: Attributes) -> Health:
    """The attachment lives as its instance does; what is wrong with that one is mended there."""
    if observed.get("status") == "deleting":
        return Health.BUSY
    health = _STATUS(observed, inputs)
    return Health.NORMAL if health in (Health.BROKEN, Health.LEAVING) else health


def _complete(spec: Attributes, lookups: Lookups) -> tuple[Attributes, tuple[Problem, ...]]:
    return recorded_fields(spec, _FIELDS, _REFERS), ()


def _create(inputs: Attributes) -> Call:
    path = ("protected-instances", str(inputs["protected_instance_id"]), "attachreplication")
    body = {"replication_id": inputs["replication_id"], "device": inputs["device"]}
    return Call("POST", path, {"replicationAttachment": body}, idempotent=False, starts_job=True)


def _update(object_id: str, inputs: Attributes, observed: Attributes, changed: frozenset[str]) -> tuple[Call, ...]:
    return ()


def _delete(object_id: str, inputs: Attributes) -> Call:
    instance, _, pair = object_id.partition("/")
    path = ("protected-instances", instance, "detachreplication", pair)
    return Call("DELETE", path, idempotent=False, starts_job=True)


def _lost(seen: Attributes) -> str:
    names = [seen.get(name) for name in ("replication_id", "protected_instance_id")]
    if not all(names):
        return "the use of its pair by its instance, whose servers lose its disks"
    pair, instance = (visible(name, limit=80) for name in names)
    return f"the use of pair {pair} by instance {instance}, whose servers lose its disks"


def _describe(shown: Attributes, context: Describing) -> Attributes:
    spec = {}
    for name, target in _REFERS.items():
        other = context.name_of(target.kind, str(shown.get(target.field)))
        if other is None:
            raise Undescribable(f"its {name.replace('_', ' ')} is left out")
        spec[name] = other
    return {**spec, "device": _told_device(str(shown.get("device")))}


def _told_device(shown: str) -> str:
    """A device name as manifests write it, with the letters that are shown: they alone are compared."""
    device = shown if _DEVICE.fullmatch(shown) else f"/dev/vd{letters(shown)}"
    if not _DEVICE.fullmatch(device):
        raise Undescribable("the cloud doesn't show its device")
    return device


def _title(spec: Attributes) -> str:
    return "-on-".join(str(spec[name]) for name in ("replication_pair", "protected_instance"))


KIND = Kind(
    name="ReplicationAttachment",
    noun="replication attachment",
    fields=_FIELDS,
    wire=Wire(
        collection="protected-instances",
        envelope="protected_instance",
        list_key="protected_instances",
        view=_view,
        read_id=lambda object_id: object_id.partition("/")[0],
    ),
    codes=Codes(
        gone=frozenset({"SDRS.1320", "SDRS.1604", "SDRS.1608"}),
        look_again=frozenset({"SDRS.0208", "SDRS.0213"}),
        wait=frozenset({"SDRS.1002", "SDRS.1024", "SDRS.1328"}),
        status=frozenset({"SDRS.0214", "SDRS.1314", "SDRS.1601"}),
        exists=frozenset({"SDRS.1603"}),
    ),
    relations=Relations(
        refers=_REFERS,
        group="server_group_id",
        natural_key=("protected_instance_id", "replication_id"),
        exclusive=Exclusive("device", within="protected_instance_id"),
        identity=_identity,
    ),
    calls=Calls(
        timeouts={"create": 600.0, "delete": 600.0},
        complete=_complete,
        create=_create,
        update=_update,
        delete=_delete,
    ),
    statuses=Statuses(
        health=_health,
        held_because=held_because,
        created_beside={"ProtectionGroup": STEADY, "ProtectedInstance": STEADY, "ReplicationPair": STEADY},
        deleted_beside=DETACHED_BESIDE,
        marks={"ReplicationPair": frozenset({"error-attaching", "error-detaching"})},
        protected=PROTECTED,
    ),
    words=Words(
        key_words={"protected_instance_id": "instance", "replication_id": "pair"},
        lost=_lost,
        plural="attachments",
        describe=_describe,
        title=_title,
        judge=no_troubles,
    ),
)
