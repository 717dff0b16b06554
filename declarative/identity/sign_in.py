"""What authorizes the requests of a run: a token that is renewed before it ends, or a signature on each request."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import datetime

from declarative.clock import Clock
from declarative.errors import ProviderError, Unauthorized
from declarative.identity.keystone import Token
from declarative.identity.signing import signed
from declarative.provider.authorization import Headers, Refused
from declarative.provider.secret import Secret

_EARLY = 300.0  # seconds before its end, and never more than a quarter of its life, that a token is renewed
_AGAIN = 30.0  # seconds after a renewal that failed, until the next is tried; the old token is good for longer
_SKEW = 60.0  # seconds that two clocks may differ without being told of


class TokenSignIn:
    """Holds a token in memory, and has it renewed before it ends and after a refusal.

    `ask` signs in, by a deadline (monotonic). `renewable`: False for what signs in once, such as a passcode.
    `hint`: what a person does when a new token is refused too.
    """

    def __init__(
        self,
        ask: Callable[[float], Awaitable[Token]],
        *,
        clock: Clock,
        hint: str,
        renewable: bool = True,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._hint = hint
        self._renewable = renewable
        self._token: Token | None = None
        self._generation = 0
        self._renew_at = -math.inf
        self._ends = -math.inf
        self._turn = asyncio.Lock()
        self._refusal: Unauthorized | None = None

    @property
    def token(self) -> Token | None:
        """The token in use; None before the first."""
        return self._token

    async def ready(self, *, deadline: float) -> int:
        """As Authorization says."""
        if self._clock.monotonic() >= self._renew_at:
            async with self._turn:
                if self._clock.monotonic() >= self._renew_at:
                    await self._before_it_ends(deadline)
        return self._generation

    def headers(self, method: str, url: str, headers: Headers, body: bytes) -> Headers:
        """As Authorization says."""
        if self._token is None:
            raise ValueError("nobody has signed in yet")
        return ((b"X-Auth-Token", self._token.secret.reveal().encode("ascii")),)

    async def renew(self, refused: Refused, *, deadline: float) -> bool:
        """As Authorization says."""
        async with self._turn:
            if refused.generation == self._generation:
                if not self._renewable:
                    return False
                await self._sign_in(deadline)
            return True

    def remedy(self, refused: Refused) -> str:
        """As Authorization says."""
        return self._hint

    async def _before_it_ends(self, deadline: float) -> None:
        if self._token is not None and not self._renewable:
            self._renew_at = math.inf  # it is used until the service refuses it
            return
        try:
            await self._sign_in(deadline)
        except ProviderError:
            now = self._clock.monotonic()
            if now >= self._ends:
                raise
            self._renew_at = min(now + _AGAIN, self._ends)

    async def _sign_in(self, deadline: float) -> None:
        if self._refusal is not None:
            raise self._refusal  # IAM locks whoever goes on with a wrong password
        asked = self._clock.monotonic()
        try:
            token = await self._ask(deadline)
        except Unauthorized as error:
            self._refusal = error
            raise
        self._token = token
        self._generation += 1
        life = _life(token, self._clock.utcnow())
        self._ends = asked + life
        self._renew_at = self._ends - min(_EARLY, life / 4)


def _life(token: Token, now: datetime) -> float:
    """Seconds that a token lives: by the clock that dated it, since ours may differ."""
    if token.expires_at is None:
        return math.inf
    return max((token.expires_at - (token.issued_at or now)).total_seconds(), 0.0)


class KeySignIn:
    """Signs each request with an access key."""

    def __init__(
        self,
        access_key: str,
        secret_key: Secret,
        *,
        clock: Clock,
        hint: str,
        security_token: Secret | None = None,
        project_id: str = "",
        account_id: str = "",
    ) -> None:
        self._access_key = access_key
        self._secret_key = secret_key
        self._security_token = security_token
        self._project_id = project_id
        self._account_id = account_id
        self._clock = clock
        self._hint = hint

    async def ready(self, *, deadline: float) -> int:
        """As Authorization says."""
        return 0

    def headers(self, method: str, url: str, headers: Headers, body: bytes) -> Headers:
        """As Authorization says. Only headers that arrive as they leave are signed."""
        covered = [(name, value) for name, value in headers if name in (b"Host", b"Content-Type")]
        account = [(b"X-Domain-Id", self._account_id.encode("ascii"))] if self._account_id else []
        return [
            *account,
            *signed(
                method,
                url,
                [*covered, *account],
                body,
                access_key=self._access_key,
                secret_key=self._secret_key,
                security_token=self._security_token,
                project_id=self._project_id,
                at=self._clock.utcnow(),
            ),
        ]

    async def renew(self, refused: Refused, *, deadline: float) -> bool:
        """As Authorization says: a signature is new each time."""
        return False

    def remedy(self, refused: Refused) -> str:
        """As Authorization says. A clock that is off is named: a signature is good for 15 minutes."""
        if refused.date is not None:
            ahead = (refused.now - refused.date).total_seconds()
            if abs(ahead) > _SKEW:
                way = "ahead of" if ahead > 0 else "behind"
                return (
                    f"This machine's clock is {_minutes(abs(ahead))} {way} the service's. Set it: a signature is only"
                    " valid for 15 minutes."
                )
        return self._hint


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
