"""GitLab CI, as far as examples/pipelines/gitlab uses it: a pipeline of a job that starts a pipeline of the rest.

Every job gets a clone and a home of its own, with the variables of its environment. Its script is run as it stands in
the file; installing is left out, because `declarative` is on the path.
"""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.scaffold.forges import GITLAB_TOKEN, Forges

PROJECT = "1"
_INPUT = re.compile(r"\$\[\[ inputs\.(\w+) \]\]")
_TIMEOUT = 120


@dataclass
class Job:
    """What became of a job. `files`: its artifacts, by path."""

    name: str
    result: str
    log: str
    files: dict[str, bytes] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class GitLab:
    """A project on GitLab. `settings`: variables by environment."""

    origin: Path
    place: Path
    program: Path
    forges: Forges
    settings: Mapping[str, Mapping[str, str]]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def merge_request(self, number: int, base: str, sha: str, *, project: str = PROJECT) -> list[Job]:
        """A merge request was opened or pushed to; `project`: where its branch is."""
        given = {
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_MERGE_REQUEST_IID": str(number),
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": project,
        }
        return self.pipeline(sha, given)

    def push(self, before: str, sha: str) -> list[Job]:
        """Something was pushed to the default branch; whoever may, plays each manual job."""
        return self.pipeline(sha, {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BEFORE_SHA": before, **_MAIN})

    def by_hand(self, sha: str, **variables: str) -> list[Job]:
        """Somebody runs a pipeline on the default branch, with variables."""
        return self.pipeline(sha, {"CI_PIPELINE_SOURCE": "web", "CI_COMMIT_BEFORE_SHA": "0" * 40, **_MAIN, **variables})

    def night(self, sha: str) -> list[Job]:
        """The schedule."""
        return self.pipeline(sha, {"CI_PIPELINE_SOURCE": "schedule", "CI_COMMIT_BEFORE_SHA": "0" * 40, **_MAIN})

    def pipeline(self, sha: str, given: Mapping[str, str]) -> list[Job]:
        root = yaml.safe_load(self._file(sha, ".gitlab-ci.yml"))
        chosen = next(one for one in root["workflow"]["rules"] if _holds(one["if"], given))
        defaults = {
            name: one["value"] if isinstance(one, dict) else str(one) for name, one in root["variables"].items()
        }
        variables = {**defaults, **chosen["variables"], **given, "CI_COMMIT_SHA": sha}
        first = self._job("stacks", root["stacks"], sha, variables, {})
        assert root["run"]["trigger"]["forward"] == {"pipeline_variables": True}
        if first.result != "success":
            return [first]
        child = yaml.safe_load(first.files[".declarative-pipeline.yml"])
        return [first, *self._children(child, sha, variables)]

    def _children(self, child: Mapping[str, Any], sha: str, variables: Mapping[str, str]) -> Iterator[Job]:
        for include in child.get("include", ()):
            header, body = self._file(sha, include["local"]).split("\n---\n")
            inputs = {
                name: _checked(name, include["inputs"].get(name), rule)
                for name, rule in yaml.safe_load(header)["spec"]["inputs"].items()
            }
            every = yaml.safe_load(_INPUT.sub(lambda match: inputs[match[1]], body))  # noqa: B023 - used at once
            done: dict[str, Job] = {}
            for name, job in every.items():
                rule = next((one for one in job.get("rules", ()) if _holds(one["if"], variables)), None)
                needed = [done[one] for one in job.get("needs", ())] if rule else []
                if rule is None or any(one.result != "success" for one in needed):
                    continue
                files = {path: content for one in needed for path, content in one.files.items()}
                scoped = self.settings.get(job.get("environment", {}).get("name", ""), {})
                fork = variables.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", PROJECT) != PROJECT
                mine = {**({} if fork else scoped), **rule.get("variables", {}), **variables}
                done[name] = self._job(name, job, sha, mine, files)
                yield done[name]

    def _job(
        self, name: str, job: Mapping[str, Any], sha: str, variables: Mapping[str, str], files: Mapping[str, bytes]
    ) -> Job:
        place = self.place / f"job-{next(self._numbers)}"
        work = place / "work"
        (place / "home").mkdir(parents=True)
        subprocess.run(["git", "clone", "-q", self.origin.as_uri(), work], check=True, capture_output=True)
        subprocess.run(["git", "fetch", "-q", "origin", sha], cwd=work, check=True, capture_output=True)
        subprocess.run(["git", "checkout", "-q", "--detach", sha], cwd=work, check=True, capture_output=True)
        for path, content in files.items():
            (work / path).parent.mkdir(exist_ok=True)
            (work / path).write_bytes(content)
        environ = {
            "PATH": f"{self.program}:/usr/bin:/bin",
            "HOME": str(place / "home"),
            "GITLAB_CI": "true",
            "CI_API_V4_URL": self.forges.gitlab,
            "CI_PROJECT_ID": PROJECT,
            "CI_DEFAULT_BRANCH": "main",
            "DECLARATIVE_GITLAB_TOKEN": GITLAB_TOKEN,
            **variables,
        }
        script = "\n".join(["set -e", *job["script"]])
        ran = subprocess.run(
            ["sh", "-c", script], cwd=work, env=environ, capture_output=True, text=True, timeout=_TIMEOUT
        )  # fmt: skip
        result = "failure" if ran.returncode else "success"
        kept = {
            path: (work / path).read_bytes()
            for path in job.get("artifacts", {}).get("paths", ())
            if (work / path).is_file()
        }
        return Job(name, result, ran.stdout + ran.stderr, kept, job)

    def _file(self, sha: str, path: str) -> str:
        return subprocess.run(
            ["git", "show", f"{sha}:{path}"], cwd=self.origin, check=True, capture_output=True, text=True
        ).stdout  # fmt: skip


_MAIN = {"CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main"}


def _checked(name: str, value: str | None, rule: Mapping[str, Any]) -> str:
    """An input, as GitLab takes it: one of the options, or what the expression fits."""
    found = rule.get("default") if value is None else value
    assert isinstance(found, str), name
    assert found in rule.get("options", [found]), name
    assert re.fullmatch(rule.get("regex", ".*").removeprefix("^").removesuffix("$"), found), (name, found)
    return found


def _holds(condition: str, variables: Mapping[str, str]) -> bool:
    """The condition of a rule: comparisons with `==` and `=~`, joined by `&&`."""
    return all(_compared(one.strip(), {"CI_PROJECT_ID": PROJECT, **variables}) for one in condition.split("&&"))


def _compared(text: str, variables: Mapping[str, str]) -> bool:
    left, sign, right = text.split(" ", 2)
    values = [variables.get(one[1:]) if one.startswith("$") else one.strip('"') for one in (left, right)]
    if sign == "=~":
        return re.search(right.strip("/"), values[0] or "") is not None
    assert sign == "=="
    return values[0] == values[1]
