"""What happens without SDRS being asked: by a test's hand, or by operators in the console and other services.

All ids are looked up here; KeyError if there is nothing of the kind with that id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from declarative.simulator import (
    attachment_rows,
    attachments,
    compute,
    drill_rows,
    drills,
    group_rows,
    instance_creation,
    instance_deletion,
    instance_rows,
    replication_rows,
    replications,
)
from declarative.simulator.attachment_rows import Attachment
from declarative.simulator.compute import Disk, Server
from declarative.simulator.drill_rows import Drill
from declarative.simulator.group_rows import Group
from declarative.simulator.instance_creation import Blueprint
from declarative.simulator.instance_deletion import Options
from declarative.simulator.instance_rows import Instance
from declarative.simulator.replication_rows import FAULTLESS, Pair
from declarative.simulator.session import Session
from declarative.simulator.states import MemberStatus, Station, Status
from declarative.simulator.wire import compact, stamp_blank

T = TypeVar("T")


def _found(thing: T | None, wanted: str) -> T:
    if thing is None:
        raise KeyError(wanted)
    return thing


def group(session: Session, group_id: str) -> Group:
    """The group."""
    return _found(group_rows.find(session, group_id), group_id)


def instance(session: Session, instance_id: str) -> Instance:
    """The instance."""
    return _found(instance_rows.find(session, instance_id), instance_id)


def pair(session: Session, pair_id: str) -> Pair:
    """The pair."""
    return _found(replication_rows.find(session, pair_id), pair_id)


def drill(session: Session, drill_id: str) -> Drill:
    """The drill."""
    return _found(drill_rows.find(session, drill_id), drill_id)


def server(session: Session, server_id: str) -> Server:
    """The server, once it is known."""
    return _found(compute.find_server(session, server_id), server_id)


def disk(session: Session, disk_id: str) -> Disk:
    """The disk, once it is known."""
    return _found(compute.find_disk(session, disk_id), disk_id)


def add_group(session: Session, *, like: str | None, fields: Mapping[str, Any]) -> str:
    """Let a group be there at once, a new one or like another, but with these fields of the wire; its id."""
    base = _fresh_group(session) if like is None else group(session, like)
    now = stamp_blank(session.now)
    own = {
        "id": session.draw.uuid(),
        "created_at": now,
        "updated_at": now,
        "protected_instance_num": 0,
        "replication_num": 0,
        "disaster_recovery_drill_num": 0,
    }
    made = Group(**{**vars(base), **own, **fields})
    if group_rows.find(session, made.id) is not None:
        raise ValueError(f"There is a protection group {made.id!r} already.")
    group_rows.insert(session, made)
    return made.id


def _fresh_group(session: Session) -> Group:
    domain = session.facts.domains[0]
    vpc_id = session.draw.uuid()
    return Group(
        id="",
        name="group",
        description=None,
        status=Status.AVAILABLE,
        progress=0,
        source_availability_zone=domain.zones[0],
        target_availability_zone=domain.zones[1],
        domain_id=domain.id,
        domain_name=domain.name,
        priority_station=Station.SOURCE,
        source_vpc_id=vpc_id,
        target_vpc_id=vpc_id,
        dr_type="migration",
        server_type="ECS",
        created_at="",
        updated_at="",
    )


@dataclass(frozen=True, slots=True)
class Made:
    """What a member shall be like. An empty `id` is drawn; without a status it ends as the service would have it.

    One in `creating` or `error` is left without what the service makes last: DR servers, DR disks, drill servers.
    """

    name: str
    id: str = ""
    description: str | None = None
    status: str | None = None

    @property
    def is_whole(self) -> bool:
        return self.status not in (Status.CREATING, Status.ERROR)


def add_instance(
    session: Session, group_id: str, made: Made, *, server_id: str | None, flavor: str, tags: Mapping[str, str]
) -> str:
    """Protect a server, a new one if none is named, and let the instance be there at once; its id."""
    into = group(session, group_id)
    machine = compute.look_up(
        session, server_id or session.draw.uuid(), zone=into.production_zone, vpc_id=into.source_vpc_id
    )
    if machine is None:
        raise KeyError(server_id)
    blueprint = Blueprint(
        made.name, made.description, machine, flavor=flavor, subnet_id="", ip_address="", tags=dict(tags), id=made.id
    )
    (begun,) = instance_creation.begin(session, into, [blueprint])
    if made.is_whole:
        instance_creation.finish(session, begun)
    if made.status is not None:
        instance_rows.change(session, instance(session, begun.id), status=made.status)
    return begun.id


def add_replication(session: Session, group_id: str, made: Made, *, volume_id: str | None) -> str:
    """Pair a disk, a new one if none is named, and let the pair be there at once; its id."""
    into = group(session, group_id)
    of = compute.look_up_disk(session, volume_id or session.draw.uuid(), zone=into.production_zone)
    if of is None:
        raise KeyError(volume_id)
    compute.keep_disk(session, of)
    drawn = replication_rows.new(session, group_id, of, name=made.name, description=made.description)
    begun = replace(drawn, id=made.id or drawn.id)
    replication_rows.insert(session, begun)
    if made.is_whole:
        instance_creation.finish_pair(session, into, begun)
    if made.status is not None:
        replication_rows.change(session, pair(session, begun.id), status=made.status)
    group_rows.recount(session, group_id)
    return begun.id


def add_drill(session: Session, group_id: str, made: Made, *, vpc_id: str | None) -> str:
    """Let a drill be there at once; its id."""
    group(session, group_id)
    now = session.now
    begun = Drill(
        made.id or session.draw.uuid(),
        group_id,
        made.name,
        Status.CREATING,
        vpc_id or session.draw.uuid(),
        compact([]),
        now,
        now,
    )
    drill_rows.insert(session, begun)
    if made.is_whole:
        drills.finish(session, begun)
    if made.status is not None:
        drill_rows.change(session, drill(session, begun.id), status=made.status)
    group_rows.note_drill(session, group_id)
    group_rows.recount(session, group_id)
    return begun.id


def attach(session: Session, instance_id: str, pair_id: str, *, device: str) -> None:
    """Attach a pair at once."""
    to, what = instance(session, instance_id), pair(session, pair_id)
    attachment_rows.add(session, Attachment(to.id, what.id, device, shown=False), group_id=to.group_id)
    attachments.link(session, to, what)


def detach(session: Session, instance_id: str, pair_id: str) -> None:
    """Detach a pair at once."""
    attachments.unlink(session, instance(session, instance_id), pair(session, pair_id))


def delete_group(session: Session, group_id: str) -> None:
    """Remove a group with all members; DR servers and disks stay as ordinary ones."""
    gone = group(session, group_id)
    for one_drill in drill_rows.of_group(session, group_id):
        drills.discard(session, one_drill)
    for one in instance_rows.of_group(session, group_id):
        instance_deletion.finish(session, one, Options())
    for one_pair in replication_rows.of_group(session, group_id):
        replications.discard(session, one_pair, with_volume=False)
    group_rows.remove(session, gone)


def delete_instance(session: Session, instance_id: str, *, with_server: bool) -> None:
    """Remove an instance with the pairs that go with it; the DR server stays unless it shall go too."""
    gone = instance(session, instance_id)
    instance_deletion.finish(session, gone, Options(server=with_server))
    group_rows.recount(session, gone.group_id)


def delete_replication(session: Session, pair_id: str, *, with_volume: bool) -> None:
    """Remove a pair, from its instances too; the DR disk stays unless it shall go too."""
    replications.discard(session, pair(session, pair_id), with_volume=with_volume)


def delete_drill(session: Session, drill_id: str) -> None:
    """Remove a drill with its servers."""
    drills.discard(session, drill(session, drill_id))


def delete_server(session: Session, server_id: str) -> None:
    """Remove a server; instances that have it become invalid."""
    compute.remove_server(session, server(session, server_id), with_disks=False)
    for one in instance_rows.of_server(session, server_id):
        instance_rows.change(session, one, status=MemberStatus.INVALID)


def delete_disk(session: Session, disk_id: str) -> None:
    """Remove a disk; the pair that has it becomes invalid."""
    compute.remove_disk(session, disk(session, disk_id))
    for one in replication_rows.every(session):
        if disk_id in one.volumes:
            replication_rows.change(session, one, status=MemberStatus.INVALID)


def set_fault_level(session: Session, pair_id: str, level: str) -> None:
    """Let a pair's synchronisation be abnormal, or fine again with level 0; its instances follow."""
    of = pair(session, pair_id)
    status = group(session, of.group_id).status if level == FAULTLESS else MemberStatus.FAULT
    replication_rows.set_fault(session, of, level=level, status=status)
    for one in attachment_rows.of_pairs(session, [pair_id])[pair_id]:
        instance_rows.change(session, instance(session, one.instance_id), status=status)


def set_tags(session: Session, instance_id: str, tags: dict[str, str]) -> None:
    """Give an instance these tags in place of those it has."""
    instance_rows.set_tags(session, instance(session, instance_id), dict(tags))
