"""Results in the formats of browsers, comments and CI systems. One module for each format, loaded when it is asked for.

Each module has `render(report, invocation) -> str`. What it writes can be told, later, from what others wrote: see
`marks`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Final, cast

from declarative.views.report import Invocation, Report

RENDERS: Final = ("markdown", "html", "sarif", "github", "gitlab", "junit", "summary")


def render(name: str, report: Report, invocation: Invocation) -> str:
    """A result in one of RENDERS."""
    module = importlib.import_module(f"{__name__}.{name}")
    made = cast("Callable[[Report, Invocation], str]", module.render)
    return made(report, invocation)
