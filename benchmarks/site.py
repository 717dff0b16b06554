"""A stack and a cloud of its own, and the installed command between them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.cloud import Cloud, CloudSettings
from benchmarks.command import CommandFailed, Ran, clean_environment, run
from benchmarks.stack import write_stack

_ROOT = Path(__file__).parents[1]
_LOOKUPS = 2  # calls of an apply that are neither a create, a look at a job nor a list: domains, quotas


def installed(name: str = "declarative") -> Path:
    """The command as it is installed beside the Python that runs this. CommandFailed if it isn't."""
    path = Path(sys.executable).with_name(name)
    if not os.access(path, os.X_OK):
        raise CommandFailed(f"{path} is not there. Install the project first: make install")
    return path


class Site:
    """Everything for one measurement, below `folder`, as a context manager.

    `applied`: all groups are there and recorded from the beginning. `state`: the address of a shared state, "" for the
    stack's own, and the variables that go with it.
    """

    def __init__(
        self, folder: Path, groups: int, settings: CloudSettings | None = None, *, applied: bool = False
    ) -> None:
        self.groups = groups
        self._folder = folder
        self.state: tuple[str, Mapping[str, str]] = "", {}
        self.stack = folder / "stack"
        write_stack(self.stack, groups)
        self.cloud = Cloud(settings or CloudSettings(applied=str(self.stack) if applied else ""))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cloud.__exit__(cls, error, traceback)

    def apply(self) -> Ran:
        """Apply the stack with the usual options. CommandFailed unless each group then exists once."""
        ran = self._run("apply", "--auto-approve")
        found = self.cloud.numbers().groups
        if found != self.groups:
            raise CommandFailed(f"apply made {found} groups, not {self.groups}.")
        return ran

    def plain_client(self, requests: int, *, contexts: str) -> Ran:
        """Let plain clients make the calls of an apply that took `requests`; see `plain_client` for `contexts`.

        CommandFailed unless they took as many.
        """
        lists = requests - 2 * self.groups - _LOOKUPS
        client = [sys.executable, "-m", "benchmarks.plain_client", str(self.groups), str(lists), contexts]
        environ = {**clean_environment(), **self.cloud.variables}
        ran = run(client, cwd=_ROOT, environ=environ, output=self._folder / "output")
        numbers = self.cloud.numbers()
        if (numbers.groups, numbers.requests) != (self.groups, requests):
            raise CommandFailed(f"the plain client made {numbers.groups} groups with {numbers.requests} requests.")
        return ran

    def plan(self) -> Ran:
        """Plan the stack. CommandFailed if there is something to do."""
        return self._run("plan", "--detailed-exitcode")

    def copy_state(self, address: str, environ: Mapping[str, str]) -> None:
        """Put what is recorded into another place too."""
        file = self._folder / "state.json"
        self.state = "", {}
        self._run("state", "pull", "-o", file)
        self.state = address, environ
        self._run("state", "push", file)

    def change(self, *consents: str) -> Ran:
        """Apply what has changed in the stack, with these consents."""
        return self._run("apply", "--auto-approve", *(f"--allow={consent}" for consent in consents))

    def destroy(self) -> Ran:
        """Destroy everything. CommandFailed if a group is left."""
        ran = self._run("destroy", "--auto-approve")
        if found := self.cloud.numbers().groups:
            raise CommandFailed(f"destroy left {found} groups.")
        return ran

    def requests_of(self, work: Callable[[], Ran]) -> tuple[Ran, int]:
        """Do some work, and count the requests that it takes."""
        before = self.cloud.numbers().requests
        return work(), self.cloud.numbers().requests - before

    def _run(self, *arguments: str | Path) -> Ran:
        address, more = self.state
        environ = {**clean_environment(), **self.cloud.variables, "XDG_STATE_HOME": str(self._folder / "marks"), **more}
        if address:
            environ["DECLARATIVE_STATE"] = address
        return run(
            [installed(), "-C", self.stack, *arguments],
            cwd=self._folder,
            environ=environ,
            output=self._folder / "output",
        )
