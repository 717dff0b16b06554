"""Who asks: tokens of IAM, and signed requests (docs/sdrs-api.md, "IAM" and "Paths and headers").

In a world without accounts any name with any password is let in, and any well-formed signature. What such a world gave
itself, a temporary access key, is checked all the same.
"""

from __future__ import annotations

from dataclasses import replace

from declarative.simulator.accounts import Accounts, KeyStatus, UserStatus
from declarative.simulator.protocol.refusals import gateway_unauthorized, refused
from declarative.simulator.protocol.signature import Signature, canonical_request, fits, read_signature
from declarative.simulator.protocol.wire import Refusal, refusal
from declarative.simulator.tables import identity_rows
from declarative.simulator.tables.identity_rows import Holder, Named, Token
from declarative.simulator.tables.session import Call, Session

REGION = "eu-de"
USER = Named("simulator", "simulator")
_ACCOUNT = Named("default", "simulator")
_SKEW = 900.0  # seconds that the date of a signature may be off
_REFUSALS = 5  # in a row, after which an access key is locked
_LOCKED = 300_000  # milliseconds


def check(call: Call, *, in_project: bool) -> None:
    """Let the request pass, or answer 401. `in_project`: it needs the project, or gets 403.

    A token that has expired stays so, one given at the start too.
    """
    session = call.session
    token = call.request.headers.get("x-auth-token", "")
    if call.verdict.is_expiry:
        if (holder := holder_of(session, token)) is not None:
            identity_rows.keep_token(session, token, Token(session.now, session.now, holder))
        raise _bad_token(session, "The token has expired.")
    project = authenticated(call).project
    if in_project and (project is None or project.id != session.facts.project_id):
        raise refused("APIGW.0302")


def authenticated(call: Call, *, by_temporary_key: bool = True) -> Holder:
    """Return who asks, by a token or a signature; else the answer is 401.

    `by_temporary_key`: a signature with one is as good as any; else it gets 403.
    """
    token = call.request.headers.get("x-auth-token", "")
    if token:
        holder = holder_of(call.session, token)
        if holder is None:
            raise _bad_token(call.session, "The token is invalid or has expired.")
        return holder
    signature = read_signature(call.request)
    if signature is None:
        raise gateway_unauthorized("Authentication information is missing.")
    if not by_temporary_key and identity_rows.temporary_key(call.session, signature.access) is not None:
        raise refused("IAM.0002")
    return _signer(call, signature)


def holder_of(session: Session, token: str) -> Holder | None:
    """Whom a valid token belongs to; None for any other. Users who are disabled lose theirs."""
    given = valid_token(session, token)
    if given is None:
        return None
    return given.holder if _may_act(session, given.holder) else None


def _may_act(session: Session, holder: Holder) -> bool:
    """Whether the user who acts is still let in."""
    known = identity_rows.accounts(session)
    acting = holder.user if holder.assumed_by is None else holder.assumed_by[0]
    user = None if known is None else known.user(acting.id)
    return user is None or user.status is UserStatus.ACTIVE


def valid_token(session: Session, token: str) -> Token | None:
    """A token with its times. One that was given at the start is always as if it had just been signed in for."""
    given = identity_rows.token(session, token)
    if given is not None:
        return given if session.now < given.expires else None
    if token not in session.facts.tokens:
        return None
    return Token(session.now, life_from_now(session), anyone(session))


def life_from_now(session: Session) -> int:
    """When a token that is given now will expire, in milliseconds since 1970."""
    return session.now + round(session.facts.rules.token_seconds * 1000)


def anyone(session: Session) -> Holder:
    """Whoever comes without an account: the one user of a world that lets everyone in."""
    known = identity_rows.accounts(session)
    account = _ACCOUNT if known is None else Named(known.accounts[0].id, known.accounts[0].name)
    return Holder(USER, account, own_project(session), ("password",))


def own_project(session: Session) -> Named:
    """The world's project."""
    known = identity_rows.accounts(session)
    return Named(session.facts.project_id, (known.project if known else "") or REGION)


def projects(session: Session, known: Accounts, account: str) -> list[Named]:
    """The projects of an account, given by its id."""
    own = [own_project(session)] if known.accounts[0].id == account else []
    return own + [Named(one.id, one.name) for one in known.projects if one.account == account]


def user_holder(known: Accounts, user_id: str, method: str) -> Holder:
    """A user of the world, who has no project yet."""
    user = known.user(user_id)
    if user is None:
        raise KeyError(user_id)
    account = known.account(user.account)
    return Holder(Named(user.id, user.name), Named(account.id, account.name), None, (method,))


def _bad_token(session: Session, message: str) -> Refusal:
    if session.facts.rules.bad_token == 400:
        return refusal("SDRS.0002", message)
    return gateway_unauthorized(message)


def _signer(call: Call, signature: Signature) -> Holder:
    """The owner of the access key that a request is signed with, in the project that the request names."""
    session = call.session
    known = identity_rows.accounts(session)
    temporary = identity_rows.temporary_key(session, signature.access)
    if temporary is not None:
        _check_lock(session, signature)
        given = call.request.headers.get("x-security-token", "")
        if given != temporary.security_token:
            raise _key_refused(session, signature, "decrypt token fail")
        if session.now >= temporary.expires or not _may_act(session, temporary.holder):
            raise _key_refused(session, signature, "token expires")
        _verify(call, signature, temporary.secret)
        return _in_project(call, temporary.holder)
    if known is None:
        return _in_project(call, anyone(session))
    key = known.key(signature.access)
    user = None if key is None else known.user(key.user)
    if key is None or user is None:
        raise _secret_failed(signature, "ak not exist")
    _check_lock(session, signature)
    if key.status is not KeyStatus.ACTIVE or user.status in (UserStatus.DISABLED, UserStatus.LOCKED):
        raise _secret_failed(signature, "ak is not active" if user.status is UserStatus.ACTIVE else "user is disabled")
    _verify(call, signature, key.secret)
    return _in_project(call, user_holder(known, user.id, "hmac"))


def _verify(call: Call, signature: Signature, secret: str) -> None:
    session = call.session
    off = signature.at - session.now / 1000
    if abs(off) > _SKEW:
        raise _key_refused(session, signature, f"verify aksk signature fail: X-Sdk-Date is {abs(off):.0f} s off")
    canonical = canonical_request(call.request, signature)
    if not fits(canonical, signature, secret):
        repeated = canonical.replace("\n", "|")
        raise _key_refused(session, signature, f"verify aksk signature fail, canonicalRequest:{repeated}")
    if identity_rows.key_refusals(session, signature.access)[0]:
        identity_rows.set_key_refusals(session, signature.access, 0, 0)


def _check_lock(session: Session, signature: Signature) -> None:
    _, until = identity_rows.key_refusals(session, signature.access)
    if session.now < until:
        raise gateway_unauthorized("AK access failed to reach the limit, forbidden")


def _key_refused(session: Session, signature: Signature, why: str) -> Refusal:
    """The refusal of a known access key, which counts towards its lock."""
    number = identity_rows.key_refusals(session, signature.access)[0] + 1
    is_locked = number >= _REFUSALS
    until = session.now + _LOCKED if is_locked else 0
    identity_rows.set_key_refusals(session, signature.access, 0 if is_locked else number, until)
    return gateway_unauthorized(why)


def _secret_failed(signature: Signature, why: str) -> Refusal:
    return gateway_unauthorized(f"Get secretKey failed,ak:{signature.access},err:{why}")


def _in_project(call: Call, holder: Holder) -> Holder:
    """The holder, in the project of X-Project-Id or the one that the account has at once."""
    session, headers = call.session, call.request.headers
    known = identity_rows.accounts(session)
    if known is None:
        if headers.get("x-project-id", session.facts.project_id) != session.facts.project_id:
            raise gateway_unauthorized("The project is unknown to the owner of the access key.")
        return holder
    if headers.get("x-domain-id", holder.account.id) != holder.account.id:
        raise gateway_unauthorized("The account is not the one of the owner of the access key.")
    owned = projects(session, known, holder.account.id)
    wanted = headers.get("x-project-id")
    if wanted is None:
        return replace(holder, project=holder.project or next(iter(owned), None))
    for project in owned:
        if project.id == wanted:
            return replace(holder, project=project)
    raise gateway_unauthorized("The project is unknown to the owner of the access key.")
