"""Protection groups: one VPC, one pair of availability zones.

Source: SDRS API reference, "Protection Group" and "Active-Active Domain"; docs/sdrs-api.md, "Protection groups".
"""

from __future__ import annotations

from collections.abc import Callable

from declarative.errors import did_you_mean
from declarative.kinds.describing import ID, LINE, NAME, description, told
from declarative.kinds.judging import status_troubles
from declarative.kinds.status import PROTECTED, SHARED, held_because, swapped
from declarative.model import (
    Attributes,
    Call,
    Calls,
    Codes,
    Describing,
    Field,
    Health,
    Json,
    Kind,
    Lookups,
    OnChange,
    Problem,
    Relations,
    Statuses,
    Switch,
    Variable,
    Wire,
    Words,
)

_FIELDS = {
    "name": Field(on_change=OnChange.UPDATE),
    "description": Field(empty_is_absent=True),
    "source_availability_zone": Field(),
    "target_availability_zone": Field(),
    "domain_id": Field(),
    "source_vpc_id": Field(),
    "dr_type": Field(),
    "server_type": Field(),
    # Goals and opinions of the manifest: no field of the create call.
    "protection": Field(on_change=OnChange.RECORD, at_creation=False),
    "priority_station": Field(on_change=OnChange.RECORD, at_creation=False),
}


def _health(observed: Attributes, inputs: Attributes) -> Health:
    health = SHARED.get(str(observed.get("status")), Health.HELD)
    return Health.HELD if swapped(observed, inputs) and health is not Health.BROKEN else health


def _complete(spec: Attributes, lookups: Lookups) -> tuple[Attributes, tuple[Problem, ...]]:
    """Return the fields to send, with `domain` looked up, and what speaks against them."""
    inputs = {name: spec[name] for name in _FIELDS if spec.get(name) is not None}
    problems: list[Problem] = []
    source, target = spec.get("source_availability_zone"), spec.get("target_availability_zone")
    if source == target:
        problems.append(
            Problem(
                ("spec", "target_availability_zone"),
                f"the source and target availability zones are both {source}",
                "Use the domain's other zone for one of them.",
                id="equal-zones",
            )
        )
    if lookups.domains is None:
        return inputs, tuple(problems)
    domain = _domain(spec, lookups.domains, problems)
    if domain is not None:
        inputs["domain_id"] = domain["id"]
        problems.extend(_zone_problems(spec, domain))
    return inputs, tuple(problems)


def _domain(spec: Attributes, domains: tuple[Attributes, ...], problems: list[Problem]) -> Attributes | None:
    if "domain" not in spec:
        # An id that the list lacks is left to the service: the list holds what it offers, not all that exists.
        return next((domain for domain in domains if domain.get("id") == spec.get("domain_id")), None)
    wanted = str(spec["domain"])
    found = [domain for domain in domains if domain.get("name") == wanted]
    if len(found) == 1:
        return found[0]
    names = [str(domain.get("name")) for domain in domains]
    if found:
        finding_id = "ambiguous-domain"
        summary = f"{len(found)} active-active domains are named {wanted!r}"
        fix = "Use domain_id instead: " + ", ".join(str(domain.get("id")) for domain in found)
    else:
        finding_id = "unknown-domain"
        summary = f"the cloud has no active-active domain named {wanted!r}"
        fix = f"{did_you_mean(wanted, names)} Known: {', '.join(names) or 'none'}".strip()
    problems.append(Problem(("spec", "domain"), summary, fix, id=finding_id))
    return None


def _zones(domain: Attributes) -> list[str]:
    clusters = (domain.get("local_replication_cluster"), domain.get("remote_replication_cluster"))
    return [str(cluster.get("availability_zone")) for cluster in clusters if isinstance(cluster, dict)]


def _zone_problems(spec: Attributes, domain: Attributes) -> list[Problem]:
    zones = _zones(domain)
    return [
        Problem(
            ("spec", name),
            f"{spec.get(name)!r} is not a zone of the active-active domain {domain.get('name')!r}",
            f"Its zones are {' and '.join(zones)}.",
            id="zone-not-in-domain",
        )
        for name in ("source_availability_zone", "target_availability_zone")
        if len(zones) == 2 and spec.get(name) not in zones
    ]


def _create(inputs: Attributes) -> Call:
    body = {name: inputs[name] for name, field in _FIELDS.items() if field.at_creation and name in inputs}
    return Call("POST", ("server-groups",), {"server_group": body}, idempotent=False, starts_job=True)


def _update(object_id: str, inputs: Attributes, observed: Attributes, changed: frozenset[str]) -> tuple[Call, ...]:
    if "name" not in changed:
        return ()
    body = {"server_group": {"name": inputs["name"]}}
    return (Call("PUT", ("server-groups", object_id), body, idempotent=False, fields=frozenset({"name"})),)


def _delete(object_id: str, inputs: Attributes) -> Call:
    return Call("DELETE", ("server-groups", object_id), idempotent=False, starts_job=True)


def _action(verb: str) -> Callable[[str], Call]:
    def call(object_id: str) -> Call:
        path = ("server-groups", object_id, "action")
        return Call("POST", path, {verb: {}}, idempotent=False, starts_job=True)

    return call


def _describe(shown: Attributes, context: Describing) -> Attributes:
    spec: dict[str, Json] = {
        "source_availability_zone": told(shown, "source_availability_zone", NAME),
        "target_availability_zone": told(shown, "target_availability_zone", NAME),
        **_told_domain(shown, context.lookups),
        "source_vpc_id": told(shown, "source_vpc_id", ID),
        **description(shown, context),
    }
    if shown.get("status") == "protected":
        spec["protection"] = "enabled"
    if shown.get("priority_station") == "target":
        spec["priority_station"] = "target"
    return spec


def _told_domain(shown: Attributes, lookups: Lookups) -> dict[str, Json]:
    """The domain by its name where that name means this domain alone."""
    domain_id = told(shown, "domain_id", ID)
    domains = lookups.domains or ()
    names = {str(domain.get("name")) for domain in domains if domain.get("id") == domain_id}
    alike = [domain for domain in domains if str(domain.get("name")) in names]
    if len(alike) == 1 and all(LINE.fullmatch(name) for name in names):
        return {"domain": names.pop()}
    return {"domain_id": domain_id}


KIND = Kind(
    name="ProtectionGroup",
    noun="protection group",
    fields=_FIELDS,
    wire=Wire(
        collection="server-groups",
        envelope="server_group",
        list_key="server_groups",
        entity_keys=("server_group_id",),
        failure_type="server_groups",
        quota="server_groups",
        quota_code="SDRS.0305",
    ),
    codes=Codes(
        gone=frozenset({"SDRS.1013"}),
        wait=frozenset({"SDRS.1002"}),
    ),
    relations=Relations(
        lookups={"domain": "domain_id"},
        lookup_names={"domain": "domain_name"},
        copied="ReplicationPair",
        side="priority_station",
        goal="protection",
        place=("domain_id", "source_availability_zone", "target_availability_zone", "source_vpc_id"),
        names_unique_in="",
    ),
    calls=Calls(
        timeouts={"create": 600.0, "update": 120.0, "delete": 600.0, "enable": 3600.0, "disable": 1800.0},
        complete=_complete,
        create=_create,
        update=_update,
        delete=_delete,
        # `start-server-group` enables only from these two; from a failed-over group it copies back over the old
        # production disks (docs/sdrs-api.md, "Enable or reprotect").
        enable=Switch(
            goal="enabled",
            call=_action("start-server-group"),
            sent_from=frozenset({"available", "error-starting"}),
            running="starting",
            reached="protected",
            wait_codes=frozenset({"SDRS.1002"}),
        ),
        disable=Switch(
            goal="disabled",
            call=_action("stop-server-group"),
            sent_from=frozenset({"protected", "error-stopping"}),
            running="stopping",
            reached="available",
            wait_codes=frozenset({"SDRS.1002", "SDRS.1830"}),
        ),
        seen={"create": 15.0, "enable": 20.0, "disable": 8.0},
    ),
    statuses=Statuses(
        health=_health,
        held_because=held_because,
        protected=PROTECTED,
    ),
    words=Words(
        plural="groups",
        describe=_describe,
        variables={
            "source_vpc_id": Variable("vpc_id", "VPC of the protected servers"),
            "source_availability_zone": Variable("zone", "Availability zone"),
            "target_availability_zone": Variable("zone", "Availability zone"),
            "domain": Variable("domain", "Active-active domain"),
            "domain_id": Variable("domain_id", "Active-active domain, by its id"),
        },
        judge=status_troubles,
    ),
)
