"""The served simulator, and the vendor's own client (`huaweicloudsdksdrs`), which nobody here has written, on it."""

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdksdrs.v1 import SdrsClient
from huaweicloudsdksdrs.v1 import model as sdrs

from declarative.simulator import Domain, Origin, World, running

VPC = "68679295-0223-4b5d-aecb-656d77977de2"
DOMAIN = "f523d6f3-f25c-45e8-b06e-32f164fd24e5"
PROJECT = "0605767b5780d5762fc5c0118072a564"


@pytest.fixture
def world():
    origin = Origin(project_id=PROJECT, domains=(Domain(id=DOMAIN),), group_quota=3)
    with World.open(speed=float("inf"), origin=origin) as opened:
        yield opened


@pytest.fixture
def address(world):
    with running(world) as found:
        yield found


@pytest.fixture
def signing():
    """Make the vendor's client, signing with an access key; no request of it is repeated behind our back."""
    made = []

    def maker(address, access_key, secret_key, *, security_token=None):
        config = HttpConfig.get_default_config()
        config.retry_times = 0
        config.timeout = 20
        credentials = BasicCredentials(access_key, secret_key, PROJECT).with_security_token(security_token)
        built = SdrsClient.new_builder().with_http_config(config).with_credentials(credentials).with_endpoint(address)
        made.append(built.build())
        return made[-1]

    yield maker
    for one in made:
        one._http_client._session.close()
        one._http_client.executor.shutdown()


@pytest.fixture
def client(address, signing):
    return signing(address, "AK", "SK")


@pytest.fixture
def create(client):
    """Create a group and give the job's answer."""

    def creator(**changes):
        fields = {
            "name": "pg-orders",
            "description": "order system",
            "source_availability_zone": "eu-de-01",
            "target_availability_zone": "eu-de-02",
            "domain_id": DOMAIN,
            "source_vpc_id": VPC,
            "dr_type": "migration",
        } | changes
        params = sdrs.CreateProtectionGroupRequestParams(**fields)
        body = sdrs.CreateProtectionGroupRequestBody(server_group=params)
        return client.create_protection_group(sdrs.CreateProtectionGroupRequest(body=body))

    return creator


@pytest.fixture
def job(client):
    """The job that an answer speaks of."""
    return lambda answer: client.show_job_status(sdrs.ShowJobStatusRequest(job_id=answer.job_id))


@pytest.fixture
def group(create, job):
    """The id of a new group."""
    return lambda **changes: job(create(**changes)).entities.server_group_id


@pytest.fixture
def show(client):
    """A group as the client reads it."""
    return lambda group_id: (
        client.show_protection_group(sdrs.ShowProtectionGroupRequest(server_group_id=group_id)).server_group
    )
