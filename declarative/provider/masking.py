"""Secrets that a service repeats: taken out of an answer before anything else reads it.

A gateway may quote the request that it refuses, with its token. Whatever was sent to authorize a request is replaced by
`***` in the answer itself, so that no error, log, state or plan file has to know of secrets. It is done on the answer
and not where texts are shown: only here is it known what was sent, and what is recorded is never shown at all.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import replace

from declarative.provider.answers import REQUEST_IDS, Reply
from declarative.provider.wire import Message

_MASK = b"***"
_WHOLE = frozenset({b"x-auth-token", b"x-subject-token", b"x-security-token"})
_SIGNED = b"authorization"  # `SDK-HMAC-SHA256 Access=…, SignedHeaders=…, Signature=…`: two parts of it are nobody's
_PARTS = re.compile(rb"(?:Access|Credential|Signature)=([^\s,/]+)")
_WORD = re.compile(r"[A-Za-z0-9]+")
_SHORTEST = 4  # bytes; what is shorter is part of any text
# Bytes of a secret that is taken out of a good answer too. There, a shorter one, such as a password that is somebody's
# name, may be data of its own, and to change it would change what is planned.
_LONG = 16
_CUT = 16  # characters of a secret that are masked without the rest of it: who repeats a request may cut it


def masked(reply: Reply, message: Message) -> Reply:
    """The answer to `message` without the secrets that were sent with it."""
    for secret in _secrets(message):
        if len(secret) >= (_LONG if reply.status < 300 else _SHORTEST):
            reply = _without(reply, secret)
    return reply


def _secrets(message: Message) -> Iterator[bytes]:
    yield from message.secrets
    for name, value in message.headers:
        if (lower := name.lower()) in _WHOLE:
            yield value
        elif lower == _SIGNED:
            yield from _PARTS.findall(value)


def _without(reply: Reply, secret: bytes) -> Reply:
    text = secret.decode("utf-8", "surrogateescape")
    # A part that is never escaped is looked for first: a signature is new with each request, and its pattern dear.
    core = max(_WORD.findall(text[:_CUT]), key=len, default="")
    if core.encode("ascii") in reply.body:
        reply = replace(reply, body=_masked(reply.body, text))
    for name in REQUEST_IDS:
        if core in (said := reply.headers.get(name, "")):
            found = _masked(said.encode("latin-1", "replace"), text).decode("latin-1")
            reply = replace(reply, headers={**reply.headers, name: found}) if found != said else reply
    return reply


def _masked(data: bytes, secret: str) -> bytes:
    pieces, end = [], 0
    for found in _pattern(secret[:_CUT]).finditer(data):
        if found.start() < end:
            continue
        pieces += [data[end : found.start()], _MASK]
        end = found.end()
        for char in secret[_CUT:]:
            if (more := _pattern(char).match(data, end)) is None:
                break
            end = more.end()
    return b"".join([*pieces, data[end:]])


@functools.lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[bytes]:
    """How a part of a secret may look in JSON."""
    return re.compile(b"".join(map(_spelled, text)))


def _spelled(char: str) -> bytes:
    """A character as JSON may write it: many services escape `=`, `/`, `+` and quotes, and what isn't ASCII."""
    plain = re.escape(char.encode("utf-8", "surrogateescape"))
    if char.isascii() and char.isalnum():
        return plain
    units = char.encode("utf-16-be", "surrogatepass").hex()
    escaped = "".join(rf"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
    return rb"(?:\\?%s|(?i:%s))" % (plain, escaped.encode("ascii"))
