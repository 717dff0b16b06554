"""Protected instances: their calls and how their jobs end (docs/sdrs-api.md, "Protected instances")."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from declarative.simulator.calls import instance_creation, instance_deletion, jobs, preconditions, tags, tasks
from declarative.simulator.calls.instance_creation import Blueprint
from declarative.simulator.calls.instance_deletion import Options
from declarative.simulator.calls.jobs import Ending, Job, Order
from declarative.simulator.calls.listing import Listing, page
from declarative.simulator.calls.tasks import Failure
from declarative.simulator.protocol.fields import read_description, read_name, read_object, read_wrapped
from declarative.simulator.protocol.wire import Answer, compact
from declarative.simulator.tables import group_rows, instance_rows, replication_rows
from declarative.simulator.tables.group_rows import Group
from declarative.simulator.tables.history import Noun
from declarative.simulator.tables.instance_rows import Instance
from declarative.simulator.tables.session import Call, Session
from declarative.simulator.tables.states import FREE, INSTANCE_STATUSES, STEADY, Status

CREATE = "createProtectedInstanceNoCG"
DELETE = "deleteProtectedInstanceNoCG"
CREATE_SECONDS = 200.0
DELETE_SECONDS = 60.0
_PAIR_STEP = "createReplicationPairNoCG"
_LISTING = Listing("instances", instance_rows.SELECT, "protected_instances")


def create(call: Call) -> Answer:
    """`POST protected-instances`."""
    session = call.session
    fields = read_wrapped(call.request.body, "protected_instance")
    group = group_rows.wanted(session, fields.get("server_group_id"))
    blueprint = _blueprint(session, group, fields)
    preconditions.check_group(session, group, STEADY, code="SDRS.1024")
    server_id = blueprint.machine.server.id
    instance_creation.check_machine(session, group, blueprint.machine, together={server_id})
    instance_creation.check_room(session, group, [blueprint.machine])
    (instance,) = instance_creation.begin(session, group, [blueprint])
    steps = [{"replication_pair_id": pair.id} for pair in replication_rows.attached_to(session, instance.id)]
    order = Order(
        CREATE,
        group.id,
        CREATE_SECONDS,
        entities={},
        result={"protected_instance_id": instance.id},
        step_type=_PAIR_STEP,
        steps=steps,
        subject=instance.id,
    )
    return jobs.submit(call, order)


def _blueprint(session: Session, group: Group, fields: Mapping[str, object]) -> Blueprint:
    name, description = read_name(fields), read_description(fields)
    machine = instance_creation.find_machine(session, group, fields.get("server_id"))
    subnet_id, address = instance_creation.read_network(session, fields)
    return Blueprint(
        name=name,
        description=description,
        machine=machine,
        flavor=instance_creation.read_flavor(fields, "flavorRef"),
        subnet_id=subnet_id,
        ip_address=address,
        tags=tags.read_tags(session, fields),
    )


def list_instances(call: Call) -> Answer:
    """`GET protected-instances`."""
    query = call.query()
    wanted = preconditions.wanted_by(query, INSTANCE_STATUSES)
    preconditions.add_places(wanted, query)
    ids = query.ids("protected_instance_ids")
    if not preconditions.add_groups(wanted, query) and ids is not None:
        wanted.add("id IN (SELECT value FROM json_each(?))", compact(ids))
    found = page(call, _LISTING, wanted, query)
    shown = instance_rows.documents(call.session, [Instance(*row) for row in found.rows])
    return found.answer(map(compact, shown))


def show(call: Call) -> Answer:
    """`GET protected-instances/{protected_instance_id}`."""
    instance = preconditions.instance(call.session, call.parameters[0])
    (document,) = instance_rows.documents(call.session, [instance])
    return Answer.of({"protected_instance": document})


def rename(call: Call) -> Answer:
    """`PUT protected-instances/{protected_instance_id}`: the name only, in any status; not that of the servers."""
    instance = preconditions.instance(call.session, call.parameters[0])
    name = read_name(read_wrapped(call.request.body, "protected_instance"))
    renamed = instance_rows.set_name(call.session, instance, name)
    whole = replace(renamed, created=renamed.created // 1000 * 1000, updated=renamed.updated // 1000 * 1000)
    (document,) = instance_rows.documents(call.session, [whole])
    return Answer.of({"protected_instance": document})


def delete(call: Call) -> Answer:
    """`DELETE protected-instances/{protected_instance_id}`.

    A missing body stands for the defaults (docs/sdrs-api.md, "Request bodies").
    """
    session = call.session
    instance = preconditions.instance(session, call.parameters[0])
    options = Options.read(read_object(call.request.body) if call.request.body.strip() else {})
    group = preconditions.group_of(session, instance.group_id)
    preconditions.check_group(session, group, FREE, code="SDRS.1324")
    instance_deletion.check(session, group, instance, options, together={instance.id}, shared="SDRS.1365")
    instance_rows.change(session, instance, status=Status.DELETING)
    entities = {"protected_instance_id": instance.id}
    order = Order(DELETE, group.id, DELETE_SECONDS, entities, {}, subject=instance.id, intent=options.text())
    return jobs.submit(call, order)


def end_creation(session: Session, job: Job, instance_id: str) -> str:
    """Let the creation of one instance end as the job does; the id of its DR server, empty without one."""
    instance = instance_rows.find(session, instance_id)
    if instance is None:
        return ""  # removed behind the job's back
    if job.failed:
        instance_creation.fail(session, instance, code=job.error_code or "")
        tasks.record(session, job, failure(instance, "createFail"))
        if not session.facts.rules.failed_creates_stay:
            instance_deletion.finish(session, instance, Options())
            group_rows.recount(session, instance.group_id)
        return ""
    return instance_creation.finish(session, instance)


def end_deletion(session: Session, job: Job, instance_id: str, options: Options) -> None:
    """Let the deletion of one instance end as the job does."""
    instance = instance_rows.find(session, instance_id)
    if instance is None:
        return
    if job.failed:
        instance_deletion.fail(session, instance)
        tasks.record(session, job, failure(instance, "deleteFail"))
        return
    instance_deletion.finish(session, instance, options)


def failure(instance: Instance, failure_status: str) -> Failure:
    """What failed, in the words of the failed-task list."""
    return Failure(instance.id, instance.name, Noun.INSTANCE, failure_status, instance.group_id)


def _end_create(session: Session, job: Job) -> None:
    if server_id := end_creation(session, job, job.subject):
        jobs.tell(session, job, {"native_server_id": server_id})


def _end_delete(session: Session, job: Job) -> None:
    end_deletion(session, job, job.subject, Options(*json.loads(job.intent)))
    group_rows.recount(session, job.group_id)


ENDINGS: Mapping[str, Ending] = {CREATE: _end_create, DELETE: _end_delete}
