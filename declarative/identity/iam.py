"""IAM over HTTP: tokens, projects and the catalogue. Nothing is sent to any other place, and no redirect is followed.

Source: docs/sdrs-api.md, "Ways to sign in", "Projects and domains", "The catalogue", "Refusals of IAM and the gateway".
"""

from __future__ import annotations

import asyncio
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from declarative import __version__
from declarative.backoff import Backoff
from declarative.clock import Clock
from declarative.errors import EndpointError, NotSent, OutcomeUnknown, ProviderError, Unauthorized, visible
from declarative.identity.keystone import (
    CloudProject,
    Endpoint,
    Token,
    TokenScope,
    Way,
    read_catalogue,
    read_projects,
    read_refusal,
    read_token,
    secrets_of,
    subject_token,
    token_request,
)
from declarative.model import Call
from declarative.provider.answers import THROTTLED_CODES, Again, Failure, Reply, read_retry_after
from declarative.provider.authorization import Authorization, GivenToken, Headers, Refused
from declarative.provider.codes import explain_code
from declarative.provider.exchanges import Hearing, Recorder
from declarative.provider.secret import Secret
from declarative.provider.tls import Tls
from declarative.provider.transport import Connection, connector, lent, unanswered, unsent
from declarative.provider.wire import Broken, Message, Unsent

if TYPE_CHECKING:
    import httpx

_SECONDS = 30.0  # for one request and its answer
_TRIED_FOR = 60.0  # seconds, while IAM is away
_MAX_BODY = 8 * 2**20  # bytes; a catalogue has a hundred services
_CONNECT_TIMEOUT = 10.0
_BACKOFF = Backoff(first=0.25, longest=8.0)
_TOKENS = ("v3", "auth", "tokens")
_GATEWAY = ("APIGW.", "APIG.")
_NO_API = frozenset({"APIGW.0101", "APIG.0101"})
CHECK = "`declarative auth check` shows what was found where."  # what every refused sign-in names
_AWAY = frozenset({408, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class _Question:
    """A call to IAM: `who` shows who asks, `secrets` are those in the body, `hint` is what a person does about a no."""

    call: Call
    _: KW_ONLY
    body: bytes | None = None
    secrets: tuple[bytes, ...] = ()
    who: Authorization | None = None
    hint: str = ""
    more: Headers = ()


class Iam:
    """IAM at `endpoint`: scheme, host, port and path prefix, without `/v3`.

    `transport` carries all requests instead of a connection of its own, and is not closed; `on_exchange` is told of
    every request. Deadlines are moments of
    `clock.monotonic()`. Raises Unauthorized when IAM refuses, EndpointError when what answers is not IAM, NotSent or
    OutcomeUnknown when nothing answers in time: a sign-in may be repeated, so both mean the same.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        clock: Clock,
        tls: Tls,
        transport: httpx.AsyncBaseTransport | None = None,
        on_exchange: Hearing | None = None,
    ) -> None:
        connect = connector(endpoint, tls) if transport is None else lent(endpoint, transport)
        parts = urlsplit(endpoint)
        self._clock = clock
        self._connection = Connection(connect, Recorder(on_exchange, clock) if on_exchange is not None else None)
        self._host, self._prefix = parts.netloc, parts.path
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._turn = asyncio.Lock()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.aclose()

    async def token(
        self, way: Way, scope: TokenScope | None, *, deadline: float, who: Authorization | None = None, hint: str = ""
    ) -> Token:
        """Sign in. `who` shows who asks, for an agency; `hint`: what a person checks when IAM refuses."""
        body, secrets = token_request(way, scope), secrets_of(way)
        question = _Question(Call("POST", _TOKENS), body=body, secrets=secrets, who=who, hint=hint)
        reply = await self._ask(question, deadline=deadline)
        return read_token(reply, subject_token(reply), scope=scope)

    async def describe(self, token: Secret, *, scope: TokenScope | None, deadline: float, hint: str = "") -> Token:
        """Read the scope and expiry of a token."""
        more = [(b"X-Subject-Token", token.reveal().encode("ascii"))]
        question = _Question(Call("GET", _TOKENS), who=GivenToken(token), hint=hint, more=more)
        reply = await self._ask(question, deadline=deadline)
        return read_token(reply, token, scope=scope, request="GET /v3/auth/tokens")

    async def projects(
        self, who: Authorization, *, name: str = "", deadline: float, hint: str = ""
    ) -> list[CloudProject]:
        """The projects of this name, or all that the user can use."""
        path = ("v3", "projects") if name else ("v3", "auth", "projects")
        call = Call("GET", path, query={"name": name} if name else {})
        return read_projects(await self._ask(_Question(call, who=who, hint=hint), deadline=deadline))

    async def catalogue(self, who: Authorization, *, deadline: float, hint: str = "") -> tuple[Endpoint, ...]:
        """The services and where they are."""
        call = Call("GET", ("v3", "auth", "catalog"))
        return read_catalogue(await self._ask(_Question(call, who=who, hint=hint), deadline=deadline))

    async def _ask(self, question: _Question, *, deadline: float) -> Reply:
        end, tries = min(deadline, self._clock.monotonic() + _TRIED_FOR), 0
        async with self._turn:
            while True:
                tries += 1
                result = await self._once(question, deadline=deadline, tries=tries)
                if isinstance(result, Reply):
                    return result
                pause = max(result.pause, self._clock.jitter(_BACKOFF.nth(tries)))
                if result.again is Again.NEVER or self._clock.monotonic() + pause >= end:
                    raise result.error
                await self._clock.sleep(pause)

    async def _once(self, question: _Question, *, deadline: float, tries: int) -> Reply | Failure:
        call, seconds = question.call, min(_SECONDS, deadline - self._clock.monotonic())
        if seconds <= 0:
            return Failure(NotSent("sign-in not sent: the time limit passed", request=_line(call)), Again.NEVER)
        try:
            async with asyncio.timeout(seconds):
                message = self._message(question, seconds=seconds, tries=tries)
                reply = await self._connection.exchange(message, max_body=_MAX_BODY)
        except TimeoutError:
            return unanswered(call, f"no complete answer within {seconds:.3g} s")
        except Unsent as error:
            return unsent(error, call, host=self._host)
        except Broken as error:
            return unanswered(call, str(error))
        return reply if 200 <= reply.status < 300 else self._refused(reply, question)

    def _message(self, question: _Question, *, seconds: float, tries: int) -> Message:
        call, who, body = question.call, question.who, question.body
        target = "/".join((self._prefix, *call.path)) + (f"?{urlencode(call.query)}" if call.query else "")
        headers = [
            (b"Host", self._host.encode("ascii")),
            (b"Accept", b"application/json"),
            (b"Accept-Encoding", b"identity"),
            (b"User-Agent", f"declarative/{__version__}".encode("ascii")),
        ]
        if body is not None:
            headers += [(b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(body))]
        shown = who.headers(call.method, self._origin + target, headers, body or b"") if who is not None else ()
        return Message(
            call.method,
            target,
            [*headers, *shown, *question.more],
            body or b"",
            min(_CONNECT_TIMEOUT, seconds),
            tries,
            question.secrets,
        )

    def _refused(self, reply: Reply, question: _Question) -> Failure:
        """What an answer other than a success means."""
        who, line = question.who, _line(question.call)
        refusal, where = read_refusal(reply), visible(self._host, limit=120)

        def failure(cls: type[ProviderError], summary: str, fix: str, again: Again, pause: float = 0.0) -> Failure:
            error = cls(
                summary,
                fix,
                status=reply.status,
                code=refusal.code,
                message=refusal.message,
                request=line,
                request_id=refusal.request_id,
            )
            return Failure(error, again, pause)

        if reply.status == 429 or refusal.code in THROTTLED_CODES:
            pause = read_retry_after(reply.headers.get("retry-after", ""), now=self._clock.utcnow())
            summary = f"sign-in rejected by {where}: too many requests"
            return failure(NotSent, summary, "Run the command again later.", Again.THROTTLED, pause)
        if reply.status in _AWAY:
            summary = f"sign-in had no clear answer: HTTP {reply.status} from {where}"
            fix = "IAM is unavailable. Run the command again later."
            return failure(OutcomeUnknown, summary, fix, Again.TRANSIENT)
        is_told = refusal.code or refusal.message or reply.status == 401
        if reply.status < 400 or not is_told or refusal.code in _NO_API:
            what = f"HTTP {reply.status}" + (", a redirect" if 300 <= reply.status < 400 else "")
            fix = "Check the auth URL (OS_AUTH_URL, HW_AUTH_URL or auth_url). Redirects are not followed."
            return failure(EndpointError, f"{where} does not answer as IAM does: {what}", fix, Again.NEVER)
        entry = explain_code(refusal.code)
        what = f"{refusal.code} {entry.meaning}" if entry is not None else f"HTTP {reply.status}"
        if who is not None and reply.status == 401 and refusal.code.startswith(_GATEWAY):
            fix = who.remedy(Refused(0, refusal.code, reply.date(), self._clock.utcnow()))
        else:
            fix = f"{entry.remedy} {CHECK}" if entry is not None and entry.remedy else question.hint
        if refusal.permission:
            permission = visible(refusal.permission, limit=200)
            fix = f"Ask your account's administrator for the permission {permission}. {CHECK}"
        return failure(Unauthorized, f"sign-in refused by {where}: {what}", fix, Again.NEVER)


def _line(call: Call) -> str:
    """Return the call for messages."""
    return f"{call.method} /{'/'.join(call.path)}"
