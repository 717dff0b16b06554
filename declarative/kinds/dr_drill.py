"""DR drills: an isolated copy of the DR site, to test that it works.

Source: SDRS API reference, "DR Drill"; docs/sdrs-api.md, "DR drills".
"""

from __future__ import annotations

from declarative.kinds.describing import ID, in_group, told
from declarative.kinds.judging import status_troubles
from declarative.kinds.spec import recorded_fields
from declarative.kinds.status import DRILL_CREATED_BESIDE, DRILL_DELETED_FROM, by_status, held_because
from declarative.model import (
    Attributes,
    Call,
    Calls,
    Codes,
    Describing,
    Field,
    Health,
    Kind,
    Lookups,
    OnChange,
    Problem,
    Refers,
    Relations,
    Statuses,
    Wire,
    Words,
)

_REFERS = {"protection_group": Refers("ProtectionGroup", "server_group_id")}
_FIELDS = {
    "server_group_id": Field(),
    "name": Field(on_change=OnChange.UPDATE),
    "drill_vpc_id": Field(),
}
_HEALTH = {
    "available": Health.NORMAL,
    "creating": Health.BUSY,
    "error": Health.BROKEN,
    "deleting": Health.LEAVING,
    "error-deleting": Health.LEAVING,
}


def _complete(spec: Attributes, lookups: Lookups) -> tuple[Attributes, tuple[Problem, ...]]:
    return recorded_fields(spec, _FIELDS, _REFERS), ()


def _create(inputs: Attributes) -> Call:
    body = {name: inputs[name] for name in _FIELDS if name in inputs}
    path = ("disaster-recovery-drills",)
    return Call("POST", path, {"disaster_recovery_drill": body}, idempotent=False, starts_job=True)


def _update(object_id: str, inputs: Attributes, observed: Attributes, changed: frozenset[str]) -> tuple[Call, ...]:
    if "name" not in changed:
        return ()
    body = {"disaster_recovery_drill": {"name": inputs["name"]}}
    path = ("disaster-recovery-drills", object_id)
    return (Call("PUT", path, body, idempotent=False, fields=frozenset({"name"})),)


def _delete(object_id: str, inputs: Attributes) -> Call:
    return Call("DELETE", ("disaster-recovery-drills", object_id), idempotent=False, starts_job=True)


def _leaves(inputs: Attributes) -> tuple[str, ...]:
    made = "" if inputs.get("drill_vpc_id") else " that was made for it"
    return (f"{_VPC}{made}, with its subnets", "EIPs that were bound to drill servers")


_VPC = "the drill VPC"


def _left_id(left: str, seen: Attributes) -> str:
    return str(seen.get("drill_vpc_id") or "") if left.startswith(_VPC) else ""


def _needs(inputs: Attributes) -> tuple[str, ...]:
    if not inputs.get("drill_vpc_id"):
        return ()
    words = (
        f"VPC {inputs['drill_vpc_id']} must have the CIDR block and the subnets of the group's VPC, and be in no other"
        " drill"
    )
    return (words,)


def _describe(shown: Attributes, context: Describing) -> Attributes:
    vpc = {"drill_vpc_id": told(shown, "drill_vpc_id", ID)} if shown.get("drill_vpc_id") else {}
    return {**in_group(shown, context), **vpc}


KIND = Kind(
    name="DRDrill",
    noun="DR drill",
    fields=_FIELDS,
    wire=Wire(
        collection="disaster-recovery-drills",
        envelope="disaster_recovery_drill",
        list_key="disaster_recovery_drills",
        made_at="created_at",
        entity_keys=("disaster_recovery_drill_id", "drill_id"),
        failure_type="disaster_recovery_drills",
    ),
    codes=Codes(
        gone=frozenset({"SDRS.1902"}),
        look_again=frozenset({"SDRS.1913"}),
        wait=frozenset({"SDRS.1002"}),
    ),
    relations=Relations(
        refers=_REFERS,
        group="server_group_id",
        place=("server_group_id",),
        counted_as="disaster_recovery_drill_num",
        names_unique_in="server_group_id",
    ),
    calls=Calls(
        timeouts={"create": 1200.0, "update": 120.0, "delete": 1200.0},
        complete=_complete,
        create=_create,
        update=_update,
        delete=_delete,
    ),
    statuses=Statuses(
        health=by_status(_HEALTH),
        held_because=held_because,
        deleted_from=DRILL_DELETED_FROM,
        created_beside=DRILL_CREATED_BESIDE,
        copies_first=True,
    ),
    words=Words(
        plural="drills",
        describe=_describe,
        judge=status_troubles,
        leaves=_leaves,
        left_id=_left_id,
        needs=_needs,
    ),
)
