"""Signatures equal those of the vendor's own SDK (`huaweicloudsdkcore`) for the same requests; the simulator agrees."""

from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from declarative.identity.signing import signed
from declarative.model import Call
from declarative.provider import Access, GivenToken, Secret
from declarative.provider.transport import Messages
from declarative.simulator.protocol.signature import canonical_request, fits, read_signature
from declarative.simulator.protocol.wire import Request as Gateway

HOST = "sdrs.eu-de.example.com"
OWN_HEADERS = ("host", "x-project-id", "x-security-token", "x-sdk-date")
ODD = "aZ09-._~ +/%?&=#:;,@!$'()*[]{}|\\^`\"<>äß€𝛑\n\t"
TEXT = st.text(alphabet=st.one_of(st.sampled_from(ODD), st.characters(exclude_categories=["Cs"])), max_size=12)
SEGMENTS = TEXT.filter(lambda text: text not in (".", ".."))  # sent by nobody, since they would make another path
KEYS = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=20)
TOKENS = st.text(alphabet=[chr(code) for code in range(0x21, 0x7F)], min_size=1, max_size=40)
QUERIES = st.lists(st.tuples(st.one_of(st.sampled_from(["a", "A", "a b", "limit", ""]), TEXT), TEXT), max_size=5)
HEADERS = st.dictionaries(
    st.text(alphabet="abcXYZ019-_", min_size=1, max_size=12),
    st.text(alphabet=st.sampled_from("az09 \t,;:=\"'äß€"), max_size=12).filter(
        lambda text: text.strip(" \t") == text.strip()
    ),
    max_size=4,
).filter(lambda headers: len({name.lower() for name in headers}) == len(headers))
TYPES = st.sampled_from([{}, {"Content-Type": "application/json"}, {"content-type": "application/json;charset=utf8"}])
BODIES = st.one_of(st.just(b""), st.binary(max_size=40), TEXT.map(str.encode))
MOMENTS = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def of_the_sdk(method, path, query, headers, body, *, access_key, secret_key, token, project_id, at):
    """The SDK's headers for a request, by name in lower case. It takes a quoted path and a plain query."""
    credentials = BasicCredentials(access_key, secret_key, project_id or None)
    credentials.security_token = token
    request = SdkRequest(
        method=method,
        schema="https",
        host=HOST,
        resource_path=path,
        query_params=list(query),
        header_params={**headers, "X-Sdk-Date": at.strftime("%Y%m%dT%H%M%SZ")},
        body=body,
    )
    made = credentials.sign_request(request).header_params
    return {name.lower(): value.encode("iso-8859-1") for name, value in made.items()}


def of_ours(method, url, headers, body, *, access_key, secret_key, token, project_id, at):
    added = signed(
        method,
        url,
        [(name.encode(), value.encode()) for name, value in headers.items()],
        body,
        access_key=access_key,
        secret_key=Secret(secret_key),
        security_token=None if token is None else Secret(token),
        project_id=project_id,
        at=at,
    )
    return {name.decode().lower(): value for name, value in added}


@settings(max_examples=500, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "get"]),
    segments=st.lists(SEGMENTS, max_size=5),
    query=QUERIES,
    plus=st.booleans(),
    headers=HEADERS,
    content_type=TYPES,
    body=BODIES,
    access_key=KEYS,
    secret_key=TEXT.filter(bool),
    token=st.none() | TOKENS,
    project_id=st.sampled_from(["", "0605767b5780d5762fc5c0118072a564"]),
    at=MOMENTS,
)
@example(
    method="GET",
    segments=["v1", "a/b", "100%", "", ""],
    query=[("b", "2"), ("a", "2"), ("a", "10"), ("a", ""), ("ä ", "+&=%20"), (":", "x"), ("0", "x")],
    plus=True,
    headers={"X-Odd": " two  spaces\t", "x_left_out": "1"},
    content_type={},
    body=b"",
    access_key="AK",
    secret_key="SK",
    token="T/o+ken==",
    project_id="p",
    at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
)
def test_signature_equals_the_one_of_the_vendors_sdk(segments, query, plus, content_type, headers, **request):
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    url = f"https://{HOST}{path}" + (
        f"?{urlencode(query) if plus else urlencode(query, quote_via=quote)}" if query else ""
    )
    headers = {name: value for name, value in headers.items() if name.lower() != "content-type"} | content_type
    method, body = request.pop("method"), request.pop("body")
    expected = of_the_sdk(method, path, query, headers, body, **request)
    ours = of_ours(method, url, headers, body, **request)
    assert ours == {name: expected[name] for name in (*OWN_HEADERS, "authorization") if name in expected}
    received = {name: value.decode("latin-1") for name, value in expected.items()}
    at_the_gateway = Gateway(method, path, url.partition("?")[2], received, body, "")
    signature = read_signature(at_the_gateway)
    canonical = canonical_request(at_the_gateway, signature)
    assert fits(canonical, signature, request["secret_key"])
    assert not fits(canonical, signature, request["secret_key"] + "x")


@settings(max_examples=200, deadline=None)
@given(path=st.lists(SEGMENTS.filter(bool), min_size=1, max_size=4), query=QUERIES.map(dict), body=st.none() | BODIES)
def test_signature_fits_the_requests_that_are_sent(path, query, body):
    """The SDK, given what a call means, agrees with a signature of the URL that is sent for it."""
    access = Access(f"https://{HOST}", "p1", "eu-de", GivenToken(Secret("unused")))
    message = Messages(access).make(Call("POST", tuple(path), query=query), body, timeout=5.0)
    who = {
        "access_key": "AK",
        "secret_key": "SK",
        "token": None,
        "project_id": "p1",
        "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    }
    quoted = "/".join(quote(segment, safe="") for segment in ("", "v1", "p1", *path))
    expected = of_the_sdk("POST", quoted, query.items(), {}, body, **who)
    sent = f"https://{HOST}{message.target}"
    assert of_ours("POST", sent, {}, body, **who)["authorization"] == expected["authorization"]
