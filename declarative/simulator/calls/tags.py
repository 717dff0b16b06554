"""Tags of protected instances: the calls that write and read them (docs/sdrs-api.md, "Tags")."""

from __future__ import annotations

import re
from collections.abc import Mapping

from declarative.simulator.calls import preconditions
from declarative.simulator.protocol.fields import read_list, read_object, read_wrapped
from declarative.simulator.protocol.wire import Answer, refusal
from declarative.simulator.settings import UNLIMITED
from declarative.simulator.tables import instance_rows
from declarative.simulator.tables.instance_rows import Instance, Tags, tag_list
from declarative.simulator.tables.session import Call, Session
from declarative.simulator.tables.states import INSTANCE_TAGGABLE

_KEY_LENGTH = 36
_VALUE_LENGTH = 43
_REFUSED = re.compile(r"[\x00-\x1f\x7f*<>\\=,|/]")
_ADD, _DELETE = "create", "delete"


def read_key(fields: Mapping[str, object]) -> str:
    """The `key` of a tag that is written: SDRS.2205 for a blank one, SDRS.2204 for a bad one."""
    key = fields.get("key")
    if key is None or (isinstance(key, str) and not key.strip()):
        raise refusal("SDRS.2205", "The tag key is empty.")
    if not isinstance(key, str) or len(key) > _KEY_LENGTH or _REFUSED.search(key):
        raise refusal("SDRS.2204", "The tag key is invalid.")
    return key


def read_value(fields: Mapping[str, object]) -> str:
    """The `value` of a tag that is written, which may be empty: SDRS.2208 for none, SDRS.2207 for a bad one."""
    value = fields.get("value")
    if value is None:
        raise refusal("SDRS.2208", "The tag value is null.")
    if not isinstance(value, str) or len(value) > _VALUE_LENGTH or _REFUSED.search(value):
        raise refusal("SDRS.2207", "The tag value is invalid.")
    return value


def _entries(fields: Mapping[str, object]) -> list[Mapping[str, object]]:
    found: list[Mapping[str, object]] = []
    for entry in read_list(fields, "tags"):
        if not isinstance(entry, dict):
            raise refusal("SDRS.0201", "The parameter tags is invalid.")
        found.append(entry)
    return found


def read_tags(session: Session, fields: Mapping[str, object]) -> Tags:
    """The optional `tags` of a request; SDRS.2209 for a key that comes twice, SDRS.2203 for too many."""
    tags: Tags = {}
    for entry in _entries(fields):
        key = read_key(entry)
        if key in tags:
            raise refusal("SDRS.2209", "A tag key is repeated.")
        tags[key] = read_value(entry)
    _check_number(session, tags)
    return tags


def _check_number(session: Session, tags: Tags) -> None:
    limit = session.facts.rules.tag_limit
    if limit != UNLIMITED and len(tags) > limit:
        raise refusal("SDRS.2203", "There are too many tags.")


def _check_state(instance: Instance, code: str) -> None:
    preconditions.check_member(instance.status, INSTANCE_TAGGABLE, code=code, what="protected instance")


def add_one(call: Call) -> Answer:
    """`POST protected-instances/{id}/tags`: an existing key is overwritten."""
    instance = preconditions.instance(call.session, call.parameters[0])
    fields = read_wrapped(call.request.body, "tag")
    return _add(call.session, instance, {read_key(fields): read_value(fields)})


def _add(session: Session, instance: Instance, new: Tags) -> Answer:
    _check_state(instance, "SDRS.2221")
    tags = instance.tag_map() | new
    _check_number(session, tags)
    instance_rows.set_tags(session, instance, tags)
    return Answer.nothing()


def act(call: Call) -> Answer:
    """`POST protected-instances/{id}/tags/action`: add some, or delete some; unknown ones are ignored then."""
    session = call.session
    instance = preconditions.instance(session, call.parameters[0])
    fields = read_object(call.request.body)
    action = fields.get("action")
    if action not in (_ADD, _DELETE):
        raise refusal("SDRS.2201", "The action must be create or delete.")
    if not _entries(fields):
        raise refusal("SDRS.2202", "The tag list is empty.")
    if action == _ADD:
        return _add(session, instance, read_tags(session, fields))
    keys = {read_key(entry) for entry in _entries(fields)}
    _check_state(instance, "SDRS.2222")
    left = {key: value for key, value in instance.tag_map().items() if key not in keys}
    instance_rows.set_tags(session, instance, left)
    return Answer.nothing()


def delete_one(call: Call) -> Answer:
    """`DELETE protected-instances/{id}/tags/{key}`: only an unknown key is a true 404 (docs/sdrs-api.md, "Tags")."""
    instance = preconditions.instance(call.session, call.parameters[0])
    _check_state(instance, "SDRS.2222")
    tags = instance.tag_map()
    if tags.pop(call.parameters[1], None) is None:
        raise refusal("SDRS.2206", "The tag key does not exist.", status=404)
    instance_rows.set_tags(call.session, instance, tags)
    return Answer.nothing()


def list_tags(call: Call) -> Answer:
    """`GET protected-instances/{id}/tags`."""
    return Answer.of({"tags": tag_list(preconditions.instance(call.session, call.parameters[0]).tag_map())})


def list_of_project(call: Call) -> Answer:
    """`GET protected-instances/tags`: every key with its values."""
    values: dict[str, dict[str, None]] = {}
    for instance in instance_rows.every(call.session):
        for key, value in instance.tag_map().items():
            values.setdefault(key, {})[value] = None
    return Answer.of({"tags": [{"key": key, "values": list(found)} for key, found in values.items()]})
