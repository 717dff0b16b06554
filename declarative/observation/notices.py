"""The warnings of one command, each said once."""

from __future__ import annotations

from collections.abc import Callable

from declarative.errors import Diagnostic, Severity
from declarative.model import Address

Tell = Callable[[Diagnostic, Address | None], None]


def _say_nothing(finding: Diagnostic, address: Address | None) -> None:
    """Nobody listens: the findings are kept, and read at the end."""


class Notices:
    """Keeps warnings that belong to no step's end, and tells each as it comes. `findings`: all so far, oldest first."""

    def __init__(self, tell: Tell = _say_nothing) -> None:
        self.findings: list[Diagnostic] = []
        self.is_heard = tell is not _say_nothing
        self._tell = tell
        self._said: set[str] = set()

    def warn(
        self, finding_id: str, summary: str, fix: str = "", *, address: Address | None = None, once: str = ""
    ) -> None:
        """Add a warning; of those that are `once` about one thing, only the first counts."""
        finding = Diagnostic(summary, fix, address=str(address or ""), severity=Severity.WARNING, id=finding_id)
        if (key := once or f"{finding.address}: {summary}") in self._said:
            return
        self._said.add(key)
        self.findings.append(finding)
        self._tell(finding, address)
