"""Who may sign in to a world and what they own, and how a file of them is read.

    project: eu-de_shop                    # the name of the world's own project; default the region's
    accounts:                              # what IAM calls domains; the first one owns that project
      - {name: OTC-BANK}
      - {name: OTC-PARTNER, id: 6a2d3c4b5a6978877665544332211000}
    projects:                              # others, in which there is nothing
      - {name: eu-de_tests, account: OTC-BANK}
    users:
      - {name: ada, password: correct horse, account: OTC-BANK, status: active, passcodes: ["123456"]}
    access_keys:
      - {access: QTWAOYTTINDUT2QVKYUC, secret: MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc, user: ada, status: active}
    application_credentials:
      - {name: ci, secret: battery staple, user: ada}
    agencies:
      - {name: dr, account: OTC-BANK, trusted: OTC-PARTNER}

Everything may have an `id`; without one it is made from the name. What refers to something names it or gives its id. An
`account` that is left out is the first one. A user with `passcodes` has a virtual MFA device: each code works once.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from declarative.simulator.documents import Fields, load_yaml


class UserStatus(enum.StrEnum):
    """Whether a user gets in."""

    ACTIVE = "active"
    DISABLED = "disabled"
    LOCKED = "locked"
    CONSOLE_ONLY = "console-only"


class KeyStatus(enum.StrEnum):
    """Whether an access key works."""

    ACTIVE = "active"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class Account:
    """Who owns users and projects; IAM calls it a domain."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class CloudProject:
    """A project besides the world's own. `account` is an id."""

    id: str
    name: str
    account: str


@dataclass(frozen=True, slots=True)
class User:
    """A user. `account` is an id; with `passcodes` the user has an MFA device."""

    id: str
    name: str
    account: str
    password: str
    status: UserStatus = UserStatus.ACTIVE
    passcodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key. `user` is an id."""

    access: str
    secret: str
    user: str
    status: KeyStatus = KeyStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class ApplicationCredential:
    """An application credential for the world's own project. `user` is an id."""

    id: str
    name: str
    secret: str
    user: str


@dataclass(frozen=True, slots=True)
class Agency:
    """What lets users of the account `trusted` act in `account`; both are ids."""

    id: str
    name: str
    account: str
    trusted: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """Everyone that a world knows. The first of the accounts owns the world's project.

    `project` is that project's name; empty, it is the region's.
    """

    accounts: tuple[Account, ...]
    project: str = ""
    projects: tuple[CloudProject, ...] = ()
    users: tuple[User, ...] = ()
    access_keys: tuple[AccessKey, ...] = ()
    application_credentials: tuple[ApplicationCredential, ...] = ()
    agencies: tuple[Agency, ...] = ()

    def user(self, user_id: str) -> User | None:
        """The user with this id."""
        return next((one for one in self.users if one.id == user_id), None)

    def account(self, account_id: str) -> Account:
        """The account with this id; KeyError if there is none."""
        for one in self.accounts:
            if one.id == account_id:
                return one
        raise KeyError(account_id)

    def key(self, access: str) -> AccessKey | None:
        """The access key of this name."""
        return next((one for one in self.access_keys if one.access == access), None)

    def with_user(self, user: User) -> Accounts:
        """These with the user in place of the one with the same id."""
        return replace(self, users=tuple(user if one.id == user.id else one for one in self.users))

    def encode(self) -> str:
        """All of this as JSON, which `decode` reads."""
        return json.dumps(asdict(self))


@functools.lru_cache(maxsize=8)
def decode(text: str) -> Accounts:
    """The accounts that `Accounts.encode` wrote."""
    return _accounts(json.loads(text))


def load_accounts(path: Path) -> Accounts:
    """The accounts in a YAML or JSON file; ValueError says what is wrong with them, and where."""
    document = load_yaml(path, "file of accounts")
    try:
        return _accounts(document)
    except ValueError as error:
        raise ValueError(f"The file of accounts {str(path)!r} can't be used: {error}") from error


_LISTS = ("accounts", "projects", "users", "access_keys", "application_credentials", "agencies")


def _accounts(document: object) -> Accounts:
    fields = Fields.of(document, "the file", ("project", *_LISTS))
    entries = {key: fields.entries(key) for key in _LISTS}
    accounts = tuple(_account(entry, f"accounts[{number}]") for number, entry in enumerate(entries["accounts"], 1))
    if not accounts:
        raise ValueError("accounts must hold at least one account, which owns the project.")
    read = _Reader(accounts)
    users = tuple(read.user(entry, f"users[{number}]") for number, entry in enumerate(entries["users"], 1))
    read = _Reader(accounts, users)
    found = Accounts(
        accounts=accounts,
        project=fields.text("project", ""),
        projects=tuple(read.project(entry, f"projects[{n}]") for n, entry in enumerate(entries["projects"], 1)),
        users=users,
        access_keys=tuple(read.key(entry, f"access_keys[{n}]") for n, entry in enumerate(entries["access_keys"], 1)),
        application_credentials=tuple(
            read.credential(entry, f"application_credentials[{n}]")
            for n, entry in enumerate(entries["application_credentials"], 1)
        ),
        agencies=tuple(read.agency(entry, f"agencies[{n}]") for n, entry in enumerate(entries["agencies"], 1)),
    )
    _check_distinct(found)
    return found


def _account(entry: object, where: str) -> Account:
    fields = Fields.of(entry, where, ("id", "name"))
    name = fields.text("name")
    return Account(fields.text("id", "") or _drawn("account", name), name)


@dataclass(frozen=True, slots=True)
class _Reader:
    accounts: tuple[Account, ...]
    users: tuple[User, ...] = ()

    def user(self, entry: object, where: str) -> User:
        fields = Fields.of(entry, where, ("id", "name", "password", "account", "status", "passcodes"))
        name, account = fields.text("name"), self._account(fields, "account")
        return User(
            id=fields.text("id", "") or _drawn("user", account, name),
            name=name,
            account=account,
            password=fields.text("password"),
            status=UserStatus(fields.choice("status", tuple(UserStatus))),
            passcodes=fields.texts("passcodes"),
        )

    def project(self, entry: object, where: str) -> CloudProject:
        fields = Fields.of(entry, where, ("id", "name", "account"))
        name, account = fields.text("name"), self._account(fields, "account")
        return CloudProject(fields.text("id", "") or _drawn("project", account, name), name, account)

    def key(self, entry: object, where: str) -> AccessKey:
        fields = Fields.of(entry, where, ("access", "secret", "user", "status"))
        status = KeyStatus(fields.choice("status", tuple(KeyStatus)))
        return AccessKey(fields.text("access"), fields.text("secret"), self._user(fields), status)

    def credential(self, entry: object, where: str) -> ApplicationCredential:
        fields = Fields.of(entry, where, ("id", "name", "secret", "user"))
        name, user = fields.text("name"), self._user(fields)
        credential_id = fields.text("id", "") or _drawn("credential", user, name)
        return ApplicationCredential(credential_id, name, fields.text("secret"), user)

    def agency(self, entry: object, where: str) -> Agency:
        fields = Fields.of(entry, where, ("id", "name", "account", "trusted"))
        name, account = fields.text("name"), self._account(fields, "account")
        trusted = _referred(fields, "trusted", self.accounts).id
        return Agency(fields.text("id", "") or _drawn("agency", account, name), name, account, trusted)

    def _account(self, fields: Fields, key: str) -> str:
        return self.accounts[0].id if key not in fields.values else _referred(fields, key, self.accounts).id

    def _user(self, fields: Fields) -> str:
        return _referred(fields, "user", self.users).id


class _Named(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=_Named)


def _referred(fields: Fields, key: str, choices: Sequence[T]) -> T:
    """The one that a field names or gives the id of."""
    wanted = fields.text(key)
    found = [one for one in choices if one.id == wanted] or [one for one in choices if one.name == wanted]
    if len(found) == 1:
        return found[0]
    why = f"there are {len(found)} of that name, give the id" if found else "there is none"
    raise ValueError(f"{fields.where}.{key} is {wanted!r}: {why}.")


def _drawn(*parts: str) -> str:
    """An id of 32 hex digits that is the same each time the file is read."""
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]


def _check_distinct(found: Accounts) -> None:
    _check_names("accounts", ((one.id, one.name, "") for one in found.accounts))
    _check_names("projects", ((one.id, one.name, one.account) for one in found.projects))
    _check_names("users", ((one.id, one.name, one.account) for one in found.users))
    _check_names("access_keys", ((one.access, one.access, "") for one in found.access_keys))
    _check_names("application_credentials", ((one.id, one.name, one.user) for one in found.application_credentials))
    _check_names("agencies", ((one.id, one.name, one.account) for one in found.agencies))


def _check_names(what: str, entries: Iterable[tuple[str, str, str]]) -> None:
    """ValueError if an id stands twice, or a name in one place."""
    ids: set[str] = set()
    names: set[tuple[str, str]] = set()
    for entry_id, name, place in entries:
        if entry_id in ids or (name, place) in names:
            raise ValueError(f"{what} has {name!r} twice.")
        ids.add(entry_id)
        names.add((name, place))
