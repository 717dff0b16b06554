"""A cloud for tests: a world whose clock stands still until told, and a hand that sends requests to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest

from declarative.simulator import World
from declarative.simulator.wire import Answer, Request

VPC = "68679295-0223-4b5d-aecb-656d77977de2"


class StillClock:
    """Seconds since 1970 that pass only when told."""

    def __init__(self, now: float = 1_741_684_427.912) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True)
class Reply:
    """An answer as a test reads it."""

    status: int
    body: object
    headers: dict[str, str]
    answer: Answer

    @property
    def code(self) -> str:
        return self.body["error"]["code"]


class Cloud:
    """A world with its clock, and requests to it with the token that always works."""

    def __init__(self, world: World, clock: StillClock) -> None:
        self.world = world
        self.clock = clock

    def send(
        self, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None, **query: object
    ) -> Reply:
        """A request below `/v1/{project_id}/`, or to a whole path that begins with `/`."""
        if not path.startswith("/"):
            path = f"/v1/{self.world.project_id}/{path}"
        sent = {"x-auth-token": self.world.preset_token} if headers is None else headers
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        answer = self.world.handle(Request(method, path, urlencode(query), sent, content, "http://sdrs.test"))
        is_json = dict(answer.headers).get("Content-Type") == "application/json"
        try:
            document = json.loads(answer.body) if is_json else None
        except ValueError:
            document = None
        return Reply(answer.status, document, dict(answer.headers), answer)

    def fields(self, **changes: object) -> dict[str, object]:
        """The fields of a good group, with changes; a change to `...` leaves the field out."""
        fields = {
            "name": "pg-orders",
            "description": "order system",
            "source_availability_zone": "eu-de-01",
            "target_availability_zone": "eu-de-02",
            "domain_id": self.world.domain_ids[0],
            "source_vpc_id": VPC,
        } | changes
        return {key: value for key, value in fields.items() if value is not ...}

    def create(self, **changes: object) -> Reply:
        return self.send("POST", "server-groups", {"server_group": self.fields(**changes)})

    def job(self, reply: Reply) -> dict[str, object]:
        """The job that a reply speaks of, as it is now."""
        found = self.send("GET", f"jobs/{reply.body['job_id']}")
        assert found.status == 200
        return found.body

    def finished(self, reply: Reply) -> dict[str, object]:
        """The job that a reply speaks of, when all jobs have ended."""
        assert reply.status == 200, reply
        self.world.advance()
        return self.job(reply)

    def group(self, **changes: object) -> str:
        """The id of a new group, created and available."""
        return self.finished(self.create(**changes))["entities"]["server_group_id"]

    def pair_group(self, **changes: object) -> str:
        """The id of a new group that holds a pair, so that it can be enabled."""
        group_id = self.group(**changes)
        self.world.add_replication(group_id)
        return group_id

    def act(self, group_id: str, word: str, options: object = None) -> Reply:
        return self.send("POST", f"server-groups/{group_id}/action", {word: {} if options is None else options})

    def show(self, group_id: str) -> dict[str, object]:
        found = self.send("GET", f"server-groups/{group_id}")
        assert found.status == 200, found
        return found.body["server_group"]

    def names(self, **query: object) -> list[str]:
        listed = self.send("GET", "server-groups", **query)
        assert listed.status == 200, listed
        return [group["name"] for group in listed.body["server_groups"]]


@pytest.fixture
def open_cloud() -> Iterator[Callable[..., Cloud]]:
    """Open clouds with the arguments of `World.open`."""
    opened = []

    def opener(*arguments: object, **options: object) -> Cloud:
        clock = options.pop("clock", None) or StillClock()
        world = World.open(*arguments, clock=clock, seed=options.pop("seed", 7), **options)
        opened.append(world)
        return Cloud(world, clock)

    yield opener
    for world in opened:
        world.close()


@pytest.fixture
def cloud(open_cloud: Callable[..., Cloud]) -> Cloud:
    """A fresh cloud in memory."""
    return open_cloud()
