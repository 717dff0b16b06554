"""Several protected instances at once, as Huawei Cloud offers it (docs/sdrs-api.md, "Batches")."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from declarative.simulator.calls import instance_creation, instance_deletion, instances, jobs, preconditions, tags
from declarative.simulator.calls.instance_creation import Blueprint
from declarative.simulator.calls.instance_deletion import Options
from declarative.simulator.calls.jobs import Ending, Job, Order
from declarative.simulator.protocol.fields import read_description, read_id, read_list, read_object, read_wrapped
from declarative.simulator.protocol.wire import Answer, compact, refusal
from declarative.simulator.tables import group_rows, instance_rows
from declarative.simulator.tables.group_rows import Group
from declarative.simulator.tables.instance_rows import Instance
from declarative.simulator.tables.session import Call, Session
from declarative.simulator.tables.states import FREE, STEADY, Status

# Neither type of job is documented.
_CREATE = "batchCreateProtectedInstancesNoCG"
_DELETE = "batchDeleteProtectedInstancesNoCG"
_CREATE_LIMIT = 5
_DELETE_LIMIT = 20
_PREFIX = re.compile(r"[A-Za-z0-9._-]{1,59}", re.ASCII)


def create(call: Call) -> Answer:
    """`POST protected-instances/batch`: servers that share a disk must all be among them."""
    session = call.session
    fields = read_wrapped(call.request.body, "protected_instances")
    group = group_rows.wanted(session, fields.get("server_group_id"))
    blueprints = _blueprints(session, group, fields)
    preconditions.check_group(session, group, STEADY, code="SDRS.1024")
    together = {blueprint.machine.server.id for blueprint in blueprints}
    for blueprint in blueprints:
        instance_creation.check_machine(session, group, blueprint.machine, together=together)
    instance_creation.check_room(session, group, [blueprint.machine for blueprint in blueprints])
    made = instance_creation.begin(session, group, blueprints)
    return _submit(call, made, Order(_CREATE, group.id, instances.CREATE_SECONDS, {}, {}, instances.CREATE))


def _blueprints(session: Session, group: Group, fields: Mapping[str, object]) -> list[Blueprint]:
    prefix = fields.get("name_prefix")
    if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
        raise refusal("SDRS.0202", "The name is invalid.")
    description = read_description(fields)
    subnet_id, _ = instance_creation.read_network(session, fields)
    given = tags.read_tags(session, fields)
    blueprints = []
    for number, (server_id, flavor) in enumerate(_servers(fields), start=1):
        machine = instance_creation.find_machine(session, group, server_id, missing="SDRS.1360")
        name = f"{prefix}-{number:04d}"
        blueprints.append(Blueprint(name, description, machine, flavor, subnet_id, "", given))
    return blueprints


def _servers(fields: Mapping[str, object]) -> list[tuple[str, str]]:
    """The ids of the servers, each with the flavor of its DR server."""
    found = []
    for entry in read_list(fields, "servers"):
        if not isinstance(entry, dict):
            raise refusal("SDRS.0201", "The parameter servers is invalid.")
        server_id = read_id(entry.get("server_id"), code="SDRS.0210", what="server id")
        found.append((server_id, instance_creation.read_flavor(entry, "flavorRef")))
    if not found:
        raise refusal("SDRS.0201", "The parameter servers is empty.")
    if len(found) > _CREATE_LIMIT:
        raise refusal("SDRS.1362", "The parameter servers is too long.")
    if len({server_id for server_id, _ in found}) < len(found):
        raise refusal("SDRS.1361", "The parameter servers repeats a server id.")
    return found


def delete(call: Call) -> Answer:
    """`POST protected-instances/delete`: instances of one group, with all that share a pair among them."""
    session = call.session
    fields = read_object(call.request.body)
    chosen = [preconditions.instance(session, instance_id) for instance_id in _ids(fields)]
    if len({instance.group_id for instance in chosen}) > 1:
        raise refusal("SDRS.1364", "The protected instances belong to several protection groups.")
    options = Options.read(fields)
    group = preconditions.group_of(session, chosen[0].group_id)
    preconditions.check_group(session, group, FREE, code="SDRS.1324")
    together = {instance.id for instance in chosen}
    for instance in chosen:
        instance_deletion.check(session, group, instance, options, together=together, shared="SDRS.1409")
    for instance in chosen:
        instance_rows.change(session, instance, status=Status.DELETING)
    order = Order(_DELETE, group.id, instances.DELETE_SECONDS, {}, {}, instances.DELETE, intent=options.text())
    return _submit(call, chosen, order)


def _ids(fields: Mapping[str, object]) -> list[str]:
    ids = []
    for entry in read_list(fields, "protected_instances"):
        if not isinstance(entry, dict):
            raise refusal("SDRS.0201", "The parameter protected_instances is invalid.")
        ids.append(read_id(entry.get("id"), code="SDRS.0208", what="protected instance id"))
    if not 1 <= len(ids) <= _DELETE_LIMIT:
        raise refusal("SDRS.0201", f"The parameter protected_instances must hold 1 to {_DELETE_LIMIT} ids.")
    if len(set(ids)) < len(ids):
        raise refusal("SDRS.1363", "The parameter protected_instances repeats an id.")
    return ids


def _submit(call: Call, chosen: list[Instance], order: Order) -> Answer:
    """Start the one job of a batch, with a subjob for each instance."""
    ids = [instance.id for instance in chosen]
    steps = [{"protected_instance_id": instance_id} for instance_id in ids]
    return jobs.submit(call, replace(order, steps=steps, subject=compact(ids)), status=202)


def _end_create(session: Session, job: Job) -> None:
    for instance_id in json.loads(job.subject):
        instances.end_creation(session, job, instance_id)


def _end_delete(session: Session, job: Job) -> None:
    for instance_id in json.loads(job.subject):
        instances.end_deletion(session, job, instance_id, Options(*json.loads(job.intent)))
    group_rows.recount(session, job.group_id)


ENDINGS: Mapping[str, Ending] = {_CREATE: _end_create, _DELETE: _end_delete}
