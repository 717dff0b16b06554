"""Who asks a bucket: `AWS_*` variables, or a profile in the files that the tools of AWS share.

Of the files only access keys, a session token and the region are read. Nothing is run and nobody is asked: no
`credential_process`, no single sign-on, no roles, no service of the machine. Variables of the cloud (`OS_*`, `HW_*`)
are never looked at.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from declarative.errors import StateError, UsageError, visible

_LONGEST = 2**20  # bytes of a shared file


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key with its secret, and a session token or ""."""

    key_id: str
    secret: str
    token: str

    def __repr__(self) -> str:
        return "Credentials(***)"


def find_credentials(environ: Mapping[str, str]) -> Credentials:
    """Return the credentials. Raises StateError that says where they are looked for."""
    key_id, secret = environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", "")
    if bool(key_id) != bool(secret):
        raise StateError(
            f"AWS_{'SECRET_ACCESS_KEY' if key_id else 'ACCESS_KEY_ID'} is not set, but its other half is",
            "Set both, or neither to use a profile.",
        )
    if key_id:
        return Credentials(key_id, secret, environ.get("AWS_SESSION_TOKEN", ""))
    profile = environ.get("AWS_PROFILE") or "default"
    found = _section(_shared(environ, "AWS_SHARED_CREDENTIALS_FILE", "credentials"), profile)
    if not (found.get("aws_access_key_id") and found.get("aws_secret_access_key")):
        found = _section(_shared(environ, "AWS_CONFIG_FILE", "config"), _in_config(profile))
    if not (found.get("aws_access_key_id") and found.get("aws_secret_access_key")):
        raise StateError(
            "no access key for the bucket: AWS_ACCESS_KEY_ID is not set, and the profile"
            f" '{visible(profile, limit=64)}' has none",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with keys in AWS_PROFILE. For a"
            ' profile that signs in another way: eval "$(aws configure export-credentials --format env)".',
        )
    return Credentials(found["aws_access_key_id"], found["aws_secret_access_key"], found.get("aws_session_token", ""))


def find_region(environ: Mapping[str, str], *, endpoint: str) -> str:
    """Return the region that requests are signed for. Raises UsageError when AWS is asked without one."""
    found = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if not found:
        section = _section(
            _shared(environ, "AWS_CONFIG_FILE", "config"), _in_config(environ.get("AWS_PROFILE") or "default")
        )
        found = section.get("region")
    if found or endpoint:
        return found or "us-east-1"  # what stores take that have no regions
    raise UsageError("the s3:// address of the state names no region", "Add ?region=REGION to it, or set AWS_REGION.")


def _in_config(profile: str) -> str:
    return profile if profile == "default" else f"profile {profile}"


def _shared(environ: Mapping[str, str], variable: str, name: str) -> Path | None:
    if environ.get(variable):
        return Path(environ[variable])
    home = environ.get("HOME", "")
    return Path(home) / ".aws" / name if home else None


def _section(path: Path | None, name: str) -> dict[str, str]:
    """Return one section of a shared file; empty where there is none. Its other lines are not looked at."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(_content(path).decode("utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # The error would quote the line, which may hold a secret.
        raise StateError(f"can't read {visible(path)}, a file of AWS profiles ({type(error).__name__})") from None
    return {key: value or "" for key, value in parser.items(name)} if parser.has_section(name) else {}


def _content(path: Path | None) -> bytes:
    if path is None or not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(_LONGEST)
