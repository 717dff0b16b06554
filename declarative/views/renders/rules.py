"""What formats for programs need of findings: rule ids, places as URIs, fingerprints."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from declarative.errors import shown
from declarative.views.report import Finding, Invocation

TEXT_LIMIT = 4000


def rule_of(finding: Finding, invocation: Invocation) -> str:
    """The finding's own id; without one the command's name."""
    return shown(finding.rule, limit=100) or invocation.command


def message_of(finding: Finding) -> str:
    """What is wrong and how to put it right, in one line."""
    summary = _sentence(shown(finding.summary, limit=TEXT_LIMIT))
    return f"{summary} {_sentence(shown(finding.fix, limit=TEXT_LIMIT))}" if finding.fix else summary


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!", ":")) else f"{text}."


def place_of(finding: Finding, invocation: Invocation) -> tuple[str, int, int]:
    """File, line and column; of a finding without a place, the stack's folder and its first line."""
    place = finding.position
    if place is None:
        return shown(invocation.folder), 1, 1
    return shown(place.file).removeprefix("./"), place.line, place.column


def uri_of(path: str) -> str:
    """A path as the reference of a URI, relative as it is."""
    uri = quote(path, safe="/._-~")
    return f"file://{uri}" if uri.startswith("/") else uri


def fingerprinted(findings: Iterable[Finding], invocation: Invocation) -> Iterator[tuple[Finding, str]]:
    """Yield each finding with a text that names it in every run, wherever in its file it stands."""
    times: Counter[str] = Counter()
    for one in findings:
        path, _, _ = place_of(one, invocation)
        parts = (rule_of(one, invocation), path, one.address, one.summary)
        name = hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()
        times[name] += 1
        again = times[name]
        yield one, name if again == 1 else hashlib.sha256(f"{name}\0{again}".encode()).hexdigest()
