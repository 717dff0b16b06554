"""What clients read of IAM before their first call, in the shapes of Keystone v3 (docs/sdrs-api.md, "IAM").

There is one user, in one domain, with one project. They have names of their own, and any other that a client asks for.
"""

from __future__ import annotations

from declarative.simulator.calls import identity
from declarative.simulator.calls.identity import DOMAIN, keystone_refusal
from declarative.simulator.protocol.wire import Answer
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
    life = round(call.session.facts.rules.token_seconds * 1000)
    expires = identity.expiry(call.session, subject)
    if expires is None:
        raise keystone_refusal(404, "Not Found", "Could not find the token.")
    answer = Answer.of({"token": identity.token_document(call, ["password"], issued=expires - life, expires=expires)})
    return Answer(200, answer.body, (*answer.headers, ("X-Subject-Token", subject)))


def list_catalog(call: Call) -> Answer:
    """`GET /v3/auth/catalog`."""
    return _listed(call, "catalog", identity.catalog(call))


def list_projects(call: Call) -> Answer:
    """`GET /v3/projects` and `GET /v3/auth/projects`: the project, under the name that is asked for."""
    return _listed(call, "projects", [_project(call, call.query().text("name"))])


def show_project(call: Call) -> Answer:
    """`GET /v3/projects/{project_id}`."""
    if call.parameters[0] != call.session.facts.project_id:
        raise keystone_refusal(404, "Not Found", "Could not find the project.")
    return Answer.of({"project": _project(call, "")})


def list_domains(call: Call) -> Answer:
    """`GET /v3/auth/domains`: the account, which has nothing to do with active-active domains."""
    return _listed(
        call, "domains", [_entry(call, "domains", DOMAIN["id"], call.query().text("name") or DOMAIN["name"])]
    )


def list_users(call: Call) -> Answer:
    """`GET /v3/users`: the user, under the name that is asked for."""
    name = call.query().text("name") or identity.USER
    return _listed(call, "users", [_entry(call, "users", identity.USER, name) | {"domain_id": DOMAIN["id"]}])


def _project(call: Call, name: str) -> Document:
    project_id = call.session.facts.project_id
    about = {"domain_id": DOMAIN["id"], "parent_id": DOMAIN["id"], "is_domain": False, "description": ""}
    return _entry(call, "projects", project_id, name or identity.REGION) | about


def _entry(call: Call, noun: str, entry_id: str, name: str) -> Document:
    links = {"self": f"{call.request.base_url}/v3/{noun}/{entry_id}"}
    return {"id": entry_id, "name": name, "enabled": True, "links": links}


def _listed(call: Call, noun: str, entries: list[Document]) -> Answer:
    links = {"self": f"{call.request.base_url}{call.request.path}", "previous": None, "next": None}
    return Answer.of({noun: entries, "links": links})
