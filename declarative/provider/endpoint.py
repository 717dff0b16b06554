"""The URLs of the cloud's services: in one spelling, and never with a secret in them or sent in clear text."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from declarative.errors import UsageError, visible

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,252})")
_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """True when `host` (without port or brackets) is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def endpoint_of(text: str, *, what: str = "endpoint", project_id: str = "") -> str:
    """A URL as scheme, host, port and path, in one spelling; of an endpoint without `/v1` and `/v1/PROJECT_ID`.

    `what` is used in messages. Raises UsageError: http beyond this machine, a user, a query, another project.
    """
    parts = _split(text, what)
    host = parts.hostname or ""
    if parts.scheme == "http" and not is_loopback(host):
        raise UsageError(
            f"the {what} on {visible(host)} uses http, which would send the credentials in clear text", "Use https://."
        )
    path = _prefix(parts.path, project_id)
    shown = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{shown}{port}{path}"


def _split(text: str, what: str) -> SplitResult:
    """Parse a URL. What is wrong is never repeated whole: a URL may hold a password."""
    fix = "Write https://HOST or https://HOST/v1/PROJECT_ID."
    if what != "endpoint":
        fix = "Write https://HOST or https://HOST/v3."
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError as error:
        raise UsageError(f"the {what} is not a URL", fix) from error
    if parts.scheme not in DEFAULT_PORTS:
        raise UsageError(f"the {what} does not begin with https://", fix)
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise UsageError(f"the {what} contains a user name, a password, a query or a fragment", fix)
    host = parts.hostname or ""
    plain = text.isascii() and text.isprintable() and " " not in text
    if not (plain and port_is_fine and (":" in host or _HOST.fullmatch(host))):
        raise UsageError(f"the {what} is not a URL with a valid host name", fix)
    return parts


def _prefix(path: str, project_id: str) -> str:
    path = path.rstrip("/")
    if _PATH.fullmatch(path) is None:
        raise UsageError("the path of the endpoint has empty, dotted or percent-encoded parts", "Leave them out.")
    head, _, last = path.rpartition("/")
    if head.endswith("/v1"):
        if last != project_id:
            raise UsageError(
                f"the endpoint names the project {visible(last, limit=80)}, but the project id is {project_id}",
                "Use the same project in both, or leave it out of the endpoint.",
            )
        path = head
    return path.removesuffix("/v1").rstrip("/")
