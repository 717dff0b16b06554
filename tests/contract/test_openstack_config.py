"""clouds.yaml read beside openstacksdk's own reading: the same values, but for the differences that stand here.

Each difference has a test of its own that shows both answers; all else is compared over many sets of files.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from declarative.errors import DeclarativeError
from declarative.identity import cloud_files
from declarative.identity.cloud_files import locate
from declarative.identity.clouds import read_cloud
from tests.scaffold.cloud_cases import Case, cases

COUNT = 250
ANSWERS = Path(__file__).parents[1] / "scaffold" / "openstack_answers.py"


def theirs(*found):
    """The answers of openstacksdk to cases laid out in folders."""
    asked = [
        {"folder": str(folder), "environ": environ, "cloud": case.cloud, "region": case.region}
        for case, folder, environ in found
    ]
    done = subprocess.run(
        [sys.executable, ANSWERS], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def plain(answer):
    """An answer of openstacksdk under the names of declarative, without its defaults."""
    if "error" in answer:
        return answer
    auth, beside = answer["auth"], answer["beside"]
    names = {"ak": "access_key", "sk": "secret_key"}
    found = {names.get(name, name): str(value) for name, value in {**beside, **auth}.items() if value not in (None, "")}
    found.setdefault("auth_type", "password")
    if answer["cert"]:
        cert = answer["cert"] if isinstance(answer["cert"], list) else [answer["cert"]]
        found |= dict(zip(("cert", "key"), cert, strict=False))
    if isinstance(answer["verify"], str):
        found["cacert"] = answer["verify"]
    elif answer["verify"] is False:
        found["insecure"] = "true"
    return found


def ours(case, folder, environ):
    """The answer of declarative, with the defaults of openstacksdk."""
    try:
        files = locate(environ, working_folder=folder / "work", stack_folder=folder / "work")
        cloud = read_cloud(files, case.cloud, named_by="--cloud", region=case.region)
    except DeclarativeError as error:
        return {"error": "; ".join(str(finding) for finding in error.diagnostics())}
    found = {"interface": "public", "auth_type": "password"} | {
        name: value.text for name, value in cloud.values.items()
    }
    if case.region:
        found["region_name"] = case.region
    if "insecure" in found:
        found.pop("cacert", None)
    if "cert" not in found:
        found.pop("key", None)
    return found


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder in place of /etc/openstack."""

    def use(folder):
        monkeypatch.setattr(cloud_files, "_SITE", folder / "etc/openstack")

    return use


def test_many_file_sets_give_the_values_of_openstacksdk(tmp_path, site):
    drawn = cases(COUNT)
    bare = [
        (case, tmp_path / f"r{n}", case.lay_out(tmp_path / f"r{n}", for_openstack=True)) for n, case in enumerate(drawn)
    ]
    full = [(case, tmp_path / f"f{n}", case.lay_out(tmp_path / f"f{n}")) for n, case in enumerate(drawn)]
    wrong, equal = [], 0
    for (_, other, _), (case, folder, environ), answer in zip(bare, full, theirs(*bare), strict=True):
        site(folder)
        expected = json.loads(json.dumps(plain(answer)).replace(str(other), str(folder)))
        found = ours(case, folder, environ)
        if expected.get("auth_url", "").startswith("iam-pub."):
            expected["auth_url"] = f"https://{expected['auth_url']}"
        if "https://iam..example.com" in expected.get("auth_url", ""):  # a template without a region
            assert "auth_url needs a region" in found["error"]
        elif ("error" in found, "error" in expected) == (False, False) and found == expected:
            equal += 1
        elif not ("error" in found and "Region eu-" in expected.get("error", "")):
            wrong.append((folder, expected, found))
    assert wrong == []
    assert equal > 0.7 * COUNT


HOME = "home/.config/openstack"
ENVIRON = {"HOME": "ROOT/home"}
BASE = "clouds: {otc: {auth: {username: me}}}"
EVIL = "{clouds: {otc: {auth: {username: evil}}}}"


def case(files, *, region="", **environ):
    return Case(files, {**ENVIRON, **environ}, region=region)


# Where the answers differ on purpose: the files, what openstacksdk says, what declarative says.
DIFFERENCES = {
    "a-file-in-the-working-folder-is-ignored": (
        case({"work/clouds.yaml": EVIL, f"{HOME}/clouds.yaml": BASE}),
        {"username": "evil"},
        {"username": "me"},
    ),
    "a-companion-in-the-working-folder-is-ignored": (
        case({"work/secure.yaml": EVIL, f"{HOME}/clouds.yaml": BASE}),
        {"username": "evil"},
        {"username": "me"},
    ),
    "a-profile-in-the-working-folder-is-ignored": (
        case(
            {
                "work/clouds-public.yaml": "public-clouds: {otc: {auth: {auth_url: 'https://evil'}}}",
                f"{HOME}/clouds.yaml": "clouds: {otc: {profile: otc}}",
            }
        ),
        {"auth_url": "https://evil"},
        {"auth_url": "https://iam.eu-de.otc.t-systems.com/v3"},
    ),
    "a-companion-in-another-folder-is-ignored": (
        case({"etc/openstack/secure.yaml": EVIL, f"{HOME}/clouds.yaml": BASE}),
        {"username": "evil"},
        {"username": "me"},
    ),
    "companions-of-a-named-file-are-beside-it": (
        case(
            {"named/mine.yaml": BASE, "named/secure.yaml": "clouds: {otc: {auth: {password: p}}}"},
            OS_CLIENT_CONFIG_FILE="ROOT/named/mine.yaml",
        ),
        {"username": "me"},
        {"username": "me", "password": "p"},
    ),
    "a-named-companion-must-be-beside-the-file": (
        case({"named/s.yaml": EVIL, f"{HOME}/clouds.yaml": BASE}, OS_CLIENT_SECURE_FILE="ROOT/named/s.yaml"),
        {"username": "evil"},
        "is not beside the clouds.yaml in use",
    ),
    "a-named-file-must-exist": (
        case({f"{HOME}/clouds.yaml": BASE}, OS_CLIENT_CONFIG_FILE="ROOT/none.yaml"),
        {"username": "me"},
        "which does not exist",
    ),
    "secure-yaml-alone-is-not-a-cloud": (
        case({f"{HOME}/secure.yaml": BASE}),
        {"username": "me"},
        "secure.yaml has no clouds.yaml beside it",
    ),
    "a-broken-file-is-an-error": (
        case({f"{HOME}/clouds.yaml": "clouds: [", "etc/openstack/clouds.yaml": BASE}),
        {"username": "me"},
        "clouds.yaml:1:9: error: the YAML can't be read",
    ),
    "a-key-that-is-given-twice-is-an-error": (
        case({f"{HOME}/clouds.yaml": "clouds: {otc: {auth: {username: a, username: me}}}"}),
        {"username": "me"},
        "duplicate key 'username'",
    ),
    "an-unknown-profile-is-an-error": (
        case({f"{HOME}/clouds.yaml": "clouds: {otc: {profile: none, auth: {username: me}}}"}),
        {"username": "me"},
        "no profile is named 'none'",
    ),
    "a-profile-that-is-a-url-is-never-fetched": (
        case({f"{HOME}/clouds.yaml": "clouds: {otc: {profile: 'https://127.0.0.1:9/', auth: {username: me}}}"}),
        "nothing may be fetched here",
        "a profile can't be a URL",
    ),
    "other-built-in-profiles-are-not-known": (
        case({f"{HOME}/clouds.yaml": "clouds: {otc: {profile: elastx, auth: {username: me}}}"}),
        {"username": "me", "auth_url": "https://ops.elastx.cloud:5000/v3"},
        "no profile is named 'elastx'",
    ),
    "the-url-of-the-swiss-profile-has-a-scheme": (
        case({f"{HOME}/clouds.yaml": "clouds: {otc: {profile: otc-swiss}}"}),
        {"auth_url": "iam-pub.eu-ch2.sc.otc.t-systems.com/v3"},
        {"auth_url": "https://iam-pub.eu-ch2.sc.otc.t-systems.com/v3"},
    ),
    "numbers-keep-their-text": (
        case({f"{HOME}/clouds.yaml": "clouds: {otc: {auth: {passcode: 012345, project_name: 3.10}}}"}),
        {"passcode": "5349", "project_name": "3.1"},
        {"passcode": "012345", "project_name": "3.10"},
    ),
    "null-is-not-the-text-none": (
        case({f"{HOME}/clouds.yaml": "clouds: {otc: {auth: {username: me, project_id: null}}}"}),
        {"username": "me", "project_id": "None"},
        {"username": "me"},
    ),
    "only-the-region-is-filled-in": (
        case({f"{HOME}/clouds.yaml": "clouds: {otc: {auth: {auth_url: 'https://{interface}'}}}"}),
        {"auth_url": "https://public"},
        "auth_url contains braces",
    ),
    "a-template-needs-a-region": (
        case({f"{HOME}/clouds.yaml": "clouds: {otc: {auth: {auth_url: 'https://iam.{region_name}.x'}}}"}),
        {"auth_url": "https://iam..x"},
        "auth_url needs a region",
    ),
    "a-relative-path-starts-at-its-file": (
        case({f"{HOME}/clouds.yaml": "clouds: {otc: {cacert: ca.pem}}"}),
        {"cacert": "ca.pem"},
        {"cacert": f"ROOT/{HOME}/ca.pem"},
    ),
    "each-of-several-site-folders-is-searched": (
        case({"b/openstack/clouds.yaml": BASE}, XDG_CONFIG_DIRS="ROOT/a:ROOT/b"),
        "Cloud otc was not found",
        {"username": "me"},
    ),
    "an-unknown-auth-type-is-an-error": (
        case({f"{HOME}/clouds.yaml": "clouds: {otc: {auth_type: v2password, auth: {username: me}}}"}),
        {"username": "me", "auth_type": "v2password"},
        "auth_type 'v2password' is not supported",
    ),
}


@pytest.fixture(scope="module")
def both_answers(tmp_path_factory):
    """For each difference the folder, the answer of openstacksdk and the environment for declarative."""
    root = tmp_path_factory.mktemp("differences")
    laid = [(drawn, root / name, drawn.lay_out(root / name)) for name, (drawn, _, _) in DIFFERENCES.items()]
    return {
        name: (folder, environ, answer)
        for name, (_, folder, environ), answer in zip(DIFFERENCES, laid, theirs(*laid), strict=True)
    }


def beside_defaults(found):
    """An answer without what openstacksdk says of every cloud."""
    defaults = {"interface": "public", "auth_type": "password", "identity_api_version": "3", "region_name": None}
    return {name: value for name, value in found.items() if value != defaults.get(name, "") and name != "region_name"}


@pytest.mark.parametrize("name", list(DIFFERENCES))
def test_a_difference_is_on_purpose(name, both_answers, site):
    drawn, expected_theirs, expected_ours = DIFFERENCES[name]
    folder, environ, answer = both_answers[name]
    site(folder)
    for found, expected in ((plain(answer), expected_theirs), (ours(drawn, folder, environ), expected_ours)):
        if isinstance(expected, str):
            assert expected in found["error"]
        else:
            wanted = {key: value.replace("ROOT", str(folder)) for key, value in expected.items()}
            assert beside_defaults(found) == wanted
