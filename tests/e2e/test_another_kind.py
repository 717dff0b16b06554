"""A kind is one module and one schema: one that the project doesn't have goes through the whole life of a stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from declarative.simulator import Origin, World
from declarative.simulator.transport import server
from tests.scaffold.another_kind import ROOT, SCHEMAS, Points, application, write_schemas

COMMAND = [sys.executable, "-c", "from tests.scaffold.another_kind import run; run()"]
STACK = """\
apiVersion: sdrs/v1
kind: Stack
metadata: {name: points}
spec: {provider: {region: eu-de}}
---
apiVersion: sdrs/v1
kind: ProtectionGroup
metadata: {name: shop}
spec:
  name: shop
  source_availability_zone: eu-de-01
  target_availability_zone: eu-de-02
  domain_id: DOMAIN
  source_vpc_id: 046852ef-c49d-409b-8389-546aaaa5701f
"""
POINT = """\
---
apiVersion: sdrs/v1
kind: ConsistencyPoint
metadata: {name: NAME}
spec: {protection_group: shop, name: NAME, slot: SLOT, retention: DAYS}
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


def point(name: str, slot: str, days: int | str = 7) -> str:
    return POINT.replace("NAME", name).replace("SLOT", slot).replace("DAYS", str(days))


@pytest.fixture
def points() -> Points:
    return Points()


@pytest.fixture
def world(points: Points, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[World, str]]:
    monkeypatch.setattr(server, "Application", application(points))
    with World.open(origin=Origin(group_quota=-1), speed=float("inf")) as opened, server.running(opened) as endpoint:
        yield opened, endpoint


@pytest.fixture
def declarative(world: tuple[World, str], tmp_path: Path) -> Run:
    opened, endpoint = world
    write_schemas(tmp_path / "schemas")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("DECLARATIVE_", "OS_", "SDRS_"))}
    env |= {
        "SDRS_ENDPOINT": endpoint,
        "SDRS_PROJECT_ID": opened.project_id,
        "OS_AUTH_TOKEN": opened.preset_token,
        "XDG_STATE_HOME": str(tmp_path / "xdg"),
        "PYTHONPATH": str(ROOT),
        SCHEMAS: str(tmp_path / "schemas"),
    }

    def run(*arguments: str, code: int = 0, folder: str = "stack") -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, "-C", str(tmp_path / folder), *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    (tmp_path / "stack").mkdir()
    return run


def test_a_kind_that_only_its_module_and_its_schema_know(
    declarative: Run, world: tuple[World, str], points: Points, tmp_path: Path
) -> None:
    stack = STACK.replace("DOMAIN", world[0].domain_ids[0])

    def write(*documents: str) -> None:
        (tmp_path / "stack" / "stack.yaml").write_text(stack + "".join(documents))

    write(point("night", "a", "soon"))
    assert "stack.yaml:19:65: error: spec.retention must be" in declarative("validate", code=1).stdout
    write(point("night", "a"), point("day", "b"))
    declarative("validate")
    steps = json.loads(declarative("plan", "--format", "json").stdout)["steps"]
    assert {"create:ConsistencyPoint/day", "create:ConsistencyPoint/night"} < {one["id"] for one in steps}
    declarative("apply", "--auto-approve")
    assert sorted(one["name"] for one in points.objects.values()) == ["day", "night"]
    declarative("plan", "--detailed-exitcode")

    night = next(one for one in points.objects.values() if one["name"] == "night")
    night["name"] = "renamed-by-hand"
    assert "ConsistencyPoint/night" in declarative("drift", "--detailed-exitcode", code=2).stdout
    declarative("apply", "--auto-approve")
    assert night["name"] == "night"

    night["status"] = "error"
    assert "ConsistencyPoint/night" in declarative("status", code=1).stdout
    night["status"] = "available"
    assert "Healthy" in declarative("status").stdout

    write(point("night", "a", 3), point("day", "b"))
    assert "can only grow, not shrink to 3 days" in declarative("plan", code=1).stderr
    write(point("night", "a", 14), point("day", "b"))
    assert "room for the longer retention" in declarative("apply", "--auto-approve").stdout
    assert night["retention"] == 14

    write(point("night", "a", 14), point("day", "b"), point("noon", "b"))
    assert "slot b of" in declarative("plan", code=1).stderr

    write(point("night", "a", 14), point("day", "b"))
    declarative("export", str(tmp_path / "copy"))
    assert (tmp_path / "copy" / "consistency-points.yaml").read_text().count("kind: ConsistencyPoint") == 2
    group = world[0].groups()[0]["id"]
    declarative("import", "ProtectionGroup/shop", str(group), folder="copy")
    for object_id, one in points.objects.items():
        declarative("import", f"ConsistencyPoint/{one['name']}", object_id, folder="copy")
    declarative("plan", "--detailed-exitcode", folder="copy")

    declarative("destroy", "--auto-approve")
    assert (points.objects, world[0].groups()) == ({}, [])
    assert points.sent.count("POST") == 2
