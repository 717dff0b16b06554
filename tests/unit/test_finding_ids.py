"""Every finding has an id of `declarative/findings.csv`, and every id of it belongs to a finding."""

import ast
import re
from pathlib import Path

import pytest

import declarative
from declarative.errors import DeclarativeError
from declarative.workflow.explanations import finding_entries
from tests.scaffold.corpus import BAD

PACKAGE = Path(declarative.__file__).parent
IDS = finding_entries().keys()
IN_A_FIELD = {"Advice", "Diagnostic", "Problem", "Finding"}
IN_FRONT = {"_refuse", "_stop", "_finding", "find", "warn", "notice", "_notice", "BadExpression", "Fault"}
A_FINDING_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+|failed|usage|declined|interrupted|unanswered|unauthorized")


def called(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def texts(node):
    return {one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def given(tree):
    """The ids that a module gives: to what it makes, to its errors, and in tables by rules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) in IN_A_FIELD:
            for keyword in node.keywords:
                if keyword.arg == "id":
                    yield from texts(keyword.value)
        if isinstance(node, ast.Call) and called(node) in IN_FRONT and node.args:
            yield from texts(node.args[0])
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if {getattr(one, "id", "") for one in targets} & {"id", "finding_id"} and node.value:
                yield from texts(node.value)
            if {getattr(one, "id", "") for one in targets} == {"_RULES"} and isinstance(node.value, ast.Dict):
                yield from (one.value for one in node.value.values)


@pytest.fixture(scope="module")
def in_the_program():
    modules = (one for one in PACKAGE.rglob("*.py") if "simulator" not in one.relative_to(PACKAGE).parts)
    found = {one for module in modules for one in given(ast.parse(module.read_text(encoding="utf-8")))}
    return {one for one in found if A_FINDING_ID.fullmatch(one)}


def test_the_list_holds_the_ids_of_the_program_and_no_other(in_the_program):
    assert sorted(in_the_program) == sorted(IDS)


def test_ids_are_listed_once_in_order_and_in_kebab_case():
    lines = (PACKAGE / "findings.csv").read_text(encoding="utf-8").splitlines()[1:]
    listed = [line.partition(",")[0] for line in lines]
    assert listed == sorted(set(listed))
    assert [one for one in listed if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", one)] == []


@pytest.mark.parametrize("entry", finding_entries().values(), ids=lambda entry: entry.id)
def test_every_id_has_a_meaning_a_cause_and_a_remedy(entry):
    assert entry.meaning[0].islower() or entry.meaning.split()[0] in ("SDRS", "YAML") or entry.meaning[0] == "`"
    assert not entry.meaning.endswith(".")
    assert entry.cause.endswith(".")
    assert entry.remedy.endswith(".")


def test_examples_are_findings_of_the_corpus_and_none_is_lacking():
    told = {}
    for case in BAD:
        for line in case.with_name(case.stem + ".txt").read_text(encoding="utf-8").splitlines():
            if match := re.fullmatch(r"(\S.*) \[([a-z0-9-]+)\]", line):
                told.setdefault(match[2], set()).add(match[1])
    assert told.keys() <= IDS
    shown = {one.id: one.example for one in finding_entries().values() if one.example}
    assert shown.keys() == told.keys()
    assert [one for one, example in shown.items() if example not in told[one]] == []


def every_error(cls=DeclarativeError):
    yield cls
    for below in cls.__subclasses__():
        yield from every_error(below)


def test_every_error_has_an_id_of_the_list():
    named = [one for one in every_error() if one.__module__.startswith("declarative.")]
    assert [one for one in named if one.id not in IDS] == []
