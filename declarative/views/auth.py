"""Who signs in, with what, and what the service answers, as lines for a reader and as JSON for a program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from declarative.errors import Diagnostic, ProviderError, shown
from declarative.identity.values import Values, printable
from declarative.model import Json
from declarative.views.findings import finding_json
from declarative.views.text import Line, Span, Tone, line, many
from declarative.views.view import document

if TYPE_CHECKING:
    from declarative.identity.credentials import Credentials
    from declarative.identity.keystone import Account, Token
    from declarative.identity.opening import SignedIn
    from declarative.identity.survey import Survey
    from declarative.workflow.auth import AuthReport, ListCheck

_NAME = 120  # characters of a name or value that are shown
_HIDDEN = "(not shown)"


@dataclass(frozen=True, slots=True)
class AuthView:
    """The report of `auth check`."""

    report: AuthReport

    def text(self) -> list[Line]:
        report = self.report
        lines: list[Line] = []
        if report.credentials is None:
            lines += [line("The Stack says `simulator: true`: the embedded simulator asks for no credentials."), line()]
        else:
            lines += [*_identity(report.credentials, report.signed_in), line()]
            lines += [line("Values:", Tone.STRONG), *_values(report.credentials.values), line()]
        if report.lists:
            lines += [line("Lists:", Tone.STRONG), *(one for check in report.lists for one in _list(check)), line()]
        return lines if report.error is not None else [*lines, _verdict(report)]

    def json(self) -> str:
        report = self.report
        return document(
            {
                "works": report.works,
                "simulator": report.credentials is None,
                **_identity_json(report.credentials, report.signed_in),
                "lists": [_list_json(check) for check in report.lists],
                "findings": [finding_json(one) for one in _findings(report)],
            }
        )


@dataclass(frozen=True, slots=True)
class SourcesView:
    """The report of `auth show-sources`."""

    survey: Survey

    def text(self) -> list[Line]:
        lines: list[Line] = []
        for place in self.survey.places:
            lines.append(line(f"{place.what}:", Tone.STRONG))
            lines += [line(f"  {shown(text)}", Tone.FAINT) for text in place.about]
            lines += _values(place.values)
            if not (place.values or place.about):
                lines.append(line("  nothing", Tone.FAINT))
            lines.append(line())
        chosen = self.survey.chosen
        if chosen is not None:
            lines.append(line(f"Used: {_way(chosen)}, from {chosen.source}.", Tone.STRONG))
        return lines

    def json(self) -> str:
        chosen, problem = self.survey.chosen, self.survey.problem
        return document(
            {
                "places": [
                    {"place": place.what, "about": list(place.about), "values": _values_json(place.values)}
                    for place in self.survey.places
                ],
                "way": str(chosen.way) if chosen is not None else None,
                "source": chosen.source if chosen is not None else None,
                "findings": [finding_json(one) for one in (problem.diagnostics() if problem is not None else ())],
            }
        )


def _findings(report: AuthReport) -> Iterator[Diagnostic]:
    if report.credentials is not None:
        yield from report.credentials.notes
    if report.error is not None:
        yield from report.error.diagnostics()


def _identity(credentials: Credentials, one: SignedIn | None) -> Iterator[Line]:
    yield _fact("Way in", f"{_way(credentials)}, from {credentials.source}")
    if one is None:
        return
    access, token = one.access, one.token
    if token is not None:
        yield _fact("User", _called(token.user.name, token.user.id))
        if token.user.account is not None:
            yield _fact("Account", _called(token.user.account.name, token.user.account.id))
    if agency := _assumed(credentials, token):
        yield _fact("Agency", agency)
    name = token.project.name if token is not None and token.project is not None else ""
    yield _fact("Project", _called(name, access.project_id))
    yield _fact("Region", shown(access.region, limit=_NAME) or "not named")
    yield _fact("Endpoint", f"{shown(access.endpoint)}, from {one.endpoint_from}")
    yield _fact("Valid until", _end(credentials, one))


def _assumed(credentials: Credentials, token: Token | None) -> str:
    if not credentials.agency:
        return ""
    account = token.project.account if token is not None and token.project is not None else None
    of = _called(account.name, account.id) if account is not None else credentials.text("agency_domain_name")
    return f"{shown(credentials.text('agency_name'), limit=_NAME)} of {of}"


def _end(credentials: Credentials, one: SignedIn) -> str:
    if one.ends is not None:
        return f"{one.ends:%Y-%m-%d %H:%M:%S} UTC, and then it can't be renewed"
    if one.token is not None and one.token.expires_at is not None and credentials.way.lasts:
        return f"{one.token.expires_at:%Y-%m-%d %H:%M:%S} UTC; a run renews it by itself"
    return "each request is signed; nothing to renew" if credentials.way.lasts else "not known"


def _fact(title: str, text: str) -> Line:
    return (Span(f"{title + ':':<13}", Tone.STRONG), Span(text))


def _way(credentials: Credentials) -> str:
    return f"{credentials.way}, then an agency" if credentials.agency else str(credentials.way)


def _called(name: str, object_id: str) -> str:
    name, object_id = shown(name, limit=_NAME), shown(object_id, limit=_NAME)
    return f"{name} ({object_id})" if name and object_id else name or object_id or "not told"


def _values(values: Values) -> list[Line]:
    if not values:
        return []
    rows = []
    for name, value in sorted(values.items()):
        text = printable(name, value)
        rows.append((name, shown(text, limit=_NAME) if text is not None else _HIDDEN, shown(value.source)))
    wide = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return [
        (Span(f"  {name:<{wide[0]}}  {text:<{wide[1]}}  "), Span(source, Tone.FAINT)) for name, text, source in rows
    ]


def _list(check: ListCheck) -> Iterator[Line]:
    if check.answers:
        yield line(f"  + {check.what}: answers", Tone.ADD)
    elif check.error is None:
        yield line(f"  - {check.what}: not asked", Tone.FAINT)
    else:
        tone = Tone.REMOVE if check.needed else Tone.CHANGE
        (finding,) = check.error.diagnostics()
        yield line(f"  ! {check.what}: {shown(finding.summary)}", tone)
        yield line(f"      {shown(finding.fix)}")


def _verdict(report: AuthReport) -> Line:
    failed = [one for one in report.lists if not one.answers]
    if not failed:
        return line("All lists answer.", Tone.STRONG)
    needed = sum(one.needed for one in failed)
    if needed:
        return line(f"{many(needed, 'list')} of objects can't be read: plan and apply would fail.", Tone.STRONG)
    names = " and ".join(one.what for one in failed)
    return line(f"All lists of objects answer. A run goes without {names}, and checks less before it begins.")


def _identity_json(credentials: Credentials | None, one: SignedIn | None) -> dict[str, Json]:
    token = one.token if one is not None else None
    access = one.access if one is not None else None
    project = token.project if token is not None else None
    return {
        "way": str(credentials.way) if credentials is not None else None,
        "agency": _or_none(credentials.text("agency_name")) if credentials is not None else None,
        "source": credentials.source if credentials is not None else None,
        "values": _values_json(credentials.values) if credentials is not None else [],
        "user": {"id": token.user.id, "name": token.user.name} if token is not None else None,
        "account": _account_json(token.user.account) if token is not None else None,
        "project": {"id": access.project_id, "name": project.name if project else None} if access else None,
        "region": _or_none(access.region) if access is not None else None,
        "endpoint": access.endpoint if access is not None else None,
        "endpoint_source": one.endpoint_from if one is not None else None,
        "valid_until": _stamp(token.expires_at) if token is not None else None,
        "renewed": credentials.way.lasts if credentials is not None else None,
    }


def _account_json(account: Account | None) -> Json:
    return {"id": account.id, "name": account.name} if account is not None else None


def _or_none(text: str) -> str | None:
    return text or None


def _stamp(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment is not None else None


def _values_json(values: Values) -> list[Json]:
    return [
        {"name": name, "value": printable(name, value), "source": value.source}
        for name, value in sorted(values.items())
    ]


def _list_json(check: ListCheck) -> dict[str, Json]:
    return {
        "list": check.path,
        "needed": check.needed,
        "asked": check.asked,
        "answers": check.answers,
        "error": _error_json(check.error) if check.error is not None else None,
    }


def _error_json(error: ProviderError) -> dict[str, Json]:
    return {
        "summary": error.summary,
        "fix": error.fix,
        "status": error.status or None,
        "code": _or_none(error.code),
        "message": _or_none(error.message),
        "request": _or_none(error.request),
        "request_id": _or_none(error.request_id),
    }
