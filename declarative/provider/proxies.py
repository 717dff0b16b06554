"""The proxy that a variable names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from declarative.errors import UsageError

if TYPE_CHECKING:
    import httpx


def http_proxy(url: str, *, scheme: str, whose: str) -> httpx.Proxy:
    """Read the value of a proxy variable, which may lack the scheme.

    `scheme`: of what the proxy is for; `whose`: the host that NO_PROXY could name, in words. Raises UsageError, which
    never repeats the value: it may hold a password.
    """
    import httpx

    wrong = UsageError(
        f"the proxy variable for {scheme} is not the URL of an HTTP proxy",
        f"Write http://HOST:PORT, or name {whose} in NO_PROXY.",
    )
    try:
        proxy = httpx.Proxy(url if "://" in url else f"http://{url}")
    except (httpx.InvalidURL, ValueError) as error:
        raise wrong from error
    if proxy.url.scheme not in ("http", "https"):
        raise wrong
    return proxy
