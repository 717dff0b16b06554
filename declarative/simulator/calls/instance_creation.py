"""Creating protected instances, with DR servers, DR disks and pairs (docs/sdrs-api.md, "Create an instance")."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from declarative.simulator.calls.discovery import check_quota
from declarative.simulator.protocol.fields import read_address, read_id
from declarative.simulator.protocol.wire import compact, refusal
from declarative.simulator.settings import UNLIMITED
from declarative.simulator.tables import attachment_rows, compute, group_rows, instance_rows, replication_rows
from declarative.simulator.tables.attachment_rows import Attachment
from declarative.simulator.tables.compute import Machine, Plug, Role
from declarative.simulator.tables.group_rows import Group
from declarative.simulator.tables.instance_rows import Instance, Nic, Tags
from declarative.simulator.tables.replication_rows import Pair
from declarative.simulator.tables.session import Session
from declarative.simulator.tables.states import Status

_UNSUPPORTED = re.compile(r"(?:c6|[csim]9|p\d\w*|pi\d\w*|g\d\w*|fp\d\w*|k[cmis]\d|physical)\.", re.ASCII)
_FIT = frozenset({compute.ACTIVE, compute.SHUTOFF})


@dataclass(frozen=True, slots=True)
class Blueprint:
    """An instance as it was asked for. An empty `flavor` is that of production, an empty `subnet_id` its own.

    An empty `id` is drawn, as it is for every instance that a request asks for.
    """

    name: str
    description: str | None
    machine: Machine
    flavor: str
    subnet_id: str
    ip_address: str
    tags: Tags
    id: str = ""


def read_flavor(fields: Mapping[str, object], key: str, *, code: str = "SDRS.1353") -> str:
    """An optional flavor that instances can have, empty when absent; `code` for one that they can't."""
    flavor = fields.get(key)
    if flavor is None:
        return ""
    if not isinstance(flavor, str) or not flavor:
        raise refusal("SDRS.0201", f"The parameter {key} is invalid.")
    if _UNSUPPORTED.match(flavor):
        raise refusal(code, "The flavor is not supported for protected instances.")
    return flavor


def read_network(session: Session, fields: Mapping[str, object]) -> tuple[str, str]:
    """The optional subnet and address of the DR server's primary NIC, each empty when absent."""
    address = read_address(fields.get("primary_ip_address"))
    given = fields.get("primary_subnet_id")
    if given is None:
        if address:
            raise refusal("SDRS.1380", "The parameter primary_ip_address needs primary_subnet_id.")
        return "", ""
    subnet_id = read_id(given, code="SDRS.1335", what="subnet")
    if address and instance_rows.is_taken(session, subnet_id, address):
        raise refusal("SDRS.1334", "The IP address is already in use in the subnet.")
    return subnet_id, address


def find_machine(session: Session, group: Group, server_id: object, *, missing: str = "SDRS.1326") -> Machine:
    """The server that is to be protected; SDRS.0210 for what is no id, `missing` if there is none."""
    checked = read_id(server_id, code="SDRS.0210", what="server id")
    machine = compute.look_up(session, checked, zone=group.production_zone, vpc_id=group.source_vpc_id)
    if machine is None:
        raise session.missing(missing, "The server does not exist.")
    return machine


def check_machine(session: Session, group: Group, machine: Machine, *, together: Collection[str]) -> None:
    """Refuse a server that can't be protected here. `together` are the ids of all servers of the same request."""
    server = machine.server
    if server.role in (Role.RECOVERY, Role.DRILL) or instance_rows.of_server(session, server.id):
        raise refusal("SDRS.1305", "The server is used by a protected instance.")
    if server.status not in _FIT:
        raise refusal("SDRS.1333", f"The server is {server.status}.")
    if server.zone != group.production_zone:
        raise refusal("SDRS.1303", "The server is outside the production availability zone.")
    if server.vpc_id != group.source_vpc_id:
        raise refusal("SDRS.1304", "The server is outside the VPC of the protection group.")
    if _UNSUPPORTED.match(server.flavor):
        raise refusal("SDRS.1356", "The flavor is not supported for protected instances.")
    if not machine.plugs:
        raise refusal("SDRS.1321", "The server has no disk.")
    if not any(plug.disk.bootable for plug in machine.plugs):
        raise refusal("SDRS.1339", "The server has no system disk.")
    for plug in machine.plugs:
        _check_disk(session, plug, together)


def _check_disk(session: Session, plug: Plug, together: Collection[str]) -> None:
    if replication_rows.of_volume(session, plug.disk.id) is not None:
        raise refusal("SDRS.1811", "A disk of the server is used by a replication pair.")
    if plug.disk.multiattach:
        if len(together) < 2:
            raise refusal("SDRS.1806", "A shared disk is attached to the server.")
        if not set(compute.servers_of(session, plug.disk.id)) <= set(together):
            raise refusal("SDRS.1408", "Another server that shares a disk is missing.")


def check_room(session: Session, group: Group, machines: Sequence[Machine]) -> None:
    """Refuse what would be too many: instances in the group, pairs in the project."""
    limit = session.facts.rules.instance_limit
    if limit != UNLIMITED and group.protected_instance_num + len(machines) > limit:
        raise refusal("SDRS.1358", "The protection group holds too many protected instances.")
    disks = {plug.disk.id for machine in machines for plug in machine.plugs}
    check_quota(session, "replications", len(disks), code="SDRS.0306")


def begin(session: Session, group: Group, blueprints: Sequence[Blueprint]) -> list[Instance]:
    """Let instances and their pairs be in creation; a disk that several share has one pair."""
    made: list[Instance] = []
    pairs: dict[str, Pair] = {}
    for blueprint in blueprints:
        compute.keep(session, blueprint.machine)
        instance = _new(session, group, blueprint)
        instance_rows.insert(session, instance)
        instance_rows.add_nic(
            session, Nic(session.draw.uuid(), instance.id, blueprint.subnet_id, blueprint.ip_address, is_primary=True)
        )
        for plug in blueprint.machine.plugs:
            if plug.disk.id not in pairs:
                pairs[plug.disk.id] = _pair(session, instance, plug)
            attachment = Attachment(instance.id, pairs[plug.disk.id].id, plug.device, shown=True)
            attachment_rows.add(session, attachment, group_id=group.id)
        made.append(instance)
    group_rows.recount(session, group.id)
    return made


def _new(session: Session, group: Group, blueprint: Blueprint) -> Instance:
    return Instance(
        id=blueprint.id or session.draw.uuid(),
        group_id=group.id,
        name=blueprint.name,
        description=blueprint.description,
        status=Status.CREATING,
        prior=Status.CREATING,
        source_server=blueprint.machine.server.id,
        target_server=None,
        flavor=blueprint.flavor,
        tags=compact(blueprint.tags),
        created=session.now,
        updated=session.now,
    )


def _pair(session: Session, instance: Instance, plug: Plug) -> Pair:
    name = f"{instance.name[:50]}-{plug.device.rpartition('/')[2]}"
    pair = replace(replication_rows.new(session, instance.group_id, plug.disk, name=name), automatic=True)
    replication_rows.insert(session, pair)
    return pair


def finish(session: Session, instance: Instance) -> str:
    """Let an instance be created, its DR server and disks made; the id of the DR server."""
    group = group_rows.find(session, instance.group_id)
    production = compute.find_server(session, instance.source_server)
    if group is None or production is None:
        return ""  # removed behind the job's back
    flavor = instance.flavor or production.flavor
    recovery = compute.make_server(
        session, production, zone=group.recovery_zone, flavor=flavor, role=Role.RECOVERY, vpc_id=group.target_vpc_id
    )
    instance_rows.set_target(session, instance, recovery.id)
    devices = {
        one.replication_id: one.device for one in attachment_rows.of_instances(session, [instance.id])[instance.id]
    }
    for pair in replication_rows.attached_to(session, instance.id):
        volume_id = pair.target_volume or finish_pair(session, group, pair)
        if volume_id:
            compute.plug(session, server_id=recovery.id, disk_id=volume_id, device=devices[pair.id])
    instance_rows.change(session, instance, status=group.status)
    return recovery.id


def finish_pair(session: Session, group: Group, pair: Pair) -> str:
    """Let a pair be created, its DR disk made; the id of that disk. In a protected group it copies at once."""
    production = compute.find_disk(session, pair.volume_id)
    if production is None:
        return ""  # removed behind the job's back
    recovery = compute.make_disk(session, production, zone=group.recovery_zone, role=Role.RECOVERY)
    replication_rows.set_target(session, pair, recovery.id)
    replication_rows.change(session, pair, status=group.status)
    if group.status == Status.PROTECTED:
        replication_rows.begin_copying_one(session, pair.id)
    return recovery.id


def fail(session: Session, instance: Instance, *, code: str) -> None:
    """Let the creation of an instance have failed: it stays with its pairs, all in error."""
    instance_rows.change(session, instance, status=Status.ERROR)
    for pair in replication_rows.attached_to(session, instance.id):
        if pair.status == Status.CREATING:
            replication_rows.change(session, pair, status=Status.ERROR, failure=code)
