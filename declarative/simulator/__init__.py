"""An SDRS that needs no cloud: behaves as docs/sdrs-api.md says, on a clock and with faults that can be set.

    transport  the ways in: an httpx transport in the same process, and a server on a socket
    world      one world on SQLite: its clock, its faults, its history
    acts       what a person does past the client, as plain data: a verb, and a thing by its id or name
    operator   what happens past the client, by hand in the console or by other services
    routes     which call goes where, and which job ends how: the one place where a family is plugged in
    calls      a module for each family of calls
    tables     a module for each kind of row, and the transaction that calls work in
    rules, settings   what can be set about a world, as text and as values
    estate     the servers and disks that a world is given
    accounts   who may sign in to it
    documents  how files of either are read
    protocol   requests, answers and their fields, and what may go wrong on the way

Nothing here is shared with the client: both are written from the same documentation, each by itself, and must agree.
Importing this package costs nothing; each name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from declarative.simulator.accounts import (
        AccessKey,
        Account,
        Accounts,
        Agency,
        ApplicationCredential,
        CloudProject,
        User,
        UserStatus,
        load_accounts,
    )
    from declarative.simulator.acts import Act, Done
    from declarative.simulator.estate import Disk, Estate, Server, ServerDisk, load_estate
    from declarative.simulator.protocol.faults import FAULT_HELP, Fault, parse_fault
    from declarative.simulator.routes import read_fault
    from declarative.simulator.rules import RULE_HELP, read_rules
    from declarative.simulator.settings import AgencyKey, Domain, NotFoundAs, Origin, Rules, WorldError
    from declarative.simulator.tables.storage import delete_world
    from declarative.simulator.things import ActRefused
    from declarative.simulator.transport.embedded import EmbeddedTransport
    from declarative.simulator.transport.server import running, serve
    from declarative.simulator.world import World

__all__ = [
    "FAULT_HELP",
    "RULE_HELP",
    "AccessKey",
    "Account",
    "Accounts",
    "Act",
    "ActRefused",
    "Agency",
    "AgencyKey",
    "ApplicationCredential",
    "CloudProject",
    "Disk",
    "Domain",
    "Done",
    "EmbeddedTransport",
    "Estate",
    "Fault",
    "NotFoundAs",
    "Origin",
    "Rules",
    "Server",
    "ServerDisk",
    "User",
    "UserStatus",
    "World",
    "WorldError",
    "delete_world",
    "load_accounts",
    "load_estate",
    "parse_fault",
    "read_fault",
    "read_rules",
    "running",
    "serve",
]

_HOMES = {
    "FAULT_HELP": "protocol.faults",
    "RULE_HELP": "rules",
    "AccessKey": "accounts",
    "Account": "accounts",
    "Accounts": "accounts",
    "Act": "acts",
    "ActRefused": "things",
    "Agency": "accounts",
    "AgencyKey": "settings",
    "ApplicationCredential": "accounts",
    "CloudProject": "accounts",
    "Disk": "estate",
    "Domain": "settings",
    "Done": "acts",
    "EmbeddedTransport": "transport.embedded",
    "Estate": "estate",
    "Fault": "protocol.faults",
    "NotFoundAs": "settings",
    "Origin": "settings",
    "Rules": "settings",
    "Server": "estate",
    "ServerDisk": "estate",
    "User": "accounts",
    "UserStatus": "accounts",
    "World": "world",
    "WorldError": "settings",
    "delete_world": "tables.storage",
    "load_accounts": "accounts",
    "load_estate": "estate",
    "parse_fault": "protocol.faults",
    "read_fault": "routes",
    "read_rules": "rules",
    "running": "transport.server",
    "serve": "transport.server",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
