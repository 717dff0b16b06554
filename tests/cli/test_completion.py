"""Completion as the shells do it: each generated script is sourced and driven in the shell itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from declarative.cli.completions import split
from declarative.cli.main import main
from declarative.cli.shells import SCRIPTS

ROOT = Path(__file__).parents[2]
BREAKS = " \t\n\"'@><=;|&(:"
GROUP = """\
apiVersion: sdrs/v1
kind: ProtectionGroup
metadata: {{name: {name}}}
spec:
  name: {name}
  source_availability_zone: eu-de-01
  target_availability_zone: eu-de-02
  domain: ActiveactiveDomain
  source_vpc_id: 6f8f5e0c-3d0b-4b59-9d0c-7b0a3c1d2e4f
  dr_type: migration
"""
STACK = """\
apiVersion: sdrs/v1
kind: Stack
metadata: {name: shop}
spec:
  provider: {simulator: true}
  variables: {vpc_id: {type: string, default: x}}
  outputs: {shop_group: '${ProtectionGroup.shop.id}'}
"""


@pytest.fixture
def stack(folder):
    """A stack with the groups shop (declared) and web[a], web[b] (recorded), and the environment prod."""
    (folder / "stack.yaml").write_text(STACK)
    many = (
        GROUP.format(name="web")
        .replace("spec:", "for_each: {a: 1, b: 2}\nspec:")
        .replace("name: web\n", "name: '${each.key}'\n")
    )
    (folder / "groups.yaml").write_text(f"{GROUP.format(name='shop')}---\n{many}")
    (folder / "environments").mkdir()
    (folder / "environments/prod.yaml").write_text("")
    assert main(["apply", "--auto-approve"]) == 0
    return folder


@pytest.fixture
def command(tmp_path):
    """A folder with `declarative` in it, as an installed one is called."""
    place = tmp_path / "bin"
    place.mkdir()
    script = place / "declarative"
    code = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -c "{code}" "$@"\n')
    script.chmod(0o755)
    return place


def run(shell, script, place, *, env=None):
    binary = shutil.which(shell)
    if binary is None:
        pytest.skip(f"{shell} is not installed")
    path = f"{place}:{os.environ['PATH']}"
    ended = subprocess.run(
        [binary, *(["-f"] if shell == "zsh" else ["--norc"] if shell == "bash" else ["--no-config"]), "-c", script],
        env={**os.environ, "PATH": path, "HOME": str(place), **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stderr == ""
    return ended.stdout.splitlines()


def in_bash(place, line):
    """What bash would offer at the end of `line`: COMP_WORDS are not needed, all else is set as bash sets it."""
    script = f"""
    compopt() {{ printf 'compopt %s\\n' "$*"; }}
    {SCRIPTS["bash"]}
    COMP_LINE=$1 COMP_POINT=${{#1}}
    _declarative declarative "$2" ""
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    last = line.rpartition(" ")[2]
    return run("bash", f"set -- {quoted(line)} {quoted(last)}\n{script}", place)


WEB = [r"ProtectionGroup/web\[a\]", r"ProtectionGroup/web\[b\]"]


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        pytest.param("declarative pl", ["plan"], id="commands"),
        pytest.param("declarative state mi", ["migrate"], id="nested-commands"),
        pytest.param("declarative plan --env p", ["prod"], id="environments"),
        pytest.param("declarative --env=p", ["prod"], id="behind-a-sign"),
        pytest.param("declarative plan --detailed", ["--detailed-exitcode"], id="options"),
        pytest.param("declarative output s", ["shop_group"], id="outputs"),
        pytest.param("declarative status ProtectionGroup/w", WEB, id="addresses"),
        pytest.param("declarative status 'ProtectionGroup/web[a", ["ProtectionGroup/web[a]"], id="in-quotes"),
        pytest.param(r"declarative status ProtectionGroup/web\[a", [r"ProtectionGroup/web\[a\]"], id="escaped"),
        pytest.param("declarative plan --target=ProtectionGroup/s", ["ProtectionGroup/shop"], id="selectors"),
        pytest.param("declarative apply --allow dele", ["delete", "delete:"], id="danger-classes"),
        pytest.param("declarative apply --allow mass-", ["mass-delete", "mass-vanished"], id="dangers-of-the-plan"),
        pytest.param("declarative apply --allow delete:Prot", ["ProtectionGroup/shop", *WEB], id="behind-a-colon"),
        pytest.param("declarative plan --format sa", ["sarif"], id="formats"),
        pytest.param("declarative plan --render sa", ["compopt -o nospace", "sarif="], id="renders"),
        pytest.param("declarative plan --var v", ["compopt -o nospace", "vpc_id="], id="variables"),
        pytest.param("declarative schema env", ["environment", "env-list"], id="schemas"),
        pytest.param("declarative schema R", ["ReplicationAttachment", "ReplicationPair"], id="kinds"),
        pytest.param("declarative explain unknown-fi", ["unknown-field"], id="findings"),
        pytest.param("declarative explain ProtectionGroup.spec.na", [], id="no-such-field"),
        pytest.param("declarative explain ProtectionGroup.nam", ["ProtectionGroup.name"], id="fields"),
        pytest.param("declarative explain SDRS.0201", ["SDRS.0201"], id="codes"),
        pytest.param("declarative help sta", ["status", "state", "stacks"], id="help"),
        pytest.param("declarative help state mi", ["migrate"], id="nested-help"),
        pytest.param("declarative completion z", ["zsh"], id="shells"),
        pytest.param("declarative plan -o gro", ["compopt -o filenames", "groups.yaml"], id="files"),
        pytest.param("declarative -C env", ["compopt -o filenames", "environments"], id="folders"),
        pytest.param("X=1 declarative pl", ["plan"], id="behind-variables"),
        pytest.param("declarative plan --endpoint h", [], id="nothing-known"),
        pytest.param("declarative nix ", [], id="unknown-command"),
    ],
)  # fmt: skip
def test_bash_offers(stack, command, line, offered):
    assert [one for one in in_bash(command, line) if one] == offered


def test_zsh_offers_with_descriptions(stack, command):
    script = f"""
    compdef() {{ : }}
    compadd() {{ print -r -- "compadd $1"; print -rl -- "${{values[@]}}" "${{told[@]}}"; }}
    {SCRIPTS["zsh"]}
    words=(declarative plan --env=p) CURRENT=3 PREFIX=--env=p
    _declarative
    words=(declarative status "'ProtectionGroup/web[a") CURRENT=3 PREFIX='ProtectionGroup/web[a'
    _declarative
    words=(declarative pl) CURRENT=2 PREFIX=pl
    _declarative
    """
    offered = run("zsh", script, command)
    assert offered[1:3] == ["--env=prod", "--env=prod"]
    assert offered[4] == "ProtectionGroup/web[a]"
    assert offered[7:] == ["plan", "plan  -- Show what apply would do, without doing it."]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("declarative pl", ["plan\tShow what apply would do, without doing it."]),
        ("declarative --env=p", ["--env=prod"]),
        ("declarative apply --allow delete:ProtectionGroup/s", ["delete:ProtectionGroup/shop"]),
        ("declarative status ProtectionGroup/web", ["ProtectionGroup/web[a]", "ProtectionGroup/web[b]"]),
    ],
)
def test_fish_offers(stack, command, line, offered):
    script = f"{SCRIPTS['fish']}\ncomplete -C {quoted(line)}"
    assert run("fish", script, command) == offered


@pytest.mark.parametrize("shell", SCRIPTS)
def test_script_is_printed_and_the_shell_reads_it(cli, command, shell):
    printed = cli("completion", shell)
    assert (printed.code, printed.out) == (0, SCRIPTS[shell])
    binary = shutil.which(shell)
    if binary is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([binary, "-n", "/dev/stdin"], input=printed.out, text=True, check=True, timeout=60)


HOSTILE = [
    "$(touch caught)",
    "`touch caught`",
    "a;touch caught",
    "a b",
    "*",
    "\x1b[31m",
    "a\nb",
    "~",
    "a'b",
    "é",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_a_shell_would_act_on_are_not_offered(folder, command, name):
    (folder / "stack.yaml").write_text(STACK)
    import json

    text = GROUP.format(name="shop").replace("metadata: {name: shop}", f"metadata: {{name: {json.dumps(name)}}}")
    (folder / "groups.yaml").write_text(text)
    (folder / "environments").mkdir()
    (folder / "environments" / f"{name}.yaml").write_text("") if "/" not in name else None
    assert [one for one in in_bash(command, "declarative status ProtectionGroup/") if one] == []
    assert [one for one in in_bash(command, "declarative plan --env ") if one] == ["default"]
    assert not (folder / "caught").exists()


@pytest.mark.parametrize(
    "line", ["declarative plan $(touch caught) ", "declarative `touch caught` ", 'declarative "$(touch caught)']
)
def test_what_is_typed_is_not_evaluated(stack, command, line):
    in_bash(command, line)
    assert not (stack / "caught").exists()


def test_completion_needs_no_lock_and_leaves_nothing(stack, command, monkeypatch, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in stack.rglob("*")}
    marks = sorted((tmp_path / "marks").rglob("*"))
    in_bash(command, "declarative state rm ")
    assert {path: path.stat().st_mtime_ns for path in stack.rglob("*")} == before
    assert sorted((tmp_path / "marks").rglob("*")) == marks


def test_shared_state_is_not_asked(folder, command):
    (folder / "stack.yaml").write_text(STACK.replace("spec:\n", "spec:\n  state: https://127.0.0.1:1/state\n"))
    (folder / "groups.yaml").write_text(GROUP.format(name="shop"))
    assert in_bash(command, "declarative status P") == ["ProtectionGroup/shop"]


def test_broken_manifests_and_no_stack_offer_nothing(folder, command):
    assert in_bash(command, "declarative status P") == [""]
    (folder / "stack.yaml").write_text("a: [")
    assert in_bash(command, "declarative status P") == [""]


@pytest.mark.parametrize(
    ("line", "words", "incomplete", "cut", "is_quoted"),
    [
        ("d plan --en", ["plan"], "--en", 0, False),
        ("d plan ", ["plan"], "", 0, False),
        ("d a\\ b 'c d' e", ["a b", "c d"], "e", 0, False),
        ("d --allow=delete:Prot", [], "--allow=delete:Prot", 15, False),
        ("d --allow='delete:Prot", [], "--allow=delete:Prot", 8, True),
        ('d ""', [], "", 0, False),
    ],
)
def test_line_is_split_as_bash_does(line, words, incomplete, cut, is_quoted):
    assert split(line, BREAKS) == (words, incomplete, cut, is_quoted)
