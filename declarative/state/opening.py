"""From the address of a state to its store: the scheme picks which."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from declarative.errors import Diagnostic, UsageError, did_you_mean, visible
from declarative.state.store import Place, Store, unheard


def _open_local(place: Place) -> Store:
    from declarative.state.local import open_local

    return open_local(place)


_SCHEMES: dict[str, tuple[str, Callable[[Place], Store]]] = {
    "local": ("local:DIR", _open_local),
}


def open_store(
    address: str,
    *,
    folder: Path,
    environment: str,
    marks: Path | None,
    uuid: Callable[[], str],
    accept_rollback: int | None = None,
    restore: str = "declarative state restore",
    warn: Callable[[Diagnostic], None] = unheard,
    begins: str = "",
) -> Store:
    """Return the store at `address`, whose scheme picks its kind. Nothing is read or written yet.

    Relative paths start at `folder`, the stack's. `marks`: where this machine keeps the serials it has seen (None:
    nowhere). `uuid` draws lineages. `accept_rollback`: the serial that the first read may find although this machine
    has seen a later one or another lineage. `restore`: the command that restores this state, for messages. `warn` is
    told, once, when marks can't be kept. `begins`: the lineage of a state that never was, instead of a drawn one.

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
            address=address,
            rest=rest,
            folder=folder,
            environment=environment,
            marks=marks,
            uuid=uuid,
            accept_rollback=accept_rollback,
            restore=restore,
            warn=warn,
            begins=begins,
        )
    )


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
