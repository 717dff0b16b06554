"""A simulator served by a process of its own, which can be asked what has happened in it.

The process is this module, run with its settings as JSON. It prints one line of JSON with its address, answers each
line on its standard input with one of numbers, and ends when its standard input does, so it never outlives us.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from benchmarks.command import clean_environment

if TYPE_CHECKING:
    from declarative.simulator import World

_ROOT = Path(__file__).parents[1]
_SEED = 20_231_123  # of ids and of chance, so that two runs meet the same faults


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """How the cloud behaves. `job_seconds` None: jobs end at once; `faults`: see `declarative simulator serve`.

    `applied`: the folder of a stack that is there from the beginning, as its apply leaves it.
    """

    job_seconds: float | None = None
    faults: tuple[str, ...] = ()
    applied: str = ""


@dataclass(frozen=True, slots=True)
class CloudNumbers:
    """What has happened since the cloud began: requests, those that met a fault, groups there are, seconds of CPU."""

    requests: int
    faults: int
    groups: int
    cpu_seconds: float


class Cloud:
    """The process, as a context manager."""

    def __init__(self, settings: CloudSettings) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.cloud", json.dumps(asdict(settings))],
            cwd=_ROOT,
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.variables: Mapping[str, str] = json.loads(self._line())
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def numbers(self) -> CloudNumbers:
        """Ask for the numbers."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return CloudNumbers(**json.loads(self._line()))

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("The simulator's process has ended; what it wrote above says why.")
        return line

    def _end(self) -> None:
        self._process.communicate()


def _serve(settings: CloudSettings) -> None:
    from benchmarks.applied import stand
    from declarative.simulator import Origin, Rules, World, running

    world = World.open(
        speed=math.inf if settings.job_seconds is None else 1.0,
        faults=settings.faults,
        rules=Rules(job_seconds=settings.job_seconds),
        origin=Origin(group_quota=-1, replication_quota=-1),
        seed=_SEED,
    )
    with world, running(world) as address:
        if settings.applied:
            stand(world, address, Path(settings.applied))
        variables = {"SDRS_ENDPOINT": address, "SDRS_PROJECT_ID": world.project_id, "OS_AUTH_TOKEN": world.preset_token}
        print(json.dumps(variables), flush=True)
        for _ in sys.stdin:
            print(json.dumps(asdict(_numbers(world))), flush=True)


def _numbers(world: World) -> CloudNumbers:
    from declarative.simulator.tables.history import Effect

    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    faults = sum(event.effect is Effect.FAULT for event in world.history()) if world.faults.rules else 0
    return CloudNumbers(sum(world.requests().values()), faults, len(world.groups()), cpu)


if __name__ == "__main__":
    _serve(CloudSettings(**json.loads(sys.argv[1])))
