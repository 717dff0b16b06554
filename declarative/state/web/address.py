"""The address of a state behind HTTP: which requests go where, by which method, in which dialect. Pure.

Sources: Terraform, "Backend Type: http"; GitLab, "GitLab-managed Terraform/OpenTofu state".
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote_plus, urlsplit

from declarative.errors import UsageError, did_you_mean, visible
from declarative.provider.endpoint import DEFAULT_PORTS, is_loopback

_FIX = "For example: https://states.example.com/{stack}/{environment}"
_GITLAB_FIX = (
    "For example: https://gitlab.example.com/api/v4/projects/42/terraform/state/{stack}-{environment} "
    "(the name of a state in GitLab has no slash)"
)
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,252})")
_PATH = re.compile(
    r"(/([A-Za-z0-9_~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}|\.(?!\.?(/|$)))([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)+"
)
_QUERY = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*")
_GITLAB = re.compile(r"/api/v4/projects/[^/]+/terraform/state/")
_OURS = frozenset({"dialect", "lock_address", "lock_method", "unlock_address", "unlock_method", "update_method"})


class Dialect(enum.StrEnum):
    """Which of the two protocols a server speaks."""

    TERRAFORM = "terraform"
    GITLAB = "gitlab"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a state is. `state`, `lock`, `unlock`: path and query, as sent to `origin`, a scheme with host and port.

    `shown`: the address without its query, which may hold a token, for messages.
    """

    dialect: Dialect
    origin: str
    shown: str
    state: str
    lock: str
    unlock: str
    update_method: str
    lock_method: str
    unlock_method: str

    @property
    def is_gitlab(self) -> bool:
        """True when the server speaks GitLab's dialect."""
        return self.dialect is Dialect.GITLAB

    def update(self, lock_id: str) -> str:
        """Return where a write under the lock `lock_id` goes."""
        return with_query(self.state, f"ID={_quoted(lock_id)}")

    def version(self, serial: int) -> str:
        """Return where GitLab keeps the version `serial`."""
        path, mark, query = self.state.partition("?")
        return f"{path}/versions/{serial}{mark}{query}"


def with_query(target: str, pair: str) -> str:
    """Return a path with its query and one more pair."""
    return f"{target}{'&' if '?' in target else '?'}{pair}"


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def site_of(address: str, environ: Mapping[str, str]) -> Site:
    """Read an address. TF_HTTP_LOCK_ADDRESS and the like count where TF_HTTP_ADDRESS names the same state.

    Raises UsageError, which never repeats the address: it may hold a secret.
    """
    parts = _split(address, "state address")
    ours, foreign = _sorted_out(parts.query)
    origin = _origin(parts)
    state = parts.path + (f"?{foreign}" if foreign else "")
    dialect = _dialect(ours.get("dialect", ""), parts.path)
    if _names(environ.get("TF_HTTP_ADDRESS", ""), origin + state):
        ours = {**_from_variables(environ), **ours}
    lock, unlock = state, state
    if dialect is Dialect.GITLAB:
        lock = unlock = f"{parts.path}/lock" + (f"?{foreign}" if foreign else "")
    site = Site(
        dialect=dialect,
        origin=origin,
        shown=origin + parts.path,
        state=state,
        lock=_beside(ours.get("lock_address", ""), "lock_address", origin) or lock,
        unlock=_beside(ours.get("unlock_address", ""), "unlock_address", origin) or unlock,
        update_method=_method(ours, "update_method", "POST", ("POST", "PUT", "PATCH")),
        lock_method=_method(ours, "lock_method", _LOCK[dialect], ("LOCK", "POST", "PUT")),
        unlock_method=_method(ours, "unlock_method", _UNLOCK[dialect], ("UNLOCK", "DELETE", "POST", "PUT")),
    )
    _refuse_ambiguous(site)
    return site


_LOCK = {Dialect.TERRAFORM: "LOCK", Dialect.GITLAB: "POST"}
_UNLOCK = {Dialect.TERRAFORM: "UNLOCK", Dialect.GITLAB: "DELETE"}


def _split(text: str, what: str) -> SplitResult:
    if not (text.isascii() and text.isprintable()):  # urlsplit leaves out line breaks
        raise UsageError(f"the {what} is not a URL", _FIX)
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError as error:
        raise UsageError(f"the {what} is not a URL", _FIX) from error
    host = parts.hostname or ""
    if parts.scheme not in DEFAULT_PORTS:
        raise UsageError(f"the {what} does not begin with https://", _FIX)
    if "@" in parts.netloc:
        raise UsageError(
            f"the {what} holds a user name",
            "Take it out; the credentials are read from TF_HTTP_USERNAME and TF_HTTP_PASSWORD.",
        )
    if not (port_is_fine and (":" in host or _HOST.fullmatch(host))):
        raise UsageError(f"the {what} is not a URL with a plain host name", _FIX)
    if parts.scheme == "http" and not is_loopback(host):
        raise UsageError(f"the {what} is http, which would send the credentials in clear text", "Write https://.")
    if "#" in text or not (_PATH.fullmatch(parts.path) and _QUERY.fullmatch(parts.query)):
        raise UsageError(f"the {what} has no path, or one with empty, dotted or unquoted parts", _FIX)
    return parts


def _origin(parts: SplitResult) -> str:
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{shown}{port}"


def _sorted_out(query: str) -> tuple[dict[str, str], str]:
    """Return the parameters that are for this program, and the others as they stand."""
    ours: dict[str, str] = {}
    foreign = []
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        name = unquote_plus(name)
        if name == "ID":
            raise UsageError("the state address holds the parameter ID", "Leave it out: it is the lock's.")
        if name not in _OURS:
            foreign.append(pair)
        elif ours.setdefault(name, unquote_plus(value)) != unquote_plus(value):
            raise UsageError(f"the state address has {name} twice", "Give it once.")
    return ours, "&".join(foreign)


def _dialect(word: str, path: str) -> Dialect:
    found = _GITLAB.search(path)
    if word:
        if word not in list(Dialect):
            known = ", ".join(Dialect)
            raise UsageError(
                f"'{visible(word, limit=64)}' is not a dialect of HTTP state servers",
                f"{did_you_mean(word, Dialect)} Known are: {known}.".strip(),
            )
        return Dialect(word)
    if found is None:
        return Dialect.TERRAFORM
    if "/" in path[found.end() :]:
        raise UsageError("the state address names a state in GitLab that has a slash in its name", _GITLAB_FIX)
    return Dialect.GITLAB


_VARIABLES = {name: f"TF_HTTP_{name.upper()}" for name in sorted(_OURS - {"dialect"})}


def _from_variables(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[variable] for name, variable in _VARIABLES.items() if environ.get(variable)}


def _names(variable: str, address: str) -> bool:
    """True when TF_HTTP_ADDRESS is this address; those of another state would lock that one."""
    if not variable:
        return False
    try:
        parts = _split(variable, "address in TF_HTTP_ADDRESS")
    except UsageError:
        return False
    return _origin(parts) + parts.path + (f"?{parts.query}" if parts.query else "") == address


def _beside(text: str, name: str, origin: str) -> str:
    """Return the path and query of another address at the same origin."""
    if not text:
        return ""
    parts = _split(text, name)
    if _origin(parts) != origin:
        raise UsageError(
            f"the {name} is at another host than the state",
            "The credentials go to one host only: name an address beside the state's.",
        )
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _method(ours: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    method = ours.get(name) or default
    if method not in allowed:
        raise UsageError(
            f"'{visible(method, limit=32)}' can't be the {name} of a state", f"Known are: {', '.join(allowed)}."
        )
    return method


def _refuse_ambiguous(site: Site) -> None:
    """A lock that is sent as a write, or an unlock that is sent as a delete, would cost the state."""
    requests = {
        "lock_method": (site.lock_method, site.lock),
        "unlock_method": (site.unlock_method, site.unlock),
        "update_method": (site.update_method, site.state),
        "deletion": ("DELETE", site.state),
    }
    seen: dict[tuple[str, str], str] = {}
    for name, request in requests.items():
        other = seen.setdefault(request, name)
        if other is not name:
            raise UsageError(
                f"the {other} of the state address would be taken for its {name}",
                "Give the lock an address of its own (lock_address, unlock_address), or other methods.",
            )
