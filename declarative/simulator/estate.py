"""Servers and disks that a world is given, and how a file of them is read.

    servers:
      - id: f8b3cb98-30b5-4965-98ee-d4e24b98109a
        name: web-1
        availability_zone: eu-de-01
        vpc_id: 68679295-0223-4b5d-aecb-656d77977de2
        status: active                     # or shutoff, error, ...; default active
        flavor: s3.large.2
        disks:
          - {id: ..., size: 40, type: SSD, bootable: true, device: /dev/vda, multiattach: false}
    disks:
      - {id: ..., name: data, size: 100, type: SAS, availability_zone: eu-de-01, status: available, multiattach: false}

A disk that two servers share stands under both, with `multiattach: true`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from declarative.simulator.documents import Fields, load_yaml

_DEVICE = re.compile(r"/dev/(?:sd|vd|xvd)[a-z]{1,2}", re.ASCII)
_SYSTEM_SIZE, _SYSTEM_TYPE = 40, "SSD"
_DATA_SIZE, _DATA_TYPE = 100, "SAS"
_STATUS, _FLAVOR, _DISK_STATUS = "active", "s3.large.2", "available"


@dataclass(frozen=True, slots=True)
class ServerDisk:
    """A disk as one server sees it. `size` is in GB; an empty `device` is the next free one."""

    id: str
    size: int = _SYSTEM_SIZE
    type: str = _SYSTEM_TYPE
    bootable: bool = False
    device: str = ""
    multiattach: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """A server with its disks. `status` is a word of the compute service, above all `active` or `shutoff`."""

    id: str
    availability_zone: str
    vpc_id: str
    name: str = ""
    status: str = _STATUS
    flavor: str = _FLAVOR
    disks: tuple[ServerDisk, ...] = ()


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk that no server has. `size` is in GB; `status` is a word of the volume service, above all `available`."""

    id: str
    availability_zone: str
    name: str = ""
    size: int = _DATA_SIZE
    type: str = _DATA_TYPE
    status: str = _DISK_STATUS
    multiattach: bool = False


@dataclass(frozen=True, slots=True)
class Estate:
    """All servers and disks that exist beside SDRS."""

    servers: tuple[Server, ...] = ()
    disks: tuple[Disk, ...] = ()


def load_estate(path: Path) -> Estate:
    """The estate in a YAML or JSON file; ValueError says what is wrong with it, and where."""
    document = load_yaml(path, "estate")
    try:
        return _estate(document)
    except ValueError as error:
        raise ValueError(f"The estate {str(path)!r} can't be used: {error}") from error


def _estate(document: object) -> Estate:
    fields = Fields.of({} if document is None else document, "the file", ("servers", "disks"))
    servers = tuple(
        _server(entry, f"servers[{number}]") for number, entry in enumerate(fields.entries("servers"), start=1)
    )
    disks = tuple(_disk(entry, f"disks[{number}]") for number, entry in enumerate(fields.entries("disks"), start=1))
    estate = Estate(servers, disks)
    check_estate(estate)
    return estate


def check_estate(estate: Estate) -> None:
    """ValueError if an id stands twice, unless it is of a disk that several servers share and all tell the same."""
    seen: set[str] = set()
    shared: dict[str, tuple[int, str, str]] = {}
    for known in [*(server.id for server in estate.servers), *(disk.id for disk in estate.disks)]:
        if known in seen:
            raise ValueError(f"the id {known!r} stands there twice.")
        seen.add(known)
    for server in estate.servers:
        for disk in server.disks:
            facts = (disk.size, disk.type, server.availability_zone)
            if disk.id in seen or (disk.id in shared and not disk.multiattach):
                raise ValueError(f"the disk {disk.id!r} stands there twice; shared disks need `multiattach: true`.")
            if shared.setdefault(disk.id, facts) != facts:
                raise ValueError(f"the disk {disk.id!r} has two sizes, types or zones.")


def _server(entry: object, where: str) -> Server:
    fields = Fields.of(entry, where, ("id", "name", "availability_zone", "vpc_id", "status", "flavor", "disks"))
    disks = tuple(
        _server_disk(one, f"{where}.disks[{number}]") for number, one in enumerate(fields.entries("disks"), start=1)
    )
    return Server(
        id=fields.id(),
        availability_zone=fields.text("availability_zone"),
        vpc_id=fields.id("vpc_id"),
        name=fields.text("name", ""),
        status=fields.text("status", _STATUS).lower(),
        flavor=fields.text("flavor", _FLAVOR),
        disks=disks,
    )


def _server_disk(entry: object, where: str) -> ServerDisk:
    fields = Fields.of(entry, where, ("id", "size", "type", "bootable", "device", "multiattach"))
    device = fields.text("device", "")
    if device and not _DEVICE.fullmatch(device):
        raise ValueError(f"{where}.device must be like /dev/vda, not {device!r}.")
    return ServerDisk(
        id=fields.id(),
        size=fields.size(_SYSTEM_SIZE),
        type=fields.text("type", _SYSTEM_TYPE),
        bootable=fields.truth("bootable"),
        device=device,
        multiattach=fields.truth("multiattach"),
    )


def _disk(entry: object, where: str) -> Disk:
    fields = Fields.of(entry, where, ("id", "name", "size", "type", "availability_zone", "status", "multiattach"))
    return Disk(
        id=fields.id(),
        availability_zone=fields.text("availability_zone"),
        name=fields.text("name", ""),
        size=fields.size(_DATA_SIZE),
        type=fields.text("type", _DATA_TYPE),
        status=fields.text("status", _DISK_STATUS).lower(),
        multiattach=fields.truth("multiattach"),
    )
