"""What calls on members have in common: finding what they speak of, and whether the group takes them now."""

from __future__ import annotations

from declarative.simulator.calls import jobs
from declarative.simulator.calls.listing import Filter
from declarative.simulator.protocol.fields import Query, read_id
from declarative.simulator.protocol.wire import compact, refusal
from declarative.simulator.tables import drill_rows, group_rows, instance_rows, replication_rows
from declarative.simulator.tables.drill_rows import Drill
from declarative.simulator.tables.group_rows import Group
from declarative.simulator.tables.instance_rows import Instance
from declarative.simulator.tables.replication_rows import Pair
from declarative.simulator.tables.session import Session
from declarative.simulator.tables.states import IS_ABNORMAL, Statuses

_QUERY_TYPES = {"": "", "general": "", "status_abnormal": IS_ABNORMAL}


def instance(session: Session, instance_id: object) -> Instance:
    """The instance that a request speaks of; SDRS.0208 for what is no id, SDRS.1320 if there is none."""
    found = instance_rows.find(session, read_id(instance_id, code="SDRS.0208", what="protected instance id"))
    if found is None:
        raise session.missing("SDRS.1320", "The protected instance does not exist.")
    return found


def pair(session: Session, pair_id: object) -> Pair:
    """The pair that a request speaks of; SDRS.0213 for what is no id, SDRS.1608 if there is none."""
    found = replication_rows.find(session, read_id(pair_id, code="SDRS.0213", what="replication pair id"))
    if found is None:
        raise session.missing("SDRS.1608", "The replication pair does not exist.")
    return found


def drill(session: Session, drill_id: object) -> Drill:
    """The drill that a request speaks of; SDRS.1900 for what is no id, SDRS.1902 if there is none."""
    found = drill_rows.find(session, read_id(drill_id, code="SDRS.1900", what="disaster recovery drill id"))
    if found is None:
        raise session.missing("SDRS.1902", "The disaster recovery drill does not exist.")
    return found


def group_of(session: Session, group_id: str) -> Group:
    """The group of a member; KeyError would mean that the world is broken."""
    found = group_rows.find(session, group_id)
    if found is None:
        raise KeyError(group_id)
    return found


def check_group(session: Session, group: Group, allowed: Statuses, *, code: str) -> None:
    """Refuse a call on a member with `code` in a group of another status, and SDRS.1002 where one job is enough."""
    if group.status not in allowed:
        raise refusal(code, f"The protection group is {group.status}.")
    if session.facts.rules.one_at_a_time and jobs.is_running(session, group.id):
        raise refusal("SDRS.1002", "Another job of the protection group is running.")


def check_member(status: str, allowed: Statuses, *, code: str, what: str) -> None:
    """Refuse a call with `code` for a member of another status."""
    if status not in allowed:
        raise refusal(code, f"The {what} is {status}.")


def wanted_by(query: Query, statuses: Statuses) -> Filter:
    """The filters that lists of members share: status and name."""
    wanted = Filter()
    if status := query.text("status"):
        if status not in statuses:
            raise refusal("SDRS.0209", "The status is invalid.")
        wanted.add("status = ?", status)
    if name := query.text("name"):
        wanted.add("instr(lower(name), lower(?))", name)
    return wanted


def add_places(wanted: Filter, query: Query) -> None:
    """The filters that lists of instances and pairs share: zone of production, abnormal ones, one group or some."""
    kind = query.text("query_type")
    if kind not in _QUERY_TYPES:
        raise refusal("SDRS.0201", "The parameter query_type is invalid.")
    if _QUERY_TYPES[kind]:
        wanted.add(_QUERY_TYPES[kind])
    if zone := query.text("availability_zone"):
        wanted.add("group_id IN (SELECT id FROM groups WHERE zone = ?)", zone)


def add_groups(wanted: Filter, query: Query) -> bool:
    """The filter of one group or some, and whether there is one; a list of ids beats a single one."""
    if (ids := query.ids("server_group_ids")) is not None:
        wanted.add("group_id IN (SELECT value FROM json_each(?))", compact(ids))
        return True
    if group_id := query.text("server_group_id"):
        wanted.add("group_id = ?", read_id(group_id, code="SDRS.0207", what="protection group id"))
        return True
    return False
