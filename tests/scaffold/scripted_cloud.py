"""A loop whose time passes only when nothing else can happen, and a small cloud that behaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from random import Random
from urllib.parse import parse_qsl

import httpx

from declarative.clock import Clock
from declarative.kinds import KINDS
from declarative.model import Call
from declarative.provider import Access, GivenToken, Provider, Secret

GROUP = KINDS["ProtectionGroup"]
TOKEN = "canary-token-0123456789"
ACCESS = Access("http://127.0.0.1:1", "p1", "eu-de", GivenToken(Secret(TOKEN)))
CREATE = Call("POST", ("server-groups",), {"server_group": {"name": "a"}}, idempotent=False)
READ = Call("GET", ("server-groups", "g1"))


class VirtualLoop(asyncio.SelectorEventLoop):
    """Sleeps take no time: when no socket is ready, the time jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._real_select = self._selector.select
        self._selector.select = self._select

    def time(self) -> float:
        return self._now

    def _select(self, timeout):
        ready = self._real_select(0)
        if ready or timeout == 0:
            return ready
        # A loopback socket may need a moment of real time, and a busy machine more; with no timer there is only that.
        ready = self._real_select(5.0 if timeout is None else 0.01)
        if not ready:
            assert timeout is not None, "everybody waits for ever"
            self._now += timeout
        return ready


class JumpingLoop(VirtualLoop):
    """The same without sockets: no moment of real time is lost."""

    def _select(self, timeout):
        ready = self._real_select(0)
        if not ready and timeout != 0:
            assert timeout is not None, "everybody waits for ever"
            self._now += timeout
        return ready


def run(coroutine: Coroutine, *, loop: Callable[[], asyncio.AbstractEventLoop] = JumpingLoop):
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(coroutine)


def clock(seed: int = 1) -> Clock:
    return Clock(random=Random(seed))


def now() -> float:
    return asyncio.get_running_loop().time()


def answer(document: object = None, *, status: int = 200, headers: dict[str, str] | None = None, body: bytes = b""):
    content = body if document is None else json.dumps(document).encode()
    return httpx.Response(status, content=content, headers=headers)


def error(code: str, *, status: int = 400, message: str = "no") -> httpx.Response:
    return answer({"error": {"code": code, "message": message}}, status=status)


class Scripted(httpx.AsyncBaseTransport):
    """Gives the prepared answers in turn, and the last one for ever; an exception is raised."""

    def __init__(self, *answers: object, latency: float = 0.0) -> None:
        self._answers = list(answers)
        self.latency = latency
        self.requests: list[httpx.Request] = []
        self.times: list[float] = []
        self.in_flight = 0
        self.most_in_flight = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.times.append(now())
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.in_flight -= 1
        given = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(given, Exception):
            raise given
        if isinstance(given, httpx.Response):
            return httpx.Response(given.status_code, headers=given.headers, content=given.content)
        return given(request)


@dataclass
class FakeJob:
    begun: float
    seconds: float
    fails: bool = False
    looks: list[float] = field(default_factory=list)


class JobCloud(httpx.AsyncBaseTransport):
    """Creates groups by jobs of `seconds(n)`; `tells` says whether jobs show their begin and end."""

    def __init__(
        self, seconds: Callable[[int], float], *, tells: bool = True, latency: float = 0.002, fails: bool = False
    ) -> None:
        self.jobs: list[FakeJob] = []
        self._seconds = seconds
        self._tells = tells
        self._latency = latency
        self._fails = fails

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(self._latency / 2)
        document = self._answer(request)
        await asyncio.sleep(self._latency / 2)
        return answer(document)

    def _answer(self, request: httpx.Request) -> dict[str, object]:
        if request.method == "POST":
            self.jobs.append(FakeJob(now(), self._seconds(len(self.jobs)), self._fails))
            return {"job_id": f"job-{len(self.jobs) - 1}"}
        number = int(request.url.path.rpartition("-")[2])
        job = self.jobs[number]
        job.looks.append(now())
        ended = now() >= job.begun + job.seconds
        word = ("FAIL" if job.fails else "SUCCESS") if ended else "RUNNING"
        told = {"begin_time": _stamp(job.begun), "end_time": _stamp(job.begun + job.seconds) if ended else None}
        return {
            "job_id": f"job-{number}",
            "status": word,
            "entities": {"server_group_id": f"g{number}"},
            **(told if self._tells else {}),
        }

    def looks(self) -> int:
        return sum(len(job.looks) for job in self.jobs)


def _stamp(seconds: float) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"2026-01-01T{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.{thousandths:03d}Z"


def provider(transport: httpx.AsyncBaseTransport | None, **options) -> Provider:
    return Provider(options.pop("access", ACCESS), clock=clock(), transport=transport, **options)


def query(request: httpx.Request) -> dict[str, str]:
    return dict(parse_qsl(request.url.query.decode()))
