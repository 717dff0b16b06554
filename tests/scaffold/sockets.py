"""Servers on loopback that behave as a test says, and a provider that talks to them in virtual time."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from pathlib import Path

from declarative.provider import Access, GivenToken, Secret
from declarative.provider.tls import Tls
from tests.scaffold.scripted_cloud import CREATE, TOKEN, VirtualLoop, provider, run

# With its key; of localhost and sdrs.example.com.
CERTIFICATE = Path(__file__).parents[1] / "data" / "tls" / "localhost.pem"
JOB = b'{"job_id": "j1"}'


def plain(body=JOB, *, status=b"200 OK", more=b"", length=None):
    size = len(body) if length is None else length
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s" % (
        status,
        more,
        size,
        body,
    )


async def answers(writer):
    writer.write(plain())


async def hangs_up(writer):
    writer.close()


async def resets(writer):
    writer.transport.abort()


async def cuts(writer):
    writer.write(plain(length=100))
    writer.close()


async def ends_early(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + JOB[:-3])
    writer.close()


async def talks_nonsense(writer):
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    writer.close()


async def is_silent(writer):
    await asyncio.sleep(1000.0)


async def drips(writer):
    writer.write(plain(b"", length=100))
    for _ in range(100):
        writer.write(b" ")
        await asyncio.sleep(1.0)


async def answers_and_hangs_up(writer):
    writer.write(plain())
    await writer.drain()
    writer.close()


class Server:
    """Gives each request the next behaviour, and the last one for ever."""

    def __init__(self, *behaviours):
        self.behaviours = list(behaviours)
        self.connections = 0
        self.received: list[bytes] = []
        self.port = 0

    @property
    def access(self):
        return Access(f"http://127.0.0.1:{self.port}", "p1", "eu-de", GivenToken(Secret(TOKEN)))

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(length[0].split(b":")[1])) if length else b""
                self.received.append(head + body)
                behaviour = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
                await (behaviour(writer, reader) if behaviour.__code__.co_argcount == 2 else behaviour(writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(*behaviours, context=None):
    server = Server(*behaviours)
    running: set[asyncio.Task] = set()

    def accepted(reader, writer):
        task = asyncio.ensure_future(server.serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    listener = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.sleep(0.1)


@asynccontextmanager
async def serving_tls(*behaviours, asks=False, tls=None):
    """The server, and the access to it by `tls`. `asks`: it takes only clients that show its own certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(CERTIFICATE)
    async with serving(*behaviours, context=context) as server:
        who = GivenToken(Secret(TOKEN))
        yield server, Access(f"https://localhost:{server.port}", "p1", "eu-de", who, tls or Tls())


def talk(work, *behaviours, **options):
    """Run `work(provider, server)` against a server on loopback."""

    async def main():
        async with serving(*behaviours) as server, provider(None, access=server.access, **options) as one:
            return await work(one, server)

    return run(main(), loop=VirtualLoop)


async def create(one, *, deadline=30.0):
    async with one.slot() as slot:
        return await slot.send(CREATE, deadline=deadline)
