"""Secret texts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote

_KNOWN: set[str] = set()  # every secret that this process has had
_SHORTEST = 4  # characters; what is shorter is part of any text


class Secret:
    """A text that shows itself only to `reveal`; printing, formatting or dumping it shows a mask.

    `is_public`: a word in the place of a secret, which everybody knows.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str, *, is_public: bool = False) -> None:
        self._value = value
        if not is_public and len(value) >= _SHORTEST:
            _KNOWN.add(value)

    def reveal(self) -> str:
        """The secret itself: for a header, for nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret stays in memory")


def redacted(text: str, *, others: Iterable[str] = ()) -> str:
    """`text` with `***` for each secret of this process, and for `others`, also as JSON, Python and URLs write them."""
    secrets = _KNOWN.union(one for one in others if len(one) >= _SHORTEST)
    spellings = {twice for secret in secrets for once in _spellings(secret) for twice in _spellings(once)}
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, "***")
    return text


def _spellings(text: str) -> Iterator[str]:
    yield text
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield repr(text)[1:-1]
    yield repr(text.encode("utf-8", "surrogateescape"))[2:-1]
    yield quote(text, safe="", errors="surrogateescape")
