"""YAML files that a world is given, read strictly: each error says where it is and what is wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}", re.ASCII | re.IGNORECASE)
_LARGEST = 32_768  # GB


def load_yaml(path: Path, noun: str) -> object:
    """Return the document of a YAML or JSON file. ValueError says what is wrong with `noun`, such as "estate"."""
    import yaml

    try:
        return yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ValueError(f"The {noun} {str(path)!r} can't be read: {error.strerror or error}.") from error
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"The {noun} {str(path)!r} isn't YAML{place}.") from error


@dataclass(frozen=True, slots=True)
class Fields:
    """One map of the file, read field by field; each error says where."""

    values: Mapping[Any, object]
    where: str

    @classmethod
    def of(cls, entry: object, where: str, known: tuple[str, ...]) -> Fields:
        if not isinstance(entry, Mapping):
            raise ValueError(f"{where} must be a map with {', '.join(known)}.")
        for key in entry:
            if key not in known:
                raise ValueError(f"{where} has an unknown field {str(key)!r}; there are {', '.join(known)}.")
        return cls(entry, where)

    def entries(self, key: str) -> list[object]:
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise ValueError(f"{key} of {self.where} must be a list.")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str) or (default is None and not value):
            raise ValueError(f"{self.where}.{key} must be text, not {value!r}; put it in quotes.")
        return value

    def id(self, key: str = "id") -> str:
        value = self.values.get(key)
        if not isinstance(value, str) or not _ID.fullmatch(value):
            raise ValueError(f"{self.where}.{key} must be an id like 68679295-0223-4b5d-aecb-656d77977de2.")
        return value

    def size(self, default: int) -> int:
        value = self.values.get("size", default)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _LARGEST:
            raise ValueError(f"{self.where}.size must be a whole number of GB from 1 to {_LARGEST}, not {value!r}.")
        return value

    def truth(self, key: str) -> bool:
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise ValueError(f"{self.where}.{key} must be true or false, not {value!r}.")
        return value

    def choice(self, key: str, words: tuple[str, ...]) -> str:
        """One of `words`, the first when it is left out."""
        value = self.values.get(key, words[0])
        if value not in words:
            raise ValueError(f"{self.where}.{key} must be one of {', '.join(words)}, not {value!r}.")
        return str(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, empty when it is left out."""
        found = self.entries(key)
        if not all(isinstance(one, str) and one for one in found):
            raise ValueError(f"{self.where}.{key} must hold texts; put each in quotes.")
        return tuple(map(str, found))
