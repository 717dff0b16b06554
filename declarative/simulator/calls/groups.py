"""Protection groups: their calls, states and actions (docs/sdrs-api.md, "Protection groups")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from declarative.simulator.calls import jobs, tasks
from declarative.simulator.calls.discovery import check_quota
from declarative.simulator.calls.jobs import Ending, Job, Order
from declarative.simulator.calls.listing import Filter, Listing, page
from declarative.simulator.calls.tasks import Failure
from declarative.simulator.protocol.fields import (
    Query,
    read_choice,
    read_description,
    read_id,
    read_name,
    read_object,
    read_wrapped,
)
from declarative.simulator.protocol.wire import Answer, refusal, stamp_blank
from declarative.simulator.settings import Domain
from declarative.simulator.tables import compute, group_rows, instance_rows, members, replication_rows
from declarative.simulator.tables.group_rows import Group
from declarative.simulator.tables.session import Call, Session
from declarative.simulator.tables.states import IS_ABNORMAL, Station, Status

_LISTING = Listing("groups", "SELECT id, body FROM groups", "server_groups")
_DISK_BROKEN, _LINK_BROKEN = "2", "5"  # fault levels of pairs
_GOES = (Status.AVAILABLE, Status.ERROR, Status.ERROR_DELETING)
_CREATE_SECONDS = 15.0
_DELETE_SECONDS = 5.0
_CREATE = "createProtectionGroupNoCG"
_DELETE = "deleteProtectionGroupNoCG"


@dataclass(frozen=True, slots=True)
class Action:
    """One row of the state machine: a job that takes a group from one of `begins` through `during` to `after`.

    `failed` is where it stays when the job fails, `empty` the code for a group without pairs.
    """

    job_type: str
    step_type: str
    begins: frozenset[Status]
    during: Status
    after: Status
    failed: Status
    failure_status: str
    empty: str
    seconds: float


_START = Action(
    job_type="startProtectionGroupNoCG",
    step_type="startProtectionGroupRepNoCG",
    begins=frozenset({Status.AVAILABLE, Status.ERROR_STARTING}),
    during=Status.STARTING,
    after=Status.PROTECTED,
    failed=Status.ERROR_STARTING,
    failure_status="startFail",
    empty="SDRS.1027",
    seconds=20.0,
)
_REPROTECT = Action(
    job_type="reprotectProtectionGroupNoCG",
    step_type="reprotectProtectionGroupRepNoCG",
    begins=frozenset({Status.FAILED_OVER, Status.ERROR_REPROTECTING}),
    during=Status.REPROTECTING,
    after=Status.PROTECTED,
    failed=Status.ERROR_REPROTECTING,
    failure_status="reprotectFail",
    empty="SDRS.1032",
    seconds=20.0,
)
_STOP = Action(
    job_type="stopProtectionGroupNoCG",
    step_type="stopProtectionGroupRepNoCG",
    begins=frozenset({Status.PROTECTED, Status.ERROR_STOPPING}),
    during=Status.STOPPING,
    after=Status.AVAILABLE,
    failed=Status.ERROR_STOPPING,
    failure_status="stopFail",
    empty="SDRS.1028",
    seconds=8.0,
)
_FAILOVER = Action(
    job_type="failoverProtectionGroupNoCG",
    step_type="failoverProtectionGroupRepNoCG",
    begins=frozenset({Status.PROTECTED, Status.ERROR_FAILING_OVER, Status.ERROR_REVERSING}),
    during=Status.FAILING_OVER,
    after=Status.FAILED_OVER,
    failed=Status.ERROR_FAILING_OVER,
    failure_status="failoverFail",
    empty="SDRS.1030",
    seconds=30.0,
)
_REVERSE = Action(
    job_type="reverseProtectionGroupNoCG",
    step_type="reverseProtectionGroupRepNoCG",
    begins=frozenset({Status.PROTECTED, Status.ERROR_REVERSING}),
    during=Status.REVERSING,
    after=Status.PROTECTED,
    failed=Status.ERROR_REVERSING,
    failure_status="reverseFail",
    empty="SDRS.1029",
    seconds=30.0,
)
_ACTIONS = {action.job_type: action for action in (_START, _REPROTECT, _STOP, _FAILOVER, _REVERSE)}
_WORDS = {
    "start-server-group": (_START, _REPROTECT),
    "stop-server-group": (_STOP,),
    "failover-server-group": (_FAILOVER,),
    "reverse-server-group": (_REVERSE,),
}
_QUERY_TYPES = {
    "": "",
    "general": "",
    "status_abnormal": IS_ABNORMAL,
    "stop_protected": f"status = '{Status.AVAILABLE}'",
    "period_no_dr_drill": "drilled < ?",
}
_NO_DRILL_DAYS = 90


def create(call: Call) -> Answer:
    """`POST server-groups`."""
    fields = read_wrapped(call.request.body, "server_group")
    group = _new_group(call.session, fields)
    check_quota(call.session, "server_groups", 1, code="SDRS.0305")
    group_rows.insert(call.session, group)
    order = Order(_CREATE, group.id, _CREATE_SECONDS, entities={}, result={"server_group_id": group.id})
    return jobs.submit(call, order)


def _new_group(session: Session, fields: Mapping[str, object]) -> Group:
    name = read_name(fields)
    description = read_description(fields)
    domain = _read_domain(session, fields)
    source, target = _read_zones(domain, fields)
    vpc = read_id(fields.get("source_vpc_id"), code="SDRS.0204", what="VPC")
    now = stamp_blank(session.now)
    return Group(
        id=session.draw.uuid(),
        name=name,
        description=description,
        status=Status.CREATING,
        progress=0,
        source_availability_zone=source,
        target_availability_zone=target,
        domain_id=domain.id,
        domain_name=domain.name,
        priority_station=Station.SOURCE,
        source_vpc_id=vpc,
        target_vpc_id=vpc,
        dr_type=read_choice(fields, "dr_type", choices=("migration",), default="migration"),
        server_type=read_choice(fields, "server_type", choices=("ECS",), default="ECS"),
        created_at=now,
        updated_at=now,
    )


def _read_domain(session: Session, fields: Mapping[str, object]) -> Domain:
    wanted = fields.get("domain_id")
    domain = next((domain for domain in session.facts.domains if domain.id == wanted), None)
    if domain is None:
        raise refusal("SDRS.0205", "The domain id is invalid.")
    if domain.sold_out:
        raise refusal("SDRS.0233", "The active-active domain is sold out.")
    return domain


def _read_zones(domain: Domain, fields: Mapping[str, object]) -> tuple[str, str]:
    source, target = fields.get("source_availability_zone"), fields.get("target_availability_zone")
    if not isinstance(source, str) or not isinstance(target, str) or {source, target} != set(domain.zones):
        raise refusal("SDRS.0203", "The availability zone is invalid.")
    return source, target


def list_groups(call: Call) -> Answer:
    """`GET server-groups`."""
    query = call.query()
    found = page(call, _LISTING, _wanted_by(call, query), query)
    return found.answer(group_rows.texts(call.session, found.rows))


def _wanted_by(call: Call, query: Query) -> Filter:
    wanted = Filter()
    if status := query.text("status"):
        if status not in tuple(Status):
            raise refusal("SDRS.0209", "The status is invalid.")
        wanted.add("status = ?", status)
    if name := query.text("name"):
        wanted.add("instr(lower(name), lower(?))", name)
    if zone := query.text("availability_zone"):
        wanted.add("zone = ?", zone)
    kind = query.text("query_type")
    if kind not in _QUERY_TYPES:
        raise refusal("SDRS.0201", "The parameter query_type is invalid.")
    if kind == "period_no_dr_drill":
        wanted.add(_QUERY_TYPES[kind], call.session.now - _NO_DRILL_DAYS * 86_400_000)
    elif _QUERY_TYPES[kind]:
        wanted.add(_QUERY_TYPES[kind])
    return wanted


def show(call: Call) -> Answer:
    """`GET server-groups/{server_group_id}`."""
    group = group_rows.shown(call.session, _wanted(call))
    return Answer.text(f'{{"server_group":{group.text()}}}')


def rename(call: Call) -> Answer:
    """`PUT server-groups/{server_group_id}`: the name only, in any status."""
    group = _wanted(call)
    name = read_name(read_wrapped(call.request.body, "server_group"))
    renamed = group_rows.shown(call.session, group_rows.set_name(call.session, group, name))
    shown = replace(renamed, created_at=_whole(renamed.created_at), updated_at=_whole(renamed.updated_at))
    return Answer.text(f'{{"server_group":{shown.text()}}}')


def _whole(stamp: str) -> str:
    """A time as the answer to a rename shows it, with one digit of a fraction (docs/sdrs-api.md, "Ids and times")."""
    return f"{stamp[:19]}.0"


def delete(call: Call) -> Answer:
    """`DELETE server-groups/{server_group_id}`: of an empty group, as a rule in any status.

    Which statuses allow it is not documented (docs/sdrs-api.md, "Delete a group").
    """
    session = call.session
    group = _wanted(call)
    _check_idle(session, group)
    if group.status not in _GOES and not session.facts.rules.groups_go_in_any_status:
        raise refusal("SDRS.1002", f"The protection group is {group.status}.")
    if group.protected_instance_num:
        raise refusal("SDRS.1001", "The protection group contains protected instances.")
    if group.disaster_recovery_drill_num:
        raise refusal("SDRS.1003", "The protection group contains disaster recovery drills.")
    if group.replication_num:
        raise refusal("SDRS.1010", "The protection group contains replication pairs.")
    group_rows.change(session, group, status=Status.DELETING)
    return jobs.submit(call, Order(_DELETE, group.id, _DELETE_SECONDS, {"server_group_id": group.id}, result={}))


def act(call: Call) -> Answer:
    """`POST server-groups/{server_group_id}/action`: exactly one action."""
    session = call.session
    group = _wanted(call)
    document = read_object(call.request.body)
    if len(document) != 1:
        raise refusal("SDRS.0201", "The request body must hold exactly one action.")
    ((word, options),) = document.items()
    if word not in _WORDS:
        raise refusal("SDRS.0206", "The action is invalid.")
    action = _permitted(session, group, word)
    station = _station_after(group, action, options)
    group_rows.change(session, group, status=action.during)
    members.follow(session, group.id, action.during)
    order = Order(
        action.job_type,
        group.id,
        action.seconds,
        entities={},
        result={},
        step_type=action.step_type,
        steps=[{"server_group_id": group.id}] * group.replication_num,
        intent=station,
    )
    return jobs.submit(call, order)


def check_action(session: Session, group: Group, word: str) -> None:
    """Refuse what the service would refuse at this moment: an action by its word, e.g. `failover-server-group`."""
    _permitted(session, group, word)


def _permitted(session: Session, group: Group, word: str) -> Action:
    """The action that the word means in the group's status.

    `start-server-group` either enables or reprotects (docs/sdrs-api.md, "Enable or reprotect").
    """
    _check_idle(session, group)
    action = next((action for action in _WORDS[word] if group.status in action.begins), None)
    if action is None:
        raise refusal("SDRS.1002", f"The protection group is {group.status}.")
    if not group.replication_num:
        raise refusal(action.empty, "The protection group contains no replication pair.")
    _check_members(session, group, action)
    return action


def _check_members(session: Session, group: Group, action: Action) -> None:
    """Members that lost a server or disk block the group; switches ask for servers that are stopped."""
    lost, levels = replication_rows.obstacle(session, group.id)
    if instance_rows.has_invalid(session, group.id):
        raise refusal("SDRS.1314", "A server of a protected instance has been deleted.")
    if lost:
        raise refusal("SDRS.0214", "A disk of a replication pair has been deleted.")
    if action in (_FAILOVER, _REVERSE) and _LINK_BROKEN in levels:
        raise refusal("SDRS.1824", "System error. Contact customer service.")
    if action is _REVERSE and _DISK_BROKEN in levels:
        raise refusal("SDRS.1823", "System error. Fail over, or contact customer service.")
    if action is _STOP and session.facts.rules.stop_needs_copy and replication_rows.is_copying(session, group.id):
        raise refusal("SDRS.1830", "Replication pairs of the protection group are being synchronized.")
    if action is _REVERSE and compute.running_servers(session, group.id, zone=group.production_zone):
        raise refusal("SDRS.1319", "Stop the current production site servers first.")
    if action is _REPROTECT and compute.running_servers(session, group.id, zone=group.recovery_zone):
        raise refusal("SDRS.1342", "Stop the disaster recovery site servers first.")


def _check_idle(session: Session, group: Group) -> None:
    if jobs.is_running(session, group.id):
        raise refusal("SDRS.1002", f"The protection group is {group.status}.")


def _station_after(group: Group, action: Action, options: object) -> Station:
    """Who is production when the action has ended well. Asking for whoever is already: SDRS.0216 (unverified)."""
    station = Station(group.priority_station)
    if action is _FAILOVER:
        return station.other
    if action is not _REVERSE:
        return station
    wanted = options.get("priority_station") if isinstance(options, dict) else None
    if wanted not in tuple(Station):
        raise refusal("SDRS.0201", "The parameter priority_station is invalid.")
    if wanted == station:
        raise refusal("SDRS.0216", "The preferred availability zone is production already.")
    return Station(wanted)


def _end_create(session: Session, job: Job) -> None:
    group = group_rows.find(session, job.group_id)
    if group is None:
        return  # removed behind the job's back
    if job.failed:
        group_rows.change(session, group, status=Status.ERROR)
        tasks.record(session, job, Failure(group.id, group.name, "server_groups", "createFail", ""))
        if not session.facts.rules.failed_creates_stay:
            group_rows.remove(session, group)
        return
    group_rows.change(session, group, status=Status.AVAILABLE)


def _end_delete(session: Session, job: Job) -> None:
    group = group_rows.find(session, job.group_id)
    if group is None:
        return
    if job.failed:
        group_rows.change(session, group, status=Status.ERROR_DELETING)
        tasks.record(session, job, Failure(group.id, group.name, "server_groups", "deleteFail", ""))
        return
    group_rows.remove(session, group)


def _end_action(session: Session, job: Job) -> None:
    group = group_rows.find(session, job.group_id)
    if group is None:
        return
    action = _ACTIONS[job.type]
    status = action.failed if job.failed else action.after
    if job.failed:
        members.follow(session, group.id, status)
        group_rows.change(session, group, status=status)
        failure = Failure(group.id, group.name, "server_groups", action.failure_status, group.id)
        tasks.record(session, job, failure)
        return
    _carry_out(session, group, action, Station(job.intent))


def enable(session: Session, group: Group) -> None:
    """Let protection have been enabled, as if an operator had seen to it."""
    _carry_out(session, group, _START, Station(group.priority_station))


def disable(session: Session, group: Group) -> None:
    """Let protection have been disabled, likewise."""
    _carry_out(session, group, _STOP, Station(group.priority_station))


def fail_over(session: Session, group: Group) -> None:
    """Let a failover have happened, likewise."""
    _carry_out(session, group, _FAILOVER, Station(group.priority_station).other)


def reverse(session: Session, group: Group) -> None:
    """Let a planned failover have happened, likewise."""
    _carry_out(session, group, _REVERSE, Station(group.priority_station).other)


def reprotect(session: Session, group: Group) -> None:
    """Let a failed-over group have been protected again in the new direction, likewise."""
    _carry_out(session, group, _REPROTECT, Station(group.priority_station))


def _carry_out(session: Session, group: Group, action: Action, station: Station) -> None:
    members.follow(session, group.id, action.after)
    group_rows.change(session, group, status=action.after, station=station)
    if action in (_START, _REPROTECT):
        replication_rows.begin_copying(session, group.id)
    elif action is _REVERSE:
        replication_rows.hold_copies(session, group.id)
    else:
        replication_rows.stop_copying(session, group.id)
    if action in (_FAILOVER, _REPROTECT):
        replication_rows.heal(session, group.id)


ENDINGS: Mapping[str, Ending] = {_CREATE: _end_create, _DELETE: _end_delete} | dict.fromkeys(_ACTIONS, _end_action)


def _wanted(call: Call) -> Group:
    return group_rows.wanted(call.session, call.parameters[0])
