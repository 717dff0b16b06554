"""The recorded nouns as JSON and back; the snapshot and the journal both write them so.

Shapes (described in full by `schemas/state.json`): an address is its text, `Kind/name[key]`; a resource, an operation,
a run and a binding are objects with the names of their dataclass fields. Fields at their default are left out. JSON is
written in ASCII with sorted keys, so that equal nouns give equal bytes and no text of others can break a line.

What is read is checked strictly: an unknown or missing field, or one of another type, is a `Malformed`. What would
not be read again is not written either.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from declarative import strict_json
from declarative.errors import visible
from declarative.model import Action, Address, Binding, Json, Lifecycle, Operation, Resource, Run
from declarative.typed_json import Malformed, array, boolean, fields, mapping, text, texts, whole, word


def dumps(shape: Json) -> str:
    """Return `shape` as one line of ASCII JSON. Raises Malformed when JSON can't express it (NaN, cycles, depth)."""
    try:
        return _to_json(shape)
    except (TypeError, ValueError, RecursionError) as error:
        raise Malformed(f"a value can't be recorded as JSON: {visible(error, limit=200)}") from error


def loads(text: str, *, unique_keys: bool) -> Json:
    """Parse JSON. Raises Malformed for all that isn't, NaN, infinite numbers and, if asked, duplicate keys."""
    try:
        return strict_json.loads(text, unique_keys=unique_keys)
    except ValueError as error:
        raise Malformed(f"is not JSON: {visible(error, limit=200)}") from error


def _plain(value: object) -> Json:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


_to_json = json.JSONEncoder(sort_keys=True, allow_nan=False, separators=(",", ":"), default=_plain).encode


# ---------------------------------------------------------------- nouns


def write_address(address: Address) -> str:
    """Return the address's text. Raises Malformed when that would not be read as the same address."""
    written = str(address)
    if read_address(written) != address:
        raise Malformed(f"'{visible(written, limit=120)}' is no address that can be recorded")
    return written


def read_address(value: Json) -> Address:
    """Read an address's text."""
    written = text(value, "address")
    try:
        return Address.parse(written)
    except ValueError as error:
        raise Malformed(f"'{visible(value, limit=120)}' is no address: {error}") from error


_RESOURCE = frozenset({"address", "id"})
_RESOURCE_MORE = frozenset({"inputs", "attributes", "lifecycle", "depends_on", "normalized", "brought"})


def write_resource(resource: Resource) -> dict[str, Json]:
    """Return `{address, id, inputs, attributes, lifecycle, depends_on, normalized, brought}`."""
    shape: dict[str, Json] = {"address": write_address(resource.address), "id": resource.id}
    if resource.inputs:
        shape["inputs"] = resource.inputs
    if resource.attributes:
        shape["attributes"] = resource.attributes
    if resource.lifecycle != _PLAIN_LIFE:
        shape["lifecycle"] = _write_lifecycle(resource.lifecycle)
    if resource.depends_on:
        shape["depends_on"] = [write_address(address) for address in resource.depends_on]
    if resource.normalized:
        shape["normalized"] = {
            name: {"sent": sent, "shown": shown} for name, (sent, shown) in resource.normalized.items()
        }
    if resource.brought is not None:
        shape["brought"] = list(resource.brought)
    return shape


def read_resource(value: Json) -> Resource:
    """Read what `write_resource` returns."""
    shape = fields(value, required=_RESOURCE, optional=_RESOURCE_MORE)
    return Resource(
        read_address(shape["address"]),
        text(shape["id"], "id"),
        mapping(shape.get("inputs", {}), "inputs"),
        mapping(shape.get("attributes", {}), "attributes"),
        _read_lifecycle(shape["lifecycle"]) if "lifecycle" in shape else _PLAIN_LIFE,
        tuple(array(shape["depends_on"], "depends_on", read_address)) if "depends_on" in shape else (),
        _read_normalized(shape["normalized"]) if "normalized" in shape else {},
        texts(shape["brought"], "brought") if "brought" in shape else None,
    )


def _read_normalized(value: Json) -> dict[str, tuple[Json, Json]]:
    pairs = {name: fields(pair, required=_NORMALIZED) for name, pair in mapping(value, "normalized").items()}
    return {name: (pair["sent"], pair["shown"]) for name, pair in pairs.items()}


_NORMALIZED = frozenset({"sent", "shown"})
_PLAIN_LIFE = Lifecycle()
_LIFECYCLE = frozenset({"prevent_destroy", "ignore_changes"})
_LIFECYCLE_MORE = frozenset({"adopt"})


def _write_lifecycle(lifecycle: Lifecycle) -> dict[str, Json]:
    shape: dict[str, Json] = {
        "prevent_destroy": lifecycle.prevent_destroy,
        "ignore_changes": list(lifecycle.ignore_changes),
    }
    if lifecycle.adopt:
        shape["adopt"] = True
    return shape


def _read_lifecycle(value: Json) -> Lifecycle:
    shape = fields(value, required=_LIFECYCLE, optional=_LIFECYCLE_MORE)
    return Lifecycle(
        boolean(shape["prevent_destroy"], "prevent_destroy"),
        texts(shape["ignore_changes"], "ignore_changes"),
        boolean(shape.get("adopt", False), "adopt"),
    )


_OPERATION = frozenset({"id", "step", "action", "resource"})
_OPERATION_MORE = frozenset({"job_id", "sends"})


def write_operation(operation: Operation) -> dict[str, Json]:
    """Return `{id, step, action, resource, job_id, sends}`."""
    shape: dict[str, Json] = {
        "id": text(operation.id, "id", empty=False),
        "step": operation.step,
        "action": operation.action.value,
        "resource": write_resource(operation.resource),
    }
    if operation.job_id:
        shape["job_id"] = operation.job_id
    if operation.sends:
        shape["sends"] = operation.sends
    return shape


def read_operation(value: Json) -> Operation:
    """Read what `write_operation` returns."""
    shape = fields(value, required=_OPERATION, optional=_OPERATION_MORE)
    return Operation(
        text(shape["id"], "id", empty=False),
        text(shape["step"], "step"),
        word(shape["action"], "action", Action),
        read_resource(shape["resource"]),
        text(shape.get("job_id", ""), "job_id"),
        whole(shape.get("sends", 0), "sends"),
    )


_RUN = frozenset({"id", "who", "started", "command"})
_RUN_MORE = frozenset({"plan", "consents", "ended", "counts"})


def write_run(run: Run) -> dict[str, Json]:
    """Return `{id, who, started, command, plan, consents, ended, counts}`."""
    shape: dict[str, Json] = {
        "id": text(run.id, "id", empty=False),
        "who": run.who,
        "started": run.started,
        "command": run.command,
    }
    if run.plan:
        shape["plan"] = run.plan
    if run.consents:
        shape["consents"] = list(run.consents)
    if run.ended:
        shape["ended"] = run.ended
    if run.counts:
        shape["counts"] = run.counts
    return shape


def read_run(value: Json) -> Run:
    """Read what `write_run` returns."""
    shape = fields(value, required=_RUN, optional=_RUN_MORE)
    counts = mapping(shape.get("counts", {}), "counts")
    return Run(
        text(shape["id"], "id", empty=False),
        text(shape["who"], "who"),
        text(shape["started"], "started"),
        text(shape["command"], "command"),
        text(shape.get("plan", ""), "plan"),
        texts(shape.get("consents", []), "consents"),
        text(shape.get("ended", ""), "ended"),
        {name: whole(count, f"counts.{visible(name, limit=64)}") for name, count in counts.items()},
    )


_BINDING = frozenset({"project_id", "region", "host"})


def write_binding(binding: Binding) -> dict[str, Json]:
    """Return `{project_id, region, host}`."""
    return {"project_id": binding.project_id, "region": binding.region, "host": binding.host}


def read_binding(value: Json) -> Binding:
    """Read what `write_binding` returns."""
    shape = fields(value, required=_BINDING)
    return Binding(*(text(shape[name], name) for name in ("project_id", "region", "host")))
