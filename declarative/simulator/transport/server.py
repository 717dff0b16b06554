"""A world behind a socket, for clients of any kind: an ASGI application and the server that runs it.

Needs the extra `simulator` (uvicorn). Lost answers are real here: the connection is closed. The application speaks ASGI
itself: routes, limits and errors are the world's, the embedded one's too, so a framework would find nothing to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from declarative.simulator.protocol.faults import Kind
from declarative.simulator.protocol.wire import BODY_LIMIT, PIECES, Answer, Delivery, Request, pieces
from declarative.simulator.settings import WorldError
from declarative.simulator.transport.operating import ACTS, WHO, operate
from declarative.simulator.transport.ready_file import export_lines, published, remove_stale
from declarative.simulator.world import World

if TYPE_CHECKING:
    import uvicorn

_BACKLOG = 1024
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

# The shapes of ASGI 3.0; what is in a message depends on its type, so the standard itself leaves it open.
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Application:
    """The ASGI application of a world. `scope["state"]["hang_up"]()` closes the connection without an answer."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        if body is None:
            return
        request = _translated(scope, body)
        if request.path in (WHO, ACTS):
            peer = (scope.get("client") or ("",))[0]
            answer = operate(self._world, request.method, request.path, request.headers, body, peer=peer)
            await _answer(answer, send)
            return
        verdict = self._world.judge(request)
        if seconds := verdict.seconds(Kind.SLOW):
            await asyncio.sleep(seconds)
        answer = self._world.handle(request, verdict)
        if answer.late:
            await asyncio.sleep(answer.late)
        if answer.delivery in (Delivery.REFUSED, Delivery.DROPPED):
            await _hang_up(scope, receive)
            return
        await _begin(answer, send)
        match answer.delivery:
            case Delivery.CUT:
                half = answer.body[: len(answer.body) // 2]
                await send({"type": "http.response.body", "body": half, "more_body": True})
                await _hang_up(scope, receive)
            case Delivery.DRIPPED:
                await _drip(answer, send)
            case _:
                await send({"type": "http.response.body", "body": answer.body})


async def _answer(answer: Answer, send: Send) -> None:
    await _begin(answer, send)
    await send({"type": "http.response.body", "body": answer.body})


async def _begin(answer: Answer, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": _headers(answer)})


async def _read(receive: Receive) -> bytes | None:
    """The body, of one that is too long only so much that this is seen; None if the client left in the middle of it."""
    body, is_whole = b"", False
    while not is_whole and len(body) <= BODY_LIMIT:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        is_whole = not message.get("more_body")
    return body


async def _hang_up(scope: Message, receive: Receive) -> None:
    scope["state"]["hang_up"]()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _drip(answer: Answer, send: Send) -> None:
    for piece in pieces(answer.body):
        await asyncio.sleep(answer.seconds / PIECES)
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _translated(scope: Message, body: bytes) -> Request:
    headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
    return Request(
        method=scope["method"],
        path=scope["raw_path"].decode("ascii"),
        query=scope["query_string"].decode("ascii", "replace"),
        headers=headers,
        body=body,
        base_url=f"{scope['scheme']}://{headers.get('host', '')}",
    )


def _headers(answer: Answer) -> list[tuple[bytes, bytes]]:
    headers = [(key.lower().encode("ascii"), value.encode("latin-1")) for key, value in answer.headers]
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode("ascii")))
    return headers


def serve(
    world: World,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    out: TextIO | None = None,
    ready_file: Path | None = None,
) -> None:
    """Serve `world` until SIGINT or SIGTERM; port 0 takes a free one.

    Once it answers it writes three lines for a shell to `out` (standard output): `export SDRS_ENDPOINT=…`,
    `export SDRS_PROJECT_ID=…`, `export OS_AUTH_TOKEN=…`; and to `ready_file`, which appears as a whole, and is removed
    at the end. `token` is one that shall always work, in place of the one that the world has drawn. WorldError if the
    port is taken, another simulator has the ready file, or uvicorn isn't there.
    """
    if ready_file is not None:
        remove_stale(ready_file)
    if token is not None:
        world.accept_token(token)
    with contextlib.ExitStack() as kept:

        def announce() -> None:
            lines = export_lines(
                {
                    "SDRS_ENDPOINT": _address(listener),
                    "SDRS_PROJECT_ID": world.project_id,
                    "OS_AUTH_TOKEN": token or world.preset_token,
                }
            )
            if ready_file is not None:
                kept.enter_context(published(ready_file, lines))
            stream = out or sys.stdout
            stream.write(lines)
            stream.flush()

        server = _server(world, announce)
        listener = _listen(host, port)
        server.run(sockets=[listener])


@contextlib.contextmanager
def running(world: World, *, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve `world` from another thread, on a free port, and give its address, e.g. `http://127.0.0.1:40123`."""
    server = _server(world)
    listener = _listen(host, 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="simulator", daemon=True)
    thread.start()
    try:
        yield _address(listener)
    finally:
        server.should_exit = True
        thread.join()


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise WorldError(f"The simulator can't listen on port {port}: a port is a number from 0 to 65535.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns off the delay of small packets; without, each answer takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise WorldError(f"The simulator can't listen on {host}, port {port}: {error}.") from error
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server(world: World, ready: Callable[[], None] = lambda: None) -> uvicorn.Server:
    """The server of a world. `ready` is called once it answers; what that raises ends the server, and is raised."""
    try:
        import uvicorn
        from uvicorn.protocols.http.h11_impl import H11Protocol
        from uvicorn.server import ServerState
    except ImportError as error:
        raise WorldError("Serving the simulator needs uvicorn: pip install 'declarative-sdrs[simulator]'.") from error

    class Connection(H11Protocol):
        """One connection, which the application may end without an answer."""

        def __init__(
            self,
            config: uvicorn.Config,
            server_state: ServerState,
            app_state: dict[str, Any],
            _loop: asyncio.AbstractEventLoop | None = None,
        ) -> None:
            super().__init__(config, server_state, app_state | {"hang_up": self._hang_up}, _loop)

        def _hang_up(self) -> None:
            self.transport.close()

    class Server(uvicorn.Server):
        """A server that says when it answers, and ends quietly at a signal instead of raising it again afterwards."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
            try:
                yield
            finally:
                for number, action in before.items():
                    signal.signal(number, action)

    config = uvicorn.Config(
        Application(world),
        http=Connection,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        log_level="critical",
        access_log=False,
        date_header=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        backlog=_BACKLOG,
    )
    return Server(config)
