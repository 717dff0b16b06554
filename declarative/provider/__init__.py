"""The only HTTP client of the cloud. Calls in, attributes and jobs out; what goes wrong is a `ProviderError`."""

from declarative.provider.access import Access
from declarative.provider.authorization import Authorization, GivenToken, Refused
from declarative.provider.client import Provider, Slot
from declarative.provider.codes import CodeEntry, explain_code
from declarative.provider.exchanges import Exchange, Hearing, acting_on
from declarative.provider.jobs import (
    FailedTask,
    Job,
    JobStatus,
    JobTimeout,
    JobUnknown,
    JobUnreadable,
    entity,
    job_id_of,
)
from declarative.provider.reads import Listing, Look
from declarative.provider.secret import Secret

__all__ = [
    "Access",
    "Authorization",
    "CodeEntry",
    "Exchange",
    "FailedTask",
    "GivenToken",
    "Hearing",
    "Job",
    "JobStatus",
    "JobTimeout",
    "JobUnknown",
    "JobUnreadable",
    "Listing",
    "Look",
    "Provider",
    "Refused",
    "Secret",
    "Slot",
    "acting_on",
    "entity",
    "explain_code",
    "job_id_of",
]
