"""The address of a state in PostgreSQL, taken apart. Pure, but for one look at what the environment says of TLS.

`postgresql://[USER@]HOST[:PORT][,HOST2[:PORT2]…]/DB?schema=declarative&state={stack}/{environment}`, and of libpq's own
parameters those that say how to connect. Without a host, libpq takes PGHOST, a service or the local socket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from declarative.errors import UsageError, did_you_mean, visible
from declarative.model import NAME_PATTERN
from declarative.provider.endpoint import is_loopback
from declarative.state.engine import Spot

EXAMPLE = "For example: postgresql://db.example.com/ops?schema=declarative&state={stack}/{environment}"

_SCHEME = "postgresql://"
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_LONGEST_NAME = 400  # characters; an index of PostgreSQL takes some 2,700 bytes
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\[\]:]*)(?::(?P<port>[0-9]{1,5}))?")

_OURS = frozenset({"schema", "state"})
# What of libpq's parameters may stand in an address: nothing that is secret, and nothing that changes what SQL means.
_PASSED_ON = frozenset({
    "channel_binding", "connect_timeout", "gssencmode", "gsslib", "hostaddr", "keepalives", "keepalives_count",
    "keepalives_idle", "keepalives_interval", "krbsrvname", "load_balance_hosts", "passfile", "require_auth", "service",
    "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcert", "sslcertmode", "sslcrl", "sslcrldir", "sslkey",
    "sslmode", "sslnegotiation", "sslrootcert", "sslsni", "target_session_attrs", "tcp_user_timeout",
})  # fmt: skip
_NUMBERS = frozenset({
    "connect_timeout", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "tcp_user_timeout",
})  # fmt: skip
# A partition is noticed within half a minute; by the kernel alone it takes hours.
_DEFAULTS: Mapping[str, str] = {
    "connect_timeout": "10",
    "keepalives": "1",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a state is. `shown`: the address for messages. `options`: libpq's parameters; it finds the rest itself.

    `siblings`: matches the names of this stack's states, with the environment as its group; None: can't be told.
    """

    shown: str
    options: Mapping[str, str]
    schema: str
    name: str
    siblings: re.Pattern[str] | None


def parse(spot: Spot) -> Target:
    """Take the address apart. Raises UsageError for one that can't be used; its text is not repeated then."""
    authority, database, query = _split(spot.address)
    user, at, hosts = authority.rpartition("@")
    options = {**_DEFAULTS, **_hosts(hosts), **{name: query[name] for name in query if name not in _OURS}}
    if at:
        options["user"] = _decoded(user, "user")
    options["dbname"] = database
    if "," in hosts:
        options.setdefault("target_session_attrs", "primary")  # a standby may lag behind
    if _needs_tls(options, spot.environ):
        options["sslmode"] = "verify-full"
        if "sslrootcert" not in options and not spot.environ.get("PGSSLROOTCERT"):
            options["sslrootcert"] = _authorities()
    schema = query.get("schema", "declarative")
    if _SCHEMA.fullmatch(schema) is None or schema.startswith("pg_"):
        raise UsageError(
            f"'{visible(schema, limit=80)}' is not a name for a schema",
            "Use lower-case letters, digits and _, at most 63, not beginning with a digit or pg_.",
        )
    name = query.get("state", f"{spot.stack}/{spot.environment}")
    if not name or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise UsageError(
            f"'{visible(name, limit=80)}' is not a name for a state in PostgreSQL",
            f"Use printable characters, at most {_LONGEST_NAME}. {EXAMPLE}",
        )
    return Target(visible(spot.address), options, schema, name, _siblings(spot))


def _split(address: str) -> tuple[str, str, dict[str, str]]:
    rest = address.removeprefix(_SCHEME)
    match = re.fullmatch(r"(?P<authority>[^/?#]*)/(?P<database>[^/?#]+)(?:\?(?P<query>[^#]*))?", rest)
    if rest == address or match is None or not address.isprintable():
        raise UsageError(
            "a PostgreSQL state address reads postgresql://[USER@]HOST[:PORT]/DB?schema=…&state=…", EXAMPLE
        )
    return match["authority"], _decoded(match["database"], "database"), _query(match["query"] or "")


def _query(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split("&") if text else ():
        name, equals, value = part.partition("=")
        if name not in _OURS | _PASSED_ON:
            raise UsageError(
                f"'{visible(name, limit=40)}' can't stand in a PostgreSQL state address",
                f"{did_you_mean(name, _OURS | _PASSED_ON)} Passwords and other settings come from PG* variables, "
                "~/.pgpass or a service file.".strip(),
            )
        if not equals or name in found:
            raise UsageError(f"the PostgreSQL state address must give '{name}' a value, and once", EXAMPLE)
        found[name] = _decoded(value, name)
        if name in _NUMBERS and not re.fullmatch(r"[0-9]{1,9}", found[name]):
            raise UsageError(f"'{name}' of the PostgreSQL state address is not a whole number", EXAMPLE)
    return found


def _decoded(text: str, name: str) -> str:
    try:
        value = unquote(text, errors="strict")
    except UnicodeDecodeError:
        value = ""
    if not value or not value.isprintable():
        raise UsageError(f"the {name} in the PostgreSQL state address is empty or not readable text", EXAMPLE)
    return value


def _hosts(text: str) -> dict[str, str]:
    """Return host and port as libpq has them: lists with commas; {} for no host."""
    if not text:
        return {}
    hosts, ports = [], []
    for one in text.split(","):
        match = _HOST.fullmatch(one)
        if match is None or not match["host"]:
            raise UsageError("a host in the PostgreSQL state address can't be read", EXAMPLE)
        hosts.append(_decoded(match["host"].strip("[]"), "host"))
        ports.append(match["port"] or "")
    return {"host": ",".join(hosts)} | ({"port": ",".join(ports)} if any(ports) else {})


def _needs_tls(options: Mapping[str, str], environ: Mapping[str, str]) -> bool:
    """Where nobody has said how to protect the connection, and it leaves this machine, the server must prove itself."""
    if {"sslmode", "service"} & options.keys() or environ.get("PGSSLMODE") or environ.get("PGSERVICE"):
        return False
    hosts = options.get("hostaddr") or options.get("host") or environ.get("PGHOSTADDR") or environ.get("PGHOST", "")
    return not all(map(_is_here, hosts.split(",")))


def _authorities() -> str:
    """Return the file of authorities that Python believes: that of psycopg's wheel is nowhere."""
    import ssl

    return ssl.get_default_verify_paths().cafile or "system"


def _is_here(host: str) -> bool:
    return not host or host.startswith(("/", "@")) or is_loopback(host)


def _siblings(spot: Spot) -> re.Pattern[str] | None:
    """Make of the address before `{environment}` was filled in a pattern for names of states."""
    before, _, query = spot.pattern.partition("?")
    state = next((part[6:] for part in query.split("&") if part.startswith("state=")), "{stack}/{environment}")
    others = "&".join(part for part in query.split("&") if not part.startswith("state="))
    if "{environment}" in before + others or state.count("{environment}") != 1:
        return None
    first, last = (re.escape(unquote(part.replace("{stack}", spot.stack))) for part in state.split("{environment}"))
    return re.compile(f"{first}({NAME_PATTERN}){last}")
