"""Protected instances: one production server and its DR server, with a pair for each of the server's disks.

Source: SDRS API reference, "Protected Instance" and "Tag Management"; docs/sdrs-api.md, "Protected instances".
"""

from __future__ import annotations

from declarative.kinds.attached import instances_with, is_shared_disk, is_system_disk, pairs_on
from declarative.kinds.describing import ID, description, in_group, tags, told
from declarative.kinds.judging import lost_with, status_troubles
from declarative.kinds.spec import recorded_fields
from declarative.kinds.status import (
    INSTANCE_DELETED_FROM,
    INSTANCE_RESIZED_FROM,
    OF_INSTANCES,
    PROTECTED,
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
    Json,
    Kind,
    Lookups,
    Makes,
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
    "server_id": Field(),
    "name": Field(on_change=OnChange.UPDATE),
    "description": Field(empty_is_absent=True),
    "primary_subnet_id": Field(),
    "primary_ip_address": Field(),
    "flavorRef": Field(
        on_change=OnChange.UPDATE,
        sent_from=INSTANCE_RESIZED_FROM,
        needs="the DR server must be stopped while its flavor is changed; start it again if needed",
    ),
    "cluster_id": Field(),
    "tenancy": Field(),
    "dedicated_host_id": Field(),
    "tags": Field(on_change=OnChange.UPDATE, empty_is_absent=True),
    "delete_target_server": Field(on_change=OnChange.RECORD, at_creation=False),
    "delete_target_eip": Field(on_change=OnChange.RECORD, at_creation=False),
}


def _view(listed: Attributes) -> dict[str, Attributes]:
    shown = {**listed, "server_id": listed.get("source_server")}
    if "tags" in listed:
        shown["tags"] = _sorted(listed["tags"])
    return {str(listed["id"]): shown}


def _sorted(tags: Json) -> list[dict[str, str]]:
    found = [tag for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
    return sorted(
        ({"key": str(tag.get("key")), "value": str(tag.get("value") or "")} for tag in found),
        key=lambda tag: tag["key"],
    )


def _complete(spec: Attributes, lookups: Lookups) -> tuple[Attributes, tuple[Problem, ...]]:
    inputs = recorded_fields(spec, _FIELDS, _REFERS)
    if "tags" in inputs:
        inputs["tags"] = _sorted(inputs["tags"])
    problems = []
    if "primary_ip_address" in spec and "primary_subnet_id" not in spec:
        problems.append(
            Problem(
                ("spec", "primary_ip_address"),
                "primary_ip_address is given without primary_subnet_id",
                "Add primary_subnet_id: the network id of the subnet that the address belongs to.",
                id="address-without-subnet",
            )
        )
    return inputs, tuple(problems)


def _create(inputs: Attributes) -> Call:
    body = {name: inputs[name] for name, field in _FIELDS.items() if field.at_creation and name in inputs}
    return Call("POST", ("protected-instances",), {"protected_instance": body}, idempotent=False, starts_job=True)


def _update(object_id: str, inputs: Attributes, observed: Attributes, changed: frozenset[str]) -> tuple[Call, ...]:
    path = ("protected-instances", object_id)
    calls = []
    if "name" in changed:
        body = {"protected_instance": {"name": inputs["name"]}}
        calls.append(Call("PUT", path, body, idempotent=False, fields=frozenset({"name"})))
    if "tags" in changed:
        calls.extend(_tag_calls((*path, "tags", "action"), _sorted(inputs.get("tags")), _sorted(observed.get("tags"))))
    if "flavorRef" in changed:
        calls.append(
            # Never `flavorRef`, which would resize the production server too.
            Call(
                "POST",
                (*path, "resize"),
                {"resize": {"dr_flavorRef": inputs["flavorRef"]}},
                idempotent=False,
                starts_job=True,
                fields=frozenset({"flavorRef"}),
                done_codes=frozenset({"SDRS.1341"}),
            )
        )
    return tuple(calls)


def _tag_calls(path: tuple[str, ...], wanted: list[dict[str, str]], shown: list[dict[str, str]]) -> list[Call]:
    """Both calls may be repeated: an existing key is overwritten, an unknown one is ignored."""
    keys = {tag["key"] for tag in wanted}
    gone = [tag for tag in shown if tag["key"] not in keys]
    new = [tag for tag in wanted if tag not in shown]
    bodies = [{"action": action, "tags": tags} for action, tags in (("delete", gone), ("create", new)) if tags]
    return [Call("POST", path, body, fields=frozenset({"tags"})) for body in bodies]


def _delete(object_id: str, inputs: Attributes) -> Call:
    body = {name: bool(inputs.get(name)) for name in ("delete_target_server", "delete_target_eip")}
    return Call("DELETE", ("protected-instances", object_id), body, idempotent=False, starts_job=True)


_DR_SERVER = "the DR server and its disks"


def _leaves(inputs: Attributes) -> tuple[str, ...]:
    if not inputs.get("delete_target_server"):
        return (_DR_SERVER, "the DR server's EIP, if it has one")
    return () if inputs.get("delete_target_eip") else ("the DR server's EIP, if it has one",)


def _left_id(left: str, seen: Attributes) -> str:
    return str(seen.get("target_server") or "") if left == _DR_SERVER else ""


def _needs(inputs: Attributes) -> tuple[str, ...]:
    words = (
        f"server {inputs.get('server_id')} must be in the group's VPC and in its current production zone,"
        " running or shut off, with EVS disks of its own only (none shared, none encrypted)"
    )
    return (words,)


def _left_pair_options(inputs: Attributes) -> Attributes:
    return {"delete_target_volume": bool(inputs.get("delete_target_server"))}


def _resize_again(observed: Attributes) -> str:
    return "Resize it again: give flavorRef another value, or the one that failed."


def _describe(shown: Attributes, context: Describing) -> Attributes:
    return {
        **in_group(shown, context),
        "server_id": told(shown, "server_id", ID),
        **description(shown, context),
        **tags(shown, context),
    }


KIND = Kind(
    name="ProtectedInstance",
    noun="protected instance",
    fields=_FIELDS,
    wire=Wire(
        collection="protected-instances",
        envelope="protected_instance",
        list_key="protected_instances",
        view=_view,
        entity_keys=("protected_instance_id",),
        failure_type="protected_instances",
    ),
    codes=Codes(
        gone=frozenset({"SDRS.1320"}),
        look_again=frozenset({"SDRS.1301", "SDRS.0208"}),
        wait=frozenset({"SDRS.1002", "SDRS.1024", "SDRS.1323", "SDRS.1324", "SDRS.1328"}),
        exists=frozenset({"SDRS.1305"}),
    ),
    relations=Relations(
        refers=_REFERS,
        group="server_group_id",
        place=("server_group_id",),
        natural_key=("server_id",),
        makes=Makes(
            kind="ReplicationPair",
            tie="ReplicationAttachment",
            made=pairs_on,
            makers=instances_with,
            shared=is_shared_disk,
            inseparable=is_system_disk,
            options=_left_pair_options,
        ),
        counted_as="protected_instance_num",
    ),
    calls=Calls(
        timeouts={"create": 1200.0, "update": 1200.0, "delete": 1200.0},
        complete=_complete,
        create=_create,
        update=_update,
        delete=_delete,
        seen={"create": 300.0},
    ),
    statuses=Statuses(
        health=by_status(OF_INSTANCES),
        held_because=held_because,
        deleted_from=INSTANCE_DELETED_FROM,
        created_beside={"ProtectionGroup": STEADY},
        protected=PROTECTED,
    ),
    words=Words(
        key_words={"server_id": "server"},
        lost=lost_with("server_id", "server"),
        remedies={"error-resizing": _resize_again},
        plural="instances",
        describe=_describe,
        judge=status_troubles,
        leaves=_leaves,
        left_id=_left_id,
        needs=_needs,
    ),
)
