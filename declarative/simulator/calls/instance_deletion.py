"""How protected instances go, and what goes with them (docs/sdrs-api.md, "Delete an instance").

Their automatic pairs go with them. A pair that was attached by hand stays, without attachment, unless the rules have it
otherwise; so does one that another instance has too. The DR server and its disks stay as ordinary resources unless the
request says otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from declarative.simulator.protocol.fields import read_truth
from declarative.simulator.protocol.wire import compact, refusal
from declarative.simulator.tables import attachment_rows, compute, instance_rows, replication_rows
from declarative.simulator.tables.group_rows import Group
from declarative.simulator.tables.instance_rows import Instance
from declarative.simulator.tables.replication_rows import Pair
from declarative.simulator.tables.session import Session
from declarative.simulator.tables.states import INSTANCE_DELETABLE, PAIR_MOVING, Status


@dataclass(frozen=True, slots=True)
class Options:
    """What shall go with an instance."""

    server: bool = False
    address: bool = False

    @classmethod
    def read(cls, fields: Mapping[str, object]) -> Options:
        """The options of a request, each false when absent."""
        return cls(read_truth(fields, "delete_target_server"), read_truth(fields, "delete_target_eip"))

    def text(self) -> str:
        """The options as a note for the job's ending."""
        return compact([self.server, self.address])


def check(
    session: Session, group: Group, instance: Instance, options: Options, *, together: Collection[str], shared: str
) -> None:
    """Refuse what can't be deleted now. `together` are the ids of all instances of the request.

    `shared` is the code for an instance with a pair that an instance outside the request has too.
    """
    if instance.status not in INSTANCE_DELETABLE:
        raise refusal("SDRS.1301", f"The protected instance is {instance.status}.")
    pairs = replication_rows.attached_to(session, instance.id)
    if any(pair.status in PAIR_MOVING for pair in pairs):
        raise refusal("SDRS.1301", "A replication pair of the protected instance is busy.")
    holders = attachment_rows.of_pairs(session, [pair.id for pair in pairs])
    if any(one.instance_id not in together for held in holders.values() for one in held):
        raise refusal(shared, "A replication pair is also attached to another protected instance.")
    if options.server and session.facts.rules.frozen:
        raise refusal("SDRS.1355", "The account is frozen; the disaster recovery server can't be deleted.")
    _check_sites(session, group, instance, options)


def _check_sites(session: Session, group: Group, instance: Instance, options: Options) -> None:
    target = compute.find_server(session, instance.target_server or "")
    if target is None or target.zone != group.production_zone:
        return
    if options.server:
        raise refusal("SDRS.1330", "The sites are swapped; the current production server can't be deleted.")
    if options.address:
        raise refusal("SDRS.1338", "The sites are swapped; the current production EIP can't be deleted.")


def finish(session: Session, instance: Instance, options: Options) -> None:
    """Let an instance be gone, with its pairs, and what the options say."""
    attached = replication_rows.attached_to(session, instance.id)
    mine = [pair for pair in attached if _goes(session, pair)]
    for pair in attached:
        if pair not in mine:
            unplug(session, instance, pair)
    instance_rows.remove(session, instance)
    for pair in mine:
        replication_rows.remove(session, pair)
    target = compute.find_server(session, instance.target_server or "")
    if target is not None and options.server:
        compute.remove_server(session, target, with_disks=True)
    for server_id in instance.servers:
        compute.release_server(session, server_id)
    for pair in mine:
        for volume_id in pair.volumes:
            compute.release_disk(session, volume_id)


def _goes(session: Session, pair: Pair) -> bool:
    """Whether the pair goes with its instance: by its kind, and only if no other instance has it."""
    rules = session.facts.rules
    if rules.automatic_pairs_stay if pair.automatic else rules.hand_made_pairs_stay:
        return False
    return len(attachment_rows.of_pairs(session, [pair.id])[pair.id]) == 1


def plug(session: Session, instance: Instance, pair: Pair, device: str) -> None:
    """Give the disks of a pair to the servers of an instance, each on its side."""
    for server_id, disk_id in _sides(session, instance, pair):
        compute.plug(session, server_id=server_id, disk_id=disk_id, device=device)


def unplug(session: Session, instance: Instance, pair: Pair) -> None:
    """Take the disks of a pair from the servers of an instance."""
    for server_id, disk_id in _sides(session, instance, pair):
        compute.unplug(session, server_id=server_id, disk_id=disk_id)


def _sides(session: Session, instance: Instance, pair: Pair) -> list[tuple[str, str]]:
    """Each server of the instance with the disk of the pair that is in the same zone."""
    servers = [compute.find_server(session, server_id) for server_id in instance.servers]
    disks = [compute.find_disk(session, disk_id) for disk_id in pair.volumes]
    return [
        (server.id, disk.id)
        for server in servers
        for disk in disks
        if server is not None and disk is not None and server.zone == disk.zone
    ]


def fail(session: Session, instance: Instance) -> None:
    """Let the deletion of an instance have failed."""
    instance_rows.change(session, instance, status=Status.ERROR_DELETING)
