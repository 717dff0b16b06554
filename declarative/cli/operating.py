"""The simulator that a command acts on: the embedded one of the stack's folder, or one that is served on this machine.

A target that is not our simulator is refused before anything is sent that could change something: an endpoint beyond
this machine without any request, one on it after a request that reads, without a token, who answers there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from declarative.cli.embedded import SimulatorFailed, open_world, world_file
from declarative.cli.setting import Given, Setting
from declarative.errors import UsageError, visible

if TYPE_CHECKING:
    from declarative.simulator import Act, Done
    from declarative.workflow.project import Project

_SECONDS = 10.0  # for one answer of a process of this machine
_LIMIT = 1 << 16  # bytes of an answer


class NotASimulator(UsageError):
    """What is named is not a simulator of declarative on this machine."""

    id = "not-a-simulator"


class Refused(SimulatorFailed):
    """The simulator refuses an act. `code`: of the service that it plays, or ""."""

    def __init__(self, summary: str, fix: str = "", *, code: str = "") -> None:
        super().__init__(summary, fix)
        self.code = code


class Simulator(Protocol):
    """A world that acts can be sent to, wherever it is."""

    project_id: str

    def perform(self, act: Act) -> Done:
        """Carry out an act. Raises Refused."""


@contextmanager
def simulator_of(setting: Setting, project: Project, *, may_begin: bool = False) -> Iterator[Simulator]:
    """The simulator of the project. `may_begin`: a stack that has no world yet gets one. Raises NotASimulator."""
    from declarative.workflow.manifests import stack_here

    stack, endpoint = stack_here(project), project.endpoint
    if endpoint and stack.simulator:
        raise UsageError(
            "the stack says `simulator: true`, and --endpoint or SDRS_ENDPOINT names another cloud",
            "Leave the endpoint out, or work in another folder.",
        )
    if endpoint:
        yield _Served(endpoint)
        return
    if stack.name and not stack.simulator:
        raise NotASimulator(
            "this stack doesn't use the embedded simulator",
            "Name a served one with --endpoint or SDRS_ENDPOINT; `declarative simulator start` prints it.",
        )
    if not world_file(setting.folder).exists() and not (may_begin and stack.simulator):
        raise NotASimulator(
            "there is no embedded simulator here yet",
            "Apply a stack with `simulator: true` first, or name a served one with --endpoint.",
        )
    with open_world(setting.folder) as world:
        yield _Embedded(world)


class _Embedded:
    def __init__(self, world: Given) -> None:
        self._world = world
        self.project_id: str = world.project_id

    def perform(self, act: Act) -> Done:
        from declarative.simulator import ActRefused

        try:
            done: Done = self._world.perform(act)
        except ActRefused as refused:
            raise Refused(str(refused), code=refused.code) from refused
        return done


class _Served:
    """A simulator behind an endpoint, once it has said that it is one."""

    def __init__(self, endpoint: str) -> None:
        from declarative.provider.endpoint import is_loopback

        parts = urlsplit(endpoint)
        try:
            host, port = parts.hostname or "", parts.port or 80
        except ValueError as error:
            raise NotASimulator("the endpoint is not a URL", _START) from error
        if parts.scheme != "http" or not is_loopback(host):
            raise NotASimulator(
                f"the endpoint on {visible(host, limit=80)} is not a simulator on this machine; nothing was sent",
                _START,
            )
        self._host, self._port = host, port
        answer = self._ask("GET", b"")
        project_id = answer.get("project_id")
        if answer.get("simulator") != "declarative" or not isinstance(project_id, str):
            raise NotASimulator(
                f"what answers on port {port} is not a simulator of declarative; nothing was changed", _START
            )
        self.project_id = project_id

    def perform(self, act: Act) -> Done:
        from declarative.simulator import Done

        answer = self._ask("POST", act.text())
        words = [answer.get(name) for name in ("noun", "id", "name", "happened")]
        noun, object_id, name, happened = (word if isinstance(word, str) else "" for word in words)
        if not happened:
            refused, code = answer.get("refused"), answer.get("code")
            raise Refused(
                refused if isinstance(refused, str) else "the simulator's answer can't be read",
                code=code if isinstance(code, str) else "",
            )
        return Done(noun, object_id, name, happened)

    def _ask(self, method: str, body: bytes) -> dict[str, Given]:
        """One request, past proxies and without credentials. Returns {} for what is not a JSON object."""
        import http.client

        from declarative.simulator.transport.operating import ACTS, HEADER, WHO

        connection = http.client.HTTPConnection(self._host, self._port, timeout=_SECONDS)
        try:
            headers = {HEADER: "1", "Content-Type": "application/json"}
            connection.request(method, ACTS if body else WHO, body or None, headers)
            content = connection.getresponse().read(_LIMIT)
        except (OSError, http.client.HTTPException) as error:
            raise SimulatorFailed(
                f"no simulator answers on port {self._port}: {error}", "Start one: declarative simulator start."
            ) from error
        finally:
            connection.close()
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


_START = "These commands act on simulators only: `declarative simulator start` starts one and prints its endpoint."
