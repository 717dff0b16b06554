import re

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from declarative.manifest.nodes import Reader
from declarative.reporting.yaml_text import to_yaml

_NO_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

texts = st.text(max_size=40).filter(lambda text: not _NO_CONTROLS.search(text))
keys = texts.filter(lambda text: len(text.encode()) <= 100)
scalars = texts | st.integers(-(10**20), 10**20) | st.booleans() | st.none()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)


def read_back(document):
    """What our reader makes of the text."""
    reading = Reader().read("a.yaml", to_yaml(document).encode())
    assert reading.findings == ()
    return [node.value for node in reading.nodes]


@given(st.dictionaries(keys, values, max_size=5))
@example({"a": [[], {}, [[1], [{"b": [None]}]], {"c": {"d": ""}}]})
def test_a_document_reads_back_as_it_was(document):
    assert read_back(document) == [document]


@given(st.dictionaries(keys, values, max_size=5))
def test_other_readers_read_the_same(document):
    assert yaml.safe_load(to_yaml(document)) == document


_TRICKY = (
    *(
        "",
        " ",
        " a",
        "a ",
        "a: b",
        "a #b",
        "#",
        "-",
        "- a",
        "---",
        "...",
        "?",
        ": ",
        "[a]",
        "{a}",
        "&a",
        "*a",
        "!a",
        "%a",
    ),
    *("null", "NULL", "~", "true", "True", "no", "Off", "y", "yes", "=", "<<", "@", "`", "|", ">", "'", '"', "\\"),
    *("0", "-1", "1.5", "007", "0x1f", "1e3", "1_000", "12:30", "2025-03-11", ".5", ".inf", ".nan", "1" * 32, "0" * 32),
    *(
        "a\nb",
        "a\n",
        "\ta",
        "tab\there",
        "${var.a}",
        "${var.a} b",
        "$${x}",
        "a${var.b}c",
        "日本",
        "😀",
        "\u2028",
        "\ufeff",
    ),
    *("/dev/vdb", "eu-de-01", "5fb92d6c-b0cb-46c9-824b-b90ec5500ae6", "a" * 2000, "x, y", "_", "a.b/c-d"),
)


@pytest.mark.parametrize("text", _TRICKY)
def test_text_stays_text(text):
    assert read_back({"a": text, "b": [text]}) == [{"a": text, "b": [text]}]
    assert yaml.safe_load(to_yaml({"a": text})) == {"a": text}


@pytest.mark.parametrize("text", ["1e3", "0o17", "1_000", "y", "2024-01-01", "12:30", "0x1f", "1" * 32])
def test_text_that_some_reader_takes_for_something_else_is_quoted(text):
    assert to_yaml({text: text}) == f'"{text}": "{text}"\n'


@pytest.mark.parametrize("char", ["\u202e", "\u200b", "\u00a0", "\u00ad", "\u2028", "\ufeff", "\U000e0001", "\t", "\n"])
def test_what_nobody_can_see_is_escaped_and_the_rest_stays_readable(char):
    document = {f"ä{char}": f"日本{char}, ü"}
    text = to_yaml(document)
    assert all(line.isprintable() for line in text.split("\n"))
    assert "ä" in text
    assert "日本" in text
    assert read_back(document) == [document]


def test_a_value_that_comes_twice_is_written_twice():
    shared = {"key": "a", "more": ["b", {"c": "d"}]}
    document = {"first": shared, "second": [shared, shared]}
    assert read_back(document) == [document]


def test_a_long_text_stays_on_its_line():
    assert to_yaml({"a": "x, " * 1000}).count("\n") == 1


def test_plain_words_need_no_quotes():
    document = {
        "metadata": {"name": "shop"},
        "spec": {
            "vpc": "${var.vpc_id}",
            "id": "5fb92d6c-b0cb-46c9-824b-b90ec5500ae6",
            "description": "web shop: all",
            "size": 40,
            "on": True,
            "tags": [{"key": "a", "value": "1"}],
            "none": [],
        },
    }
    assert to_yaml(document) == (
        "metadata:\n"
        "  name: shop\n"
        "spec:\n"
        "  vpc: ${var.vpc_id}\n"
        "  id: 5fb92d6c-b0cb-46c9-824b-b90ec5500ae6\n"
        '  description: "web shop: all"\n'
        "  size: 40\n"
        '  "on": true\n'
        "  tags:\n"
        "    - key: a\n"
        '      value: "1"\n'
        "  none: []\n"
    )


@pytest.mark.parametrize("document", [{}, {"a": {}}, {"a": [{}]}, {"a": [[]]}])
def test_what_is_empty_stays_empty(document):
    assert read_back(document) == [document]
