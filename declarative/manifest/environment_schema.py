"""The JSON Schema of a stack's environment files, made of the variables that its Stack declares, for editors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from declarative.errors import InputError, Severity
from declarative.manifest.bundle import MADE
from declarative.manifest.checking import SchemaCheck, diagnostic
from declarative.manifest.loading import load_stack
from declarative.manifest.patterns import MAX_TEXT
from declarative.manifest.variables import JSON_TYPES, Variable, VariableType, declared
from declarative.model import Json


def environment_schema_text(folder: Path) -> str:
    """Return the JSON Schema of the files in `environments/`, which may leave out any variable.

    Raises UsageError when there is no such folder, StackMissing, and InputError for a Stack that can't be used.
    """
    manifests = load_stack(folder)
    found = list(manifests.findings)
    stack = manifests.stack
    if stack is None or not SchemaCheck(found).accepts(stack, stack.content):
        raise InputError(found)
    spec = stack.content.get("spec", {})
    variables, problems = declared(spec)
    found.extend(diagnostic(stack, problem) for problem in problems)
    if errors := [finding for finding in found if finding.severity is Severity.ERROR]:
        raise InputError(errors)
    meanings = {name: entry.get("description", "") for name, entry in spec.get("variables", {}).items()}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": MADE,
        "title": "Environment",
        "description": f"Values of variables of the stack {stack.name}, by name, in one environment.",
        "type": ["object", "null"],  # an empty file leaves every variable to its default
        "additionalProperties": False,
        "properties": {name: _value(variable, meanings[name]) for name, variable in variables.items()},
    }
    return json.dumps(schema, indent=2) + "\n"


def _value(variable: Variable, meaning: str) -> Mapping[str, Json]:
    rules: dict[str, Json] = {"title": f"var.{variable.name}"}
    if meaning:
        rules["description"] = meaning
    rules["type"] = JSON_TYPES[variable.type]
    if variable.enum:
        rules["enum"] = list(variable.enum)
    if variable.pattern is not None and variable.type is VariableType.STRING:
        rules |= {"pattern": variable.pattern.text, "patternErrorMessage": f"Must match {variable.pattern.text}."}
        rules["maxLength"] = MAX_TEXT
    if variable.has_default:
        rules["default"] = variable.default
    return rules
