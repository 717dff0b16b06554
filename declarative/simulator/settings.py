"""What can be set about a world: its rules while it runs, and what a fresh one starts with."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from declarative.simulator.accounts import Accounts
from declarative.simulator.estate import Estate
from declarative.simulator.protocol.wire import Envelope

UNLIMITED = -1


class WorldError(Exception):
    """The simulator can't start or can't use its file; the message says how to put it right."""


class NotFoundAs(enum.StrEnum):
    """How a missing object is reported: the pages say 404, the error codes 400 (docs/sdrs-api.md, "Not found")."""

    BAD_REQUEST = "400"
    NOT_FOUND = "404"


class DevicePrefix(enum.StrEnum):
    """What devices are called by the hypervisor of the servers, whatever a request says."""

    KVM = "vd"
    XEN = "sd"


class TaskId(enum.StrEnum):
    """Which id deletes a failed task; that is not documented (docs/sdrs-api.md, "Task centre")."""

    ANY = "any"
    JOB = "job"
    RESOURCE = "resource"


class AgencyKey(enum.StrEnum):
    """Which member holds an agency's name; whether each cloud takes both is unproven (docs/sdrs-api.md, "IAM")."""

    ANY = "any"
    AGENCY_NAME = "agency_name"
    XROLE_NAME = "xrole_name"


@dataclass(frozen=True, slots=True)
class Domain:
    """An active-active domain: a pair of availability zones. An empty `id` is drawn when the world is made."""

    name: str = "ActiveactiveDomain"
    zones: tuple[str, str] = ("eu-de-01", "eu-de-02")
    description: str = "active-active domain"
    sold_out: bool = False
    id: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a fresh world starts with. An empty `project_id` is drawn; a quota of -1 is unlimited.

    Without an `estate` any server or disk id is fine: an unknown server is taken as an active one with a system disk
    of 40 GB, an unknown disk as an available one of 100 GB, both where the group's production is and in its VPC. The
    disk turns out to be a shared one when a second instance gets its pair.

    Without `accounts` everyone is let in, with any password and any well-formed signature.
    """

    project_id: str = ""
    domains: tuple[Domain, ...] = (Domain(),)
    group_quota: int = 50
    replication_quota: int = 100
    estate: Estate | None = None
    accounts: Accounts | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """How a world behaves while this process uses it; none of it is kept in the file. See `rules.RULE_HELP`.

    Times are in seconds by the world's clock; a limit of -1 is none. What is not documented has the likelier
    behaviour as its default (docs/sdrs-api.md, "Left open").
    """

    job_seconds: float | None = None
    copy_seconds: float | None = None
    token_seconds: float = 86_400.0
    kept_seconds: float | None = None
    not_found: NotFoundAs = NotFoundAs.BAD_REQUEST
    unknown_job: int = 404
    bad_token: int = 401
    clock_ahead: float = 0.0
    catalogue_has_sdrs: bool = True
    iam_codes: bool = False
    agency_key: AgencyKey = AgencyKey.ANY
    accepted: int = 200
    envelope: Envelope = Envelope.E1
    stop_needs_copy: bool = True
    one_at_a_time: bool = False
    grows_in_use: bool = True
    hand_made_pairs_stay: bool = True
    automatic_pairs_stay: bool = False
    failed_creates_stay: bool = True
    groups_go_in_any_status: bool = True
    failed_jobs_tell: bool = False
    servers_swap: bool = False
    frozen: bool = False
    dashless_ids: bool = False
    device_prefix: DevicePrefix = DevicePrefix.KVM
    task_id: TaskId = TaskId.ANY
    page_limit: int = 1000
    tag_limit: int = 10
    instance_limit: int = UNLIMITED
    unattached_limit: int = UNLIMITED
