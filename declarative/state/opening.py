"""From the address of a state to its store: the scheme picks which."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

from declarative.errors import Diagnostic, UsageError, did_you_mean, visible
from declarative.model import DEFAULT_ENVIRONMENT
from declarative.state.engine import Engine, Spot
from declarative.state.store import Place, Store, unheard

NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


def _open_local(place: Place) -> Store:
    from declarative.state.local import open_local

    return open_local(place)


def _open_postgresql(place: Place) -> Store:
    from declarative.state.postgres import open_postgres

    return _shared(place, open_postgres)


def _open_objects(place: Place) -> Store:
    from declarative.state.objects import open_objects

    return _shared(place, open_objects)


def _open_web(place: Place) -> Store:
    from declarative.state.web.engine import open_web

    return _shared(place, open_web, results_wait=2.0)


def _shared(place: Place, open_engine: Callable[[Spot], Engine], *, results_wait: float = 0.0) -> Store:
    """A shared store on the engine of its scheme."""
    from declarative.state.high_water import HighWaterMarks, file_name
    from declarative.state.shared import SharedStore

    if place.environment != DEFAULT_ENVIRONMENT and ENVIRONMENT not in place.pattern:
        raise UsageError(
            f"the address of the state names no environment, and --env asks for {visible(place.environment, limit=80)}",
            f"Put {ENVIRONMENT} into it, where the environment's name is to stand.",
        )
    spot = Spot(
        address=place.address,
        pattern=place.pattern,
        stack=place.stack,
        environment=place.environment,
        environ=place.environ,
        uuid=place.uuid,
        monotonic=place.monotonic,
        sleep=place.sleep,
    )
    return SharedStore(
        engine=open_engine(spot),
        marks=HighWaterMarks(place.marks, address=place.address, environment=place.environment, warn=place.warn),
        recovery=place.marks / "recovery" / file_name(place.address, place.environment) if place.marks else None,
        uuid=place.uuid,
        results_wait=results_wait,
        accept_rollback=place.accept_rollback,
        restoring=place.restore,
        begins=place.begins,
    )


_SCHEMES: dict[str, tuple[str, Callable[[Place], Store]]] = {
    "local": ("local:DIR", _open_local),
    "postgresql": ("postgresql://HOST/DB?state={stack}/{environment}", _open_postgresql),
    "s3": ("s3://BUCKET/{stack}/{environment}", _open_objects),
    "https": ("https://HOST/PATH/{stack}-{environment}", _open_web),
    "http": ("http://localhost:PORT/PATH", _open_web),
}
# In one address for many: they stand for the stack's and the environment's name.
STACK, ENVIRONMENT = "{stack}", "{environment}"


def open_store(
    address: str,
    *,
    folder: Path,
    environment: str,
    marks: Path | None,
    uuid: Callable[[], str],
    stack: str = "",
    environ: Mapping[str, str] = NO_VARIABLES,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    accept_rollback: int | None = None,
    restore: str = "declarative state restore",
    warn: Callable[[Diagnostic], None] = unheard,
    begins: str = "",
) -> Store:
    """Return the store at `address`, whose scheme picks its kind. Nothing is read or written yet.

    In the address of a shared store `{stack}` and `{environment}` stand for these two, percent-encoded; `environ` holds
    its credentials. Relative paths start at `folder`, the stack's. `marks`: where this machine keeps the serials it has
    seen (None: nowhere). `uuid` draws lineages. `accept_rollback`: the serial that the first read may find although
    this machine has seen a later one or another lineage. `restore`: the command that restores this state, for messages.
    `warn` is told, once, when marks can't be kept. `begins`: the lineage of a state that never was, instead of a drawn
    one.

    Raises UsageError for an unknown scheme, an address with a password, or a name that is no safe file name.
    """
    _refuse_password(address)
    scheme, _, rest = address.partition(":")
    if scheme not in _SCHEMES:
        known = ", ".join(example for example, _ in _SCHEMES.values())
        raise UsageError(
            f"'{visible(scheme, limit=64)}:' is not a supported state address",
            f"{did_you_mean(scheme, _SCHEMES)} Known are: {known}.".strip(),
        )
    return _SCHEMES[scheme][1](
        Place(
            address=_filled_in(address, stack=stack, environment=environment),
            pattern=address,
            rest=rest,
            stack=stack,
            folder=folder,
            environ=environ,
            monotonic=monotonic,
            sleep=sleep,
            environment=environment,
            marks=marks,
            uuid=uuid,
            accept_rollback=accept_rollback,
            restore=restore,
            warn=warn,
            begins=begins,
        )
    )


def _filled_in(address: str, *, stack: str, environment: str) -> str:
    for name, text in ((STACK, stack), (ENVIRONMENT, environment)):
        address = address.replace(name, quote(text, safe=""))
    return address


def _refuse_password(address: str) -> None:
    """The address appears in messages and process lists, so the refusal doesn't repeat it."""
    scheme, slashes, rest = address.partition("://")
    if not slashes:
        return
    user, _, hosts = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")
    ports = [host.rpartition("]")[2].partition(":")[2] for host in hosts.split(",")]
    query = rest.partition("?")[2].lower()
    if ":" in user or any(port and not port.isdecimal() for port in ports) or "password=" in query:
        raise UsageError(
            f"the {visible(scheme, limit=32)} address of the state holds a password, or a port that is no number",
            "Take it out; the store reads its credentials from the environment.",
        )
