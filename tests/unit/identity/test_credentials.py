"""One account of what was found. Whole cases with their messages are in `tests/data/credentials`."""

import subprocess
import sys

import pytest

from declarative.errors import DeclarativeError, UsageError
from declarative.identity.credentials import choose_loose
from declarative.identity.environment import read_environment
from declarative.identity.sources import Asked, find_credentials
from declarative.identity.values import Way
from declarative.provider import Secret

PASSWORD = {
    "OS_AUTH_URL": "https://iam.example.com/v3",
    "OS_USERNAME": "me",
    "OS_USER_DOMAIN_NAME": "acme",
    "OS_PROJECT_NAME": "eu-de",
    "OS_PASSWORD": "hunter2",
}
KEYS = {"HW_ACCESS_KEY": "ak", "HW_SECRET_KEY": "sk", "HW_REGION_NAME": "eu-west-101"}
CLOUD = "clouds: {otc: {profile: otc, auth: {user_id: u1, project_id: p1, password: good}}}"
EVIL_ENTRY = "{profile: otc, auth: {auth_url: 'https://evil.example.com', user_id: evil, password: evil}}"
EVIL = f"clouds: {{otc: {EVIL_ENTRY}}}\npublic-clouds: {{otc: {EVIL_ENTRY}}}\n"


def loose(**environ):
    return choose_loose(read_environment(environ), {})


def test_an_account_gives_its_values():
    account = loose(**PASSWORD)
    assert account.way is Way.PASSWORD
    assert account.text("username") == "me"
    assert account.secret("password") == Secret("hunter2")
    assert account.text("password") == account.text("region_name") == ""
    assert account.secret("username") is account.secret("token") is None


def test_an_account_never_shows_a_secret():
    assert "hunter2" not in f"{loose(**PASSWORD)!r}"


@pytest.mark.parametrize(
    ("variables", "user", "project"),
    [
        ({"OS_USER_DOMAIN_NAME": "a"}, "a", "a"),
        ({"OS_PROJECT_DOMAIN_NAME": "a"}, "a", "a"),
        ({"OS_DOMAIN_NAME": "a"}, "a", "a"),
        ({"OS_USER_DOMAIN_NAME": "a", "OS_PROJECT_DOMAIN_NAME": "b"}, "a", "b"),
        ({"OS_USER_DOMAIN_NAME": "a", "OS_DOMAIN_NAME": "b"}, "a", "b"),
    ],
)
def test_a_domain_that_is_given_once_stands_for_user_and_project(variables, user, project):
    account = loose(**{name: value for name, value in PASSWORD.items() if "DOMAIN" not in name}, **variables)
    assert (account.text("user_domain_name"), account.text("project_domain_name")) == (user, project)


def test_a_domain_by_id_is_not_joined_by_one_by_name():
    account = loose(**PASSWORD, OS_PROJECT_DOMAIN_ID="d1")
    assert (account.text("user_domain_name"), account.text("user_domain_id")) == ("acme", "")
    assert (account.text("project_domain_name"), account.text("project_domain_id")) == ("", "d1")


@pytest.mark.parametrize("name", list(KEYS))
def test_two_complete_accounts_that_differ_are_an_error(name):
    mine = {variable.replace("HW_", "OS_"): value for variable, value in KEYS.items()}
    assert loose(**mine, **KEYS).source == "the OS_* variables"
    with pytest.raises(DeclarativeError, match="two accounts are set") as caught:
        loose(**mine, **{**KEYS, name: "other"})
    assert int(caught.value.exit_code) == 1
    assert "OS_ACCESS_KEY, OS_SECRET_KEY; or HW_ACCESS_KEY, HW_SECRET_KEY" in caught.value.fix


def test_an_incomplete_account_beside_a_complete_one_is_not_an_error():
    assert loose(**KEYS, OS_USERNAME="me").source == "the HW_* variables"
    assert loose(**PASSWORD, HW_ACCESS_KEY="ak").source == "the OS_* variables"


@pytest.mark.parametrize(
    ("asked", "environ", "source"),
    [
        (Asked(cloud="a", stack_cloud="c"), {"OS_CLOUD": "b"}, "a"),
        (Asked(stack_cloud="c"), {"OS_CLOUD": "b"}, "b"),
        (Asked(stack_cloud="c"), {}, "c"),
        (Asked(stack_cloud="c"), {"OS_CLOUD": ""}, "c"),
        (Asked(cloud="", stack_cloud="c"), {}, "c"),
    ],
)
def test_the_cloud_of_an_option_is_over_the_variable_over_the_stack(tmp_path, asked, environ, source):
    entry = "{auth: {auth_url: 'https://iam.example.com', token: t}}"
    (tmp_path / "named.yaml").write_text(f"clouds: {{a: {entry}, b: {entry}, c: {entry}}}")
    environ = {**PASSWORD, **environ, "HOME": str(tmp_path), "OS_CLIENT_CONFIG_FILE": "named.yaml"}
    account = find_credentials(environ, working_folder=tmp_path, stack_folder=tmp_path, asked=asked)
    assert account.source == f"the cloud '{source}' of ~/named.yaml"


@pytest.mark.parametrize("place", ["work", "stack"])
@pytest.mark.parametrize("stem", ["clouds", "secure", "clouds-public"])
@pytest.mark.parametrize("ending", ["yaml", "yml", "json"])
def test_a_file_of_a_pull_request_gets_no_password(tmp_path, place, stem, ending):
    for folder in ("work", "stack", "home/.config/openstack"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "home/.config/openstack/clouds.yaml").write_text(CLOUD)
    (tmp_path / place / f"{stem}.{ending}").write_text(EVIL)
    account = find_credentials(
        {"HOME": str(tmp_path / "home")},
        working_folder=tmp_path / "work",
        stack_folder=tmp_path / "stack",
        asked=Asked(stack_cloud="otc"),
    )
    assert account.text("auth_url") == "https://iam.eu-de.otc.t-systems.com/v3"
    assert account.secret("password") == Secret("good")
    assert "evil" not in f"{[value.text for value in account.values.values()]}"
    assert [note.summary for note in account.notes if f"{stem}.{ending}" in note.summary]


def test_clouds_yaml_is_not_read_unless_a_cloud_is_asked_for(tmp_path):
    (tmp_path / ".config/openstack").mkdir(parents=True)
    (tmp_path / ".config/openstack/clouds.yaml").write_text("clouds: [")
    environ = {**PASSWORD, "HOME": str(tmp_path), "OS_CLIENT_SECURE_FILE": "none"}
    assert find_credentials(environ, working_folder=tmp_path, stack_folder=tmp_path).source == "the OS_* variables"
    with pytest.raises(UsageError, match="can't sign in: no set of credentials is complete"):
        find_credentials({"HOME": str(tmp_path)}, working_folder=tmp_path, stack_folder=tmp_path)


@pytest.mark.parametrize("url", ["http://127.0.0.1:5000/v3", "http://localhost/v3", "http://[::1]:5000"])
def test_http_is_allowed_on_this_machine(url):
    assert loose(**{**PASSWORD, "OS_AUTH_URL": url}).text("auth_url") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "http://127.0.0.1.a",
        "ftp://a",
        "https://",
        "https://[",
        "https://hunter2@a",
        "https://a?hunter2",
        "a",
    ],
)
def test_a_url_that_is_not_safe_is_refused_and_not_repeated(url):
    with pytest.raises(UsageError) as caught:
        loose(**{**PASSWORD, "OS_AUTH_URL": url})
    assert caught.value.summary.startswith("auth_url (OS_AUTH_URL) ")
    assert "hunter2" not in caught.value.summary + caught.value.fix


@pytest.mark.parametrize("variables", [{}, {"OS_USERNAME": "me"}, {"HW_ACCESS_KEY": "ak"}, {"OS_AUTH_TYPE": "token"}])
def test_what_is_missing_ends_in_the_command_that_shows_it(variables):
    with pytest.raises(UsageError) as caught:
        loose(**variables)
    assert str(caught.value.diagnostics()[0]).endswith("and `declarative auth check` tries it.")


def test_finding_an_account_loads_no_openstack_and_no_http():
    heavy = "openstack", "keystoneauth1", "httpx", "requests", "jsonschema", "click"
    code = f"import declarative.identity.sources, sys; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
