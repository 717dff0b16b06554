"""Reference pages say what the code's own tables say, all of it and nothing else. UPDATE_GOLDEN=1 writes them anew."""

import ast
import csv
import inspect
import os
import re
import subprocess
import sys
from itertools import groupby

import pytest

import declarative
from declarative.cli.options import Option, SealedOption
from declarative.identity.environment import HUAWEI, OPENSTACK, SDRS
from declarative.state.web.address import _VARIABLES as TERRAFORM
from declarative.workflow.explanations import finding_entries
from tests.docs.test_docs import ROOT, UPDATE, commands
from tests.scaffold.pages import fences

DOCS = ROOT / "docs"
CODES = ROOT / "declarative" / "provider" / "error_codes.csv"
CODES_PREFACE = """\
# Error codes

What SDRS, IAM and the gateway in front of them may answer, and what to do. `declarative explain CODE` prints the same.
A code that isn't here is shown with the service's own words. This page is written from
`declarative/provider/error_codes.csv`.
"""
FAMILIES = {
    "APIG": "Of a dedicated gateway",
    "APIGW": "Of the gateway",
    "IAM": "Of IAM",
    "SDRS": "Of SDRS",
}
# Read by the libraries below, or by Python, and so in no text of the code.
BY_LIBRARIES = {
    *("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("PGUSER", "PGPASSWORD"),
}
# Texts of the code that look like a variable and are none.
NO_VARIABLES = {"DECLARATIVE_SIMULATOR_SERVE_"}
VARIABLE = re.compile(r"(?:DECLARATIVE|SDRS|OS|HW|AWS|TF_HTTP|XDG|SNAP)_[A-Z_]+|\w+_COLOR|CLICOLOR_\w+")


def written(page, text):
    if UPDATE:
        page.write_text(text)
    assert page.read_text() == text, f"UPDATE_GOLDEN=1 writes {page.name} anew"


def cell(text):
    return text.replace("|", "\\|")


def test_the_page_of_error_codes_is_the_table_of_the_code():
    with CODES.open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["code"])
    parts = [CODES_PREFACE]
    for family, members in groupby(rows, key=lambda row: row["code"].partition(".")[0]):
        table = [f"## {FAMILIES[family]}\n", "| Code | HTTP | Meaning | Remedy |", "|---|---|---|---|"]
        table += [
            f"| `{row['code']}` | {row['http_status']} | {cell(row['meaning'])} | {cell(row['remedy'])} |"
            for row in members
        ]
        parts.append("\n".join(table) + "\n")
    written(DOCS / "codes.md", "\n".join(parts))


def seen(entry):
    """What a reader sees of a finding: its message without the place, or what it means."""
    return re.sub(r"^.*?(?:error|warning): ", "", entry.example.partition("\n")[0]) or f"{entry.meaning}"


def test_troubleshooting_has_every_finding_by_its_message():
    page = DOCS / "troubleshooting.md"
    heading = "## By message\n"
    above, _, below = page.read_text().partition(heading)
    intro = below.partition("|")[0]
    rows = sorted((seen(one), one.id) for one in finding_entries().values())
    table = [f"| {cell(text)} | [{id_}](findings.md#{id_}) |" for text, id_ in rows]
    written(page, above + heading + intro + "\n".join(["| Message | Finding |", "|---|---|", *table]) + "\n")


def stand_ins():
    """The options of each command that variables stand in for: the command's words, the names of the options."""
    for path, command in commands():
        options = [one for one in command.params if isinstance(one, Option) and not isinstance(one, SealedOption)]
        if path and options:
            yield path, [upper(max(one.opts, key=len).lstrip("-")) for one in options]


def upper(name):
    return name.replace("-", "_").upper()


def test_the_variables_in_place_of_options_are_those_that_are_read():
    page = DOCS / "environment.md"
    heading = "## In place of options\n"
    above, _, below = page.read_text().partition(heading)
    intro = below.partition("|")[0]
    rows = []
    for path, names in stand_ins():
        listed = ", ".join(f"`{one}`" for one in names)
        rows.append(f"| `declarative {' '.join(path)}` | `DECLARATIVE_{upper('_'.join(path))}_`… | {listed} |")
    assert len(rows) > 30
    written(
        page,
        above + heading + intro + "\n".join(["| Command | Variables | and behind it |", "|---|---|---|", *rows]) + "\n",
    )


def read_by_the_code():
    """Names of environment variables in texts of the code: whole texts, and keys of an environment."""
    found = set()
    for file in (ROOT / "declarative").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value):
                found.add(node.value)
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("environ.get"):
                found |= {one.value for one in node.args[:1] if isinstance(one, ast.Constant)}
    return (found | set(TERRAFORM.values())) - NO_VARIABLES


def test_every_variable_that_the_code_reads_is_on_the_page_and_no_other():
    text = (DOCS / "environment.md").read_text().partition("## In place of options")[0]
    told = set(re.findall(r"`([A-Z][A-Z_]+)`", "\n".join(line for line in text.splitlines() if line.startswith("| `"))))
    assert told - BY_LIBRARIES == read_by_the_code()
    assert told >= BY_LIBRARIES


@pytest.mark.parametrize("table", [OPENSTACK, HUAWEI, SDRS], ids=["OS", "HW", "SDRS"])
def test_every_variable_of_an_account_is_on_the_page(table):
    text = (DOCS / "environment.md").read_text()
    assert [name for names in table.values() for name in names if f"`{name}`" not in text] == []


PYTHON = DOCS / "python.md"


def test_the_example_of_the_python_page_prints_what_the_page_says(tmp_path):
    example, printed = (fences_of(PYTHON, language)[0] for language in ("python", "text"))
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example], cwd=tmp_path, env=environ, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == (printed, "")


def fences_of(page, language):
    return [fence.text for fence in fences(page.read_text()) if fence.language == language]


def test_the_python_page_has_every_name_of_the_package():
    heading = "## The names\n"
    above, _, below = PYTHON.read_text().partition(heading)
    intro = below.partition("|")[0]
    names = sorted(name for name in declarative.__all__ if not name.startswith("_"))
    rows = [f"| `{name}` | {cell(first_sentence(getattr(declarative, name)))} |" for name in names]
    written(PYTHON, above + heading + intro + "\n".join(["| Name | What it is |", "|---|---|", *rows]) + "\n")


def first_sentence(thing):
    return inspect.getdoc(thing).partition("\n\n")[0].replace("\n", " ")
