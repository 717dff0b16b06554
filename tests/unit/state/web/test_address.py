"""Addresses of states behind HTTP."""

import pytest

from declarative.errors import UsageError
from declarative.state.web.address import Dialect, site_of

GITLAB = "https://gitlab.example.com/api/v4/projects/42/terraform/state/shop"
PLAIN = "https://states.example.com/shop/default"


def site(address, **environ):
    return site_of(address, environ)


def test_address_of_terraforms_protocol():
    found = site(PLAIN)
    assert found.dialect is Dialect.TERRAFORM
    assert (found.origin, found.state, found.lock, found.unlock) == (
        "https://states.example.com", "/shop/default", "/shop/default", "/shop/default",
    )  # fmt: skip
    assert (found.update_method, found.lock_method, found.unlock_method) == ("POST", "LOCK", "UNLOCK")
    assert found.update("a b&c") == "/shop/default?ID=a%20b%26c"


@pytest.mark.parametrize(
    "address",
    [
        GITLAB,
        "https://gitlab.example.com/api/v4/projects/group%2Fshop/terraform/state/shop.default",
        "https://example.com/gitlab/api/v4/projects/42/terraform/state/shop",
    ],
)
def test_gitlab_is_told_by_its_path(address):
    found = site(address)
    assert found.dialect is Dialect.GITLAB
    assert found.lock == found.unlock == f"{found.state}/lock"
    assert (found.lock_method, found.unlock_method) == ("POST", "DELETE")
    assert found.version(7) == f"{found.state}/versions/7"


def test_dialect_can_be_set_where_the_address_does_not_tell():
    assert site("https://proxy.example.com/state?dialect=gitlab").dialect is Dialect.GITLAB
    assert site(f"{GITLAB}?dialect=terraform").dialect is Dialect.TERRAFORM


def test_foreign_parameters_are_kept_as_they_are():
    found = site(f"{GITLAB}?dialect=gitlab&a=1%202&b")
    assert found.state.endswith("/shop?a=1%202&b")
    assert found.lock.endswith("/shop/lock?a=1%202&b")
    assert found.version(3).endswith("/shop/versions/3?a=1%202&b")
    assert found.update("x").endswith("/shop?a=1%202&b&ID=x")
    assert found.shown == GITLAB


def test_lock_may_have_an_address_and_methods_of_its_own():
    query = "lock_address=https://states.example.com/locks/shop&unlock_address=https://STATES.example.com:443/unlock"
    found = site(f"{PLAIN}?{query}&lock_method=PUT&unlock_method=DELETE&update_method=PUT")
    assert (found.lock, found.unlock) == ("/locks/shop", "/unlock")
    assert (found.lock_method, found.unlock_method, found.update_method) == ("PUT", "DELETE", "PUT")


def test_variables_of_terraform_count_for_the_state_that_they_name():
    variables = {
        "TF_HTTP_ADDRESS": PLAIN,
        "TF_HTTP_LOCK_ADDRESS": f"{PLAIN}/lock",
        "TF_HTTP_UNLOCK_ADDRESS": f"{PLAIN}/lock",
        "TF_HTTP_LOCK_METHOD": "POST",
        "TF_HTTP_UNLOCK_METHOD": "DELETE",
        "TF_HTTP_UPDATE_METHOD": "PUT",
    }
    found = site(PLAIN, **variables)
    assert (found.lock, found.lock_method, found.unlock_method, found.update_method) == (
        "/shop/default/lock", "POST", "DELETE", "PUT",
    )  # fmt: skip
    assert site(f"{PLAIN}?lock_method=PUT", **variables).lock_method == "PUT"


@pytest.mark.parametrize("named", ["", "https://states.example.com/terraform", "nonsense", "http://else.example.com/"])
def test_variables_for_another_state_do_not_lock_it(named):
    found = site(PLAIN, TF_HTTP_ADDRESS=named, TF_HTTP_LOCK_ADDRESS="https://states.example.com/terraform/lock")
    assert found.lock == found.state


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080"])
def test_plain_http_is_for_this_machine(host):
    assert site(f"http://{host}/shop").origin.endswith(host)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://states.example.com/shop", "clear text"),
        ("https://states.example.com", "no path"),
        ("https://states.example.com/", "no path"),
        ("https://states.example.com/a//b", "no path"),
        ("https://states.example.com/a/../b", "no path"),
        ("https://states.example.com/a/./b", "no path"),
        ("https://states.example.com/..", "no path"),
        ("https://states.example.com/a b", "no path"),
        ("https://states.example.com/a#b", "no path"),
        ("https://states.example.com/a\n", "not a URL|no path"),
        ("https://me@states.example.com/shop", "user name"),
        ("https:///shop", "host name"),
        ("https://states.example.com:0/shop", "host name"),
        ("https://states.example.com:x/shop", "not a URL"),
        ("https://[::1/shop", "not a URL"),
        ("ftp://states.example.com/shop", "https://"),
        (f"{PLAIN}?dialect=gitlob", "dialect"),
        (f"{PLAIN}?ID=x", "ID"),
        (f"{PLAIN}?dialect=gitlab&dialect=terraform", "twice"),
        (f"{GITLAB}/default", "slash"),
        (f"{PLAIN}?lock_address=https://elsewhere.example.com/lock", "another host"),
        (f"{PLAIN}?unlock_address=http://states.example.com/lock", "clear text"),
        (f"{PLAIN}?lock_address=/lock", "does not begin"),
        (f"{PLAIN}?lock_method=GET", "lock_method"),
        (f"{PLAIN}?update_method=DELETE", "update_method"),
        (f"{PLAIN}?lock_method=POST", "taken for"),
        (f"{PLAIN}?unlock_method=DELETE", "taken for"),
        (f"{PLAIN}?unlock_method=POST", "taken for"),
        (f"{PLAIN}?lock_method=PUT&unlock_method=PUT", "taken for"),
    ],
)
def test_wrong_address_is_refused_and_not_repeated(address, message):
    with pytest.raises(UsageError, match=message) as caught:
        site(address)
    assert "states.example.com/a" not in str(caught.value)
    assert caught.value.fix
