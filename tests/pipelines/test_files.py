"""What the files of the pipelines promise by how they are written: rights, pins, no expression in a script, schemas."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import declarative
from tests.scaffold.tools import tool

ROOT = Path(__file__).parents[2]
PIPELINES = ROOT / "examples" / "pipelines"
WORKFLOWS = sorted((PIPELINES / "github").glob("*.yml"))
GITLAB = PIPELINES / "gitlab" / ".gitlab-ci.yml"
TEMPLATE = PIPELINES / "gitlab" / ".gitlab" / "declarative-stack.yml"
SCRIPTS = sorted((PIPELINES / "ci").glob("*.sh"))
MAY_WRITE = {("declarative-pull-request", "plan"): {"pull-requests"}, ("declarative-drift", "drift"): {"issues"}}
by_name = {"ids": lambda path: path.stem}


def jobs(path):
    return yaml.safe_load(path.read_text())["jobs"]


def steps(path):
    return [(name, step) for name, job in jobs(path).items() for step in job.get("steps", [])]


def test_every_workflow_is_looked_at():
    assert len(WORKFLOWS) == 4
    assert len(SCRIPTS) >= 8


@pytest.mark.parametrize("path", WORKFLOWS, **by_name)
def test_workflow_fits_the_published_schema(path):
    ran = tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path)
    assert ran.returncode == 0, ran.stdout


def test_gitlab_files_fit_the_published_schema(tmp_path):
    paths = [GITLAB]
    for number, document in enumerate(yaml.safe_load_all(TEMPLATE.read_text())):
        paths.append(tmp_path / f"{number}.yml")
        paths[-1].write_text(yaml.safe_dump(document))
    ran = tool("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", *paths)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("path", SCRIPTS, **by_name)
def test_script_passes_shellcheck(path):
    ran = tool("shellcheck", "--external-sources", f"--source-path={path.parent}", path)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("path", WORKFLOWS, **by_name)
def test_script_of_a_step_passes_shellcheck(path, tmp_path):
    for number, (_, step) in enumerate(steps(path)):
        if "run" in step:
            script = tmp_path / f"{number}.sh"
            script.write_text(step["run"])
            ran = tool("shellcheck", "--shell=bash", script)
            assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("path", WORKFLOWS, **by_name)
def test_job_has_no_right_but_those_it_needs(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        written = {right for right, how in job.get("permissions", {}).items() if how != "read"}
        assert written == MAY_WRITE.get((path.stem, name), set()), name


@pytest.mark.parametrize("path", WORKFLOWS, **by_name)
def test_action_is_pinned_by_its_commit(path):
    used = re.findall(r"uses: (\S+)(.*)", path.read_text())
    assert used
    for action, comment in used:
        if not action.startswith("./"):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


@pytest.mark.parametrize("path", WORKFLOWS, **by_name)
def test_no_expression_stands_in_a_script(path):
    scripts = [step["run"] for _, step in steps(path) if "run" in step]
    assert [script for script in scripts if "${{" in script] == []
    assert yaml.safe_load(path.read_text())["defaults"]["run"]["shell"] == "bash" or not scripts


@pytest.mark.parametrize("path", WORKFLOWS, **by_name)
def test_checkout_keeps_no_credentials(path):
    found = [step for _, step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"]["persist-credentials"] is False for step in found)


@pytest.mark.parametrize("path", WORKFLOWS, **by_name)
def test_token_of_the_job_is_not_where_credentials_are(path):
    for _, step in steps(path):
        values = json.dumps(step.get("env", {}))
        assert not ("github.token" in values and "secrets." in values), step


def test_secrets_are_never_where_a_fork_can_reach():
    for path in WORKFLOWS:
        triggers = yaml.safe_load(path.read_text())[True]
        assert not {"pull_request_target", "issue_comment", "workflow_run"} & {*triggers}
    for name, job in jobs(PIPELINES / "github" / "declarative-pull-request.yml").items():
        is_guarded = "head.repo.full_name == github.repository" in job.get("if", "")
        assert is_guarded == (name in ("plan", "gone"))
        assert ("secrets." in json.dumps(job)) == is_guarded


def test_consents_and_digests_never_stand_in_a_workflow():
    for path in [*WORKFLOWS, GITLAB, TEMPLATE]:
        assert "--allow" not in path.read_text()
        assert not re.search(r"\b[0-9a-f]{64}\b", path.read_text())
    apply = (PIPELINES / "ci" / "apply.sh").read_text()
    assert "report.py" not in apply  # nothing that was written on a pull request reaches it


def test_apply_is_never_cancelled_by_a_newer_run():
    apply = jobs(PIPELINES / "github" / "declarative-stack.yml")["apply"]
    assert apply["concurrency"]["cancel-in-progress"] is False
    assert apply["concurrency"]["queue"] == "max"
    for path in WORKFLOWS:
        assert "concurrency" not in yaml.safe_load(path.read_text())  # of a whole run: it would cancel its apply
    _, template = yaml.safe_load_all(TEMPLATE.read_text())
    (gitlab,) = [job for name, job in template.items() if name.startswith("apply ")]
    assert gitlab["interruptible"] is False
    for value in ("$[[ inputs.stack ]]", "$[[ inputs.environment ]]"):
        assert value in gitlab["resource_group"]


def test_same_version_is_installed_as_this_one():
    assert f"declarative-sdrs[postgresql]=={declarative.__version__}" in (PIPELINES / "ci/requirements.txt").read_text()


def test_pipelines_beside_a_stack_at_the_root_are_not_manifests(repository, program):
    shop = repository.folder / "stacks" / "shop"
    for path in shop.iterdir():
        path.rename(repository.folder / path.name)
    shutil.rmtree(repository.folder / "stacks")
    (repository.folder / ".pre-commit-config.yaml").write_text("repos: []\n")
    for command in ("validate", "stacks"):
        ran = subprocess.run([program / "declarative", command], cwd=repository.folder, check=False)
        assert ran.returncode == 0
