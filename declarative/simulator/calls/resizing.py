"""Changing the flavors of a protected instance's servers (docs/sdrs-api.md, "Resize")."""

from __future__ import annotations

import json
from collections.abc import Mapping

from declarative.simulator.calls import jobs, preconditions, tasks
from declarative.simulator.calls.instance_creation import read_flavor
from declarative.simulator.calls.instances import failure
from declarative.simulator.calls.jobs import Ending, Job, Order
from declarative.simulator.protocol.fields import read_wrapped
from declarative.simulator.protocol.wire import Answer, compact, refusal
from declarative.simulator.tables import compute, group_rows, instance_rows
from declarative.simulator.tables.compute import Server
from declarative.simulator.tables.group_rows import Group
from declarative.simulator.tables.instance_rows import Instance
from declarative.simulator.tables.session import Call, Session
from declarative.simulator.tables.states import INSTANCE_RESIZABLE, STEADY, MemberStatus

_RESIZE = "resizeProtectedInstanceNew"
_SECONDS = 30.0


def resize(call: Call) -> Answer:
    """`POST protected-instances/{protected_instance_id}/resize`: the servers concerned must be stopped."""
    session = call.session
    instance = preconditions.instance(session, call.parameters[0])
    production_flavor, recovery_flavor = _read(call)
    group = preconditions.group_of(session, instance.group_id)
    preconditions.check_group(session, group, STEADY, code="SDRS.1024")
    preconditions.check_member(instance.status, INSTANCE_RESIZABLE, code="SDRS.1328", what="protected instance")
    wanted = {
        server.id: flavor
        for server, flavor in (
            (_server(session, instance, group.production_zone), production_flavor),
            (_server(session, instance, group.recovery_zone), recovery_flavor),
        )
        if server is not None and flavor
    }
    _check(session, group, wanted)
    instance_rows.change(session, instance, status=MemberStatus.RESIZING, prior=instance.status)
    entities = {"protected_instance_id": instance.id}
    order = Order(_RESIZE, group.id, _SECONDS, entities, {}, subject=instance.id, intent=compact(wanted))
    return jobs.submit(call, order)


def _read(call: Call) -> tuple[str, str]:
    """The flavors of production and of the DR server, each empty if it stays; `flavorRef` stands for both."""
    fields = read_wrapped(call.request.body, "resize")
    if both := read_flavor(fields, "flavorRef"):
        return both, both
    production = read_flavor(fields, "production_flavorRef", code="SDRS.1356")
    recovery = read_flavor(fields, "dr_flavorRef")
    if not production and not recovery:
        raise refusal("SDRS.0201", "The request names no flavor.")
    return production, recovery


def _server(session: Session, instance: Instance, zone: str) -> Server | None:
    servers = (compute.find_server(session, server_id) for server_id in instance.servers)
    return next((server for server in servers if server is not None and server.zone == zone), None)


def _check(session: Session, group: Group, wanted: Mapping[str, str]) -> None:
    servers = [server for server_id in wanted if (server := compute.find_server(session, server_id))]
    for server in servers:
        if server.status != compute.SHUTOFF:
            if server.zone == group.production_zone:
                raise refusal("SDRS.1319", "Stop the current production site server first.")
            raise refusal("SDRS.1342", "Stop the disaster recovery site server first.")
    if all(server.flavor == wanted[server.id] for server in servers):
        raise refusal("SDRS.1341", "The flavor is the current one.")


def _end(session: Session, job: Job) -> None:
    instance = instance_rows.find(session, job.subject)
    if instance is None:
        return  # removed behind the job's back
    if job.failed:
        instance_rows.change(session, instance, status=MemberStatus.ERROR_RESIZING)
        tasks.record(session, job, failure(instance, "resizeFail"))
        return
    for server_id, flavor in json.loads(job.intent).items():
        server = compute.find_server(session, server_id)
        if server is not None:
            compute.set_flavor(session, server, flavor)
    group = group_rows.find(session, instance.group_id)
    instance_rows.change(session, instance, status=group.status if group else instance.prior)


ENDINGS: Mapping[str, Ending] = {_RESIZE: _end}
