"""Jobs and failed tasks, as the service tells of them.

Source: SDRS API reference, "Querying the Job Status" and "Querying Failed Tasks"; docs/sdrs-api.md, "Jobs".
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from declarative.errors import OutcomeUnknown, ProviderError
from declarative.model import Attributes, Json, Kind
from declarative.provider.answers import is_id, is_job_id

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z?")
_TEXT_LIMIT = 1000  # characters of a failure's reason that are kept
_DEPTH = 4  # levels of sub-jobs that are read


class JobStatus(enum.Enum):
    """RUNNING stands for INIT, RUNNING and every word that is not documented: keep waiting."""

    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One look at a job. `word`: its status as the service writes it; `seconds`: from begin to end, None if not told.

    `error_code` and `fail_reason` are "" unless it failed; both, like `word`, are the service's own text.
    """

    id: str
    status: JobStatus
    word: str
    error_code: str = ""
    fail_reason: str = ""
    entities: Attributes = field(default_factory=dict)
    sub_jobs: tuple[Job, ...] = ()
    seconds: float | None = None

    @property
    def ended(self) -> bool:
        """True when it will not change any more."""
        return self.status is not JobStatus.RUNNING

    @property
    def succeeded(self) -> bool:
        """True when it has done what was asked."""
        return self.status is JobStatus.SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTask:
    """One entry of the task centre. All but the ids, which are "" when they are none, is the service's own text."""

    job_id: str
    resource_id: str
    error_code: str
    fail_reason: str


class JobTimeout(ProviderError):
    """The job did not end before the deadline; it continues in the cloud."""

    id = "job-timeout"

    def __init__(self, job_id: str, reason: str = "") -> None:
        summary = f"job {job_id} did not end before its deadline"
        super().__init__(
            f"{summary} ({reason})" if reason else summary, "Run the command again to keep waiting for it."
        )
        self.job_id = job_id


class JobUnknown(ProviderError):
    """The service says repeatedly that it does not know the job."""

    id = "job-unknown"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"the service does not know the job {job_id}", "Check the object itself.")
        self.job_id = job_id


class JobUnreadable(ProviderError):
    """Again and again, what is answered about the job isn't a job: it may run, or have ended either way."""

    id = "job-unreadable"

    def __init__(self, job_id: str, reason: ProviderError) -> None:
        super().__init__(f"job {job_id} can't be read: {reason.summary}", reason.fix, code=reason.code)
        self.job_id = job_id


def job_id_of(answer: Attributes) -> str:
    """Return the job id in the answer to an asynchronous call. Raises OutcomeUnknown when there is no usable one."""
    job_id = answer.get("job_id")
    if not is_job_id(job_id):
        raise OutcomeUnknown("the answer names no job, so the call may or may not have had an effect")
    return str(job_id)


def read_job(document: Mapping[str, Json], *, job_id: str, depth: int = 0) -> Job:
    """Read a job object; what is missing or has the wrong type counts as not told."""
    word = _text(document.get("status"))
    entities = document.get("entities")
    entities = entities if isinstance(entities, dict) else {}
    sub_jobs = entities.get("sub_jobs")
    below = sub_jobs if isinstance(sub_jobs, list) and depth < _DEPTH else []
    return Job(
        id=job_id,
        status=JobStatus(word) if word in JobStatus.__members__ else JobStatus.RUNNING,
        word=word,
        error_code=_text(document.get("error_code")),
        fail_reason=_text(document.get("fail_reason")),
        entities={key: value for key, value in entities.items() if key != "sub_jobs"},
        sub_jobs=tuple(
            read_job(sub, job_id=_text(sub.get("job_id")), depth=depth + 1) for sub in below if isinstance(sub, dict)
        ),
        seconds=_seconds(document.get("begin_time"), document.get("end_time")),
    )


def read_failed_task(document: Mapping[str, Json]) -> FailedTask:
    """Read an entry of the task centre."""
    job_id, resource_id = document.get("job_id"), document.get("resource_id")
    return FailedTask(
        job_id=str(job_id) if is_job_id(job_id) else "",
        resource_id=str(resource_id) if is_id(resource_id) else "",
        error_code=_text(document.get("error_code")),
        fail_reason=_text(document.get("fail_reason")),
    )


def is_failure_of(document: Mapping[str, Json], kind: Kind, *, name: str, failure_status: str) -> bool:
    """True when an entry of the task centre is about an object of this kind and exactly this name.

    The service spells the type now `protected_instances`, now `protectedInstance`; what it leaves out fits.
    """
    shown = str(document.get("failure_status", failure_status)).lower()
    of_kind = kind.wire.failure_type or document.get("resource_type")  # attachments have no word of their own
    same_type = _type_word(document.get("resource_type", of_kind)) == _type_word(of_kind)
    return document.get("resource_name") == name and shown == failure_status.lower() and same_type


def _type_word(text: Json) -> str:
    return str(text).replace("_", "").lower().removesuffix("s")


def entity(job: Job, kind: Kind) -> str:
    """Return the id of the object that a job was about, or "" when the job names none, or several.

    Looks at the job's own entities first, then into its sub-jobs.
    """
    for key in kind.wire.entity_keys:
        own = job.entities.get(key)
        if is_id(own):
            return str(own)
    named = set(_below(job, kind))
    return named.pop() if len(named) == 1 else ""


def _below(job: Job, kind: Kind) -> Iterator[str]:
    for sub in job.sub_jobs:
        found = entity(sub, kind)
        if found:
            yield found


def read_time(text: object) -> datetime | None:
    """Read a time in any of the service's patterns: blank or `T`, up to 6 digits of a second, UTC, perhaps a `Z`."""
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    try:
        whole = datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=UTC)
    except ValueError:
        return None
    return whole + timedelta(microseconds=int((match[3] or "0").ljust(6, "0")))


def _seconds(begin: object, end: object) -> float | None:
    began, ended = read_time(begin), read_time(end)
    if began is None or ended is None:
        return None
    return max((ended - began).total_seconds(), 0.0)


def _text(value: object) -> str:
    return str(value)[:_TEXT_LIMIT] if isinstance(value, str | int) and not isinstance(value, bool) else ""
