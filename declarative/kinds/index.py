"""Objects of one kind by what names them beside their id: the natural key, or the name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from declarative.kinds.compare import natural_key
from declarative.model import Attributes, Kind


class ObjectIndex:
    """An index of objects by id. What lacks a part of its key is under the key of those that lack it."""

    def __init__(self, kind: Kind, objects: Mapping[str, Attributes]) -> None:
        self._kind = kind
        self._ids: dict[tuple[str, ...], list[str]] = {}
        for object_id, shown in objects.items():
            self._ids.setdefault(_key(kind, shown), []).append(object_id)

    def keyed(self, attributes: Attributes) -> Iterable[str]:
        """Ids of all objects with the natural key of `attributes`, or their name."""
        return self._ids.get(_key(self._kind, attributes), ())

    def like(self, inputs: Attributes) -> list[str]:
        """Ids of all objects that may have the key or the name of `inputs`."""
        return list(dict.fromkeys([*self.keyed(inputs), *self.keyed({})]))


def _key(kind: Kind, attributes: Attributes) -> tuple[str, ...]:
    if kind.relations.natural_key:
        known = all(attributes.get(name) is not None for name in kind.relations.natural_key)
        return natural_key(kind, attributes) if known else ("",)
    name = attributes.get("name")
    return (str(name).strip().casefold() if name is not None else "",)
