"""What the service has made of the fields that were sent: recorded once, and no difference from then on."""

from __future__ import annotations

from dataclasses import replace

from declarative.errors import visible
from declarative.kinds import KINDS
from declarative.kinds.compare import normalized
from declarative.model import Attributes, Resource
from declarative.observation.notices import Notices


def as_shown(notices: Notices, resource: Resource, shown: Attributes) -> Resource:
    """A resource that has just been made or changed as it is to be recorded, with what the service made of it.

    A difference is said, and from then on it is none, while it stays as it is.
    """
    differing = normalized(KINDS[resource.address.kind], resource.inputs, shown)
    for name, (sent, found) in differing.items():
        notices.warn(
            "value-normalized",
            f"{resource.address}: {name} was sent as '{visible(sent, limit=80)}', and the service shows"
            f" '{visible(found, limit=80)}'",
            "That is recorded, and counts as no difference while both stay so.",
            address=resource.address,
        )
    return replace(resource, attributes=shown, normalized=differing)
