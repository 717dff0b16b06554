"""A slip of the pen in a YAML file gives the remedy that a person would give."""

import os
import re
from collections import defaultdict
from pathlib import Path

import pytest

from declarative.errors import Diagnostic
from declarative.manifest import validate
from declarative.manifest.nodes import Reader
from tests.scaffold.corpus import DATA
from tests.scaffold.edits import Edit, edits

UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"
EDITS = DATA / "edits"
STACK = """apiVersion: sdrs/v1
kind: Stack
metadata: {name: shop}
spec:
  variables:
    vpc: {type: string}
    owner: {type: string}
    zones: {type: list}
    servers: {type: map}
  outputs:
    text: ${var.vpc}${var.owner}
    zones: ${var.zones}
    servers: ${var.servers}
"""
# Edits that leave a text which says something else: nothing shows that it was not meant.
UNKNOWABLE = {
    "manifest": {
        "9 indented by 2 less",  # a variable becomes a field of spec
        "24 indented by 2 more",  # a field becomes a part of the text above it, and another finding says so
        "24 indented by 3 more",
        "22 U+00A0 indents",  # a text may begin with any character; there is a warning
        "22 U+3000 indents",
        "45 bracket 1 deleted",  # `$var.owner}` is a text like any other
    },
    "values": {"9 indented by 2 less"},  # an entry of a map becomes a variable
}


def findings(name: str, text: str, folder: Path) -> tuple[Diagnostic, ...]:
    """What is wrong with a spoilt file, apart from what follows from it for the Stack beside it."""
    file = folder / "manifest.yaml"
    if name == "values":
        (folder / "stack.yaml").write_text(STACK)
        (folder / "environments").mkdir(exist_ok=True)
        file = folder / "environments" / "prod.yaml"
    file.write_bytes(text.encode())
    return validate(Path())


def is_right(edit: Edit, found: tuple[Diagnostic, ...]) -> bool:
    """True when a finding names the line of the edit, and the remedy."""
    return any(
        re.search(edit.remedy, f"{one.summary} {one.fix}")
        and one.position
        and (one.position.line == edit.line or re.search(rf"line {edit.line}\b", one.fix))
        for one in found
    )


@pytest.mark.parametrize("name", ["manifest", "values"])
def test_every_slip_is_told_where_it_is_with_its_remedy(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base = (EDITS / f"{name}.yaml").read_text()
    assert findings(name, base, tmp_path) == ()
    wrong, told = set(), 0
    for edit in edits(base):
        found = findings(name, edit.text, tmp_path)
        told += bool(found)
        if found and not is_right(edit, found):
            wrong.add(edit.name)
    assert wrong == UNKNOWABLE[name]
    assert told > 150


@pytest.mark.parametrize("name", ["manifest", "values"])
def test_messages_of_slips_read_like_this(name, tmp_path, monkeypatch):
    """The first and the last edit of each sort."""
    monkeypatch.chdir(tmp_path)
    sorts: dict[str, list[Edit]] = defaultdict(list)
    for edit in edits((EDITS / f"{name}.yaml").read_text()):
        sorts[edit.name.partition(" ")[2]].append(edit)
    told = ""
    for sort in sorts.values():
        for edit in dict.fromkeys((sort[0], sort[-1])):
            told += f"== {edit.name}\n"
            told += "".join(f"{one}\n" for one in findings(name, edit.text, tmp_path))
    file = EDITS / f"{name}.txt"
    if UPDATE:
        file.write_text(told, encoding="utf-8")
    assert told == file.read_text(encoding="utf-8"), f"UPDATE_GOLDEN=1 writes {file} anew"


def test_no_advice_repeats_what_stands_in_a_file_of_values(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base = (
        (EDITS / "values.yaml")
        .read_text()
        .replace("vpc-1", "s3kr3t")
        .replace("team web", "s3kr3t")
        .replace("srv-1", "s3kr3t")
    )
    for edit in edits(base):
        for one in Reader().read("prod.yaml", edit.text.encode()).findings:
            assert "s3kr3t" not in str(one), edit.name
            assert one.position is None or one.position.snippet is None


def advice(text: str) -> str:
    (one,) = Reader().read("m.yaml", text.encode(), shows=True).findings
    return str(one).removeprefix("m.yaml:")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            "a: 1\n---kind: 2\nc: 3\n",
            "2:1: error: the separator --- has other text on its line. "
            "Leave only --- on this line, and move the rest to the next one.",
            id="a-separator-with-a-key-glued-to-it",
        ),
        pytest.param(
            "a: 1\r\n b: 2\r\nc: 3\r\n",
            "2:2: error: the YAML can't be read: this line is indented too far. "
            "Remove 1 space from its start, to align it with line 1.",
            id="line-ends-of-windows",
        ),
        pytest.param(
            "a: 1\rb: 2\r\nc: 3\n   d: 4\n",
            "4:4: error: the YAML can't be read: this line is indented too far. "
            "Remove 3 spaces from its start, to align it with line 3.",
            id="all-sorts-of-line-ends",
        ),
        pytest.param(
            'a: "\\d"\n',
            "1:5: error: the YAML can't be read: found unknown escape character. "
            "In double quotes, a backslash starts an escape. Put the text in single quotes.",
            id="an-escape",
        ),
        pytest.param(
            "a: x b: y\n",
            "1:6: error: the YAML can't be read: there is a second `name: value` on this line. "
            "Start a new line for it. If it is part of the text before it, put that text in quotes.",
            id="two-lines-joined",
        ),
        pytest.param(
            "a: b: y\n  c: z\n",
            "1:4: error: the YAML can't be read: a nested `name: value` can't start on its parent's "
            "line. Indent it on a line of its own below.",
            id="a-map-in-the-line-of-its-name",
        ),
        pytest.param(
            "a: [\n",
            "1:4: error: the YAML can't be read: the bracket [ that opens here is never closed. "
            "Close the bracket with ]. If it is part of a text, put the text in quotes.",
            id="a-bracket-at-the-end",
        ),
        pytest.param(
            "a: |\n  text\n text\n",
            "3:2: error: the YAML can't be read: this line is indented less than the text above, "
            "so the text ends here. If it belongs to that text, add 1 space at its start, or remove the same number "
            "from line 2. Otherwise write "
            "`name: value`, with a ':' and a space.",
            id="a-text-that-has-left-its-block",
        ),
        pytest.param(
            "a: 1\n]: x\nb: 2\n",
            "2:1: error: the YAML can't be read: did not find expected key. "
            "Check the indentation, quotes and brackets of this line and the one above it.",
            id="what-nothing-explains",
        ),
    ],
)
def test_advice(text, told):
    assert advice(text) == told


def test_advice_about_many_large_files_stays_within_a_budget(monkeypatch):
    from declarative.manifest import syntax

    read = []
    real = syntax._reached
    monkeypatch.setattr(syntax, "_reached", lambda lines: (read.append(sum(map(len, lines))), real(lines))[1])
    text = "".join(f"key{number}: value\n" for number in range(3_000)) + "a: }\nb: [\n"
    reader = Reader()
    for _ in range(60):
        reader.read("m.yaml", text.encode())
    assert 0 < sum(read) < 9_000_000


def test_long_lines_are_not_searched():
    told = advice("a: 1\nb: x" + " " * 500_000 + "c: d\n")
    assert "mapping values are not allowed in this context. Check the indentation" in told
