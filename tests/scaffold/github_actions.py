"""GitHub Actions, as far as the workflows of examples/pipelines use it.

Every job gets a clone, a home and a token of its own, with the secrets of its environment and the rights that the
workflow gives it. Its steps are run as they stand in the file. What a job does otherwise than GitHub is in `_use`:
actions are not downloaded, and the step `Install` is skipped, because `declarative` is on the path.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.scaffold.forges import Forges

REPOSITORY = "bank/recovery"
_TIMEOUT = 120
_TOKEN = re.compile(
    r"'(?P<text>(?:[^']|'')*)'|(?P<and>&&)|(?P<or>\|\|)|(?P<not>!(?!=))|(?P<null>\bnull\b)|needs\.\*\.result"
    r"|(?P<path>[a-zA-Z_][\w-]*(?:\.[a-zA-Z_][\w-]*)*)|(?P<sign>[()\[\],]|[=!]=|\d+|\.[a-z]+|\s+)"
)
_WORDS = {"and": " and ", "or": " or ", "not": " not ", "null": "None"}


class Context(dict[str, Any]):
    """A context of expressions: what isn't there is null, and so is everything below it."""

    def __getattr__(self, name: str) -> Any:
        return wrapped(self.get(name))

    def __bool__(self) -> bool:
        return bool(len(self))

    def __str__(self) -> str:
        return json.dumps(self) if self else ""


class Rows(list[Any]):
    """A list, which has null behind its end."""

    def __getitem__(self, index: Any) -> Any:
        return wrapped(list.__getitem__(self, index)) if index < len(self) else None


def wrapped(value: Any) -> Any:
    if isinstance(value, dict):
        return Context(value)
    return Rows(value) if isinstance(value, list) else Context() if value is None else value


def evaluate(expression: str, contexts: Mapping[str, Any]) -> Any:
    """The value of an expression, without its `${{ }}`."""
    code = ""
    for match in _TOKEN.finditer(expression):
        if match["text"] is not None:
            code += repr(match["text"].replace("''", "'"))
        elif match[0] == "needs.*.result":
            code += "results"
        else:
            word = next((_WORDS[name] for name in _WORDS if match[name]), None)
            code += word or match[0]
    rest = _TOKEN.sub("", expression)
    assert not rest, f"not understood: {rest!r} in {expression!r}"
    code = code.replace("!= None", "is not None and True").strip()
    names = {name: wrapped(value) if isinstance(value, dict | list) else value for name, value in contexts.items()}
    value = eval(code, {"__builtins__": {}}, names)
    return None if isinstance(value, Context) and not value else value


def filled(value: Any, contexts: Mapping[str, Any]) -> Any:
    """A value of a workflow with its expressions evaluated."""
    if isinstance(value, dict):
        return {name: filled(one, contexts) for name, one in value.items()}
    if not isinstance(value, str):
        return value
    whole = re.fullmatch(r"\$\{\{(.*)\}\}", value.strip(), re.DOTALL)
    if whole and "}}" not in whole[1]:
        found = evaluate(whole[1], contexts)
        return "" if found is None else found
    return re.sub(r"\$\{\{(.*?)\}\}", lambda match: _text(evaluate(match[1], contexts)), value)


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@dataclass
class Job:
    """What became of a job: `result` as GitHub calls it, `log`, `summary`, and the files that it uploaded."""

    name: str
    result: str = "success"
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""
    artifacts: dict[str, str] = field(default_factory=dict)
    environment: str = ""
    concurrency: dict[str, Any] = field(default_factory=dict)


@dataclass
class Actions:
    """A repository on GitHub. `variables` and `secrets`: by environment."""

    origin: Path
    place: Path
    program: Path
    forges: Forges
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    approve: Callable[[str], None] = lambda _: None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def pull_request(self, number: int, sha: str, *, repository: str = REPOSITORY) -> list[Job]:
        """A pull request was opened or pushed to. `sha`: its merge commit; `repository`: where its branch is."""
        head = {"repo": {"full_name": repository}}
        event = {"number": number, "pull_request": {"head": head}}
        return self._workflow("declarative-pull-request", sha, "pull_request", event, fork=repository != REPOSITORY)

    def push(self, before: str, sha: str) -> list[Job]:
        """Something was pushed to the main branch."""
        return self._workflow("declarative-apply", sha, "push", {"before": before})

    def dispatch(self, sha: str, *, ref: str = "refs/heads/main", **inputs: str) -> list[Job]:
        """Somebody started the apply by hand."""
        return self._workflow("declarative-apply", sha, "workflow_dispatch", {}, inputs=inputs, ref=ref)

    def apply_again(self, sha: str, *, digest: str, **inputs: str) -> Job:
        """Somebody runs the job `apply` of a stack again, with what the job `plan` had handed on."""
        workflow = yaml.safe_load(self.git("show", f"{sha}:.github/workflows/declarative-stack.yml"))
        needs = {"plan": {"result": "success", "outputs": {"digest": digest, "pending": "true"}}}
        contexts = {"github": {"sha": sha, "fork": False}, "inputs": inputs, "needs": needs}
        job = workflow["jobs"]["apply"]
        return self._job("apply", job, {**contexts, **_functions(needs)}, job["permissions"])

    def night(self, sha: str) -> list[Job]:
        """The schedule of the drift."""
        return self._workflow("declarative-drift", sha, "schedule", {})

    def _workflow(
        self,
        name: str,
        sha: str,
        event_name: str,
        event: Mapping[str, Any],
        *,
        inputs: Mapping[str, str] | None = None,
        fork: bool = False,
        ref: str = "refs/heads/main",
    ) -> list[Job]:
        text = self.git("show", f"{sha}:.github/workflows/{name}.yml")
        workflow = yaml.safe_load(text)
        triggers = workflow[True]  # YAML 1.1 reads `on` so
        assert event_name in triggers or event_name == "workflow_call"
        github = {
            "event": event,
            "event_name": event_name,
            "ref": ref,
            "sha": sha,
            "repository": REPOSITORY,
        }
        github |= {"fork": fork}
        return list(self._jobs(workflow, {"github": github, "inputs": dict(inputs or {})}))

    def _jobs(self, workflow: Mapping[str, Any], contexts: Mapping[str, Any], rights: Any = None) -> Iterator[Job]:
        needs: dict[str, dict[str, Any]] = {}
        for name, job in workflow["jobs"].items():
            wanted = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
            mine = {one: needs[one] for one in wanted}
            here = {**contexts, **_functions(mine), "needs": mine}
            done = [] if not self._begins(job, here, mine) else list(self._instances(name, job, here, workflow, rights))
            yield from done
            results = {one.result for one in done}
            result = "skipped" if not done else "failure" if "failure" in results else "success"
            needs[name] = {"result": result, "outputs": done[-1].outputs if done else {}}

    def _begins(self, job: Mapping[str, Any], contexts: Mapping[str, Any], needs: Mapping[str, Any]) -> bool:
        condition = str(job.get("if", ""))
        has_status = re.search(r"(always|cancelled|failure)\(\)", condition)
        if not has_status and any(one["result"] != "success" for one in needs.values()):
            return False
        return not condition or bool(evaluate(condition.strip().removeprefix("${{").removesuffix("}}"), contexts))

    def _instances(
        self, name: str, job: Mapping[str, Any], contexts: Mapping[str, Any], workflow: Mapping[str, Any], rights: Any
    ) -> Iterator[Job]:
        include = job.get("strategy", {}).get("matrix", {}).get("include")
        for row in [{}] if include is None else filled(include, contexts):
            here = {**contexts, "matrix": row}
            if "uses" in job:
                assert job["secrets"] == "inherit"
                path = str(job["uses"]).removeprefix("./")
                called = yaml.safe_load(self.git("show", f"{contexts['github']['sha']}:{path}"))
                assert set(job["with"]) == set(called[True]["workflow_call"]["inputs"])
                nested = list(self._jobs(called, {**contexts, "inputs": filled(job["with"], here)}, job["permissions"]))
                yield from nested
            else:
                granted = job.get("permissions", workflow["permissions"])
                assert rights is None or all(rights.get(one) in (how, "write") for one, how in granted.items())
                yield self._job(name, job, here, granted)

    def _job(self, name: str, job: Mapping[str, Any], contexts: Mapping[str, Any], rights: Mapping[str, str]) -> Job:
        environment = filled(job.get("environment", ""), contexts)
        environment = environment["name"] if isinstance(environment, dict) else environment
        done = Job(name, environment=environment, concurrency=filled(job.get("concurrency", {}), contexts))
        if environment and not environment.endswith("-plan"):
            self.approve(environment)
        fork = contexts["github"]["fork"]
        place = self.place / f"job-{next(self._numbers)}"
        (place / "home").mkdir(parents=True)
        for one in ("output", "summary"):
            (place / one).touch()
        token = self.forges.token({} if fork else rights)
        here: dict[str, Any] = {
            **contexts,
            "vars": {} if fork else self.variables.get(environment, {}),
            "secrets": {} if fork else self.secrets.get(environment, {}),
            "steps": {},
        }
        here["github"] = {**contexts["github"], "token": token}
        for step in job["steps"]:
            self._step(step, place, here, done)
        done.outputs = {one: _text(filled(text, here)) for one, text in job.get("outputs", {}).items()}
        done.summary = (place / "summary").read_text()
        return done

    def _step(self, step: Mapping[str, Any], place: Path, contexts: dict[str, Any], done: Job) -> None:
        condition = str(step.get("if", "")).strip().removeprefix("${{").removesuffix("}}")
        always = re.search(r"(always|cancelled|failure)\(\)", condition)
        if (done.result == "failure" and not always) or (condition and not evaluate(condition, contexts)):
            return
        if "uses" in step:
            self._use(str(step["uses"]), filled(step.get("with", {}), contexts), place, contexts["github"]["sha"], done)
            return
        if step.get("name") == "Install":
            assert step["run"] == "python3 -m pip install --quiet --requirement ci/requirements.txt"
            return
        assert "${{" not in step["run"], "an expression in a script is a way to run what others wrote"
        before = (place / "output").read_text()
        environ = {
            "PATH": f"{self.program}:/usr/bin:/bin",
            "HOME": str(place / "home"),
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.forges.github,
            "GITHUB_OUTPUT": str(place / "output"),
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_SHA": contexts["github"]["sha"],
            "GITHUB_STEP_SUMMARY": str(place / "summary"),
            **{name: _text(value) for name, value in filled(step.get("env", {}), contexts).items()},
        }
        folder = place / "work" if (place / "work").is_dir() else place
        script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        ran = subprocess.run(
            script, cwd=folder, env=environ, capture_output=True, text=True, timeout=_TIMEOUT, stdin=subprocess.DEVNULL
        )
        done.log += f"# {step['name']}\n{ran.stdout}{ran.stderr}"
        done.result = "failure" if ran.returncode else done.result
        if "id" in step:
            written = (place / "output").read_text().removeprefix(before).splitlines()
            contexts["steps"][step["id"]] = {"outputs": dict(one.split("=", 1) for one in written)}

    def _use(self, action: str, options: Mapping[str, Any], place: Path, sha: str, done: Job) -> None:
        name = action.partition("@")[0]
        if name == "actions/checkout":
            assert options["persist-credentials"] is False
            depth = options.get("fetch-depth", 1)
            work = place / "work"
            work.mkdir()
            how = [f"--depth={depth}"] if depth else []
            for words in (["init", "-q"], ["remote", "add", "origin", self.origin.as_uri()],
                          ["fetch", "-q", *how, "origin", sha], ["checkout", "-q", "--detach", sha]):  # fmt: skip
                subprocess.run(["git", *words], cwd=work, check=True, capture_output=True)
        elif name == "actions/upload-artifact":
            for path in str(options["path"]).split():
                found = place / "work" / path
                if found.is_file():
                    done.artifacts[path] = found.read_text()
                elif found.is_dir():
                    shutil.make_archive(str(place / "artifact"), "tar", found)
        else:
            assert name == "actions/setup-python"

    def git(self, *words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=self.origin, check=True, capture_output=True, text=True
        ).stdout.strip()  # fmt: skip


def _functions(needs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "fromJSON": lambda text: wrapped(json.loads(text)),
        "join": lambda values, sign: sign.join(map(str, values)),
        "always": lambda: True,
        "cancelled": lambda: False,
        "results": [one["result"] for one in needs.values()],
    }
