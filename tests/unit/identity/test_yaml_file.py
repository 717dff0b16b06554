import os

import pytest

from declarative.errors import InputError
from declarative.identity.yaml_file import Map, Scalar, Sequence, parse_map, read_map

CANARY = "hunter2"


def plain(node):
    if isinstance(node, Map):
        return {key: plain(value) for key, value in node.entries.items()}
    return [plain(item) for item in node.items] if isinstance(node, Sequence) else node.text


def read(text):
    return plain(parse_map("clouds.yaml", text.encode()))


def refused(text):
    with pytest.raises(InputError) as caught:
        parse_map("clouds.yaml", text.encode() if isinstance(text, str) else text)
    return [str(finding) for finding in caught.value.findings]


def test_scalars_keep_their_text():
    assert read("{a: 012345, b: 3.10, c: yes, d: 2024-01-01, e: 1_000, f: 'null', g: ~, h: , i: !!str null}") == {
        "a": "012345",
        "b": "3.10",
        "c": "yes",
        "d": "2024-01-01",
        "e": "1_000",
        "f": "null",
        "g": None,
        "h": None,
        "i": "null",
    }


def test_json_is_read_as_yaml():
    assert read('{"a":\t{"b": [1, true, null, "\\u00fc\\n"]}}') == {"a": {"b": ["1", "true", None, "ü\n"]}}


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n", "null\n", "\ufeff"])
def test_nothing_is_an_empty_map(text):
    assert read(text) == {}


def test_aliases_and_merge_keys_share_values():
    text = "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\none: {<<: *base, b: 5}\ntwo: {<<: [*more, *base]}\n"
    assert read(text)["one"] == {"a": "1", "b": "5"}
    assert read(text)["two"] == {"a": "1", "b": "3", "c": "4"}


def test_each_node_knows_its_place():
    node = parse_map("f", b"clouds:\n  otc:\n    auth: x\n").entries["clouds"].entries["otc"].entries["auth"]
    assert isinstance(node, Scalar)
    assert str(node.position) == "f:3:11"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"a: *{CANARY}", "1:4: error: an alias refers to an unknown anchor"),
        ("a: &x [*x]", "1:8: error: an alias refers to an unknown anchor"),
        (f"a: !{CANARY} b", "1:4: error: a tag is not allowed"),
        ("a: !!python/object:os.system x", "1:4: error: a tag is not allowed"),
        ("a: !!map {}", "1:4: error: a tag is not allowed"),
        (f"a: 1\na: {CANARY}", "2:1: error: duplicate key 'a'. It appears first at clouds.yaml:1:1."),
        (f"a: {CANARY}: b", "1:11: error: the YAML can't be read: a text with ': ' in it needs quotes."),
        (f"a: '{CANARY}", "1:4: error: the YAML can't be read: the quote that opens here is never closed. Close the"),
        (
            f"a:\n\t- {CANARY}",
            "2:1: error: the YAML can't be read: there is a tab in the indentation. Use spaces, not tabs.",
        ),
        (f"a: @{CANARY}", "1:4: error: the YAML can't be read: a text that starts with this character needs quotes"),
        (f'a: "\\{CANARY}"', "error: the YAML can't be read: found unknown escape character. In double quotes, a"),
        (
            f"a: {CANARY}\n----\nb: 1",
            "2:1: error: the YAML can't be read: this line should be exactly ---. Remove this line",
        ),
        (f"a: {CANARY}\n---\nb: 1", "2:1: error: the file contains more than one document"),
        (f"- {CANARY}", "1:1: error: the file is not a map"),
        (CANARY, "1:1: error: the file is not a map"),
        (f"[1]: {CANARY}", "1:1: error: a key must be text, found a list or map"),
        (f"a: {{<<: {CANARY}}}", "1:5: error: the merge key << takes a map"),
        ("a: " + "[" * 70 + "]" * 70, "error: the file is nested deeper than 64 levels"),
        (
            "\n".join(f"a{n}: &a{n} {{x: {f'*a{n - 1}' if n else 1}}}" for n in range(70)),
            "nested deeper than 64 levels",
        ),
        (b"a: \xff", "1:4: error: byte 3 is not UTF-8"),
        (b"a: \x00", "1:4: error: the character U+0000 at byte 3 is not allowed"),
        (b" " * (1 << 20) + b"ab", "error: the file is larger than 1 MiB. Keep only the clouds"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_without_values(text, told):
    findings = refused(text)
    assert told in findings[0]
    assert CANARY not in " ".join(findings)


def test_an_alias_counts_as_all_that_it_stands_for():
    ten = ", ".join(["*x"] * 10)
    text = "a0: &x [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(f"a{n}: &x [{ten}]\n" for n in range(1, 9))
    assert "contains more than 50,000 values" in refused(text)[0]


def test_findings_have_a_limit():
    assert len(refused(f"[{'!x a, ' * 10_000}]")) == 100


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real.yaml").write_text("a: 1")
    (tmp_path / "clouds.yaml").symlink_to("real.yaml")
    assert plain(read_map(tmp_path / "clouds.yaml", "clouds.yaml")) == {"a": "1"}


def test_only_a_regular_file_is_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path, told in (
        (tmp_path, "this is not a regular file"),
        (tmp_path / "fifo", "this is not a regular file"),
        (tmp_path / "none", "the file can't be read: No such file or directory"),
    ):
        with pytest.raises(InputError, match=told):
            read_map(path, "clouds.yaml")
