"""Where clouds.yaml is looked for, and that nothing in a repository takes its place."""

from pathlib import Path

import pytest

from declarative.errors import UsageError
from declarative.identity import cloud_files
from declarative.identity.cloud_files import locate
from declarative.identity.clouds import read_cloud

NAMES = [f"{stem}{ending}" for stem in ("clouds", "secure", "clouds-public") for ending in (".yaml", ".yml", ".json")]
GOOD = {
    "clouds.yaml": "clouds: {otc: {profile: mine, auth: {username: me}}}",
    "secure.yaml": "clouds: {otc: {auth: {password: good}}}",
    "clouds-public.yaml": "public-clouds: {mine: {auth: {auth_url: 'https://good.example.com'}}}",
}
EVIL_ENTRY = "{profile: mine, auth: {auth_url: 'https://evil.example.com', username: evil, password: evil}}"
EVIL = f"clouds: {{otc: {EVIL_ENTRY}}}\npublic-clouds: {{mine: {EVIL_ENTRY}}}\n"


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name in ("home/.config/openstack", "work", "stack", "etc/openstack"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(cloud_files, "_SITE", tmp_path / "etc/openstack")
    return tmp_path


def put(folder, files):
    for name, content in files.items():
        (folder / name).write_text(content)


def found(root, **environ):
    environ = {"HOME": str(root / "home"), **environ}
    return locate(environ, working_folder=root / "work", stack_folder=root / "stack")


def good(root, *names):
    put(root / "home/.config/openstack", {name: GOOD[name] for name in names or GOOD})


def texts(root, files):
    return {name: value.text for name, value in read_cloud(files, "otc", named_by="OS_CLOUD").values.items()}


@pytest.mark.parametrize("place", ["work", "stack"])
@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_file_in_the_working_or_the_stacks_folder_is_named_and_ignored(root, name, place):
    good(root)
    put(root / place, {name: EVIL})
    files = found(root)
    assert texts(root, files) == {"auth_url": "https://good.example.com", "username": "me", "password": "good"}
    assert files.ignored == (root / place / name,)
    assert [warning.summary for warning in files.warnings()] == [
        f"{root / place / name} is ignored because it is in the working folder or the stack's folder"
    ]


@pytest.mark.parametrize("place", ["work", "stack"])
@pytest.mark.parametrize("missing", list(GOOD))
def test_a_hostile_file_does_not_fill_the_place_of_a_missing_one(root, missing, place):
    good(root, *(name for name in GOOD if name != missing))
    put(root / place, dict.fromkeys(NAMES, EVIL))
    files = found(root)
    if missing == "clouds.yaml":
        with pytest.raises(UsageError, match=r"secure.yaml has no clouds.yaml beside it"):
            texts(root, files)
    elif missing == "clouds-public.yaml":
        with pytest.raises(Exception, match="no profile is named 'mine'"):
            texts(root, files)
    else:
        assert texts(root, files) == {"auth_url": "https://good.example.com", "username": "me"}


@pytest.mark.parametrize("place", ["work", "stack"])
@pytest.mark.parametrize("name", list(GOOD))
def test_a_link_into_the_working_or_the_stacks_folder_is_not_followed(root, name, place):
    good(root, *(one for one in GOOD if one != name))
    put(root / place, {"x": EVIL})
    (root / "home/.config/openstack" / name).symlink_to(root / place / "x")
    assert all(path is None or path.name != name for path in (lambda f: (f.clouds, f.secure, f.public))(found(root)))
    assert root / "home/.config/openstack" / name in found(root).ignored


def test_a_link_through_the_working_folder_is_not_followed(root):
    put(root / "etc", {"real": EVIL})
    (root / "work" / "hop").symlink_to(root / "etc" / "real")
    (root / "home/.config/openstack/clouds.yaml").symlink_to(root / "work" / "hop")
    assert found(root).clouds is None


def test_a_folder_that_is_searched_and_worked_in_is_ignored(root):
    put(root / "work", {"clouds.yaml": EVIL})
    (root / "home/.config/openstack").rmdir()
    (root / "home/.config/openstack").symlink_to(root / "work")
    assert found(root).clouds is None


def test_links_in_a_circle_are_not_followed(root):
    (root / "etc/openstack/clouds.yaml").symlink_to("clouds.yaml")
    assert found(root).clouds is None


@pytest.mark.parametrize("named", ["clouds.yaml", "./clouds.yaml", "ROOT/work/clouds.yaml"])
def test_a_named_file_in_the_working_folder_is_read_with_its_companions(root, named):
    good(root)
    put(root / "work", {name: content.replace("good", "named") for name, content in GOOD.items()})
    files = found(root, OS_CLIENT_CONFIG_FILE=named.replace("ROOT", str(root)))
    assert texts(root, files) == {"auth_url": "https://named.example.com", "username": "me", "password": "named"}
    assert files.ignored == ()


def test_a_named_file_takes_no_companion_from_elsewhere(root):
    good(root)
    put(root / "etc", {"mine.yaml": "clouds: {otc: {auth: {username: other}}}"})
    put(root / "work", {"secure.yaml": EVIL})
    files = found(root, OS_CLIENT_CONFIG_FILE=str(root / "etc/mine.yaml"))
    assert texts(root, files) == {"username": "other"}
    assert files.ignored == (root / "work/secure.yaml",)
    assert files.apart == tuple(
        root / "home/.config/openstack" / name for name in ("secure.yaml", "clouds-public.yaml")
    )


def test_a_companion_in_another_folder_is_named_and_ignored(root):
    good(root, "clouds.yaml", "clouds-public.yaml")
    put(root / "etc/openstack", {"secure.yaml": EVIL})
    files = found(root)
    assert "password" not in texts(root, files)
    assert [warning.summary for warning in files.warnings()] == [
        f"{root / 'etc/openstack/secure.yaml'} is ignored because it is not beside ~/.config/openstack/clouds.yaml"
    ]


@pytest.mark.parametrize("variable", ["OS_CLIENT_SECURE_FILE", "OS_CLIENT_VENDOR_FILE"])
def test_a_named_companion_must_be_beside_the_clouds_file(root, variable):
    good(root)
    put(root / "etc", {"s.yaml": EVIL})
    put(root / "work", {"s.yaml": EVIL})
    for name in ("../etc/s.yaml", "s.yaml"):
        with pytest.raises(UsageError, match=f"{variable} names a file that is not beside"):
            found(root, **{variable: name})


def test_a_named_companion_beside_the_clouds_file_may_have_any_name(root):
    good(root, "clouds.yaml", "clouds-public.yaml")
    put(root / "home/.config/openstack", {"vault.yaml": GOOD["secure.yaml"]})
    files = found(root, OS_CLIENT_SECURE_FILE=str(root / "home/.config/openstack/vault.yaml"))
    assert texts(root, files)["password"] == "good"


@pytest.mark.parametrize("variable", ["OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE", "OS_CLIENT_VENDOR_FILE"])
def test_a_named_file_must_exist(root, variable):
    good(root)
    with pytest.raises(UsageError, match=f"{variable} names 'no.yaml', which does not exist"):
        found(root, **{variable: "no.yaml"})
    assert found(root, **{variable: ""}).clouds == root / "home/.config/openstack/clouds.yaml"


def test_places_are_searched_in_the_order_of_openstacksdk(root):
    environ = {
        "XDG_CONFIG_HOME": str(root / "xdg"),
        "XDG_CONFIG_DIRS": f"{root / 'a'}:relative:{root / 'b'}",
        "SNAP_REAL_HOME": str(root / "real"),
    }
    searched = [str(folder.relative_to(root)) for folder in found(root, **environ).searched]
    assert searched == ["xdg/openstack", "real/.config/openstack", "a/openstack", "b/openstack", "etc/openstack"]
    for place in reversed(searched):
        for ending in (".json", ".yml", ".yaml"):
            (root / place).mkdir(parents=True, exist_ok=True)
            (root / place / f"clouds{ending}").write_text("")
            assert found(root, **environ).clouds == root / place / f"clouds{ending}"


def test_a_relative_folder_of_the_environment_is_not_searched(root):
    assert found(root, XDG_CONFIG_HOME="work").searched[0] == root / "home/.config/openstack"


def test_without_a_home_the_one_of_the_account_is_taken(root):
    files = locate({}, working_folder=root, stack_folder=root)
    assert files.searched[0] == files.home / ".config/openstack"
    assert files.home.is_absolute()


def test_the_home_folder_is_shown_as_a_tilde(root):
    files = found(root)
    assert files.shown(root / "home/x") == "~/x"
    assert files.shown(Path("/else/x")) == "/else/x"
