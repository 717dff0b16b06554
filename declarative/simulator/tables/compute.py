"""Servers and disks beside SDRS: those a world was given, those it assumes, and those that SDRS made itself.

The compute and volume services have no calls here; what stands in their place are tests and `World`.
"""

from __future__ import annotations

import enum
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from declarative.simulator.estate import Disk as GivenDisk
from declarative.simulator.estate import Estate
from declarative.simulator.estate import Server as GivenServer
from declarative.simulator.tables.history import Effect, Noun, Subject
from declarative.simulator.tables.session import Session

TABLES = """
CREATE TABLE servers (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, zone TEXT NOT NULL, vpc_id TEXT NOT NULL,
    status TEXT NOT NULL, flavor TEXT NOT NULL, role TEXT NOT NULL);
CREATE TABLE disks (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, size INTEGER NOT NULL, type TEXT NOT NULL,
    zone TEXT NOT NULL, status TEXT NOT NULL, multiattach INTEGER NOT NULL, bootable INTEGER NOT NULL,
    role TEXT NOT NULL);
CREATE TABLE plugs (
    seq INTEGER PRIMARY KEY, server_id TEXT NOT NULL, disk_id TEXT NOT NULL, device TEXT NOT NULL,
    UNIQUE (server_id, disk_id));
CREATE INDEX plugs_of_disk ON plugs (disk_id);
"""

ACTIVE = "active"
SHUTOFF = "shutoff"
AVAILABLE = "available"
IN_USE = "in-use"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_FLAVORS = ("s3.medium.2", "s3.large.2", "s3.large.4", "s3.xlarge.4")
_TYPES = ("SSD", "SAS", "SATA")
_SYSTEM_SIZE = 40
_DATA_SIZE = 100


class Role(enum.StrEnum):
    """What a server or disk is to SDRS. One that is assumed is forgotten when no member needs it any more."""

    ORDINARY = "ordinary"
    ASSUMED = "assumed"
    RECOVERY = "recovery"
    DRILL = "drill"


@dataclass(frozen=True, slots=True)
class Server:
    """One server."""

    id: str
    name: str
    zone: str
    vpc_id: str
    status: str
    flavor: str
    role: str

    @property
    def subject(self) -> Subject:
        return Subject(Noun.SERVER, self.id, self.name)


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk; `size` in GB."""

    id: str
    name: str
    size: int
    type: str
    zone: str
    status: str
    multiattach: bool
    bootable: bool
    role: str

    @property
    def subject(self) -> Subject:
        return Subject(Noun.DISK, self.id, self.name)


@dataclass(frozen=True, slots=True)
class Plug:
    """A disk as a server has it."""

    disk: Disk
    device: str


@dataclass(frozen=True, slots=True)
class Machine:
    """A server with its disks."""

    server: Server
    plugs: tuple[Plug, ...]


_SERVER = "SELECT id, name, zone, vpc_id, status, flavor, role FROM servers WHERE "
_DISK = "SELECT id, name, size, type, zone, status, multiattach, bootable, role FROM disks WHERE "


def fill(session: Session, estate: Estate) -> None:
    """Put the servers and disks of a fresh world into its tables."""
    for server in estate.servers:
        add_server(session, server)
    for disk in estate.disks:
        add_disk(session, disk)


def add_server(session: Session, given: GivenServer) -> None:
    """Let a server exist, with its disks; ValueError if its id is taken."""
    name = given.name or f"server-{given.id[:8]}"
    fields = (given.id, name, given.availability_zone, given.vpc_id, given.status, given.flavor, Role.ORDINARY)
    if find_server(session, given.id) is not None:
        raise ValueError(f"There is a server {given.id!r} already.")
    plugs = []
    for place, disk in enumerate(given.disks):
        facts = (disk.size, disk.type, given.availability_zone, IN_USE, disk.multiattach, disk.bootable, Role.ORDINARY)
        device = disk.device or f"/dev/vd{_LETTERS[place % 26]}"
        plugs.append(Plug(Disk(disk.id, f"{name}-{place}", *facts), device))
    keep(session, Machine(Server(*fields), tuple(plugs)))


def add_disk(session: Session, given: GivenDisk) -> None:
    """Let a disk exist that no server has; ValueError if its id is taken."""
    if find_disk(session, given.id) is not None:
        raise ValueError(f"There is a disk {given.id!r} already.")
    facts = (given.size, given.type, given.availability_zone, given.status, given.multiattach, False, Role.ORDINARY)
    keep_disk(session, Disk(given.id, given.name or f"disk-{given.id[:8]}", *facts))


def find_server(session: Session, server_id: str) -> Server | None:
    """The server, or None."""
    row = session.database.execute(_SERVER + "id = ?", (server_id,)).fetchone()
    return None if row is None else Server(*row)


def find_disk(session: Session, disk_id: str) -> Disk | None:
    """The disk, or None."""
    row = session.database.execute(_DISK + "id = ?", (disk_id,)).fetchone()
    return None if row is None else _disk(row)


def _disk(row: Sequence[object]) -> Disk:
    disk = Disk(*row)  # type: ignore[arg-type]  # a row of the table, in its order
    return replace(disk, multiattach=bool(disk.multiattach), bootable=bool(disk.bootable))


def look_up(session: Session, server_id: str, *, zone: str, vpc_id: str) -> Machine | None:
    """The server with its disks, None if there is none. Where any id is fine, one at this place is assumed."""
    server = find_server(session, server_id)
    if server is not None:
        return Machine(server, plugs_of(session, server_id))
    if not session.facts.any_id:
        return None
    flavor, disk_type = _drawn(server_id, _FLAVORS), _drawn(server_id, _TYPES)
    assumed = Server(server_id, f"server-{server_id[:8]}", zone, vpc_id, ACTIVE, flavor, Role.ASSUMED)
    disk_id = str(uuid.uuid5(uuid.NAMESPACE_OID, server_id))
    facts = (_SYSTEM_SIZE, disk_type, zone, IN_USE, False, True, Role.ASSUMED)
    return Machine(assumed, (Plug(Disk(disk_id, f"{assumed.name}-system", *facts), "/dev/vda"),))


def look_up_disk(session: Session, disk_id: str, *, zone: str) -> Disk | None:
    """The disk, None if there is none. Where any id is fine, one in this zone is assumed."""
    disk = find_disk(session, disk_id)
    if disk is not None or not session.facts.any_id:
        return disk
    facts = (_DATA_SIZE, _drawn(disk_id, _TYPES), zone, AVAILABLE, False, False, Role.ASSUMED)
    return Disk(disk_id, f"disk-{disk_id[:8]}", *facts)


def _drawn(seed: str, choices: Sequence[str]) -> str:
    return choices[hashlib.sha256(seed.encode()).digest()[0] % len(choices)]


def plugs_of(session: Session, server_id: str) -> tuple[Plug, ...]:
    """The disks of a server, in the order of their devices."""
    rows = session.database.execute(
        "SELECT d.id, d.name, d.size, d.type, d.zone, d.status, d.multiattach, d.bootable, d.role, p.device"
        " FROM plugs AS p JOIN disks AS d ON d.id = p.disk_id WHERE p.server_id = ? ORDER BY p.device",
        (server_id,),
    )
    return tuple(Plug(_disk(row[:9]), row[9]) for row in rows.fetchall())


def keep(session: Session, machine: Machine) -> None:
    """Write down a server with its disks, so far as they aren't known."""
    server = machine.server
    session.database.execute(
        "INSERT OR IGNORE INTO servers (id, name, zone, vpc_id, status, flavor, role) VALUES (?,?,?,?,?,?,?)",
        (server.id, server.name, server.zone, server.vpc_id, server.status, server.flavor, server.role),
    )
    for plug in machine.plugs:
        keep_disk(session, plug.disk)
        session.database.execute(
            "INSERT OR IGNORE INTO plugs (server_id, disk_id, device) VALUES (?,?,?)",
            (server.id, plug.disk.id, plug.device),
        )


def keep_disk(session: Session, disk: Disk) -> None:
    """Write down a disk, if it isn't known."""
    session.database.execute(
        "INSERT OR IGNORE INTO disks (id, name, size, type, zone, status, multiattach, bootable, role)"
        " VALUES (?,?,?,?,?,?,?,?,?)",
        (
            disk.id,
            disk.name,
            disk.size,
            disk.type,
            disk.zone,
            disk.status,
            disk.multiattach,
            disk.bootable,
            disk.role,
        ),
    )


def make_server(session: Session, like: Server, *, zone: str, flavor: str, role: Role, vpc_id: str = "") -> Server:
    """Make a server as SDRS does: of the same name, stopped."""
    server = Server(session.draw.uuid(), like.name, zone, vpc_id or like.vpc_id, SHUTOFF, flavor, role)
    keep(session, Machine(server, ()))
    session.record(Effect.CREATED, server.subject, f"{role} server")
    return server


def make_disk(session: Session, like: Disk, *, zone: str, role: Role) -> Disk:
    """Make a disk as SDRS does: of the same name, size and type."""
    disk = replace(like, id=session.draw.uuid(), zone=zone, status=AVAILABLE, role=role)
    keep_disk(session, disk)
    session.record(Effect.CREATED, disk.subject, f"{role} disk")
    return disk


def plug(session: Session, *, server_id: str, disk_id: str, device: str) -> None:
    """Let a server have a disk."""
    session.database.execute(
        "INSERT OR IGNORE INTO plugs (server_id, disk_id, device) VALUES (?,?,?)", (server_id, disk_id, device)
    )
    session.database.execute("UPDATE disks SET status = ? WHERE id = ?", (IN_USE, disk_id))


def unplug(session: Session, *, server_id: str, disk_id: str) -> None:
    """Take a disk from a server; it is available once no other has it."""
    session.database.execute("DELETE FROM plugs WHERE server_id = ? AND disk_id = ?", (server_id, disk_id))
    session.database.execute(
        "UPDATE disks SET status = ? WHERE id = ? AND status = ? AND id NOT IN (SELECT disk_id FROM plugs)",
        (AVAILABLE, disk_id, IN_USE),
    )


def servers_of(session: Session, disk_id: str) -> list[str]:
    """The ids of the servers that have the disk."""
    rows = session.database.execute("SELECT server_id FROM plugs WHERE disk_id = ? ORDER BY seq", (disk_id,))
    return [server_id for (server_id,) in rows]


def set_server_status(session: Session, server: Server, status: str) -> None:
    """Start, stop or break a server."""
    session.record(Effect.STATUS, server.subject, f"{server.status} -> {status}")
    session.database.execute("UPDATE servers SET status = ? WHERE id = ?", (status, server.id))


def set_disk_status(session: Session, disk: Disk, status: str) -> None:
    """Give a disk another status."""
    session.record(Effect.STATUS, disk.subject, f"{disk.status} -> {status}")
    session.database.execute("UPDATE disks SET status = ? WHERE id = ?", (status, disk.id))


def set_flavor(session: Session, server: Server, flavor: str) -> None:
    """Give a server another flavor."""
    session.record(Effect.CHANGED, server.subject, f"{server.flavor} -> {flavor}")
    session.database.execute("UPDATE servers SET flavor = ? WHERE id = ?", (flavor, server.id))


def set_size(session: Session, disk: Disk, size: int) -> None:
    """Give a disk another size, in GB."""
    session.record(Effect.CHANGED, disk.subject, f"{disk.size} -> {size}")
    session.database.execute("UPDATE disks SET size = ? WHERE id = ?", (size, disk.id))


def may_be_shared(session: Session, disk_id: str) -> bool:
    """Whether servers can share the disk. One that is assumed can be, unless it is a system disk."""
    disk = find_disk(session, disk_id)
    return disk is not None and (disk.multiattach or (disk.role == Role.ASSUMED and not disk.bootable))


def set_shared(session: Session, disk_ids: Sequence[str]) -> None:
    """Let disks be such that servers can share them."""
    session.database.executemany("UPDATE disks SET multiattach = 1 WHERE id = ?", [(one,) for one in disk_ids])


def remove_server(session: Session, server: Server, *, with_disks: bool) -> None:
    """Remove a server; its disks go with it or become available."""
    for one in plugs_of(session, server.id):
        unplug(session, server_id=server.id, disk_id=one.disk.id)
        if with_disks and not servers_of(session, one.disk.id):
            remove_disk(session, one.disk)
    session.database.execute("DELETE FROM servers WHERE id = ?", (server.id,))
    session.record(Effect.DELETED, server.subject, f"{server.role} server")


def remove_disk(session: Session, disk: Disk) -> None:
    """Remove a disk."""
    session.database.execute("DELETE FROM plugs WHERE disk_id = ?", (disk.id,))
    session.database.execute("DELETE FROM disks WHERE id = ?", (disk.id,))
    session.record(Effect.DELETED, disk.subject, f"{disk.role} disk")


def release_server(session: Session, server_id: str) -> None:
    """SDRS has nothing to do with a server any more: it stays as an ordinary one, or is forgotten if assumed."""
    server = find_server(session, server_id)
    if server is None:
        return
    plugs = plugs_of(session, server_id)
    if server.role == Role.ASSUMED:
        session.database.execute("DELETE FROM plugs WHERE server_id = ?", (server_id,))
        session.database.execute("DELETE FROM servers WHERE id = ?", (server_id,))
    else:
        session.database.execute("UPDATE servers SET role = ? WHERE id = ?", (Role.ORDINARY, server_id))
    for one in plugs:
        release_disk(session, one.disk.id)


def release_disk(session: Session, disk_id: str) -> None:
    """SDRS has nothing to do with a disk any more: it stays as an ordinary one, or is forgotten if assumed."""
    session.database.execute(
        "DELETE FROM disks WHERE id = ? AND role = ? AND id NOT IN (SELECT disk_id FROM plugs)",
        (disk_id, Role.ASSUMED),
    )
    session.database.execute(
        "UPDATE disks SET role = ? WHERE id = ? AND role = ?", (Role.ORDINARY, disk_id, Role.RECOVERY)
    )


def running_servers(session: Session, group_id: str, *, zone: str) -> list[str]:
    """The ids of the active servers that the group's instances have in this zone."""
    rows = session.database.execute(
        "SELECT s.id FROM instances AS i JOIN servers AS s ON s.id = i.source_server OR s.id = i.target_server"
        " WHERE i.group_id = ? AND s.zone = ? AND s.status = ? ORDER BY i.seq",
        (group_id, zone, ACTIVE),
    )
    return [server_id for (server_id,) in rows]


def server_documents(session: Session) -> list[dict[str, object]]:
    """All servers with their disks, in the order in which they came to be known."""
    rows = session.database.execute(_SERVER + "1 ORDER BY seq").fetchall()
    return [_server_document(session, Server(*row)) for row in rows]


def _server_document(session: Session, server: Server) -> dict[str, object]:
    return {
        "id": server.id,
        "name": server.name,
        "availability_zone": server.zone,
        "vpc_id": server.vpc_id,
        "status": server.status,
        "flavor": server.flavor,
        "role": server.role,
        "disks": [{"device": one.device, **_disk_document(one.disk)} for one in plugs_of(session, server.id)],
    }


def disk_documents(session: Session) -> list[dict[str, object]]:
    """All disks, in the order in which they came to be known."""
    rows = session.database.execute(_DISK + "1 ORDER BY seq").fetchall()
    return [_disk_document(_disk(row)) for row in rows]


def _disk_document(disk: Disk) -> dict[str, object]:
    return {
        "id": disk.id,
        "name": disk.name,
        "size": disk.size,
        "type": disk.type,
        "availability_zone": disk.zone,
        "status": disk.status,
        "multiattach": disk.multiattach,
        "bootable": disk.bootable,
        "role": disk.role,
    }
