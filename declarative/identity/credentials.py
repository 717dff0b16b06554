"""The credentials from what was found: which source, which way in, or one message that says what is missing. Pure.

One source gives every value of the identity: a cloud of clouds.yaml, else the OS_* variables, else the HW_* variables.
Only the endpoint, the region and the project id may come from options, SDRS_* and the Stack besides, and the file of
authorities from OS_CACERT.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from declarative.errors import DeclarativeError, Diagnostic, Severity, UsageError, visible
from declarative.identity.environment import HUAWEI, OPENSTACK, SDRS, Environment
from declarative.identity.values import Found, Values, Way, skips_verification
from declarative.identity.ways import AGENCY_NAMES, PROOFS, Source, complete_way, missing, names_of
from declarative.provider.endpoint import is_loopback
from declarative.provider.secret import Secret

if TYPE_CHECKING:
    from declarative.identity.clouds import Cloud

_MAX_LISTED = 20
_THEN = "`declarative auth show-sources` shows what is found where, and `declarative auth check` tries it."
_BESIDE_AUTH = frozenset({"region_name", "auth_type", "interface", "cacert", "cert", "key", "insecure"})
# Values that need not be one's own: who the authorities are, is a matter of the machine.
_OF_THE_MACHINE = ("cacert",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The complete credentials, and the source of each value.

    `source` is the one that gives the identity, such as `the OS_* variables`. `values` are those that go with the way,
    under the names of openstacksdk, and `endpoint`; the domain of a user or project that is given once stands for both.
    `agency`: the account then assumes the role that `agency_name` and its domain name. `notes` are warnings: what was
    found and is not used.
    """

    way: Way
    source: str
    values: Values
    agency: bool = False
    notes: tuple[Diagnostic, ...] = field(default=())

    def text(self, name: str) -> str:
        """Return a value that is no secret; empty when there is none."""
        value = self.values.get(name)
        return value.value if value is not None and isinstance(value.value, str) else ""

    def secret(self, name: str) -> Secret | None:
        """Return a secret value; None when there is none."""
        value = self.values.get(name)
        return value.value if value is not None and isinstance(value.value, Secret) else None


def choose_cloud(
    cloud: Cloud,
    environment: Environment,
    beside: Values,
    *,
    named_by: str,
    warnings: tuple[Diagnostic, ...] = (),
) -> Credentials:
    """Make credentials of a cloud; loose variables stay unused. Raises UsageError when it is not complete."""
    machine = _of_the_machine(environment)
    what = f"the cloud '{visible(cloud.name, limit=80)}' of {visible(cloud.file)}"
    source = _source(what, {**machine, **cloud.values}, beside, _names_in_file())
    way = complete_way(source)
    loose = {**environment.openstack, **environment.huawei}
    unused = [
        value.source for name, value in loose.items() if name not in source.values or value not in machine.values()
    ]
    if way is None:
        given = ", ".join(sorted(cloud.values)) or "nothing"
        others = [f"These variables are not used because a cloud is named: {_listed(unused)}."] if unused else []
        others += [f"Note that {warning.summary}." for warning in warnings]
        raise UsageError(
            f"{what}, named by {named_by}, is not complete: it has {given}",
            " ".join([_needs([source]), *others, _THEN]),
        )
    notes = (*warnings, *_about_unused(unused, f"{named_by} names a cloud"), *_about_empty(environment))
    return _credentials(source, way, notes)


def choose_loose(environment: Environment, beside: Values, *, hint: str = "") -> Credentials:
    """Make credentials of the OS_* or the HW_* variables.

    Raises DeclarativeError when both are complete and differ, and UsageError when none is complete.
    """
    openstack = _source("the OS_* variables", environment.openstack, beside, _names_of(OPENSTACK))
    theirs = {**_of_the_machine(environment), **environment.huawei}
    huawei = _source("the HW_* variables", theirs, beside, _names_of(HUAWEI))
    way, other = complete_way(openstack), complete_way(huawei)
    if way is None and other is None:
        sources = [
            source for source, values in ((openstack, environment.openstack), (huawei, environment.huawei)) if values
        ]
        _refuse(environment, sources or [openstack], beside, hint)
    if way is None or other is None:
        used, unused = (huawei, environment.openstack) if way is None else (openstack, environment.huawei)
        left = [value.source for name, value in unused.items() if name not in _OF_THE_MACHINE]
        notes = (*_about_unused(left, f"{used.what} are complete"), *_about_environment(environment))
        return _credentials(used, way or other or Way.TOKEN, notes)
    if difference := _difference(openstack, way, huawei, other):
        raise DeclarativeError(
            f"two accounts are set: the OS_* variables give {_worded(way)}, the HW_* variables {_worded(other)}, which"
            f" differ in {difference}",
            f"Unset one of them: {_listed(_proofs(openstack, way))}; or {_listed(_proofs(huawei, other))}.",
        )
    left = [value.source for value in environment.huawei.values()]
    notes = (*_about_unused(left, "the OS_* variables set the same account"), *_about_environment(environment))
    return _credentials(openstack, way, notes)


def _of_the_machine(environment: Environment) -> Values:
    return {name: environment.openstack[name] for name in _OF_THE_MACHINE if name in environment.openstack}


def _source(what: str, values: Values, beside: Values, names: Mapping[str, str]) -> Source:
    """A source with what options, SDRS_* and the Stack say over it, and each domain that stands for another."""
    joined = dict(values)
    if "project_id" in beside:
        joined.pop("project_name", None)
    if "sdrs_endpoint_override" in joined:
        joined["endpoint"] = joined.pop("sdrs_endpoint_override")
    joined.update(beside)
    _share_domains(joined)
    return Source(what, joined, {**names, "endpoint": SDRS["endpoint"][0]})


def _share_domains(values: dict[str, Found]) -> None:
    """Fill in the domain of the user or the project where nothing is said of it: both lie in one account."""
    kinds = ("id", "name")
    said = {who: [f"{who}_domain_{kind}" in values for kind in kinds] for who in ("user", "project")}
    both = {kind: values.pop(f"domain_{kind}", None) for kind in kinds}
    for who, other in (("user", "project"), ("project", "user")):
        for kind in kinds:
            value = both[kind] if any(both.values()) else values.get(f"{other}_domain_{kind}")
            if value is not None and not any(said[who]):
                values[f"{who}_domain_{kind}"] = value


def _names_of(table: Mapping[str, tuple[str, ...]]) -> Mapping[str, str]:
    return {name: variables[0] for name, variables in table.items()}


def _names_in_file() -> Mapping[str, str]:
    names = [*OPENSTACK, "agency_domain_id", "delegated_project_id"]
    return {name: name if name in _BESIDE_AUTH else f"auth.{name}" for name in names}


def _credentials(source: Source, way: Way, notes: tuple[Diagnostic, ...]) -> Credentials:
    agency = "agency_name" in source.values
    values = {name: source.values[name] for name in names_of(way, agency=agency) if name in source.values}
    for name in ("auth_url", "endpoint"):
        if name in values:
            skips_verification(values, _host(name, values[name]))
    unused = [
        source.values[name].source
        for name in dict.fromkeys(one for proof in PROOFS.values() for one in proof)
        if name in source.values and name not in values
    ]
    about = _about_unused(unused, f"the way in is {_worded(way)} from {source.what}")
    return Credentials(way=way, source=source.what, values=values, agency=agency, notes=(*about, *notes))


def _host(name: str, value: Found) -> str:
    """Return the host of a URL. Raises UsageError for one that would show credentials to others.

    A URL that is wrong is never repeated: it may hold a password.
    """
    fix = "Write https://HOST or https://HOST/v3."
    what = f"{name} ({value.source})"
    try:
        parts = urlsplit(value.text)
        host = parts.hostname or ""
        has_user = "@" in parts.netloc
    except ValueError as error:
        raise UsageError(f"{what} is not a URL", fix) from error
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"{what} does not begin with https://", fix)
    if has_user or parts.query or parts.fragment:
        raise UsageError(f"{what} contains a user name, a password, a query or a fragment", fix)
    if parts.scheme == "http" and not is_loopback(host):
        raise UsageError(f"{what} uses http, which would send the credentials in clear text", "Use https://.")
    return host


def _difference(openstack: Source, way: Way, huawei: Source, other: Way) -> str:
    """Return how two complete accounts differ; empty when they are the same."""
    if way is not other:
        return "the way in"
    names = names_of(way, agency=True)
    mine, theirs = openstack.values, huawei.values
    differing = [name for name in names if name in mine and name in theirs and mine[name].value != theirs[name].value]
    agencies = [any(name in values for name in AGENCY_NAMES) for values in (mine, theirs)]
    return ", ".join(differing) or ("the agency" if agencies[0] != agencies[1] else "")


def _refuse(environment: Environment, sources: list[Source], beside: Values, hint: str) -> NoReturn:
    given = [
        value.source for values in (environment.openstack, environment.huawei, beside) for value in values.values()
    ]
    empty = f"; ignored because they are empty: {_listed(list(environment.empty))}" if environment.empty else ""
    unread = f"; not read: {_listed(list(environment.unread))}" if environment.unread else ""
    simulator = "To try declarative without a cloud, put `simulator: true` in the Stack."
    raise UsageError(
        f"can't sign in: no set of credentials is complete. Found {_listed(given) or 'nothing'}{empty}{unread}",
        " ".join(part for part in (_needs(sources), hint, simulator, _THEN) if part),
    )


def _needs(sources: list[Source]) -> str:
    """Return what each way to sign in is missing, one sentence each."""
    return " ".join(
        f"Missing for {_worded(way)}: {lacks}." for source in sources for way, lacks in missing(source) if lacks
    )


def _worded(way: Way) -> str:
    article = "" if way in (Way.KEYS, Way.TEMPORARY_KEYS) else "an " if way is Way.APPLICATION_CREDENTIAL else "a "
    return f"{article}{way.value}"


def _proofs(source: Source, way: Way) -> list[str]:
    return [source.values[name].source for name in PROOFS[way]]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return f"{', '.join(dict.fromkeys(names[:_MAX_LISTED]))}{more}"


def _about_unused(names: list[str], why: str) -> Iterator[Diagnostic]:
    if names:
        yield _warning(f"not used, because {why}: {_listed(names)}", "Unset what you do not need.")


def _about_environment(environment: Environment) -> Iterator[Diagnostic]:
    yield from _about_empty(environment)
    if environment.unread:
        fix = "Use HW_ACCESS_KEY and HW_SECRET_KEY, and HW_AUTH_URL for another cloud."
        yield _warning(f"not read: {_listed(list(environment.unread))}", fix)


def _about_empty(environment: Environment) -> Iterator[Diagnostic]:
    if environment.empty:
        yield _warning(
            f"ignored because empty: {_listed(list(environment.empty))}", "Unset them, or give them a value."
        )


def _warning(summary: str, fix: str) -> Diagnostic:
    return Diagnostic(summary, fix, severity=Severity.WARNING, id="credentials-not-used")
