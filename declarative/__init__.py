"""Disaster recovery as code for SDRS, the Storage Disaster Recovery Service of Open Telekom Cloud and Huawei Cloud.

The way through: files → `load` → `resolve` → `plan` (also fed by the state and the cloud) → review → `apply` → state.
Everything a command does is a call of these names; `Project` says where, with which cloud and which clock:

    project = declarative.Project(folder=Path("stack"), environ=os.environ)
    made = asyncio.run(declarative.plan(project, declarative.PlanRequest()))

Importing this package costs nothing; each name is loaded when it is first used. `docs/architecture.md` is the map.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from declarative.clock import Clock
    from declarative.errors import DeclarativeError, Diagnostic, ExitCode
    from declarative.execution import Applied
    from declarative.manifest import VariableSources, load, resolve
    from declarative.planfile import decode_plan, encode_plan
    from declarative.planner import PlanRequest, agreed
    from declarative.project import Embedded, Project
    from declarative.workflow import (
        Watch,
        apply,
        apply_saved,
        export,
        import_objects,
        lock_break,
        lock_show,
        outputs,
        plan,
        schema,
        show,
        state_history,
        state_list,
        state_mv,
        state_points,
        state_restore,
        state_rm,
        state_show,
        status,
        validate,
    )

__version__ = "0.1.0"

_HOMES = {
    "declarative.clock": ("Clock",),
    "declarative.errors": ("DeclarativeError", "Diagnostic", "ExitCode"),
    "declarative.execution": ("Applied",),
    "declarative.manifest": ("VariableSources", "load", "resolve"),
    "declarative.planfile": ("decode_plan", "encode_plan"),
    "declarative.planner": ("PlanRequest", "agreed"),
    "declarative.project": ("Embedded", "Project"),
    "declarative.workflow": (
        "Watch",
        "apply",
        "apply_saved",
        "export",
        "import_objects",
        "lock_break",
        "lock_show",
        "outputs",
        "plan",
        "schema",
        "show",
        "state_history",
        "state_list",
        "state_mv",
        "state_points",
        "state_restore",
        "state_rm",
        "state_show",
        "status",
        "validate",
    ),
}

__all__ = [
    "Applied",
    "Clock",
    "DeclarativeError",
    "Diagnostic",
    "Embedded",
    "ExitCode",
    "PlanRequest",
    "Project",
    "VariableSources",
    "Watch",
    "__version__",
    "agreed",
    "apply",
    "apply_saved",
    "decode_plan",
    "encode_plan",
    "export",
    "import_objects",
    "load",
    "lock_break",
    "lock_show",
    "outputs",
    "plan",
    "resolve",
    "schema",
    "show",
    "state_history",
    "state_list",
    "state_mv",
    "state_points",
    "state_restore",
    "state_rm",
    "state_show",
    "status",
    "validate",
]


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Package(ModuleType):
    """This package. Its public names stay what they are when a room of the same name, such as `apply`, is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if name not in __all__ or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
