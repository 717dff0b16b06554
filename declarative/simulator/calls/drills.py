"""Disaster recovery drills: their calls and how their jobs end (docs/sdrs-api.md, "DR drills")."""

from __future__ import annotations

from collections.abc import Mapping

from declarative.simulator.calls import jobs, preconditions, tasks
from declarative.simulator.calls.jobs import Ending, Job, Order
from declarative.simulator.calls.listing import Listing, page
from declarative.simulator.calls.tasks import Failure
from declarative.simulator.protocol.fields import read_id, read_name, read_wrapped
from declarative.simulator.protocol.wire import Answer, compact, refusal
from declarative.simulator.tables import compute, drill_rows, group_rows, instance_rows
from declarative.simulator.tables.compute import Role
from declarative.simulator.tables.drill_rows import Drill
from declarative.simulator.tables.group_rows import Group
from declarative.simulator.tables.history import Noun
from declarative.simulator.tables.instance_rows import Instance
from declarative.simulator.tables.session import Call, Session
from declarative.simulator.tables.states import DRILL_DELETABLE, DRILL_STATUSES, DRILLING_GROUP, FREE, Status

_CREATE = "createDisasterRecoveryDrill"
_DELETE = "deleteDisasterRecoveryDrill"
_CREATE_SECONDS = 240.0
_DELETE_SECONDS = 60.0
_LISTING = Listing("drills", drill_rows.SELECT, "disaster_recovery_drills")


def create(call: Call) -> Answer:
    """`POST disaster-recovery-drills`: without `drill_vpc_id` a VPC is made."""
    session = call.session
    fields = read_wrapped(call.request.body, "disaster_recovery_drill")
    group = group_rows.wanted(session, fields.get("server_group_id"))
    name = read_name(fields)
    vpc_id = _vpc(session, group, fields.get("drill_vpc_id"))
    preconditions.check_group(session, group, DRILLING_GROUP, code="SDRS.1002")
    now = session.now
    drill = Drill(session.draw.uuid(), group.id, name, Status.CREATING, vpc_id, compact([]), now, now)
    drill_rows.insert(session, drill)
    group_rows.note_drill(session, group.id)
    group_rows.recount(session, group.id)
    result = {"disaster_recovery_drill_id": drill.id}
    return jobs.submit(call, Order(_CREATE, group.id, _CREATE_SECONDS, {}, result, subject=drill.id))


def _vpc(session: Session, group: Group, given: object) -> str:
    """The VPC of a drill: the one that was asked for, if it is fit for it, or a new one."""
    if given is None or given == "":
        return session.draw.uuid()
    vpc_id = read_id(given, code="SDRS.0204", what="VPC")
    if vpc_id in (group.source_vpc_id, group.target_vpc_id):
        raise refusal("SDRS.1907", "The drill VPC is that of the protection group.")
    if drill_rows.uses_vpc(session, vpc_id):
        raise refusal("SDRS.1921", "The drill VPC is used by another drill.")
    return vpc_id


def list_drills(call: Call) -> Answer:
    """`GET disaster-recovery-drills`."""
    query = call.query()
    wanted = preconditions.wanted_by(query, DRILL_STATUSES)
    if group_id := query.text("server_group_id"):
        wanted.add("group_id = ?", read_id(group_id, code="SDRS.0207", what="protection group id"))
    if vpc_id := query.text("drill_vpc_id"):
        wanted.add("vpc_id = ?", read_id(vpc_id, code="SDRS.0204", what="VPC"))
    found = page(call, _LISTING, wanted, query)
    return found.answer(compact(Drill(*row).document()) for row in found.rows)


def show(call: Call) -> Answer:
    """`GET disaster-recovery-drills/{disaster_recovery_drill_id}`."""
    return _shown(preconditions.drill(call.session, call.parameters[0]))


def _shown(drill: Drill) -> Answer:
    return Answer.of({"disaster_recovery_drill": drill.document()})


def rename(call: Call) -> Answer:
    """`PUT disaster-recovery-drills/{disaster_recovery_drill_id}`: the name only, in any status."""
    drill = preconditions.drill(call.session, call.parameters[0])
    name = read_name(read_wrapped(call.request.body, "disaster_recovery_drill"))
    return _shown(drill_rows.set_name(call.session, drill, name))


def delete(call: Call) -> Answer:
    """`DELETE disaster-recovery-drills/{disaster_recovery_drill_id}`: the VPC stays, even one that was made for it."""
    session = call.session
    drill = preconditions.drill(session, call.parameters[0])
    preconditions.check_group(session, preconditions.group_of(session, drill.group_id), FREE, code="SDRS.1002")
    preconditions.check_member(drill.status, DRILL_DELETABLE, code="SDRS.1913", what="disaster recovery drill")
    drill_rows.change(session, drill, status=Status.DELETING)
    entities = {"disaster_recovery_drill_id": drill.id}
    return jobs.submit(call, Order(_DELETE, drill.group_id, _DELETE_SECONDS, entities, {}, subject=drill.id))


def finish(session: Session, drill: Drill) -> None:
    """Let a drill be there, with a server for each instance of the group."""
    servers = [(one.id, _drill_server(session, drill, one)) for one in instance_rows.of_group(session, drill.group_id)]
    drill_rows.set_servers(session, drill, [(instance_id, made) for instance_id, made in servers if made])
    drill_rows.change(session, drill, status=Status.AVAILABLE)


def _drill_server(session: Session, drill: Drill, instance: Instance) -> str:
    """A server like the DR server, running, with disks like its; empty for an instance without one."""
    recovery = compute.find_server(session, instance.target_server or "")
    if recovery is None:
        return ""
    made = compute.make_server(
        session, recovery, zone=recovery.zone, flavor=recovery.flavor, role=Role.DRILL, vpc_id=drill.vpc_id
    )
    for plug in compute.plugs_of(session, recovery.id):
        disk = compute.make_disk(session, plug.disk, zone=recovery.zone, role=Role.DRILL)
        compute.plug(session, server_id=made.id, disk_id=disk.id, device=plug.device)
    compute.set_server_status(session, made, compute.ACTIVE)
    return made.id


def discard(session: Session, drill: Drill) -> None:
    """Let a drill be gone, with its servers and their disks."""
    drill_rows.remove(session, drill)
    for _, server_id in drill.server_ids():
        server = compute.find_server(session, server_id)
        if server is not None:
            compute.remove_server(session, server, with_disks=True)
    group_rows.recount(session, drill.group_id)


def _end_create(session: Session, job: Job) -> None:
    drill = drill_rows.find(session, job.subject)
    if drill is None:
        return  # removed behind the job's back
    if job.failed:
        drill_rows.change(session, drill, status=Status.ERROR)
        tasks.record(session, job, _failure(drill, "createFail"))
        if not session.facts.rules.failed_creates_stay:
            discard(session, drill)
        return
    finish(session, drill)


def _end_delete(session: Session, job: Job) -> None:
    drill = drill_rows.find(session, job.subject)
    if drill is None:
        return
    if job.failed:
        drill_rows.change(session, drill, status=Status.ERROR_DELETING)
        tasks.record(session, job, _failure(drill, "deleteFail"))
        return
    discard(session, drill)


def _failure(drill: Drill, failure_status: str) -> Failure:
    return Failure(drill.id, drill.name, Noun.DRILL, failure_status, drill.group_id)


ENDINGS: Mapping[str, Ending] = {_CREATE: _end_create, _DELETE: _end_delete}
