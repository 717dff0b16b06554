"""Secrets that sing: values that must turn up nowhere, and a command in a process of its own, to be searched for them.

A new way to sign in is one more set of variables. What is searched: standard output and error, and every file below
the folder that the command works in, where its home, its temporary files and its marks of states lie too.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

ROOT = Path(__file__).parents[2]
_RUN = "import sys; sys.argv[0] = 'declarative'; from declarative.cli.main import run; run()"
_LONG = 24  # characters of a secret of which a half is as good as a leak
_SECONDS = 60.0


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Canaries:
    """Secret values, by the variable that holds each; `in_environment` False: by any name, as something else does."""

    values: Mapping[str, str]
    in_environment: bool = True

    def run(
        self, words: Sequence[str], *, root: Path, folder: Path, environ: Mapping[str, str], before: str = ""
    ) -> Ended:
        """Run `declarative` with these variables and no others, and search all that it has left.

        `root` is searched, and `folder` below it is where the command works. `before`: Python that runs first.
        """
        places = {name: root / name for name in ("home", "tmp", "marks")}
        for place in places.values():
            place.mkdir(exist_ok=True)
        own = {
            "HOME": str(places["home"]),
            "TMPDIR": str(places["tmp"]),
            "XDG_STATE_HOME": str(places["marks"]),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONFAULTHANDLER": "1",
        }
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", f"{before}\n{_RUN}", *words],
            cwd=folder,
            env={**own, **(self.values if self.in_environment else {}), **environ},
            capture_output=True,
            timeout=_SECONDS,
        )
        self.assert_none_in(done.stdout + done.stderr, where=" ".join(words))
        self.assert_none_below(root)
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    def assert_none_in(self, text: str | bytes, *, where: object) -> None:
        """Fail when a secret is in `text`, however it is written; the failure tells the variable alone."""
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        found = [name for name, value in self.values.items() if any(one in data for one in _spellings(value))]
        if found:
            raise AssertionError(f"in {where}: {', '.join(found)}")

    def assert_none_below(self, folder: Path, *, but: Collection[Path] = ()) -> None:
        """Fail when a secret is in the name or the content of a file below `folder`; `but`: those that may have it."""
        for path in folder.rglob("*"):
            self.assert_none_in(str(path.relative_to(folder)), where=path)
            if path.is_file() and path not in but:
                self.assert_none_in(path.read_bytes(), where=path)


def _spellings(secret: str) -> Iterator[bytes]:
    """A secret as it is, in JSON, in a URL, by Python, in base64 at any offset; a long one by each half."""
    plain = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret)[1:-1].replace("/", "\\/"),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        repr(secret)[1:-1],
    }
    if len(secret) >= _LONG:
        plain |= {secret[: len(secret) // 2], secret[len(secret) // 2 :]}
    yield from (one.encode() for one in plain)
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + secret.encode()).rstrip(b"=")
        # The first and the last characters hold bits of what stands beside it too.
        yield coded[4 if offset else 0 : -1]
