"""What a served world offers beside the API: who it is, and acts of a person. The real service has nothing of it.

Only processes of this machine may use it. A web page that a person looks at runs on this machine too, so the host must
be this machine's name, and a header must be there that a browser sends to no stranger.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from declarative.simulator.acts import Act
from declarative.simulator.protocol.wire import Answer
from declarative.simulator.things import ActRefused
from declarative.simulator.world import World

WHO, ACTS = "/simulator", "/simulator/acts"
HEADER = "x-declarative-simulator"


def operate(world: World, method: str, path: str, headers: Mapping[str, str], body: bytes, *, peer: str) -> Answer:
    """Answer a request to `WHO` or `ACTS`. `peer`: the address that it comes from; header names are in lower case."""
    if not (_is_here(peer) and _is_here(_host(headers.get("host", ""))) and headers.get(HEADER)):
        return Answer.of({"refused": "only this machine's own commands may use this"}, status=403)
    if (method, path) == ("GET", WHO):
        return Answer.of({"simulator": "declarative", "project_id": world.project_id})
    if (method, path) == ("POST", ACTS):
        return _acted(world, body)
    return Answer.of({"refused": "there is nothing of the kind"}, status=404)


def _acted(world: World, body: bytes) -> Answer:
    try:
        done = world.perform(Act.read(body))
    except ActRefused as refused:
        return Answer.of({"refused": str(refused), "code": refused.code}, status=409)
    return Answer.of({"noun": done.noun, "id": done.id, "name": done.name, "happened": done.happened})


def _host(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
