"""What happens without SDRS being asked: by a test's hand, or by operators in the console and other services.

All ids are looked up here; KeyError if there is nothing of the kind with that id.
"""

from __future__ import annotations

from typing import TypeVar

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
from declarative.simulator.states import MemberStatus, Status
from declarative.simulator.wire import compact

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


def add_instance(session: Session, group_id: str, *, name: str, server_id: str | None) -> str:
    """Protect a server, a new one if none is named, and let the instance be there at once; its id."""
    into = group(session, group_id)
    machine = compute.look_up(
        session, server_id or session.draw.uuid(), zone=into.production_zone, vpc_id=into.source_vpc_id
    )
    if machine is None:
        raise KeyError(server_id)
    blueprint = Blueprint(name, None, machine, flavor="", subnet_id="", ip_address="", tags={})
    (made,) = instance_creation.begin(session, into, [blueprint])
    instance_creation.finish(session, made)
    return made.id


def add_replication(session: Session, group_id: str, *, name: str, volume_id: str | None) -> str:
    """Pair a disk, a new one if none is named, and let the pair be there at once; its id."""
    into = group(session, group_id)
    of = compute.look_up_disk(session, volume_id or session.draw.uuid(), zone=into.production_zone)
    if of is None:
        raise KeyError(volume_id)
    compute.keep_disk(session, of)
    made = replication_rows.new(session, group_id, of, name=name)
    replication_rows.insert(session, made)
    instance_creation.finish_pair(session, into, made)
    group_rows.recount(session, group_id)
    return made.id


def add_drill(session: Session, group_id: str, *, name: str) -> str:
    """Let a drill be there at once; its id."""
    group(session, group_id)
    vpc_id, now = session.draw.uuid(), session.now
    made = Drill(session.draw.uuid(), group_id, name, Status.CREATING, vpc_id, compact([]), now, now)
    drill_rows.insert(session, made)
    drills.finish(session, made)
    group_rows.note_drill(session, group_id)
    group_rows.recount(session, group_id)
    return made.id


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


def delete_instance(session: Session, instance_id: str) -> None:
    """Remove an instance with its automatic pairs; the DR server stays."""
    gone = instance(session, instance_id)
    instance_deletion.finish(session, gone, Options())
    group_rows.recount(session, gone.group_id)


def delete_replication(session: Session, pair_id: str) -> None:
    """Remove a pair, from its instances too; the DR disk stays."""
    replications.discard(session, pair(session, pair_id), with_volume=False)


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
