"""The served simulator, and OTC's own client (`otcextensions`), which comes to SDRS by signing in and the catalogue."""

import openstack
import pytest
from keystoneauth1.exceptions import HttpError
from otcextensions.sdk import register_otc_extensions

from declarative.simulator import Domain, Origin, Rules, UserStatus, World, running
from tests.scaffold.accounts import PEOPLE

# The client and openstacksdk warn of their own old parts.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

PROJECT = "0605767b5780d5762fc5c0118072a564"
DOMAIN = "f523d6f3-f25c-45e8-b06e-32f164fd24e5"
VPC = "68679295-0223-4b5d-aecb-656d77977de2"
SUBNET = "8d3f1c42-6f0b-4f5e-9f0c-2a7d0f6b8e11"
ABSENT = "c3f1b5d3-98db-45a6-a20b-2cf0dd311efa"
UNAUTHORIZED = "The request you have made requires authentication."
IN_SHOP = {"project_name": "eu-de_shop", "project_domain_name": "BANK"}
ADA = {"username": "ada", "user_domain_name": "BANK", "password": "correct horse"}
BOB = {"username": "bob", "user_domain_name": "BANK", "password": "battery staple"}
THERE = {"username": "ada", "user_domain_name": "PARTNER", "password": "other"}
WAYS = {
    "password": ("password", ADA | IN_SHOP),
    "password-by-ids": ("password", {"user_id": "ada-id", "password": "correct horse", "project_id": PROJECT}),
    "passcode": (
        "v3multifactor",
        BOB | IN_SHOP | {"auth_methods": ["v3password", "v3totp"], "passcode": "123456"},
    ),
    "application-credential": (
        "v3applicationcredential",
        {"application_credential_id": "ci-id", "application_credential_secret": "s3cret"},
    ),
    "agency": (
        "agency",
        THERE
        | {
            "project_domain_name": "PARTNER",
            "target_agency_name": "dr",
            "target_domain_name": "BANK",
            "target_project_name": "eu-de_shop",
        },
    ),
}


@pytest.fixture
def opened():
    """A world in which jobs end at once, with rules of its own."""
    worlds = []

    def opener(**rules):
        origin = Origin(PROJECT, domains=(Domain(id=DOMAIN),), group_quota=3, accounts=PEOPLE)
        worlds.append(World.open(speed=float("inf"), origin=origin, rules=Rules(**rules)))
        return worlds[-1]

    yield opener
    for world in worlds:
        world.close()


@pytest.fixture
def world(opened):
    return opened()


@pytest.fixture
def address(world):
    with running(world) as found:
        yield found


@pytest.fixture
def connect():
    """A connection of the client that has only the address of IAM, or the exception of its sign-in."""
    made = []

    def connector(address, way, auth):
        found = openstack.connect(
            load_envvars=False,
            load_yaml_config=False,
            auth_type=way,
            auth={"auth_url": f"{address}/v3", **auth},
            region_name="eu-de",
        )
        made.append(found)
        register_otc_extensions(found)
        return found

    yield connector
    for one in made:
        one.close()


@pytest.fixture
def sdrs(address, connect):
    return connect(address, *WAYS["password"]).sdrs


@pytest.fixture
def ended(sdrs):
    """What a job has made or changed; it has succeeded. The client knows no other id than the group's."""

    def wait(job_id):
        job = sdrs.get_job(job_id)
        assert job.status == "SUCCESS", job
        return job.entities

    return wait


@pytest.fixture
def group(sdrs, ended):
    made = sdrs.create_protection_group(
        name="pg-orders",
        description="order system",
        source_availability_zone="eu-de-01",
        target_availability_zone="eu-de-02",
        domain_id=DOMAIN,
        source_vpc_id=VPC,
        dr_type="migration",
    )
    return ended(made.job_id)["server_group_id"]


# ---------------------------------------------------------------- signing in


@pytest.mark.parametrize("way", WAYS)
def test_it_signs_in_and_finds_sdrs_in_the_catalogue(world, address, connect, way):
    cloud = connect(address, *WAYS[way])
    assert cloud.current_project_id == PROJECT
    assert cloud.sdrs.get_endpoint() == f"{address}/v1/{PROJECT}"
    (found,) = cloud.sdrs.get_domains()
    assert [domain["id"] for domain in found.domains] == [DOMAIN]
    assert world.requests()["GET", "active-domains"] == 1


def test_a_token_signs_in_again(address, connect):
    token = connect(address, *WAYS["password"]).auth_token
    again = connect(address, "token", {"token": token} | IN_SHOP)
    assert len(list(again.sdrs.get_domains())) == 1


def test_it_gets_a_temporary_access_key(address, connect):
    key = connect(address, *WAYS["password"]).identity.create_security_token(duration=900)
    assert all((key.access, key.secret, key.security_token))


@pytest.mark.parametrize(
    ("way", "change", "told"),
    [
        ("password", {"password": "wrong"}, "The username or password is wrong. (HTTP 401)"),
        ("password", {"username": "eve", "password": "pass"}, "The user is disabled. (HTTP 403)"),
        ("password", {"project_name": "eu-de"}, "Could not find the project. (HTTP 401)"),
        ("passcode", {"passcode": "000000"}, "The verification code is wrong. (HTTP 401)"),
        ("application-credential", {"application_credential_secret": "wrong"}, f"{UNAUTHORIZED} (HTTP 401)"),
        ("agency", {"target_agency_name": "other"}, "Could not find the agency: other. (HTTP 404)"),
    ],
    ids=["password", "disabled", "project-of-another-account", "passcode", "secret", "agency"],
)
def test_a_refused_sign_in_is_told_to_it(address, connect, way, change, told):
    method, auth = WAYS[way]
    with pytest.raises(openstack.exceptions.SDKException) as caught:
        connect(address, method, auth | change)
    assert str(caught.value) == told


def test_a_catalogue_without_sdrs_leaves_it_without_an_address(opened, connect):
    with running(opened(catalogue_has_sdrs=False)) as address:
        assert connect(address, *WAYS["password"]).endpoint_for("sdrs") is None


def test_it_signs_in_anew_when_its_token_has_expired(world, sdrs):
    assert len(list(sdrs.get_domains())) == 1
    world.operator.expire_tokens()
    assert len(list(sdrs.get_domains())) == 1
    assert world.requests()["POST", "/v3/auth/tokens"] == 2


def test_a_user_who_is_disabled_meanwhile_is_turned_away(world, sdrs):
    world.operator.set_user_status("ada-id", UserStatus.DISABLED)
    with pytest.raises(HttpError, match="The user is disabled") as caught:
        list(sdrs.get_domains())
    assert caught.value.http_status == 403


def test_a_missing_permission_is_told_to_it(world, sdrs):
    world.faults.add(["GET server-groups:forbid=sdrs:serverGroups:list"])
    with pytest.raises(openstack.exceptions.HttpException) as caught:
        list(sdrs.protection_groups())
    assert caught.value.status_code == 403
    assert "Policy doesn't allow sdrs:serverGroups:list to be performed." in caught.value.response.text


# ---------------------------------------------------------------- what it does then


def test_groups(sdrs, group):
    found = sdrs.get_protection_group(group)
    assert (found.name, found.description, found.status, found.domain_id) == (
        "pg-orders",
        "order system",
        "available",
        DOMAIN,
    )
    assert [one.id for one in sdrs.protection_groups(name="pg")] == [group]
    assert sdrs.find_protection_group("pg-orders").id == group
    assert sdrs.update_protection_group(group, name="pg-new").name == "pg-new"
    sdrs.delete_protection_group(group)  # which forgets the job
    with pytest.raises(openstack.exceptions.BadRequestException) as caught:
        sdrs.get_protection_group(group)
    assert "SDRS.1013" in caught.value.response.text


def test_members(sdrs, group, ended):
    made = sdrs.create_protected_instance(
        server_group_id=group, server_id=ABSENT, name="pi-web", primary_subnet_id=SUBNET
    )
    ended(made.job_id)
    ended(sdrs.create_replication_pair(server_group_id=group, volume_id=VPC, name="rp-data").job_id)
    instance, pair = sdrs.find_protected_instance("pi-web").id, sdrs.find_replication_pair("rp-data").id
    ended(sdrs.attach_replication_pair(instance, pair).json()["job_id"])
    shown = sdrs.get_protected_instance(instance)
    assert (shown.name, shown.source_server) == ("pi-web", ABSENT)
    assert pair in [one["replication"] for one in shown.attachment]
    assert pair in [one.id for one in sdrs.replication_pairs(server_group_id=group)]
    ended(sdrs.detach_replication_pair(instance, pair).json()["job_id"])
    ended(sdrs.expand_replication_pair(pair, new_size=150).json()["job_id"])
    assert sdrs.get_replication_pair(pair).record_metadata.volume_size == 150
    assert sdrs.update_protected_instance(instance, name="pi-new").name == "pi-new"
    ended(sdrs.delete_replication_pair(pair, server_group_id=group).job_id)
    ended(sdrs.delete_protected_instance(instance).job_id)
    assert list(sdrs.protected_instances()) == []


def test_the_actions(world, sdrs, group, ended):
    world.operator.add_replication(group)
    steps = (
        (sdrs.enable_protection, "protected"),
        (sdrs.disable_protection, "available"),
        (sdrs.enable_protection, "protected"),
        (sdrs.perform_planned_failover, "protected"),
        (sdrs.perform_failover, "failed-over"),
    )
    for act, status in steps:
        assert ended(act(group).json()["job_id"])
        assert sdrs.get_protection_group(group).status == status


def test_drills(sdrs, group, ended):
    ended(sdrs.create_dr_drill(server_group_id=group, name="drill").job_id)
    drill = sdrs.find_dr_drill("drill").id
    assert sdrs.get_dr_drill(drill).server_group_id == group
    assert sdrs.update_dr_drill(drill, name="drill-2").name == "drill-2"
    sdrs.delete_dr_drill(drill)
    assert list(sdrs.dr_drills()) == []


def test_failed_tasks_and_quotas(world, sdrs, group):
    world.faults.add(["DELETE server-groups/*:fail-job=SDRS.1016"])
    sdrs.delete_protection_group(group)
    assert [task.error_code for task in sdrs.failed_tasks()] == ["SDRS.1016"]
    assert sdrs.delete_all_failed_tasks().status_code == 204
    (quotas,) = sdrs.quotas()
    assert {one["type"]: (one["used"], one["quota"]) for one in quotas.resources}["server_groups"] == (1, 3)
