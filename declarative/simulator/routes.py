"""Which call goes where, which job ends how, which tables there are: the one place where a family is plugged in."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from declarative.simulator.calls import (
    attachments,
    batches,
    discovery,
    drills,
    groups,
    instances,
    jobs,
    keystone,
    nics,
    replications,
    resizing,
    sign_in,
    statistics,
    tag_search,
    tags,
    tasks,
    temporary_keys,
)
from declarative.simulator.protocol.faults import LISTS, Fault, Kind, parse_fault
from declarative.simulator.protocol.wire import Answer
from declarative.simulator.tables import (
    attachment_rows,
    compute,
    drill_rows,
    group_rows,
    history,
    identity_rows,
    instance_rows,
    replication_rows,
    task_rows,
)
from declarative.simulator.tables.session import Call

TABLES = (
    history.TABLES,
    identity_rows.TABLES,
    discovery.TABLES,
    group_rows.TABLES,
    instance_rows.TABLES,
    replication_rows.TABLES,
    attachment_rows.TABLES,
    drill_rows.TABLES,
    compute.TABLES,
    jobs.TABLES,
    task_rows.TABLES,
)

ENDINGS: Mapping[str, jobs.Ending] = {
    **groups.ENDINGS,
    **instances.ENDINGS,
    **batches.ENDINGS,
    **attachments.ENDINGS,
    **nics.ENDINGS,
    **resizing.ENDINGS,
    **replications.ENDINGS,
    **drills.ENDINGS,
}


_LISTS = (
    groups.list_groups,
    instances.list_instances,
    replications.list_replications,
    drills.list_drills,
    tasks.list_tasks,
)
_CREATES = (groups.create, instances.create, replications.create, drills.create)


@dataclass(frozen=True, slots=True)
class Route:
    """A call: its method, its path and what answers it.

    A path that begins with `/` stands by itself, any other follows `/v1/{project_id}/`. An open one asks
    for no token.
    """

    method: str
    path: str
    answer: Callable[[Call], Answer]
    is_open: bool = False

    @property
    def changes(self) -> bool:
        """Whether it would change something: a search doesn't, though it is a POST."""
        return self.method != "GET" and not self.is_whole and self.answer is not tag_search.search

    @property
    def is_whole(self) -> bool:
        """Whether it stands by itself, outside the project."""
        return self.path.startswith("/")


@dataclass(frozen=True, slots=True)
class Match:
    """The route of a request with what its path leaves open, unquoted."""

    route: Route
    parameters: tuple[str, ...]


# Literal paths come before those with an id at the same place (docs/sdrs-api.md, "Paths and headers").
ROUTES = (
    Route("GET", "/", discovery.list_versions, is_open=True),
    Route("GET", "/v1", discovery.show_version, is_open=True),
    Route("GET", "/v3", keystone.show_version, is_open=True),
    Route("POST", "/v3/auth/tokens", sign_in.sign_in, is_open=True),
    Route("POST", "/v3.0/OS-CREDENTIAL/securitytokens", temporary_keys.create, is_open=True),
    Route("GET", "/v3/auth/tokens", keystone.show_token),
    Route("GET", "/v3/auth/catalog", keystone.list_catalog),
    Route("GET", "/v3/auth/projects", keystone.list_projects),
    Route("GET", "/v3/auth/domains", keystone.list_domains),
    Route("GET", "/v3/projects", keystone.list_projects),
    Route("GET", "/v3/projects/{project_id}", keystone.show_project),
    Route("GET", "/v3/users", keystone.list_users),
    Route("GET", "active-domains", discovery.list_domains),
    Route("GET", "sdrs/quotas", discovery.show_quotas),
    Route("POST", "server-groups", groups.create),
    Route("GET", "server-groups", groups.list_groups),
    Route("GET", "server-groups/{server_group_id}", groups.show),
    Route("PUT", "server-groups/{server_group_id}", groups.rename),
    Route("DELETE", "server-groups/{server_group_id}", groups.delete),
    Route("POST", "server-groups/{server_group_id}/action", groups.act),
    Route("POST", "protected-instances", instances.create),
    Route("GET", "protected-instances", instances.list_instances),
    Route("GET", "protected-instances/tags", tags.list_of_project),
    Route("POST", "protected-instances/batch", batches.create),
    Route("POST", "protected-instances/delete", batches.delete),
    Route("POST", "protected-instances/resource_instances/action", tag_search.search),
    Route("GET", "protected-instances/{protected_instance_id}", instances.show),
    Route("PUT", "protected-instances/{protected_instance_id}", instances.rename),
    Route("DELETE", "protected-instances/{protected_instance_id}", instances.delete),
    Route("POST", "protected-instances/{protected_instance_id}/attachreplication", attachments.attach),
    Route(
        "DELETE",
        "protected-instances/{protected_instance_id}/detachreplication/{replication_id}",
        attachments.detach,
    ),
    Route("POST", "protected-instances/{protected_instance_id}/nic", nics.add),
    Route("POST", "protected-instances/{protected_instance_id}/nic/delete", nics.delete),
    Route("POST", "protected-instances/{protected_instance_id}/resize", resizing.resize),
    Route("POST", "protected-instances/{protected_instance_id}/tags", tags.add_one),
    Route("GET", "protected-instances/{protected_instance_id}/tags", tags.list_tags),
    Route("POST", "protected-instances/{protected_instance_id}/tags/action", tags.act),
    Route("DELETE", "protected-instances/{protected_instance_id}/tags/{key}", tags.delete_one),
    Route("POST", "replications", replications.create),
    Route("GET", "replications", replications.list_replications),
    Route("GET", "replications/{replication_id}", replications.show),
    Route("PUT", "replications/{replication_id}", replications.rename),
    Route("DELETE", "replications/{replication_id}", replications.delete),
    Route("POST", "replications/{replication_id}/action", replications.act),
    Route("POST", "disaster-recovery-drills", drills.create),
    Route("GET", "disaster-recovery-drills", drills.list_drills),
    Route("GET", "disaster-recovery-drills/{disaster_recovery_drill_id}", drills.show),
    Route("PUT", "disaster-recovery-drills/{disaster_recovery_drill_id}", drills.rename),
    Route("DELETE", "disaster-recovery-drills/{disaster_recovery_drill_id}", drills.delete),
    Route("GET", "resource/rpo-statistics", statistics.list_points),
    Route("GET", "jobs/{job_id}", jobs.show),
    Route("GET", "task-center/failure-jobs", tasks.list_tasks),
    Route("DELETE", "task-center/failure-jobs/batch", tasks.delete_of_groups),
    Route("DELETE", "task-center/failure-jobs/{failure_job_id}", tasks.delete_one),
    Route("DELETE", "task-center/{server_group_id}/failure-jobs/batch", tasks.delete_of_group),
)

_LEFT_OPEN = re.compile(r"{\w+}")
UNKNOWN_ROUTE = "(unknown)"


@dataclass(frozen=True, slots=True)
class Place:
    """A path taken apart. `project` and `relative` are empty for a path that isn't below `/v1/{project_id}/`."""

    path: str
    project: str
    relative: str

    @property
    def is_iam(self) -> bool:
        """Whether it is a path of IAM."""
        return self.path.startswith(("/v3/", "/v3.0/")) or self.path == "/v3"

    @classmethod
    def of(cls, path: str) -> Place:
        path = path.rstrip("/") or "/"
        parts = path.split("/", 3)
        if len(parts) == 4 and parts[:2] == ["", "v1"] and parts[2] and parts[3]:
            return cls(path, unquote(parts[2]), parts[3])
        return cls(path, "", "")


def find(method: str, place: Place) -> Match | None:
    """The route of a request, or None."""
    segments = (place.relative or place.path).split("/")
    for route, parts in _TABLE.get((method, len(segments)), ()):
        parameters = _fit(parts, segments)
        if parameters is not None:
            return Match(route, parameters)
    return None


def _fit(parts: list[str], segments: list[str]) -> tuple[str, ...] | None:
    parameters = []
    for part, segment in zip(parts, segments, strict=True):
        if part.startswith("{"):
            parameters.append(unquote(segment))
        elif part != segment:
            return None
    return tuple(parameters)


def _table() -> dict[tuple[str, int], list[tuple[Route, list[str]]]]:
    table: dict[tuple[str, int], list[tuple[Route, list[str]]]] = {}
    for route in ROUTES:
        parts = route.path.split("/")
        table.setdefault((route.method, len(parts)), []).append((route, parts))
    return table


_TABLE = _table()


def read_fault(text: str) -> Fault:
    """The fault that `text` describes; ValueError also for one that no call could ever meet, as a slip of the pen."""
    fault = parse_fault(text)
    paths = [
        _LEFT_OPEN.sub("*", route.path)
        for route in ROUTES
        if fault.method in ("*", route.method) and _can_meet(fault, route)
    ]
    whole = [path if path.startswith("/") else f"/v1/*/{path}" for path in paths]
    if any(_overlap(fault.path, path) for path in (*paths, *whole)):
        return fault
    near = difflib.get_close_matches(fault.path, paths, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    what = _wanted_by(fault.kind)
    raise ValueError(f"The fault {text!r} meets no request: no {what} fits {fault.method} {fault.path}.{hint}")


def _can_meet(fault: Fault, route: Route) -> bool:
    """Whether the fault does anything to such a call; most faults do something to any."""
    if fault.kind in LISTS:
        return route.answer in _LISTS
    if fault.kind is Kind.EXPIRE:
        return not route.is_open
    return fault.kind is not Kind.JOB_ENTITY or route.answer in _CREATES


def _wanted_by(kind: Kind) -> str:
    """What a fault of this kind can do something to, in words."""
    if kind in LISTS:
        return "list"
    return {Kind.EXPIRE: "call with a token", Kind.JOB_ENTITY: "create"}.get(kind, "call")


@functools.cache
def _overlap(pattern: str, path: str) -> bool:
    """Whether a text can fit both: `*` in `pattern` is any text and `?` one character, `*` in `path` one segment."""
    if not pattern or not path:
        return not pattern.strip("*") and not path.strip("*")
    if pattern[0] == "*":
        return _overlap(pattern[1:], path) or _overlap(pattern, path[1:])
    if path[0] == "*":
        return _overlap(pattern, path[1:]) or (pattern[0] != "/" and _overlap(pattern[1:], path))
    return pattern[0] in ("?", path[0]) and _overlap(pattern[1:], path[1:])
