"""Addresses of states in PostgreSQL: what is taken apart, what is refused, and who must prove itself."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from declarative.errors import UsageError
from declarative.state.engine import Spot
from declarative.state.postgres.address import Target, parse


def spot(pattern: str, environ: Mapping[str, str] | None = None) -> Spot:
    return Spot(
        address=pattern.replace("{stack}", "shop").replace("{environment}", "prod"),
        pattern=pattern,
        stack="shop",
        environment="prod",
        environ=environ or {},
        uuid=lambda: "uuid",
        monotonic=lambda: 0.0,
        sleep=lambda seconds: None,
    )


def parsed(pattern: str, environ: Mapping[str, str] | None = None) -> Target:
    return parse(spot(pattern, environ))


def test_an_address_is_taken_apart():
    found = parsed("postgresql://me@db.example.com:5433/ops?schema=dr&state={stack}-{environment}&sslmode=require")
    assert found.schema == "dr"
    assert found.name == "shop-prod"
    wanted = {"user": "me", "host": "db.example.com", "port": "5433", "dbname": "ops", "sslmode": "require"}
    assert wanted.items() <= dict(found.options).items()
    assert not {"schema", "state"} & found.options.keys()


def test_the_least_address_has_a_schema_and_a_name_for_each_environment():
    found = parsed("postgresql://localhost/ops")
    assert (found.schema, found.name) == ("declarative", "shop/prod")


@pytest.mark.parametrize(
    ("hosts", "host", "port"),
    [
        ("a,b", "a,b", None),
        ("a:1,b", "a,b", "1,"),
        ("[::1]:5432", "::1", "5432"),
        ("%2Frun%2Fpostgresql", "/run/postgresql", None),
        ("", None, None),
    ],
)
def test_hosts_are_libpq_s(hosts, host, port):
    options = parsed(f"postgresql://{hosts}/ops").options
    assert (options.get("host"), options.get("port")) == (host, port)


def test_of_several_hosts_the_primary_is_asked():
    assert parsed("postgresql://a,b/ops").options["target_session_attrs"] == "primary"
    assert "target_session_attrs" not in parsed("postgresql://a/ops").options
    assert parsed("postgresql://a,b/ops?target_session_attrs=any").options["target_session_attrs"] == "any"


def test_a_dead_peer_is_noticed_unless_the_address_says_otherwise():
    options = parsed("postgresql://a/ops?keepalives_idle=60").options
    assert options["keepalives_idle"] == "60"
    assert {"keepalives", "keepalives_interval", "tcp_user_timeout", "connect_timeout"} <= options.keys()


@pytest.mark.parametrize("host", ["db.example.com", "10.0.0.5", "localhost,db.example.com"])
def test_a_server_elsewhere_must_prove_itself(host):
    options = parsed(f"postgresql://{host}/ops").options
    assert options["sslmode"] == "verify-full"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "%2Frun%2Fpostgresql", ""])
def test_a_server_on_this_machine_need_not(host):
    assert "sslmode" not in parsed(f"postgresql://{host}/ops").options


@pytest.mark.parametrize(
    ("query", "environ"),
    [
        ("?sslmode=require", {}),
        ("?service=ops", {}),
        ("", {"PGSSLMODE": "disable"}),
        ("", {"PGSERVICE": "ops"}),
    ],
)
def test_whoever_has_said_how_to_protect_the_connection_is_heeded(query, environ):
    assert parsed(f"postgresql://db.example.com/ops{query}", environ).options.get("sslmode") in {None, "require"}


def test_pghost_counts_as_the_host():
    assert parsed("postgresql:///ops", {"PGHOST": "db.example.com"}).options["sslmode"] == "verify-full"


def test_an_authority_that_is_named_is_the_one_that_counts():
    assert parsed("postgresql://a/ops?sslrootcert=ours.pem").options["sslrootcert"] == "ours.pem"
    assert "sslrootcert" not in parsed("postgresql://a/ops", {"PGSSLROOTCERT": "ours.pem"}).options


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://a",
        "postgresql://a/",
        "postgresql:ops",
        "postgresql://a/b/c",
        "postgresql://a/ops#x",
        "postgresql://a/o\nps",
        "postgresql://a/%ff",
        "postgresql://a/ops%00",
        "postgresql://@a/ops",
        "postgresql://a:x/ops",
        "postgresql://,/ops",
        "postgresql://a/ops?password=x",
        "postgresql://a/ops?options=-csearch_path=x",
        "postgresql://a/ops?sslpassword=x",
        "postgresql://a/ops?dbname=x",
        "postgresql://a/ops?state",
        "postgresql://a/ops?state=",
        "postgresql://a/ops?state=a&state=b",
        "postgresql://a/ops?schema=Ops",
        "postgresql://a/ops?schema=pg_x",
        'postgresql://a/ops?schema=a"b',
        "postgresql://a/ops?state=a%00b",
        "postgresql://a/ops?connect_timeout=-1",
        f"postgresql://a/ops?state={'a' * 500}",
    ],
)
def test_what_can_t_be_used_is_refused_with_a_way_out(address):
    with pytest.raises(UsageError) as refused:
        parsed(address)
    assert refused.value.fix


def test_a_name_misspelt_is_recognized():
    with pytest.raises(UsageError, match="sslmod") as refused:
        parsed("postgresql://a/ops?sslmod=require")
    assert "Did you mean 'sslmode'?" in refused.value.fix


@pytest.mark.parametrize(
    ("pattern", "name", "environment"),
    [
        ("postgresql://a/ops", "shop/test", "test"),
        ("postgresql://a/ops?state={stack}/{environment}", "shop/test", "test"),
        ("postgresql://a/ops?state=x.{environment}.{stack}&schema=dr", "x.test.shop", "test"),
        ("postgresql://a/ops?state={stack}/{environment}", "shopping/test", None),
        ("postgresql://a/ops?state={stack}/{environment}", "shop/te/st", None),
        ("postgresql://a/ops?state=x.{environment}", "xytest", None),
    ],
)
def test_states_of_other_environments_are_known_by_their_names(pattern, name, environment):
    siblings = parsed(pattern).siblings
    assert siblings is not None
    found = siblings.fullmatch(name)
    assert (found and found[1]) == environment


@pytest.mark.parametrize(
    "pattern",
    [
        "postgresql://a/{environment}?state=x",
        "postgresql://a/ops?schema={environment}",
        "postgresql://a/ops?state=x",
        "postgresql://{environment}.a/ops?state={environment}",
    ],
)
def test_where_environments_are_elsewhere_they_can_t_be_listed(pattern):
    assert parsed(pattern).siblings is None
