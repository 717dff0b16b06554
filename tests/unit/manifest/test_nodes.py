import json
import string

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from declarative.errors import DeclarativeError
from declarative.manifest import nodes
from declarative.manifest.characters import MAX_BYTES, MAX_DEPTH
from declarative.manifest.nodes import MAX_NODES, Reader, plain


def read(content):
    return Reader().read("m.yaml", content if isinstance(content, bytes) else content.encode())


def values(content):
    reading = read(content)
    assert reading.findings == ()
    return [node.value for node in reading.nodes]


def summaries(content):
    return [str(finding) for finding in read(content).findings]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("", None),
        ("true", True),
        ("false", False),
        ("0", 0),
        ("-0", 0),
        ("-12", -12),
        ("1.50", 1.5),
        ("0.5", 0.5),
        *((text, text) for text in ("~", "Null", "True", "FALSE", "yes", "no", "on", "off", "y", "n")),
        *((text, text) for text in ("010", "0644", "0o17", "0x1f", "1_000", "1e3", "+1", "1.", ".5", "22:22")),
        *((text, text) for text in (".inf", ".nan", "2024-13-45", "2024-01-02T03:04:05+99:99", "=", "<<", "١٢")),
    ],
)
def test_only_the_core_scalars_mean_something_else_than_text(text, value):
    found = plain(text)
    assert (type(found), found) == (type(value), value)
    assert values(f"k: {text}\n") == [{"k": value}]


@pytest.mark.parametrize("text", ["null", "true", "5", "", "<<"])
def test_quoted_scalars_are_text(text):
    assert values(f"k: '{text}'\nl: \"{text}\"\n") == [{"k": text, "l": text}]


def test_quoted_keys_are_text():
    assert values("'1': a\n\"true\": b\n'<<': c\n") == [{"1": "a", "true": "b", "<<": "c"}]


def test_documents_are_read_one_by_one_without_the_empty_ones():
    assert values("a: 1\n---\n---\n# nothing\n---\nb: 2\n...\n--- {c: 3}\n") == [{"a": 1}, {"b": 2}, {"c": 3}]


def test_a_number_of_32_characters_is_the_longest():
    assert values("k: " + "9" * 32) == [{"k": int("9" * 32)}]
    assert "too long" in summaries("k: " + "9" * 33)[0]
    assert "too long" in summaries("k: 1." + "9" * 5000)[0]


def test_expressions_are_noticed_however_they_are_written():
    texts = ("a: ${var.x}", "a: '${var.x}'", 'a: "\\x24{var.x}"', "a: [{b: '${var.x}'}]", "a: |\n  ${var.x}\n")
    assert [read(text).nodes[0].expressions for text in (*texts, "a: $x {}")] == [True] * 5 + [False]


def test_reading_goes_on_after_a_refused_value():
    found = summaries("a: &x 1\nb: *x\nc: !t 2\nc: 3\n? [d]\n: 4\n<<: {}\n")
    assert [line.split(":")[1] for line in found] == ["1", "2", "3", "4", "5", "7"]


def test_a_syntax_error_keeps_the_documents_before_it():
    reading = read("a: 1\n---\nb: [\n")
    assert [node.value for node in reading.nodes] == [{"a": 1}]
    assert len(reading.findings) == 1


@pytest.mark.parametrize(
    ("content", "place"),
    [
        pytest.param(b"\xef\xbb\xbfa: b\x00c", "m.yaml:1:5: error: the character U+0000 at byte 7", id="nul-after-bom"),
        pytest.param("é: ü\n ü\x1b".encode(), "m.yaml:2:3: error: the character U+001B at byte 10", id="escape"),
        pytest.param("a: \u2028".encode(), "m.yaml:1:4: error: the character U+2028 at byte 3", id="line-separator"),
        pytest.param(b"a: b\n\xff", "m.yaml:2:1: error: byte 5 is not UTF-8", id="not-utf-8"),
        pytest.param(b"a: \xed\xa0\x80", "m.yaml:1:4: error: byte 3 is not UTF-8", id="encoded-surrogate"),
        pytest.param(b"\xfe\xff\x00a", "m.yaml:1:1: error: the file is UTF-16", id="utf-16-big-endian"),
        pytest.param(b"a" * (MAX_BYTES + 1), "m.yaml:1:1: error: the file is larger than 1 MiB", id="too-large"),
    ],
)
def test_unfit_bytes_are_refused_with_their_place(content, place):
    (found,) = summaries(content)
    assert found.startswith(place)


@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_the_deepest_document(opening):
    closing = {"[": "]", "{a: ": "}"}[opening]
    assert summaries(opening * MAX_DEPTH + closing * MAX_DEPTH) == []
    for depth in (MAX_DEPTH + 1, 3000):
        (found,) = summaries(opening * depth + closing * depth)
        assert "nested deeper than 64 levels" in found


def test_a_block_document_may_not_be_too_deep_either():
    (found,) = summaries("\n".join("  " * level + "a:" for level in range(MAX_DEPTH + 5)))
    assert "nested deeper than 64 levels" in found


def test_the_largest_number_of_values():
    assert summaries("- a\n" * MAX_NODES) == []
    (found,) = summaries("- a\n" * (MAX_NODES + 1))
    assert found.startswith(f"m.yaml:{MAX_NODES + 1}:3: error: the file contains more than 50000 values")


def test_equal_texts_of_all_files_are_kept_once():
    reader = Reader()
    (first,), (second,) = (reader.read(name, b"some_key: some-value\n").nodes for name in ("a.yaml", "b.yaml"))
    assert first.value["some_key"] is second.value["some_key"]
    assert next(iter(first.value)) is next(iter(second.value))


def test_values_are_read_the_same_when_too_many_are_known_to_be_shared(monkeypatch):
    monkeypatch.setattr(nodes, "_MAX_SHARED", 0)
    reader = Reader()
    values = [reader.read(name, b"a: true\nb:\nc: 1\nd: x\n").nodes[0].value for name in ("a.yaml", "b.yaml")]
    assert values == [{"a": True, "b": None, "c": 1, "d": "x"}] * 2


def test_places_are_those_of_values_and_of_the_keys_of_collections():
    (_, node) = read("x: 1\n---\nkind: Stack\nspec:\n  a: {b: c, d: }\n  e:\n  - f\n  - g: h\n").nodes
    places = {
        (): "3:1",
        ("kind",): "3:7",
        ("spec",): "4:1",
        ("spec", "a"): "5:3",
        ("spec", "a", "b"): "5:10",
        ("spec", "a", "d"): "5:13",
        ("spec", "a", "unknown", "deeper"): "5:3",
        ("spec", "e", 0): "7:5",
        ("spec", "e", 1): "8:5",
        ("spec", "e", 1, "g"): "8:8",
    }
    assert {path: str(node.source.position(path)).removeprefix("m.yaml:") for path in places} == places
    assert str(node.source.position(("kind",), key=True)) == "m.yaml:3:1"


def test_a_parser_without_its_c_part_is_told(monkeypatch):
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    with pytest.raises(DeclarativeError, match="C loader"):
        read("a: 1")


INDICATORS = st.sampled_from([*"\n\n  -:?[]{},#&*!|>'\"%@`\\$\t~<=+.0123456789abcxyz", "${", "---\n", ": ", "\x00"])


@settings(max_examples=300, deadline=None)
@given(st.lists(INDICATORS, max_size=60).map("".join))
@example("? ?\n: :\n")
@example("&a [*a]")
@example("!<tag:yaml.org,2002:python/none>")
@example("%TAG ! x\n---\n!y z")
@example('"\\ud800"')
@example("2024-13-45: 2024-01-01T00:00:00+99:99")
def test_any_text_is_read_or_refused_and_every_place_is_found_again(text):
    reading = Reader().read("m.yaml", text.encode())
    lines = text.split("\n")
    for finding in reading.findings:
        assert finding.position is not None
        assert 1 <= finding.position.line <= len(lines) + 1
    for node in reading.nodes:
        json.dumps(node.value)
        for path in paths(node.value):
            place = node.source.position(path)
            assert 1 <= place.line <= len(lines) + 1


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(content):
    reading = Reader().read("m.yaml", content)
    assert all(finding.position for finding in reading.findings)


def paths(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from paths(inner, (*path, number))


PRINTABLE = st.text(string.ascii_letters + string.digits + " -_.:#'\"[]{}&*!%@<>|\\/$~日é\n", max_size=12)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | PRINTABLE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PRINTABLE, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(PRINTABLE, TREES, min_size=1, max_size=4), max_size=3), st.booleans())
def test_what_a_strict_writer_writes_is_read_back(documents, flow):
    text = yaml.safe_dump_all(documents, allow_unicode=True, default_flow_style=flow, sort_keys=False, width=1000)
    assert values(text) == documents


@settings(max_examples=100, deadline=None)
@given(TREES, st.integers(0, 5))
def test_json_is_read_as_json(tree, shift):
    document = {"k": tree}
    (node,) = read("\n" * shift + json.dumps(document, ensure_ascii=False)).nodes
    assert node.value == document
    assert node.source.position(("k",), key=True).line == shift + 1
