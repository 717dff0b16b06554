"""Where the cloud is and who we are there: endpoint, project, region and token, from options and environment."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from declarative.errors import UsageError, visible
from declarative.model import Binding
from declarative.provider.authorization import Authorization, GivenToken
from declarative.provider.secret import Secret

_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,252})")
_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Access:
    """One project at one endpoint. `endpoint` is scheme, host, port and path prefix, without `/v1` or a final `/`."""

    endpoint: str
    project_id: str
    region: str
    authorization: Authorization

    @property
    def binding(self) -> Binding:
        """Which cloud this is, as states and plans remember it: on loopback the port says nothing."""
        parts = urlsplit(self.endpoint)
        host = parts.hostname or ""
        shown = f"[{host}]" if ":" in host else host
        if parts.port not in (None, _DEFAULT_PORTS.get(parts.scheme)) and not is_loopback(host):
            shown = f"{shown}:{parts.port}"
        return Binding(self.project_id, self.region, shown)


def is_loopback(host: str) -> bool:
    """True when `host` (without port or brackets) is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def access_from(
    *,
    environ: Mapping[str, str],
    endpoint: str | None = None,
    project_id: str | None = None,
    region: str | None = None,
) -> Access:
    """Join options and environment; an option wins.

    Reads SDRS_ENDPOINT, SDRS_PROJECT_ID, OS_AUTH_TOKEN and OS_REGION_NAME. Raises UsageError, which names
    everything that is missing at once, or says what is wrong with a value; the token is never repeated. The region is
    only a name beside an explicit endpoint, and may be left out.
    """
    found = {
        "endpoint (--endpoint or SDRS_ENDPOINT)": endpoint or environ.get("SDRS_ENDPOINT", ""),
        "project id (--project-id or SDRS_PROJECT_ID)": project_id or environ.get("SDRS_PROJECT_ID", ""),
        "token (OS_AUTH_TOKEN)": environ.get("OS_AUTH_TOKEN", ""),
    }
    missing = [name for name, value in found.items() if not value.strip()]
    if missing:
        raise UsageError(
            f"the cloud is not known: no {', no '.join(missing)}",
            "Set what is missing, or say `simulator: true` in the Stack to try things out.",
        )
    where, project, token = found.values()
    place = region or environ.get("OS_REGION_NAME", "")
    return Access(
        endpoint=_endpoint(where, _word(project, "project id")),
        project_id=project,
        region=_word(place, "region") if place else "",
        authorization=GivenToken(_token(token)),
    )


def _word(text: str, what: str) -> str:
    if _WORD.fullmatch(text) is None:
        raise UsageError(
            f"'{visible(text, limit=80)}' is not a {what}", "It has 1 to 64 letters, digits, dashes and underscores."
        )
    return text


def _token(text: str) -> Secret:
    if not all("!" <= char <= "~" for char in text):
        raise UsageError(
            "the token in OS_AUTH_TOKEN holds a blank, a line break or another character that no token has",
            "Set it again; `export OS_AUTH_TOKEN=$(…)` drops a final line break.",
        )
    return Secret(text)


def _endpoint(text: str, project_id: str) -> str:
    parts = _split(text)
    host = parts.hostname or ""
    if parts.scheme == "http" and not is_loopback(host):
        raise UsageError(
            f"the endpoint on {visible(host)} is http, which would send the token in clear text", "Write https://."
        )
    path = _prefix(parts.path, project_id)
    shown = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{shown}{port}{path}"


def _split(text: str) -> SplitResult:
    """Parse an endpoint. What is wrong is never repeated whole: a URL may hold a password."""
    fix = "An endpoint reads https://HOST or https://HOST/v1/PROJECT_ID."
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError as error:
        raise UsageError("the endpoint is not a URL", fix) from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise UsageError("the endpoint does not begin with https://", fix)
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise UsageError("the endpoint holds a user name, a password, a query or a fragment", fix)
    host = parts.hostname or ""
    plain = text.isascii() and text.isprintable() and " " not in text
    if not (plain and port_is_fine and (":" in host or _HOST.fullmatch(host))):
        raise UsageError("the endpoint is not a URL with a plain host name", fix)
    return parts


def _prefix(path: str, project_id: str) -> str:
    path = path.rstrip("/")
    if _PATH.fullmatch(path) is None:
        raise UsageError("the path of the endpoint holds empty, dotted or quoted parts", "Leave them out.")
    head, _, last = path.rpartition("/")
    if head.endswith("/v1"):
        if last != project_id:
            raise UsageError(
                f"the endpoint names the project {visible(last, limit=80)}, but the project id is {project_id}",
                "Make them one, or leave the project out of the endpoint.",
            )
        path = head
    return path.removesuffix("/v1").rstrip("/")
