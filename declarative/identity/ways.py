"""What each way in needs, which of them a source completes, and what is missing for the others. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from declarative.identity.values import AUTH_TYPES, Values, Way

# Strongest first: token, then keys, then password. Application credentials are made for programs, so before a person's.
ORDER = (
    Way.TOKEN,
    Way.TEMPORARY_KEYS,
    Way.KEYS,
    Way.APPLICATION_CREDENTIAL,
    Way.PASSCODE,
    Way.PASSWORD,
)

# What is needed: of each line one alternative, and of that every name.
_Need = tuple[tuple[str, ...], ...]
_USER: _Need = (("username", "user_domain_name"), ("user_id",), ("username", "user_domain_id"))
_PROJECT: _Need = (("project_name",), ("project_id",))
_SIGN_IN: _Need = (("auth_url",),)
_PLACE: _Need = (("region_name",), ("auth_url",), ("endpoint", "project_id"))
_KEYS: tuple[_Need, ...] = ((("access_key",),), (("secret_key",),))
# A region is enough for keys: the vendors give each region a project of its name.
_KEYS_PLACE: _Need = (
    ("region_name",),
    ("auth_url", "project_name"),
    ("auth_url", "project_id"),
    ("endpoint", "project_id"),
)
_CREDENTIAL: _Need = (
    ("application_credential_id",),
    ("application_credential_name", "user_id"),
    ("application_credential_name", "username", "user_domain_name"),
    ("application_credential_name", "username", "user_domain_id"),
)
_NEEDS: Mapping[Way, tuple[_Need, ...]] = {
    Way.TOKEN: ((("token",),), _PLACE),
    Way.TEMPORARY_KEYS: (*_KEYS, (("security_token",),), _KEYS_PLACE),
    Way.KEYS: (*_KEYS, _KEYS_PLACE),
    Way.APPLICATION_CREDENTIAL: ((("application_credential_secret",),), _CREDENTIAL, _SIGN_IN),
    # The service takes a passcode only with the id of the user. Source: documentation of the Terraform provider
    # opentelekomcloud, "user_id" and "passcode".
    Way.PASSCODE: ((("password",),), (("passcode",),), (("user_id",),), _PROJECT, _SIGN_IN),
    Way.PASSWORD: ((("password",),), _USER, _PROJECT, _SIGN_IN),
}
_AGENCY: tuple[_Need, ...] = (
    (("agency_name",),),
    (("agency_domain_name",), ("agency_domain_id",)),
    (("delegated_project",), ("delegated_project_id",), *_PROJECT, ("region_name",)),
)
AGENCY_NAMES = ("agency_name", "agency_domain_name", "agency_domain_id", "delegated_project", "delegated_project_id")

# The values that prove who signs in: of a way that is not taken they are named as unused.
PROOFS: Mapping[Way, tuple[str, ...]] = {
    Way.TOKEN: ("token",),
    Way.TEMPORARY_KEYS: ("access_key", "secret_key", "security_token"),
    Way.KEYS: ("access_key", "secret_key"),
    Way.APPLICATION_CREDENTIAL: (
        "application_credential_id",
        "application_credential_name",
        "application_credential_secret",
    ),
    Way.PASSCODE: ("password", "passcode"),
    Way.PASSWORD: ("password",),
}
_MORE = {Way.TEMPORARY_KEYS: "security_token", Way.PASSCODE: "passcode"}
_LESS = {Way.KEYS: "security_token", Way.PASSWORD: "passcode"}
_MAX_TOLD = 2  # alternatives in a message; the others only have an id in place of a name
_USER_NAMES = ("user_id", "username", "user_domain_id", "user_domain_name")
_PLACE_NAMES = ("auth_url", "endpoint", "interface", "region_name")
_PROJECT_NAMES = ("project_id", "project_name", "project_domain_id", "project_domain_name")
_TRANSPORT_NAMES = ("cacert", "cert", "identity_api_version", "insecure", "key")


@dataclass(frozen=True, slots=True)
class Source:
    """A source of a whole identity: what it is, its values, and how it names each value that it can give."""

    what: str
    values: Values
    names: Mapping[str, str]


def complete_way(source: Source) -> Way | None:
    """Return the first way in that the source completes, of those that its `auth_type` allows."""
    return next((way for way in _allowed(source) if not _lacking(source, way)), None)


def missing(source: Source) -> list[tuple[Way, str]]:
    """Return for each way in what the source lacks, in its own names; first the way that lacks least.

    A way that is another one with something more is left out, unless that is there.
    """
    told = [way for way in _allowed(source) if all(name in source.names for name in PROOFS[way])]
    if len(told) > 1:
        told = [way for way in told if _MORE.get(way) is None or _MORE[way] in source.values]
    lacking = [(way, _lacking(source, way)) for way in told]
    lacking.sort(key=lambda pair: len(pair[1]))
    return [(way, ", ".join(_told(source, need) for need in needs)) for way, needs in lacking]


def names_of(way: Way, *, agency: bool) -> tuple[str, ...]:
    """Return the names of the values that go with a way in."""
    user = _USER_NAMES if way in (Way.PASSWORD, Way.PASSCODE, Way.APPLICATION_CREDENTIAL) else ()
    # An application credential stands for one project; a scope beside it is refused.
    project = ("project_id",) if way is Way.APPLICATION_CREDENTIAL else _PROJECT_NAMES
    return (
        *PROOFS[way],
        *user,
        *project,
        *_PLACE_NAMES,
        *_TRANSPORT_NAMES,
        *(AGENCY_NAMES if agency else ()),
    )


def _allowed(source: Source) -> list[Way]:
    """The ways in that may be taken. Keys with a security token, and a password with a passcode, go only together."""
    auth_type = source.values.get("auth_type")
    ways = AUTH_TYPES[auth_type.text] if auth_type else ORDER
    return [way for way in ORDER if way in ways and _LESS.get(way, "") not in source.values]


def _lacking(source: Source, way: Way) -> list[_Need]:
    needs = list(_NEEDS[way])
    auth_type = source.values.get("auth_type")
    if (auth_type and auth_type.text == "agency") or any(name in source.values for name in AGENCY_NAMES):
        needs = [need for need in needs if need is not _PROJECT] + list(_AGENCY)
    return [need for need in needs if not any(all(name in source.values for name in one) for one in need)]


def _told(source: Source, need: _Need) -> str:
    """One need, by the alternatives that have been begun, else by all that the source can give."""
    possible = [one for one in need if all(name in source.names for name in one)]
    begun = [one for one in possible if one[0] in source.values]
    lacks = [[source.names[name] for name in one if name not in source.values] for one in begun or possible]
    first, *others = dict.fromkeys(" and ".join(names) for names in lacks[:_MAX_TOLD])
    return f"{first} (or {others[0]})" if others else first
