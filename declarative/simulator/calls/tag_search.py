"""Searching protected instances by tag (docs/sdrs-api.md, "Search by tag").

In this answer alone times are numbers: milliseconds since 1970, though they may be seconds (unverified).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from declarative.simulator.protocol.fields import PAGE_LIMIT, read_list, read_object
from declarative.simulator.protocol.wire import Answer, refusal
from declarative.simulator.tables import instance_rows
from declarative.simulator.tables.instance_rows import Instance, Tags, tag_list
from declarative.simulator.tables.session import Call

_KEYS = 20
_VALUES = 20
_KEY_LENGTH = 127
_VALUE_LENGTH = 255
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Condition:
    """One key with the values it may have, any value when there are none; one that begins with `*` is fuzzy."""

    key: str
    values: tuple[str, ...]

    def meets(self, tags: Tags) -> bool:
        """Whether one of the tags is meant."""
        if self.key not in tags:
            return False
        return not self.values or any(_fits(value, tags[self.key]) for value in self.values)


def _fits(wanted: str, value: str) -> bool:
    return wanted[1:] in value if wanted.startswith("*") else wanted == value


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for; an empty condition asks for nothing."""

    tags: tuple[Condition, ...]
    tags_any: tuple[Condition, ...]
    not_tags: tuple[Condition, ...]
    not_tags_any: tuple[Condition, ...]
    name: str | None

    def finds(self, instance: Instance) -> bool:
        """Whether the instance meets all conditions."""
        tags = instance.tag_map()
        return (
            all(condition.meets(tags) for condition in self.tags)
            and (not self.tags_any or any(condition.meets(tags) for condition in self.tags_any))
            and not (self.not_tags and all(condition.meets(tags) for condition in self.not_tags))
            and not any(condition.meets(tags) for condition in self.not_tags_any)
            and self._finds_name(instance.name)
        )

    def _finds_name(self, name: str) -> bool:
        """Fuzzy, whatever the case; an empty name asks for exactly that, which no instance has."""
        return self.name is None or (self.name.lower() in name.lower() if self.name else not name)


def search(call: Call) -> Answer:
    """`POST protected-instances/resource_instances/action`: the instances themselves, or their number."""
    fields = read_object(call.request.body)
    action = fields.get("action")
    if action not in ("filter", "count"):
        raise refusal("SDRS.2210", "The action must be filter or count.")
    if action == "count" and (fields.get("limit") is not None or fields.get("offset") is not None):
        raise refusal("SDRS.2211", "The parameters limit and offset are not allowed with count.")
    limit = _number(fields, "limit", PAGE_LIMIT, least=1, most=PAGE_LIMIT, code="SDRS.2220")
    offset = _number(fields, "offset", 0, least=0, most=10**18, code="SDRS.0222")
    wanted = _read(fields)
    found = [instance for instance in instance_rows.every(call.session) if wanted.finds(instance)]
    if action == "count":
        return Answer.of({"total_count": len(found)})
    chosen = found[offset : offset + limit]
    documents = instance_rows.documents(call.session, chosen)
    resources = [
        {
            "resource_id": one.id,
            "resource_name": one.name,
            "resource_detail": document | {"created_at": one.created, "updated_at": one.updated},
            "tags": tag_list(one.tag_map()),
        }
        for one, document in zip(chosen, documents, strict=True)
    ]
    return Answer.of({"resources": resources, "total_count": len(found)})


def _number(fields: Mapping[str, object], key: str, default: int, *, least: int, most: int, code: str) -> int:
    """A number given as text, as documented, or as a number, as some clients do."""
    value = fields.get(key)
    if value is None:
        return default
    text = "" if isinstance(value, bool) or not isinstance(value, str | int) else str(value)
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise refusal(code, f"The parameter {key} is invalid.")
    return int(text)


def _read(fields: Mapping[str, object]) -> Search:
    return Search(
        tags=_conditions(fields, "tags"),
        tags_any=_conditions(fields, "tags_any"),
        not_tags=_conditions(fields, "not_tags"),
        not_tags_any=_conditions(fields, "not_tags_any"),
        name=_name(fields),
    )


def _conditions(fields: Mapping[str, object], key: str) -> tuple[Condition, ...]:
    found = [_condition(entry) for entry in read_list(fields, key)]
    if len(found) > _KEYS:
        raise refusal("SDRS.2203", "There are too many tags.")
    if len({condition.key for condition in found}) < len(found):
        raise refusal("SDRS.2209", "A tag key is repeated.")
    return tuple(found)


def _condition(entry: object) -> Condition:
    fields = entry if isinstance(entry, dict) else {}
    key = fields.get("key")
    if key is None or (isinstance(key, str) and not key.strip()):
        raise refusal("SDRS.2205", "The tag key is empty.")
    if not isinstance(key, str) or len(key.strip()) > _KEY_LENGTH:
        raise refusal("SDRS.2204", "The tag key is invalid.")
    if fields.get("values") is None:
        raise refusal("SDRS.2208", "The tag values are null.")
    return Condition(key.strip(), _values(read_list(fields, "values")))


def _values(given: Sequence[object]) -> tuple[str, ...]:
    values = [value for value in given if isinstance(value, str) and value != "*" and len(value) <= _VALUE_LENGTH]
    if len(values) < len(given):
        raise refusal("SDRS.2207", "A tag value is invalid.")
    if len(values) > _VALUES:
        raise refusal("SDRS.2218", "There are too many tag values.")
    if len(set(values)) < len(values):
        raise refusal("SDRS.2219", "A tag value is repeated.")
    return tuple(values)


def _name(fields: Mapping[str, object]) -> str | None:
    """The one thing that `matches` can ask for, None when it isn't given."""
    if fields.get("matches") is None:
        return None
    matches = read_list(fields, "matches")
    if not matches:
        raise refusal("SDRS.2212", "The parameter matches is empty.")
    names = [_match(match) for match in matches]
    if len(names) > 1:
        raise refusal("SDRS.2215", "The parameter matches repeats a key.")
    return names[0]


def _match(match: object) -> str:
    fields = match if isinstance(match, dict) else {}
    key, value = fields.get("key"), fields.get("value")
    if not key:
        raise refusal("SDRS.2213", "A key in matches is empty.")
    if key != "resource_name":
        raise refusal("SDRS.2214", "A key in matches is not supported.")
    if value is None:
        raise refusal("SDRS.2216", "A value in matches is null.")
    if not isinstance(value, str) or len(value) > _VALUE_LENGTH:
        raise refusal("SDRS.2217", "A value in matches is invalid.")
    return value
