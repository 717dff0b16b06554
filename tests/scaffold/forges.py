"""GitHub and GitLab, as far as examples/pipelines/ci/report.py calls them: comments and issues, page by page.

A token of GitHub has the rights of its job; what it lacks is refused with 403.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BOT = "github-actions[bot]"
GITLAB_TOKEN = "glpat-of-the-project"
GITLAB_USER = 42
PAGE_LIMIT = 30  # rows, however many are asked for
Row = dict[str, Any]


@dataclass
class Forges:
    """What both keep. `comments`: by pull request; `merged`: the pull requests that brought a commit."""

    address: str = ""
    tokens: dict[str, Mapping[str, str]] = field(default_factory=dict)
    comments: dict[int, list[Row]] = field(default_factory=dict)
    issues: list[Row] = field(default_factory=list)
    merged: dict[str, list[int]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def github(self) -> str:
        return f"{self.address}/github"

    @property
    def gitlab(self) -> str:
        return f"{self.address}/gitlab/api/v4"

    def token(self, rights: Mapping[str, str]) -> str:
        """A new token of a job with these rights."""
        name = f"ghs_{next(self.numbers)}"
        self.tokens[name] = rights
        return name

    def say(self, number: int, body: str, *, login: str = "mallory") -> None:
        """Somebody comments on a pull request."""
        self.comments.setdefault(number, []).append(self._row(body, login))

    def of_bot(self, number: int) -> list[str]:
        """What the pipeline has said on a pull request."""
        rows = self.comments.get(number, [])
        return [one["body"] for one in rows if one["user"]["login"] == BOT or one["author"]["id"] == GITLAB_USER]

    def _row(self, body: str, login: str, author: int = 7) -> Row:
        return {"id": next(self.numbers), "body": body, "user": {"login": login}, "author": {"id": author}}

    def handle(self, method: str, target: str, headers: Mapping[str, str], content: Row) -> tuple[int, Any]:
        """Answer a request."""
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.requests.append(f"{method} {parts.path}")
        if parts.path.startswith("/github/"):
            token = headers.get("Authorization", "").removeprefix("Bearer ")
            rights = self.tokens.get(token)
            path = parts.path.removeprefix("/github/repos/bank/recovery/")
            return (401, {}) if rights is None else self._github(method, path, query, content, rights)
        if headers.get("PRIVATE-TOKEN") != GITLAB_TOKEN:
            return 401, {}
        path = parts.path.removeprefix("/gitlab/api/v4/").removeprefix("projects/1/")
        return self._gitlab(method, path, query, content)

    def _github(
        self, method: str, path: str, query: Row, content: Row, rights: Mapping[str, str]
    ) -> tuple[int, Any]:  # fmt: skip
        writes = method != "GET"
        if match := re.fullmatch(r"commits/(\w+)/pulls", path):
            if "pull-requests" not in rights:
                return 403, {}
            return 200, [{"number": number} for number in self.merged.get(match[1], [])]
        if match := re.fullmatch(r"issues/(?:(\d+)/)?comments(?:/(\d+))?", path):
            if rights.get("pull-requests") not in (("write",) if writes else ("read", "write")):
                return 403, {}
            return self._comments(method, match[1], match[2], query, content, (BOT, 7))
        if match := re.fullmatch(r"issues(?:/(\d+))?", path):
            if rights.get("issues") != "write":
                return 403, {}
            return self._issues(method, match[1], query, content, BOT, 7)
        return 404, {}

    def _gitlab(self, method: str, path: str, query: Row, content: Row) -> tuple[int, Any]:
        if path == "user":
            return 200, {"id": GITLAB_USER}
        if match := re.fullmatch(r"repository/commits/(\w+)/merge_requests", path):
            return 200, [{"iid": number} for number in self.merged.get(match[1], [])]
        if match := re.fullmatch(r"merge_requests/(\d+)/notes(?:/(\d+))?", path):
            return self._comments(method, match[1], match[2], query, content, ("", GITLAB_USER))
        if match := re.fullmatch(r"issues(?:/(\d+))?", path):
            return self._issues(method, match[1], query, content, "", GITLAB_USER)
        return 404, {}

    def _comments(
        self, method: str, number: str | None, comment: str | None, query: Row, content: Row, who: tuple[str, int]
    ) -> tuple[int, Any]:
        if comment is not None:
            every = [one for rows in self.comments.values() for one in rows if one["id"] == int(comment)]
            every[0]["body"] = content["body"]
            return 200, every[0]
        rows = self.comments.setdefault(int(number or 0), [])
        if method == "GET":
            return 200, _page(rows, query)
        rows.append(self._row(content["body"], *who))
        return 201, rows[-1]

    def _issues(
        self, method: str, number: str | None, query: Row, content: Row, login: str, author: int
    ) -> tuple[int, Any]:
        if method == "GET":
            labelled = [one for one in self.issues if query["labels"] in one["labels"]]
            return 200, _page([one for one in labelled if one["state"] in ("open", "opened")], query)
        text = content.get("body", content.get("description"))
        if number is None:
            row = self._row(text, login, author)
            row |= {"title": content["title"], "labels": content["labels"], "state": "open", "description": text}
            row |= {"number": row["id"], "iid": row["id"]}
            self.issues.append(row)
            return 201, row
        row = next(one for one in self.issues if one["number"] == int(number))
        row |= {"body": text, "description": text}
        if content.get("state") == "closed" or content.get("state_event") == "close":
            row["state"] = "closed"
        return 200, row


def _page(rows: list[Row], query: Row) -> list[Row]:
    size = min(int(query["per_page"]), PAGE_LIMIT)
    start = (int(query["page"]) - 1) * size
    return rows[start : start + size]


@contextlib.contextmanager
def forges() -> Iterator[Forges]:
    """Serve both on a free port."""
    kept = Forges()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            status, told = kept.handle(self.command, self.path, self.headers, content)  # type: ignore[arg-type]
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = answer  # noqa: N815

        def log_message(self, form: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        kept.address = f"http://127.0.0.1:{server.server_port}"
        yield kept
        server.shutdown()
        thread.join()
