"""`POST /v3/auth/tokens`: the ways to sign in (docs/sdrs-api.md, "Ways to sign in" and "An agency").

In a world without accounts anyone gets in who brings what their way needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from declarative.simulator.accounts import Account, Accounts, User, UserStatus
from declarative.simulator.calls import identity, tokens
from declarative.simulator.protocol.fields import read_object
from declarative.simulator.protocol.refusals import iam_refusal, keystone_refusal
from declarative.simulator.protocol.wire import Answer, Refusal
from declarative.simulator.settings import AgencyKey
from declarative.simulator.tables import identity_rows
from declarative.simulator.tables.history import Effect, Noun, Subject
from declarative.simulator.tables.identity_rows import Holder, Named, Token
from declarative.simulator.tables.session import Call, Session

Fields = Mapping[str, object]
_METHODS = ("password", "totp", "application_credential", "token", "assume_role")
_NO_AGENCY = "assume_role needs the name of an agency and its domain_id or domain_name"
_STATUSES = {
    UserStatus.DISABLED: "IAM.0082",
    UserStatus.LOCKED: "IAM.0061",
    UserStatus.CONSOLE_ONLY: "IAM.0081",
}


def sign_in(call: Call) -> Answer:
    """Give a token in `X-Subject-Token`, with a catalogue that names SDRS."""
    session = call.session
    auth = inner(read_object(call.request.body), "auth")
    given = inner(auth, "identity")
    methods = read_methods(given, _METHODS)
    parts = {method: inner(given, method) for method in methods}
    scope = auth.get("scope")
    known = identity_rows.accounts(session)
    if "totp" in parts and "password" not in parts:
        raise denied(session, "IAM.0001", "A passcode needs the password beside it.")
    holder = _anyone(call, parts, scope) if known is None else _somebody(call, known, parts, scope)
    holder = replace(holder, methods=methods)
    text = session.draw.hex(64)
    token = Token(session.now, identity.life_from_now(session), holder)
    identity_rows.keep_token(session, text, token)
    session.record(Effect.SIGNED_IN, Subject(Noun.WORLD, session.facts.project_id), methods[0])
    return tokens.answer(call, text, token, status=201)


def read_methods(given: Fields, choices: tuple[str, ...]) -> tuple[str, ...]:
    """The `methods` of an `identity`."""
    methods = given.get("methods")
    if not isinstance(methods, list) or not methods or not set(choices).issuperset(map(str, methods)):
        raise keystone_refusal(400, f"methods must be out of {', '.join(choices)}")
    return tuple(map(str, methods))


def inner(document: Fields, key: str) -> Fields:
    """The object in a member of a body; 400 if there is none."""
    found = document.get(key)
    if not isinstance(found, dict):
        raise keystone_refusal(400, f"the request must hold an object {key}")
    return found


def denied(session: Session, code: str, words: str = "") -> Refusal:
    """A refusal of IAM, in the shape that the rules ask for."""
    return iam_refusal(code, has_code=session.facts.rules.iam_codes, words=words)


# ---------------------------------------------------------------- a world that lets everyone in


def _anyone(call: Call, parts: Mapping[str, Fields], scope: object) -> Holder:
    session = call.session
    holder = identity.anyone(session)
    for method, given in parts.items():
        if method == "assume_role":
            agency = Named("agency", anyones_agency(session, given))
            asker = identity.authenticated(call)
            holder = replace(holder, user=agency, assumed_by=(asker.user, asker.account))
        else:
            _check_anyones_secret(session, method, given)
    if isinstance(scope, dict) and isinstance(scope.get("project"), dict):
        wanted = scope["project"].get("id")  # one given by name may have any
        if wanted is not None and wanted != session.facts.project_id:
            raise denied(session, "IAM.0001")
    return holder


def _check_anyones_secret(session: Session, method: str, given: Fields) -> None:
    match method:
        case "password" | "totp":
            user = inner(given, "user")
            named = user.get("name") or user.get("id")
            secret = user.get("password" if method == "password" else "passcode")
        case "application_credential":
            named, secret = given.get("name") or given.get("id"), given.get("secret")
        case _:
            named = secret = given.get("id")
            if not isinstance(named, str) or identity.holder_of(session, named) is None:
                raise denied(session, "IAM.0001")
    if not isinstance(named, str) or not isinstance(secret, str) or not secret:
        raise denied(session, "IAM.0001")


def anyones_agency(session: Session, given: Fields) -> str:
    """The name of an agency where there are no accounts: any will do."""
    name, account = agency_name(session, given), given.get("domain_id") or given.get("domain_name")
    if name is None or not isinstance(account, str):
        raise keystone_refusal(400, _NO_AGENCY)
    return name


# ---------------------------------------------------------------- a world with accounts


def _somebody(call: Call, known: Accounts, parts: Mapping[str, Fields], scope: object) -> Holder:
    """Whoever the parts prove to be, in the scope that is asked for."""
    session = call.session
    if "password" in parts:
        user = _with_password(session, known, parts["password"])
        _check_passcode(session, user, parts.get("totp"))
        holder = identity.user_holder(known, user.id, "password")
    elif "application_credential" in parts:
        if scope is not None:
            raise denied(session, "IAM.0001", "Application credentials cannot request a scope.")
        return _with_credential(session, known, parts["application_credential"])
    elif "assume_role" in parts:
        holder = agency_holder(session, known, parts["assume_role"], identity.authenticated(call))
    else:
        token = parts["token"].get("id")
        found = identity.holder_of(session, token) if isinstance(token, str) else None
        if found is None:
            raise denied(session, "IAM.0067")
        holder = found
    return replace(holder, project=_scope(session, known, holder.account, scope))


def _with_password(session: Session, known: Accounts, given: Fields) -> User:
    fields = inner(given, "user")
    user = find_user(session, known, fields)
    if user is None or fields.get("password") != user.password:
        raise denied(session, "IAM.0062")
    _check_status(session, user)
    return user


def _check_status(session: Session, user: User) -> None:
    if user.status in _STATUSES:
        raise denied(session, _STATUSES[user.status])


def find_user(session: Session, known: Accounts, fields: Fields) -> User | None:
    """The user of an id, or of a name in a domain."""
    if "id" in fields:
        return known.user(str(fields["id"]))
    if not isinstance(fields.get("name"), str):
        raise denied(session, "IAM.0001")
    account = _find_account(known, inner(fields, "domain"))
    return next(
        (one for one in known.users if account and (one.name, one.account) == (fields["name"], account.id)), None
    )


def _find_account(known: Accounts, fields: Fields) -> Account | None:
    for account in known.accounts:
        if fields["id"] == account.id if "id" in fields else fields.get("name") == account.name:
            return account
    return None


def _check_passcode(session: Session, user: User, given: Fields | None) -> None:
    """With an MFA device, a passcode that was not used before; it is used up only behind the right password."""
    if given is None:
        if user.passcodes:
            raise denied(session, "IAM.0001", "The user must verify with a virtual MFA device.")
        return
    fields = inner(given, "user")
    is_theirs = fields["id"] == user.id if "id" in fields else fields.get("name") == user.name
    passcode = fields.get("passcode")
    if not is_theirs or passcode not in user.passcodes:
        raise denied(session, "IAM.1061")
    if not identity_rows.spend_passcode(session, user.id, str(passcode)):
        raise denied(session, "IAM.1061", "The verification code was used before.")


def _with_credential(session: Session, known: Accounts, given: Fields) -> Holder:
    owner = None if "id" in given else find_user(session, known, inner(given, "user"))
    for one in known.application_credentials:
        by_name = owner is not None and (given.get("name"), owner.id) == (one.name, one.user)
        is_named = given["id"] == one.id if "id" in given else by_name
        if is_named and given.get("secret") == one.secret:
            user = known.user(one.user)
            if user is not None:
                _check_status(session, user)
            holder = identity.user_holder(known, one.user, "application_credential")
            return replace(holder, project=identity.own_project(session))
    raise denied(session, "IAM.0001")


def agency_name(session: Session, given: Fields) -> str | None:
    """The name of the agency, under the key that this cloud takes."""
    for key in ("agency_name", "xrole_name"):
        name = given.get(key)
        if session.facts.rules.agency_key in (AgencyKey.ANY, key) and isinstance(name, str) and name:
            return name
    return None


def agency_holder(session: Session, known: Accounts, given: Fields, asker: Holder) -> Holder:
    """The agency that the asker may act by, in the delegating account."""
    name = agency_name(session, given)
    delegating = {key.removeprefix("domain_"): given[key] for key in ("domain_id", "domain_name") if key in given}
    if name is None or not delegating:
        raise keystone_refusal(400, _NO_AGENCY)
    account = _find_account(known, delegating)
    if account is None:
        raise denied(session, "IAM.0004", "Could not find the domain of the agency.")
    for agency in known.agencies:
        if (agency.name, agency.account) == (name, account.id):
            if asker.assumed_by is not None or asker.account.id != agency.trusted:
                raise denied(session, "IAM.0002")
            whose = Named(account.id, account.name)
            return Holder(Named(agency.id, agency.name), whose, None, ("assume_role",), (asker.user, asker.account))
    raise denied(session, "IAM.0004", f"Could not find the agency: {name}.")


def _scope(session: Session, known: Accounts, account: Named, scope: object) -> Named | None:
    """The project of a scope, which must be one of the account's; None for the account itself, or without a scope."""
    if not isinstance(scope, dict):
        return None
    if isinstance(scope.get("domain"), dict):
        found = _find_account(known, scope["domain"])
        if found is None or found.id != account.id:
            raise denied(session, "IAM.0001", "The domain is not the one of the user.")
        return None
    fields = inner(scope, "project")
    domain = fields.get("domain")
    place = _find_account(known, domain) if isinstance(domain, dict) else known.account(account.id)
    for project in identity.projects(session, known, account.id):
        if "id" in fields:
            if fields["id"] == project.id:
                return project
        elif place is not None and (fields.get("name"), place.id) == (project.name, account.id):
            return project
    raise denied(session, "IAM.1109")
