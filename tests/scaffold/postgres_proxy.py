"""A TCP proxy before PostgreSQL that loses what it is told to lose."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.scaffold.postgres_server import free_port


class Proxy:
    """Passes bytes on. `lose`: "" for nothing; "requests" or "answers" cuts all connections at the next of those.

    `down`: nobody is let in any more.
    """

    def __init__(self, target: int) -> None:
        self.lose = ""
        self.down = False
        self.losses = 0
        self.port = free_port()
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                if self.down:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._target))
                self._ends += client, server
                for source, sink, what in ((client, server, "requests"), (server, client, "answers")):
                    self._threads.append(threading.Thread(target=self._pass_on, args=(source, sink, what)))
                    self._threads[-1].start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, what: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.lose == what:
                    self.lose = ""
                    self.losses += 1
                    self.cut()
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """Cut all connections that there are."""
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)
        for end in self._ends:
            end.close()


@contextlib.contextmanager
def proxy_before(target: int) -> Iterator[Proxy]:
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
