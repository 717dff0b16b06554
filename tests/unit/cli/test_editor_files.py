import json

import pytest
import yaml

from declarative.cli import editor_files
from declarative.cli.plan_files import FileRefused, quickstart_files
from declarative.manifest import environment_schema_text, schema_text

STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {name: s}\nspec: {variables: {a: {type: string}}}\n"
COMMENT = "# yaml-language-server: $schema=.schemas/sdrs.json"


def test_init_writes_the_example_with_a_comment_in_each_document():
    root, names = quickstart_files()
    written = editor_files.quickstart()
    for name in names:
        text, own = written[name].decode(), (root / name).read_text()
        if name.endswith(".yaml"):
            documents = text.split("\n---\n")
            assert len(documents) == len(list(yaml.safe_load_all(own)))
            assert [one.partition("\n")[0] for one in documents] == [COMMENT] * len(documents)
        assert text.replace(f"{COMMENT}\n", "") == own


def test_init_writes_the_schemas_of_its_stack():
    root, _ = quickstart_files()
    written = editor_files.quickstart()
    assert written[".schemas/sdrs.json"].decode() == schema_text()
    assert written[".schemas/environment.json"].decode() == environment_schema_text(root)


def test_settings_that_exist_are_left_alone(tmp_path):
    path = tmp_path / ".vscode" / "settings.json"
    path.parent.mkdir()
    path.write_text("{ // mine\n}")
    assert editor_files.write_settings(tmp_path) is None
    assert path.read_text() == "{ // mine\n}"
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    assert editor_files.write_settings(tmp_path) is None
    assert not (tmp_path / "nowhere").exists()
    path.unlink()
    assert editor_files.write_settings(tmp_path) == path
    assert path.read_text() == editor_files.settings_text()


def test_settings_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / ".vscode").write_text("a file")
    with pytest.raises(FileRefused, match="settings"):
        editor_files.write_settings(tmp_path)


def test_schemas_are_written_over_earlier_ones(tmp_path):
    (tmp_path / "stack.yaml").write_text(STACK)
    paths = editor_files.write_schemas(tmp_path)
    (tmp_path / "stack.yaml").write_text(STACK.replace("{a:", "{b:"))
    assert editor_files.write_schemas(tmp_path) == paths
    assert list(json.loads((tmp_path / ".schemas" / "environment.json").read_text())["properties"]) == ["b"]
    assert sorted(path.name for path in (tmp_path / ".schemas").iterdir()) == ["environment.json", "sdrs.json"]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"$comment": "mine"}', "[" * 100_000, b"\xff".decode("latin1")])
def test_what_others_made_is_never_written_over(tmp_path, content):
    (tmp_path / "stack.yaml").write_text(STACK)
    path = tmp_path / ".schemas" / "environment.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(FileRefused, match=r"environment\.json exists, and was not made by `declarative schema`"):
        editor_files.write_schemas(tmp_path)
    assert path.read_text() == content
    assert [one.name for one in path.parent.iterdir()] == ["environment.json"]


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "stack.yaml").write_text(STACK)
    (tmp_path / ".schemas").write_text("a file")
    with pytest.raises(FileRefused, match="can't be written"):
        editor_files.write_schemas(tmp_path)
