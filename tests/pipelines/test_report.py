"""The one Python file of the pipelines: which comment is whose."""

import importlib.util
from pathlib import Path

import pytest

from declarative.views.renders.markdown import mark
from declarative.views.report import Invocation

FILE = Path(__file__).parents[2] / "examples" / "pipelines" / "ci" / "report.py"


@pytest.fixture(scope="module")
def report():
    spec = importlib.util.spec_from_file_location("report", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def line(command="plan", folder="stacks/shop", environment="prod", stack="shop"):
    return mark(Invocation(command, folder=folder, environment=environment), stack) + "\nbody"


def test_comment_is_known_by_command_folder_and_environment(report):
    others = [
        line(environment="prod-eu"),
        line(folder="stacks/shop-2"),
        line(command="drift"),
        line(folder="stacks/shop; environment=prod"),
    ]
    assert report.mark_of(line()) not in {"", *map(report.mark_of, others)}
    assert len({*map(report.mark_of, others)}) == len(others)


def test_comment_is_known_without_the_stack_of_a_plan_that_failed_and_as_a_browser_sends_it(report):
    assert report.mark_of(line(stack="")) == report.mark_of(line()) == report.mark_of(line().replace("\n", "\r\n"))


@pytest.mark.parametrize("text", ["", "hello", f"> {line()}", f" {line()}", line().replace(" -->", ""), "<!-- x -->\n"])
def test_text_without_the_mark_in_front_is_somebody_elses(report, text):
    assert report.mark_of(text) == ""
