"""The address of a state in a bucket: `s3://BUCKET/KEY?endpoint=https://…&region=…`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from declarative.errors import UsageError, did_you_mean, visible
from declarative.provider.endpoint import endpoint_of

EXAMPLE = "s3://my-bucket/{stack}/{environment}.json?endpoint=https://obs.eu-de.otc.t-systems.com&region=eu-de"

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_KEY = re.compile(r"[A-Za-z0-9!_.'()*{}-]+(/[A-Za-z0-9!_.'()*{}-]+)*")
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_KMS_KEY = re.compile(r"[A-Za-z0-9:/_-]{1,512}")
_LONGEST_KEY = 900  # bytes; a store takes 1,024, and the names of the objects beside it are longer
_ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
_OPTIONS = ("endpoint", "region", "virtual_hosted", "sse", "sse_kms_key_id")


@dataclass(frozen=True, slots=True)
class Target:
    """A bucket and a key in it, and how the bucket is reached. `endpoint`: "" for AWS itself. `region`: "" if not said.

    `virtual_hosted`: the bucket is part of the host's name. `encryption`: what the store is told to do with objects.
    """

    bucket: str
    key: str
    endpoint: str
    region: str
    virtual_hosted: bool
    encryption: Mapping[str, str]

    @property
    def shown(self) -> str:
        """The place without its options, for messages."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def served_by(self) -> str:
        """Which store it is, of all that there are."""
        return f"{self.endpoint or f'aws/{self.region}'}/{self.bucket}"


def parse(address: str) -> Target:
    """Return what an address says. Raises UsageError, with an example, for what is wrong with it."""
    try:
        parts = urlsplit(address)
        bucket, key = parts.netloc, parts.path.removeprefix("/")
        options = _options(parts.query)
    except ValueError as error:
        raise _wrong("can't be read as an address") from error
    if parts.scheme != "s3" or parts.fragment or "#" in address:
        raise _wrong("is not s3://BUCKET/KEY")
    if _BUCKET.fullmatch(bucket) is None or ".." in bucket:
        raise _wrong("has no name of a bucket behind s3://: lower-case letters, digits, dots and hyphens, 3 to 63")
    if _KEY.fullmatch(key) is None or len(key) > _LONGEST_KEY or {".", ".."} & set(key.split("/")):
        raise _wrong("has no usable key behind the bucket: letters, digits and !_.'()*- in parts between slashes")
    return Target(
        bucket,
        key,
        endpoint=endpoint_of(options["endpoint"], what="endpoint of the bucket") if "endpoint" in options else "",
        region=_region(options.get("region", "")),
        virtual_hosted=_virtual_hosted(options, bucket),
        encryption=_encryption(options),
    )


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else ():
        if name not in _OPTIONS:
            raise UsageError(
                f"'{visible(name, limit=64)}' is not an option of an s3:// address",
                f"{did_you_mean(name, _OPTIONS)} Known are: {', '.join(_OPTIONS)}.".strip(),
            )
        if name in options or not value:
            raise _wrong(f"has the option {name} twice, or without a value")
        options[name] = value
    return options


def _region(region: str) -> str:
    if region and _REGION.fullmatch(region) is None:
        raise _wrong("has a region that is not lower-case letters, digits and hyphens")
    return region


def _virtual_hosted(options: Mapping[str, str], bucket: str) -> bool:
    """Put the bucket into the host's name at AWS, which asks for it, unless a dot there would break the certificate."""
    found = options.get("virtual_hosted", "true" if "endpoint" not in options and "." not in bucket else "false")
    if found not in ("true", "false"):
        raise _wrong("has virtual_hosted neither true nor false")
    return found == "true"


def _encryption(options: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    if "sse" in options:
        if options["sse"] not in _ENCRYPTIONS:
            raise _wrong(f"has sse other than {', '.join(_ENCRYPTIONS)}")
        found["server_side_encryption"] = options["sse"]
    if "sse_kms_key_id" in options:
        if _KMS_KEY.fullmatch(options["sse_kms_key_id"]) is None or not options.get("sse", "").startswith("aws:kms"):
            raise _wrong("has an sse_kms_key_id that is not the id of a key, or without sse=aws:kms")
        found["sse_kms_key_id"] = options["sse_kms_key_id"]
    return found


def _wrong(how: str) -> UsageError:
    """The address itself isn't repeated: it may hold a secret."""
    return UsageError(f"the s3:// address of the state {how}", f"For example: {EXAMPLE}")
