"""Terraform's own core on as many objects: `terraform_data`, which needs no provider, no cloud and no HTTP."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from benchmarks.command import Ran, clean_environment, run
from benchmarks.stack import PER_FILE

_PROVIDER = 'provider["terraform.io/builtin/terraform"]'
_RESOURCE = """\
resource "terraform_data" "group_%(number)05d" {
  input = {
%(fields)s
  }
}
"""


def found() -> str | None:
    """Where Terraform is, if it is on the PATH."""
    return shutil.which("terraform")


def _fields(number: int) -> dict[str, str]:
    return {
        "name": f"shop-{number:05d}",
        "description": f"servers of shop {number}",
        "source_availability_zone": "eu-de-01",
        "target_availability_zone": "eu-de-02",
        "domain": "ActiveactiveDomain",
        "source_vpc_id": "6f8f5e0c-3d0b-4b59-9d0c-7b0a3c1d2e4f",
        "dr_type": "migration",
    }


def write_configuration(folder: Path, objects: int) -> None:
    """Make `folder`, and in it a configuration with as many objects, and the fields of ours."""
    folder.mkdir(parents=True)
    for first in range(0, objects, PER_FILE):
        blocks = []
        for number in range(first, min(first + PER_FILE, objects)):
            fields = "\n".join(f"    {key} = {json.dumps(value)}" for key, value in _fields(number).items())
            blocks.append(_RESOURCE % {"number": number, "fields": fields})
        (folder / f"groups-{first // PER_FILE:03d}.tf").write_text("\n".join(blocks))


def write_state(folder: Path, objects: int) -> None:
    """Write the state that applying `write_configuration` would leave, so that a plan has nothing to do."""
    resources = []
    for number in range(objects):
        fields = _fields(number)
        value = {"value": fields, "type": ["object", dict.fromkeys(fields, "string")]}
        attributes = {"id": f"{number:032x}", "input": value, "output": value, "triggers_replace": None}
        resources.append(
            {
                "mode": "managed",
                "type": "terraform_data",
                "name": f"group_{number:05d}",
                "provider": _PROVIDER,
                "instances": [{"schema_version": 0, "attributes": attributes, "sensitive_attributes": []}],
            }
        )
    state = {
        "version": 4,
        "terraform_version": "1.0.0",
        "serial": 1,
        "lineage": "6f8f5e0c-3d0b-4b59-9d0c-7b0a3c1d2e4f",
        "outputs": {},
        "resources": resources,
    }
    (folder / "terraform.tfstate").write_text(json.dumps(state))


def plan_unchanged(folder: Path, objects: int) -> Ran:
    """Time a plan of so many objects that are all as configured. CommandFailed if Terraform finds something to do."""
    write_configuration(folder, objects)
    write_state(folder, objects)
    _terraform(folder, "init")
    return _terraform(folder, "plan", "-detailed-exitcode")


def apply_new(folder: Path, objects: int, *, timeout: float = 600.0) -> Ran:
    """Time an apply of so many new objects. CommandFailed if it has not ended after `timeout` seconds."""
    write_configuration(folder, objects)
    _terraform(folder, "init")
    return _terraform(folder, "apply", "-auto-approve", timeout=timeout)


def _terraform(folder: Path, *arguments: str, timeout: float = 600.0) -> Ran:
    environ = clean_environment() | {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    output = folder.with_name(f"{folder.name}.output")
    command = [found() or "terraform", arguments[0], "-input=false", "-no-color", *arguments[1:]]
    return run(command, cwd=folder, environ=environ, output=output, timeout=timeout)
