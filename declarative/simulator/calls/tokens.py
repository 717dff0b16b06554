"""Tokens and catalogues as IAM shows them (docs/sdrs-api.md, "The answer" and "The catalogue")."""

from __future__ import annotations

from declarative.simulator.calls import identity
from declarative.simulator.protocol.wire import Answer, stamp_six
from declarative.simulator.tables.identity_rows import Holder, Named, Token
from declarative.simulator.tables.session import Call


def answer(call: Call, text: str, token: Token, *, status: int) -> Answer:
    """A token with all that IAM says of it."""
    holder = token.holder
    document: dict[str, object] = {
        "methods": list(holder.methods),
        "issued_at": stamp_iam(token.issued),
        "expires_at": stamp_iam(token.expires),
        "user": {**_shown(holder.user), "domain": _shown(holder.account)},
        **_shown_scope(holder),
        "roles": [{"id": "0", "name": "sdrs_adm"}],
    }
    if holder.assumed_by is not None:
        user, account = holder.assumed_by
        document["assumed_by"] = {"user": {**_shown(user), "domain": _shown(account)}}
    if "nocatalog" not in call.query().values:
        document["catalog"] = catalog(call, holder)
    made = Answer.of({"token": document}, status=status)
    return Answer(status, made.body, (*made.headers, ("X-Subject-Token", text)))


def _shown_scope(holder: Holder) -> dict[str, object]:
    if holder.project is None:
        return {"domain": _shown(holder.account)}
    return {"project": {**_shown(holder.project), "domain": _shown(holder.account)}}


def _shown(named: Named) -> dict[str, object]:
    return {"id": named.id, "name": named.name}


def stamp_iam(now: int) -> str:
    """Milliseconds since 1970 as IAM writes times: `yyyy-MM-ddTHH:mm:ss.SSSSSSZ`."""
    return f"{stamp_six(now)}Z"


def catalog(call: Call, holder: Holder) -> list[dict[str, object]]:
    """The services there are, at the address that the client itself has used; SDRS only for a project."""
    base, region = call.request.base_url, identity.REGION
    services = [("identity", "iam", f"{base}/v3")]
    if holder.project is not None and call.session.facts.rules.catalogue_has_sdrs:
        services.insert(0, ("sdrs", "sdrs", f"{base}/v1/{holder.project.id}"))
    place = {"interface": "public", "region": region, "region_id": region}
    return [
        {"id": kind, "type": kind, "name": name, "endpoints": [{"id": kind, **place, "url": url}]}
        for kind, name, url in services
    ]
