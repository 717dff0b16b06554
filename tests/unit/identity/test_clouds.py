import pytest

from declarative.errors import InputError, UsageError
from declarative.identity.cloud_files import locate
from declarative.identity.clouds import cloud_names, read_cloud

CANARY = "hunter2"


@pytest.fixture
def home(tmp_path):
    (tmp_path / ".config/openstack").mkdir(parents=True)
    return tmp_path


def located(home, **files):
    for stem, content in files.items():
        (home / ".config/openstack" / f"{stem.replace('_', '-')}.yaml").write_text(content)
    return locate({"HOME": str(home)}, working_folder=home, stack_folder=home)


def read(home, entry, name="otc", *, region="", **files):
    return read_cloud(
        located(home, clouds=f"clouds:\n  otc: {entry}\n", **files), name, named_by="OS_CLOUD", region=region
    )


def texts(home, entry, **options):
    return {name: value.text for name, value in read(home, entry, **options).values.items()}


def refused(home, entry, **options):
    with pytest.raises(InputError) as caught:
        read(home, entry, **options)
    told = [str(finding) for finding in caught.value.findings]
    assert CANARY not in " ".join(told)
    return told


def test_each_value_has_its_source(home):
    cloud = read(
        home,
        "{profile: mine, auth: {username: me}}",
        secure="clouds: {otc: {auth: {password: p}}}",
        clouds_public="public-clouds: {mine: {auth: {auth_url: 'https://a'}}}",
    )
    assert cloud.file == "~/.config/openstack/clouds.yaml"
    assert {name: value.source for name, value in cloud.values.items()} == {
        "auth_url": "~/.config/openstack/clouds-public.yaml, profile mine",
        "password": "~/.config/openstack/secure.yaml, cloud otc",
        "username": "~/.config/openstack/clouds.yaml, cloud otc",
    }


def test_secrets_are_secret(home):
    inside = "password: hunter2, token: hunter2, ak: hunter2, sk: hunter2"
    entry = f"{{auth: {{{inside}}}, passcode: hunter2, security_token: hunter2}}"
    cloud = read(home, entry)
    assert len(cloud.values) == 6
    assert CANARY not in f"{cloud!r}"


def test_access_keys_and_agencies_have_the_names_of_the_vendors_tools(home):
    entry = (
        "{auth: {ak: a, sk: s, target_agency_name: g, target_domain_id: d, target_project_name: p}, auth_type: aksk}"
    )
    assert texts(home, entry) == {
        "access_key": "a",
        "secret_key": "s",
        "agency_name": "g",
        "agency_domain_id": "d",
        "delegated_project": "p",
        "auth_type": "aksk",
    }


@pytest.mark.parametrize(
    ("profile", "region", "url"),
    [
        ("otc", "", "https://iam.eu-de.otc.t-systems.com/v3"),
        ("otc", "eu-nl", "https://iam.eu-nl.otc.t-systems.com/v3"),
        ("otc-swiss", "", "https://iam-pub.eu-ch2.sc.otc.t-systems.com/v3"),
    ],
)
def test_the_profiles_of_open_telekom_cloud_are_built_in(home, profile, region, url):
    cloud = read(home, f"{{profile: {profile}}}", region=region)
    assert cloud.values["auth_url"].text == url
    assert cloud.values["auth_url"].source == f"the built-in profiles, profile {profile}"


def test_a_passcode_keeps_its_zero(home):
    assert texts(home, "{auth: {passcode: 012345, project_name: 3.10}}") == {
        "passcode": "012345",
        "project_name": "3.10",
    }


def test_null_and_empty_count_as_not_given(home):
    assert texts(home, "{auth: {password: , username: ~, token: ''}, region_name: null, auth_type: }") == {}


@pytest.mark.parametrize("entry", ["", "{}", "{auth: }", "null"])
def test_a_cloud_may_say_nothing(home, entry):
    assert texts(home, entry, secure="clouds: {otc: {auth: {username: me}}}") == {"username": "me"}


@pytest.mark.parametrize(
    "entry", ["{verify: false}", "{verify: 'no'}", "{insecure: true}", "{insecure: yes, verify: true}"]
)
def test_verification_that_is_off_is_one_value(home, entry):
    assert texts(home, entry) == {"insecure": "true"}


@pytest.mark.parametrize("entry", ["{verify: true}", "{insecure: false}", "{verify: , insecure: }"])
def test_verification_that_is_on_is_no_value(home, entry):
    assert texts(home, entry) == {}


def test_paths_start_at_the_home_folder_or_at_their_file(home):
    assert texts(home, "{cacert: ~/ca.pem, cert: sub/c.pem, key: /k.pem}") == {
        "cacert": str(home / "ca.pem"),
        "cert": str(home / ".config/openstack/sub/c.pem"),
        "key": "/k.pem",
    }


@pytest.mark.parametrize(
    "url", ["https://evil.example.com", "http://evil", "//evil/x", "ftp://u:hunter2@h", "https://[", "HTTPS://evil"]
)
@pytest.mark.parametrize("key", ["profile", "cloud"])
def test_a_profile_that_is_a_url_is_refused(home, monkeypatch, url, key):
    def connect(*args):
        raise AssertionError("nothing may be fetched")

    monkeypatch.setattr("socket.socket.connect", connect)
    entry = f"{{{key}: '{url}', auth: {{password: hunter2}}}}"
    assert "2:" in refused(home, entry, clouds_public=f"public-clouds: {{'{url}': {{}}}}")[0]
    assert "a profile can't be a URL" in refused(home, entry)[0]


def test_an_unknown_profile_is_an_error_that_tells_the_known_ones(home):
    (told,) = refused(home, "{profile: otcc}", clouds_public="public-clouds: {mine: {}}")
    assert told == (
        "~/.config/openstack/clouds.yaml:2:18: error: no profile is named 'otcc'. Did you mean 'otc'?"
        " Known: otc, otc-swiss, mine."
    )


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("[hunter2]", ":2:8: error: the cloud 'otc' is not a map"),
        ("hunter2", ":2:8: error: the cloud 'otc' is not a map"),
        ("{auth: hunter2}", ":2:15: error: `auth` is not a map"),
        ("{auth: {password: [hunter2]}}", ":2:26: error: password is not text"),
        ("{auth: {token: hunter2 x}}", ":2:23: error: token contains a space or a character outside ASCII"),
        (
            '{auth: {password: "hunter2\\n"}}',
            ":2:26: error: password contains a line break or another control character",
        ),
        (
            "{auth_type: v2password}",
            ":2:20: error: auth_type 'v2password' is not supported. Did you mean 'v3password'?",
        ),
        ("{verify: hunter2}", ":2:17: error: verify is neither true nor false"),
        ("{profile: [hunter2]}", ":2:18: error: profile is not text"),
        ("{regions: [[hunter2]]}", ":2:19: error: a region is neither a name nor a map with a name"),
        ("{regions: [{values: {}}]}", ":2:19: error: a region is neither a name nor a map with a name"),
        ("{region_name: 'a/b'}", ":2:22: error: region_name is not 1 to 64 letters"),
        ("{auth: {auth_url: 'https://iam.{region_name}.x'}}", ":2:26: error: auth_url needs a region"),
        ("{auth: {auth_url: 'https://{password}.x', password: hunter2}}", ":2:26: error: auth_url contains braces"),
    ],
)
def test_a_value_that_can_not_be_used_is_told_with_its_place(home, entry, told):
    assert f"~/.config/openstack/clouds.yaml{told}" in refused(home, entry)[0]


def test_all_findings_are_told_at_once(home):
    assert len(refused(home, "{auth_type: hunter, auth: {token: a b, passcode: []}}")) == 3


def test_a_region_of_the_stack_never_becomes_another_host(home):
    entry = "{auth: {auth_url: 'https://iam.{region_name}.example.com'}}"
    assert "needs a region" in refused(home, entry, region="evil.com/")[0]
    assert texts(home, entry, region="eu-de") == {"auth_url": "https://iam.eu-de.example.com"}


def test_an_unknown_region_tells_the_known_ones(home):
    with pytest.raises(UsageError) as caught:
        read(home, "{regions: [eu-de, {name: eu-nl}]}", region="eu_de")
    assert str(caught.value.diagnostics()[0]) == (
        "error: the cloud 'otc' has no region 'eu_de'. Did you mean 'eu-de'? It has: eu-de, eu-nl."
    )


@pytest.mark.parametrize("content", ["", "clouds:", "x: 1", "clouds: {}"])
def test_a_file_without_clouds_knows_none(home, content):
    files = located(home, clouds=content)
    assert cloud_names(files) == ()
    with pytest.raises(
        UsageError, match=r"no cloud is named 'otc' in ~/.config/openstack/clouds.yaml, but OS_CLOUD asks"
    ):
        read_cloud(files, "otc", named_by="OS_CLOUD")


def test_the_names_of_all_clouds_can_be_told(home):
    files = located(home, clouds="clouds: {a: {}, b: {}}", secure="clouds: {b: {}, c: {}}")
    assert cloud_names(files) == ("a", "b", "c")


def test_a_broken_companion_is_an_error_with_its_own_place(home):
    told = refused(home, "{auth: {username: me}}", secure="clouds: {otc: {auth: {password: hunter2}")
    assert told[0].startswith("~/.config/openstack/secure.yaml:1:")
