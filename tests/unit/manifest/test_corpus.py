"""Every folder of `tests/data/good` resolves to what is written beside it; every fault of `bad` gives its message."""

import json
import os
from pathlib import Path

import pytest

from declarative.errors import InputError, Severity
from declarative.manifest import load, resolve, validate
from declarative.model import DesiredView, Reference
from declarative.views.findings import findings_lines
from declarative.views.text import plain
from tests.scaffold.corpus import BAD, GOOD, lay_out

UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"


@pytest.mark.parametrize("case", BAD, ids=lambda path: path.stem)
def test_a_fault_is_told_with_its_place_and_remedy(case, tmp_path, monkeypatch):
    lay_out(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    told = plain(findings_lines(validate(Path()), ids=True))
    file = case.with_name(case.stem + ".txt")
    if UPDATE:
        file.write_text(told, encoding="utf-8")
    assert told == file.read_text(encoding="utf-8"), f"UPDATE_GOLDEN=1 writes {file} anew"


@pytest.mark.parametrize("case", BAD, ids=lambda path: path.stem)
def test_resolve_refuses_exactly_what_validate_calls_an_error(case, tmp_path, monkeypatch):
    lay_out(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    errors = [one for one in validate(Path(), environment="default") if one.severity is Severity.ERROR]
    try:
        resolve(load(Path()))
        refused = ()
    except InputError as error:
        refused = error.diagnostics()
    assert list(dict.fromkeys(refused)) == errors


def shown(value: object) -> object:
    return f"<{value.address} {value.attribute}>" if isinstance(value, Reference) else value


def as_json(view: DesiredView) -> dict[str, object]:
    return {
        "stack": {slot: getattr(view.stack, slot) for slot in view.stack.__slots__},
        "inputs": view.inputs,
        "outputs": {output.name: [shown(part) for part in output.parts] for output in view.outputs},
        "resources": {
            str(address): {
                "spec": {name: shown(value) for name, value in desired.spec.items()},
                "prevent_destroy": desired.lifecycle.prevent_destroy,
                "adopt": desired.lifecycle.adopt,
                "ignore_changes": list(desired.lifecycle.ignore_changes),
                "depends_on": [str(other) for other in desired.depends_on],
                "labels": desired.labels,
                "at": str(desired.position("spec", "name")),
            }
            for address, desired in view.resources.items()
        },
    }


@pytest.mark.parametrize("case", GOOD, ids=lambda path: path.name)
def test_a_good_folder_resolves_to_what_is_written_beside_it(case, monkeypatch):
    monkeypatch.chdir(case)
    assert validate(Path()) == ()
    manifests = load(Path())
    views = {name: resolve(manifests, environment=name)[0] for name in ("default", *manifests.environments)}
    found = {name: json.loads(json.dumps(as_json(view))) for name, view in views.items()}
    file = case.with_suffix(".json")
    if UPDATE:
        file.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert found == json.loads(file.read_text(encoding="utf-8")), f"UPDATE_GOLDEN=1 writes {file} anew"
