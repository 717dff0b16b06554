"""What went wrong, where, and how to put it right: positions, diagnostics, the error tree, exit codes.

Every expected error is a `DeclarativeError`. It carries data (codes, ids, findings); one place in `cli` turns it
into text and an exit code. `visible` is the sink that all untrusted text passes on its way to a person.
"""

from __future__ import annotations

import contextlib
import difflib
import enum
import hashlib
import itertools
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


class ExitCode(enum.IntEnum):
    """Exit codes of the command."""

    OK = 0
    ERROR = 1
    CHANGES = 2
    INCOMPLETE = 3
    CONFLICT = 4
    CONSENT = 5
    USAGE = 64


def visible(text: object, *, limit: int | None = None) -> str:
    """Return `text` with every character that a terminal would act on, or hide, written as an escape.

    `limit` caps the length in characters; what is cut is named by a short SHA-256, so that two long texts with one
    beginning stay apart.
    """
    shown = str(text)
    if not shown.isprintable():
        shown = _decoded(shown)
        shown = "".join(char if char.isprintable() else _escape(char) for char in shown)
    if limit is not None and len(shown) > limit:
        digest = hashlib.sha256(shown.encode("utf-8", "backslashreplace")).hexdigest()[:8]
        shown = f"{shown[: max(limit - 16, 0)]}…(sha256 {digest})"
    return shown


def shown(text: object, *, limit: int | None = 1000) -> str:
    """`text` made safe for a terminal and for the logs of CI systems, which read `##[…]` anywhere in a line."""
    return visible(text, limit=limit).replace("##", "#\\x23")


def _decoded(text: str) -> str:
    """A name that the file system gave, with the bytes read as UTF-8 that the locale could not read."""
    if not _UNDECODED.search(text):
        return text
    with contextlib.suppress(UnicodeEncodeError):
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    return text


_UNDECODED = re.compile("[\udc80-\udcff]")


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


def pasteable(path: object) -> str:
    """Return a path quoted for a shell; empty where what a reader would see and paste is not what it is."""
    plain = _decoded(str(path))
    if visible(plain) != plain:
        return ""
    return shlex.quote(f"./{plain}" if plain.startswith("-") else plain)


_MAX_KNOWN = 1000  # comparing texts is slow


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `Did you mean 'x'?`, or an empty text when nothing known is near to `word`.

    Near is a slip of the pen, two letters in each other's place, a beginning or a part of the name, such as `subnet_id`
    of `primary_subnet_id`, and an address of the same name. Short words are alike too easily for more.
    """
    word = word[:128]
    candidates = list(itertools.islice(known, _MAX_KNOWN))
    alike = difflib.get_close_matches(word, candidates, n=3, cutoff=0.6)
    near = [one for one in alike if _is_near(word, one)]
    return f"Did you mean '{visible(near[0])}'?" if near else ""


def _is_near(word: str, known: str) -> bool:
    if f"_{known}".endswith(f"_{word}") or (known.startswith(word) and len(word) > 2) or sorted(word) == sorted(known):
        return True
    if "/" in word and word.rpartition("/")[2] == known.rpartition("/")[2]:
        return True
    return difflib.SequenceMatcher(None, word, known).ratio() >= _NEAR


_NEAR = 0.75


_SNIPPET = 160  # columns
_BEFORE = 110  # columns of a snippet that was cut, at most, before the place
_LONGEST_ADDRESS = 8192
_ADDRESS = re.compile(r"""(?<=://)[^\s'"]+""")  # of a store, which may hold a password that should not be there


@dataclass(frozen=True, slots=True)
class Snippet:
    """A line of a manifest, safe for a terminal and cut. `caret`: how many columns of a terminal are before the place.

    Only manifests have snippets: what stands in files of values, environments and clouds may be secret.
    """

    text: str
    caret: int

    @classmethod
    def of(cls, line: str, column: int) -> Snippet:
        """Cut at most 160 columns out of `line`, around the character `column`, which counts from 1."""
        from unicodedata import combining, east_asian_width

        at = min(column - 1, len(line))
        first, last, around = max(at - _SNIPPET, 0), at + _SNIPPET, max(at - _LONGEST_ADDRESS, 0)
        masked = _ADDRESS.sub(lambda match: "*" * len(match[0]), line[around:last])
        cells = [visible(char) for char in masked[first - around :]]
        for number in range(1, len(cells)):
            if cells[number] == "#" and cells[number - 1] in ("#", "\\x23"):  # CI systems act on `##[…]`
                cells[number] = "\\x23"
        sizes = [
            len(cell) if cell.isascii() else 2 if east_asian_width(cell) in ("W", "F") else 0 if combining(cell) else 1
            for cell in cells
        ]
        start, stop, place = 0, len(cells), at - first
        if first or last < len(line) or sum(sizes) > _SNIPPET:
            before = sum(sizes[:place])
            while before > _BEFORE:
                before -= sizes[start]
                start += 1
            width = sum(sizes[start:])
            while width > _SNIPPET - 2:
                stop -= 1
                width -= sizes[stop]
        opening = "…" if first or start else ""
        closing = "…" if stop < len(cells) or last < len(line) else ""
        text = opening + "".join(cells[start:stop]) + closing
        return cls(text.rstrip(), len(opening) + sum(sizes[start:place]))


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file. `line` and `column` count from 1, in characters. `snippet`: the line, if it may be shown."""

    file: str
    line: int = 1
    column: int = 1
    snippet: Snippet | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{visible(self.file)}:{self.line}:{self.column}"


class Severity(enum.StrEnum):
    """How bad a finding is: an error stops the command, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: what is wrong (`summary`), how to put it right (`fix`), and where.

    `id`: which sort of finding it is, of those in `findings.csv`; an id never changes its meaning.
    """

    summary: str
    fix: str = ""
    position: Position | None = None
    address: str = ""
    severity: Severity = Severity.ERROR
    id: str = field(kw_only=True)

    def __str__(self) -> str:
        """Return `file:line:column: error: what. How to put it right.`, safe for a terminal."""
        where = f"{self.position}: " if self.position else ""
        if self.address and not where and not self.summary.startswith(self.address):
            where = f"{visible(self.address)}: "
        text = f"{where}{self.severity.value}: {_sentence(self.summary)}"
        return f"{text} {_sentence(self.fix)}" if self.fix else text

    def order(self) -> tuple[str, int, int, str]:
        """Sort key: by place, then by text."""
        place = self.position or Position("", 0, 0)
        return place.file, place.line, place.column, self.summary


def _sentence(text: str) -> str:
    shown = visible(text.strip())
    return shown if shown.endswith((".", "?", "!", ":")) else f"{shown}."


class DeclarativeError(Exception):
    """Base of every error that a person is meant to read. `fix` says how to put it right, `id` what sort it is."""

    exit_code = ExitCode.ERROR
    id = "failed"

    def __init__(self, summary: str, fix: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.fix = fix

    def diagnostics(self) -> Sequence[Diagnostic]:
        """The error as findings; most errors are one."""
        return (Diagnostic(self.summary, self.fix, id=self.id),)


class UsageError(DeclarativeError):
    """Invalid usage, or a prompt is needed and there is no terminal."""

    exit_code = ExitCode.USAGE
    id = "usage"


class InputError(DeclarativeError):
    """Manifests, variables or a plan have errors; `findings` lists them all."""

    def __init__(self, findings: Iterable[Diagnostic]) -> None:
        self.findings = tuple(sorted(findings, key=Diagnostic.order))
        super().__init__("; ".join(str(finding) for finding in self.findings))

    def diagnostics(self) -> Sequence[Diagnostic]:
        return self.findings


class Interrupted(DeclarativeError):
    """The run was stopped before it sent anything."""

    exit_code = ExitCode.INCOMPLETE
    id = "interrupted"

    def __init__(self) -> None:
        super().__init__("interrupted before anything was sent", "Run the command again to continue.")


class ConsentMissing(DeclarativeError):
    """The plan has dangers that need consent."""

    exit_code = ExitCode.CONSENT
    id = "consent-missing"


class PlanRefused(DeclarativeError):
    """A saved plan is tampered with, stale, expired, done already, or made for something else."""

    id = "plan-refused"


class StateError(DeclarativeError):
    """The state can't be read, trusted or written."""

    id = "state-error"


class StateConflict(StateError):
    """Another run has written the state since it was read; nothing was overwritten."""

    exit_code = ExitCode.CONFLICT
    id = "state-conflict"


class LockHeld(StateError):
    """Another run holds the lock of the state."""

    exit_code = ExitCode.CONFLICT
    id = "lock-held"


class ProviderError(DeclarativeError):
    """A call to the cloud failed.

    `status` is the HTTP status (0: no answer), `code` the service's code such as `SDRS.1013` (empty: none),
    `message` the service's own words (untrusted), `request` the method and path of the call, `request_id` what the
    service calls the exchange (untrusted).
    """

    id = "cloud-error"

    def __init__(
        self,
        summary: str,
        fix: str = "",
        *,
        status: int = 0,
        code: str = "",
        message: str = "",
        request: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(summary, fix)
        self.request_id = request_id
        self.status = status
        self.code = code
        self.message = message
        self.request = request

    def words(self) -> str:
        """What the service said, and in answer to what, for whoever reads the error; "" when there is no answer."""
        if not self.status:
            return ""
        facts = [self.request, f"HTTP {self.status}", visible(self.code, limit=60)]
        if self.request_id:
            facts.append(f"request {visible(self.request_id, limit=80)}")
        said = f"The service says: {visible(self.message, limit=300)} " if self.message else ""
        return f"{said}({', '.join(fact for fact in facts if fact)})"

    def diagnostics(self) -> Sequence[Diagnostic]:
        return (Diagnostic(self.summary, " ".join(filter(None, (self.fix, self.words()))), id=self.id),)


class NotSent(ProviderError):
    """The request provably had no effect: it never left, or the gateway turned it away (429)."""

    id = "not-sent"


class Rejected(ProviderError):
    """The service answered no: the request had no effect and sending it again would not help."""

    id = "cloud-refused"


class NotFound(Rejected):
    """The service says, in its own words, that the object does not exist (docs/sdrs-api.md, "Not found")."""

    id = "not-in-cloud"


class Unauthorized(Rejected):
    """The credentials are rejected, also after signing in again."""

    id = "unauthorized"


class EndpointError(ProviderError):
    """What answers at the endpoint isn't SDRS: HTML, a redirect, an empty 404, JSON of another shape."""

    id = "not-sdrs"


class OutcomeUnknown(ProviderError):
    """The request may or may not have had an effect: look before sending it again."""

    id = "outcome-unknown"


class Unanswered(OutcomeUnknown):
    """No whole answer came in time."""

    id = "unanswered"
