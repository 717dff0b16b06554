"""From a manifest's fields to the recorded ones, as far as that is alike for all kinds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from declarative.model import Attributes, Json, Refers


def recorded_fields(spec: Attributes, names: Iterable[str], refers: Mapping[str, Refers]) -> dict[str, Json]:
    """Return what `spec` says of the named fields, with what it refers to by name under the field that is sent."""
    inputs = {name: spec[name] for name in names if spec.get(name) is not None}
    inputs.update({target.field: spec[name] for name, target in refers.items() if name in spec})
    return inputs
