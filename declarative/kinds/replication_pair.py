"""Replication pairs: one production disk and its DR disk.

Source: SDRS API reference, "Replication Pair"; docs/sdrs-api.md, "Replication pairs".
"""

from __future__ import annotations

from declarative.errors import visible
from declarative.kinds.describing import ID, description, in_group, told
from declarative.kinds.judging import fault_level_troubles, lost_with, status_troubles
from declarative.kinds.spec import recorded_fields
from declarative.kinds.status import (
    PAIR_DELETED_BESIDE,
    PAIR_DELETED_FROM,
    PAIR_GROWN_FROM,
    PROTECTED,
    SHARED,
    STEADY,
    by_status,
    held_because,
)
from declarative.model import (
    Attributes,
    Call,
    Calls,
    Codes,
    Describing,
    Field,
    Health,
    Json,
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
    "volume_id": Field(),
    "name": Field(on_change=OnChange.UPDATE),
    "description": Field(empty_is_absent=True),
    # GB. Never sent at creation, where the size is the disk's; later it can only grow.
    "volume_size": Field(on_change=OnChange.UPDATE, at_creation=False, sent_from=PAIR_GROWN_FROM),
    "delete_target_volume": Field(on_change=OnChange.RECORD, at_creation=False),
}
_LONGEST_NUMBER = 10  # digits
_HEALTH = {
    **SHARED,
    "attaching": Health.BUSY,
    "detaching": Health.BUSY,
    "extending": Health.BUSY,
    "error-attaching": Health.NORMAL,
    "error-detaching": Health.NORMAL,
    "error-extending": Health.NORMAL,
    "invalid": Health.NORMAL,
    "fault": Health.NORMAL,
}


def _view(listed: Attributes) -> dict[str, Attributes]:
    production = str(listed.get("volume_ids") or "").partition(",")[0].strip()
    metadata = listed.get("record_metadata")
    size = metadata.get("volume_size") if isinstance(metadata, dict) else None
    shown = {**listed, "volume_id": production or None, "volume_size": _gigabytes(size)}
    return {str(listed["id"]): shown}


def _gigabytes(size: Json) -> int | None:
    text = str(size) if isinstance(size, int | str) else ""
    return int(text) if text.isdecimal() and len(text) < _LONGEST_NUMBER else None


def _complete(spec: Attributes, lookups: Lookups) -> tuple[Attributes, tuple[Problem, ...]]:
    return recorded_fields(spec, _FIELDS, _REFERS), ()


def _create(inputs: Attributes) -> Call:
    body = {name: inputs[name] for name, field in _FIELDS.items() if field.at_creation and name in inputs}
    return Call("POST", ("replications",), {"replication": body}, idempotent=False, starts_job=True)


def _update(object_id: str, inputs: Attributes, observed: Attributes, changed: frozenset[str]) -> tuple[Call, ...]:
    path = ("replications", object_id)
    calls = []
    if "name" in changed:
        body = {"replication": {"name": inputs["name"]}}
        calls.append(Call("PUT", path, body, idempotent=False, fields=frozenset({"name"})))
    if "volume_size" in changed:
        calls.append(
            Call(
                "POST",
                (*path, "action"),
                {"extend-replication": {"new_size": inputs["volume_size"]}},
                idempotent=False,
                starts_job=True,
                fields=frozenset({"volume_size"}),
            )
        )
    return tuple(calls)


def _delete(object_id: str, inputs: Attributes) -> Call:
    body = {
        "server_group_id": inputs.get("server_group_id"),
        "delete_target_volume": bool(inputs.get("delete_target_volume")),
    }
    sent = {name: value for name, value in body.items() if value is not None}
    return Call("DELETE", ("replications", object_id), {"replication": sent}, idempotent=False, starts_job=True)


def _leaves(inputs: Attributes) -> tuple[str, ...]:
    return () if inputs.get("delete_target_volume") else ("the DR disk",)


def _left_id(left: str, seen: Attributes) -> str:
    """The DR disk stands second among the pair's disks."""
    return str(seen.get("volume_ids") or "").partition(",")[2].strip()


def _needs(inputs: Attributes) -> tuple[str, ...]:
    words = (
        f"disk {inputs.get('volume_id')} must be available (attached to nothing), in the group's current production"
        " zone, and not encrypted"
    )
    return (words,)


def _grow_again(observed: Attributes) -> str:
    return f"Grow it again: set volume_size to more than {visible(observed.get('volume_size'), limit=20)} GB."


def _describe(shown: Attributes, context: Describing) -> Attributes:
    return {**in_group(shown, context), "volume_id": told(shown, "volume_id", ID), **description(shown, context)}


def _judge(observed: Attributes) -> tuple[str, ...]:
    return (*status_troubles(observed), *fault_level_troubles(observed))


KIND = Kind(
    name="ReplicationPair",
    noun="replication pair",
    fields=_FIELDS,
    wire=Wire(
        collection="replications",
        envelope="replication",
        list_key="replications",
        view=_view,
        copying="replication_status",
        entity_keys=("replication_pair_id", "replication_id"),
        failure_type="replications",
        quota="replications",
        quota_code="SDRS.0306",
    ),
    codes=Codes(
        gone=frozenset({"SDRS.1608"}),
        look_again=frozenset({"SDRS.0213"}),
        wait=frozenset({"SDRS.1002", "SDRS.1024"}),
        status=frozenset({"SDRS.0214"}),
        exists=frozenset({"SDRS.1811"}),
    ),
    relations=Relations(
        refers=_REFERS,
        group="server_group_id",
        place=("server_group_id",),
        natural_key=("volume_id",),
        only_grows={"volume_size": "GB"},
        counted_as="replication_num",
        size="volume_size",
    ),
    calls=Calls(
        timeouts={"create": 600.0, "update": 600.0, "delete": 600.0},
        complete=_complete,
        create=_create,
        update=_update,
        delete=_delete,
    ),
    statuses=Statuses(
        health=by_status(_HEALTH),
        held_because=held_because,
        deleted_from=PAIR_DELETED_FROM,
        created_beside={"ProtectionGroup": STEADY},
        deleted_beside=PAIR_DELETED_BESIDE,
        protected=PROTECTED,
    ),
    words=Words(
        key_words={"volume_id": "disk"},
        lost=lost_with("volume_id", "disk"),
        remedies={"error-extending": _grow_again},
        plural="pairs",
        describe=_describe,
        judge=_judge,
        leaves=_leaves,
        left_id=_left_id,
        needs=_needs,
    ),
)
