"""`stacks`: which stacks a repository holds, which a change touches, and which are gone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import declarative

STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {{name: {name}}}\nspec: {{provider: {{region: eu-de}}}}\n"


def write(folder, name, *environments, stack=""):
    place = folder / name
    (place / "environments").mkdir(parents=True)
    (place / "stack.yaml").write_text(STACK.format(name=stack or place.name))
    for one in environments:
        (place / "environments" / f"{one}.yaml").write_text("{}\n")


@pytest.fixture
def repository(folder):
    write(folder, "stacks/shop", "prod", "staging")
    write(folder, "stacks/orders")
    return folder


def listed(cli, *arguments):
    ran = cli(*arguments)
    assert ran.code == 0, ran.err
    return [tuple(line.split("\t")) for line in ran.out.splitlines()]


SHOP = ("shop", "stacks/shop")
EVERY = [("default", "orders", "stacks/orders"), ("prod", *SHOP), ("staging", *SHOP)]


def test_stacks_are_listed_once_for_each_environment(cli, repository):
    assert listed(cli, "stacks") == EVERY
    targets = json.loads(cli("stacks", "--format", "json").out)["targets"]
    assert targets[1] == {"folder": "stacks/shop", "environment": "prod", "stack": "shop"}


def test_json_is_one_line_for_the_output_of_a_job(cli, repository):
    assert cli("stacks", "--format", "json").out.count("\n") == 1


def test_folders_and_an_environment_choose(cli, repository):
    assert listed(cli, "stacks", "stacks/orders") == EVERY[:1]
    assert listed(cli, "stacks", "./stacks/shop/") == EVERY[1:]
    assert listed(cli, "--env", "prod", "stacks") == EVERY[1:2]
    assert listed(cli, "--env", "default", "stacks") == EVERY[:1]
    assert listed(cli, "-C", "stacks/shop", "stacks") == [("prod", "shop", "."), ("staging", "shop", ".")]


def test_folder_without_a_stack_is_refused(cli, repository):
    ran = cli("stacks", "stacks/shops")
    assert (ran.code, "no stack is in the folder 'stacks/shops'" in ran.err) == (64, True)


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["stacks/shop/web.yaml"], EVERY[1:]),
        (["stacks/shop/sub/web.yaml"], EVERY[1:]),
        (["stacks/shop/environments/prod.yaml"], EVERY[1:2]),
        (["stacks/shop/environments/gone.yaml"], []),
        (["stacks/shop-2/web.yaml", "README.md", "ci/stacks/shop/x"], []),
        (["stacks/orders/a\nb.yaml", "stacks/shop/environments/staging.yaml"], [EVERY[0], EVERY[2]]),
        ([], []),
    ],
)
def test_changed_paths_choose(cli, repository, paths, found):
    (repository / "paths").write_bytes(b"".join(one.encode() + b"\0" for one in paths))
    assert listed(cli, "stacks", "--changed", "paths") == found


def test_changed_paths_are_read_from_standard_input(repository):
    command = [sys.executable, "-c", "from declarative.cli.main import run; run()", "stacks", "--changed", "-"]
    environ = {**os.environ, "PYTHONPATH": str(Path(declarative.__file__).parents[1])}
    ran = subprocess.run(command, input=b"stacks/orders/stack.yaml\0", env=environ, capture_output=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, b"default\torders\tstacks/orders\n"), ran.stderr


def test_missing_file_of_changed_paths_is_refused(cli, repository):
    assert cli("stacks", "--changed", "nowhere").code == 64


def test_stacks_and_environments_of_an_earlier_checkout_are_gone(cli, repository, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(repository, old)
    assert listed(cli, "stacks", "--gone-from", str(old)) == []
    (repository / "stacks/shop/environments/prod.yaml").unlink()
    shutil.rmtree(repository / "stacks/orders")
    assert listed(cli, "stacks", "--gone-from", str(old)) == EVERY[:2]
    ran = cli("stacks", "--gone-from", str(old), "--changed", "paths")
    assert ran.code == 64


def test_renamed_stack_is_gone_and_one_in_another_folder_is_not(cli, repository, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(repository, old)
    (repository / "stacks/shop").rename(repository / "stacks/store")
    (repository / "stacks/orders/stack.yaml").write_text(STACK.format(name="purchases"))
    assert listed(cli, "stacks", "--gone-from", str(old)) == EVERY[:1]


def test_nothing_is_concluded_from_a_stack_that_can_not_be_read(cli, repository):
    (repository / "stacks/orders/stack.yaml").write_text(STACK.format(name="orders") + "  - : [")
    ran = cli("stacks")
    assert (ran.code, ran.out) == (1, "")
    assert "stacks/orders/stack.yaml" in ran.err


def test_pipelines_beside_a_stack_are_not_searched(cli, folder):
    write(folder, ".", stack="shop")
    write(folder, ".github/shop")
    write(folder, "policies/shop")
    (folder / "link").symlink_to(folder / ".github/shop")
    assert listed(cli, "stacks") == [("default", "shop", ".")]


def test_names_of_folders_can_not_pose_as_lines(cli, folder):
    write(folder, "a\n::error::b", stack="shop")
    assert cli("stacks").out.splitlines() == [r"default	shop	a\x0a::error::b"]
