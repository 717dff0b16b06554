"""yaml-language-server over its standard streams, as an editor drives it.

It is the server of the YAML extensions of VS Code, Neovim, Zed and others. `npm ci` puts the locked version into a
folder of the user's cache, once for all tests of all processes.
"""

import fcntl
import hashlib
import itertools
import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path

LOCKED = Path(__file__).resolve().parents[2] / "requirements" / "editors"
_WAIT = 60  # seconds for an answer


def is_npm_here():
    """True when Node.js and npm are on the PATH."""
    return shutil.which("node") is not None and shutil.which("npm") is not None


def installed():
    """Return the program of the locked version, which is installed if need be. Raises CalledProcessError."""
    lock = (LOCKED / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "declarative-tests"
    place = cache / f"yaml-language-server-{hashlib.sha256(lock).hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "npm.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = place / ".installed"
        if not done.exists():
            place.mkdir(exist_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(LOCKED / name, place / name)
            subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"],
                cwd=place,
                check=True,
                timeout=300,
            )
            done.touch()
    return place / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"


class LanguageServer:
    """One server, and the files that an editor has open in `folder`.

    Every question is asked about a file of its own name: the server's answers about a file that was changed or opened
    again may be those of its earlier text. `settings` are those of the editor, such as `{"yaml.schemas": …}`.
    """

    def __init__(self, program, folder, settings=None):
        self._folder = folder
        self._settings = _nested(settings or {})
        self._process = subprocess.Popen(
            ["node", str(program), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._ids = itertools.count(1)
        self._names = itertools.count(1)
        self._answers = {}
        self._findings = {}
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._ask(
            "initialize",
            {
                "processId": os.getpid(),
                "rootUri": folder.as_uri(),
                "workspaceFolders": [{"uri": folder.as_uri(), "name": folder.name}],
                "capabilities": {
                    "workspace": {"configuration": True, "workspaceFolders": True},
                    "textDocument": {
                        "hover": {"contentFormat": ["markdown"]},
                        "completion": {"completionItem": {"snippetSupport": True}},
                    },
                },
            },
        )
        self._tell("initialized", {})
        self._tell("workspace/didChangeConfiguration", {"settings": self._settings})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        with self._process:
            self._listener.join(_WAIT)

    # ------------------------------------------------------------ questions

    def findings(self, text, name="manifest.yaml", *, exactly=False):
        """What the server says of a file: `(line, message)` from the top, lines counted from 1.

        `exactly`: the file has this very name, so it can be asked about once.
        """
        uri = self._open(text, name, exactly=exactly)
        found = self._findings[uri].get(timeout=_WAIT)
        return sorted((one["range"]["start"]["line"] + 1, one["message"]) for one in found)

    def hover(self, text, name="manifest.yaml"):
        """What is shown over the place that `text` marks with `|`; empty when nothing is."""
        uri, place = self._open_at(text, name)
        answer = self._ask("textDocument/hover", {"textDocument": {"uri": uri}, "position": place})
        return answer["contents"]["value"] if answer else ""

    def completions(self, text, name="manifest.yaml"):
        """The texts that are offered at the place that `text` marks with `|`."""
        uri, place = self._open_at(text, name)
        answer = self._ask("textDocument/completion", {"textDocument": {"uri": uri}, "position": place})
        items = answer["items"] if isinstance(answer, dict) else answer or []
        return [one["label"] for one in items]

    # ------------------------------------------------------------ the protocol

    def _open_at(self, text, name):
        before, mark, after = text.partition("|")
        assert mark, "the text has no place"
        uri = self._open(before + after, name)
        lines = before.split("\n")
        return uri, {"line": len(lines) - 1, "character": len(lines[-1])}

    def _open(self, text, name, *, exactly=False):
        folder, _, base = name.rpartition("/")
        path = self._folder / folder / (base if exactly else f"n{next(self._names)}-{base}")
        uri = path.as_uri()
        self._findings[uri] = queue.Queue()
        self._tell(
            "textDocument/didOpen",
            {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}},
        )
        return uri

    def _ask(self, method, params):
        number = next(self._ids)
        self._answers[number] = queue.Queue()
        self._write({"id": number, "method": method, "params": params})
        answer = self._answers[number].get(timeout=_WAIT)
        assert "error" not in answer, answer
        return answer["result"]

    def _tell(self, method, params):
        self._write({"method": method, "params": params})

    def _write(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _listen(self):
        out = self._process.stdout
        while header := out.readline():
            length = 0
            while header.strip():
                name, _, value = header.decode().partition(":")
                length = int(value) if name.lower() == "content-length" else length
                header = out.readline()
            self._hear(json.loads(out.read(length)))

    def _hear(self, message):
        method, number = message.get("method"), message.get("id")
        if method == "textDocument/publishDiagnostics":
            uri = message["params"]["uri"]
            if uri in self._findings:
                self._findings[uri].put(message["params"]["diagnostics"])
        elif method == "workspace/configuration":
            asked = [self._settings.get(item.get("section")) for item in message["params"]["items"]]
            self._write({"id": number, "result": asked})
        elif method is not None and number is not None:
            self._write({"id": number, "result": None})
        elif number in self._answers:
            self._answers[number].put(message)


def _nested(settings):
    """`{"yaml.schemas": …}` as `{"yaml": {"schemas": …}}`. Nothing is looked up on the network."""
    sections = {"yaml": {"schemaStore": {"enable": False}, "validate": True, "hover": True, "completion": True}}
    for name, value in settings.items():
        section, _, rest = name.partition(".")
        sections.setdefault(section, {})[rest] = value
    return sections
