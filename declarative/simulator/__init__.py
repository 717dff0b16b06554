"""An SDRS that needs no cloud: behaves as the API reference says, on a clock and with faults that can be set.

    wire       requests, answers, envelopes, times       world      one world on SQLite, and what tests ask of it
    fields     reading what a request brings             routes     which call goes where: the one table
    storage    the database file                         faults     what may go wrong, as a small language
    settings   what can be set about a world             rules      the same as text
    history    what happened, request counts             embedded   an httpx transport straight onto a world
    listing    filters and pages of list calls           server     the same world behind a socket
    strikes    when faults strike and what then comes    shaping    fields that are shown or kept otherwise
    groups, instances, batches, attachments, nics, resizing, tags, tag_search, replications, drills, jobs, tasks,
    statistics, identity, keystone, discovery: one family of calls each; *_rows: how what they speak of is kept
    states     the words of the state machines           admission  what calls on members have in common
    estate     servers and disks a world is given        compute    servers and disks as they are
    members    the members of a group as a whole         behind     what happens without SDRS being asked
    instance_creation, instance_deletion: what comes and goes with an instance
    concerns   which group a changing request is about    misnaming  whose ids jobs tell instead of their own

Nothing here is shared with the client: both are written from the reference, each by itself, and must agree.
Importing this package costs nothing; each name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from declarative.simulator.embedded import EmbeddedTransport
    from declarative.simulator.estate import Disk, Estate, Server, ServerDisk, load_estate
    from declarative.simulator.faults import FAULT_HELP, Fault, parse_fault
    from declarative.simulator.routes import read_fault
    from declarative.simulator.rules import RULE_HELP, read_rules
    from declarative.simulator.server import running, serve
    from declarative.simulator.settings import Domain, NotFoundAs, Origin, Rules, WorldError
    from declarative.simulator.storage import delete_world
    from declarative.simulator.world import World

__all__ = [
    "FAULT_HELP",
    "RULE_HELP",
    "Disk",
    "Domain",
    "EmbeddedTransport",
    "Estate",
    "Fault",
    "NotFoundAs",
    "Origin",
    "Rules",
    "Server",
    "ServerDisk",
    "World",
    "WorldError",
    "delete_world",
    "load_estate",
    "parse_fault",
    "read_fault",
    "read_rules",
    "running",
    "serve",
]

_HOMES = {
    "FAULT_HELP": "faults",
    "RULE_HELP": "rules",
    "Disk": "estate",
    "Domain": "settings",
    "EmbeddedTransport": "embedded",
    "Estate": "estate",
    "Fault": "faults",
    "NotFoundAs": "settings",
    "Origin": "settings",
    "Rules": "settings",
    "Server": "estate",
    "ServerDisk": "estate",
    "World": "world",
    "WorldError": "settings",
    "delete_world": "storage",
    "load_estate": "estate",
    "parse_fault": "faults",
    "read_fault": "routes",
    "read_rules": "rules",
    "running": "server",
    "serve": "server",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
