"""The pipelines for GitLab CI, as their files have them."""

import pytest

from tests.scaffold.gitlab_ci import GitLab
from tests.scaffold.stories import at_night

SHOP = "stacks/shop/stack.yaml"
STAGING = "stacks/shop/environments/staging.yaml"
WEB_1 = "  web-1: 4a075361-12b4-4226-a429-2040ac980ac8\n"
WEB_2 = "  web-2: 612f7a0e-dd33-45c1-a7f5-9b38db605f5f\n"
DELETE = "delete:ProtectedInstance/web[web-2]"
DONE = [("stacks", "success"), ("plan shop staging", "success"), ("apply shop staging", "success")]


@pytest.fixture
def gitlab(repository, program, forge, settings, tmp_path):
    return GitLab(repository.folder, tmp_path / "jobs", program, forge, settings)


def results(jobs):
    return [(one.name, one.result) for one in jobs]


def logs(jobs):
    return "\n".join(f"## {one.name}: {one.result}\n{one.log}" for one in jobs)


def changed(repository, number, files):
    """Open or change a merge request; return where it begins, and its commit."""
    base = repository.git("rev-parse", "main")
    repository.propose(number, files)
    return base, repository.git("rev-parse", f"change-{number}")


def test_change_goes_from_merge_request_to_applied_and_back(gitlab, repository, forge, world):
    jobs = gitlab.merge_request(1, *changed(repository, 1, repository.edited(STAGING, WEB_1, WEB_1 + WEB_2)))
    wanted = [("stacks", "success"), ("validate shop staging", "success"), ("review shop staging", "success")]
    assert results(jobs) == wanted, logs(jobs)
    jobs = gitlab.merge_request(1, *changed(repository, 1, {"README.md": "The shop.\n"}))
    assert results(jobs) == wanted, logs(jobs)
    (said,) = forge.of_bot(1)  # one comment, after two runs
    assert "Plan: 6 to create" in said
    assert world[0].changes() == []

    before, sha = repository.merge(1)
    forge.merged[sha] = [1]
    jobs = gitlab.push(before, sha)
    assert results(jobs) == DONE, logs(jobs)
    assert "The pull request showed the same plan" in jobs[1].log
    assert len(world[0].instances()) == 4

    before, _ = changed(repository, 2, repository.edited(STAGING, WEB_2, ""))
    before, sha = repository.merge(2)
    jobs = gitlab.push(before, sha)
    assert results(jobs) == [("stacks", "success"), ("plan shop staging", "failure")], logs(jobs)
    assert "1 dangers of this plan need a consent" in jobs[1].log
    one = {"ONLY_FOLDER": "stacks/shop", "ONLY_ENVIRONMENT": "staging"}
    jobs = gitlab.by_hand(sha, **one, ALLOW="$(id)")
    assert "ALLOW holds something that is not CLASS or CLASS:ADDRESS" in jobs[1].log
    jobs = gitlab.by_hand(sha, ALLOW=DELETE)  # without a stack, consents count for nothing
    assert ("plan shop staging", "failure") in results(jobs), logs(jobs)
    assert "shop-staging-web-2" in {one["name"] for one in world[0].instances()}
    jobs = gitlab.by_hand(sha, **one, ALLOW=DELETE, DIGEST="0" * 64, digest="0" * 64)
    assert results(jobs) == DONE, logs(jobs)
    assert "shop-staging-web-2" not in {one["name"] for one in world[0].instances()}


@at_night
def test_fork_is_validated_without_secrets(gitlab, repository, forge, world):
    base, sha = changed(repository, 4, repository.edited(STAGING, WEB_1, WEB_1 + WEB_2))
    jobs = gitlab.merge_request(4, base, sha, project="2")
    assert results(jobs) == [("stacks", "success"), ("validate shop staging", "success")], logs(jobs)
    jobs = gitlab.merge_request(4, *changed(repository, 4, {STAGING: None}), project="2")
    assert ("gone shop staging", "failure") in results(jobs), logs(jobs)
    assert (forge.requests, world[0].requests()) == ([], {})


@at_night
def test_removal_and_drift(gitlab, repository, forge, world):
    repository.propose(1, repository.edited(STAGING, WEB_1, WEB_1 + WEB_2))
    assert results(gitlab.push(*repository.merge(1))) == DONE
    jobs = gitlab.merge_request(2, *changed(repository, 2, {STAGING: None}))
    assert results(jobs) == [("stacks", "success"), ("gone shop staging", "failure")], logs(jobs)
    assert "declarative -C 'stacks/shop' --env staging destroy" in jobs[-1].log

    group = str(next(one for one in world[0].groups() if one["name"] == "shop-staging-database")["id"])
    sha = repository.git("rev-parse", "main")
    for name in ("by-hand", "by-another-hand"):
        world[0].operator.rename_group(group, name)
        jobs = gitlab.night(sha)
        assert {one.result for one in jobs} == {"success"}, logs(jobs)
        (issue,) = forge.issues
        assert name in issue["description"]
    world[0].operator.rename_group(group, "shop-staging-database")
    gitlab.night(sha)
    assert [one["state"] for one in forge.issues] == ["closed"]


@at_night
def test_job_of_many_stacks_and_of_none(gitlab, repository):
    jobs = gitlab.merge_request(3, *changed(repository, 3, {"README.md": "Nothing.\n"}))
    assert results(jobs) == [("stacks", "success")]
    files = repository.edited(SHOP, "max_deletes: 5", "max_deletes: 4") | {"stacks/orders/new.yaml": "kind: Nothing\n"}
    jobs = gitlab.merge_request(3, *changed(repository, 3, files))
    assert ("validate shop prod", "success") in results(jobs), logs(jobs)
    assert ("validate shop-dr default", "failure") in results(jobs), logs(jobs)
    assert len(jobs) == 7
