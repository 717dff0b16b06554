"""Named values of an identity, each with its source, and what makes a value unfit. Pure.

Every source speaks the same names, those of openstacksdk: `auth_url`, `username`, `password`, `region_name` and so on.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from declarative.errors import UsageError, did_you_mean, visible
from declarative.provider.endpoint import is_loopback
from declarative.provider.secret import Secret

MAX_VALUE = 64 << 10  # characters; tokens of Open Telekom Cloud have up to 20,000

# Values that no output, log, state or traceback may hold. An access key is no secret by itself, but names an account.
SECRETS = frozenset(
    {
        "access_key",
        "application_credential_secret",
        "passcode",
        "password",
        "secret_key",
        "security_token",
        "token",
    }
)

_IN_HEADERS = frozenset({"access_key", "secret_key", "security_token", "token"})
_FILES = frozenset({"cacert", "cert", "key"})
_URLS = frozenset({"auth_url", "endpoint", "sdrs_endpoint_override"})
_WORDS = frozenset({"project_id", "region_name"})
_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE = frozenset({"0", "f", "false", "n", "no", "off"})


class Way(enum.StrEnum):
    """How to sign in. An agency can be added to each of them."""

    TOKEN = "token"  # noqa: S105 - a word, not a token
    KEYS = "access keys"
    TEMPORARY_KEYS = "temporary access keys"
    APPLICATION_CREDENTIAL = "application credential"
    PASSWORD = "password"  # noqa: S105 - a word, not a password
    PASSCODE = "password with passcode"

    @property
    def lasts(self) -> bool:
        """True when a new token can be had at any time, so that a run never ends for want of one."""
        return self in (Way.KEYS, Way.APPLICATION_CREDENTIAL, Way.PASSWORD)


# What `auth_type` may say, and the ways that it stands for. Names without a source are those of keystoneauth1.
AUTH_TYPES: Mapping[str, tuple[Way, ...]] = {
    "password": (Way.PASSCODE, Way.PASSWORD),
    "v3password": (Way.PASSCODE, Way.PASSWORD),
    "v3multifactor": (Way.PASSCODE,),
    "token": (Way.TOKEN,),
    "v3token": (Way.TOKEN,),
    "v3applicationcredential": (Way.APPLICATION_CREDENTIAL,),
    "aksk": (Way.TEMPORARY_KEYS, Way.KEYS),  # gophertelekomcloud
    "agency": tuple(Way),  # gophertelekomcloud and otcextensions: what signs in is found by its values
}


@dataclass(frozen=True, slots=True)
class Found:
    """A value and its source, such as `OS_USERNAME` or `~/.config/openstack/clouds.yaml, cloud otc`."""

    value: str | Secret
    source: str

    @property
    def text(self) -> str:
        """The value itself, secret or not: for a request, for nothing else."""
        return self.value.reveal() if isinstance(self.value, Secret) else self.value


Values: TypeAlias = Mapping[str, Found]


def printable(name: str, value: Found) -> str | None:
    """The value as it may be shown; None for a secret, and for a URL that may hold one."""
    if isinstance(value.value, Secret):
        return None
    if name in _URLS and any(mark in value.value for mark in "@?#"):
        return None
    return value.value


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a value can't be used, without the value itself, and how to correct it."""

    summary: str
    fix: str


def found(name: str, text: str, source: str) -> Found:
    """Return a named value; a secret one is a `Secret` from here on."""
    return Found(Secret(text) if name in SECRETS else text, source)


def flaw(name: str, text: str) -> Flaw | None:
    """Return what is wrong with a value, or None. The value is never repeated."""
    if len(text) > MAX_VALUE:
        return Flaw("is longer than 64 KiB", "Check where it comes from.")
    if _UNFIT.search(text):
        if name in _FILES:
            return Flaw("contains a line break or another control character", "Give the path of a PEM file.")
        return Flaw("contains a line break or another control character", "Set it again, without it.")
    if name in _IN_HEADERS and not all("!" <= char <= "~" for char in text):
        return Flaw("contains a space or a character outside ASCII", "Set it again without it.")
    if name in _WORDS and _WORD.fullmatch(text) is None:
        return Flaw("is not 1 to 64 letters, digits, dashes and underscores", "Correct it.")
    if name == "auth_type":
        return _flaw_of_type(text)
    if name == "insecure" and truth(text) is None:
        return Flaw("is neither true nor false", "Write true or false.")
    return None


def _flaw_of_type(text: str) -> Flaw | None:
    if text in AUTH_TYPES:
        return None
    near = did_you_mean(text, AUTH_TYPES)
    known = f"Known: {', '.join(AUTH_TYPES)}."
    return Flaw(f"'{visible(text, limit=80)}' is not supported", f"{near} {known}".strip())


def truth(text: str) -> bool | None:
    """Return what a word for true or false says; None for any other text."""
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def skips_verification(values: Values, host: str) -> bool:
    """Return whether the certificate of `host` (without port or brackets) is not verified.

    Raises UsageError when verification is turned off for another host than this machine.
    """
    insecure = values.get("insecure")
    if insecure is None or not truth(insecure.text):
        return False
    if not is_loopback(host):
        raise UsageError(
            f"{insecure.source} turns off certificate verification, but {visible(host, limit=80)} is not this"
            " machine, so a stranger could receive the credentials",
            "Remove it, and set OS_CACERT to your authority's certificate file.",
        )
    return True
