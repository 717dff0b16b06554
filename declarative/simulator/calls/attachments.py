"""Attaching pairs to instances and detaching them (docs/sdrs-api.md, "Attach" and "Detach")."""

from __future__ import annotations

import re
from collections.abc import Mapping

from declarative.simulator.calls import instance_deletion, jobs, preconditions, tasks
from declarative.simulator.calls.jobs import Ending, Job, Order
from declarative.simulator.calls.tasks import Failure
from declarative.simulator.protocol.fields import read_wrapped
from declarative.simulator.protocol.wire import Answer, refusal
from declarative.simulator.tables import attachment_rows, compute, instance_rows, replication_rows
from declarative.simulator.tables.attachment_rows import Attachment
from declarative.simulator.tables.group_rows import Group
from declarative.simulator.tables.history import Effect, Noun
from declarative.simulator.tables.instance_rows import Instance
from declarative.simulator.tables.replication_rows import Pair
from declarative.simulator.tables.session import Call, Session
from declarative.simulator.tables.states import (
    DETACHING_GROUP,
    DETACHING_INSTANCE,
    DETACHING_PAIR,
    STEADY,
    MemberStatus,
)

_ATTACH = "attachReplicationPairNew"
_DETACH = "detachReplicationPairNew"
_SECONDS = 10.0
_SYSTEM = ("/dev/vda", "/dev/sda")
_DEVICE = re.compile(r"/dev/(?:sd|vd|xvd)([a-z]{1,2})", re.ASCII)


def attach(call: Call) -> Answer:
    """`POST protected-instances/{protected_instance_id}/attachreplication`."""
    session = call.session
    instance = preconditions.instance(session, call.parameters[0])
    fields = read_wrapped(call.request.body, "replicationAttachment")
    pair = preconditions.pair(session, fields.get("replication_id"))
    device = _read_device(fields, session.facts.rules.device_prefix)
    if pair.group_id != instance.group_id:
        raise refusal("SDRS.1611", "The replication pair belongs to another protection group.")
    group = preconditions.group_of(session, instance.group_id)
    preconditions.check_group(session, group, STEADY, code="SDRS.1024")
    preconditions.check_member(instance.status, STEADY, code="SDRS.1328", what="protected instance")
    _check_free(session, instance, pair, device)
    preconditions.check_member(pair.status, STEADY, code="SDRS.1601", what="replication pair")
    if attachment_rows.of_pairs(session, [pair.id])[pair.id] and not pair.multiattach:
        _share(session, pair)
    attachment_rows.add(session, Attachment(instance.id, pair.id, device, shown=False), group_id=group.id)
    replication_rows.change(session, pair, status=MemberStatus.ATTACHING, prior=pair.status)
    return jobs.submit(call, _order(_ATTACH, group, instance, pair))


def _read_device(fields: Mapping[str, object], prefix: str) -> str:
    """The device, with the prefix that the hypervisor wants (docs/sdrs-api.md, "Attach")."""
    device = fields.get("device")
    match = _DEVICE.fullmatch(device) if isinstance(device, str) else None
    if match is None:
        raise refusal("SDRS.0201", "The parameter device is invalid.")
    return f"/dev/{prefix}{match[1]}"


def _check_free(session: Session, instance: Instance, pair: Pair, device: str) -> None:
    if pair.status in STEADY:
        _forget_failures(session, pair)
    held = attachment_rows.of_pairs(session, [pair.id])[pair.id]
    is_shared = pair.multiattach or compute.may_be_shared(session, pair.volume_id)
    if held and (not is_shared or any(one.instance_id == instance.id for one in held)):
        raise refusal("SDRS.1603", "The replication pair is attached already.")
    if any(one.device == device for one in attachment_rows.of_instances(session, [instance.id])[instance.id]):
        raise refusal("SDRS.1603", "The device name is used already.")


def _forget_failures(session: Session, pair: Pair) -> None:
    """An attachment that was never made is nothing once its pair is well again."""
    for one in attachment_rows.of_pairs(session, [pair.id])[pair.id]:
        if not one.shown:
            attachment_rows.remove(session, one.instance_id, pair.id)


def _share(session: Session, pair: Pair) -> None:
    """A disk of which nothing was known turns out to be a shared one when a second instance gets it."""
    replication_rows.set_shared(session, pair)
    compute.set_shared(session, pair.volumes)


def _order(job_type: str, group: Group, instance: Instance, pair: Pair) -> Order:
    entities = {"protected_instance_id": instance.id, "replication_pair_id": pair.id}
    return Order(job_type, group.id, _SECONDS, entities, {}, subject=pair.id, intent=instance.id)


def detach(call: Call) -> Answer:
    """`DELETE protected-instances/{protected_instance_id}/detachreplication/{replication_id}`."""
    session = call.session
    instance = preconditions.instance(session, call.parameters[0])
    pair = preconditions.pair(session, call.parameters[1])
    held = attachment_rows.of_pairs(session, [pair.id])[pair.id]
    attachment = next((one for one in held if one.instance_id == instance.id), None)
    if attachment is None:
        raise refusal("SDRS.1604", "The replication pair is not attached to the protected instance.")
    group = preconditions.group_of(session, instance.group_id)
    preconditions.check_group(session, group, DETACHING_GROUP, code="SDRS.1002")
    preconditions.check_member(instance.status, DETACHING_INSTANCE, code="SDRS.1314", what="protected instance")
    preconditions.check_member(pair.status, DETACHING_PAIR, code="SDRS.0214", what="replication pair")
    if attachment.device in _SYSTEM and _is_running(session, group, instance):
        raise refusal("SDRS.1316", "Stop the server first.")
    replication_rows.change(session, pair, status=MemberStatus.DETACHING, prior=pair.status)
    return jobs.submit(call, _order(_DETACH, group, instance, pair))


def _is_running(session: Session, group: Group, instance: Instance) -> bool:
    servers = [compute.find_server(session, server_id) for server_id in instance.servers]
    return any(
        server is not None and server.zone == group.production_zone and server.status == compute.ACTIVE
        for server in servers
    )


def link(session: Session, instance: Instance, pair: Pair) -> None:
    """Let an attachment that is written down have been made."""
    attachment_rows.show(session, instance.id, pair.id)
    (device,) = (
        one.device for one in attachment_rows.of_pairs(session, [pair.id])[pair.id] if one.instance_id == instance.id
    )
    instance_deletion.plug(session, instance, pair, device)
    session.record(Effect.ATTACHED, pair.subject, f"to {instance.id} as {device}")


def unlink(session: Session, instance: Instance, pair: Pair) -> None:
    """Let an attachment be gone."""
    attachment_rows.remove(session, instance.id, pair.id)
    instance_deletion.unplug(session, instance, pair)
    session.record(Effect.DETACHED, pair.subject, f"from {instance.id}")


def _end_attach(session: Session, job: Job) -> None:
    found = _both(session, job)
    if found is None:
        return
    instance, pair = found
    if job.failed:
        replication_rows.change(session, pair, status=MemberStatus.ERROR_ATTACHING)
        tasks.record(session, job, _failure(pair, "attachFail"))
        return
    link(session, instance, pair)
    replication_rows.change(session, pair, status=_word(session, pair))


def _end_detach(session: Session, job: Job) -> None:
    found = _both(session, job)
    if found is None:
        return
    instance, pair = found
    if job.failed:
        replication_rows.change(session, pair, status=MemberStatus.ERROR_DETACHING)
        tasks.record(session, job, _failure(pair, "detachFail"))
        return
    unlink(session, instance, pair)
    replication_rows.change(session, pair, status=_word(session, pair))


def _both(session: Session, job: Job) -> tuple[Instance, Pair] | None:
    """The instance and the pair, unless one was removed behind the job's back; a pair that is left is free again."""
    instance = instance_rows.find(session, job.intent)
    pair = replication_rows.find(session, job.subject)
    if pair is None:
        return None
    if instance is None:
        replication_rows.change(session, pair, status=_word(session, pair))
        return None
    return instance, pair


def _word(session: Session, pair: Pair) -> str:
    """The status after success: what the pair had, or the group's word if that was an error."""
    return preconditions.group_of(session, pair.group_id).status if pair.prior.startswith("error") else pair.prior


def _failure(pair: Pair, failure_status: str) -> Failure:
    return Failure(pair.id, pair.name, Noun.PAIR, failure_status, pair.group_id)


ENDINGS: Mapping[str, Ending] = {_ATTACH: _end_attach, _DETACH: _end_detach}
