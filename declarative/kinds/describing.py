"""What the describers of kinds share: what the cloud tells, as manifests may hold it, or a note that they can't."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from declarative.model import Attributes, Describing, Json, Undescribable

# What the schemas accept.
NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
LINE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}")
_DESCRIPTION = re.compile(r"[^<>\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]+")
_TAG = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff*<>\\=,|/]*")
_MAX_TAGS, _MAX_TAG_KEY, _MAX_TAG_VALUE = 10, 36, 43
_MAX_BYTES = 64


def told(shown: Attributes, name: str, pattern: re.Pattern[str]) -> str:
    """A value that a manifest has to hold. Raises Undescribable when it is missing or doesn't fit."""
    value = shown.get(name)
    if not isinstance(value, str) or not value:
        raise Undescribable(f"the cloud doesn't show its {name}")
    if not pattern.fullmatch(value):
        raise Undescribable(f"its {name} can't be written in a manifest")
    return value


def in_group(shown: Attributes, context: Describing) -> dict[str, Json]:
    """The group of a member: by its manifest name, or by id where it isn't described."""
    group_id = told(shown, "server_group_id", ID)
    name = context.name_of("ProtectionGroup", group_id)
    return {"protection_group": name} if name else {"server_group_id": group_id}


def description(shown: Attributes, context: Describing) -> dict[str, Json]:
    """The description, if there is one that a manifest may hold."""
    text = shown.get("description")
    if not text:
        return {}
    if isinstance(text, str) and _DESCRIPTION.fullmatch(text) and len(text.encode()) <= _MAX_BYTES:
        return {"description": text}
    context.note(f"the description of {shown['id']} can't be written in a manifest, so it is left out")
    return {}


def tags(shown: Attributes, context: Describing) -> dict[str, Json]:
    """The tags, if there are any and a manifest may hold them."""
    found = shown.get("tags") or []
    if not found:
        return {}
    if _fit(found):
        return {"tags": [{"key": tag["key"], "value": tag["value"]} for tag in found]}
    context.note(f"the tags of {shown['id']} can't be written in a manifest, so they are left out")
    return {}


def _fit(found: Iterable[Mapping[str, str]]) -> bool:
    keys = [tag["key"] for tag in found]
    texts = [text for tag in found for text in (tag["key"], tag["value"])]
    return (
        len(set(keys)) == len(keys) <= _MAX_TAGS
        and all(0 < len(key) <= _MAX_TAG_KEY for key in keys)
        and all(len(tag["value"]) <= _MAX_TAG_VALUE for tag in found)
        and all(_TAG.fullmatch(text) for text in texts)
    )
