"""A pytest plugin: a simulated cloud for tests of manifests.

    # pytest -p declarative.testing
    def test_shop_is_protected_in_one_apply(simulated_cloud):
        simulated_cloud.run("-C", "stacks/shop", "apply", "--auto-approve")
        assert {group["status"] for group in simulated_cloud.world.groups()} == {"protected"}

It is loaded by `-p declarative.testing`, or by `pytest_plugins = ["declarative.testing"]` in the conftest.py at the
root, and never by itself. Needs pytest and the extra `simulator`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pytest

from declarative.simulator import Origin, World, running

__all__ = ["SimulatedCloud", "simulated_cloud", "simulated_world"]

_COMMAND = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"
_TIMEOUT = 300.0  # seconds of one command
_OURS = ("DECLARATIVE_", "SDRS_", "OS_", "HW_")


@dataclass(frozen=True)
class SimulatedCloud:
    """A cloud of a test's own, and the way to it.

    `world` is what is in it, and what others do to it (`world.operator`). `address` is where it is served.
    `environment` has the variables that point declarative, or any other client, at it and keep the state below the
    test's `tmp_path`; in it is nothing of the account that the tests run in.
    """

    world: World
    address: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, *arguments: str, exit_code: int | None = 0, folder: str | Path = "."
    ) -> subprocess.CompletedProcess[str]:
        """Run one command of declarative in `folder`, and return its result, with its output as text.

        Raises AssertionError when it ends with another code than `exit_code`; None takes any.
        """
        ran = subprocess.run(  # noqa: S603 - our own command, with what a test gives it
            [sys.executable, "-c", _COMMAND, *arguments],
            cwd=folder,
            env={**_kept(os.environ), **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        if exit_code is not None and ran.returncode != exit_code:
            words = " ".join(arguments)
            raise AssertionError(
                f"declarative {words} ended with {ran.returncode}, not {exit_code}:\n{ran.stdout}{ran.stderr}"
            )
        return ran


@pytest.fixture
def simulated_world() -> Iterator[World]:
    """An empty world, in which any server and disk exists and jobs end at once.

    Override this fixture for a world with faults, rules or servers of its own.
    """
    with World.open(origin=Origin(group_quota=-1, replication_quota=-1), speed=float("inf")) as world:
        yield world


@pytest.fixture
def simulated_cloud(simulated_world: World, tmp_path: Path) -> Iterator[SimulatedCloud]:
    """`simulated_world`, served on a free port of this machine until the test ends."""
    with running(simulated_world) as address:
        environment = {
            "SDRS_ENDPOINT": address,
            "SDRS_PROJECT_ID": simulated_world.project_id,
            "OS_AUTH_TOKEN": simulated_world.preset_token,
            "DECLARATIVE_STATE": f"local:{tmp_path}/declarative/{{stack}}/{{environment}}",
            "XDG_STATE_HOME": str(tmp_path / "declarative" / "marks"),
        }
        yield SimulatedCloud(simulated_world, address, MappingProxyType(environment))


def _kept(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would lead to another cloud or state."""
    return {name: value for name, value in environ.items() if not name.startswith(_OURS)}
