"""The operator: what happens without SDRS being asked, by hand in the console or by other services.

Each method looks its ids up, and raises KeyError where there is nothing of the kind with that id.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

from declarative.simulator import estate
from declarative.simulator.accounts import UserStatus
from declarative.simulator.calls import (
    attachments,
    discovery,
    drills,
    groups,
    instance_creation,
    instance_deletion,
    replications,
)
from declarative.simulator.calls.instance_creation import Blueprint
from declarative.simulator.calls.instance_deletion import Options
from declarative.simulator.protocol.wire import compact, stamp_blank
from declarative.simulator.tables import (
    attachment_rows,
    compute,
    drill_rows,
    group_rows,
    identity_rows,
    instance_rows,
    replication_rows,
)
from declarative.simulator.tables.attachment_rows import Attachment
from declarative.simulator.tables.compute import Disk, Server
from declarative.simulator.tables.drill_rows import Drill
from declarative.simulator.tables.group_rows import Group
from declarative.simulator.tables.instance_rows import Instance
from declarative.simulator.tables.replication_rows import FAULTLESS, Pair
from declarative.simulator.tables.session import Session
from declarative.simulator.tables.states import MemberStatus, Station, Status


class Operator:
    """Acts on a world past the client. `open_`: opens the world for one act, in which all happens at once."""

    def __init__(self, open_: Callable[[], AbstractContextManager[Session]]) -> None:
        self._open = open_

    def primary_nic(self, instance_id: str) -> str:
        """The id of an instance's primary NIC, which no call shows. KeyError if there is no such instance."""
        with self._open() as session:
            return instance_rows.nics(session, _instance(session, instance_id).id)[0].id

    def set_status(self, group_id: str, status: str) -> None:
        """Give a group any status, known or not; its members keep theirs."""
        with self._open() as session:
            group_rows.change(session, _group(session, group_id), status=status)

    def set_instance_status(self, instance_id: str, status: str) -> None:
        """Give an instance any status."""
        with self._open() as session:
            instance_rows.change(session, _instance(session, instance_id), status=status)

    def set_replication_status(self, replication_id: str, status: str) -> None:
        """Give a pair any status."""
        with self._open() as session:
            replication_rows.change(session, _pair(session, replication_id), status=status)

    def set_drill_status(self, drill_id: str, status: str) -> None:
        """Give a drill any status."""
        with self._open() as session:
            drill_rows.change(session, _drill(session, drill_id), status=status)

    def set_server_status(self, server_id: str, status: str) -> None:
        """Start (`active`), stop (`shutoff`) or break a server that is known."""
        with self._open() as session:
            compute.set_server_status(session, _server(session, server_id), status)

    def set_disk_status(self, disk_id: str, status: str) -> None:
        """Give a disk that is known any status."""
        with self._open() as session:
            compute.set_disk_status(session, _disk(session, disk_id), status)

    def set_fault_level(self, replication_id: str, level: str) -> None:
        """Let a pair be faulty: "2" for the production disk, "5" for the link, "0" for none. Its instances follow."""
        with self._open() as session:
            of = _pair(session, replication_id)
            status = _group(session, of.group_id).status if level == FAULTLESS else MemberStatus.FAULT
            replication_rows.set_fault(session, of, level=level, status=status)
            for one in attachment_rows.of_pairs(session, [replication_id])[replication_id]:
                instance_rows.change(session, _instance(session, one.instance_id), status=status)

    def set_tags(self, instance_id: str, tags: dict[str, str]) -> None:
        """Give an instance these tags in place of those it has."""
        with self._open() as session:
            instance_rows.set_tags(session, _instance(session, instance_id), dict(tags))

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Let all that is done by hand inside be one act: no request comes between, and an exception undoes it all.

        That holds for requests of other threads and processes; in one's own, nothing must be awaited inside.
        """
        with self._open():
            yield

    def enable(self, group_id: str) -> None:
        """Let protection have been enabled, at once, whatever the group's status was; its pairs begin to copy."""
        with self._open() as session:
            groups.enable(session, _group(session, group_id))

    def disable(self, group_id: str) -> None:
        """Let protection have been disabled, likewise."""
        with self._open() as session:
            groups.disable(session, _group(session, group_id))

    def reverse(self, group_id: str) -> None:
        """Let a planned failover have happened, likewise: the group is protected in the other direction."""
        with self._open() as session:
            groups.reverse(session, _group(session, group_id))

    def reprotect(self, group_id: str) -> None:
        """Let a group that had failed over have been protected again, likewise, in the direction it has now."""
        with self._open() as session:
            groups.reprotect(session, _group(session, group_id))

    def fail_over(self, group_id: str) -> None:
        """Let a failover have happened, at once: the group and its members are failed over, production is elsewhere."""
        with self._open() as session:
            groups.fail_over(session, _group(session, group_id))

    def rename_group(self, group_id: str, name: str) -> None:
        """Rename a group."""
        with self._open() as session:
            group_rows.set_name(session, _group(session, group_id), name)

    def rename_instance(self, instance_id: str, name: str) -> None:
        """Rename an instance."""
        with self._open() as session:
            instance_rows.set_name(session, _instance(session, instance_id), name)

    def rename_replication(self, replication_id: str, name: str) -> None:
        """Rename a pair."""
        with self._open() as session:
            replication_rows.set_name(session, _pair(session, replication_id), name)

    def rename_drill(self, drill_id: str, name: str) -> None:
        """Rename a drill."""
        with self._open() as session:
            drill_rows.set_name(session, _drill(session, drill_id), name)

    def grow_replication(self, replication_id: str, size: int) -> None:
        """Let both disks of a pair have grown to this size in GB, by SDRS."""
        with self._open() as session:
            replications.grow(session, _pair(session, replication_id), size)

    def resize_disk(self, disk_id: str, size: int) -> None:
        """Give a disk another size in GB, past SDRS."""
        with self._open() as session:
            compute.set_size(session, _disk(session, disk_id), size)

    def add_server(self, server: estate.Server) -> None:
        """Let a server exist. ValueError if its id is taken."""
        with self._open() as session:
            compute.add_server(session, server)

    def add_disk(self, disk: estate.Disk) -> None:
        """Let a disk exist that no server has. ValueError if its id is taken."""
        with self._open() as session:
            compute.add_disk(session, disk)

    def add_group(self, *, like: str | None = None, **fields: object) -> str:
        """Put a group into the project, at once; its id.

        It is available and has a VPC of its own, or it is as the group `like` is. `fields` are those of the wire, with
        any value, `id` and `status` included; KeyError without a group `like`, TypeError for an unknown field.
        """
        with self._open() as session:
            base = _fresh_group(session) if like is None else _group(session, like)
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

    def add_replication(
        self,
        group_id: str,
        name: str = "pair",
        *,
        volume_id: str | None = None,
        description: str | None = None,
        status: str | None = None,
        replication_id: str = "",
    ) -> str:
        """Put a pair into a group, at once, of a disk of its own unless one is named; its id.

        It has the group's status unless another is given; in `creating` and `error` it has no DR disk.
        """
        with self._open() as session:
            made = _Made(name, replication_id, description, status)
            into = _group(session, group_id)
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
                replication_rows.change(session, _pair(session, begun.id), status=made.status)
            group_rows.recount(session, group_id)
            return begun.id

    def add_instance(
        self,
        group_id: str,
        name: str = "instance",
        *,
        server_id: str | None = None,
        description: str | None = None,
        flavor: str = "",
        tags: Mapping[str, str] = MappingProxyType({}),
        status: str | None = None,
        instance_id: str = "",
    ) -> str:
        """Put an instance with its pairs into a group, at once, of a server of its own unless one is named; its id.

        It has the group's status unless another is given; in `creating` and `error` it has no DR server.
        """
        with self._open() as session:
            made = _Made(name, instance_id, description, status)
            into = _group(session, group_id)
            machine = compute.look_up(
                session, server_id or session.draw.uuid(), zone=into.production_zone, vpc_id=into.source_vpc_id
            )
            if machine is None:
                raise KeyError(server_id)
            blueprint = Blueprint(
                made.name,
                made.description,
                machine,
                flavor=flavor,
                subnet_id="",
                ip_address="",
                tags=dict(tags),
                id=made.id,
            )
            (begun,) = instance_creation.begin(session, into, [blueprint])
            if made.is_whole:
                instance_creation.finish(session, begun)
            if made.status is not None:
                instance_rows.change(session, _instance(session, begun.id), status=made.status)
            return begun.id

    def add_drill(
        self,
        group_id: str,
        name: str = "drill",
        *,
        drill_vpc_id: str | None = None,
        status: str | None = None,
        drill_id: str = "",
    ) -> str:
        """Let a group have a drill, at once; its id. In `creating` and `error` it has no servers."""
        with self._open() as session:
            made = _Made(name, drill_id, None, status)
            _group(session, group_id)
            now = session.now
            begun = Drill(
                made.id or session.draw.uuid(),
                group_id,
                made.name,
                Status.CREATING,
                drill_vpc_id or session.draw.uuid(),
                compact([]),
                now,
                now,
            )
            drill_rows.insert(session, begun)
            if made.is_whole:
                drills.finish(session, begun)
            if made.status is not None:
                drill_rows.change(session, _drill(session, begun.id), status=made.status)
            group_rows.note_drill(session, group_id)
            group_rows.recount(session, group_id)
            return begun.id

    def attach(self, instance_id: str, replication_id: str, device: str = "/dev/vdb") -> None:
        """Attach a pair to an instance, at once."""
        with self._open() as session:
            to, what = _instance(session, instance_id), _pair(session, replication_id)
            attachment_rows.add(session, Attachment(to.id, what.id, device, shown=False), group_id=to.group_id)
            attachments.link(session, to, what)

    def detach(self, instance_id: str, replication_id: str) -> None:
        """Detach a pair from an instance, at once."""
        with self._open() as session:
            attachments.unlink(session, _instance(session, instance_id), _pair(session, replication_id))

    def delete_group(self, group_id: str) -> None:
        """Remove a group with its members, at once."""
        with self._open() as session:
            gone = _group(session, group_id)
            for one_drill in drill_rows.of_group(session, group_id):
                drills.discard(session, one_drill)
            for one in instance_rows.of_group(session, group_id):
                instance_deletion.finish(session, one, Options())
            for one_pair in replication_rows.of_group(session, group_id):
                replications.discard(session, one_pair, with_volume=False)
            group_rows.remove(session, gone)

    def delete_instance(self, instance_id: str, *, with_server: bool = False) -> None:
        """Remove an instance with the pairs that go with it, at once; the DR server stays unless it shall go too."""
        with self._open() as session:
            gone = _instance(session, instance_id)
            instance_deletion.finish(session, gone, Options(server=with_server))
            group_rows.recount(session, gone.group_id)

    def delete_replication(self, replication_id: str, *, with_volume: bool = False) -> None:
        """Remove a pair, from its instances too, at once; the DR disk stays unless it shall go too."""
        with self._open() as session:
            replications.discard(session, _pair(session, replication_id), with_volume=with_volume)

    def delete_drill(self, drill_id: str) -> None:
        """Remove a drill with its servers, at once."""
        with self._open() as session:
            drills.discard(session, _drill(session, drill_id))

    def delete_server(self, server_id: str) -> None:
        """Remove a server past SDRS: instances that have it become invalid."""
        with self._open() as session:
            compute.remove_server(session, _server(session, server_id), with_disks=False)
            for one in instance_rows.of_server(session, server_id):
                instance_rows.change(session, one, status=MemberStatus.INVALID)

    def delete_disk(self, disk_id: str) -> None:
        """Remove a disk past SDRS: the pair that has it becomes invalid."""
        with self._open() as session:
            compute.remove_disk(session, _disk(session, disk_id))
            for one in replication_rows.every(session):
                if disk_id in one.volumes:
                    replication_rows.change(session, one, status=MemberStatus.INVALID)

    def set_quota(self, kind: str, number: int) -> None:
        """Set the quota of `server_groups` or `replications`, -1 for none. KeyError for another kind."""
        with self._open() as session:
            discovery.set_quota(session, kind, number)

    def expire_tokens(self) -> None:
        """Let all tokens that IAM has given out expire now."""
        with self._open() as session:
            identity_rows.expire_tokens(session)

    def renew_token(self, token: str) -> None:
        """Let the preset or an accepted token work again after `expire-token` has met it."""
        with self._open() as session:
            identity_rows.forget_token(session, token)

    def set_user_status(self, user_id: str, status: UserStatus) -> None:
        """Disable, lock or let in again a user of a world with accounts; the tokens of one who isn't active end."""
        with self._open() as session:
            known = identity_rows.accounts(session)
            user = _found(None if known is None else known.user(user_id), user_id)
            if known is not None:
                identity_rows.set_accounts(session, known.with_user(replace(user, status=status)))


T = TypeVar("T")


def _found(thing: T | None, wanted: str) -> T:
    if thing is None:
        raise KeyError(wanted)
    return thing


def _group(session: Session, group_id: str) -> Group:
    """The group."""
    return _found(group_rows.find(session, group_id), group_id)


def _instance(session: Session, instance_id: str) -> Instance:
    """The instance."""
    return _found(instance_rows.find(session, instance_id), instance_id)


def _pair(session: Session, pair_id: str) -> Pair:
    """The pair."""
    return _found(replication_rows.find(session, pair_id), pair_id)


def _drill(session: Session, drill_id: str) -> Drill:
    """The drill."""
    return _found(drill_rows.find(session, drill_id), drill_id)


def _server(session: Session, server_id: str) -> Server:
    """The server, once it is known."""
    return _found(compute.find_server(session, server_id), server_id)


def _disk(session: Session, disk_id: str) -> Disk:
    """The disk, once it is known."""
    return _found(compute.find_disk(session, disk_id), disk_id)


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
class _Made:
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
