"""Disaster recovery as code for SDRS, the Storage Disaster Recovery Service of Open Telekom Cloud and Huawei Cloud.

The way through: files → `load` → `resolve` → `plan` (also fed by the state and the cloud) → review → `apply` → state.
Everything a command does is a call of these names; `Project` says where, with which cloud and which clock:

    project = declarative.Project(folder=Path("stack"), environ=os.environ)
    made = asyncio.run(declarative.plan(project, declarative.PlanRequest()))

Importing this package costs nothing; each name is loaded when it is first used. `docs/architecture.md` is the map.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from declarative.clock import Clock
    from declarative.errors import DeclarativeError, Diagnostic, ExitCode
    from declarative.manifest import VariableSources, load, resolve
    from declarative.planfile import decode_plan, encode_plan
    from declarative.planner.consents import agreed
    from declarative.planner.impact import Impact, impact
    from declarative.planner.selection import PlanRequest
    from declarative.workflow.execution import Applied
    from declarative.workflow.imports import import_objects
    from declarative.workflow.manifests import validate
    from declarative.workflow.plans import plan
    from declarative.workflow.project import Embedded, Project
    from declarative.workflow.reports import export, status
    from declarative.workflow.runs import apply, apply_saved
    from declarative.workflow.schemas import schema
    from declarative.workflow.states import (
        lock_break,
        lock_show,
        outputs,
        show,
        state_history,
        state_list,
        state_mv,
        state_points,
        state_restore,
        state_rm,
        state_show,
    )
    from declarative.workflow.watch import Watch

__version__ = "0.1.0"

_HOMES = {
    "declarative.clock": ("Clock",),
    "declarative.errors": ("DeclarativeError", "Diagnostic", "ExitCode"),
    "declarative.manifest": ("VariableSources", "load", "resolve"),
    "declarative.planfile": ("decode_plan", "encode_plan"),
    "declarative.planner.consents": ("agreed",),
    "declarative.planner.impact": ("Impact", "impact"),
    "declarative.planner.selection": ("PlanRequest",),
    "declarative.workflow.execution": ("Applied",),
    "declarative.workflow.imports": ("import_objects",),
    "declarative.workflow.manifests": ("validate",),
    "declarative.workflow.plans": ("plan",),
    "declarative.workflow.project": ("Embedded", "Project"),
    "declarative.workflow.reports": ("export", "status"),
    "declarative.workflow.runs": ("apply", "apply_saved"),
    "declarative.workflow.schemas": ("schema",),
    "declarative.workflow.states": (
        "lock_break",
        "lock_show",
        "outputs",
        "show",
        "state_history",
        "state_list",
        "state_mv",
        "state_points",
        "state_restore",
        "state_rm",
        "state_show",
    ),
    "declarative.workflow.watch": ("Watch",),
}

__all__ = [
    "Applied",
    "Clock",
    "DeclarativeError",
    "Diagnostic",
    "Embedded",
    "ExitCode",
    "Impact",
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
    "impact",
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
