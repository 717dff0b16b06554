"""Endpoints of SDRS and IAM, from the catalogue or the vendors' published names. Pure.

Source: docs/sdrs-api.md, "The catalogue" and "Host names".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from declarative.errors import UsageError, did_you_mean, visible
from declarative.identity.keystone import Endpoint

_TYPE = "sdrs"
_EVERYWHERE = "*"
_GIVE_IT = "Give the endpoint of SDRS with --endpoint or SDRS_ENDPOINT."


@dataclass(frozen=True, slots=True)
class Hosts:
    """The published host names of a region; `sdrs` is "" where none is listed."""

    iam: str
    sdrs: str


_HOSTS: Mapping[str, Hosts] = {
    "eu-de": Hosts("iam.eu-de.otc.t-systems.com", "sdrs.eu-de.otc.t-systems.com"),
    "eu-nl": Hosts("iam.eu-nl.otc.t-systems.com", ""),
    "eu-ch2": Hosts("iam-pub.eu-ch2.sc.otc.t-systems.com", "sdrs.eu-ch2.sc.otc.t-systems.com"),
    "eu-west-101": Hosts("iam.eu-west-101.myhuaweicloud.eu", "sdrs.eu-west-101.myhuaweicloud.eu"),
}
_HUAWEI_WITH_SDRS = frozenset(
    {
        *("af-south-1", "ap-southeast-2", "ap-southeast-3", "cn-east-2", "cn-east-3", "cn-north-4", "cn-south-1"),
        *("la-north-2", "la-south-2", "sa-brazil-1", "tr-west-1"),
    }
)
_HUAWEI_REGION = re.compile(r"[a-z]{2}-[a-z]+-[0-9]{1,3}")
_DOMAINS = (".otc.t-systems.com", ".myhuaweicloud.com", ".myhuaweicloud.eu")


def published(region: str) -> Hosts | None:
    """The hosts of a region, by the vendors' tables; None for a region that they don't have."""
    if region in _HOSTS:
        return _HOSTS[region]
    if _HUAWEI_REGION.fullmatch(region) is None:
        return None
    sdrs = f"sdrs.{region}.myhuaweicloud.com" if region in _HUAWEI_WITH_SDRS else ""
    return Hosts(f"iam.{region}.myhuaweicloud.com", sdrs)


def in_catalogue(catalogue: Iterable[Endpoint], *, region: str, interface: str) -> str:
    """The URL of SDRS in a catalogue; "" when it has none at all, in any region.

    Raises UsageError when it is in other regions only, or in several and none is named.
    """
    found = [one for one in catalogue if _TYPE in (one.service_type, one.service_name)]
    of_interface = [one for one in found if one.interface == (interface or "public")]
    if not found:
        return ""
    if not of_interface:
        kinds = ", ".join(sorted({visible(one.interface, limit=40) for one in found}))
        raise UsageError(
            f"the catalogue has no SDRS for the interface '{visible(interface or 'public', limit=40)}'",
            f"It has: {kinds}. Set OS_INTERFACE to one of these, or unset it.",
        )
    regions = sorted({one.region for one in of_interface})
    fits = [one.url for one in of_interface if not region or one.region in (region, _EVERYWHERE)]
    if len(set(fits)) == 1:
        return fits[0]
    listed = ", ".join(visible(one, limit=80) for one in regions)
    if fits:
        raise UsageError(f"SDRS is in several regions: {listed}", "Choose one with --region or OS_REGION_NAME.")
    near = did_you_mean(region, regions)
    fix = f"{near} The catalogue has SDRS in: {listed}.".strip()
    raise UsageError(f"the catalogue has no SDRS in the region '{visible(region, limit=80)}'", fix)


def published_endpoint(region: str, *, auth_url: str) -> str:
    """The endpoint of SDRS by the published names, for an account of the vendors' own clouds. Raises UsageError.

    `auth_url`: where the account signs in, "" when nothing is said; credentials of another cloud go to none of these.
    """
    host = urlsplit(auth_url).hostname or ""
    if auth_url and not host.endswith(_DOMAINS):
        raise UsageError(f"the catalogue of {visible(host, limit=120)} has no SDRS", _GIVE_IT)
    hosts = published(region) if region else None
    if hosts is None or not hosts.sdrs:
        where = f"in the region '{visible(region, limit=80)}'" if region else "without a region"
        raise UsageError(f"the SDRS endpoint {where} is unknown", f"{_GIVE_IT} Or choose another region with --region.")
    return f"https://{hosts.sdrs}"
