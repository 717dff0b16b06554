"""Whose a state is, and who is refused."""

import random
from dataclasses import replace

import pytest

from declarative.clock import Clock
from declarative.errors import StateError
from declarative.model import Binding, Stack
from declarative.state import fresh
from declarative.workflow.ownership import binding_here, check_cloud, check_owner, folder_in_repository
from declarative.workflow.project import Project

CLOUD = Binding("p", "eu-de", "sdrs.example.com")
SHOP = Stack(name="shop")


def project(folder, environment="prod"):
    return Project(folder=folder, environment=environment, clock=Clock(random=random.Random(1)))


def bound(binding):
    state = fresh("a-lineage")
    state.binding = binding
    return state


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "repo/teams/shop").mkdir(parents=True)
    (tmp_path / "repo/.git").mkdir()
    return tmp_path / "repo"


def test_the_folder_is_told_from_the_root_of_the_repository(repository, tmp_path):
    assert folder_in_repository(repository / "teams/shop") == "teams/shop"
    assert folder_in_repository(repository) == "."
    assert folder_in_repository(repository / "teams/../teams/shop") == "teams/shop"
    (tmp_path / "link").symlink_to(repository / "teams/shop")
    assert folder_in_repository(tmp_path / "link") == "teams/shop"


def test_a_work_tree_whose_git_is_a_file_counts(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / ".git").write_text("gitdir: /elsewhere\n")
    assert folder_in_repository(tmp_path / "shop") == "shop"


def test_the_state_of_this_stack_is_taken(repository):
    here = project(repository / "teams/shop")
    check_owner(here, SHOP, bound(binding_here(here, SHOP, CLOUD)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stack": "bank"}, "the stack 'bank', not to 'shop'"),
        ({"environment": "dev"}, "the environment 'dev', not to 'prod'"),
        ({"folder": "teams/bank"}, "the folder 'teams/bank', not to 'teams/shop'"),
    ],
)
def test_the_state_of_another_is_refused(repository, change, words):
    here = project(repository / "teams/shop")
    theirs = replace(binding_here(here, SHOP, CLOUD), **change)
    with pytest.raises(StateError, match=words) as caught:
        check_owner(here, SHOP, bound(theirs))
    assert "state rebind" in caught.value.fix


def test_what_is_not_known_agrees_with_all(repository, tmp_path):
    here = project(repository / "teams/shop")
    check_owner(here, SHOP, bound(None))
    check_owner(here, SHOP, bound(CLOUD))
    check_owner(here, SHOP, bound(replace(CLOUD, stack="shop")))
    check_owner(here, SHOP, bound(replace(CLOUD, stack="shop", folder="teams/shop")))


def test_another_cloud_is_refused():
    check_cloud(bound(replace(CLOUD, stack="shop", folder="x")), CLOUD)
    check_cloud(bound(CLOUD), replace(CLOUD, region=""))
    with pytest.raises(StateError, match="belongs to project p"):
        check_cloud(bound(CLOUD), replace(CLOUD, project_id="q"))
