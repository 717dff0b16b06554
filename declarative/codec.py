"""The nouns that are written down, as JSON and back: the one place that knows which members each of them has.

An address is its text, `Kind/name[key]`; every other noun is an object with the names of its dataclass's fields. *In
full*, as plans and views have it, each member is there. *In short*, as the state has it, what is at its default is left
out. What is read may be either.

What is read is checked strictly: an unknown or missing member, or one of another type, is `Malformed`. What would not
be read again is not written in short either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from declarative.errors import visible
from declarative.model import Action, Address, Binding, Json, Lifecycle, Operation, Resource, Review, Run
from declarative.typed_json import Malformed, array, boolean, fields, mapping, text, texts, whole, word

# ---------------------------------------------------------------- address


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


# ---------------------------------------------------------------- lifecycle

_PLAIN_LIFE = Lifecycle()
_AS_SENT: Mapping[str, tuple[Json, Json]] = MappingProxyType({})  # one for all, instead of one for each of thousands
_LIFECYCLE = frozenset({"prevent_destroy", "ignore_changes"})
_LIFECYCLE_MORE = frozenset({"adopt"})


def _lifecycle_in_full(lifecycle: Lifecycle) -> dict[str, Json]:
    return {
        "prevent_destroy": lifecycle.prevent_destroy,
        "ignore_changes": list(lifecycle.ignore_changes),
        "adopt": lifecycle.adopt,
    }


def _lifecycle_in_short(lifecycle: Lifecycle) -> dict[str, Json]:
    """Return {} for a plain one; of any other, the first two members are always there."""
    return {} if lifecycle == _PLAIN_LIFE else _in_short(_lifecycle_in_full(lifecycle), _LIFECYCLE)


def _in_short(shape: dict[str, Json], always: frozenset[str]) -> dict[str, Json]:
    return {name: value for name, value in shape.items() if value or name in always}


def _read_lifecycle(value: Json) -> Lifecycle:
    shape = fields(value, required=_LIFECYCLE, optional=_LIFECYCLE_MORE)
    return Lifecycle(
        boolean(shape["prevent_destroy"], "prevent_destroy"),
        texts(shape["ignore_changes"], "ignore_changes"),
        boolean(shape.get("adopt", False), "adopt"),
    )


# ---------------------------------------------------------------- resource

_RESOURCE = frozenset({"address", "id"})
_RESOURCE_MORE = frozenset({"inputs", "attributes", "lifecycle", "depends_on", "normalized", "brought"})
_NORMALIZED = frozenset({"sent", "shown"})


def resource_in_full(resource: Resource) -> dict[str, Json]:
    """Return `{address, id, inputs, attributes, lifecycle, depends_on}`: all but what only the state has."""
    return _resource(resource, str, _lifecycle_in_full)


def resource_in_short(resource: Resource) -> dict[str, Json]:
    """Return `{address, id, inputs, attributes, lifecycle, depends_on, normalized, brought}`."""
    shape = _in_short(_resource(resource, write_address, _lifecycle_in_short), _RESOURCE)
    if resource.normalized:
        shape["normalized"] = {
            name: {"sent": sent, "shown": shown} for name, (sent, shown) in resource.normalized.items()
        }
    if resource.brought is not None:
        shape["brought"] = list(resource.brought)
    return shape


def _resource(
    resource: Resource, address: Callable[[Address], str], lifecycle: Callable[[Lifecycle], dict[str, Json]]
) -> dict[str, Json]:
    return {
        "address": address(resource.address),
        "id": resource.id,
        "inputs": dict(resource.inputs),
        "attributes": dict(resource.attributes),
        "lifecycle": lifecycle(resource.lifecycle),
        "depends_on": [address(one) for one in resource.depends_on],
    }


def read_resource(value: Json) -> Resource:
    """Read a resource."""
    shape = fields(value, required=_RESOURCE, optional=_RESOURCE_MORE)
    return Resource(
        read_address(shape["address"]),
        text(shape["id"], "id"),
        mapping(shape.get("inputs", {}), "inputs"),
        mapping(shape.get("attributes", {}), "attributes"),
        _read_lifecycle(shape["lifecycle"]) if "lifecycle" in shape else _PLAIN_LIFE,
        tuple(array(shape["depends_on"], "depends_on", read_address)) if "depends_on" in shape else (),
        _read_normalized(shape["normalized"]) if "normalized" in shape else _AS_SENT,
        texts(shape["brought"], "brought") if "brought" in shape else None,
    )


def _read_normalized(value: Json) -> dict[str, tuple[Json, Json]]:
    pairs = {name: fields(pair, required=_NORMALIZED) for name, pair in mapping(value, "normalized").items()}
    return {name: (pair["sent"], pair["shown"]) for name, pair in pairs.items()}


# ---------------------------------------------------------------- operation

_OPERATION = frozenset({"id", "step", "action", "resource"})
_OPERATION_MORE = frozenset({"job_id", "sends"})


def operation_in_short(operation: Operation) -> dict[str, Json]:
    """Return `{id, step, action, resource, job_id, sends}`."""
    shape: dict[str, Json] = {
        "id": text(operation.id, "id", empty=False),
        "step": operation.step,
        "action": operation.action.value,
        "resource": resource_in_short(operation.resource),
    }
    if operation.job_id:
        shape["job_id"] = operation.job_id
    if operation.sends:
        shape["sends"] = operation.sends
    return shape


def read_operation(value: Json) -> Operation:
    """Read an operation."""
    shape = fields(value, required=_OPERATION, optional=_OPERATION_MORE)
    return Operation(
        text(shape["id"], "id", empty=False),
        text(shape["step"], "step"),
        word(shape["action"], "action", Action),
        read_resource(shape["resource"]),
        text(shape.get("job_id", ""), "job_id"),
        whole(shape.get("sends", 0), "sends"),
    )


# ---------------------------------------------------------------- run

_RUN = frozenset({"id", "who", "started", "command"})
_RUN_MORE = frozenset({"plan", "content", "consents", "ended", "counts"})


def run_in_full(run: Run) -> dict[str, Json]:
    """Return `{id, who, started, ended, command, plan, content, consents, counts}`."""
    return {
        "id": run.id,
        "who": run.who,
        "started": run.started,
        "ended": run.ended,
        "command": run.command,
        "plan": run.plan,
        "content": run.content,
        "consents": list(run.consents),
        "counts": dict(run.counts),
    }


def run_in_short(run: Run) -> dict[str, Json]:
    """Return the same. Raises Malformed for a run without an id."""
    text(run.id, "id", empty=False)
    return _in_short(run_in_full(run), _RUN)


def read_run(value: Json) -> Run:
    """Read a run."""
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
        text(shape.get("content", ""), "content"),
    )


# ---------------------------------------------------------------- review

_REVIEW = frozenset({"content", "basis", "steps", "dangers"})


def write_review(review: Review) -> dict[str, Json]:
    """Return `{content, basis, steps, dangers}`."""
    return {
        "content": review.content,
        "basis": review.basis,
        "steps": {step: dict(marks) for step, marks in review.steps.items()},
        "dangers": list(review.dangers),
    }


def read_review(value: Json) -> Review:
    """Read a review."""
    shape = fields(value, required=_REVIEW)
    steps = {step: _read_marks(marks) for step, marks in mapping(shape["steps"], "steps").items()}
    return Review(
        text(shape["content"], "content", empty=False),
        text(shape["basis"], "basis", empty=False),
        steps,
        texts(shape["dangers"], "dangers"),
    )


def _read_marks(value: Json) -> dict[str, str]:
    return {name: text(mark, "mark", empty=False) for name, mark in mapping(value, "marks").items()}


# ---------------------------------------------------------------- binding

BINDING = ("project_id", "region", "host")
_OWNER = ("stack", "environment", "folder")


def write_binding(binding: Binding) -> dict[str, Json]:
    """Return `{project_id, region, host}`, and of a state `stack`, `environment` and `folder` where they are known."""
    written: dict[str, Json] = {name: getattr(binding, name) for name in (*BINDING, *_OWNER)}
    return _in_short(written, frozenset(BINDING))


def read_binding(value: Json) -> Binding:
    """Read a binding."""
    shape = fields(value, required=frozenset(BINDING), optional=frozenset(_OWNER))
    return Binding(**{name: text(shape.get(name, ""), name) for name in (*BINDING, *_OWNER)})
