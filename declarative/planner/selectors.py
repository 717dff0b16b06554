"""Which addresses `--target`, `--exclude` and `--replace` mean."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from declarative.errors import UsageError, did_you_mean, visible
from declarative.model import EXAMPLE, Address

Labels = Mapping[str, str]

_LABEL = "label:"
_PATTERN = re.compile(r"[A-Za-z0-9_./*?\[\]-]{1,300}")


@dataclass(frozen=True, slots=True)
class Selector:
    """An address in which `*` and `?` are wild, or `label:key=value`. Exactly one of `pattern` and `label` is set."""

    text: str
    pattern: re.Pattern[str] | None = None
    label: tuple[str, str] | None = None

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Read a selector. Raises UsageError when `text` is none."""
        if text.startswith(_LABEL):
            key, equals, value = text.removeprefix(_LABEL).partition("=")
            if not key or not equals:
                raise UsageError(f"{_quoted(text)} is not a selector", "Write label:key=value.")
            return cls(text, label=(key, value))
        if _PATTERN.fullmatch(text) is None:
            raise UsageError(
                f"{_quoted(text)} is not a selector",
                f"Write an address such as {EXAMPLE}, with * and ? as wildcards, or label:key=value.",
            )
        # In an address brackets hold a key; fnmatch would read them as a set of characters.
        return cls(text, pattern=re.compile(fnmatch.translate(text.replace("[", "[[]"))))

    def matches(self, address: Address, labels: Labels) -> bool:
        """True when the selector means this address, which carries `labels`."""
        if self.label is not None:
            key, value = self.label
            return labels.get(key) == value
        return self.pattern is not None and self.pattern.match(str(address)) is not None


def matching(texts: Sequence[str], known: Mapping[Address, Labels], *, option: str) -> frozenset[Address]:
    """Return the known addresses that any of the selectors means.

    Raises UsageError for a selector that is none or that means nothing; `option` is named in it, e.g. `--target`.
    """
    found: set[Address] = set()
    for text in texts:
        selector = Selector.parse(text)
        hits = [address for address, labels in known.items() if selector.matches(address, labels)]
        if not hits:
            hint = did_you_mean(text, (str(address) for address in known)) if selector.pattern else ""
            raise UsageError(f"{option} {_quoted(text)} matches nothing in this stack", hint)
        found.update(hits)
    return frozenset(found)


def _quoted(text: str) -> str:
    return f"'{visible(text, limit=80)}'"
