"""Reading what a request brings: bodies, fields, ids and paging, each with the code it earns when it is wrong.

Unknown fields are ignored; `null` is the same as absent. See docs/sdrs-api.md, "Field limits", "Lists" and
"Null and varying types".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from urllib.parse import parse_qsl

from declarative.simulator.protocol.wire import Refusal, compact, refusal

TEXT_BYTES = 64
PAGE_LIMIT = 1000
LIST_IDS = 30
_FAR = 1 << 62  # beyond any row, and still an integer for SQLite

_NAME = re.compile(rf"[A-Za-z0-9._-]{{1,{TEXT_BYTES}}}", re.ASCII)
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}", re.ASCII | re.IGNORECASE)
_WHOLE_NUMBER = re.compile(r"[0-9]+", re.ASCII)


def parse(body: bytes) -> object:
    """The body as JSON in UTF-8; None for anything else, be it only a number or a character that neither can hold."""
    try:
        document: object = _JSON.decode(body.decode())
        if b"\\u" in body:
            compact(document).encode()  # half of a surrogate pair has no bytes in UTF-8
    except (ValueError, RecursionError):
        return None
    return document


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


_JSON = json.JSONDecoder(parse_constant=_refuse)


def read_object(body: bytes) -> dict[str, object]:
    """The body as a JSON object; SDRS.0201 if it is missing or anything else."""
    document = parse(body)
    if not isinstance(document, dict):
        raise refusal("SDRS.0201", "The request body must be a JSON object.")
    return document


def read_wrapped(body: bytes, wrapper: str) -> dict[str, object]:
    """The object inside the wrapper, as in `{"server_group": {…}}`; SDRS.0201 if there is none."""
    inner = read_object(body).get(wrapper)
    if not isinstance(inner, dict):
        raise refusal("SDRS.0201", f"The request body must hold an object {wrapper}.")
    return inner


def read_name(fields: Mapping[str, object]) -> str:
    """The mandatory `name`: at most 64 bytes of letters, digits, `.`, `_` and `-`; SDRS.0202."""
    name = fields.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise refusal("SDRS.0202", "The name is invalid.")
    return name


def read_description(fields: Mapping[str, object]) -> str | None:
    """The optional `description`: at most 64 bytes of UTF-8, neither `<` nor `>`; SDRS.0212."""
    description = fields.get("description")
    if description is None:
        return None
    if not isinstance(description, str) or "<" in description or ">" in description:
        raise refusal("SDRS.0212", "The description is invalid.")
    if len(description.encode()) > TEXT_BYTES:
        raise refusal("SDRS.0212", "The description is invalid.")
    return description


def read_id(value: object, *, code: str, what: str) -> str:
    """A resource id: UUID text, or 32 hex digits as older records have."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise refusal(code, f"The {what} is invalid.")
    return value


def read_choice(fields: Mapping[str, object], key: str, *, choices: tuple[str, ...], default: str) -> str:
    """An optional word out of `choices`; SDRS.0201."""
    value = fields.get(key)
    if value is None:
        return default
    if value not in choices:
        raise refusal("SDRS.0201", f"The parameter {key} is invalid.")
    return str(value)


def read_truth(fields: Mapping[str, object], key: str) -> bool:
    """An optional boolean, false when absent; SDRS.0201."""
    value = fields.get(key)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise refusal("SDRS.0201", f"The parameter {key} is invalid.")
    return value


def read_list(fields: Mapping[str, object], key: str) -> list[object]:
    """An optional array, empty when absent; SDRS.0201."""
    value = fields.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise refusal("SDRS.0201", f"The parameter {key} is invalid.")
    return value


def read_address(value: object) -> str:
    """An IPv4 address, empty when absent; SDRS.0219."""
    if value is None or value == "":
        return ""
    try:
        return str(IPv4Address(value if isinstance(value, str) else ""))
    except ValueError as error:
        raise refusal("SDRS.0219", "The IP address is invalid.") from error


@dataclass(frozen=True, slots=True)
class Query:
    """The query of a list call. An empty value switches a filter off; of a repeated key the first value counts."""

    values: Mapping[str, str]
    pairs: tuple[tuple[str, str], ...] = ()
    page_limit: int = PAGE_LIMIT

    @classmethod
    def parse(cls, text: str, *, page_limit: int = PAGE_LIMIT) -> Query:
        if not text:
            return cls({}, page_limit=page_limit)
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=1000)
        except ValueError as error:
            raise _bad_query() from error
        return cls(dict(reversed(pairs)), tuple(pairs), page_limit)

    def text(self, key: str) -> str:
        """The filter's value, empty when it isn't given."""
        return self.values.get(key, "")

    def ids(self, key: str) -> list[str] | None:
        """The filter's ids, None when it isn't given; more than 30: SDRS.0226.

        A bracketed list with double, single or no quotes, or the key repeated (docs/sdrs-api.md, "Id lists").
        """
        given = [value for name, value in self.pairs if name == key]
        found = [part.strip(" \t'\"") for value in given for part in value.strip().strip("[]").split(",")]
        ids = list(dict.fromkeys(part for part in found if part))
        if len(ids) > LIST_IDS:
            raise refusal("SDRS.0226", f"The parameter {key} holds more than {LIST_IDS} ids.")
        return ids or None

    def limit(self) -> int:
        """0 to 1000, or what the rules have instead, which is the default too; SDRS.0221."""
        value = self.values.get("limit")
        if value is None:
            return self.page_limit
        if not _WHOLE_NUMBER.fullmatch(value) or _clamped(value) > self.page_limit:
            raise refusal("SDRS.0221", "The parameter limit is invalid.")
        return _clamped(value)

    def offset(self) -> int:
        """0 or more, default 0; SDRS.0222."""
        value = self.values.get("offset")
        if value is None:
            return 0
        if not _WHOLE_NUMBER.fullmatch(value):
            raise refusal("SDRS.0222", "The parameter offset is invalid.")
        return _clamped(value)


def _clamped(digits: str) -> int:
    return min(int(digits), _FAR) if len(digits) <= 20 else _FAR


def _bad_query() -> Refusal:
    return refusal("SDRS.0201", "The query is invalid.")
