"""Files that are left out are told: at once where a mistake is likely, else beside the deletion of what they hold."""

import os
import socket
from pathlib import Path

import pytest

from declarative.errors import Severity
from declarative.manifest import leftout, load, still_written, validate
from declarative.model import Address

STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {name: s}\n"
GROUP = """\
apiVersion: sdrs/v1
kind: ProtectionGroup
metadata: {name: shop}
spec: {name: shop, source_availability_zone: a, target_availability_zone: b, domain: d, source_vpc_id: v}
"""
POLICY = "apiVersion: sdrs/v1\nkind: Policy\nmetadata: {name: p}\n"
SHOP = Address("ProtectionGroup", "shop")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "stack"
    place.mkdir()
    (place / "stack.yaml").write_text(STACK)
    monkeypatch.chdir(place)
    return place


def write(path, text=GROUP):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def warnings():
    found = validate(Path())
    assert [one for one in found if one.severity is not Severity.WARNING] == []
    return [str(one) for one in found]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("g.YAML", "the name of a manifest ends in .yaml or .yml, in lower case. Rename it to g.yaml, or name it in"),
        ("a/g.Yml", "the name of a manifest ends in .yaml or .yml, in lower case. Rename it to g.yaml, or name it in"),
        ("g.json", "the name of a manifest ends in .yaml or .yml, in lower case. Rename it to g.yaml, or name it in"),
        ("clouds-of-shop.yaml", "its name is reserved for a file of clouds. Move it"),
        ("policies/g.yaml", "files in such a folder are not read as manifests. Move it"),
        ("policies/deep/er/g.json", "files in such a folder are not read as manifests. Move it"),
        ("a/environments/g.yaml", "files in such a folder are not read as manifests. Move it"),
        ("environments/a/g.yaml", "files in such a folder are not read as manifests. Move it"),
    ],
)
def test_a_file_that_may_be_meant_is_told(folder, path, told):
    write(folder / path)
    (warning,) = warnings()
    beginning = f"{path}:1:1: warning: this file contains ProtectionGroup/shop, but is not read: {told}"
    assert warning.startswith(beginning)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("policies/p.yaml", POLICY),
        ("policies/p.yaml", "a: 1\n"),
        ("a/environments/prod.yaml", "vpc: x\n"),
        ("clouds.yaml", "clouds: {otc: {auth: {password: canary}}}\n"),
        ("secure.yaml", GROUP),
        ("package.json", '{"apiVersion": "sdrs/v1", "kind": "Other"}'),
        ("schema.json", '{"const": "sdrs/v1"}'),
        ("list.json", '["sdrs/v1"]'),
        ("broken.json", '{"apiVersion": "sdrs/v1", '),
        ("notes.txt", GROUP),
        (".hidden/g.yaml", GROUP),
        (".g.yaml", GROUP),
        (".git/g.yaml", GROUP),
    ],
)
def test_other_files_are_left_out_in_silence(folder, path, text):
    write(folder / path, text)
    assert warnings() == []


def test_a_capital_ending_is_told_whatever_the_file_holds(folder):
    write(folder / "notes.YAML", "a: 1\n")
    assert [one.startswith("notes.YAML:1:1: warning: this file is not read: ") for one in warnings()] == [True]


def test_what_is_ignored_is_silent(folder):
    write(folder / "g.YAML")
    write(folder / "a/g.json")
    (folder / "l.yaml").symlink_to("/nowhere")
    write(folder / ".declarativeignore", "g.YAML\na/\nl.yaml\n")
    assert warnings() == []


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("g.yaml", "../base/g"),
        ("g.yml", "nowhere"),
        ("g.YAML", "/dev/zero"),
        ("g", "../base/g.yaml"),
        ("loop.yaml", "loop.yaml"),
        ("base", "../base"),
        ("environments/prod.yaml", "../../base/prod.yaml"),
    ],
)
def test_a_link_is_told_and_not_followed(folder, name, target, monkeypatch):
    write(folder.parent / "base/g.yaml", "secret: canary\n")
    (folder / "environments").mkdir()
    (folder / name).symlink_to(target)
    real = os.open

    def refusing(path, flags, *rest, **options):
        assert flags & os.O_DIRECTORY or not Path(path).name.startswith(("g", "loop", "prod")), path
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refusing)
    (warning,) = warnings()
    assert warning == (
        f"{name}:1:1: warning: this link to {target} is not read: links are never followed. Put the file itself here,"
        " or name it in .declarativeignore."
    )


@pytest.mark.parametrize("target", ["../empty", "/dev/null", "nowhere", "loop", "../notes.txt"])
def test_a_link_to_what_holds_no_yaml_is_silent(folder, target):
    (folder.parent / "empty/deep").mkdir(parents=True)
    write(folder.parent / "empty/deep/g.yaml")
    (folder / "loop").symlink_to(target)
    assert warnings() == []


def test_hostile_names_and_files_do_no_harm(folder):
    os.mkfifo(folder / "pipe.YAML")
    os.mkfifo(folder / "pipe.json")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.json")
    (folder / "null.json").symlink_to("/dev/null")
    (folder / "folder.json").mkdir()
    write(folder / "large.json", "sdrs/ " + "x" * (2 << 20))
    write(folder / "bomb.json", "[" * 100_000 + "sdrs/")
    write(folder / os.fsdecode(b"\x1b[2J\xff.YAML"))
    (warning,) = warnings()
    assert warning.startswith("\\x1b[2J\\u{dcff}.YAML:1:1: warning: ")


def test_what_can_not_be_read_is_left_out_in_silence(folder, monkeypatch):
    write(folder / "a/g.json")
    write(folder / "g.json")
    real = os.open

    def refusing(path, *rest, **options):
        if path in ("a", "g.json"):
            raise PermissionError(13, "Permission denied")
        return real(path, *rest, **options)

    with monkeypatch.context() as patched:
        patched.setattr(leftout.os, "open", refusing)
        assert [str(one) for one in leftout.left_out_warnings(Path())] == []


def test_there_is_a_limit_to_what_is_looked_at(folder, monkeypatch):
    monkeypatch.setattr(leftout, "_MAX_FILES", 2)
    for number in range(4):
        write(folder / f"{number}.json", GROUP.replace("shop}", f"g{number}}}"))
    told = warnings()
    assert [one[:7] for one in told] == [".:1:1: ", "0.json:", "1.json:"]
    assert "too many files to check" in told[0]


@pytest.mark.parametrize("limit", ["_MAX_READ", "_MAX_PARSED", "_MAX_ENTRIES"])
def test_there_are_other_limits(folder, monkeypatch, limit):
    monkeypatch.setattr(leftout, limit, 2)
    for number in range(4):
        write(folder / f"{number}.json")
    assert any("too many files to check" in one for one in warnings())


# ---------------------------------------------------------------- beside a deletion


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (".team/g.yaml", "its name or its folder's name starts with a dot"),
        (".g.json", "its name or its folder's name starts with a dot"),
        ("a/.b/c/g.yml", "its name or its folder's name starts with a dot"),
        ("ignored/g.yaml", ".declarativeignore names it"),
        ("g.YAML", "the name of a manifest ends in .yaml or .yml, in lower case"),
        ("policies/g.yaml", "files in such a folder are not read as manifests"),
    ],
)
def test_a_deletion_tells_where_the_object_still_stands(folder, path, why):
    write(folder / path)
    write(folder / ".declarativeignore", "ignored\n")
    others = [Address("ProtectionGroup", "other"), Address("DRDrill", "shop")]
    (told,) = still_written(Path(), [SHOP, *others])
    assert told.summary == (
        f"ProtectionGroup/shop is no longer in the manifests. It is in {path}, which is not read: {why}"
    )
    assert (told.address, told.position.file, told.severity) == ("ProtectionGroup/shop", path, Severity.WARNING)


def test_objects_of_one_document_are_all_told(folder):
    write(folder / ".g.yaml", GROUP + "for_each: [a, b]\n")
    gone = {Address("ProtectionGroup", "shop", key) for key in "ab"}
    assert [one.address for one in still_written(Path(), gone)] == [
        "ProtectionGroup/shop[a]",
        "ProtectionGroup/shop[b]",
    ]


@pytest.mark.parametrize("path", [".git/g.yaml", ".declarative/g.yaml", "a/.git/g.yaml"])
def test_some_folders_are_never_looked_into(folder, path):
    write(folder / path)
    assert list(still_written(Path(), [SHOP])) == []


def test_links_are_not_opened_for_a_deletion_either(folder):
    write(folder.parent / "base/g.yaml")
    (folder / ".g.yaml").symlink_to("../base/g.yaml")
    (folder / ".base").symlink_to("../base")
    assert list(still_written(Path(), [SHOP])) == []


def test_what_is_left_out_is_not_read_for_the_manifests(folder):
    write(folder / ".team/g.yaml", "a: [")
    assert load(Path()).findings == ()
