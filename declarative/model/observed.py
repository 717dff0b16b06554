"""What the cloud shows: the objects by kind and id, and what was looked up beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from declarative.model.address import Attributes


@dataclass(frozen=True, slots=True)
class Lookups:
    """What the cloud says beside the objects (None: not read). `domains`: as listed; `quotas`: by type."""

    domains: tuple[Attributes, ...] | None = None
    quotas: Mapping[str, Attributes] | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """The cloud, just now: per kind the objects by id, and the recorded ids that are confirmed to be gone.

    `partial`: kinds whose lists end before their own count: what they lack may be there all the same.
    """

    objects: Mapping[str, Mapping[str, Attributes]] = field(default_factory=dict)
    gone: frozenset[tuple[str, str]] = frozenset()
    lookups: Lookups = Lookups()
    partial: frozenset[str] = frozenset()
