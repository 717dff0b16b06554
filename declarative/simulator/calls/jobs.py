"""Jobs: started by every asynchronous call, ended by time (docs/sdrs-api.md, "Jobs").

A job has a moment when it falls due. Nothing waits for it: whatever is asked next first ends all that is due by
then, each at its own moment, so that times in answers are right however late somebody looks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from declarative.simulator.calls.misnaming import named_instead
from declarative.simulator.protocol.faults import ENTITIES, Kind
from declarative.simulator.protocol.wire import Answer, compact, refusal, stamp_zulu
from declarative.simulator.tables.history import Effect, Noun, Subject
from declarative.simulator.tables.session import Call, Session

TABLES = """
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, group_id TEXT NOT NULL,
    begin INTEGER NOT NULL, due INTEGER, ended INTEGER, error_code TEXT, fail_reason TEXT,
    entities TEXT NOT NULL, result TEXT NOT NULL, step_type TEXT NOT NULL, steps TEXT NOT NULL, subject TEXT NOT NULL,
    intent TEXT NOT NULL);
CREATE INDEX jobs_due ON jobs (due) WHERE ended IS NULL;
CREATE INDEX jobs_running ON jobs (group_id) WHERE ended IS NULL;
"""

_SELECT = (
    "SELECT seq, id, type, group_id, begin, due, ended, error_code, fail_reason, entities, result, step_type, steps,"
    " subject, intent FROM jobs"
)
_INIT_SHARE = 0.1  # of its time a job is INIT, then RUNNING


@dataclass(frozen=True, slots=True)
class Order:
    """What a call asks of a job.

    `seconds` is how long such a job takes at speed 1; `entities` are shown from the start, `result` once it has
    succeeded; `steps` are the entities of its subjobs, which are of type `step_type`; an empty type means that the
    job shows none. `subject` is the id of the member it is about, `intent` a note for its ending; a job with a `result`
    has none, since the fault `job-entity` leaves its word there.
    """

    type: str
    group_id: str
    seconds: float
    entities: Mapping[str, str]
    result: Mapping[str, str]
    step_type: str = ""
    steps: Sequence[Mapping[str, str]] = ()
    subject: str = ""
    intent: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the table. Times in milliseconds since 1970; `due` is None for a job that is stuck."""

    seq: int
    id: str
    type: str
    group_id: str
    begin: int
    due: int | None
    ended: int | None
    error_code: str | None
    fail_reason: str | None
    entities: str
    result: str
    step_type: str
    steps: str
    subject: str
    intent: str

    @property
    def failed(self) -> bool:
        return self.error_code is not None

    def status(self, now: int) -> str:
        """One of the four documented words."""
        if self.ended is not None:
            return "FAIL" if self.failed else "SUCCESS"
        if self.due is not None and now - self.begin < (self.due - self.begin) * _INIT_SHARE:
            return "INIT"
        return "RUNNING"


Ending = Callable[[Session, Job], None]
"""What a job does to the world when it ends, well or not."""


def submit(call: Call, order: Order, *, status: int | None = None) -> Answer:
    """Start a job and answer with its id. A fault may have decided already how it will end.

    `status` is that of the answer where the rules have no say in it.
    """
    session = call.session
    fault = call.verdict.job
    stuck = fault is not None and fault.kind is Kind.STUCK_JOB
    code = fault.code if fault and not stuck else None
    named = call.verdict.first(Kind.JOB_ENTITY) if order.result else None
    job_id = session.draw.job_id(session.now)
    steps = [[session.draw.job_id(session.now), entities] for entities in order.steps]
    session.database.execute(
        "INSERT INTO jobs (id, type, group_id, begin, due, error_code, fail_reason, entities, result, step_type,"
        " steps, subject, intent) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            job_id,
            order.type,
            order.group_id,
            session.now,
            None if stuck else session.now + _duration(session, order),
            code,
            None if code is None else f"{order.type}Task-fail:the simulator was told to fail with {code}",
            compact(order.entities),
            compact(order.result),
            order.step_type,
            compact(steps),
            order.subject,
            named.word if named else order.intent,
        ),
    )
    session.record(Effect.SUBMITTED, Subject(Noun.JOB, job_id, order.type, order.group_id), order.subject)
    return Answer.job(job_id, status=status or session.facts.rules.accepted)


def _duration(session: Session, order: Order) -> int:
    fixed = session.facts.rules.job_seconds
    return session.scaled(order.seconds if fixed is None else fixed)


def end_due(session: Session, endings: Mapping[str, Ending]) -> None:
    """End all jobs that are due by the session's time, in the order in which they fell due."""
    due = _SELECT + " WHERE ended IS NULL AND due <= ? ORDER BY due, seq"
    rows = session.database.execute(due, (session.now,)).fetchall()
    for row in rows:
        job = Job(*row)
        moment = session.now if job.due is None else job.due
        session.database.execute("UPDATE jobs SET ended = due WHERE seq = ?", (job.seq,))
        then = session.at(moment)
        then.record(Effect.ENDED, Subject(Noun.JOB, job.id, job.type, job.group_id), job.error_code or "")
        endings[job.type](then, job)
        if job.intent in ENTITIES and not job.failed:
            _misname(then, job)


def _misname(session: Session, job: Job) -> None:
    """Let a create that has just succeeded name other ids than its own; several stand in subjobs."""
    (known,) = session.database.execute("SELECT result FROM jobs WHERE seq = ?", (job.seq,)).fetchone()
    result: dict[str, str] = json.loads(known)
    key, ids = named_instead(session, job.intent, result)
    del result[key]
    steps: list[object] = json.loads(job.steps)
    if len(ids) == 1:
        result[key] = ids[0]
    else:
        steps += [[session.draw.job_id(session.now), {key: one}] for one in ids]
    session.database.execute(
        "UPDATE jobs SET result = ?, steps = ?, step_type = ? WHERE seq = ?",
        (compact(result), compact(steps), job.step_type or (job.type if steps else ""), job.seq),
    )


def tell(session: Session, job: Job, result: Mapping[str, str]) -> None:
    """Let a job that has just succeeded show these entities too."""
    known: dict[str, str] = json.loads(job.result)
    session.database.execute("UPDATE jobs SET result = ? WHERE seq = ?", (compact({**known, **result}), job.seq))


def last_due(session: Session) -> int:
    """When the last running job that isn't stuck will be due; the session's time if there is none."""
    (due,) = session.database.execute("SELECT max(due) FROM jobs WHERE ended IS NULL").fetchone()
    return max(session.now, due or 0)


def is_running(session: Session, group_id: str) -> bool:
    """Whether a job is at work on the group or on one of its members."""
    found = session.database.execute("SELECT 1 FROM jobs WHERE group_id = ? AND ended IS NULL LIMIT 1", (group_id,))
    return found.fetchone() is not None


def show(call: Call) -> Answer:
    """`GET jobs/{job_id}`. For an unknown id SDRS.0408 in E1 is a guess (docs/sdrs-api.md, "The job object")."""
    row = call.session.database.execute(_SELECT + " WHERE id = ?", (call.parameters[0],)).fetchone()
    rules = call.session.facts.rules
    job = None if row is None else Job(*row)
    if job is None or _is_forgotten(job, call.session.now, rules.kept_seconds):
        raise refusal("SDRS.0408", "The job does not exist.", status=rules.unknown_job)
    return Answer.of(_document(job, call.session.now, tells_failed=rules.failed_jobs_tell))


def _is_forgotten(job: Job, now: int, kept: float | None) -> bool:
    """Whether the job ended so long ago that the service has none of it any more."""
    return kept is not None and job.ended is not None and now - job.ended > kept * 1000


def _document(job: Job, now: int, *, tells_failed: bool) -> dict[str, object]:
    entities: dict[str, object] = json.loads(job.entities)
    status = job.status(now)
    if status == "SUCCESS" or (status == "FAIL" and tells_failed):
        entities |= json.loads(job.result)
    if job.step_type:
        entities["sub_jobs"] = _steps(job, json.loads(job.steps), status)
    return _fields(job, job.id, job.type, status, entities)


def _steps(job: Job, steps: Sequence[tuple[str, dict[str, object]]], status: str) -> list[dict[str, object]]:
    return [_fields(job, step, job.step_type, status, entities) for step, entities in steps]


def _fields(job: Job, job_id: str, job_type: str, status: str, entities: dict[str, object]) -> dict[str, object]:
    ended = job.ended is not None
    return {
        "status": status,
        "entities": entities,
        "job_id": job_id,
        "job_type": job_type,
        "begin_time": stamp_zulu(job.begin),
        "end_time": None if job.ended is None else stamp_zulu(job.ended),
        "error_code": job.error_code if ended else None,
        "fail_reason": job.fail_reason if ended else None,
    }
