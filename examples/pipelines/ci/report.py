"""What a pipeline tells people: one comment on a pull request and one issue about drift, each updated in place.

    report.py facts SUMMARY          print NAME=VALUE of a plan: digest, pending, consents
    report.py held STATE             print how many objects and operations `show --format json` tells of
    report.py comment FILE           put the Markdown on the pull request
    report.py issue FILE true|false  open or update the issue about drift, or close it when there is none
    report.py reviewed FILE DIGEST   say whether the pull request of this commit has shown another digest

Needs Python 3.11 and nothing else. On GitHub it reads GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_SHA, GITHUB_TOKEN and
NUMBER, that of the pull request; on GitLab CI_API_V4_URL, CI_PROJECT_ID, CI_COMMIT_SHA, CI_MERGE_REQUEST_IID and
DECLARATIVE_GITLAB_TOKEN. A comment or an issue is known by the hidden first line of the Markdown, which names command,
folder and environment, and by its author: what others wrote is neither believed nor written over.
"""

import json
import os
import re
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]
Json = Any

_PAGE = 100
_PAGES = 100  # of one list
_TIMEOUT = 30  # seconds
_LABEL = "declarative-drift"
_MARK = re.compile(r"<!-- (declarative render 1; command=\S+; folder=\S+; environment=[^;\s]+)(; \S+)* -->\n")
_DIGEST = re.compile(r"^Digest of the content: `([0-9a-f]{64})`$", re.MULTILINE)


class Forge:
    """What GitHub and GitLab have in common.

    `text`: the field with the text of an issue; `update`: the method that edits; `close`: the change that closes.
    """

    address = ""
    headers: dict[str, str]
    open_issues = ""
    text = "body"
    update = "PATCH"
    close = ("state", "closed")

    def call(self, method: str, path: str, content: Row | None = None) -> Json:
        """Send a request below the project's address, and return the JSON of the answer."""
        address = path if path.startswith("http") else f"{self.address}/{path}"
        data = None if content is None else json.dumps(content).encode()
        headers = {**self.headers, "Content-Type": "application/json", "Accept": "application/json"}
        request = urllib.request.Request(address, data, headers, method=method)  # noqa: S310 - an address of the forge
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
            return json.loads(answer.read())

    def own(self, path: str, text: str, mark: str) -> Row | None:
        """Return the first row of a list that this pipeline wrote for the mark."""
        return next((row for row in self._rows(path) if mark_of(row[text] or "") == mark and self.is_ours(row)), None)

    def _rows(self, path: str) -> Iterator[Row]:
        sign = "&" if "?" in path else "?"
        for page in range(1, _PAGES + 1):
            rows = self.call("GET", f"{path}{sign}per_page={_PAGE}&page={page}")
            yield from rows
            if not rows:
                return
        raise SystemExit(f"{path} has more than {_PAGE * _PAGES} rows; nothing was written.")

    def is_ours(self, row: Row) -> bool:
        """True for a comment or an issue that this pipeline wrote."""
        raise NotImplementedError

    def pull_request(self) -> str:
        """Return the path of the pull request that the job runs for."""
        raise NotImplementedError

    def merged(self) -> list[str]:
        """Return the paths of the pull requests that brought this commit."""
        raise NotImplementedError

    def comments(self, pull_request: str) -> str:
        """Return the path of its comments."""
        raise NotImplementedError

    def comment(self, pull_request: str, row: Row) -> str:
        """Return the path of a comment."""
        raise NotImplementedError

    def issue(self, row: Row) -> str:
        """Return the path of an issue."""
        raise NotImplementedError


class GitHub(Forge):
    """GitHub, seen with the token of the job."""

    open_issues = f"issues?state=open&labels={_LABEL}"

    def __init__(self) -> None:
        self.address = f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}"
        self.headers = {"Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}"}

    def is_ours(self, row: Row) -> bool:
        return bool((row["user"] or {}).get("login") == "github-actions[bot]")  # whom the token of a job writes as

    def pull_request(self) -> str:
        return f"issues/{int(os.environ['NUMBER'])}"

    def merged(self) -> list[str]:
        pulls = self.call("GET", f"commits/{os.environ['GITHUB_SHA']}/pulls")
        return [f"issues/{int(one['number'])}" for one in pulls]

    def comments(self, pull_request: str) -> str:
        return f"{pull_request}/comments"

    def comment(self, pull_request: str, row: Row) -> str:
        return f"issues/comments/{int(row['id'])}"

    def issue(self, row: Row) -> str:
        return f"issues/{int(row['number'])}"


class GitLab(Forge):
    """GitLab, seen with a project access token."""

    open_issues = f"issues?state=opened&labels={_LABEL}"
    text = "description"
    update = "PUT"
    close = ("state_event", "close")

    def __init__(self) -> None:
        self._api = os.environ["CI_API_V4_URL"]
        self.address = f"{self._api}/projects/{int(os.environ['CI_PROJECT_ID'])}"
        self.headers = {"PRIVATE-TOKEN": os.environ["DECLARATIVE_GITLAB_TOKEN"]}
        self._me = 0

    def is_ours(self, row: Row) -> bool:
        self._me = self._me or int(self.call("GET", f"{self._api}/user")["id"])
        return bool(row["author"]["id"] == self._me)

    def pull_request(self) -> str:
        return f"merge_requests/{int(os.environ['CI_MERGE_REQUEST_IID'])}"

    def merged(self) -> list[str]:
        merged = self.call("GET", f"repository/commits/{os.environ['CI_COMMIT_SHA']}/merge_requests")
        return [f"merge_requests/{int(one['iid'])}" for one in merged]

    def comments(self, pull_request: str) -> str:
        return f"{pull_request}/notes"

    def comment(self, pull_request: str, row: Row) -> str:
        return f"{pull_request}/notes/{int(row['id'])}"

    def issue(self, row: Row) -> str:
        return f"issues/{int(row['iid'])}"


def mark_of(markdown: str) -> str:
    """Return what the hidden first line says of command, folder and environment; "" without one."""
    found = _MARK.match(markdown.replace("\r\n", "\n"))
    return found[1] if found else ""


def forge() -> Forge:
    """Return the forge that this job runs on."""
    return GitLab() if os.environ.get("GITLAB_CI") else GitHub()


def facts(summary: str) -> None:
    """Print what the next jobs need to know of a plan."""
    told = json.loads(_read(summary))
    pending = "true" if told["exit_code"] == 2 else "false"  # 2: --detailed-exitcode found something to do
    _say(f"digest={told['digests']['content']}\npending={pending}\nconsents={told['waiting']['consents']}")


def held(state: str) -> None:
    """Print how much is recorded."""
    told = json.loads(_read(state))
    _say(str(len(told["resources"]) + len(told["operations"])))


def comment(file: str) -> None:
    """Write the Markdown as the one comment that begins with its mark."""
    text, there = _read(file), forge()
    pull_request = there.pull_request()
    path = there.comments(pull_request)
    if (old := there.own(path, "body", _mark(text))) is None:
        there.call("POST", path, {"body": text})
    else:
        there.call(there.update, there.comment(pull_request, old), {"body": text})


def issue(file: str, drifted: str) -> None:
    """Open or update the one issue that begins with the Markdown's mark; close it when nothing has drifted."""
    text, there = _read(file), forge()
    old = there.own(there.open_issues, there.text, _mark(text))
    if old is not None:
        ending = {} if drifted == "true" else dict([there.close])
        there.call(there.update, there.issue(old), {there.text: text, **ending})
    elif drifted == "true":
        title = f"Drift in {os.environ['FOLDER']} ({os.environ['ENVIRONMENT']})"
        labels = [_LABEL] if there.text == "body" else _LABEL  # GitLab parts them by commas
        there.call("POST", "issues", {"title": title, there.text: text, "labels": labels})


def reviewed(file: str, digest: str) -> None:
    """Say what the comment of the pull request has shown. It is told to people only: nothing is decided by it."""
    there, mark = forge(), _mark(_read(file))
    for pull_request in there.merged():
        row = there.own(there.comments(pull_request), "body", mark)
        found = _DIGEST.search((row["body"] or "").replace("\r\n", "\n")) if row else None
        if found and found[1] != digest:
            _say(
                "**This is not what the pull request showed.** The branch or the cloud has moved on since: read this"
                f" plan before you approve it.\n\nThe pull request: `{found[1]}`\nThis plan: `{digest}`"
            )
        elif found:
            _say(f"The pull request showed the same plan, `{digest}`.")
        else:
            _say("The pull request has shown no plan: read this one before you approve it.")


def _mark(text: str) -> str:
    if not (mark := mark_of(text)):
        raise SystemExit("The file does not begin with the mark of a Markdown render.")
    return mark


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - one file, read whole
        return file.read()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    {one.__name__: one for one in (facts, held, comment, issue, reviewed)}[sys.argv[1]](*sys.argv[2:])
