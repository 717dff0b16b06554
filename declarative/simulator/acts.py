"""What a person does to a world from a command line: one act on one thing, which is named by its id or name.

An act is plain data, so that the one grammar serves a world in this process and one behind a socket.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from declarative.simulator.calls import groups
from declarative.simulator.operator import Operator
from declarative.simulator.protocol.wire import Refusal
from declarative.simulator.settings import UNLIMITED
from declarative.simulator.tables import (
    attachment_rows,
    compute,
    group_rows,
    instance_rows,
    replication_rows,
)
from declarative.simulator.tables.group_rows import Group
from declarative.simulator.tables.history import Noun
from declarative.simulator.tables.replication_rows import FAULTLESS
from declarative.simulator.tables.session import Session
from declarative.simulator.things import ATTACHMENT, WORDS, ActRefused, Thing, find

_DISK_BROKEN, _LINK_BROKEN = "2", "5"  # fault levels of pairs
_LONGEST = 1000  # characters of a value
_LARGEST = 1_000_000  # GB, and objects of a quota
_ENABLED_FROM = ("available", "error-starting")  # where the call that reprotects would enable instead
_POWER = {"on": compute.ACTIVE, "off": compute.SHUTOFF}
_GROUP, _INSTANCE, _PAIR = WORDS[Noun.GROUP], WORDS[Noun.INSTANCE], WORDS[Noun.PAIR]
_DRILL, _SERVER, _DISK = WORDS[Noun.DRILL], WORDS[Noun.SERVER], WORDS[Noun.DISK]


@dataclass(frozen=True, slots=True)
class Act:
    """One act: a verb, a target ("" for the world itself), values by field, and flags.

    Flags: `force`, past what the service would refuse; `link`, the link between disks instead of the production disk;
    `copy`, the servers of the side that isn't production.
    """

    verb: str
    target: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()

    @classmethod
    def read(cls, text: bytes) -> Act:
        """Read an act from JSON. Raises ActRefused."""
        try:
            document = json.loads(text)
            values, flags = document.get("values", {}), document.get("flags", [])
            words = (document["verb"], document.get("target", ""), *values, *values.values(), *flags)
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise ActRefused("this is not an act.") from error
        if not all(isinstance(word, str) and len(word) <= _LONGEST for word in words):
            raise ActRefused(f"an act consists of texts of at most {_LONGEST} characters.")
        return cls(document["verb"], document.get("target", ""), dict(values), frozenset(flags))

    def text(self) -> bytes:
        """The act as JSON, as `read` takes it."""
        parts = {"verb": self.verb, "target": self.target, "values": dict(self.values), "flags": sorted(self.flags)}
        return json.dumps(parts).encode()


@dataclass(frozen=True, slots=True)
class Done:
    """What became of an act: the thing as it was found, and what happened to it, for a reader."""

    noun: str
    id: str
    name: str
    happened: str


def perform(session: Session, operator: Operator, act: Act) -> Done:
    """Carry out an act, as a whole or not at all. Raises ActRefused, which says why."""
    if act.verb == "set":
        return Done("simulator", session.facts.project_id, "", _set(operator, act))
    if act.verb not in _VERBS:
        raise ActRefused(f"'{act.verb}' is not an act; these are: {', '.join((*_VERBS, 'set'))}.")
    thing = find(session, act.target)
    happened = _VERBS[act.verb](_Scene(session, operator, act, thing))
    return Done(thing.noun, thing.id, thing.name, happened)


@dataclass(frozen=True, slots=True)
class _Scene:
    session: Session
    operator: Operator
    act: Act
    thing: Thing

    def refuse_all_but(self, *nouns: str) -> None:
        if self.thing.noun not in nouns:
            raise ActRefused(f"{self.act.verb} takes a {' or a '.join(nouns)}, and this is a {self.thing.noun}.")

    def group(self) -> Group:
        """The group that is the target. Raises ActRefused for anything else."""
        found = group_rows.find(self.session, self.thing.id) if self.thing.noun == _GROUP else None
        if found is None:
            raise ActRefused(f"{self.act.verb} takes a {_GROUP}, and this is a {self.thing.noun}.")
        return found


# ---------------------------------------------------------------- change, delete, set


def _change(scene: _Scene) -> str:
    known = _FIELDS.get(scene.thing.noun, {})
    if not scene.act.values:
        raise ActRefused(f"nothing to change. {_fields_of(scene.thing.noun)}")
    told = []
    for name, value in scene.act.values.items():
        base = "tags" if name.startswith("tags.") else name
        if base not in known:
            raise ActRefused(f"a {scene.thing.noun} has no field '{name}' to change. {_fields_of(scene.thing.noun)}")
        if base == "tags":
            _tag(scene, name.removeprefix("tags."), value)
        else:
            known[base](scene.operator, scene.thing.id, value)
        told.append(f"{name} is '{value}' now")
    return ", ".join(told)


def _fields_of(noun: str) -> str:
    names = ", ".join("tags.KEY" if name == "tags" else name for name in _FIELDS.get(noun, {}))
    return f"These can be changed: {names}." if names else f"Nothing of a {noun} can be changed."


def _tag(scene: _Scene, key: str, value: str) -> None:
    found = instance_rows.find(scene.session, scene.thing.id)
    if found is None or not key:
        raise ActRefused("a tag reads tags.KEY=VALUE; without a value the tag is removed.")
    tags = {**json.loads(found.tags), key: value}
    scene.operator.set_tags(found.id, {one: text for one, text in tags.items() if text or one != key})


def _protection(operator: Operator, group_id: str, value: str) -> None:
    switches = {"enabled": operator.enable, "disabled": operator.disable}
    if value not in switches:
        raise ActRefused(f"protection is enabled or disabled, not '{value}'.")
    switches[value](group_id)


def _level(operator: Operator, pair_id: str, value: str) -> None:
    operator.set_fault_level(pair_id, value)


def _grow(operator: Operator, pair_id: str, value: str) -> None:
    operator.grow_replication(pair_id, _number(value, what="a size in GB", least=1))


def _resize(operator: Operator, disk_id: str, value: str) -> None:
    operator.resize_disk(disk_id, _number(value, what="a size in GB", least=1))


def _number(text: str, *, what: str, least: int) -> int:
    digits = text.removeprefix("-")
    number = int(text) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else least - 1
    if not least <= number <= _LARGEST:
        raise ActRefused(f"'{text}' is not {what}, a number from {least} to {_LARGEST}.")
    return number


_FIELDS: Mapping[str, Mapping[str, Callable[[Operator, str, str], None]]] = {
    _GROUP: {"name": Operator.rename_group, "protection": _protection, "status": Operator.set_status},
    _INSTANCE: {
        "name": Operator.rename_instance,
        "tags": lambda _operator, _id, _value: None,  # by `_tag`, which has the key
        "status": Operator.set_instance_status,
    },
    _PAIR: {
        "name": Operator.rename_replication,
        "volume_size": _grow,
        "fault_level": _level,
        "status": Operator.set_replication_status,
    },
    _DRILL: {"name": Operator.rename_drill, "status": Operator.set_drill_status},
    _SERVER: {"status": Operator.set_server_status},
    _DISK: {"size": _resize, "status": Operator.set_disk_status},
}


def _delete(scene: _Scene) -> str:
    operator, thing = scene.operator, scene.thing
    if thing.noun == ATTACHMENT:
        operator.detach(*thing.id.split("/"))
        return "detached"
    deletes: Mapping[str, Callable[[str], None]] = {
        _GROUP: operator.delete_group,
        _INSTANCE: operator.delete_instance,
        _PAIR: operator.delete_replication,
        _DRILL: operator.delete_drill,
        _SERVER: operator.delete_server,
        _DISK: operator.delete_disk,
    }
    deletes[thing.noun](thing.id)
    return "deleted, with all in it" if thing.noun == _GROUP else "deleted"


def _set(operator: Operator, act: Act) -> str:
    kinds = {"quota": "server_groups", "pair_quota": "replications"}
    if not act.values or not act.values.keys() <= kinds.keys():
        raise ActRefused("these can be set: quota, of protection groups, and pair_quota; -1 is no limit.")
    told = []
    for name, text in act.values.items():
        number = _number(text, what="a quota", least=UNLIMITED)
        operator.set_quota(kinds[name], number)
        told.append(f"{name} is {'unlimited' if number == UNLIMITED else number} now")
    return ", ".join(told)


# ---------------------------------------------------------------- disks and servers


def _break(scene: _Scene) -> str:
    link = "link" in scene.act.flags
    number = _fault(scene, _LINK_BROKEN if link else _DISK_BROKEN)
    what = "the link between the disks" if link else "the production disk"
    return f"{what} is broken, of {_many(number, _PAIR)}"


def _repair(scene: _Scene) -> str:
    return f"no fault any more on {_many(_fault(scene, FAULTLESS), _PAIR)}"


def _fault(scene: _Scene, level: str) -> int:
    """Give the pairs of the target a fault level; how many they are. Raises ActRefused if there is none."""
    session, noun, thing_id = scene.session, scene.thing.noun, scene.thing.id
    if noun == _PAIR:
        found = {thing_id}
    elif noun == _DISK:
        found = {one.id for one in replication_rows.every(session) if thing_id in one.volumes}
    elif noun == _GROUP:
        found = {one.id for one in replication_rows.of_group(session, thing_id)}
    else:
        scene.refuse_all_but(_GROUP, _INSTANCE, _PAIR, _SERVER, _DISK)
        instances = [thing_id] if noun == _INSTANCE else [one.id for one in instance_rows.of_server(session, thing_id)]
        attached = attachment_rows.of_instances(session, instances)
        found = {one.replication_id for of_one in attached.values() for one in of_one}
    if not found:
        raise ActRefused(f"this {noun} has no {_PAIR}.")
    for pair_id in sorted(found):
        scene.operator.set_fault_level(pair_id, level)
    return len(found)


def _power(scene: _Scene) -> str:
    scene.refuse_all_but(_GROUP, _INSTANCE, _SERVER)
    wanted = scene.act.values.get("power", "")
    if wanted not in _POWER:
        raise ActRefused("a server is switched on or off.")
    servers = _servers(scene)
    if not servers:
        raise ActRefused(f"this {scene.thing.noun} has no server on that side.")
    for server_id in servers:
        scene.operator.set_server_status(server_id, _POWER[wanted])
    side = "" if scene.thing.noun == _SERVER else " of the copy" if "copy" in scene.act.flags else " of production"
    return f"{_many(len(servers), 'server')}{side} switched {wanted}"


def _servers(scene: _Scene) -> list[str]:
    """The servers of the target on one side of its group, or the server that it is."""
    session, thing = scene.session, scene.thing
    if thing.noun == _SERVER:
        return [thing.id]
    one = instance_rows.find(session, thing.id)
    instances = [one] if one is not None else instance_rows.of_group(session, thing.id)
    group = group_rows.find(session, one.group_id if one is not None else thing.id)
    if group is None:
        return []
    zone = group.recovery_zone if "copy" in scene.act.flags else group.production_zone
    named = [server_id for each in instances for server_id in (each.source_server, each.target_server) if server_id]
    servers = [compute.find_server(session, server_id) for server_id in dict.fromkeys(named)]
    return [server.id for server in servers if server is not None and server.zone == zone]


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


# ---------------------------------------------------------------- switches


def _fail_over(scene: _Scene) -> str:
    return f"failed over, {_switched(scene, 'failover-server-group', scene.operator.fail_over)}, nothing is copied"


def _reverse(scene: _Scene) -> str:
    return f"moved production by a planned failover, {_switched(scene, 'reverse-server-group', scene.operator.reverse)}"


def _reprotect(scene: _Scene) -> str:
    return f"protected again, {_switched(scene, 'start-server-group', scene.operator.reprotect)}, copying begins"


def _switched(scene: _Scene, word: str, switch: Callable[[str], None]) -> str:
    """Let an action have happened, if the service would take it now, and say where production is afterwards."""
    group = scene.group()
    if "force" not in scene.act.flags:
        if scene.act.verb == "reprotect" and group.status in _ENABLED_FROM:
            raise ActRefused(f"it is {group.status}; to enable its protection, change it to protection=enabled.")
        try:
            groups.check_action(scene.session, group, word)
        except Refusal as refused:
            code, message = _told(refused)
            raise ActRefused(f"the service refuses it with {code}: {message}", code=code) from refused
    switch(group.id)
    after = group_rows.find(scene.session, group.id) or group
    return f"production is in {after.production_zone} ({after.priority_station})"


def _told(refused: Refusal) -> tuple[str, str]:
    error = json.loads(refused.answer.body)["error"]
    return str(error["code"]), str(error["message"])


_VERBS: Mapping[str, Callable[[_Scene], str]] = {
    "change": _change,
    "delete": _delete,
    "break": _break,
    "repair": _repair,
    "power": _power,
    "fail-over": _fail_over,
    "reverse": _reverse,
    "reprotect": _reprotect,
}
