"""What an answer of a state's server means to a reader, in words. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from declarative.errors import StateError, visible
from declarative.state.web.wire import Answer

_MEANINGS = {
    400: ("the server can't read the request", "Check the address, and that the server speaks this dialect."),
    401: ("the server asks for other credentials", "Set TF_HTTP_USERNAME and TF_HTTP_PASSWORD."),
    403: (
        "the user has no right to do this",
        "Give the user in TF_HTTP_USERNAME the right to read, lock and write the state.",
    ),
    404: ("the server has nothing at this address", "Check the address."),
    405: ("the server does not take this method", "Check the address, and the methods in it."),
    407: ("the proxy asks for credentials", "Put them into HTTPS_PROXY."),
    413: ("the state is too large for the server", "Raise the server's limit for one state."),
    429: ("the server asks for fewer requests", "Try again later."),
}


def refusal(answer: Answer, *, doing: str, shown: str) -> StateError:
    """Return the error for an answer that is none of those expected. `doing`: what was asked, such as `the write`."""
    status = answer.status
    if 300 <= status < 400:
        return StateError(
            f"the server of {shown} redirects {doing}{_target(answer)} (HTTP {status}), which is not followed, "
            "because the credentials would go along",
            "Name the address at which the state really is; a redirect to a login page means that the server wants "
            "other credentials.",
        )
    meaning, fix = _MEANINGS.get(status, ("", "Try again later, and look at the server's log."))
    said = _said(answer)
    reason = f": {meaning}" if meaning else ""
    return StateError(f"the server of {shown} refuses {doing} (HTTP {status}){reason}", f"{fix}{said}")


def is_page(answer: Answer) -> bool:
    """True for a web page: a login page, or the error page of a proxy.

    The content type doesn't count: some frameworks call every answer text/html.
    """
    return answer.body.lstrip()[:1] == b"<"


def page_instead(*, doing: str, shown: str) -> StateError:
    """Return the error for a web page with a status that sounds like success."""
    return StateError(
        f"the server of {shown} answers {doing} with a web page",
        "Check the address, and TF_HTTP_USERNAME and TF_HTTP_PASSWORD: a login page answers so too.",
    )


def _said(answer: Answer) -> str:
    if not answer.body or is_page(answer):
        return ""
    return f" The server says: {visible(answer.body[:2000].decode('utf-8', 'replace').strip(), limit=200)}"


def _target(answer: Answer) -> str:
    """Where a redirect points, without its query, which may hold a token."""
    try:
        parts = urlsplit(answer.headers.get("location", ""))
        host = parts.hostname or ""
    except ValueError:
        return ""
    return (
        f" to {visible(f'{parts.scheme}://{host}{parts.path}' if host else parts.path, limit=120)}"
        if parts.path
        else ""
    )
