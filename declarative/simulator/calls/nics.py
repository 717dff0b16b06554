"""NICs of protected instances (docs/sdrs-api.md, "NICs")."""

from __future__ import annotations

import json
from collections.abc import Mapping

from declarative.simulator.calls import jobs, preconditions
from declarative.simulator.calls.jobs import Ending, Job, Order
from declarative.simulator.protocol.fields import read_address, read_id, read_list, read_object
from declarative.simulator.protocol.wire import Answer, compact, refusal
from declarative.simulator.tables import instance_rows
from declarative.simulator.tables.history import Effect
from declarative.simulator.tables.instance_rows import Instance, Nic
from declarative.simulator.tables.session import Call, Session
from declarative.simulator.tables.states import STEADY, MemberStatus

_ADD = "addNicNew"
_DELETE = "deleteNicNew"
_SECONDS = 15.0
_LIMIT = 12  # with the primary one


def add(call: Call) -> Answer:
    """`POST protected-instances/{protected_instance_id}/nic`, a body without wrapper."""
    session = call.session
    instance = preconditions.instance(session, call.parameters[0])
    fields = read_object(call.request.body)
    subnet_id = read_id(fields.get("subnet_id"), code="SDRS.1335", what="subnet")
    address = read_address(fields.get("ip_address"))
    for group in read_list(fields, "security_groups"):
        read_id(group.get("id") if isinstance(group, dict) else None, code="SDRS.0201", what="security group")
    _check(session, instance)
    if address and instance_rows.is_taken(session, subnet_id, address):
        raise refusal("SDRS.1334", "The IP address is already in use in the subnet.")
    if len(instance_rows.nics(session, instance.id)) >= _LIMIT:
        raise refusal("SDRS.1340", "The protected instance has too many NICs.")
    nic_id = session.draw.uuid()
    instance_rows.change(session, instance, status=MemberStatus.NIC_CREATING, prior=instance.status)
    note = compact([nic_id, subnet_id, address])
    order = Order(_ADD, instance.group_id, _SECONDS, {}, {"nic_id": nic_id}, subject=instance.id, intent=note)
    return jobs.submit(call, order)


def _check(session: Session, instance: Instance) -> None:
    group = preconditions.group_of(session, instance.group_id)
    preconditions.check_group(session, group, STEADY, code="SDRS.1024")
    preconditions.check_member(instance.status, STEADY, code="SDRS.1327", what="protected instance")


def delete(call: Call) -> Answer:
    """`POST protected-instances/{protected_instance_id}/nic/delete`, a body without wrapper."""
    session = call.session
    instance = preconditions.instance(session, call.parameters[0])
    nic_id = read_id(read_object(call.request.body).get("nic_id"), code="SDRS.0223", what="NIC id")
    nic = next((nic for nic in instance_rows.nics(session, instance.id) if nic.id == nic_id), None)
    if nic is None:
        raise refusal("SDRS.1310", "The NIC does not exist.")
    if nic.is_primary:
        raise refusal("SDRS.1311", "The primary NIC can't be deleted.")
    _check(session, instance)
    instance_rows.change(session, instance, status=MemberStatus.NIC_DELETING, prior=instance.status)
    order = Order(_DELETE, instance.group_id, _SECONDS, {"nic_id": nic_id}, {}, subject=instance.id, intent=nic_id)
    return jobs.submit(call, order)


def _end_add(session: Session, job: Job) -> None:
    instance = _returned(session, job)
    if instance is None or job.failed:
        return
    nic_id, subnet_id, address = json.loads(job.intent)
    instance_rows.add_nic(session, Nic(nic_id, instance.id, subnet_id, address, is_primary=False))
    session.record(Effect.CHANGED, instance.subject, f"NIC {nic_id} added")


def _end_delete(session: Session, job: Job) -> None:
    instance = _returned(session, job)
    if instance is None or job.failed:
        return
    instance_rows.remove_nic(session, job.intent)
    session.record(Effect.CHANGED, instance.subject, f"NIC {job.intent} deleted")


def _returned(session: Session, job: Job) -> Instance | None:
    """The instance, back in the status it had, whether the work went well or not."""
    instance = instance_rows.find(session, job.subject)
    if instance is not None:
        instance_rows.change(session, instance, status=instance.prior)
    return instance


ENDINGS: Mapping[str, Ending] = {_ADD: _end_add, _DELETE: _end_delete}
