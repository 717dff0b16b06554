"""Links between instances, pairs and disks, as the service shows them.

Source: docs/sdrs-api.md, "What the service creates and removes" and "Replication pairs".
"""

from __future__ import annotations

from collections.abc import Iterator

from declarative.model import Attributes, Json


def attached(shown: Attributes) -> Iterator[Attributes]:
    """The attachments that an instance or a pair shows."""
    attachment = shown.get("attachment")
    return (one for one in (attachment if isinstance(attachment, list) else ()) if isinstance(one, dict))


def pairs_on(instance: Attributes) -> frozenset[str]:
    """The ids of the pairs that an instance, as it is shown, has attached."""
    return frozenset(str(one.get("replication")) for one in attached(instance))


def instances_with(pair: Attributes) -> frozenset[str] | None:
    """The ids of the instances that a pair, as it is shown, is attached to; None when it doesn't tell."""
    if not isinstance(pair.get("attachment"), list):
        return None
    return frozenset(str(one.get("protected_instance")) for one in attached(pair))


def is_shared_disk(pair: Attributes) -> bool:
    """True for the pair of a shared disk."""
    return _of_disk(pair, "multiattach") in (True, "true")


def is_system_disk(pair: Attributes) -> bool | None:
    """True for the pair of a system disk; None when that isn't told."""
    bootable = _of_disk(pair, "bootable")
    return None if bootable is None else bootable in (True, "true")


def _of_disk(pair: Attributes, name: str) -> Json:
    metadata = pair.get("record_metadata")
    return metadata.get(name) if isinstance(metadata, dict) else None
