"""Environment variables to named values: OS_*, HW_* and SDRS_*, with the other names that tools give them. Pure.

Sources: openstacksdk and keystoneauth1 (OS_*), the documentation of the Terraform providers opentelekomcloud (OS_*) and
huaweicloud (HW_*).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from declarative.errors import Diagnostic, InputError
from declarative.identity.values import Found, Values, flaw, found

OPENSTACK: Mapping[str, tuple[str, ...]] = {
    "access_key": ("OS_ACCESS_KEY",),
    "agency_domain_name": ("OS_AGENCY_DOMAIN_NAME",),
    "agency_name": ("OS_AGENCY_NAME",),
    "application_credential_id": ("OS_APPLICATION_CREDENTIAL_ID",),
    "application_credential_name": ("OS_APPLICATION_CREDENTIAL_NAME",),
    "application_credential_secret": ("OS_APPLICATION_CREDENTIAL_SECRET",),
    "auth_type": ("OS_AUTH_TYPE",),
    "auth_url": ("OS_AUTH_URL",),
    "cacert": ("OS_CACERT",),
    "cert": ("OS_CERT",),
    "delegated_project": ("OS_DELEGATED_PROJECT",),
    "domain_id": ("OS_DOMAIN_ID",),
    "domain_name": ("OS_DOMAIN_NAME",),
    "identity_api_version": ("OS_IDENTITY_API_VERSION",),
    "insecure": ("OS_INSECURE",),
    "interface": ("OS_INTERFACE", "OS_ENDPOINT_TYPE"),
    "key": ("OS_KEY",),
    "passcode": ("OS_PASSCODE",),
    "password": ("OS_PASSWORD",),
    "project_domain_id": ("OS_PROJECT_DOMAIN_ID",),
    "project_domain_name": ("OS_PROJECT_DOMAIN_NAME",),
    "project_id": ("OS_PROJECT_ID", "OS_TENANT_ID"),
    "project_name": ("OS_PROJECT_NAME", "OS_TENANT_NAME"),
    "region_name": ("OS_REGION_NAME", "OS_REGION"),
    "secret_key": ("OS_SECRET_KEY",),
    "security_token": ("OS_SECURITY_TOKEN",),
    "token": ("OS_TOKEN", "OS_AUTH_TOKEN"),
    "user_domain_id": ("OS_USER_DOMAIN_ID",),
    "user_domain_name": ("OS_USER_DOMAIN_NAME",),
    "user_id": ("OS_USER_ID",),
    "username": ("OS_USERNAME", "OS_USER_NAME"),
}
HUAWEI: Mapping[str, tuple[str, ...]] = {
    "access_key": ("HW_ACCESS_KEY",),
    "agency_domain_name": ("HW_ASSUME_ROLE_DOMAIN_NAME",),
    "agency_name": ("HW_ASSUME_ROLE_AGENCY_NAME",),
    "auth_url": ("HW_AUTH_URL",),
    "domain_name": ("HW_DOMAIN_NAME",),
    "project_name": ("HW_PROJECT_NAME",),
    "region_name": ("HW_REGION_NAME",),
    "secret_key": ("HW_SECRET_KEY",),
    "security_token": ("HW_SECURITY_TOKEN",),
}
SDRS: Mapping[str, tuple[str, ...]] = {
    "endpoint": ("SDRS_ENDPOINT",),
    "project_id": ("SDRS_PROJECT_ID",),
    "region_name": ("SDRS_REGION",),
}
CLOUD = "OS_CLOUD"
# Of what the vendor's provider reads besides, this would change who signs in, or where: said, so that nobody waits.
_UNREAD = (
    "HW_AUTH_TOKEN",
    "HW_CLOUD",
    "HW_PROFILE",
    "HW_PROJECT_ID",
    "HW_SHARED_CONFIG_FILE",
    "HW_USER_NAME",
    "HW_USER_PASSWORD",
)


@dataclass(frozen=True, slots=True)
class Environment:
    """Values by name, each with its variable as the source.

    `openstack`, `huawei`, `sdrs`: from OS_*, HW_* and SDRS_*. `cloud`: OS_CLOUD, if it is set. `empty`: the variables
    that are set to nothing and count as not set. `unread`: variables of the huaweicloud provider that are not read.
    """

    openstack: Values
    huawei: Values
    sdrs: Values
    cloud: Found | None
    empty: tuple[str, ...]
    unread: tuple[str, ...]


def read_environment(environ: Mapping[str, str]) -> Environment:
    """Read the variables. Raises InputError with a finding for each that can't be used; a value is never repeated."""
    findings: list[Diagnostic] = []
    openstack, huawei, sdrs, cloud = (
        _values(environ, names, findings) for names in (OPENSTACK, HUAWEI, SDRS, {"cloud": (CLOUD,)})
    )
    if findings:
        raise InputError(findings)
    read = [one for table in (OPENSTACK, HUAWEI, SDRS) for names in table.values() for one in names]
    empty = tuple(sorted(one for one in (*read, CLOUD) if one in environ and not environ[one].strip()))
    unread = tuple(one for one in _UNREAD if environ.get(one))
    return Environment(openstack, huawei, sdrs, cloud.get("cloud"), empty, unread)


def _values(
    environ: Mapping[str, str], table: Mapping[str, tuple[str, ...]], findings: list[Diagnostic]
) -> dict[str, Found]:
    values: dict[str, Found] = {}
    for name, variables in table.items():
        given = [one for one in variables if environ.get(one, "").strip()]
        flaws = [(one, wrong) for one in given if (wrong := flaw(name, environ[one]))]
        findings.extend(
            Diagnostic(f"{one} {wrong.summary}", wrong.fix, id="bad-environment-value") for one, wrong in flaws
        )
        if len({environ[one] for one in given}) > 1:
            summary = f"{' and '.join(given)} name one value and differ"
            findings.append(
                Diagnostic(summary, f"Unset {given[-1]}, or give both the same value.", id="conflicting-values")
            )
        if given:
            values[name] = found(name, environ[given[0]], given[0])
    return values
