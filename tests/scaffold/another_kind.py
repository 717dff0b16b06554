"""A kind that the project doesn't have, with its schema, its part of the service, and a command that knows it.

The command runs in a process of its own, where the kind is registered before anything else is imported.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from declarative.errors import visible
from declarative.kinds.describing import ID, in_group, told
from declarative.kinds.judging import status_troubles
from declarative.kinds.registry import register
from declarative.kinds.spec import recorded_fields
from declarative.kinds.status import by_status, held_because
from declarative.model import (
    Attributes,
    Call,
    Calls,
    Codes,
    Describing,
    Exclusive,
    Field,
    Health,
    Kind,
    OnChange,
    Refers,
    Relations,
    Statuses,
    Wire,
    Words,
)
from declarative.simulator.transport.server import Application, Message, Receive, Send

ROOT = Path(__file__).parents[2]
SCHEMAS = "SCHEMAS_OF_A_TEST"

_REFERS = {"protection_group": Refers("ProtectionGroup", "server_group_id")}
_FIELDS = {
    "server_group_id": Field(),
    "name": Field(on_change=OnChange.UPDATE),
    "slot": Field(),
    "retention": Field(on_change=OnChange.UPDATE, needs="the vault must have room for the longer retention"),
}
_PATH = ("consistency-points",)


def _update(object_id: str, inputs: Attributes, observed: Attributes, changed: frozenset[str]) -> tuple[Call, ...]:
    body = {name: inputs[name] for name in sorted(changed)}
    return (Call("PUT", (*_PATH, object_id), {"consistency_point": body}, idempotent=False, fields=changed),)


def _describe(shown: Attributes, context: Describing) -> Attributes:
    return {**in_group(shown, context), "slot": told(shown, "slot", ID), "retention": shown.get("retention")}


KIND = Kind(
    name="ConsistencyPoint",
    noun="consistency point",
    fields=_FIELDS,
    wire=Wire(
        collection="consistency-points",
        envelope="consistency_point",
        list_key="consistency_points",
        entity_keys=("consistency_point_id",),
    ),
    codes=Codes(
        gone=frozenset({"SDRS.9999"}),
    ),
    relations=Relations(
        refers=_REFERS,
        group="server_group_id",
        place=("server_group_id",),
        exclusive=Exclusive("slot", within="server_group_id"),
        only_grows={"retention": "days"},
        counted_as="consistency_point_num",
        names_unique_in="server_group_id",
    ),
    calls=Calls(
        timeouts={"create": 600.0, "update": 60.0, "delete": 600.0},
        complete=lambda spec, lookups: (recorded_fields(spec, _FIELDS, _REFERS), ()),
        create=lambda inputs: Call("POST", _PATH, {"consistency_point": {**inputs}}, idempotent=False, starts_job=True),
        update=_update,
        delete=lambda object_id, inputs: Call("DELETE", (*_PATH, object_id), idempotent=False, starts_job=True),
    ),
    statuses=Statuses(
        health=by_status({"available": Health.NORMAL, "creating": Health.BUSY, "error": Health.NORMAL}),
        held_because=held_because,
    ),
    words=Words(
        plural="consistency-points",
        describe=_describe,
        judge=status_troubles,
        lost=lambda seen: f"the state of {visible(seen.get('name'), limit=80)}",
    ),
)

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "ConsistencyPoint",
    "description": "A state that all disks of a group had at one moment.",
    "$ref": "manifest.json",
    "required": ["spec"],
    "properties": {
        "kind": {"description": "Always ConsistencyPoint.", "const": "ConsistencyPoint"},
        "lifecycle": {"description": "How it may change and end.", "properties": {"adopt": {"not": {}}}},
        "spec": {
            "description": "The point as it shall be.",
            "type": "object",
            "required": ["name", "slot"],
            "oneOf": [{"required": ["protection_group"]}, {"required": ["server_group_id"]}],
            "uniqueAmongObjects": [["server_group_id", "name"]],
            "additionalProperties": False,
            "properties": {
                "protection_group": {"description": "Its group.", "$ref": "manifest.json#/$defs/reference"},
                "server_group_id": {"description": "The id of its group.", "$ref": "manifest.json#/$defs/id"},
                "name": {"description": "Its name.", "$ref": "manifest.json#/$defs/name"},
                "slot": {
                    "description": "Its place in the vault.",
                    "type": "string",
                    "pattern": "^[a-z0-9]{1,8}$(?!\\n)",
                },
                "retention": {"description": "Days to keep it.", "type": "integer", "minimum": 1},
            },
        },
    },
}


def write_schemas(folder: Path) -> None:
    """All schemas of the project, and that of the kind."""
    shutil.copytree(ROOT / "schemas", folder)
    (folder / "consistency_point.json").write_text(json.dumps(SCHEMA))


class Points:
    """Consistency points as the service would keep them; each job is done at once."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.sent: list[str] = []
        self._count = 0

    def answer(self, method: str, path: str, query: str, body: Any) -> tuple[int, Any]:
        """The status and the JSON of an answer. `path`: below the project."""
        if method != "GET":
            self.sent.append(method)
        if path.startswith("jobs/"):
            entities = {"consistency_point_id": path.removeprefix("jobs/of-")}
            return 200, {"job_id": path[5:], "job_type": "point", "status": "SUCCESS", "entities": entities}
        object_id = path.partition("/")[2]
        if method == "POST":
            self._count += 1
            object_id = f"point-{self._count}"
            self.objects[object_id] = {"id": object_id, "status": "available", **body["consistency_point"]}
            return 200, {"job_id": f"of-{object_id}"}
        if not object_id:
            return 200, self._page(query)
        if object_id not in self.objects:
            return 404, {"error": {"code": "SDRS.9999", "message": "There is no such point."}}
        if method == "PUT":
            self.objects[object_id] |= body["consistency_point"]
        if method == "DELETE":
            del self.objects[object_id]
            return 200, {"job_id": f"of-{object_id}"}
        return 200, {"consistency_point": self.objects[object_id]}

    def _page(self, query: str) -> Mapping[str, Any]:
        numbers = {name: int(value) for name, value in re.findall(r"(limit|offset)=(\d+)", query)}
        start = numbers.get("offset", 0)
        listed = list(self.objects.values())[start : start + numbers.get("limit", 1000)]
        return {"count": len(self.objects), "consistency_points": listed}


def application(points: Points) -> type[Application]:
    """The simulator's application with consistency points beside the rest."""

    class Extended(Application):
        async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
            path = scope["path"].split("/", 3)[-1]
            if not path.startswith(("consistency-points", "jobs/of-")):
                await super().__call__(scope, receive, send)
                return
            body = b""
            while True:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
            query = scope["query_string"].decode()
            status, document = points.answer(scope["method"], path, query, json.loads(body or b"null"))
            text = json.dumps(document).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": text})

    return Extended


def run() -> None:
    """The command, with one kind more."""
    register(KIND)
    from declarative.manifest import schemas

    schemas.schema_root = lambda: Path(os.environ[SCHEMAS])
    from declarative.cli.main import run as command

    command()
