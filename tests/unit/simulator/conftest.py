"""A cloud for tests: a world whose clock stands still until told, and a hand that sends requests to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest

from declarative.simulator import World
from declarative.simulator.protocol.wire import Answer, Request

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
        self.drawn = 0

    def send(
        self, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None, **query: object
    ) -> Reply:
        """A request below `/v1/{project_id}/`, or to a whole path that begins with `/`."""
        return self._send(method, path, urlencode(query), body, headers)

    def ask(self, method: str, path: str) -> Reply:
        """A request whose path holds the query, as it stands."""
        path, _, query = path.partition("?")
        return self._send(method, path, query, None, None)

    def _send(self, method: str, path: str, query: str, body: object, headers: dict[str, str] | None) -> Reply:
        if not path.startswith("/"):
            path = f"/v1/{self.world.project_id}/{path}"
        sent = {"x-auth-token": self.world.preset_token} if headers is None else headers
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        answer = self.world.handle(Request(method, path, query, sent, content, "http://sdrs.test"))
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
        self.world.operator.add_replication(group_id)
        return group_id

    def server_id(self) -> str:
        """Some server's id that nobody knows yet; so it is good where any id is fine."""
        self.drawn += 1
        return f"{self.drawn:08x}-98bd-4965-98ee-d4e24b98109a"

    def ask_instance(self, group_id: str, **changes: object) -> Reply:
        """Ask for an instance, with changes to good fields; a change to `...` leaves the field out."""
        fields = {"server_group_id": group_id, "server_id": self.server_id(), "name": "pi-orders"} | changes
        body = {key: value for key, value in fields.items() if value is not ...}
        return self.send("POST", "protected-instances", {"protected_instance": body})

    def instance(self, group_id: str, **changes: object) -> str:
        """The id of a new instance, created."""
        return self.finished(self.ask_instance(group_id, **changes))["entities"]["protected_instance_id"]

    def ask_pair(self, group_id: str, **changes: object) -> Reply:
        """Ask for a pair, likewise."""
        fields = {"server_group_id": group_id, "volume_id": self.server_id(), "name": "rp-orders"} | changes
        body = {key: value for key, value in fields.items() if value is not ...}
        return self.send("POST", "replications", {"replication": body})

    def pair(self, group_id: str, **changes: object) -> str:
        """The id of a new pair, created."""
        return self.finished(self.ask_pair(group_id, **changes))["entities"]["replication_pair_id"]

    def ask_drill(self, group_id: str, **changes: object) -> Reply:
        """Ask for a drill, likewise."""
        fields = {"server_group_id": group_id, "name": "drill-1"} | changes
        body = {key: value for key, value in fields.items() if value is not ...}
        return self.send("POST", "disaster-recovery-drills", {"disaster_recovery_drill": body})

    def drill(self, group_id: str, **changes: object) -> str:
        """The id of a new drill, created."""
        return self.finished(self.ask_drill(group_id, **changes))["entities"]["disaster_recovery_drill_id"]

    def ask_attach(self, instance_id: str, pair_id: str, device: object = "/dev/vdb") -> Reply:
        body = {"replicationAttachment": {"replication_id": pair_id, "device": device}}
        return self.send("POST", f"protected-instances/{instance_id}/attachreplication", body)

    def ask_detach(self, instance_id: str, pair_id: str) -> Reply:
        return self.send("DELETE", f"protected-instances/{instance_id}/detachreplication/{pair_id}")

    def protected(self, **changes: object) -> tuple[str, str]:
        """The ids of a new group and of an instance in it, protected and copied."""
        group_id = self.group(**changes)
        instance_id = self.instance(group_id)
        self.finished(self.act(group_id, "start-server-group"))
        return group_id, instance_id

    def show_instance(self, instance_id: str) -> dict[str, object]:
        found = self.send("GET", f"protected-instances/{instance_id}")
        assert found.status == 200, found
        return found.body["protected_instance"]

    def show_pair(self, pair_id: str) -> dict[str, object]:
        found = self.send("GET", f"replications/{pair_id}")
        assert found.status == 200, found
        return found.body["replication"]

    def server(self, server_id: str) -> dict[str, object] | None:
        """A server of the world, None if there is none."""
        return next((server for server in self.world.servers() if server["id"] == server_id), None)

    def disk(self, disk_id: str) -> dict[str, object] | None:
        """A disk of the world, None if there is none."""
        return next((disk for disk in self.world.disks() if disk["id"] == disk_id), None)

    def failures(self, group_id: str) -> list[tuple[str, str, str]]:
        """What has failed inside a group: type, id and how."""
        listed = self.send("GET", "task-center/failure-jobs", server_group_id=group_id).body["failure_jobs"]
        return [(task["resource_type"], task["resource_id"], task["failure_status"]) for task in listed]

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
