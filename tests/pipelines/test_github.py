"""The workflows for GitHub Actions, from the first pull request to nightly drift, as their files have them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.scaffold.stories import at_night

SHOP = "stacks/shop/stack.yaml"
PROD = "stacks/shop/environments/prod.yaml"
STAGING = "stacks/shop/environments/staging.yaml"
ORDERS = "stacks/orders/groups.yaml"
WEB_1 = "  web-1: 4a075361-12b4-4226-a429-2040ac980ac8\n"
WEB_2 = "  web-2: 612f7a0e-dd33-45c1-a7f5-9b38db605f5f\n"
WEB_3 = "  web-3: 9f11eb4e-46c5-4445-8c7c-520ce8cd6bca\n"
IN_STAGING = {"folder": "stacks/shop", "environment": "staging"}
FORK = "mallory/recovery"
PIPELINES = Path(__file__).parents[2] / "examples" / "pipelines"


def results(jobs):
    return [(one.name, one.result) for one in jobs]


def logs(jobs):
    return "\n".join(f"## {one.name}: {one.result}\n{one.log}" for one in jobs)


def named(jobs, name):
    found = [one for one in jobs if one.name == name]
    assert len(found) == 1, logs(jobs)
    return found[0]


def digests(text):
    return re.findall(r"^Digest of the content: `([0-9a-f]{64})`$", text, re.MULTILINE)


def names(world, kind="instances"):
    return sorted(str(one["name"]) for one in getattr(world[0], kind)())


@pytest.fixture
def applied(github, repository):
    """The shop in staging, applied by a first push; its commit."""
    start = repository.git("rev-parse", "HEAD")
    sha = repository.commit(**{STAGING: repository.read(STAGING) + "# protected\n"})
    jobs = github.push(start, sha)
    assert results(jobs) == [("stacks", "success"), ("plan", "success"), ("apply", "success")], logs(jobs)
    return sha


def test_change_goes_from_pull_request_to_applied(github, repository, forge, world):
    approved = []
    github.approve = approved.append
    merge = repository.propose(1, repository.edited(STAGING, WEB_1, WEB_1 + WEB_2))
    jobs = github.pull_request(1, merge)
    assert results(jobs) == [
        ("stacks", "success"),
        ("validate", "success"),
        ("plan", "success"),
        ("declarative", "success"),
    ], logs(jobs)
    (said,) = forge.of_bot(1)
    assert said.startswith("<!-- declarative render 1; command=plan; folder=stacks/shop; environment=staging")
    assert "Plan: 6 to create" in said
    assert said == named(jobs, "plan").summary
    assert "data-declarative-render" in named(jobs, "plan").artifacts["declarative-out/plan.html"]
    assert world[0].changes() == []
    assert approved == []

    before, sha = repository.merge(1)
    forge.merged[sha] = [1]
    jobs = github.push(before, sha)
    assert results(jobs) == [("stacks", "success"), ("plan", "success"), ("apply", "success")], logs(jobs)
    plan, apply = named(jobs, "plan"), named(jobs, "apply")
    assert digests(said) == digests(plan.summary) == [plan.outputs["digest"]]
    assert f"The pull request showed the same plan, `{plan.outputs['digest']}`." in plan.summary
    assert approved == ["staging"]
    assert "6 created" in apply.summary
    assert names(world) == ["shop-staging-app-1", "shop-staging-db-1", "shop-staging-web-1", "shop-staging-web-2"]
    assert {one["status"] for one in world[0].groups()} == {"protected"}

    jobs = github.push(before, sha)  # there is nothing left to do
    assert results(jobs) == [("stacks", "success"), ("plan", "success")], logs(jobs)
    assert approved == ["staging"]


def test_plan_only_reads(github, repository, applied, world, states, settings):
    sent = len(world[0].changes())
    github.pull_request(1, repository.propose(1, repository.edited(STAGING, WEB_1, WEB_1 + WEB_2)))
    assert len(world[0].changes()) == sent
    for one in ("staging-plan", "staging"):
        github.variables[one]["DECLARATIVE_STATE"] = states["plan"]
    before, sha = repository.merge(1)
    jobs = github.push(before, sha)
    assert named(jobs, "plan").result == "success"
    assert named(jobs, "apply").result == "failure"  # the state's role may not write
    assert len(world[0].changes()) == sent


def test_comment_is_updated_in_place_and_never_somebody_elses(github, repository, forge):
    forged = (
        "<!-- declarative render 1; command=plan; folder=stacks/shop; environment=staging; stack=shop -->\nAll fine"
    )
    for _ in range(70):
        forge.say(1, "me too")
    forge.say(1, forged)
    merge = repository.propose(1, repository.edited(STAGING, WEB_1, WEB_1 + WEB_2))
    github.pull_request(1, merge)
    first = forge.of_bot(1)
    merge = repository.propose(1, repository.edited(STAGING, WEB_1, WEB_1 + WEB_2 + WEB_3))
    github.pull_request(1, merge)
    assert len(first) == len(forge.of_bot(1)) == 1
    assert first != forge.of_bot(1)
    assert [one["body"] for one in forge.comments[1]].count(forged) == 1


@at_night
def test_plan_that_fails_replaces_the_comment_of_an_earlier_one(github, repository, forge):
    github.pull_request(1, repository.propose(1, repository.edited(STAGING, WEB_1, WEB_1 + WEB_2)))
    jobs = github.pull_request(1, repository.propose(1, {STAGING: "web_servers: none\n"}))
    assert (named(jobs, "validate").result, named(jobs, "plan").result) == ("failure", "failure")
    assert named(jobs, "declarative").result == "failure"
    (said,) = forge.of_bot(1)
    assert "Carry it out with" not in said
    assert "**error**" in said


@at_night
def test_each_stack_and_environment_has_jobs_and_a_comment_of_its_own(github, repository, forge, world):
    files = repository.edited(SHOP, "max_deletes: 5", "max_deletes: 4")
    files |= repository.edited(ORDERS, "name: reports-${var.stage}", "name: reporting")
    jobs = github.pull_request(7, repository.propose(7, files))
    plans = [one for one in jobs if one.name == "plan"]
    assert sorted(one.concurrency["group"] for one in plans) == [
        "declarative-pull-7-shop-dr-default",
        "declarative-pull-7-shop-prod",
        "declarative-pull-7-shop-staging",
    ], logs(jobs)
    marks = [one.splitlines()[0] for one in forge.of_bot(7)]
    assert len({*marks}) == len(marks) == 3

    before, sha = repository.merge(7)
    forge.merged[sha] = [7]
    jobs = github.push(before, sha)
    plans, applies = ([one for one in jobs if one.name == name] for name in ("plan", "apply"))
    assert len({one.outputs["digest"] for one in plans}) == 3
    assert [one.result for one in applies] == ["success"] * 3, logs(jobs)
    assert sorted(one.concurrency["group"] for one in applies) == [
        "declarative-shop-dr-default",
        "declarative-shop-prod",
        "declarative-shop-staging",
    ]
    assert {(one.concurrency["cancel-in-progress"], one.concurrency["queue"]) for one in applies} == {(False, "max")}
    assert len(names(world, "groups")) == 7


def test_pull_request_whose_main_moved_on_is_planned_again_and_says_so(github, repository, forge, applied, world):
    github.pull_request(2, repository.propose(2, with_server(repository, WEB_2)))
    (said,) = forge.of_bot(2)
    group = next(one for one in world[0].groups() if one["name"] == "shop-staging-database")
    world[0].operator.rename_group(str(group["id"]), "by-hand")  # the cloud moves on as well
    repository.propose(3, repository.edited("stacks/shop/database.yaml", "  description: databases of the shop\n", ""))
    before, sha = repository.merge(3)
    jobs = github.push(before, sha)
    assert [one.result for one in jobs if one.name == "apply"] == ["success"] * 2, logs(jobs)  # staging and prod
    world[0].operator.rename_group(str(group["id"]), "by-hand-again")

    before, sha = repository.merge(2)
    forge.merged[sha] = [2]
    jobs = github.push(before, sha)
    plan = named(jobs, "plan")
    assert "This is not what the pull request showed" in plan.summary
    assert digests(said)[0] in plan.summary
    assert digests(said)[0] != plan.outputs["digest"]
    assert named(jobs, "apply").result == "success", logs(jobs)
    assert "shop-staging-web-2" in names(world)


def test_apply_refuses_what_changed_while_it_waited_for_approval(github, repository, applied, world):
    group = next(one for one in world[0].groups() if one["name"] == "shop-staging-database")
    github.approve = lambda _: world[0].operator.rename_group(str(group["id"]), "by-hand")
    repository.propose(2, with_server(repository, WEB_2))
    before, sha = repository.merge(2)
    jobs = github.push(before, sha)
    plan, apply = named(jobs, "plan"), named(jobs, "apply")
    assert apply.result == "failure", logs(jobs)
    assert f"not {plan.outputs['digest']}: it is not what was reviewed; nothing was done" in apply.log
    assert "by-hand" in apply.summary  # the plan as it is now, for the next review
    assert "shop-staging-web-2" not in names(world)
    assert "by-hand" in names(world, "groups")

    github.approve = lambda _: None
    jobs = github.push(before, sha)  # the run is started again
    assert named(jobs, "apply").result == "success", logs(jobs)
    assert "by-hand" not in names(world, "groups")


@at_night
def test_apply_may_be_repeated_with_the_digest_of_its_plan(github, repository, applied, world):
    repository.propose(2, with_server(repository, WEB_2))
    before, sha = repository.merge(2)
    jobs = github.push(before, sha)
    digest, sent = named(jobs, "plan").outputs["digest"], len(world[0].changes())
    again = github.apply_again(sha, **IN_STAGING, stack="shop", allow="", digest=digest)
    assert again.result == "success", again.log
    assert len(world[0].changes()) == sent


@at_night
@pytest.mark.parametrize(
    "world", [["POST protected-instances:forbid=sdrs:protectedInstances:create:first=1"]], indirect=True
)
def test_apply_that_failed_in_the_middle_goes_on_under_its_digest(github, repository, world):
    repository.propose(2, with_server(repository, WEB_2))
    before, sha = repository.merge(2)
    jobs = github.push(before, sha)
    assert named(jobs, "apply").result == "failure"
    assert names(world, "groups") == ["shop-staging-application", "shop-staging-database"]
    done = set(names(world))
    digest = named(jobs, "plan").outputs["digest"]
    again = github.apply_again(sha, **IN_STAGING, stack="shop", allow="", digest=digest)
    assert again.result == "success", again.log
    assert len(names(world)) == 4
    assert done < set(names(world))


@at_night
@pytest.mark.parametrize("digest", ["", "0" * 64, "A" * 64, "0" * 63, "x --auto-approve", f"{'0' * 64}\n{'0' * 64}"])
def test_apply_takes_no_digest_but_that_of_its_plan(github, repository, world, digest):
    sha = repository.git("rev-parse", "HEAD")
    again = github.apply_again(sha, **IN_STAGING, stack="shop", allow="", digest=digest)
    assert again.result == "failure"
    assert world[0].changes() == []


DELETE = "delete:ProtectedInstance/web[web-2]"


def test_consents_are_given_to_one_run_by_hand(github, repository, world, applied):
    repository.propose(2, with_server(repository, WEB_2))
    assert named(github.push(*repository.merge(2)), "apply").result == "success"
    repository.propose(3, repository.edited(STAGING, WEB_2, ""))
    before, sha = repository.merge(3)
    jobs = github.push(before, sha)
    assert results(jobs) == [("stacks", "success"), ("plan", "failure")], logs(jobs)
    assert "1 dangers of this plan need a consent" in named(jobs, "plan").log
    assert DELETE in named(jobs, "plan").summary

    jobs = github.dispatch(sha, **IN_STAGING, allow="unprotect")
    assert results(jobs) == [("stacks", "success"), ("plan", "failure")], logs(jobs)
    jobs = github.dispatch(sha, **IN_STAGING, allow=f" {DELETE}  unprotect ")
    assert results(jobs) == [("stacks", "success"), ("plan", "success"), ("apply", "success")], logs(jobs)
    assert "shop-staging-web-2" not in names(world)


@at_night
def test_consent_that_is_not_one_ends_the_job(github, repository, world):
    allow = "delete\n::error::forged $(touch was-here)"
    jobs = github.dispatch(repository.git("rev-parse", "HEAD"), **IN_STAGING, allow=allow)
    assert results(jobs) == [("stacks", "success"), ("plan", "failure")], logs(jobs)
    assert "ALLOW holds something that is not CLASS or CLASS:ADDRESS" in named(jobs, "plan").log
    assert "forged" not in named(jobs, "plan").log
    assert world[0].requests() == {}


def consents(allow, folder):
    """The arguments that the scripts make of ALLOW, None where they refuse it."""
    script = f'set -eu; . {PIPELINES}/ci/consents.sh; printf "%s\\n" "$@"'
    environ = {"PATH": "/usr/bin:/bin", "ALLOW": allow}
    ran = subprocess.run(["sh", "-c", script], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode in (0, 64), ran.stderr
    return None if ran.returncode else ran.stdout.split("\n")[:-1]


def test_consents_become_arguments_of_their_own(tmp_path):
    (tmp_path / "delete:ProtectedInstance").mkdir()
    (tmp_path / "delete:ProtectedInstance" / "webw").touch()  # what a shell would make of web[web-2]
    assert consents(f" {DELETE}\n\tmass-delete  unprotect ", tmp_path) == [
        "--allow", DELETE, "--allow", "mass-delete", "--allow", "unprotect",
    ]  # fmt: skip
    assert consents("", tmp_path) == [""]


@pytest.mark.parametrize(
    "allow",
    [
        "--auto-approve",
        "delete --no-refresh",
        "delete;touch${IFS}was-here",
        "$(touch was-here)",
        "`touch was-here`",
        "delete:ProtectedInstance/*",
        "*",
        "w*-here",
        "delete:ProtectedInstance/web[web-2]extra",
        "delete\n::error::forged",
        "DELETE",
        "delete,replace",
        "delete:ProtectionGroup/../shop",
        "delete:ProtectionGroup/shöp",
        "delete\\",
        "'delete'",
        "delete:",
        "-n",
    ],
)
def test_nothing_but_consents_passes(allow, tmp_path):
    assert consents(allow, tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@at_night
@pytest.mark.parametrize(
    "inputs",
    [
        {"folder": "stacks/shops", "environment": "staging"},
        {"folder": "--help", "environment": "staging"},
        {"folder": "stacks/shop", "environment": "qa"},
        {"folder": "stacks/shop", "environment": "--help"},
    ],
)
def test_run_by_hand_takes_only_a_stack_that_is_there(github, repository, inputs):
    jobs = github.dispatch(repository.git("rev-parse", "HEAD"), **inputs, allow="")
    assert [one.name for one in jobs] == ["stacks"], logs(jobs)


@at_night
def test_run_by_hand_on_another_branch_does_nothing(github, repository):
    assert github.dispatch(repository.git("rev-parse", "HEAD"), ref="refs/heads/mine", **IN_STAGING, allow="") == []


def test_fork_is_validated_without_secrets(github, repository, forge, world):
    merge = repository.propose(4, with_server(repository, WEB_2))
    jobs = github.pull_request(4, merge, repository=FORK)
    assert results(jobs) == [("stacks", "success"), ("validate", "success"), ("declarative", "success")], logs(jobs)
    assert named(jobs, "validate").summary.startswith("<!-- declarative render 1; command=validate")
    assert (forge.comments, forge.requests, world[0].requests()) == ({}, [], {})

    merge = repository.propose(4, {STAGING: "nobody: knows\n"})
    jobs = github.pull_request(4, merge, repository=FORK)
    assert (named(jobs, "validate").result, named(jobs, "declarative").result) == ("failure", "failure")
    assert "nobody" in named(jobs, "validate").summary


@at_night
def test_fork_can_not_remove_a_stack(github, repository):
    merge = repository.propose(4, {STAGING: None})
    jobs = github.pull_request(4, merge, repository=FORK)
    assert named(jobs, "stacks").result == named(jobs, "declarative").result == "failure"
    assert "Open the pull request from a branch of this repository" in named(jobs, "stacks").log


def test_environment_is_not_removed_while_its_state_holds_objects(github, repository, applied, world):
    base = repository.git("rev-parse", "main")
    jobs = github.pull_request(5, repository.propose(5, {STAGING: None}))
    gone = named(jobs, "gone")
    assert (gone.result, named(jobs, "declarative").result) == ("failure", "failure")
    assert "removes the stack in stacks/shop for the environment staging, yet 6 of its objects are recorded" in gone.log
    assert f"git checkout {base}\n  declarative -C 'stacks/shop' --env staging destroy\n" in gone.log

    jobs = github.pull_request(6, repository.propose(6, {PROD: None}))  # nothing is recorded there
    assert (named(jobs, "gone").result, named(jobs, "declarative").result) == ("success", "success"), logs(jobs)


@at_night
def test_stack_is_not_removed_or_renamed_while_its_state_holds_objects(github, repository, applied):
    files = repository.git("ls-files", "stacks/shop").splitlines()
    jobs = github.pull_request(5, repository.propose(5, dict.fromkeys(files)))
    found = {one.environment: one.result for one in jobs if one.name == "gone"}
    assert found == {"staging-plan": "failure", "prod-plan": "success"}, logs(jobs)
    jobs = github.pull_request(6, repository.propose(6, repository.edited(SHOP, "  name: shop\n", "  name: store\n")))
    found = {one.environment: one.result for one in jobs if one.name == "gone"}
    assert found == {"staging-plan": "failure", "prod-plan": "success"}, logs(jobs)


@at_night
def test_nothing_is_taken_for_empty_where_the_state_is_not_known(github, repository, applied):
    del github.variables["staging-plan"]["DECLARATIVE_STATE"]
    jobs = github.pull_request(5, repository.propose(5, {STAGING: None}))
    assert named(jobs, "gone").result == "failure"
    assert "DECLARATIVE_STATE" in named(jobs, "gone").log
    jobs = github.dispatch(applied, **IN_STAGING, allow="")
    assert named(jobs, "plan").result == "failure"


def test_nightly_drift_keeps_one_issue(github, repository, forge, applied, world):
    shutil.rmtree(repository.folder / "stacks" / "orders")
    sha = repository.commit()
    group = str(next(one for one in world[0].groups() if one["name"] == "shop-staging-database")["id"])
    assert {one.result for one in github.night(sha)} == {"success"}
    assert forge.issues == []
    for name in ("by-hand", "by-another-hand"):
        world[0].operator.rename_group(group, name)
        jobs = github.night(sha)
        assert {one.result for one in jobs} == {"success"}, logs(jobs)
        (issue,) = forge.issues
        assert issue["title"] == "Drift in stacks/shop (staging)"
        assert name in issue["body"]
    groups = {one.concurrency["group"] for one in jobs if one.name == "drift"}
    assert groups == {"declarative-drift-shop-staging", "declarative-drift-shop-prod"}
    world[0].operator.rename_group(group, "shop-staging-database")
    github.night(sha)
    assert [one["state"] for one in forge.issues] == ["closed"]
    world[0].operator.rename_group(group, "again")
    github.night(sha)
    assert [one["state"] for one in forge.issues] == ["closed", "open"]


@at_night
def test_drift_that_can_not_be_looked_for_leaves_the_issue_alone(github, repository, forge, applied, world):
    github.secrets["staging-plan"]["OS_SECRET_KEY"] = "of somebody else"
    jobs = github.night(applied)
    assert "failure" in {one.result for one in jobs if one.name == "drift"}
    assert forge.issues == []


def with_server(repository, line):
    return repository.edited(STAGING, WEB_1, WEB_1 + line)
