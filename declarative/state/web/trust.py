"""Whom a state's server is believed to be, and what is shown to it: certificates as Terraform's users name them."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from declarative.errors import UsageError
from declarative.provider.tls import Tls

_AUTHORITIES = "TF_HTTP_CLIENT_CA_CERTIFICATE_PEM"
_CERTIFICATE = "TF_HTTP_CLIENT_CERTIFICATE_PEM"
_KEY = "TF_HTTP_CLIENT_PRIVATE_KEY_PEM"


def context_for(origin: str, environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return the TLS context for `origin`. The variables hold PEM texts, not names of files; verification is never off.

    Raises UsageError, which names the variable that can't be used.
    """
    if origin.startswith("http:"):
        return Tls().context(origin)
    authorities = environ.get(_AUTHORITIES, "")
    try:
        context = ssl.create_default_context(cadata=authorities) if authorities else Tls().context(origin)
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(f"{_AUTHORITIES} holds no PEM certificates", "Set it to their text.") from error
    if environ.get(_CERTIFICATE):
        _show(context, environ[_CERTIFICATE], environ.get(_KEY, ""))
    return context


def _show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Python's ssl reads certificates from files only; this one is its owner's alone, and gone at once."""
    descriptor, name = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{certificate}\n{key}\n")
        context.load_cert_chain(name, password=_no_password)
    except OSError as error:  # an SSLError is one
        raise UsageError(
            f"{_CERTIFICATE} and {_KEY} hold no PEM certificate with its key", "Set them to their texts."
        ) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _no_password() -> NoReturn:
    raise UsageError(f"the key in {_KEY} is protected by a password", "Set it to the text of a key without one.")
