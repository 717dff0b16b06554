"""Whose certificates are believed, and which certificate is shown: TLS contexts from files that somebody names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from declarative.errors import UsageError, visible
from declarative.provider.endpoint import is_loopback

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file, and what names it, such as `OS_CACERT`."""

    path: Path
    source: str


class Tls:
    """What TLS goes by. All connections of a run share one, so that its files are read once.

    `authorities`: a file of PEM certificates, or a folder as OpenSSL has it, instead of SSL_CERT_FILE, SSL_CERT_DIR and
    certifi's. `certificate`: shown to a service that asks for one; its key is in `key`, or in the same file.
    `verify`: False turns verification off where the service is on this machine, and nowhere else.
    """

    def __init__(
        self,
        *,
        authorities: NamedFile | None = None,
        certificate: NamedFile | None = None,
        key: NamedFile | None = None,
        verify: bool = True,
    ) -> None:
        self._authorities = authorities
        self._certificate = certificate
        self._key = key
        self._verify = verify
        self._contexts: dict[bool, ssl.SSLContext] = {}

    def context(self, endpoint: str) -> ssl.SSLContext:
        """The context for an endpoint. Raises UsageError, which names what names the file that can't be used."""
        import ssl

        parts = urlsplit(endpoint)
        if parts.scheme == "http":
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used; a full one takes 20 ms
        verify = self._verify or not is_loopback(parts.hostname or "")
        if verify not in self._contexts:
            self._contexts[verify] = self._made(verify=verify)
        return self._contexts[verify]

    def _made(self, *, verify: bool) -> ssl.SSLContext:
        import ssl

        context = self._believing() if verify else ssl.create_default_context()
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self._certificate is not None:
            self._show(context, self._certificate)
        return context

    def _believing(self) -> ssl.SSLContext:
        import ssl

        if self._authorities is None:
            return _usual()
        path = self._authorities.path
        try:
            if path.is_dir():
                return ssl.create_default_context(capath=path)
            return ssl.create_default_context(cafile=path)
        except OSError as error:  # an SSLError is one
            _refuse("authorities", [self._authorities], error, "Use a file of PEM certificates.")

    def _show(self, context: ssl.SSLContext, certificate: NamedFile) -> None:
        key = self._key
        files = [certificate] if key is None else [certificate, key]
        try:
            context.load_cert_chain(certificate.path, key.path if key is not None else None, password=_no_password)
        except _Protected as error:
            raise UsageError(
                f"the key named by {files[-1].source} has a password",
                "Use a key without a password, in a file that only you can read.",
            ) from error
        except OSError as error:
            _refuse("the client certificate", files, error, "Use a PEM file, and the file of its key.")


class _Protected(Exception):
    """A key needs a password; OpenSSL would ask the terminal for it."""


def _no_password() -> NoReturn:
    raise _Protected


def _usual() -> ssl.SSLContext:
    import httpx

    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise UsageError(
            "the certificates named by SSL_CERT_FILE or SSL_CERT_DIR can't be read",
            "Set them to a file of PEM certificates, or unset both.",
        ) from error


def _refuse(what: str, files: Sequence[NamedFile], error: OSError, fix: str) -> NoReturn:
    import ssl

    if isinstance(error, ssl.SSLError):
        reason = "it contains none" if len(files) == 1 else "one of them contains none, or they don't match"
    else:
        reason = error.strerror or type(error).__name__
    sources = " and ".join(file.source for file in files)
    paths = " and ".join(visible(file.path, limit=200) for file in files)
    raise UsageError(f"{what} named by {sources} can't be used: {paths}: {reason}", fix) from error
