"""The simulator on a socket, repeating the head and the body of each request in every text of its answer."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from declarative.simulator import World
from declarative.simulator.protocol.wire import Request

_TEXTS = re.compile(r'"(message|error_msg|fail_reason|description|title)": ?"[^"]*"')


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HostileCloud

    def answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        found = self.server.world.handle(Request(self.command, path, query, headers, raw, "http://127.0.0.1"))
        said = json.dumps(f"you sent {self.requestline} {self.headers} {raw.decode()}")[1:-1]
        if self.server.is_escaping:
            said = said.replace("/", "\\/").replace("=", "\\u003d").replace("+", "\\u002b")
        body = _TEXTS.sub(lambda match: f'"{match[1]}":"{said}"', found.body.decode()).encode()
        self.server.echoes += said.encode() in body
        self.send_response(found.status)
        self.server.issued += [value for name, value in found.headers if name.lower() == "x-subject-token"]
        for name, value in found.headers:
            self.send_header(name, f"{value} {self._credentials()}" if name == "X-Request-Id" else value)
        if found.status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _credentials(self) -> str:
        return " ".join(filter(None, (self.headers.get("X-Auth-Token"), self.headers.get("Authorization"))))

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class HostileCloud(ThreadingHTTPServer):
    """`is_escaping`: it writes `/`, `=` and `+` as JSON may, too. `echoes`: answers that have repeated a request.

    `issued`: the tokens that it has given.
    """

    def __init__(self, world: World, *, is_escaping: bool) -> None:
        self.world = world
        self.is_escaping = is_escaping
        self.echoes = 0
        self.issued: list[str] = []
        super().__init__(("127.0.0.1", 0), _Echo)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def hostile_cloud(world: World, *, is_escaping: bool = False) -> Iterator[HostileCloud]:
    """Serve `world` so."""
    with HostileCloud(world, is_escaping=is_escaping) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
