import json

import pytest

from declarative.errors import InputError, UsageError
from declarative.manifest import VariableSources, load, resolve, stack_of, validate

STACK = """apiVersion: sdrs/v1
kind: Stack
metadata: {name: s}
spec:
  variables:
    text: {type: string, default: from-default}
    number: {type: number, default: 0}
    flag: {type: boolean, default: false}
    list: {type: list, default: []}
    map: {type: map, default: {}}
  outputs: {a: "${var.text}", b: "${var.number}", c: "${var.flag}", d: "${var.list}", e: "${var.map}"}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stack.yaml").write_text(STACK)
    (tmp_path / "environments").mkdir()
    return tmp_path


def inputs(folder, *, environment="default", **sources):
    return resolve(load(folder), environment=environment, sources=VariableSources(**sources))[0].inputs


def told(folder, *, environment="default", **sources):
    with pytest.raises(InputError) as caught:
        resolve(load(folder), environment=environment, sources=VariableSources(**sources))
    return [str(finding) for finding in caught.value.diagnostics()]


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        pytest.param("number: '5'\n", "1:9: error: the variable 'number' must be a number", id="value-in-yaml"),
        pytest.param('{ "nubmer": 5}', "1:3: error: no variable is named 'nubmer'", id="name-that-nobody-knows"),
        pytest.param(
            '{\n  "number": "5"\n}', "2:13: error: the variable 'number' must be a number", id="value-in-json"
        ),
        pytest.param(
            '{"number": {"type": "string", "value": "5"}}',
            "1:40: error: the variable 'number' must be a number",
            id="value-in-what-terraform-prints",
        ),
    ],
)
def test_a_finding_has_the_place_of_what_is_wrong_with_a_value_from_a_file(folder, content, finding):
    (folder / "v.json").write_text(content)
    assert told(folder, files=(folder / "v.json",))[0].startswith(f"{folder}/v.json:{finding}")


def test_a_variable_that_may_stand_in_an_unreadable_file_is_not_called_missing(folder):
    (folder / "stack.yaml").write_text(STACK.replace(", default: from-default", ""))
    (folder / "v.json").write_text('{"text": ')
    (finding,) = told(folder, files=(folder / "v.json",))
    assert "the JSON can't be read" in finding


def test_the_strongest_source_wins(folder):
    (folder / "environments/prod.yaml").write_text("text: from-environment-file\n")
    (folder / "first.yaml.txt").write_text("text: from-first-file\n")
    (folder / "second.json").write_text('{"text": "from-second-file"}')
    sources = {}
    steps = [
        ({}, "from-environment-file"),
        ({"environ": {"DECLARATIVE_VAR_text": "from-environ"}}, "from-environ"),
        ({"files": (folder / "first.yaml.txt",)}, "from-first-file"),
        ({"files": (folder / "first.yaml.txt", folder / "second.json")}, "from-second-file"),
        ({"options": ("text=from-option",)}, "from-option"),
        ({"options": ("text=from-option", "text=from-later=option")}, "from-later=option"),
        ({"fixed": {"text": "from-plan"}}, "from-plan"),
    ]
    assert inputs(folder)["text"] == "from-default"
    for source, expected in steps:
        sources |= source
        assert inputs(folder, environment="prod", **sources)["text"] == expected


def test_a_saved_plan_keeps_every_other_source_out(folder):
    (folder / "environments/prod.yaml").write_text("number: 7\n")
    sources = {"environ": {"DECLARATIVE_VAR_flag": "true"}, "fixed": {"text": "x"}}
    found = inputs(folder, environment="prod", **sources)
    assert found == {"text": "x", "number": 0, "flag": False, "list": [], "map": {}}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("text", "", ""),
        ("text", "true", "true"),
        ("text", "12", "12"),
        ("number", "12", 12),
        ("number", "-1.5", -1.5),
        ("flag", "true", True),
        ("list", '["a", 1, {"b": null}]', ["a", 1, {"b": None}]),
        ("map", '{"a": {"b": [true]}}', {"a": {"b": [True]}}),
    ],
)
def test_texts_are_read_by_the_type_of_the_variable(folder, name, text, value):
    assert inputs(folder, options=(f"{name}={text}",))[name] == value
    assert inputs(folder, environ={f"DECLARATIVE_VAR_{name}": text})[name] == value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("number", "x", "the variable 'number' must be a number, found 'x'"),
        ("number", "010", "must be a number, found '010'"),
        ("number", "1e3", "must be a number, found '1e3'"),
        ("number", "9" * 40, "must be a number"),
        ("flag", "yes", "must be true or false, found 'yes'"),
        ("list", "a,b", "must be a list, written as JSON: Expecting value"),
        ("list", "{}", "must be a list, found a map"),
        ("map", '{"a": 1, "a": 2}', "duplicate key 'a'"),
        ("map", '{"a": NaN}', "NaN is not JSON"),
        ("map", '{"a": 1e999}', "a number is too large"),
        ("map", "[" * 100_000, "nested too deep"),
        ("map", '{"a": ' * 70 + "1" + "}" * 70, "is nested deeper than 64 levels"),
        ("text", "a\x1bb", "contains the control character U+001B"),
        ("text", "a\udce9b", "contains the control character U+DCE9"),
        ("map", '{"\\u0000": 1}', "contains the control character U+0000"),
        ("list", '["\\ud800"]', "contains the control character U+D800"),
    ],
)
def test_a_text_that_does_not_fit_is_told(folder, name, text, message):
    (found,) = told(folder, options=(f"{name}={text}",))
    assert found.startswith("error: --var: the variable ")
    assert message in found
    (found,) = told(folder, environ={f"DECLARATIVE_VAR_{name}": text})
    assert found.startswith(f"error: DECLARATIVE_VAR_{name}: the variable ")


def test_undeclared_names_are_told_for_every_source(folder):
    (folder / "environments/prod.yaml").write_text("# first line\ntxet: a\n")
    (folder / "vars.json").write_text('{\n "lsit": []}')
    found = told(
        folder,
        environment="prod",
        files=(folder / "vars.json",),
        options=("mpa={}",),
    )
    assert found == [
        "error: --var: no variable is named 'mpa'. Did you mean 'map'?",
        f"{folder}/environments/prod.yaml:2:1: error: no variable is named 'txet'. Did you mean 'text'?",
        f"{folder}/vars.json:2:2: error: no variable is named 'lsit'. Did you mean 'list'?",
    ]


def test_a_name_from_the_environment_that_nobody_declares_is_a_warning(folder):
    environ = {"DECLARATIVE_VAR_numbr": "1", "DECLARATIVE_VARIOUS": "not ours", "HOME": "/"}
    _, warnings = resolve(load(folder), sources=VariableSources(environ=environ))
    assert [str(one) for one in warnings if "_VAR_" in str(one)] == [
        "warning: DECLARATIVE_VAR_numbr: no variable is named 'numbr'. Did you mean 'number'?"
    ]
    assert stack_of(folder, sources=VariableSources(environ=environ)).name


def test_what_terraform_prints_is_a_variable_file(folder):
    printed = {
        "text": {"sensitive": False, "type": "string", "value": "vpc-1"},
        "map": {"sensitive": False, "type": ["object", {"a": "string"}], "value": {"a": "b"}},
    }
    (folder / "outputs.json").write_text(json.dumps(printed))
    found = inputs(folder, files=(folder / "outputs.json",))
    assert (found["text"], found["map"]) == ("vpc-1", {"a": "b"})


def test_json_is_read_as_json_where_yaml_reads_it_otherwise(folder):
    (folder / "v.json").write_text('{"text": "\\ud83d\\ude00\\/", "number": 1e3}')
    found = inputs(folder, files=(folder / "v.json",))
    assert (found["text"], found["number"]) == ("\U0001f600/", 1000.0)
    (folder / "v.json").write_text('{"map": {"a": "\\ud83d\\ude00"}, "txet": 1}')
    assert told(folder, files=(folder / "v.json",)) == [
        f"{folder}/v.json:1:1: error: no variable is named 'txet'. Did you mean 'text'?"
    ]


def test_a_text_with_a_pattern_has_a_bound(folder):
    (folder / "stack.yaml").write_text(STACK.replace("default: from-default", "default: a, pattern: '^a*$'"))
    assert inputs(folder, options=("text=" + "a" * 256,))["text"] == "a" * 256
    (found,) = told(folder, options=("text=" + "a" * 257,))
    assert "has 257 characters, but with a pattern at most 256 are allowed" in found


def test_a_map_that_only_looks_like_terraform_stays_as_it_is(folder):
    (folder / "v.json").write_text('{"map": {"value": 1, "type": 2, "more": 3}}')
    assert inputs(folder, files=(folder / "v.json",))["map"] == {"value": 1, "type": 2, "more": 3}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("v.json", b'{"a": 1,}', "v.json:1:9: error: the JSON can't be read"),
        ("v.json", b'{"a": 1, "a": 2}', "v.json:1:10: error: duplicate key 'a'"),
        ("v.txt", b"a: [", "v.txt:1:4: error: the YAML can't be read"),
        ("v.txt", b"{a: 1", "v.txt:1:1: error: the YAML can't be read"),
        ("v.txt", b"- a", "v.txt:1:1: error: the file must be a map, found a list"),
        ("v.txt", b"\xff\xfe", "v.txt:1:1: error: the file is UTF-16"),
        ("v.txt", b"x" * (1 << 20) + b"y", "v.txt:1:1: error: the file is larger than 1 MiB"),
    ],
)
def test_a_variable_file_that_is_not_one_is_told(folder, name, content, message):
    (folder / name).write_bytes(content)
    (found,) = told(folder, files=(folder / name,))
    assert found.startswith(f"{folder}/{message}")


def test_an_empty_variable_file_gives_nothing(folder):
    (folder / "v.txt").write_text("# nothing\n")
    assert inputs(folder, files=(folder / "v.txt",))["text"] == "from-default"


@pytest.mark.parametrize("sources", [{"options": ("text",)}, {"options": ("text=" + "x" * (1 << 20) + "y",)}])
def test_options_that_can_not_be_read_are_usage_errors(folder, sources):
    with pytest.raises(UsageError, match="--var"):
        inputs(folder, **sources)


def test_a_variable_file_that_is_absent_is_a_usage_error(folder):
    with pytest.raises(UsageError, match=r"absent\.yaml"):
        inputs(folder, files=(folder / "absent.yaml",))


def test_a_missing_value_is_an_error_only_where_one_is_needed(folder):
    (folder / "stack.yaml").write_text(STACK.replace(", default: from-default", ""))
    (folder / "environments/prod.yaml").write_text("text: a\n")
    message = (
        f"{folder}/stack.yaml:6:5: error: the variable 'text' is not set. "
        "Choose an environment: --env prod. "
        "Or set it with --var text=…, --var-file, DECLARATIVE_VAR_text or a default."
    )
    assert validate(folder) == ()
    assert validate(folder, environment="prod") == ()
    assert [str(finding) for finding in validate(folder, environment="default")] == [message]
    assert told(folder) == [message]
    assert inputs(folder, environment="prod")["text"] == "a"


def test_a_missing_value_offers_some_of_many_environments(folder):
    (folder / "stack.yaml").write_text(STACK.replace(", default: from-default", ""))
    for number in range(7):
        (folder / f"environments/e{number}.yaml").write_text("text: a\n")
    (found,) = validate(folder, environment="default")
    listed = "--env e0, --env e1, --env e2, --env e3, --env e4 or one of"
    assert found.fix.startswith(f"Choose an environment: {listed}")


def test_a_missing_value_in_a_stack_without_environments_names_none(folder):
    (folder / "stack.yaml").write_text(STACK.replace(", default: from-default", ""))
    for file in (folder / "environments").iterdir():
        file.unlink()
    (finding,) = validate(folder, environment="default")
    assert finding.fix == "Set it with --var text=…, --var-file, DECLARATIVE_VAR_text or a default."


def test_an_environment_without_the_value_is_named(folder):
    (folder / "stack.yaml").write_text(STACK.replace(", default: from-default", ""))
    (folder / "environments/prod.yaml").write_text("number: 1\n")
    (found,) = validate(folder, environment="prod")
    assert "environments/prod.yaml" in found.fix


def test_the_first_finding_of_a_variable_does_not_hide_the_next(folder):
    assert len(told(folder, options=("number=x", "flag=y", "nope=z"))) == 3


def test_no_message_shows_more_than_a_glimpse_of_a_value(folder):
    (found,) = told(folder, options=("number=" + "\x1b[31m" * 1000,))
    assert "\x1b" not in found
    assert len(found) < 300


LAYOUT = {"vars.yaml": "text: a\nnumber: 5\n", "sub/vars.yml": "map: {a: 1}\n"}


def lay_out(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def test_a_file_of_variables_may_lie_beside_the_manifests(folder, monkeypatch):
    lay_out(folder, LAYOUT)
    monkeypatch.chdir(folder)
    files = (folder / "vars.yaml", folder / "elsewhere" / ".." / "sub" / "vars.yml")
    (folder / "elsewhere").mkdir()
    view, warnings = resolve(load(folder, variable_files=files), sources=VariableSources(files=files))
    assert (view.inputs["number"], view.inputs["map"]) == (5, {"a": 1})
    assert [str(one) for one in warnings if "vars" in str(one)] == []


def test_a_file_of_variables_that_nobody_names_is_known_all_the_same(folder):
    lay_out(folder, LAYOUT)
    _, warnings = resolve(load(folder))
    told = [str(one).removeprefix(f"{folder}/") for one in warnings if "vars" in str(one)]
    assert told == [
        f"{name}:1:1: warning: this file contains values of variables. It is only read if --var-file names it."
        " Pass it with --var-file, or name it in .declarativeignore."
        for name in ("sub/vars.yml", "vars.yaml")
    ]


@pytest.mark.parametrize("text", ["text: a\nother: 1\n", "txet: a\n", "{}\n", "kind: a\ntext: b\n", "- text\n"])
def test_what_holds_anything_else_is_no_file_of_variables(folder, text):
    lay_out(folder, {"vars.yaml": text})
    (found,) = told(folder)
    assert "vars.yaml:1:1: error: " in found


def test_a_manifest_that_is_named_as_a_file_of_variables_stays_one(folder):
    """Else its objects would be gone from the manifests."""
    text = "apiVersion: sdrs/v1\nkind: ReplicationPair\nmetadata: {name: p}\n"
    lay_out(folder, {"pair.yaml": text + "spec: {server_group_id: g, volume_id: v, name: p}\n"})
    files = (folder / "pair.yaml",)
    assert [one.name for one in load(folder, variable_files=files).documents] == ["p"]
    assert any("no variable is named 'apiVersion'" in one for one in told(folder, files=files))
