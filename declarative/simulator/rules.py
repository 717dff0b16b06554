"""Rules as text, one at a time: `NAME=VALUE`. What each means: see `RULE_HELP`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from enum import StrEnum
from typing import Any

from declarative.simulator.protocol.fields import PAGE_LIMIT
from declarative.simulator.protocol.wire import Envelope
from declarative.simulator.settings import UNLIMITED, AgencyKey, DevicePrefix, NotFoundAs, Rules, TaskId

RULE_HELP = """\
A rule is NAME=VALUE, for example hand_made_pairs_stay=false. The rules, each with its usual value:
  job_seconds                 how long every job takes, still divided by the speed; usually that depends on the job
  copy_seconds                the same for the first copy of a pair; usually a second for each GB
  token_seconds=86400         the life of a token
  kept_seconds                how long a job that has ended can be read; usually for ever
  not_found=400               how a missing object is answered: 400, or 404 in the envelope E3
  unknown_job=404             how a job that isn't there is answered, with SDRS.0408: 404, 400 or 500
  bad_token=401               how a bad token is answered: 401 by the gateway, or 400 with SDRS.0002
  clock_ahead=0               seconds that the cloud's clock is ahead of this machine's, or behind it, below 0; the date
                              of a signature may be 900 s off
  catalogue_has_sdrs=true     the catalogue names SDRS, and not IAM alone
  iam_codes=false             IAM refuses with codes of its own (IAM.0062) in the envelope E4; else as Keystone does
  agency_key=any              which member names an agency: any, agency_name or xrole_name
  accepted=200                how an asynchronous call is accepted: 200 or 202
  envelope=E1                 the envelope of the service's errors, E1 to E6
  stop_needs_copy=true        protection can't be disabled while pairs still copy (SDRS.1830)
  one_at_a_time=false         a group with a job of a member takes no other call either (SDRS.1002)
  grows_in_use=true           disks that are in use can be expanded; else SDRS.1816
  hand_made_pairs_stay=true   pairs that were attached by hand stay when their instance is deleted
  automatic_pairs_stay=false  so do the pairs that came with the instance
  failed_creates_stay=true    what couldn't be created stays, in error
  groups_go_in_any_status=true
                              an empty group can be deleted in any status; else only when it is available, in error or
                              in error-deleting (SDRS.1002)
  failed_jobs_tell=false      the failed job of a create names the object all the same
  servers_swap=false          source_server and target_server swap when production changes sides
  frozen=false                the account is frozen: DR servers and disks can't be deleted (SDRS.1355, SDRS.1828)
  dashless_ids=false          new objects have ids without dashes, as older records do
  device_prefix=vd            what devices are called, whatever a request says: vd (KVM) or sd (Xen)
  task_id=any                 which id deletes a failed task: any, job or resource
  page_limit=1000             the largest limit that lists take, and the default one
  tag_limit=10                tags of an instance (SDRS.2203); -1: any number
  instance_limit=-1           instances of a group (SDRS.1358); -1: any number
  unattached_limit=-1         pairs of the project that aren't attached (SDRS.1826); -1: any number
"""

_SECONDS = 1e9


def read_rules(texts: Iterable[str], rules: Rules | None = None) -> Rules:
    """`rules` (the usual ones) with what `texts` say; ValueError with what is wrong and what is possible."""
    known = {one.name: str(one.type) for one in fields(Rules)}
    rules = rules or Rules()
    for text in texts:
        name, mark, value = text.strip().partition("=")
        if name not in known or not mark:
            raise _unknown(text, name, list(known))
        read = _BY_NAME.get(name) or _READERS[known[name]]
        try:
            rules = replace(rules, **{name: read(value)})
        except ValueError as error:
            raise ValueError(f"The rule {text!r} can't be read: {name} needs {error}.") from None
    return rules


def _unknown(text: str, name: str, known: list[str]) -> ValueError:
    near = difflib.get_close_matches(name, known, n=1)
    what = f"Did you mean {near[0]!r}?" if near and near[0] != name else "It must be NAME=VALUE."
    return ValueError(f"The rule {text!r} can't be read: there are {', '.join(known)}. {what}")


def _truth(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError("true or false")
    return value == "true"


def _seconds(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= _SECONDS:
        raise ValueError(f"a number of seconds from 0 to {_SECONDS:g}")
    return number


def _offset(value: str) -> float:
    try:
        return -_seconds(value[1:]) if value.startswith("-") else _seconds(value)
    except ValueError:
        raise ValueError(f"a number of seconds from -{_SECONDS:g} to {_SECONDS:g}") from None


def _limit(value: str) -> int:
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10 and int(value) >= UNLIMITED):
        raise ValueError("a whole number, or -1 for none")
    return int(value)


def _choice(words: tuple[str, ...]) -> Callable[[str], Any]:
    def read(value: str) -> int:
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return int(value)

    return read


def _page_limit(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 5 and 1 <= int(value) <= PAGE_LIMIT):
        raise ValueError(f"a whole number from 1 to {PAGE_LIMIT}")
    return int(value)


def _word(words: type[StrEnum]) -> Callable[[str], StrEnum]:
    def read(value: str) -> StrEnum:
        if value not in tuple(words):
            raise ValueError(f"one of {', '.join(words)}")
        return words(value)

    return read


_BY_NAME: dict[str, Callable[[str], Any]] = {
    "unknown_job": _choice(("404", "400", "500")),
    "bad_token": _choice(("401", "400")),
    "clock_ahead": _offset,
    "accepted": _choice(("200", "202")),
    "page_limit": _page_limit,
}
_READERS: dict[str, Callable[[str], Any]] = {
    "float | None": _seconds,
    "float": _seconds,
    "bool": _truth,
    "int": _limit,
} | {words.__name__: _word(words) for words in (AgencyKey, Envelope, NotFoundAs, DevicePrefix, TaskId)}
