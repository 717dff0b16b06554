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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}", re.ASCII | re.IGNORECASE)
_DEVICE = re.compile(r"/dev/(?:sd|vd|xvd)[a-z]{1,2}", re.ASCII)
_LARGEST = 32_768  # GB
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
    import yaml

    try:
        document = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ValueError(f"The estate {str(path)!r} can't be read: {error.strerror or error}.") from error
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"The estate {str(path)!r} isn't YAML{place}.") from error
    try:
        return _estate(document)
    except ValueError as error:
        raise ValueError(f"The estate {str(path)!r} can't be used: {error}") from error


def _estate(document: object) -> Estate:
    fields = _Fields.of({} if document is None else document, "the file", ("servers", "disks"))
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
    fields = _Fields.of(entry, where, ("id", "name", "availability_zone", "vpc_id", "status", "flavor", "disks"))
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
    fields = _Fields.of(entry, where, ("id", "size", "type", "bootable", "device", "multiattach"))
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
    fields = _Fields.of(entry, where, ("id", "name", "size", "type", "availability_zone", "status", "multiattach"))
    return Disk(
        id=fields.id(),
        availability_zone=fields.text("availability_zone"),
        name=fields.text("name", ""),
        size=fields.size(_DATA_SIZE),
        type=fields.text("type", _DATA_TYPE),
        status=fields.text("status", _DISK_STATUS).lower(),
        multiattach=fields.truth("multiattach"),
    )


@dataclass(frozen=True, slots=True)
class _Fields:
    """One map of the file, read field by field; each error says where."""

    values: Mapping[Any, object]
    where: str

    @classmethod
    def of(cls, entry: object, where: str, known: tuple[str, ...]) -> _Fields:
        if not isinstance(entry, Mapping):
            raise ValueError(f"{where} must be a map with {', '.join(known)}.")
        for key in entry:
            if key not in known:
                raise ValueError(f"{where} has an unknown field {str(key)!r}; there are {', '.join(known)}.")
        return cls(entry, where)

    def entries(self, key: str) -> list[object]:
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise ValueError(f"{key} of {self.where} must be a list.")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str) or (default is None and not value):
            raise ValueError(f"{self.where}.{key} must be text, not {value!r}; put it in quotes.")
        return value

    def id(self, key: str = "id") -> str:
        value = self.values.get(key)
        if not isinstance(value, str) or not _ID.fullmatch(value):
            raise ValueError(f"{self.where}.{key} must be an id like 68679295-0223-4b5d-aecb-656d77977de2.")
        return value

    def size(self, default: int) -> int:
        value = self.values.get("size", default)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _LARGEST:
            raise ValueError(f"{self.where}.size must be a whole number of GB from 1 to {_LARGEST}, not {value!r}.")
        return value

    def truth(self, key: str) -> bool:
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise ValueError(f"{self.where}.{key} must be true or false, not {value!r}.")
        return value
