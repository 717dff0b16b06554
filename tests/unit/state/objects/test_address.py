"""The address of a bucket, and whose credentials are used for it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from declarative.errors import StateError, UsageError
from declarative.state.objects import open_objects
from declarative.state.objects.address import parse
from declarative.state.objects.bucket import _base
from declarative.state.objects.credentials import Credentials, find_credentials, find_region
from tests.scaffold.bucket_worlds import Clock, engine_at, locked, spot_at
from tests.scaffold.s3_server import FakeS3


def test_address_says_where_and_how() -> None:
    target = parse(
        "s3://my-bucket/shop/prod.json?endpoint=https://obs.eu-de.otc.t-systems.com&region=eu-de&virtual_hosted=true"
        "&sse=aws:kms&sse_kms_key_id=key-1"
    )
    assert (target.bucket, target.key, target.region) == ("my-bucket", "shop/prod.json", "eu-de")
    assert _base(target, "eu-de") == "https://my-bucket.obs.eu-de.otc.t-systems.com"
    assert target.encryption == {"server_side_encryption": "aws:kms", "sse_kms_key_id": "key-1"}
    assert target.shown == "s3://my-bucket/shop/prod.json"


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("s3://bucket/key", "https://bucket.s3.eu-west-1.amazonaws.com"),
        ("s3://a.bucket/key", "https://s3.eu-west-1.amazonaws.com"),
        ("s3://bucket/key?endpoint=https://minio.example.com:9000", "https://minio.example.com:9000"),
        ("s3://bucket/key?endpoint=http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("s3://bucket/key?endpoint=http://localhost:9000", "http://localhost:9000"),
    ],
)
def test_endpoint_is_aws_or_what_the_address_says(address: str, base: str) -> None:
    assert _base(parse(address), "eu-west-1") == base


@pytest.mark.parametrize(
    "address",
    [
        "s3://",
        "s3://bucket",
        "s3://bucket/",
        "s3://Bucket/key",
        "s3://bu/key",
        "s3://bucket/../key",
        "s3://bucket/a//b",
        "s3://bucket/a b",
        "s3://bucket/a%2fb",
        "s3://bucket/k\u00e9y",
        "s3://bucket/" + "k" * 901,
        "s3://bucket:80/key",
        "s3://user:hunter2@bucket/key",
        "s3://bucket/key#part",
        "s3://bucket/key?endpoint=http://example.com",
        "s3://bucket/key?endpoint=https://user:hunter2@example.com",
        "s3://bucket/key?endpoint=ftp://example.com",
        "s3://bucket/key?endpoint=",
        "s3://bucket/key?region=eu-de&region=eu-de",
        "s3://bucket/key?region=EU DE",
        "s3://bucket/key?virtual_hosted=maybe",
        "s3://bucket/key?sse=rot13",
        "s3://bucket/key?sse_kms_key_id=key-1",
        "s3://bucket/key?secret_access_key=hunter2",
    ],
)
def test_wrong_address_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(address)
    assert raised.value.fix
    assert "hunter2" not in f"{raised.value} {raised.value.fix}"


def test_opening_sends_nothing(fake: FakeS3) -> None:
    engine_at(fake.endpoint)
    assert fake.requests == []


# ---------------------------------------------------------------- credentials


def shared(home: Path, credentials: str = "", config: str = "") -> dict[str, str]:
    (home / ".aws").mkdir()
    (home / ".aws" / "credentials").write_text(credentials)
    (home / ".aws" / "config").write_text(config)
    return {"HOME": str(home)}


KEYS = "aws_access_key_id = {0}\naws_secret_access_key = {0}-secret\n"


def test_variables_come_before_files(tmp_path: Path) -> None:
    environ = shared(tmp_path, "[default]\n" + KEYS.format("file"))
    variables = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
    assert find_credentials({**environ, **variables}) == Credentials("id", "secret", "token")
    assert find_credentials(environ) == Credentials("file", "file-secret", "")


def test_profile_picks_the_section_of_either_file(tmp_path: Path) -> None:
    environ = shared(
        tmp_path,
        f"[default]\n{KEYS.format('x')}\n[one]\n{KEYS.format('one')}aws_session_token = t%t\n",
        f"[default]\nregion = eu-x\n[profile two]\nregion = eu-two\n{KEYS.format('two')}",
    )
    assert find_credentials({**environ, "AWS_PROFILE": "one"}) == Credentials("one", "one-secret", "t%t")
    assert find_credentials({**environ, "AWS_PROFILE": "two"}) == Credentials("two", "two-secret", "")
    assert find_region({**environ, "AWS_PROFILE": "two"}, endpoint="") == "eu-two"
    assert find_region(environ, endpoint="") == "eu-x"
    assert find_region({**environ, "AWS_DEFAULT_REGION": "eu-d"}, endpoint="") == "eu-d"
    assert find_region({**environ, "AWS_DEFAULT_REGION": "eu-d", "AWS_REGION": "eu-r"}, endpoint="") == "eu-r"


def test_files_may_lie_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("[default]\n" + KEYS.format("there"))
    assert find_credentials({"AWS_SHARED_CREDENTIALS_FILE": str(file)}).key_id == "there"


def test_profile_that_signs_in_another_way_is_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    environ = shared(tmp_path, config=f"[default]\ncredential_process = touch {marker}\n")
    with pytest.raises(StateError) as raised:
        find_credentials(environ)
    assert "export-credentials" in raised.value.fix
    assert not marker.exists()


def test_credentials_of_the_cloud_are_never_used(tmp_path: Path) -> None:
    environ = {
        "HW_ACCESS_KEY": "k",
        "HW_SECRET_KEY": "s",
        "OS_ACCESS_KEY": "k",
        "OS_SECRET_KEY": "s",
        "OS_PASSWORD": "p",
    }
    with pytest.raises(StateError, match="no access key"):
        find_credentials({**environ, "HOME": str(tmp_path)})


def test_half_a_pair_of_variables_is_refused(tmp_path: Path) -> None:
    environ = shared(tmp_path, "[default]\n" + KEYS.format("file"))
    with pytest.raises(StateError, match="AWS_SECRET_ACCESS_KEY is not set"):
        find_credentials({**environ, "AWS_ACCESS_KEY_ID": "id"})


def test_unreadable_profiles_are_an_error_without_their_lines(tmp_path: Path) -> None:
    environ = shared(tmp_path, "aws_secret_access_key = hunter2\n")
    with pytest.raises(StateError, match="can't read") as raised:
        find_credentials(environ)
    assert "hunter2" not in f"{raised.value!r} {raised.value.__cause__!r}"


def test_credentials_do_not_show_themselves() -> None:
    assert "secret" not in repr(Credentials("id", "secret", "token"))


def test_aws_without_a_region_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names no region"):
        find_region({"HOME": str(tmp_path)}, endpoint="")
    assert find_region({"HOME": str(tmp_path)}, endpoint="https://minio.example.com") == "us-east-1"


def test_variables_of_the_process_that_nobody_named_change_nothing(
    fake: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, str]] = []
    serve = fake.answer
    fake.answer = lambda method, path, headers, body: asked.append(headers) or serve(method, path, headers, body)
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "stranger",
        "AWS_SECRET_ACCESS_KEY": "stranger",
        "AWS_SESSION_TOKEN": "stranger",
        "AWS_REGION": "mars-1",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_UNSIGNED_PAYLOAD": "true",
        "AWS_S3_EXPRESS": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "AWS_CONDITIONAL_PUT": "disabled",
    }.items():
        monkeypatch.setenv(name, value)
    with locked(engine_at(fake.endpoint)):
        pass
    assert all("Credential=testing/" in headers["authorization"] for headers in asked)
    assert all("/eu-de/s3/" in headers["authorization"] for headers in asked)
    assert not any("x-amz-security-token" in headers for headers in asked)
    assert not any(headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD" for headers in asked)


def test_encryption_is_asked_for_at_each_write(fake: FakeS3) -> None:
    asked: list[dict[str, str]] = []
    serve = fake.answer

    def answer(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        if method == "PUT":
            asked.append(headers)
        return serve(method, path, headers, body)

    fake.answer = answer
    spot = spot_at(fake.endpoint, Clock())
    engine = open_objects(replace(spot, address=f"{spot.address}&sse=aws:kms&sse_kms_key_id=key-1"))
    with locked(engine):
        pass
    assert {headers["x-amz-server-side-encryption"] for headers in asked} == {"aws:kms"}
    assert {headers["x-amz-server-side-encryption-aws-kms-key-id"] for headers in asked} == {"key-1"}


def test_driver_is_not_imported_before_it_is_used() -> None:
    code = "import sys, declarative.state.objects; sys.exit('obstore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_missing_driver_names_what_to_install(fake: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(UsageError) as raised:
        engine_at(fake.endpoint).read()
    assert "declarative-sdrs[s3]" in raised.value.fix
