"""`POST /v3.0/OS-CREDENTIAL/securitytokens`: temporary access keys (docs/sdrs-api.md, "Temporary access keys")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from declarative.simulator.calls import identity, sign_in
from declarative.simulator.calls.sign_in import denied, inner
from declarative.simulator.calls.tokens import stamp_iam
from declarative.simulator.protocol.fields import read_object
from declarative.simulator.protocol.refusals import keystone_refusal
from declarative.simulator.protocol.wire import Answer
from declarative.simulator.tables import identity_rows
from declarative.simulator.tables.identity_rows import Holder, Named, TemporaryKey
from declarative.simulator.tables.session import Call

_SHORTEST, _LONGEST = 900, 86_400  # seconds


def create(call: Call) -> Answer:
    """Give a temporary access key to whoever brings a token, or to an agency of theirs."""
    session = call.session
    given = inner(inner(read_object(call.request.body), "auth"), "identity")
    (method, *more) = sign_in.read_methods(given, ("token", "assume_role"))
    if more:
        raise keystone_refusal(400, "methods must be either token or assume_role")
    part = given.get(method, {})
    if not isinstance(part, dict):
        raise keystone_refusal(400, f"the request must hold an object {method}")
    asker = _asker(call, part)
    holder = asker if method == "token" else _by_agency(call, part, asker)
    key = TemporaryKey(
        access=session.draw.hex(20).upper(),
        secret=session.draw.hex(40),
        security_token=session.draw.hex(128),
        expires=session.now + _seconds(part) * 1000,
        holder=replace(holder, methods=(method,)),
    )
    identity_rows.keep_temporary_key(session, key)
    document = {
        "access": key.access,
        "secret": key.secret,
        "securitytoken": key.security_token,
        "expires_at": stamp_iam(key.expires),
    }
    return Answer.of({"credential": document}, status=201)


def _asker(call: Call, part: Mapping[str, object]) -> Holder:
    """The owner of the token in the header, or else of the one in the body."""
    token = part.get("id")
    if "x-auth-token" in call.request.headers or not isinstance(token, str):
        return identity.authenticated(call, by_temporary_key=False)
    holder = identity.holder_of(call.session, token)
    if holder is None:
        raise denied(call.session, "IAM.0067")
    return holder


def _by_agency(call: Call, part: Mapping[str, object], asker: Holder) -> Holder:
    session = call.session
    known = identity_rows.accounts(session)
    if known is not None:
        holder = sign_in.agency_holder(session, known, part, asker)
        return replace(holder, project=next(iter(identity.projects(session, known, holder.account.id)), None))
    agency = Named("agency", sign_in.anyones_agency(session, part))
    return replace(identity.anyone(session), user=agency, assumed_by=(asker.user, asker.account))


def _seconds(part: Mapping[str, object]) -> int:
    seconds = part.get("duration_seconds", _SHORTEST)
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not _SHORTEST <= seconds <= _LONGEST:
        raise keystone_refusal(400, f"duration_seconds must be a whole number from {_SHORTEST} to {_LONGEST}")
    return seconds
