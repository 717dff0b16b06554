"""proxy.py, a proxy that people use, in a process of its own on loopback.

It takes every host for this machine, so that a test's endpoint can have the name of a remote one.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from proxy.http.parser import HttpParser
from proxy.http.proxy import HttpProxyBasePlugin

ROOT = Path(__file__).parents[2]
_SEEN = "TESTS_PROXY_SEEN"
_START = 30.0  # seconds


class EveryHostIsHere(HttpProxyBasePlugin):
    """Runs in the proxy's process: writes down what it is asked for, and sends everything to this machine."""

    def before_upstream_connection(self, request: HttpParser) -> HttpParser | None:
        with Path(os.environ[_SEEN]).open("ab") as seen:
            fields = [b": ".join(field) for field in (request.headers or {}).values()]
            seen.write(b"%s %s:%d\n" % (request.method, request.host, request.port) + b"\n".join([*fields, b""]))
        return request

    def resolve_dns(self, host: str, port: int) -> tuple[str | None, tuple[str, int] | None]:
        return "127.0.0.1", None


@dataclass(frozen=True)
class RunningProxy:
    """A proxy that runs, and the file of the requests that it has understood and let through."""

    port: int
    seen: Path

    def requests(self) -> bytes:
        """What it has been asked for so far."""
        return self.seen.read_bytes() if self.seen.exists() else b""


@contextmanager
def running_proxy(folder: Path, *options: str) -> Iterator[RunningProxy]:
    """Run it with these options of its command line; all that it writes goes into `folder`."""
    port_file, seen = folder / "port", folder / "seen"
    command = [sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", "0", "--port-file", str(port_file)]
    command += ["--num-acceptors", "1", "--num-workers", "1", "--plugins", f"{__name__}.EveryHostIsHere", *options]
    environment = {**os.environ, "HOME": str(folder), _SEEN: str(seen), "PYTHONPATH": _python_path()}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        yield RunningProxy(_port(process, port_file), seen)
    finally:
        process.terminate()
        process.wait()


def _python_path() -> str:
    return os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))


def _port(process: subprocess.Popen[bytes], port_file: Path) -> int:
    end = time.monotonic() + _START
    while time.monotonic() < end and process.poll() is None:
        if port_file.exists() and (text := port_file.read_text().strip()):
            return int(text)
        time.sleep(0.02)
    raise AssertionError(f"the proxy did not start: {port_file.with_name('log').read_text()}")
