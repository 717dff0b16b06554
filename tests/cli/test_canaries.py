"""No secret is told, logged, recorded or left behind, whatever the cloud repeats and however a command ends."""

import json
import tempfile
from dataclasses import dataclass, field

import pytest

from declarative.simulator import Origin, World
from tests.scaffold.canaries import Canaries
from tests.scaffold.hostile_cloud import hostile_cloud
from tests.scaffold.small_stacks import GROUP

PROJECT = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
TOKEN = "MIIFcanary-token+/0123456789=="
BYSTANDERS = {
    "OS_PASSWORD": "canary-password",
    "OS_ACCESS_KEY": "AKCANARYAKCANARYAKCA",
    "OS_SECRET_KEY": "canary-secret-key",
    "OS_SECURITY_TOKEN": "canary-security-token",
    "OS_PASSCODE": "918273",
    "OS_APPLICATION_CREDENTIAL_SECRET": "canary-credential",
    "HW_SECRET_KEY": "canary-hw-key",
    "HW_SECURITY_TOKEN": "canary-hw-token",
}


@dataclass(frozen=True)
class SignIn:
    """A way to sign in: the secrets that it takes, and what else."""

    secrets: dict[str, str]
    more: dict[str, str] = field(default_factory=dict)


USER = {"OS_USERNAME": "anna", "OS_USER_DOMAIN_NAME": "OTC", "OS_PROJECT_ID": PROJECT}
PASSWORD = {"OS_PASSWORD": 'canary-"password\\/ä'}
KEYS = {"HW_ACCESS_KEY": "HWCANARYHWCANARYHWCA", "HW_SECRET_KEY": "canary-hw-key-0123456789"}
WAYS = {
    "token": SignIn({"OS_AUTH_TOKEN": TOKEN, **BYSTANDERS}),
    "password": SignIn(PASSWORD, USER),
    "passcode": SignIn({**PASSWORD, "OS_PASSCODE": "918273"}, {**USER, "OS_USER_ID": "u1"}),
    "application-credential": SignIn(
        {"OS_APPLICATION_CREDENTIAL_SECRET": "canary-credential"}, {"OS_APPLICATION_CREDENTIAL_ID": "ac1"}
    ),
    "access-keys": SignIn(KEYS),
    "temporary-keys": SignIn({**KEYS, "HW_SECURITY_TOKEN": "canary-hw-token/+=0123456789"}),
}
STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {name: shop}\nspec: {provider: {region: eu-de}}\n"
COMMANDS = [
    ("plan", "-o", "plan.json"),
    ("apply", "plan.json", "--auto-approve"),
    ("apply", "--auto-approve"),
    ("apply", "--auto-approve", "--format", "json"),
    ("plan", "--format", "json"),
    ("status",),
    ("status", "--format", "json"),
    ("drift",),
    ("export", "out"),
    ("show", "--format", "json"),
    ("destroy", "--auto-approve"),
]
# What goes wrong: the quota of groups, and the faults of the service.
TROUBLES = [
    pytest.param(5, (), id="nothing"),
    pytest.param(0, (), id="creates-are-refused"),
    pytest.param(5, ("POST server-groups:fail-job=SDRS.1014",), id="jobs-fail"),
    pytest.param(5, ("GET server-groups*:status=403:code=SDRS.0004",), id="reads-are-refused"),
    pytest.param(5, (f"* *:status=401:code={TOKEN.replace('=', '')}:envelope=E4",), id="nobody-is-known"),
    pytest.param(5, ("GET server-groups*:redirect=307",), id="redirects"),
    pytest.param(5, ("* *:cut:every=3",), id="cut-answers"),
]


def world_for(*, quota=5, faults=()):
    origin = Origin(project_id=PROJECT, group_quota=quota)
    world = World.open(speed=float("inf"), origin=origin, faults=faults, seed=1)
    world.accept_token(TOKEN)
    return world


def write_stack(folder):
    (folder / "stack.yaml").write_text(STACK)
    (folder / "groups.yaml").write_text(GROUP)


@pytest.mark.parametrize("is_escaping", [False, True], ids=["plain", "escaped"])
@pytest.mark.parametrize(("quota", "faults"), TROUBLES)
def test_no_secret_is_told_or_kept(cli, folder, tmp_path, monkeypatch, quota, faults, is_escaping):
    canaries = Canaries(WAYS["token"].secrets)
    write_stack(folder)
    for name, value in canaries.values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SDRS_PROJECT_ID", PROJECT)
    with world_for(quota=quota, faults=faults) as world, hostile_cloud(world, is_escaping=is_escaping) as server:
        monkeypatch.setenv("SDRS_ENDPOINT", server.url)
        for words in COMMANDS:
            ran = cli("-vv", "--log-file", "requests.log", *words)
            canaries.assert_none_in(ran.out + ran.err, where=" ".join(words))
        assert server.echoes
    assert "***" in (folder / "requests.log").read_text()
    canaries.assert_none_below(tmp_path)


@pytest.fixture
def root(tmp_path):
    """A folder that is searched; the commands work in one below it."""
    (tmp_path / "project").mkdir()
    write_stack(tmp_path / "project")
    return tmp_path


def environment(server, way):
    """What else is in the environment of a command that signs in so."""
    url = {"OS_AUTH_URL": f"{server.url}/v3"} if way != "token" else {}
    return {"SDRS_PROJECT_ID": PROJECT, "SDRS_ENDPOINT": server.url, **url, **WAYS[way].more}


def issued_by(server):
    """The tokens that were signed in for."""
    return Canaries({f"token {number}": token for number, token in enumerate(server.issued)}, in_environment=False)


@pytest.mark.parametrize("way", WAYS)
def test_no_secret_leaves_the_process(root, way):
    canaries, told = Canaries(WAYS[way].secrets), ""
    with world_for() as world, hostile_cloud(world, is_escaping=True) as server:
        for words in [*COMMANDS[:3], ("auth", "check"), ("auth", "show-sources")]:
            ended = canaries.run(
                ("-vv", "--log-file", "requests.log", *words),
                root=root,
                folder=root / "project",
                environ=environment(server, way),
            )
            told += ended.out + ended.err
            if words[0] == "plan":
                assert ended.code == 0, ended.err
        assert server.echoes
    issued = issued_by(server)
    assert bool(issued.values) is (way in ("password", "passcode", "application-credential"))
    issued.assert_none_in(told, where="what was told")
    issued.assert_none_below(root)


# Puts every variable and whatever is sent into the message of a defect: of the sign-in, or of what comes after it.
_DEFECT = """
import os
import declarative.provider.transport as transport

exchange = transport.Connection.exchange

async def broken(self, message, *, max_body):
    if {word!r} not in message.target:
        return await exchange(self, message, max_body=max_body)
    told = [*os.environ.values(), repr(message), repr(message.headers), message.body.decode(), repr(message.body)]
    raise RuntimeError(" ".join(told))

transport.Connection.exchange = broken
"""
# Ends the process at once, as a signal from the system does; `faulthandler` prints the stack.
_ABORT = """
import os
import declarative.provider.transport as transport

def broken(self, message, *, max_body):
    os.abort()

transport.Connection.exchange = broken
"""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("before", "says"),
    [
        pytest.param(_DEFECT.format(word="/v3/"), "defect of declarative", id="defect-while-signing-in"),
        pytest.param(_DEFECT.format(word="/server-groups"), "defect of declarative", id="defect-afterwards"),
        pytest.param(_ABORT, "Fatal Python error", id="abort"),
    ],
)
def test_no_secret_is_in_what_a_crash_leaves(root, way, before, says):
    canaries = Canaries(WAYS[way].secrets)
    with world_for() as world, hostile_cloud(world) as server:
        ended = canaries.run(
            ("-vv", "plan"), root=root, folder=root / "project", environ=environment(server, way), before=before
        )
    issued = issued_by(server)
    issued.assert_none_in(ended.err, where="standard error")
    issued.assert_none_below(root)
    details = list((root / "tmp").glob("declarative-*.txt"))
    assert all("Traceback" in one.read_text() for one in details)
    if not ("/v3/" in before and way in ("token", "access-keys", "temporary-keys")):
        assert says in ended.err  # those ways have no sign-in of their own
        assert len(details) == (before is not _ABORT)


@pytest.mark.parametrize("before", ["", _DEFECT.format(word="/v3/")], ids=["all-goes-well", "defect"])
def test_no_secret_of_clouds_yaml_is_told_or_kept(root, tmp_path_factory, before):
    password = 'canary-"clouds\\/password'
    path = tmp_path_factory.mktemp("elsewhere") / "clouds.yaml"
    canaries = Canaries({"password": password}, in_environment=False)
    with world_for() as world, hostile_cloud(world, is_escaping=True) as server:
        auth = {"auth_url": f"{server.url}/v3", "username": "anna", "user_domain_name": "OTC", "project_id": PROJECT}
        path.write_text(json.dumps({"clouds": {"otc": {"auth": {**auth, "password": password}}}}))
        environ = {"OS_CLIENT_CONFIG_FILE": str(path), "OS_CLOUD": "otc", "SDRS_ENDPOINT": server.url}
        for words in (("plan", "-o", "plan.json"), ("auth", "check"), ("auth", "show-sources")):
            ended = canaries.run(
                ("-vv", "--log-file", "requests.log", *words),
                root=root,
                folder=root / "project",
                environ=environ,
                before=before,
            )
            if words[0] == "plan":
                assert (ended.code, "defect" in ended.err) == ((1, True) if before else (0, False)), ended.err


def test_details_of_a_defect_hold_no_secret_of_any_variable(cli, folder, monkeypatch, tmp_path):
    canaries = Canaries(WAYS["token"].secrets)

    def broken(*_, **__):
        raise RuntimeError(" ".join(canaries.values.values()))

    for name, value in canaries.values.items():
        monkeypatch.setenv(name, value)
    write_stack(folder)
    (folder / "stack.yaml").write_text(STACK.replace("region: eu-de", "simulator: true"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("declarative.workflow.plans.make_plan", broken)
    ran = cli("-vv", "--log-file", "requests.log", "plan")
    assert ran.code == 1
    [details] = tmp_path.glob("declarative-*.txt")
    assert "Traceback" in details.read_text()
    canaries.assert_none_in(ran.err, where="standard error")
    canaries.assert_none_below(tmp_path)


@pytest.mark.parametrize(
    "written",
    [
        "a canary+/='secret b",
        '"canary+\\/=\'secret"',
        "canary%2B/%3D%27secret",
        "canary%2B%2F%3D%27secret",
        "xxY2FuYXJ5Ky89J3NlY3JldA==",
        "Basic bWU6Y2FuYXJ5Ky89J3NlY3JldA==",
    ],
    ids=["plain", "json", "path", "query", "base64", "basic-auth"],
)
def test_canaries_are_found_however_they_are_written(tmp_path, written):
    canaries = Canaries({"OS_PASSWORD": "canary+/='secret", "OTHER": "something-else"})
    (tmp_path / "file").write_text(written)
    with pytest.raises(AssertionError, match="OS_PASSWORD"):
        canaries.assert_none_below(tmp_path)
    (tmp_path / "file").write_text(written.replace("can", "").replace("Y2Fu", "").replace("Fu", ""))
    canaries.assert_none_below(tmp_path)
