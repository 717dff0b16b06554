"""What makes a request one of somebody whom the service knows: a token as it was given, or whoever signs in for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from declarative.provider.secret import Secret

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal of who we are. `generation`: of what the request was authorized with; `date`: the service's own clock.

    `now`: ours, when the answer came. `date` is None when the answer has none.
    """

    generation: int
    code: str
    date: datetime | None
    now: datetime


class Authorization(Protocol):
    """Authorizes requests. A generation numbers what is used: it changes with each new token."""

    async def ready(self, *, deadline: float) -> int:
        """Sign in where there is no token that lasts. Return the generation in use. Raises a ProviderError."""

    def headers(self, method: str, url: str, headers: Headers, body: bytes) -> Headers:
        """The headers that authorize a request, given those that it has. `url` as it is sent."""

    async def renew(self, refused: Refused, *, deadline: float) -> bool:
        """Sign in again after a refusal, once for all who were refused. True when there is another generation now."""

    def remedy(self, refused: Refused) -> str:
        """Return what to do about a refusal that remains after signing in again."""


@dataclass(frozen=True, slots=True)
class GivenToken:
    """A token as somebody has given it: it can't be renewed."""

    token: Secret

    async def ready(self, *, deadline: float) -> int:
        """As Authorization says."""
        return 0

    def headers(self, method: str, url: str, headers: Headers, body: bytes) -> Headers:
        """As Authorization says."""
        return ((b"X-Auth-Token", self.token.reveal().encode("ascii")),)

    async def renew(self, refused: Refused, *, deadline: float) -> bool:
        """As Authorization says: never."""
        return False

    def remedy(self, refused: Refused) -> str:
        """As Authorization says."""
        return (
            "Get a new token for this project and set OS_AUTH_TOKEN. Accepted calls continue in the cloud."
            " `declarative auth check` shows what was found where."
        )
