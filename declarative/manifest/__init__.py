"""Reading: the files of a folder to what they want.

    files        which files are manifests        patterns     regular expressions that end in time
                                                  budget       how large a stack may grow
    nodes        YAML text to plain values        variables    declarations, and the values from all sources
    loading      files to documents               stack        the settings of the Stack
    schemas      the JSON Schemas                 checking     each document by itself
    bundle       the same for editors             leftout      files that look like manifests and are not read
    environment_schema  a schema of the variables, for editors
    findings     what a schema says, in words     resolution   documents to desired objects
    expressions  `${…}` in text                   directory    which objects there are, and what to say of others
    uniqueness   what no two objects may share    digest       one hash of all that is desired
    stacks       the stacks of a repository
    validation   all findings at once, for every environment

Importing this package costs nothing; each name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from declarative.manifest.bundle import schema_text
    from declarative.manifest.environment_schema import environment_schema_text
    from declarative.manifest.leftout import still_written
    from declarative.manifest.loading import EnvironmentMissing, Manifests, StackMissing, holds_stack, load
    from declarative.manifest.resolution import resolve, stack_of
    from declarative.manifest.schemas import schema_root
    from declarative.manifest.validation import Inspection, inspect, validate
    from declarative.manifest.variables import VariableSources

__all__ = [
    "EnvironmentMissing",
    "Inspection",
    "Manifests",
    "StackMissing",
    "VariableSources",
    "environment_schema_text",
    "holds_stack",
    "inspect",
    "load",
    "resolve",
    "schema_root",
    "schema_text",
    "stack_of",
    "still_written",
    "validate",
]

_HOMES = {
    "EnvironmentMissing": "loading",
    "Inspection": "validation",
    "Manifests": "loading",
    "StackMissing": "loading",
    "VariableSources": "variables",
    "environment_schema_text": "environment_schema",
    "holds_stack": "loading",
    "inspect": "validation",
    "load": "loading",
    "resolve": "resolution",
    "schema_root": "schemas",
    "schema_text": "bundle",
    "stack_of": "resolution",
    "still_written": "leftout",
    "validate": "validation",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found
