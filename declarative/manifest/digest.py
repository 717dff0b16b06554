"""The digest of the desired view, by which a plan notices that the manifests have changed."""

from __future__ import annotations

import hashlib
import json

from declarative.model import DesiredView, Json, Reference


def sealed(view: DesiredView) -> DesiredView:
    """Return the view with its digest: SHA-256 of the canonical JSON of all that a plan is made from."""
    stack = view.stack
    document = {
        "stack": {
            "name": stack.name,
            "region": stack.region,
            "simulator": stack.simulator,
            "max_deletes": stack.max_deletes,
            "timeouts": dict(stack.timeouts),
        },
        "environment": view.environment,
        "inputs": dict(view.inputs),
        "outputs": {output.name: [_part(part) for part in output.parts] for output in view.outputs},
        "resources": {
            str(address): {
                "spec": desired.spec,
                "prevent_destroy": desired.lifecycle.prevent_destroy,
                "adopt": desired.lifecycle.adopt,
                "ignore_changes": desired.lifecycle.ignore_changes,
                "depends_on": [str(other) for other in desired.depends_on],
                "labels": desired.labels,
            }
            for address, desired in view.resources.items()
        },
    }
    text = json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_in_a_field
    )
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return DesiredView(stack, view.environment, view.resources, view.outputs, view.inputs, digest)


def _part(part: Json | Reference) -> Json:
    if isinstance(part, Reference):
        return {"address": str(part.address), "attribute": part.attribute}
    return {"value": part}


def _in_a_field(value: Reference) -> str:
    """Return what a field that names another object refers to; such a field never has other text."""
    return str(value.address)
