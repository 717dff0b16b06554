"""What can be set about a world: its rules while it runs, and what a fresh one starts with."""

from __future__ import annotations

import enum
from dataclasses import dataclass

UNLIMITED = -1


class WorldError(Exception):
    """The simulator can't start or can't use its file; the message says how to put it right."""


class NotFoundAs(enum.StrEnum):
    """How a missing object is reported; the reference promises the second, the service is seen to do the first."""

    BAD_REQUEST = "400"
    NOT_FOUND = "404"


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
    """What a fresh world starts with. An empty `project_id` is drawn; a quota of -1 is unlimited."""

    project_id: str = ""
    domains: tuple[Domain, ...] = (Domain(),)
    group_quota: int = 50
    replication_quota: int = 100


@dataclass(frozen=True, slots=True)
class Rules:
    """How a world behaves while this process uses it; none of it is kept in the file.

    `job_seconds` gives every job one duration (seconds, still divided by the speed) in place of the usual ones;
    `token_seconds` is the life of an IAM token.
    """

    job_seconds: float | None = None
    token_seconds: float = 86_400.0
    not_found: NotFoundAs = NotFoundAs.BAD_REQUEST
