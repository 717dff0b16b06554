"""Servers of states over HTTP, on loopback: Terraform's protocol and GitLab's dialect, strict as the real ones.

Each can be told to misbehave: for good by `habits`, and for one request by `strike`. `terraform` itself works with the
one that speaks its protocol, which proves it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from urllib.parse import parse_qsl, urlsplit

SEVEN = frozenset({"ID", "Operation", "Info", "Who", "Version", "Created", "Path"})
PAGE = b"<!DOCTYPE html><html><title>Sign in</title></html>"


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


Fault = Callable[["Server", Request, Callable[[], Reply]], "Reply | None"]


# ---------------------------------------------------------------- faults of one request
# One that returns None hangs up without an answer.


def lost_before(server, request, serve):
    """The request never arrives."""


def lost_after(server, request, serve):
    """It is carried out, and the answer is lost."""
    serve()


def late(server, request, serve):
    """The answer is lost, and the request is carried out only when the test calls `arrive`."""
    server.on_their_way.append(serve)


def failing(status, *, done=False, body=b"oops"):
    def fail(server, request, serve):
        if done:
            serve()
        return Reply(status, body)

    return fail


def page(server, request, serve):
    return Reply(200, PAGE, {"Content-Type": "text/html; charset=utf-8"})


def empty(server, request, serve):
    return Reply(200)


def redirect(status):
    def send_away(server, request, serve):
        return Reply(status, b"", {"Location": f"{server.origin}/elsewhere?token=secret"})

    return send_away


def truncated(server, request, serve):
    reply = serve()
    reply.headers["Content-Length"] = str(len(reply.body))
    reply.body = reply.body[: len(reply.body) // 2]
    return reply


def cut(server, request, serve):
    """A text that ends early in a response that is whole."""
    reply = serve()
    reply.body = reply.body[: len(reply.body) // 2]
    return reply


def slow(seconds):
    def wait(server, request, serve):
        server.closing.wait(seconds)
        return serve()

    return wait


def dripping(server, request, serve):
    """The headers never end."""
    reply = serve()
    reply.headers["Drip"] = "yes"
    return reply


# ---------------------------------------------------------------- servers


class Server:
    """What both have in common. `habits`: names of what it does wrong, always. `texts`: every text ever saved."""

    def __init__(self, *, username: str = "", password: str = "") -> None:
        self.habits: set[str] = set()
        self.username, self.password = username, password
        self.requests: list[Request] = []
        self.texts: list[bytes] = []
        self.on_their_way: list[Callable[[], Reply]] = []
        self.closing = threading.Event()
        self.mutex = threading.RLock()
        self.origin = ""
        self._strikes: list[tuple[str, Fault, int]] = []

    def strike(self, method: str, fault: Fault, *, times: int = 1, skip: int = 0) -> None:
        """Let the next requests of a method go wrong, after `skip` that don't."""
        self._strikes += [(method, _well, 1)] * skip + [(method, fault, 1)] * times

    def arrive(self) -> list[Reply]:
        """Carry out what was late."""
        with self.mutex:
            return [self.on_their_way.pop(0)() for _ in range(len(self.on_their_way))]

    def sent(self, method: str) -> list[Request]:
        return [request for request in self.requests if request.method == method]

    def answer(self, request: Request) -> Reply | None:
        with self.mutex:
            self.requests.append(request)
            due = next((strike for strike in self._strikes if strike[0] in (request.method, "*")), None)
            if due is not None:
                self._strikes.remove(due)

        def serve() -> Reply:
            with self.mutex:
                return self.serve(request)

        return (due[1] if due else _well)(self, request, serve)

    def serve(self, request: Request) -> Reply:
        if "page" in self.habits:
            return Reply(200, PAGE, {"Content-Type": "text/html"})
        if self.username:
            expected = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            if request.headers.get("authorization") != f"Basic {expected}":
                return Reply(401, b"", {"WWW-Authenticate": 'Basic realm="states"'})
        elif "authorization" in request.headers:
            return Reply(400, b"credentials for a server that asks for none")
        return self.carry_out(request)

    def carry_out(self, request: Request) -> Reply:
        raise NotImplementedError


def _well(server, request, serve):
    return serve()


def _fault_of_body(request: Request) -> str:
    if request.headers.get("content-type") != "application/json":
        return "no JSON"
    digest = base64.b64encode(hashlib.md5(request.body).digest()).decode()
    if request.headers.get("content-md5") != digest:
        return "Content-MD5 does not match"
    return ""


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None


class TerraformServer(Server):
    """Terraform's HTTP state protocol, for one state at `/states/shop`; it parses no state.

    Habits: `ignores-locks`, `ignores-ids` (while locked), `ignores-released-ids` (while not), `hides-holder`,
    `unlocks-anybody`, `has-no-locks`, `says-204`, `empty-for-nothing`, `date`.
    """

    path = "/states/shop"

    def __init__(self, **options: str) -> None:
        super().__init__(**options)
        self.text: bytes | None = None
        self.lock: bytes | None = None

    @property
    def address(self) -> str:
        return self.origin + self.path

    @property
    def lock_id(self) -> str:
        return json.loads(self.lock)["ID"] if self.lock else ""

    def carry_out(self, request: Request) -> Reply:
        if request.path != self.path:
            return Reply(404, b"no such state")
        if request.method in ("LOCK", "UNLOCK") and "has-no-locks" in self.habits:
            return Reply(501, b"unsupported method")
        work = {
            "GET": self._get,
            "POST": self._post,
            "LOCK": self._lock,
            "UNLOCK": self._unlock,
            "DELETE": self._delete,
        }
        return work[request.method](request) if request.method in work else Reply(405)

    def _get(self, request: Request) -> Reply:
        if request.body or "ID" in request.query:
            return Reply(400)
        if self.text is None:
            return Reply(200 if "empty-for-nothing" in self.habits else 204 if "says-204" in self.habits else 404)
        return Reply(200, self.text, {"Content-Type": "application/octet-stream"})

    def _post(self, request: Request) -> Reply:
        if fault := _fault_of_body(request):
            return Reply(400, fault.encode())
        lock_id = request.query.get("ID", "")
        if self.lock is not None and lock_id != self.lock_id and "ignores-ids" not in self.habits:
            return Reply(423, self.lock)
        if self.lock is None and lock_id and "ignores-released-ids" not in self.habits:
            return Reply(409, b"not locked")
        self.text = request.body
        self.texts.append(request.body)
        return Reply(201 if len(self.texts) == 1 else 200)

    def _lock(self, request: Request) -> Reply:
        lock = _json(request.body)
        if _fault_of_body(request) or "ID" in request.query:
            return Reply(400)
        if not isinstance(lock, dict) or lock.keys() != SEVEN or not all(type(v) is str for v in lock.values()):
            return Reply(400, b"no lock")
        if self.lock is not None and "ignores-locks" not in self.habits:
            return Reply(423, b"" if "hides-holder" in self.habits else self.lock)
        self.lock = request.body
        return Reply(200)

    def _unlock(self, request: Request) -> Reply:
        """With no body for `terraform force-unlock`, else with the lock's id."""
        lock = _json(request.body)
        if "ID" in request.query or (request.body and not isinstance(lock, dict)):
            return Reply(400)
        wrong = isinstance(lock, dict) and lock.get("ID") != self.lock_id and "unlocks-anybody" not in self.habits
        if self.lock is None or wrong:
            return Reply(409, self.lock or b"not locked")
        self.lock = None
        return Reply(200)

    def _delete(self, request: Request) -> Reply:
        self.text = None
        return Reply(200)


class GitLabServer(Server):
    """GitLab's dialect, for any state of project 42; as `lib/api/terraform/state.rb` and `state_version.rb` have it.

    Habits: `takes-serials-twice`, `reads-only` (no right to lock and to write), `no-project`.
    """

    limit = 2**20
    _paths = re.compile(r"/api/v4/projects/([^/]+)/terraform/state/([^/]+)(/lock|/versions/(\d+))?")

    def __init__(self, **options: str) -> None:
        super().__init__(**options)
        self.versions: dict[int, bytes] = {}
        self.lock_id: str | None = None
        self.locked_at = ""
        self.exists = False

    @property
    def address(self) -> str:
        return f"{self.origin}/api/v4/projects/42/terraform/state/shop"

    @property
    def text(self) -> bytes | None:
        return self.versions[max(self.versions)] if self.versions else None

    def carry_out(self, request: Request) -> Reply:
        found = self._paths.fullmatch(request.path)
        if found is None:
            return _says(404, "404 Not Found", name="error")
        if found[1] != "42" or "no-project" in self.habits:
            return _says(404, "404 Project Not Found")
        if request.method != "GET" and "reads-only" in self.habits:
            return _says(403, "403 Forbidden")
        if found[3] == "/lock":
            work = {"POST": self._lock, "DELETE": self._unlock}
        elif found[3]:
            work = {"GET": lambda _: self._version(int(found[4]))}
        else:
            work = {"GET": self._get, "POST": self._post}
        return work[request.method](request) if request.method in work else _says(405, "405 Not Allowed")

    def _get(self, request: Request) -> Reply:
        if not self.exists:
            return _says(404, "404 Not found")
        return Reply(204) if self.text is None else Reply(200, self.text, {"Content-Type": "application/octet-stream"})

    def _version(self, serial: int) -> Reply:
        if serial not in self.versions:
            return _says(404, "404 Not found")
        return Reply(200, self.versions[serial], {"Content-Type": "application/octet-stream"})

    def _post(self, request: Request) -> Reply:
        if not request.body:
            return Reply(204)
        shape = _json(request.body)
        if fault := _fault_of_body(request):
            return _says(400, fault)
        if not isinstance(shape, dict):
            return _says(400, "400 Bad request - message body does not match declared format")
        if len(request.body) > self.limit:
            return _says(413, "413 Request Entity Too Large")
        if (request.query.get("ID") or None) != self.lock_id:  # the error that nobody rescues
            return _says(500, "500 Internal Server Error")
        serial = shape.get("serial")
        if type(serial) is not int:
            return _says(500, "500 Internal Server Error")
        if serial in self.versions and "takes-serials-twice" not in self.habits:
            return _says(422, "PG::UniqueViolation: ERROR:  duplicate key value violates unique constraint")
        self.versions[serial] = request.body
        self.texts.append(request.body)
        self.exists = True
        return Reply(200)

    def _lock(self, request: Request) -> Reply:
        asked = _json(request.body)
        if _fault_of_body(request) or not isinstance(asked, dict) or not asked.keys() >= SEVEN:
            return _says(400, "ID is missing, Operation is missing, Info is missing")
        if not all(type(asked[name]) is str for name in SEVEN) or len(asked["ID"]) > 255:
            return _says(400, "ID is invalid")
        self.exists = True
        free = self.lock_id is None
        if free:
            self.lock_id, self.locked_at = asked["ID"], "2026-01-02T03:04:05.678Z"
        told = {name: asked[name] for name in ("Operation", "Info", "Version", "Path")}
        told |= {"ID": self.lock_id, "Who": "root", "Created": self.locked_at}
        return Reply(200 if free else 409, json.dumps(told).encode())

    def _unlock(self, request: Request) -> Reply:
        named = _json(request.body) if request.body else {}
        lock_id = {**request.query, **(named if isinstance(named, dict) else {})}.get("ID")
        if lock_id is not None and lock_id != (self.lock_id or ""):
            return Reply(409)
        self.lock_id = None
        return Reply(200)


def _says(status: int, message: str, *, name: str = "message") -> Reply:
    return Reply(status, json.dumps({name: message}).encode(), {"Content-Type": "application/json"})


# ---------------------------------------------------------------- the socket


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30
        disable_nagle_algorithm = True
        wbufsize = -1  # an answer leaves in one piece

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(
                self.command, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), headers, body
            )
            reply = server.answer(request)
            if reply is None:
                self.close_connection = True
                return
            self._send(reply)

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            headers = {"Content-Length": str(len(reply.body)), **reply.headers}
            if reply.status == 204:
                del headers["Content-Length"]
            if "Drip" in headers:
                self._drip()
                return
            for name, value in headers.items():
                self.send_header(name, value)
            if int(headers.get("Content-Length", 0)) != len(reply.body):
                self.close_connection = True
            self.end_headers()
            self.wfile.write(reply.body)

        def _drip(self) -> None:
            self.close_connection = True
            self.flush_headers()
            with contextlib.suppress(OSError):
                while not server.closing.is_set():
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(0.05)

        do_GET = do_POST = do_PUT = do_DELETE = do_LOCK = do_UNLOCK = handle_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    return Handler


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        """Without the look-up of the host's name, which may take long."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is nobody's concern."""


@contextlib.contextmanager
def serving(server: Server, *, context=None) -> Iterator[Server]:
    """Serve on a free port of loopback; `context`: a TLS context. `server.address` is the state's address."""
    listener = _Quiet(("127.0.0.1", 0), _handler(server))
    if context is not None:
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
    server.origin = f"http{'s' if context else ''}://{'localhost' if context else '127.0.0.1'}:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        listener.shutdown()
        listener.server_close()
        thread.join()


@contextlib.contextmanager
def terraform_server(**options: str) -> Iterator[TerraformServer]:
    """Serve Terraform's protocol."""
    with serving(TerraformServer(**options)) as server:
        assert isinstance(server, TerraformServer)
        yield server


@contextlib.contextmanager
def gitlab_server(**options: str) -> Iterator[GitLabServer]:
    """Serve GitLab's dialect."""
    with serving(GitLabServer(**options)) as server:
        assert isinstance(server, GitLabServer)
        yield server
