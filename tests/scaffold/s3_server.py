"""Servers that speak S3: moto's, which keeps its word, and one of our own that breaks it in one way at a time."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import logging
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

import httpx

from declarative.state.objects.address import Target
from declarative.state.objects.bucket import Bucket, Found, Refused, Taken, Unclear

BUCKET = "states"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


class Killed(BaseException):
    """The process has ended here."""


def address_of(endpoint: str, key: str = "{stack}/{environment}.json") -> str:
    return f"s3://{BUCKET}/{key}?endpoint={endpoint}&region=eu-de"


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    """Run moto's server on a free port, with an empty bucket `states`, and yield its endpoint."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        httpx.put(f"{endpoint}/{BUCKET}", trust_env=False).raise_for_status()
        yield endpoint
    finally:
        server.stop()


@dataclass
class Kept:
    data: bytes
    etag: str


@dataclass
class FakeS3:
    """A bucket in memory that is strictly consistent, unless told otherwise. `etag_of` makes ETags, as S3 by MD5.

    `lose(method, key, number)` says what becomes of a request: "" or None is nothing special, `before` a 503 without an
    effect, `after` a 503 with it, `cut` a connection that ends without an answer after the effect.
    `stale(method, key)`: how many changes ago a read or a list is of. `page`: keys on a page; `truncates`: says so when
    there are more; `shuffles`: lists in any order.
    """

    ignores_create: bool = False
    ignores_match: bool = False
    markers_block: bool = False
    page: int = 1000
    truncates: bool = True
    shuffles: bool = False
    lose: Callable[[str, str, int], str | None] = lambda method, key, number: None
    stale: Callable[[str, str], int] = lambda method, key: 0
    etag_of: Callable[[bytes], str] = lambda data: hashlib.md5(data).hexdigest()
    before: Callable[[str, str], None] = lambda method, key: None
    endpoint: str = ""
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    versions: list[dict[str, Kept]] = field(default_factory=lambda: [{}])
    deleted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.mutex = threading.Lock()
        self.count = 0

    @property
    def objects(self) -> dict[str, Kept]:
        return self.versions[-1]

    def change(self, key: str, kept: Kept | None) -> None:
        """Put an object into the bucket, or take it out, whatever is there."""
        now = dict(self.objects)
        if kept is None:
            now.pop(key, None)
            self.deleted.add(key)
        else:
            now[key] = kept
        self.versions = [*self.versions[-20:], now]

    def damage(self, key: str, data: bytes) -> None:
        """Change an object's bytes where they lie; its ETag stays."""
        self.change(key, Kept(data, self.objects[key].etag))

    def _seen(self, method: str, key: str) -> dict[str, Kept]:
        ago = self.stale(method, key)
        return self.versions[max(-1 - ago, -len(self.versions))]

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(path)
        key = unquote(parts.path).removeprefix(f"/{BUCKET}").removeprefix("/")
        self.before(method, key)
        with self.mutex:
            self.count += 1
            fate = self.lose(method, key, self.count)
            if fate == "before":
                answer = _error(503, "SlowDown")
            else:
                answer = self._serve(method, key, parts.query, headers, body)
            self.requests.append((method, key, answer[0]))
        if fate == "after":
            return _error(503, "InternalError")
        if fate == "cut":
            raise ConnectionAbortedError
        return answer

    def _serve(
        self, method: str, key: str, query: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if method in ("GET", "HEAD"):
            if not key:
                return self._list(parse_qs(query, keep_blank_values=True))
            kept = self._seen(method, key).get(key)
            if kept is None:
                return _error(404, "NoSuchKey")
            return 200, {"ETag": f'"{kept.etag}"'}, kept.data
        if method == "DELETE":
            self.change(key, None)
            return 204, {}, b""
        kept = self.objects.get(key)
        exists = kept is not None or (self.markers_block and key in self.deleted)
        if exists and not self.ignores_create and headers.get("if-none-match") == "*":
            return _error(412, "PreconditionFailed")
        wanted = headers.get("if-match")
        if wanted is not None and not self.ignores_match:
            if kept is None:
                return _error(404, "NoSuchKey")
            if wanted.strip('"') != kept.etag:
                return _error(412, "PreconditionFailed")
        etag = self.etag_of(body)
        self.change(key, Kept(body, etag))
        return 200, {"ETag": f'"{etag}"'}, b""

    def _list(self, query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        prefix = query.get("prefix", [""])[0]
        delimiter = query.get("delimiter", [""])[0]
        objects = self._seen("LIST", prefix)
        keys = sorted(key for key in objects if key.startswith(prefix))
        prefixes = set()
        if delimiter:
            inside = {key: key[len(prefix) :] for key in keys}
            prefixes = {prefix + rest.split(delimiter)[0] + delimiter for rest in inside.values() if delimiter in rest}
            keys = [key for key in keys if delimiter not in inside[key]]
        if self.shuffles:
            random.Random(len(keys)).shuffle(keys)
        start = int(query.get("continuation-token", ["0"])[0])
        shown, more = keys[start : start + self.page], len(keys) > start + self.page and self.truncates
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(objects[key].data)}</Size><ETag>&quot;{objects[key].etag}&quot;"
            "</ETag><LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>"
            for key in shown
        )
        rows += "".join(f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in sorted(prefixes))
        token = f"<NextContinuationToken>{start + self.page}</NextContinuationToken>" if more else ""
        text = (
            f'<?xml version="1.0"?><ListBucketResult><Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix>'
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{token}{rows}</ListBucketResult>"
        )
        return 200, {}, text.encode()


def _error(status: int, code: str) -> tuple[int, dict[str, str], bytes]:
    return status, {}, f"<Error><Code>{code}</Code><Message>as told</Message></Error>".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    fake: FakeS3

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            status, extra, content = self.fake.answer(self.command, self.path, headers, body)
        except ConnectionAbortedError:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in extra.items():
            self.send_header(name, value)
        self.send_header("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = handle_any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that was killed


@contextlib.contextmanager
def serve(fake: FakeS3) -> Iterator[str]:
    """Serve `fake` on a free port of this machine, and yield its endpoint."""
    handler = type("Handler", (_Handler,), {"fake": fake})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    fake.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake.endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class DirectBucket(Bucket):
    """The bucket of a fake without a socket between, for tests that do the same thing a thousand times.

    `strike(key, number)` is asked at each write: `before` and `after` end the process there, so to speak.
    """

    def __init__(
        self, fake: FakeS3, target: Target, strike: Callable[[str, int], str] = lambda key, number: ""
    ) -> None:
        super().__init__(target, {}, sleep=lambda seconds: None)
        self._fake = fake
        self._strike = strike
        self.writes = 0

    def _ask(self, method: str, key: str, query: str = "", data: bytes = b"", **headers: str) -> tuple[int, str, bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        status, extra, body = self._fake.answer(method, f"/{BUCKET}/{key}?{query}", named, data)
        if status == 412 or (status == 404 and "if-match" in named):
            raise Taken
        if status == 503:
            raise Unclear("HTTP 503")
        return status, extra.get("ETag", ""), body

    def get(self, key: str, *, limit: int) -> Found | None:
        status, etag, body = self._reading(lambda: self._ask("GET", key), f"read {key}")
        if len(body) > limit:
            raise Refused("too large")
        return Found(body, etag, "then") if status == 200 else None

    def get_all(self, keys: Sequence[str], *, limit: int) -> list[Found | None]:
        return [self.get(key, limit=limit) for key in keys]

    def etag(self, key: str) -> str | None:
        return self._reading(lambda: self._ask("HEAD", key), f"look at {key}")[1] or None

    def names(self, folder: str) -> list[str]:
        seen = self._fake._seen("LIST", folder)
        return [key[len(folder) + 1 :] for key in seen if key.startswith(f"{folder}/")]

    def _put(self, key: str, data: bytes, mode: Any) -> str:
        headers = {"if_none_match": "*"} if mode == "create" else {"if_match": mode["e_tag"]}
        with self._struck(key):
            return self._ask("PUT", key, data=data, **headers)[1]

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            with self._struck(key):
                self._ask("DELETE", key)

    @contextlib.contextmanager
    def _struck(self, key: str) -> Iterator[None]:
        self.writes += 1
        fate = self._strike(key, self.writes)
        if fate == "before":
            raise Killed
        try:
            yield
        finally:
            if fate == "after":
                raise Killed


class PlainBucket(DirectBucket):
    """A bucket over plain HTTP, for processes that are forked: the driver's threads don't live in a child."""

    def __init__(self, target: Target, environ: Mapping[str, str], *, sleep: Callable[[float], None]) -> None:
        super().__init__(FakeS3(), target)
        self._netloc = urlsplit(target.endpoint).netloc

    def _ask(self, method: str, key: str, query: str = "", data: bytes = b"", **headers: str) -> tuple[int, str, bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(self._netloc, timeout=20.0)
        try:
            connection.request(method, f"/{BUCKET}/{key}?{query}", body=data or None, headers=named)
            answer = connection.getresponse()
            status, etag, body = answer.status, answer.headers.get("ETag", ""), answer.read()
        finally:
            connection.close()
        if status == 412 or (status == 404 and "if-match" in named):
            raise Taken
        if status == 503:
            raise Unclear("HTTP 503")
        return status, etag, body

    def names(self, folder: str) -> list[str]:
        _, _, body = self._ask("GET", "", query=f"list-type=2&prefix={quote(folder + '/', safe='')}")
        keys = re.findall(r"<Key>([^<]+)</Key>", body.decode())
        assert b"<IsTruncated>true" not in body
        return [unquote(key)[len(folder) + 1 :] for key in keys]
