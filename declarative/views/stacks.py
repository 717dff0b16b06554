"""The stacks of a repository, as lines for a shell and as JSON for the jobs of a pipeline."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from declarative.errors import shown
from declarative.manifest.stacks import Target
from declarative.views.text import Line, line

_FORM = "declarative.stacks/1"


@dataclass(frozen=True, slots=True)
class StacksView:
    """Stacks, once for each environment."""

    targets: Sequence[Target]

    def text(self) -> Iterator[Line]:
        """A line for each: environment, stack and folder, separated by tabs."""
        for one in self.targets:
            yield line("\t".join(map(shown, (one.environment, one.stack, one.folder))))

    def json(self) -> str:
        """One line, so that it fits an output of a job: `{format, targets: [{folder, environment, stack}]}`."""
        return json.dumps({"format": _FORM, "targets": [asdict(one) for one in self.targets]}, separators=(",", ":"))
