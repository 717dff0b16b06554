"""What clients read of IAM before their first call, in the shapes of Keystone v3 (docs/sdrs-api.md, "IAM").

A world that lets everyone in has one user, in one account, with one project. They have names of their own, and any
other that a client asks for.
"""

from __future__ import annotations

from declarative.simulator.accounts import Accounts
from declarative.simulator.calls import identity, tokens
from declarative.simulator.protocol.refusals import keystone_refusal
from declarative.simulator.protocol.wire import Answer
from declarative.simulator.tables import identity_rows
from declarative.simulator.tables.identity_rows import Holder, Named
from declarative.simulator.tables.session import Call

Document = dict[str, object]


def show_version(call: Call) -> Answer:
    """`GET /v3`: what the service speaks, to whoever asks."""
    media = {"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}
    version = {
        "id": "v3.6",
        "status": "stable",
        "updated": "2016-04-04T00:00:00Z",
        "links": [{"rel": "self", "href": f"{call.request.base_url}/v3/"}],
        "media-types": [media],
    }
    return Answer.of({"version": version})


def show_token(call: Call) -> Answer:
    """`GET /v3/auth/tokens`: whom the token in `X-Subject-Token` belongs to; 404 for one that isn't valid."""
    subject = call.request.headers.get("x-subject-token", "")
    token = identity.valid_token(call.session, subject)
    if token is None or identity.holder_of(call.session, subject) is None:
        raise keystone_refusal(404, "Could not find the token.")
    return tokens.answer(call, subject, token, status=200)


def list_catalog(call: Call) -> Answer:
    """`GET /v3/auth/catalog`."""
    return _listed(call, "catalog", tokens.catalog(call, identity.authenticated(call)))


def list_projects(call: Call) -> Answer:
    """`GET /v3/projects` and `GET /v3/auth/projects`: the projects of the account, those with the name in the query."""
    query = call.query()
    if ("page" in query.values) != ("per_page" in query.values):
        raise keystone_refusal(400, "page and per_page go together")
    holder = identity.authenticated(call)
    found = _projects(call, holder, query.text("name"))
    return _listed(call, "projects", [_project(call, one, holder.account) for one in found])


def show_project(call: Call) -> Answer:
    """`GET /v3/projects/{project_id}`."""
    holder = identity.authenticated(call)
    for project in _projects(call, holder, ""):
        if project.id == call.parameters[0]:
            return Answer.of({"project": _project(call, project, holder.account)})
    raise keystone_refusal(404, "Could not find the project.")


def list_domains(call: Call) -> Answer:
    """`GET /v3/auth/domains`: the account, which has nothing to do with active-active domains."""
    account, name = identity.authenticated(call).account, call.query().text("name")
    found = _named(call, [account], name)
    return _listed(call, "domains", [_entry(call, "domains", one) for one in found])


def list_users(call: Call) -> Answer:
    """`GET /v3/users`: the users of the account, those with the name in the query."""
    account, known = identity.authenticated(call).account, identity_rows.accounts(call.session)
    users = [identity.USER] if known is None else _users(known, account)
    found = _named(call, users, call.query().text("name"))
    return _listed(call, "users", [_entry(call, "users", one) | {"domain_id": account.id} for one in found])


def _users(known: Accounts, account: Named) -> list[Named]:
    return [Named(user.id, user.name) for user in known.users if user.account == account.id]


def _projects(call: Call, holder: Holder, name: str) -> list[Named]:
    session, known = call.session, identity_rows.accounts(call.session)
    if known is None:
        return _named(call, [identity.own_project(session)], name)
    return _named(call, identity.projects(session, known, holder.account.id), name)


def _named(call: Call, found: list[Named], name: str) -> list[Named]:
    """Those with the name; where everyone is let in, there is one with any."""
    if not name:
        return found
    if identity_rows.accounts(call.session) is None:
        return [Named(one.id, name) for one in found]
    return [one for one in found if one.name == name]


def _project(call: Call, project: Named, account: Named) -> Document:
    about = {"domain_id": account.id, "parent_id": account.id, "is_domain": False, "description": ""}
    return _entry(call, "projects", project) | about


def _entry(call: Call, noun: str, named: Named) -> Document:
    links = {"self": f"{call.request.base_url}/v3/{noun}/{named.id}"}
    return {"id": named.id, "name": named.name, "enabled": True, "links": links}


def _listed(call: Call, noun: str, entries: list[Document]) -> Answer:
    links = {"self": f"{call.request.base_url}{call.request.path}", "previous": None, "next": None}
    return Answer.of({noun: entries, "links": links})
