"""The line below a finding: its caret, its cut, what is made visible, and what is never shown."""

from pathlib import Path
from unicodedata import combining, east_asian_width

import pytest
from hypothesis import given
from hypothesis import strategies as st

from declarative.cli.main import main
from declarative.errors import Snippet
from declarative.manifest import VariableSources, validate
from tests.scaffold.corpus import STACK

SECRET = "c4n4ry-s3cret"
LONG = "x" * 400


def width(text):
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


@pytest.mark.parametrize(
    ("line", "column", "text", "caret"),
    [
        pytest.param("  nmae: x", 3, "  nmae: x", 2, id="plain"),
        pytest.param("x", 9, "x", 1, id="beyond-the-end"),
        pytest.param("名: x", 4, "名: x", 4, id="wide-characters-count-twice"),
        pytest.param("e\u0301: x", 5, "e\u0301: x", 3, id="combining-marks-count-nothing"),
        pytest.param("\tx", 2, "\\x09x", 4, id="tabs-are-visible"),
        pytest.param("\u202eab", 2, "\\u{202e}ab", 8, id="direction-marks-are-visible"),
        pytest.param("##[error]", 3, "#\\x23[error]", 5, id="commands-of-pipelines-are-broken-up"),
        pytest.param("a: s3://u:p@h/x", 1, "a: s3://*******", 0, id="addresses-are-masked"),
    ],
)
def test_caret_stands_below_the_place(line, column, text, caret):
    assert Snippet.of(line, column) == Snippet(text, caret)


@given(st.text(max_size=500), st.integers(1, 600))
def test_snippets_are_printable_and_never_wider_than_160_columns(line, column):
    snippet = Snippet.of(line, column)
    assert snippet.text.isprintable()
    assert width(snippet.text) <= 160
    assert 0 <= snippet.caret <= 160


@pytest.mark.parametrize("column", [1, 150, 200, 399])
def test_long_line_is_cut_around_the_place(column):
    line = LONG[: column - 1] + "!" + LONG[column:]
    snippet = Snippet.of(line, column)
    assert snippet.text[snippet.caret] == "!"
    assert width(snippet.text) <= 160


def snippets(folder, **sources):
    return [one.position.snippet for one in validate(folder, sources=VariableSources(**sources)) if one.position]


def put(folder, name, text):
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("environments/prod.yaml", f"a: {SECRET}\nnone: [{SECRET}]\n", id="environment-of-another-name"),
        pytest.param("environments/prod.yaml", f"a: {SECRET}\n  b: {{{SECRET}\n", id="environment-that-is-not-yaml"),
        pytest.param("values.yaml", f"password: {SECRET}\n", id="file-of-values-among-the-manifests"),
        pytest.param("values.yaml", f"password: {SECRET}: [\n", id="other-file-that-is-not-yaml"),
        pytest.param("secret.yaml", f'{{"apiVersion": "v1", "data": "{SECRET}"}}\n', id="manifest-of-another-tool"),
    ],
)
def test_line_of_another_file_than_a_manifest_is_never_shown(tmp_path, name, text):
    put(tmp_path, "stack.yaml", STACK)
    put(tmp_path, name, text)
    found = snippets(tmp_path)
    assert found
    assert [one for one in found if one] == []


@pytest.mark.parametrize("text", [f"a: [{SECRET}\n", f"b: {SECRET} # sdrs/v1\n", f'{{"a": "{SECRET}" "sdrs/v1"}}\n'])
@pytest.mark.parametrize("name", ["values.yaml", "values.json"])
def test_line_of_a_variable_file_is_never_shown(tmp_path, name, text):
    put(tmp_path, "stack.yaml", STACK + "spec: {variables: {a: {type: list}}}\n")
    file = put(tmp_path, name, text)
    assert [one for one in snippets(tmp_path, files=(file,)) if one and SECRET in one.text] == []


def test_value_of_an_environment_variable_is_never_in_a_line(tmp_path):
    put(tmp_path, "stack.yaml", STACK + "spec:\n  variables: {a: {type: number}}\n  outputs: {o: '${var.a}'}\n")
    assert [one for one in snippets(tmp_path, environ={"DECLARATIVE_VAR_a": SECRET}) if one] == []


@pytest.mark.parametrize("address", [f"postgresql://u:{SECRET}@h/d", SECRET, f"https://h/?password={SECRET}"])
def test_address_of_a_state_is_never_shown(tmp_path, address):
    put(tmp_path, "stack.yaml", f"{STACK}spec:\n  state: {address}\n")
    found = validate(tmp_path)
    assert found
    assert [one for one in found if one.position.snippet and SECRET in one.position.snippet.text] == []


def test_line_after_old_line_breaks_is_the_right_one(tmp_path):
    put(tmp_path, "stack.yaml", STACK)
    (tmp_path / "a.yaml").write_bytes(b"apiVersion: sdrs/v1\rkind: Groop\rmetadata: {name: a}\r")
    (found,) = snippets(tmp_path)
    assert found.text == "kind: Groop"


def test_line_is_shown_below_the_finding(tmp_path, monkeypatch, capsys):
    put(tmp_path, "stack.yaml", STACK + "spec: {nmae: x}\n")
    monkeypatch.chdir(tmp_path)
    assert main(["-v", "validate"]) == 1
    first, line, caret, *_ = capsys.readouterr().out.splitlines()
    assert first.endswith(" [unknown-field]")
    assert line == "    4 | spec: {nmae: x}"
    assert caret.index("^") == line.index("nmae")
    assert Path("stack.yaml").exists()
