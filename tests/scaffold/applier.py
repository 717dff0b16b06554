"""A cloud that behaves, in place of the provider, and a session on it: for tests of the applier's modules.

The cloud logs what is asked of it, and the disk what becomes durable, in one list: a test can read off their order.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any

from declarative.applier import Ledger, Session
from declarative.clock import Clock
from declarative.errors import EndpointError, NotSent, OutcomeUnknown, ProviderError, Rejected, StateError, Unanswered
from declarative.kinds import KINDS
from declarative.model import (
    Action,
    Address,
    Attributes,
    Begun,
    Call,
    Change,
    Event,
    Kind,
    Operation,
    Reason,
    Record,
    Resource,
    Step,
)
from declarative.observation import Candidates, Observer
from declarative.provider import FailedTask, Job, JobStatus, JobTimeout, JobUnknown, JobUnreadable, Listing, Look
from declarative.state import State
from tests.scaffold.virtual_time import run_virtual

GROUP, INSTANCE, PAIR, ATTACHMENT, DRILL = KINDS.values()

_ROWS = {kind.wire.collection: kind for kind in KINDS.values() if kind.relations.identity is None}
_SWITCHES = {"start-server-group": GROUP.calls.enable, "stop-server-group": GROUP.calls.disable}


def on_virtual_time(test):
    """Run an async test on a loop whose time jumps."""

    @functools.wraps(test)
    def driven(**arguments):
        run_virtual(lambda: test(**arguments))

    return driven


def now() -> float:
    """Seconds since the test began."""
    return asyncio.get_running_loop().time()


# ---------------------------------------------------------------- objects, steps, operations


def group(object_id: str = "g1", *, key: str = "shop", **inputs: Any) -> Resource:
    """A protection group; `key` is its name in the manifests."""
    place = {"domain_id": "d1", "source_vpc_id": "v1"}
    zones = {"source_availability_zone": "z1", "target_availability_zone": "z2"}
    return Resource(Address(GROUP.name, key), object_id, {"name": "shop", **place, **zones, **inputs})


def instance(object_id: str = "i1", *, key: str = "web", brought: tuple[str, ...] | None = None, **inputs: Any):
    """A protected instance of group g1."""
    sent = {"server_group_id": "g1", "server_id": f"server-of-{key}", "name": key, **inputs}
    return Resource(Address(INSTANCE.name, key), object_id, sent, brought=brought)


def pair(object_id: str = "r1", *, key: str = "data", **inputs: Any) -> Resource:
    """A replication pair in group g1."""
    sent = {"server_group_id": "g1", "volume_id": f"disk-of-{key}", "name": key, **inputs}
    return Resource(Address(PAIR.name, key), object_id, sent)


def attachment(object_id: str = "i1/r1", *, key: str = "data") -> Resource:
    """The attachment of pair r1 to instance i1."""
    sent = {"protected_instance_id": "i1", "replication_id": "r1", "device": "/dev/vdb"}
    return Resource(Address(ATTACHMENT.name, key), object_id, sent)


def drill(object_id: str = "d1", *, key: str = "spring") -> Resource:
    """A DR drill of group g1."""
    return Resource(Address(DRILL.name, key), object_id, {"server_group_id": "g1", "name": key})


def step(action: Action, resource: Resource, *, old: Attributes | None = None, requires: tuple[str, ...] = ()) -> Step:
    """A step of a plan. `old`: the fields that an update changes, as they were when the plan was made."""
    changes = tuple(Change(name, value, resource.inputs.get(name)) for name, value in (old or {}).items())
    return Step(
        step_id(action, resource),
        resource.address,
        action,
        Reason.EDITED,
        resource,
        changes=changes,
        requires=requires,
        before=old or {},
    )


def step_id(action: Action, resource: Resource) -> str:
    """The id under which `requires` names a step."""
    return f"{action.value}:{resource.address}"


def operation(action: Action, resource: Resource, *, job_id: str = "", sends: int = 1) -> Operation:
    """An operation of this run, or of an earlier one."""
    return Operation(f"op-{resource.address.name}", step_id(action, resource), action, resource, job_id, sends)


# ---------------------------------------------------------------- what goes wrong

LOST_BEFORE = OutcomeUnknown("the connection was reset")  # the call never arrived
LOST_AFTER = OutcomeUnknown("the connection was reset")  # the call arrived, its answer did not
UNREADABLE = EndpointError("it is not JSON")


def refusal(code: str) -> Rejected:
    """The service's no, under this code."""
    return Rejected(f"refused: {code}", code=code)


def failing(**entities: str) -> Callable[[Job], Job]:
    """The end of a job that fails; `entities`: what it names all the same."""
    return lambda job: replace(
        job, status=JobStatus.FAIL, error_code="EVS.2024", fail_reason="no space", entities=entities
    )


def naming(**entities: str) -> Callable[[Job], Job]:
    """The end of a job that succeeds, and names something else than what it has made."""
    return lambda job: replace(job, entities=entities)


Ending = Callable[[Job], Job] | ProviderError


def as_it_is(job: Job) -> Job:
    """The usual end of a job."""
    return job


# ---------------------------------------------------------------- the cloud


class Cloud:
    """Stands in for the provider: it keeps objects, does what calls ask for, and runs jobs of `job_seconds`.

    `answers`: what becomes of the next calls; an error is raised in their place. `endings`: how the next jobs end.
    `look_seconds`: how long looks take, in turn, and the last one for ever. `unlisted`: ids that lists lack.
    `refuses`: what the service has against a call, for as long as it says so.
    """

    def __init__(
        self,
        *resources: Resource,
        slot_seconds: float = 0.0,
        look_seconds: Sequence[float] = (0.0,),
        send_seconds: float = 0.0,
        job_seconds: float = 0.0,
    ) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.log: list[str] = []
        self.calls: list[str] = []
        self.times: dict[str, float] = {}  # of each line of the log, when it came first
        self.sent_at: list[float] = []
        self.leaves_by: list[float] = []
        self.events: list[Event] = []
        self.answers: deque[ProviderError | None] = deque()
        self.endings: deque[Ending] = deque()
        self.failed: list[tuple[str, FailedTask]] = []  # by the name of what failed
        self.unlisted: set[str] = set()
        self.lists_end = True
        self.quota_looks: list[dict[str, Attributes] | ProviderError] = []  # what the next looks at the quotas show
        self.troubles: dict[str, ProviderError] = {}  # by id, what looks at an object end in
        self.refuses: Callable[[Call], ProviderError | None] = lambda call: None
        self.slot_seconds, self.send_seconds, self.job_seconds = slot_seconds, send_seconds, job_seconds
        self._look_seconds = deque(look_seconds)
        self._kinds: dict[str, str] = {}
        self._jobs: dict[str, tuple[float, Job | ProviderError]] = {}
        self._objects_made, self._jobs_begun = itertools.count(1), itertools.count(1)
        for resource in resources:
            self.add(resource)

    def note(self, line: str) -> None:
        """Log a line."""
        self.log.append(line)
        self.times.setdefault(line, now())

    # ------------------------------------------------------------ what the test does to it

    def add(self, resource: Resource, *, after: float = 0.0, **attributes: Any) -> None:
        """Let an object be there, in status `available`, at once or `after` seconds."""
        shown = {"id": resource.id, "status": "available", **resource.inputs, **attributes}
        _do(after, lambda: self._show(resource.address.kind, shown))

    def change(self, object_id: str, *, after: float = 0.0, **attributes: Any) -> None:
        """Let somebody else change an object."""
        _do(after, lambda: self.objects[object_id].update(attributes))

    def remove(self, object_id: str, *, after: float = 0.0) -> None:
        """Let somebody else delete an object."""
        _do(after, lambda: self.objects.pop(object_id, None))

    def run_job(
        self, job_id: str, *, seconds: float = 0.0, ending: Ending = as_it_is, entities: Mapping[str, str] | None = None
    ) -> Job | ProviderError:
        """Let a job run for so long, and end so."""
        done = Job(id=job_id, status=JobStatus.SUCCESS, word="", entities=entities or {}, error_code="", seconds=None)
        ended = ending if isinstance(ending, ProviderError) else ending(done)
        self._jobs[job_id] = (now() + seconds, ended)
        return ended

    # ------------------------------------------------------------ what a provider does

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[_Slot]:
        await asyncio.sleep(self.slot_seconds)
        self.note("slot")
        try:
            yield _Slot(self)
        finally:
            self.note("slot back")

    async def look(self, kind: Kind, object_id: str, *, deadline: float, where: str = "") -> Look:
        self.note(f"look {object_id}{where}")
        asked, shown = now(), self._seen(kind, object_id)
        seconds = self._look_seconds.popleft() if len(self._look_seconds) > 1 else self._look_seconds[0]
        await asyncio.sleep(min(seconds, deadline - asked))
        if asked + seconds > deadline:
            raise Unanswered("no answer in time")
        if object_id in self.troubles:
            raise self.troubles[object_id]
        return Look(asked, shown)

    async def get(self, kind: Kind, object_id: str, *, deadline: float) -> Attributes | None:
        return (await self.look(kind, object_id, deadline=deadline)).shown

    async def listing(self, kind: Kind, *, deadline: float) -> Listing:
        self.note(f"list {kind.name}")
        ids = [one for one, name in self._kinds.items() if name == kind.name and one not in self.unlisted]
        seen = {one: shown for one in ids if (shown := self._seen(kind, one)) is not None}
        return Listing(seen, now(), now(), is_complete=self.lists_end)

    async def failed_tasks(self, kind: Kind, **asked: Any) -> tuple[FailedTask, ...]:
        return tuple(task for name, task in self.failed if name == asked["name"])

    async def quotas(self, *, deadline: float) -> dict[str, Attributes]:
        self.note("look at quotas")
        found = self.quota_looks.pop(0)
        if isinstance(found, ProviderError):
            raise found
        return found

    async def job(self, job_id: str, *, deadline: float) -> Job | None:
        ends, ended = self._jobs.get(job_id, (0.0, None))
        if isinstance(ended, ProviderError):
            raise ended
        is_running = ended is not None and now() < ends
        return replace(ended, status=JobStatus.RUNNING) if is_running else ended

    async def wait(
        self,
        kind: Kind,
        action: Action,
        job_id: str,
        *,
        deadline: float,
        grace: float,
        progress: Callable[[Job], None] = lambda job: None,
    ) -> Job:
        self.note(f"wait {job_id}")
        if job_id not in self._jobs:
            raise JobUnknown(job_id)
        ends, ended = self._jobs[job_id]
        if isinstance(ended, Job) and ends > now():
            progress(replace(ended, status=JobStatus.RUNNING, word="RUNNING"))
        await asyncio.sleep(max(min(ends, deadline) - now(), 0.0))
        if ends > deadline:
            raise JobTimeout(job_id)
        if isinstance(ended, ProviderError):
            raise JobUnreadable(job_id, ended)
        return ended

    async def send(self, call: Call, *, deadline: float, leaves_by: float) -> Attributes:
        if now() > leaves_by:
            raise NotSent("the look is too old")
        self.note(line := f"{call.method} {'/'.join(call.path)}")
        self.calls.append(line)
        self.sent_at.append(now())
        self.leaves_by.append(leaves_by)
        fate = self.refuses(call) or (self.answers.popleft() if self.answers else None)
        answer = self._accepted(call) if fate in (None, LOST_AFTER) else {}
        await asyncio.sleep(self.send_seconds)
        if fate is not None:
            raise fate
        return answer

    # ------------------------------------------------------------ how it behaves

    def _seen(self, kind: Kind, object_id: str) -> Attributes | None:
        shown = self.objects.get(object_id)
        return dict(shown) if shown is not None and self._kinds[object_id] == kind.name else None

    def _show(self, kind: str, shown: dict[str, Any]) -> None:
        self._kinds[shown["id"]] = kind
        self.objects[shown["id"]] = shown

    def _accepted(self, call: Call) -> Attributes:
        """Take a call: what it asks for happens when its job ends well, and not when it fails or can't be read."""
        entities, change = self._effect(call)
        if not call.starts_job:
            change()
            return {}
        job_id = f"job-{next(self._jobs_begun)}"
        ending = self.endings.popleft() if self.endings else as_it_is
        ended = self.run_job(job_id, seconds=self.job_seconds, ending=ending, entities=entities)
        if not isinstance(ended, ProviderError) and ended.succeeded:
            _do(self.job_seconds, change)
        return {"job_id": job_id}

    def _effect(self, call: Call) -> tuple[dict[str, str], Callable[[], object]]:
        """What the job of a call will name, and what the call brings about."""
        kind = _ROWS[call.path[0]]
        match call.method, call.path[1:]:
            case "POST", ():
                shown = {
                    "id": f"new-{next(self._objects_made)}",
                    "status": "available",
                    **call.body[kind.wire.envelope],
                }
                return {kind.wire.entity_keys[0]: shown["id"]}, lambda: self._show(kind.name, shown)
            case "POST", (owner, "attachreplication"):
                body = call.body["replicationAttachment"]
                made = Resource(Address(ATTACHMENT.name, "made"), f"{owner}/{body['replication_id']}", body)
                return {}, lambda: self.add(made, protected_instance_id=owner)
            case "POST", (object_id, "action"):
                way = _SWITCHES[next(iter(call.body))]
                assert way is not None
                if self.job_seconds:
                    self.objects[object_id]["status"] = way.running
                return {}, lambda: self.objects[object_id].update(status=way.reached)
            case "PUT", (object_id,):
                return {}, lambda: self.objects[object_id].update(call.body[kind.wire.envelope])
            case "DELETE", (object_id,):
                return {}, lambda: self.objects.pop(object_id, None)
            case "DELETE", (owner, "detachreplication", pair_id):
                return {}, lambda: self.objects.pop(f"{owner}/{pair_id}", None)
        raise AssertionError(f"this cloud takes no {call.method} {'/'.join(call.path)}")


class _Slot:
    """What is done in a send slot."""

    def __init__(self, cloud: Cloud) -> None:
        self.send = cloud.send
        self.listing = cloud.listing
        self.look = functools.partial(cloud.look, where=" in slot")


def _do(after: float, change: Callable[[], object]) -> None:
    if after:
        asyncio.get_running_loop().call_later(after, change)
    else:
        change()


# ---------------------------------------------------------------- the session


class Disk:
    """A store that logs what becomes durable, by the name of the record. From `trouble` on, every write fails."""

    results_wait = 0.0

    def __init__(self, cloud: Cloud) -> None:
        self.trouble: StateError | None = None
        self._cloud = cloud

    def append(self, records: Sequence[Record], *, after: int) -> int:
        if self.trouble is not None:
            raise self.trouble
        for record in records:
            self._cloud.note(type(record).__name__)
        return after + 1


async def _in_place(work: Callable[[], object]) -> object:
    return work()


def session_on(
    cloud: Cloud,
    *recorded: Resource,
    operations: Sequence[Operation] = (),
    disk: Disk | None = None,
    is_patient: bool = True,
    **timing: float,
) -> Session:
    """A run on this cloud, with these objects and operations recorded; a plan, which has no store, without patience.

    `timing`: `trust`, `grace` or `ends`.
    """
    clock = Clock(random=Random(1))
    observer = Observer(cloud, clock, **timing)
    state = State(
        "a-lineage",
        resources={one.address: one for one in recorded},
        operations={one.id: one for one in operations},
    )
    blocking: Callable[[Callable[[], object]], Awaitable[object]] = _in_place
    ledger = Ledger(state, (disk or Disk(cloud)) if is_patient else None, blocking=blocking)
    return Session(
        observer=observer,
        candidates=Candidates(observer),
        ledger=ledger,
        emit=cloud.events.append,
        is_patient=is_patient,
    )


async def begun(session: Session, one: Operation) -> Operation:
    """Let the operation be open in this run's ledger."""
    await session.ledger.intend(Begun(one))
    return one
