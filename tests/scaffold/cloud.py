"""A stack in a folder of its own, on an embedded world: real workflow, real local state, virtual time.

Each command runs on a loop of its own, from where the last one ended; the world follows that time. A run can be given
an accident: `Wire` and `Disk` see every request and every durable write, and may fail it, or the whole process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from declarative.clock import Clock
from declarative.errors import ConsentMissing, ExitCode
from declarative.model import Address, Consent, Event, Plan, Resource
from declarative.observation import LOOKED
from declarative.planfile import encode_plan
from declarative.planner.consents import parse_consent, unconsented, with_consents
from declarative.planner.selection import PlanRequest
from declarative.simulator import EmbeddedTransport, Origin, Rules, World
from declarative.simulator.tables.history import Effect
from declarative.state import State
from declarative.workflow import imports, plans, runs, states
from declarative.workflow.execution import Applied
from declarative.workflow.project import SIMULATOR, Embedded, Project
from tests.scaffold.accidents import LookKeeper
from tests.scaffold.virtual_time import run_virtual

T = TypeVar("T")
Group = Mapping[str, Any]
Json = Any

EPOCH = 1_741_684_427.0  # seconds since 1970 at which every site begins
VPC = "68679295-0223-4b5d-aecb-656d77977de2"
KIND = "ProtectionGroup"
DESTROY = PlanRequest(destroy=True)
_PLAIN: dict[str, Json] = {
    "source_availability_zone": "eu-de-01",
    "target_availability_zone": "eu-de-02",
    "domain": "ActiveactiveDomain",
    "source_vpc_id": VPC,
    "dr_type": "migration",
}

_USUAL = Rules()

Wire = Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport]
Disk = Callable[[Callable[[], object]], Awaitable[object]]


def address(name: str) -> Address:
    """The address of a group by its manifest name."""
    return Address(KIND, name)


async def in_place(work: Callable[[], object]) -> object:
    """Work that blocks, done where it stands: a thread would be outside virtual time."""
    return work()


class RecordingWatch:
    """A front end that remembers events and agrees to whatever the given consents cover."""

    def __init__(self, consents: Sequence[Consent] = ()) -> None:
        self.consents = tuple(consents)
        self.events: list[Event] = []
        self.plans: list[Plan] = []
        self.on_event: Callable[[Event], None] = lambda event: None
        self.on_review: Callable[[Plan], None] = lambda plan: None

    def event(self, event: Event) -> None:
        self.events.append(event)
        self.on_event(event)

    def review(self, plan: Plan) -> Plan:
        agreed = with_consents(plan, self.consents)
        self.plans.append(agreed)
        self.on_review(agreed)
        if missing := unconsented(agreed):
            raise ConsentMissing("; ".join(danger.message for danger in missing))
        return agreed

    def texts(self, *types: str) -> list[str]:
        """All that was said in events of these types (all types: none given), in order."""
        wanted = [event for event in self.events if not types or event.type in types]
        return [" ".join(str(value) for value in event.detail.values()) for event in wanted]


class Delayed(httpx.AsyncBaseTransport):
    """Each request takes some time, drawn from `chance`, so that many are on their way at once."""

    def __init__(self, inner: httpx.AsyncBaseTransport, chance: random.Random, *, longest: float = 0.1) -> None:
        self._inner = inner
        self._chance = chance
        self._longest = longest

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(self._chance.uniform(0.0, self._longest / 2))
        response = await self._inner.handle_async_request(request)
        await asyncio.sleep(self._chance.uniform(0.0, self._longest / 2))
        return response


@dataclass
class Accident:
    """What befalls the next run: on its wire, on its disk, or by an interrupt after so many seconds."""

    wire: Wire | None = None
    disk: Disk | None = None
    interrupt_after: float | None = None


@dataclass
class Site:
    """One stack. Without `in_file` the world lives in memory. `faults` are the world's, whenever it is opened.

    `latency`: seconds that a request may take at most; `now`: seconds since the site began.
    """

    folder: Path
    in_file: bool = False
    speed: float = float("inf")
    rules: Rules = _USUAL
    quota: int = -1
    seed: int = 1
    latency: float = 0.0
    now: float = 0.0
    faults: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.stack_folder = self.folder / "stack"
        self.marks = self.folder / "marks"
        self.stack_folder.mkdir(parents=True, exist_ok=True)
        self.accident = Accident()
        self.stale: list[str] = []  # calls that rested on looks older than `trust` seconds
        self.trust = LOOKED
        self.watch = RecordingWatch()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._world: World | None = None
        self._runs = 0

    # ---------------------------------------------------------------- the world

    @property
    def state_folder(self) -> Path:
        """Where the local store keeps this stack's state."""
        return self.stack_folder / ".declarative" / "default"

    @property
    def world_file(self) -> Path:
        return self.stack_folder / ".declarative" / "simulator.sqlite"

    @property
    def world(self) -> World:
        """The world, opened when it is first wanted."""
        if self._world is None:
            if self.in_file:
                self.world_file.parent.mkdir(mode=0o700, exist_ok=True)
            self._world = World.open(
                self.world_file if self.in_file else None,
                speed=self.speed,
                faults=self.faults,
                rules=self.rules,
                origin=Origin(group_quota=self.quota),
                clock=self.time,
                seed=self.seed,
            )
            self._world.accept_token(SIMULATOR)
        return self._world

    def break_with(self, *faults: str) -> None:
        """From now on these faults strike, and no others."""
        self.faults = faults
        self.world.faults.clear()
        self.world.faults.add(faults)

    def close(self) -> None:
        """Let go of the world's file; the next use opens it again."""
        if self._world is not None:
            self._world.close()
            self._world = None

    def time(self) -> float:
        """Seconds since 1970, for the world and for the program alike."""
        return EPOCH + (self._loop.time() if self._loop is not None else self.now)

    def catch_up(self) -> None:
        """Let no less time have passed than the world has seen: another process may have moved it on."""
        self.now = max([self.now, *(event.at / 1000 - EPOCH for event in self.world.history()[-1:])])

    def live(self) -> dict[str, Mapping[str, Json]]:
        """All groups of the cloud by id, jobs that are due included."""
        return {str(group["id"]): group for group in self.world.groups()}

    def named(self, name: str) -> list[str]:
        """Ids of the groups with this name in the cloud."""
        return [object_id for object_id, group in self.live().items() if group["name"] == name]

    def requests(self, method: str, route: str = "") -> int:
        """How many requests of a method (and a route) have come so far."""
        counts = self.world.requests()
        return sum(number for (one, path), number in counts.items() if one == method and route in ("", path))

    def changing(self) -> int:
        """How many requests that would change something have come so far."""
        return sum(self.requests(method) for method in ("POST", "PUT", "DELETE"))

    def all_requests(self) -> int:
        """How many requests have come so far."""
        return sum(self.world.requests().values())

    def made(self) -> list[str]:
        """Ids of all groups that a request of ours has created, in order, living or not."""
        return [e.subject for e in self.world.history() if e.effect is Effect.CREATED and e.method == "POST"]

    def deleted_by_us(self) -> list[str]:
        """Ids of the groups for which a DELETE was accepted, in order."""
        wanted = (event for event in self.world.history() if event.method == "DELETE")
        return [event.path.rsplit("/", 1)[1] for event in wanted if event.effect is Effect.SUBMITTED]

    def foreign(self, name: str, **fields: Json) -> str:
        """Let somebody else make a group, at once, and return its id."""
        known = set(self.live())
        body = {**_PLAIN, "name": name, "domain_id": self.world.domain_ids[0], **fields}
        del body["domain"]

        async def post() -> int:
            async with httpx.AsyncClient(transport=EmbeddedTransport(self.world)) as client:
                url = f"http://127.0.0.1/v1/{self.world.project_id}/server-groups"
                answer = await client.post(
                    url, json={"server_group": body}, headers={"X-Auth-Token": self.world.preset_token}
                )
                return answer.status_code

        assert self.run(post) == 200
        (new,) = set(self.live()) - known
        self.world.operator.set_status(new, "available")
        return new

    # ---------------------------------------------------------------- manifests

    def write(self, groups: Mapping[str, Group], **stack: Json) -> None:
        """Write the manifests: by manifest name what the spec has beside the usual; `lifecycle` stands for itself."""
        head = {"apiVersion": "sdrs/v1", "kind": "Stack", "metadata": {"name": "proof"}}
        spec = {"provider": {"simulator": True}, **stack}
        documents = [{**head, "spec": spec}, *(_document(name, dict(group)) for name, group in groups.items())]
        text = "\n---\n".join(json.dumps(document) for document in documents)
        (self.stack_folder / "stack.yaml").write_text(text + "\n")

    # ---------------------------------------------------------------- commands

    def project(self, **options: Any) -> Project:
        """The project of the next run."""
        self._runs += 1
        clock = Clock(
            utcnow=lambda: datetime.fromtimestamp(self.time(), UTC),
            pause=_no_pause,
            random=random.Random(f"{self.seed}/{self._runs}"),
        )
        return Project(
            folder=self.stack_folder,
            environ={"XDG_STATE_HOME": str(self.marks)},
            embedded=self._embedded,
            clock=clock,
            blocking=self.accident.disk or in_place,
            **options,
        )

    def _embedded(self, folder: Path) -> Embedded:
        assert folder == self.stack_folder
        transport: httpx.AsyncBaseTransport = EmbeddedTransport(self.world)
        if self.latency:
            transport = Delayed(transport, random.Random(f"{self.seed}/{self._runs}/wire"), longest=self.latency)
        if self.accident.wire is not None:
            transport = self.accident.wire(transport)
        return Embedded(self.world.project_id, LookKeeper(transport, self.stale, trust=self.trust))

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run one piece of work in virtual time."""

        async def timed() -> T:
            self._loop = asyncio.get_running_loop()
            return await work()

        def ended(now: float) -> None:
            self._loop = None
            self.now = now + 0.001

        return run_virtual(timed, start=self.now, at_end=ended)

    def apply(
        self,
        request: PlanRequest | None = None,
        *,
        allow: Collection[str] = (),
        content_sha256: str | None = None,
        **options: Any,
    ) -> Applied:
        """`apply`, with consents in the words of `--allow`. No call of it may rest on a look that was too old."""
        self.watch = self._new_watch(allow)

        async def work() -> Applied:
            interrupt = asyncio.Event()
            timer = self._interrupting(interrupt)
            try:
                return await runs.apply(
                    self.project(**options),
                    request or PlanRequest(),
                    watch=self.watch,
                    interrupt=interrupt,
                    content_sha256=content_sha256,
                )
            finally:
                if timer is not None:
                    timer.cancel()

        self.trust = options.get("timeouts", {}).get("look", LOOKED)
        applied = self.run(work)
        assert not self.stale, self.stale
        return applied

    def _interrupting(self, interrupt: asyncio.Event) -> asyncio.TimerHandle | None:
        after = self.accident.interrupt_after
        return None if after is None else asyncio.get_running_loop().call_later(after, interrupt.set)

    def _new_watch(self, allow: Collection[str]) -> RecordingWatch:
        watch = RecordingWatch([parse_consent(text) for text in allow])
        watch.on_event, watch.on_review = self.watch.on_event, self.watch.on_review
        return watch

    def destroy(self, **options: Any) -> Applied:
        """`destroy`."""
        return self.apply(DESTROY, **options)

    def plan(self, request: PlanRequest | None = None) -> Plan:
        """`plan`."""
        return self.run(lambda: plans.plan(self.project(), request or PlanRequest()))

    def apply_saved(self, plan: Plan, *, allow: Collection[str] = (), **options: Any) -> Applied:
        """`apply PLAN`."""
        self.watch = self._new_watch(allow)
        text = encode_plan(plan)

        async def work() -> Applied:
            return await runs.apply_saved(
                self.project(**options),
                text,
                source="plan.json",
                sha256=None,
                consents=self.watch.consents,
                watch=self.watch,
                interrupt=asyncio.Event(),
            )

        applied = self.run(work)
        assert not self.stale, self.stale
        return applied

    def import_object(self, name: str, object_id: str) -> Resource:
        """`import`."""
        self.watch = self._new_watch(())
        wanted = [(str(address(name)), object_id)]
        (resource,) = self.run(lambda: imports.import_objects(self.project(), wanted, watch=self.watch))
        return resource

    def state_rm(self, name: str) -> None:
        """`state rm`."""
        self.watch = self._new_watch(())
        self.run(lambda: states.state_rm(self.project(), [str(address(name))], watch=self.watch))

    def state(self) -> State:
        """The recorded state, read anew."""
        return states.show(self.project())

    def recorded(self) -> dict[str, str]:
        """Ids by manifest name, as recorded."""
        return {one.name: resource.id for one, resource in self.state().resources.items()}

    def state_bytes(self) -> dict[str, bytes]:
        """The state's own files, to see whether anything was written."""
        files = [self.state_folder / name for name in ("state.json", "journal.jsonl")]
        return {file.name: file.read_bytes() for file in files if file.exists()}

    @contextlib.contextmanager
    def suffering(self, **accident: Any) -> Iterator[None]:
        """Within it, runs have this accident."""
        before, self.accident = self.accident, replace(self.accident, **accident)
        try:
            yield
        finally:
            self.accident = before


def _document(name: str, group: dict[str, Json]) -> dict[str, Json]:
    envelope: dict[str, Json] = {key: group.pop(key) for key in ("lifecycle", "depends_on") if key in group}
    spec = {key: value for key, value in {**_PLAIN, "name": name, **group}.items() if value is not None}
    return {"apiVersion": "sdrs/v1", "kind": KIND, "metadata": {"name": name}, "spec": spec, **envelope}


def _no_pause(seconds: float) -> None:
    """Waiting for a lock outside the loop takes no time in tests."""


# ---------------------------------------------------------------- what must always hold


def assert_settled(
    site: Site, wanted: Mapping[str, str], *, foreign: Collection[str] = (), request: PlanRequest | None = None
) -> None:
    """State, cloud and manifests agree: `wanted` is names in the cloud by manifest name, `foreign` ids not ours.

    Nothing is orphaned, nothing doubled, nothing open, and another plan (for `request`) has nothing to do.
    """
    state, live = site.state(), site.live()
    ours = {object_id: group for object_id, group in live.items() if object_id not in foreign}
    recorded = {one.name: resource for one, resource in state.resources.items()}
    assert not state.operations, f"still open: {state.operations}"
    assert sorted(ours) == sorted(resource.id for resource in recorded.values()), "orphans or ghosts"
    assert {name: ours[resource.id]["name"] for name, resource in recorded.items()} == dict(wanted)
    assert {name: resource.inputs["name"] for name, resource in recorded.items()} == dict(wanted)
    plan = site.plan(request)
    assert not plan.has_changes(), plan.steps
    assert not plan.open
    assert not plan.withheld


def done(applied: Applied) -> None:
    """The run ended with nothing left to do, and says so."""
    troubles = [(o.step.id, o.result.value, o.summary, o.fix) for o in applied.outcome.steps if o.result != "done"]
    assert applied.exit_code is ExitCode.OK, (applied.exit_code, troubles, applied.outcome.conflict)


def why(applied: Applied) -> str:
    """What the run says of its steps, and what to do about it."""
    return "\n".join(f"{outcome.summary} {outcome.fix}" for outcome in applied.outcome.steps)
