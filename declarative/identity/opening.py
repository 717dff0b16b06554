"""From credentials to an access: sign in, find the project and the endpoint.

Source: docs/sdrs-api.md, "Ways to sign in", "An agency", "Projects and domains".
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from declarative.clock import Clock
from declarative.errors import Rejected, UsageError, did_you_mean, visible
from declarative.identity.catalogue import in_catalogue, published, published_endpoint
from declarative.identity.credentials import Credentials
from declarative.identity.iam import CHECK, Iam
from declarative.identity.keystone import (
    Account,
    Agency,
    ApplicationCredential,
    CloudProject,
    Endpoint,
    Password,
    Token,
    TokenScope,
    User,
)
from declarative.identity.keystone import Way as Request
from declarative.identity.sign_in import KeySignIn, TokenSignIn
from declarative.identity.values import Way, truth
from declarative.provider.access import Access
from declarative.provider.authorization import Authorization, GivenToken
from declarative.provider.endpoint import endpoint_of
from declarative.provider.exchanges import Hearing
from declarative.provider.secret import Secret
from declarative.provider.tls import NamedFile, Tls

if TYPE_CHECKING:
    import httpx

_SECONDS = 60.0  # for the first sign-in
_AGENCY_NAME_REFUSED = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """An access, and what is known of whoever has it. Names come from the service and are untrusted.

    `ends`: when it can't be used any more, None when it is renewed or nobody has said. `endpoint_from`: who says where
    SDRS is. `token`: the one in use, where there is one that IAM has described.
    """

    access: Access
    credentials: Credentials
    endpoint_from: str
    ends: datetime | None
    token: Token | None
    close: Callable[[], Awaitable[None]]


async def open_access(
    credentials: Credentials,
    *,
    clock: Clock,
    transport: httpx.AsyncBaseTransport | None = None,
    on_exchange: Hearing | None = None,
) -> SignedIn:
    """Sign in. `transport`: carries all requests instead of connections of our own; `on_exchange` is told of each.

    Raises UsageError for what has to be said otherwise, and a ProviderError when IAM refuses or doesn't answer.
    """
    opening = _Opening(credentials, clock, transport, on_exchange)
    try:
        return await opening.signed_in()
    except BaseException:
        await opening.aclose()
        raise


class _Opening:
    """One sign-in on its way."""

    def __init__(
        self,
        credentials: Credentials,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None,
        on_exchange: Hearing | None,
    ) -> None:
        self._given = credentials
        self._clock = clock
        self._transport = transport
        self._on_exchange = on_exchange
        self._iam: Iam | None = None
        self._deadline = clock.monotonic() + _SECONDS
        self._region = credentials.text("region_name")
        self._tls = _tls(credentials)

    async def aclose(self) -> None:
        if self._iam is not None:
            await self._iam.aclose()

    async def signed_in(self) -> SignedIn:
        given = self._given
        if given.agency:
            return await self._with_token(self._agency())
        match given.way:
            case Way.TOKEN:
                return await self._with_given_token()
            case Way.KEYS | Way.TEMPORARY_KEYS:
                return await self._with_keys()
            case _:
                return await self._with_token(self._asking(self._request(), self._scope()))

    # ------------------------------------------------------------ ways in

    async def _with_given_token(self) -> SignedIn:
        secret = self._secret("token")
        who = GivenToken(secret)
        endpoint, project_id = self._given.text("endpoint"), self._given.text("project_id")
        if endpoint and project_id:
            return self._done(who, project_id, endpoint, "", token=None, ends=None)
        token = await self._iam_here().describe(secret, scope=None, deadline=self._deadline, hint=_TOKEN_HINT)
        return self._described(who, token, ends=token.expires_at)

    async def _with_token(self, sign_in: TokenSignIn) -> SignedIn:
        await sign_in.ready(deadline=self._deadline)
        token = sign_in.token
        if token is None:
            raise ValueError("a sign-in that is ready has a token")
        return self._described(sign_in, token, ends=None if self._given.way.lasts else token.expires_at)

    async def _with_keys(self) -> SignedIn:
        project_id = self._given.text("project_id") or await self._project_of_keys()
        who = self._keys(project_id=project_id)
        endpoint, source = self._given.text("endpoint"), ""
        if not endpoint:
            endpoint, source = await self._endpoint_of_keys(who)
        return self._done(who, project_id, endpoint, source, token=None, ends=None)

    async def _project_of_keys(self) -> str:
        """The project of a name; the vendors give each region one of its own name."""
        name = self._given.text("project_name") or self._region
        who = self._keys()
        found = await self._iam_here().projects(who, name=name, deadline=self._deadline, hint=_KEYS_HINT)
        if len(found) == 1:
            return found[0].id
        shown = visible(name, limit=80)
        if found:
            raise UsageError(f"{len(found)} projects are named '{shown}'", "Use its id: --project-id.")
        others = await self._iam_here().projects(who, deadline=self._deadline, hint=_KEYS_HINT)
        near = did_you_mean(name, [one.name for one in others])
        known = f"There are: {', '.join(visible(one.name, limit=80) for one in others[:20])}." if others else ""
        raise UsageError(f"no project is named '{shown}' for this access key", f"{near} {known}".strip())

    async def _endpoint_of_keys(self, who: Authorization) -> tuple[str, str]:
        auth_url = self._given.text("auth_url")
        hosts = published(self._region)
        if hosts is not None and hosts.sdrs and not auth_url:
            return f"https://{hosts.sdrs}", "the published host names"
        catalogue = await self._iam_here().catalogue(who, deadline=self._deadline, hint=_KEYS_HINT)
        return self._endpoint_in(catalogue)

    def _agency(self) -> TokenSignIn:
        """Sign in to one's own account, and ask for the agency's token with that."""
        given = self._given
        iam, account = self._iam_here(), Account(given.text("agency_domain_id"), given.text("agency_domain_name"))
        agency = Agency(given.text("agency_name"), account)
        name = given.text("delegated_project") or given.text("project_name") or self._region
        scope = CloudProject(given.text("delegated_project_id"), name, account)
        base = self._own_account()

        async def ask(deadline: float) -> Token:
            await base.ready(deadline=deadline)
            try:
                return await iam.token(agency, scope, who=base, hint=_AGENCY_HINT, deadline=deadline)
            except Rejected as error:
                if error.status != _AGENCY_NAME_REFUSED:
                    raise
                other = replace(agency, name_key="xrole_name")  # which of the two a cloud takes is not known
                return await iam.token(other, scope, who=base, hint=_AGENCY_HINT, deadline=deadline)

        return TokenSignIn(ask, clock=self._clock, hint=_AGENCY_HINT)

    def _own_account(self) -> Authorization:
        given = self._given
        match given.way:
            case Way.TOKEN:
                return GivenToken(self._secret("token"))
            case Way.KEYS | Way.TEMPORARY_KEYS:
                return self._keys(account_id=given.text("user_domain_id"))
            case Way.APPLICATION_CREDENTIAL:
                return self._asking(self._request(), None)
            case _:
                return self._asking(self._request(), self._user().account)

    # ------------------------------------------------------------ what is sent

    def _asking(self, request: Request, scope: TokenScope | None) -> TokenSignIn:
        iam, hint = self._iam_here(), _HINTS[self._given.way]

        async def ask(deadline: float) -> Token:
            return await iam.token(request, scope, hint=hint, deadline=deadline)

        return TokenSignIn(ask, clock=self._clock, hint=hint, renewable=self._given.way is not Way.PASSCODE)

    def _request(self) -> Request:
        given = self._given
        if given.way is Way.APPLICATION_CREDENTIAL:
            user = self._user()
            return ApplicationCredential(
                self._secret("application_credential_secret"),
                given.text("application_credential_id"),
                given.text("application_credential_name"),
                user if user.id or user.name else None,
            )
        passcode = given.secret("passcode") if given.way is Way.PASSCODE else None
        return Password(self._user(), self._secret("password"), passcode)

    def _user(self) -> User:
        given = self._given
        account = self._account("user_domain")
        return User(given.text("user_id"), given.text("username"), account)

    def _account(self, prefix: str) -> Account | None:
        object_id, name = self._given.text(f"{prefix}_id"), self._given.text(f"{prefix}_name")
        return Account(object_id, name) if object_id or name else None

    def _scope(self) -> CloudProject | None:
        given = self._given
        if given.way is Way.APPLICATION_CREDENTIAL:
            return None
        object_id, name = given.text("project_id"), given.text("project_name")
        return CloudProject(object_id, name, self._account("project_domain")) if object_id or name else None

    def _keys(self, *, project_id: str = "", account_id: str = "") -> KeySignIn:
        given = self._given
        temporary = given.way is Way.TEMPORARY_KEYS
        return KeySignIn(
            self._secret("access_key").reveal(),
            self._secret("secret_key"),
            clock=self._clock,
            hint=_HINTS[given.way],
            security_token=given.secret("security_token") if temporary else None,
            project_id=project_id,
            account_id=account_id,
        )

    def _secret(self, name: str) -> Secret:
        secret = self._given.secret(name)
        if secret is None:
            raise ValueError(f"credentials of this way have a {name}")
        return secret

    def _iam_here(self) -> Iam:
        if self._iam is None:
            self._iam = Iam(
                self._auth_url(),
                clock=self._clock,
                tls=self._tls,
                transport=self._transport,
                on_exchange=self._on_exchange,
            )
        return self._iam

    def _auth_url(self) -> str:
        if url := self._given.text("auth_url"):
            return endpoint_of(url, what="auth URL").removesuffix("/v3").rstrip("/")
        hosts = published(self._region)
        if hosts is None:
            raise UsageError(
                f"no sign-in address is known for the region '{visible(self._region, limit=80)}'",
                f"Set OS_AUTH_URL, or correct the region. {CHECK}",
            )
        return f"https://{hosts.iam}"

    # ------------------------------------------------------------ what comes of it

    def _described(self, who: Authorization, token: Token, *, ends: datetime | None) -> SignedIn:
        project_id = self._given.text("project_id") if self._given.way is not Way.APPLICATION_CREDENTIAL else ""
        if token.project is None and not project_id:
            raise UsageError("the token has no project", f"Set --project-id or OS_PROJECT_NAME. {CHECK}")
        endpoint, source = self._given.text("endpoint"), ""
        if not endpoint:
            endpoint, source = self._endpoint_in(token.catalogue)
        found = token.project.id if token.project is not None else project_id
        self._refuse_other_project(token)
        return self._done(who, found, endpoint, source, token=token, ends=ends)

    def _refuse_other_project(self, token: Token) -> None:
        """Raise UsageError when the token is for another project than the one that is named."""
        if token.project is None or self._given.way is Way.APPLICATION_CREDENTIAL:
            return
        for name, theirs in (("project_id", token.project.id), ("project_name", token.project.name)):
            ours = self._given.values.get(name)
            if ours is not None and not self._given.agency and ours.text != theirs:
                raise UsageError(
                    f"the token is for the project {visible(theirs, limit=80)}, but {ours.source} asks for"
                    f" {visible(ours.text, limit=80)}",
                    f"Use the same project in both. {CHECK}",
                )

    def _endpoint_in(self, catalogue: tuple[Endpoint, ...]) -> tuple[str, str]:
        interface = self._given.text("interface").removesuffix("URL")
        url = in_catalogue(catalogue, region=self._region, interface=interface)
        if url:
            return url, "the catalogue"
        return published_endpoint(self._region, auth_url=self._given.text("auth_url")), "the published host names"

    def _done(
        self,
        who: Authorization,
        project_id: str,
        endpoint: str,
        source: str,
        *,
        token: Token | None,
        ends: datetime | None,
    ) -> SignedIn:
        given = self._given.values.get("endpoint")
        access = Access(endpoint_of(endpoint, project_id=project_id), project_id, self._region, who, self._tls)
        return SignedIn(
            access=access,
            credentials=self._given,
            endpoint_from=source or (given.source if given is not None else ""),
            ends=ends,
            token=token,
            close=self.aclose,
        )


def _tls(given: Credentials) -> Tls:
    insecure = given.values.get("insecure")
    return Tls(
        authorities=_file(given, "cacert"),
        certificate=_file(given, "cert"),
        key=_file(given, "key"),
        verify=insecure is None or not truth(insecure.text),
    )


def _file(given: Credentials, name: str) -> NamedFile | None:
    value = given.values.get(name)
    if value is None:
        return None
    return NamedFile(Path(os.path.expanduser(value.text)), value.source)  # noqa: PTH111 - Path's raises without a home


_TOKEN_HINT = f"Get a new token for this project and set OS_AUTH_TOKEN. {CHECK}"
_KEYS_HINT = f"Check the access key, the secret key and the project. {CHECK}"
_AGENCY_HINT = (
    "Check the agency's name, the account that delegates and the project; the user needs the permission Agent Operator."
    f" {CHECK}"
)
_HINTS = {
    Way.TOKEN: _TOKEN_HINT,
    Way.KEYS: _KEYS_HINT,
    Way.TEMPORARY_KEYS: f"Temporary keys expire. Get new ones. {CHECK}",
    Way.APPLICATION_CREDENTIAL: f"Check the application credential and its secret. {CHECK}",
    Way.PASSWORD: f"Check the user name, the password, the user's domain and the project. {CHECK}",
    Way.PASSCODE: f"Check the password, and get a new passcode, as each works only once. {CHECK}",
}
