"""The task centre: jobs that failed, until somebody deletes the entry (docs/sdrs-api.md, "Task centre")."""

from __future__ import annotations

from dataclasses import dataclass

from declarative.simulator.calls.jobs import Job
from declarative.simulator.calls.listing import Filter, Listing, page
from declarative.simulator.protocol.fields import read_id
from declarative.simulator.protocol.wire import Answer, compact, refusal, stamp_zulu
from declarative.simulator.settings import TaskId
from declarative.simulator.tables import task_rows
from declarative.simulator.tables.session import Call, Session

_LISTING = Listing("tasks", "SELECT body FROM tasks", "failure_jobs", is_dated=False)
_CONDITIONS = {
    "failure_status": "failure_status = ?",
    "resource_name": "resource_name = ?",
    "resource_type": "resource_type = ?",
}

_CHOSEN_BY = {
    TaskId.ANY: "?1 IN (job_id, resource_id)",
    TaskId.JOB: "job_id = ?1",
    TaskId.RESOURCE: "resource_id = ?1",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed, in the words of the failed-task list.

    `group_id` is the group inside which it failed; empty for the creation and deletion of groups themselves.
    """

    resource_id: str
    resource_name: str
    resource_type: str
    failure_status: str
    group_id: str


def record(session: Session, job: Job, failure: Failure) -> None:
    """Add the entry of a job that has failed."""
    body = {
        "job_status": "FAIL",
        "resource_id": failure.resource_id,
        "resource_name": failure.resource_name,
        "resource_type": failure.resource_type,
        "failure_status": failure.failure_status,
        "job_id": job.id,
        "job_type": job.type,
        "begin_time": stamp_zulu(job.begin),
        "error_code": job.error_code,
        "fail_reason": job.fail_reason,
    }
    session.database.execute(
        "INSERT INTO tasks (job_id, resource_id, resource_name, resource_type, failure_status, group_id, body)"
        " VALUES (?,?,?,?,?,?,?)",
        (
            job.id,
            failure.resource_id,
            failure.resource_name,
            failure.resource_type,
            failure.failure_status,
            failure.group_id,
            compact(body),
        ),
    )


def list_tasks(call: Call) -> Answer:
    """`GET task-center/failure-jobs`: of one group with `server_group_id`, else those of groups themselves."""
    query = call.query()
    group_id = query.text("server_group_id")
    if group_id:
        read_id(group_id, code="SDRS.0207", what="protection group id")
    wanted = Filter()
    wanted.add("group_id = ?", group_id)
    for key, condition in _CONDITIONS.items():
        if text := query.text(key):
            wanted.add(condition, text)
    found = page(call, _LISTING, wanted, query)
    return found.answer(body for (body,) in found.rows)


def delete_one(call: Call) -> Answer:
    """`DELETE task-center/failure-jobs/{failure_job_id}`: by the job's id or the resource's, or either.

    Which of them the service takes is not documented (docs/sdrs-api.md, "Task centre").
    """
    chosen = _CHOSEN_BY[call.session.facts.rules.task_id]
    deleted = call.session.database.execute(f"DELETE FROM tasks WHERE {chosen}", call.parameters)  # noqa: S608 - names from the code, values bound
    if not deleted.rowcount:
        raise refusal("SDRS.0201", "The failed task does not exist.")
    return Answer.nothing()


def delete_of_groups(call: Call) -> Answer:
    """`DELETE task-center/failure-jobs/batch`: those of the creation and deletion of groups."""
    task_rows.forget(call.session, "")
    return Answer.nothing()


def delete_of_group(call: Call) -> Answer:
    """`DELETE task-center/{server_group_id}/failure-jobs/batch`: those inside one group."""
    task_rows.forget(call.session, read_id(call.parameters[0], code="SDRS.0207", what="protection group id"))
    return Answer.nothing()
