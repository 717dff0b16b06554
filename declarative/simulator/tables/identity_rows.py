"""What IAM keeps: the accounts, the tokens it gave, temporary access keys, passcodes and refusals of access keys."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from declarative.simulator.accounts import Accounts, decode
from declarative.simulator.tables.session import Session

TABLES = """
CREATE TABLE accounts (document TEXT NOT NULL);
CREATE TABLE tokens (
    token TEXT PRIMARY KEY, issued INTEGER NOT NULL, expires INTEGER NOT NULL, holder TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE temporary_keys (
    access TEXT PRIMARY KEY, secret TEXT NOT NULL, security_token TEXT NOT NULL, expires INTEGER NOT NULL,
    holder TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE spent_passcodes (
    user_id TEXT NOT NULL, passcode TEXT NOT NULL, PRIMARY KEY (user_id, passcode)) WITHOUT ROWID;
CREATE TABLE key_refusals (
    access TEXT PRIMARY KEY, number INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Named:
    """A user, an account or a project, as IAM shows it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a token or an access key belongs to, and for which project; without one, for the account.

    `assumed_by`: the user and their account that act by an agency, which is then the `user`.
    """

    user: Named
    account: Named
    project: Named | None
    methods: tuple[str, ...] = ()
    assumed_by: tuple[Named, Named] | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A token. Times are in milliseconds since 1970."""

    issued: int
    expires: int
    holder: Holder


@dataclass(frozen=True, slots=True)
class TemporaryKey:
    """A temporary access key. `expires` is in milliseconds since 1970."""

    access: str
    secret: str
    security_token: str
    expires: int
    holder: Holder


def accounts(session: Session) -> Accounts | None:
    """The accounts of the world; None in one that lets everyone in."""
    if not session.facts.has_accounts:
        return None
    (document,) = session.database.execute("SELECT document FROM accounts").fetchone()
    return decode(document)


def set_accounts(session: Session, known: Accounts) -> None:
    """Keep these accounts in place of those that there were."""
    session.database.execute("DELETE FROM accounts")
    session.database.execute("INSERT INTO accounts VALUES (?)", (known.encode(),))


def token(session: Session, text: str) -> Token | None:
    """A token that was given or made to expire, valid or not."""
    row = session.database.execute("SELECT issued, expires, holder FROM tokens WHERE token = ?", (text,)).fetchone()
    return None if row is None else Token(row[0], row[1], _decoded(row[2]))


def keep_token(session: Session, text: str, given: Token) -> None:
    """Write a token down, or change what is written of it."""
    row = (text, given.issued, given.expires, json.dumps(asdict(given.holder)))
    session.database.execute("INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?)", row)


def forget_token(session: Session, text: str) -> None:
    """Forget what is written of a token."""
    session.database.execute("DELETE FROM tokens WHERE token = ?", (text,))


def expire_tokens(session: Session) -> None:
    """Let all tokens that were signed in for expire now."""
    session.database.execute("UPDATE tokens SET expires = ?", (session.now,))


def temporary_key(session: Session, access: str) -> TemporaryKey | None:
    """A temporary access key, valid or not."""
    row = session.database.execute(
        "SELECT access, secret, security_token, expires, holder FROM temporary_keys WHERE access = ?", (access,)
    ).fetchone()
    return None if row is None else TemporaryKey(row[0], row[1], row[2], row[3], _decoded(row[4]))


def keep_temporary_key(session: Session, key: TemporaryKey) -> None:
    """Write a temporary access key down."""
    session.database.execute(
        "INSERT INTO temporary_keys VALUES (?, ?, ?, ?, ?)",
        (key.access, key.secret, key.security_token, key.expires, json.dumps(asdict(key.holder))),
    )


def spend_passcode(session: Session, user_id: str, passcode: str) -> bool:
    """Use a passcode up; False if it was used before."""
    changed = session.database.execute("INSERT OR IGNORE INTO spent_passcodes VALUES (?, ?)", (user_id, passcode))
    return changed.rowcount == 1


def key_refusals(session: Session, access: str) -> tuple[int, int]:
    """How often in a row an access key was refused, and until when it is locked (milliseconds since 1970)."""
    row = session.database.execute("SELECT number, until FROM key_refusals WHERE access = ?", (access,)).fetchone()
    return (0, 0) if row is None else (row[0], row[1])


def set_key_refusals(session: Session, access: str, number: int, until: int) -> None:
    """Change that."""
    session.database.execute("INSERT OR REPLACE INTO key_refusals VALUES (?, ?, ?)", (access, number, until))


def _decoded(text: str) -> Holder:
    fields = json.loads(text)
    by = fields["assumed_by"]
    return Holder(
        user=Named(**fields["user"]),
        account=Named(**fields["account"]),
        project=None if fields["project"] is None else Named(**fields["project"]),
        methods=tuple(fields["methods"]),
        assumed_by=None if by is None else (Named(**by[0]), Named(**by[1])),
    )
