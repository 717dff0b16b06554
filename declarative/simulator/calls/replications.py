"""Replication pairs: their calls and how their jobs end (docs/sdrs-api.md, "Replication pairs")."""

from __future__ import annotations

import math
from collections.abc import Mapping

from declarative.simulator.calls import instance_creation, jobs, preconditions, tasks
from declarative.simulator.calls.discovery import check_quota
from declarative.simulator.calls.jobs import Ending, Job, Order
from declarative.simulator.calls.listing import Filter, Listing, page
from declarative.simulator.calls.tasks import Failure
from declarative.simulator.protocol.fields import (
    Query,
    read_description,
    read_id,
    read_name,
    read_object,
    read_truth,
    read_wrapped,
)
from declarative.simulator.protocol.wire import Answer, compact, refusal
from declarative.simulator.settings import UNLIMITED
from declarative.simulator.tables import attachment_rows, compute, group_rows, replication_rows
from declarative.simulator.tables.compute import Disk, Role
from declarative.simulator.tables.group_rows import Group
from declarative.simulator.tables.history import Noun
from declarative.simulator.tables.replication_rows import Pair
from declarative.simulator.tables.session import Call, Session
from declarative.simulator.tables.states import (
    PAIR_DELETABLE,
    PAIR_DELETING_GROUP,
    PAIR_EXPANDABLE,
    PAIR_STATUSES,
    STEADY,
    MemberStatus,
    Status,
)

_CREATE = "createReplicationPairNoCG"
_DELETE = "deleteReplicationPairNoCG"
_EXPAND = "expandReplicationPairNew"
_CREATE_SECONDS = 30.0
_DELETE_SECONDS = 15.0
_EXPAND_SECONDS = 10.0
_LARGEST = 32_768  # GB
_LISTING = Listing("replications", replication_rows.SELECT, "replications")


def create(call: Call) -> Answer:
    """`POST replications`: of a disk that is attached to nothing."""
    session = call.session
    fields = read_wrapped(call.request.body, "replication")
    group = group_rows.wanted(session, fields.get("server_group_id"))
    name, description = read_name(fields), read_description(fields)
    disk = _find_disk(session, group, fields)
    preconditions.check_group(session, group, STEADY, code="SDRS.1024")
    _check_disk(session, group, disk)
    _check_room(session)
    compute.keep_disk(session, disk)
    pair = replication_rows.new(session, group.id, disk, name=name, description=description)
    replication_rows.insert(session, pair)
    group_rows.recount(session, group.id)
    result = {"replication_pair_id": pair.id}
    return jobs.submit(call, Order(_CREATE, group.id, _CREATE_SECONDS, {}, result, subject=pair.id))


def _find_disk(session: Session, group: Group, fields: Mapping[str, object]) -> Disk:
    volume_id = fields.get("volume_id")
    if volume_id is None:
        raise refusal("SDRS.1803", "The disk is null.")
    checked = read_id(volume_id, code="SDRS.0211", what="volume id")
    disk = compute.look_up_disk(session, checked, zone=group.production_zone)
    if disk is None:
        raise refusal("SDRS.0211", "The volume does not exist.")
    return disk


def _check_disk(session: Session, group: Group, disk: Disk) -> None:
    if disk.role == Role.DRILL:
        raise refusal("SDRS.1825", "The disk is used by a disaster recovery drill.")
    if disk.role == Role.RECOVERY or replication_rows.of_volume(session, disk.id) is not None:
        raise refusal("SDRS.1811", "The disk is used by a replication pair.")
    if disk.status != compute.AVAILABLE:
        raise refusal("SDRS.1801", f"The disk is {disk.status}.")
    if disk.zone != group.production_zone:
        raise refusal("SDRS.1810", "The disk is outside the production availability zone.")


def _check_room(session: Session) -> None:
    check_quota(session, "replications", 1, code="SDRS.0306")
    limit = session.facts.rules.unattached_limit
    if limit != UNLIMITED and replication_rows.unattached(session) >= limit:
        raise refusal("SDRS.1826", "There are too many replication pairs that are not attached.")


def list_replications(call: Call) -> Answer:
    """`GET replications`: without a filter for groups or instances, all of the project."""
    query = call.query()
    wanted = preconditions.wanted_by(query, PAIR_STATUSES)
    preconditions.add_places(wanted, query)
    preconditions.add_groups(wanted, query)
    _add_instances(wanted, query)
    found = page(call, _LISTING, wanted, query)
    shown = replication_rows.documents(call.session, [Pair(*row) for row in found.rows])
    return found.answer(map(compact, shown))


def _add_instances(wanted: Filter, query: Query) -> None:
    """The filter of one instance or some; a list of ids beats a single one."""
    ids = query.ids("protected_instance_ids")
    if ids is None:
        instance_id = query.text("protected_instance_id")
        if not instance_id:
            return
        ids = [read_id(instance_id, code="SDRS.0208", what="protected instance id")]
    wanted.add(
        "id IN (SELECT replication_id FROM attachments WHERE shown AND instance_id IN"
        " (SELECT value FROM json_each(?)))",
        compact(ids),
    )


def show(call: Call) -> Answer:
    """`GET replications/{replication_id}`."""
    return _shown(call.session, preconditions.pair(call.session, call.parameters[0]))


def _shown(session: Session, pair: Pair) -> Answer:
    (document,) = replication_rows.documents(session, [pair])
    return Answer.of({"replication": document})


def rename(call: Call) -> Answer:
    """`PUT replications/{replication_id}`: the name only, in any status."""
    pair = preconditions.pair(call.session, call.parameters[0])
    name = read_name(read_wrapped(call.request.body, "replication"))
    return _shown(call.session, replication_rows.set_name(call.session, pair, name))


def delete(call: Call) -> Answer:
    """`DELETE replications/{replication_id}`.

    A missing body stands for the defaults (docs/sdrs-api.md, "Request bodies").
    """
    session = call.session
    pair = preconditions.pair(session, call.parameters[0])
    fields = read_wrapped(call.request.body, "replication") if call.request.body.strip() else {}
    with_volume = read_truth(fields, "delete_target_volume")
    group_id = fields.get("server_group_id")
    if group_id is not None:
        checked = read_id(group_id, code="SDRS.0207", what="protection group id")
        if checked != pair.group_id:
            raise refusal("SDRS.1611", "The replication pair belongs to another protection group.")
    group = preconditions.group_of(session, pair.group_id)
    preconditions.check_group(session, group, PAIR_DELETING_GROUP, code="SDRS.1002")
    if any(one.shown for one in attachment_rows.of_pairs(session, [pair.id])[pair.id]):
        raise refusal("SDRS.1605", "The replication pair is attached.")
    preconditions.check_member(pair.status, PAIR_DELETABLE, code="SDRS.0214", what="replication pair")
    if with_volume and session.facts.rules.frozen:
        raise refusal("SDRS.1828", "The account is frozen; the disaster recovery disk can't be deleted.")
    replication_rows.change(session, pair, status=Status.DELETING)
    entities = {"replication_pair_id": pair.id}
    order = Order(_DELETE, group.id, _DELETE_SECONDS, entities, {}, subject=pair.id, intent=compact(with_volume))
    return jobs.submit(call, order)


def act(call: Call) -> Answer:
    """`POST replications/{replication_id}/action`: expand, the only action there is."""
    session = call.session
    pair = preconditions.pair(session, call.parameters[0])
    document = read_object(call.request.body)
    if list(document) != ["extend-replication"]:
        raise refusal("SDRS.0206", "The action is invalid.")
    size = _read_size(document["extend-replication"], pair)
    preconditions.check_member(pair.status, PAIR_EXPANDABLE, code="SDRS.0214", what="replication pair")
    group = preconditions.group_of(session, pair.group_id)
    preconditions.check_group(session, group, frozenset({group.status}), code="SDRS.1002")  # no status is listed
    _check_growth(session, pair)
    replication_rows.change(session, pair, status=MemberStatus.EXTENDING, prior=pair.status)
    entities = {"replication_pair_id": pair.id}
    order = Order(_EXPAND, group.id, _EXPAND_SECONDS, entities, {}, subject=pair.id, intent=str(size))
    return jobs.submit(call, order)


def _read_size(options: object, pair: Pair) -> int:
    """The new size in GB, larger than now; a fraction is cut off."""
    given = options.get("new_size") if isinstance(options, dict) else None
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise refusal("SDRS.0201", "The parameter new_size is invalid.")
    if not pair.size < int(given) <= _LARGEST:
        raise refusal("SDRS.0201", "The parameter new_size is invalid.")
    return int(given)


def _check_growth(session: Session, pair: Pair) -> None:
    disks = _disks(session, pair)
    if len({disk.size for disk in disks}) > 1:
        raise refusal("SDRS.1814", "The sizes of the disks differ.")
    statuses = {disk.status for disk in disks}
    if pair.multiattach and statuses != {compute.AVAILABLE}:
        raise refusal("SDRS.1818", "The shared disks must be available.")
    if not statuses <= {compute.AVAILABLE, compute.IN_USE}:
        raise refusal("SDRS.1817", "The disks must be available or in use.")
    if compute.IN_USE in statuses and not session.facts.rules.grows_in_use:
        raise refusal("SDRS.1816", "The disks must be available.")


def _disks(session: Session, pair: Pair) -> list[Disk]:
    return [disk for volume_id in pair.volumes if (disk := compute.find_disk(session, volume_id)) is not None]


def _end_create(session: Session, job: Job) -> None:
    pair = replication_rows.find(session, job.subject)
    group = group_rows.find(session, job.group_id)
    if pair is None or group is None:
        return  # removed behind the job's back
    if job.failed:
        replication_rows.change(session, pair, status=Status.ERROR, failure=job.error_code)
        tasks.record(session, job, _failure(pair, "createFail"))
        if not session.facts.rules.failed_creates_stay:
            discard(session, pair, with_volume=False)
        return
    volume_id = instance_creation.finish_pair(session, group, pair)
    jobs.tell(session, job, {"volume_ids": f"{pair.volume_id},{volume_id}"})


def _end_delete(session: Session, job: Job) -> None:
    pair = replication_rows.find(session, job.subject)
    if pair is None:
        return
    if job.failed:
        replication_rows.change(session, pair, status=Status.ERROR_DELETING)
        tasks.record(session, job, _failure(pair, "deleteFail"))
        return
    discard(session, pair, with_volume=job.intent == compact(True))


def discard(session: Session, pair: Pair, *, with_volume: bool) -> None:
    """Remove a pair; its second disk goes too or stays as an ordinary one."""
    replication_rows.remove(session, pair)
    recovery = compute.find_disk(session, pair.target_volume)
    if recovery is not None and with_volume:
        compute.remove_disk(session, recovery)
    for volume_id in pair.volumes:
        compute.release_disk(session, volume_id)
    group_rows.recount(session, pair.group_id)


def _end_expand(session: Session, job: Job) -> None:
    pair = replication_rows.find(session, job.subject)
    if pair is None:
        return
    if job.failed:
        replication_rows.change(session, pair, status=MemberStatus.ERROR_EXTENDING)
        tasks.record(session, job, _failure(pair, "expandFail"))
        return
    grow(session, pair, int(job.intent))
    group = group_rows.find(session, pair.group_id)
    replication_rows.change(session, pair, status=group.status if group else pair.prior)


def grow(session: Session, pair: Pair, size: int) -> None:
    """Let both disks of a pair be of this size, in GB."""
    for disk in _disks(session, pair):
        compute.set_size(session, disk, size)
    replication_rows.set_size(session, pair, size)


def _failure(pair: Pair, failure_status: str) -> Failure:
    return Failure(pair.id, pair.name, Noun.PAIR, failure_status, pair.group_id)


ENDINGS: Mapping[str, Ending] = {_CREATE: _end_create, _DELETE: _end_delete, _EXPAND: _end_expand}
