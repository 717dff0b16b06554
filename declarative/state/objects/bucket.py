"""The objects of a bucket: read, listed, deleted, and written on a condition. The only user of obstore.

obstore's own retries are off: it sends a create again after a 503 and then meets what it has created. Here only reads
are tried again; who writes looks what has become of it. Its exceptions, as seen with 0.12: AlreadyExistsError for 412
to a create and for any 409; PreconditionError for 412, and for 404, to a put on an ETag; FileNotFoundError for 404
else; GenericError for all that is left, timeouts and answers without an ETag included, with the status in its text.
Reads and lists follow a redirect, which can't be turned off: never from https to http, and without the signature.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from declarative.backoff import Backoff
from declarative.errors import DeclarativeError, StateError, UsageError, visible
from declarative.state.objects.address import Target
from declarative.state.objects.credentials import find_credentials, find_region

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import ClientConfig, S3Config, S3Credential, S3Store

LARGEST = 256 * 2**20  # bytes of a whole state; a link may hold one
SMALL = 2**16  # bytes of a lock or a mark

_MOST_LISTED = 200_000
_AT_ONCE = 16
_READ_TRIES = 4
_PAUSES = Backoff(first=0.2, longest=2.0)
_STATUS = re.compile(r"status code: ([0-9]{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,2000})</Message>")
_Value = TypeVar("_Value")


class Unclear(StateError):
    """No answer that says what has happened: a write may have had an effect, now or later."""


class Refused(StateError):
    """The store said no; a write has had no effect."""


class Taken(Exception):
    """A condition did not hold, or the store was busy with another write of the object: look what is there."""


@dataclass(frozen=True, slots=True)
class Found:
    """An object as read. `since`: when it was written, by the store's clock, in words."""

    data: bytes
    etag: str
    since: str


class Bucket:
    """The bucket of a target. Nothing is opened before the first call, and the driver isn't imported before it."""

    def __init__(self, target: Target, environ: Mapping[str, str], *, sleep: Callable[[float], None]) -> None:
        self.target = target
        self._environ = environ
        self._sleep = sleep
        self._stores: dict[int, S3Store] = {}

    def close(self) -> None:
        """Let go of the connections."""
        self._stores.clear()

    # ---------------------------------------------------------------- reading

    def get(self, key: str, *, limit: int) -> Found | None:
        """Return an object; None: there is none. Raises StateError, also for one of more than `limit` bytes."""

        def once() -> Found | None:
            store = self._store(limit)
            import obstore

            try:
                got = obstore.get(store, key)
            except FileNotFoundError as error:
                self._require_known_absence(error)
                return None
            size, etag = got.meta["size"], got.meta["e_tag"]
            if size > limit:
                raise Refused(f"{self._name(key)} has {size:,} bytes, and at most {limit:,} are read")
            if not etag:
                raise Refused(f"{self._name(key)} was answered without an ETag", _NOT_A_STORE)
            return Found(bytes(got.bytes()), etag, f"{got.meta['last_modified']:%Y-%m-%dT%H:%M:%SZ}")

        return self._reading(once, f"read {self._name(key)}")

    def etag(self, key: str) -> str | None:
        """Return an object's ETag; None: there is none."""

        def once() -> str | None:
            store = self._store(SMALL)
            import obstore

            try:
                return obstore.head(store, key)["e_tag"]
            except FileNotFoundError:
                return None

        return self._reading(once, f"look at {self._name(key)}")

    def get_all(self, keys: Sequence[str], *, limit: int) -> list[Found | None]:
        """Return several objects, read side by side."""
        if len(keys) < 2:
            return [self.get(key, limit=limit) for key in keys]
        with ThreadPoolExecutor(min(_AT_ONCE, len(keys))) as pool:
            return list(pool.map(lambda key: self.get(key, limit=limit), keys))

    def names(self, folder: str) -> list[str]:
        """Return the last parts of the keys directly in a folder, whatever number of pages they come on."""

        def once() -> list[str]:
            store = self._store(SMALL)
            import obstore

            found: list[str] = []
            for chunk in obstore.list(store, folder, chunk_size=1000):
                found += [one["path"][len(folder) + 1 :] for one in chunk if one["path"].startswith(f"{folder}/")]
                if len(found) > _MOST_LISTED:
                    raise Refused(f"{self._name(folder)}/ holds more than {_MOST_LISTED:,} objects")
            return [name for name in found if "/" not in name]

        return self._reading(once, f"list {self._name(folder)}/")

    def children(self, folder: str) -> tuple[list[str], list[str]]:
        """Return the names of the folders and of the objects directly in a folder, or at the top for ""."""

        def once() -> tuple[list[str], list[str]]:
            store = self._store(SMALL)
            import obstore

            listed = obstore.list_with_delimiter(store, folder or None)
            inside = len(folder) + 1 if folder else 0
            folders = [path[inside:].rstrip("/") for path in listed["common_prefixes"]]
            return folders, [one["path"][inside:] for one in listed["objects"]]

        return self._reading(once, f"list {self._name(folder)}/")

    def _reading(self, once: Callable[[], _Value], what: str) -> _Value:
        pause = 0.0
        for left in reversed(range(_READ_TRIES)):
            try:
                with _Translated(self, f"can't {what}"):
                    return once()
            except Unclear:
                if not left:
                    raise
            except Taken as error:  # a 409 to a read makes no sense
                raise Refused(f"can't {what}: the store says 409") from error
            pause = _PAUSES.after(pause)
            self._sleep(pause)
        raise AssertionError("unreachable")

    def _require_known_absence(self, error: FileNotFoundError) -> None:
        """A 404 of a proxy, or of a bucket that isn't there, doesn't mean that nothing is kept."""
        code = _CODE.search(str(error))
        if code is not None and code[1] == "NoSuchBucket":
            raise Refused(
                f"there is no bucket {visible(self.target.bucket)} at {self._host()}",
                "Create it, or correct the address of the state.",
            )
        if code is None or code[1] != "NoSuchKey":
            raise Refused(f"what answers at {self._host()} says 404 but not NoSuchKey", _NOT_A_STORE)

    # ---------------------------------------------------------------- writing

    def create(self, key: str, data: bytes) -> str:
        """Write an object where none is, and return its ETag. Raises Taken, Unclear, Refused."""
        return self._put(key, data, "create")

    def update(self, key: str, data: bytes, *, over: str) -> str:
        """Write an object over the one with the ETag `over`, and return its own. Raises Taken, Unclear, Refused."""
        return self._put(key, data, {"e_tag": over})

    def _put(self, key: str, data: bytes, mode: PutMode) -> str:
        store = self._store(len(data))
        import obstore

        if len(data) > LARGEST:
            raise Refused(f"{self._name(key)} would have {len(data):,} bytes, and at most {LARGEST:,} are written")
        with _Translated(self, f"can't write {self._name(key)}"):
            etag = obstore.put(store, key, data, mode=mode, use_multipart=False)["e_tag"]
            if not etag:
                raise Unclear(f"{self._name(key)} was written, but answered without an ETag", _NOT_A_STORE)
            return etag

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, one request for each. Raises Unclear or Refused; some may be deleted then."""
        store = self._store(SMALL)
        import obstore

        if keys:
            with _Translated(self, f"can't delete {self._name(keys[0])}"):
                obstore.delete(store, list(keys))

    # ---------------------------------------------------------------- connections

    def _store(self, size: int) -> S3Store:
        """Return the client for small objects, or the one that has time for a large one."""
        seconds = 10 if size <= SMALL else 120
        if seconds not in self._stores:
            self._stores[seconds] = self._open(seconds)
        return self._stores[seconds]

    def _open(self, seconds: int) -> S3Store:
        try:
            from obstore.store import S3Store
        except ImportError as error:
            raise UsageError(
                "the state is in a bucket, and the driver for that is not installed",
                "Install it: pip install 'declarative-sdrs[s3]'",
            ) from error
        target = self.target
        credentials = find_credentials(self._environ)
        region = target.region or find_region(self._environ, endpoint=target.endpoint)
        endpoint = _base(target, region)
        options: ClientConfig = {
            "allow_http": endpoint.startswith("http://"),
            "allow_invalid_certificates": False,
            "timeout": timedelta(seconds=seconds),
            "connect_timeout": timedelta(seconds=5),
        }
        if authorities := self._environ.get("AWS_CA_BUNDLE"):
            options["root_certificate"] = _read_authorities(authorities)
        # Said in full, because the driver would take what isn't said from variables that nobody has looked at.
        config: S3Config = {
            "endpoint": endpoint,
            "aws_endpoint_url_s3": endpoint,
            "region": region,
            "virtual_hosted_style_request": target.virtual_hosted,
            "skip_signature": False,
            "unsigned_payload": False,
            "s3_express": False,
            "request_payer": False,
            "conditional_put": "etag",
            "disable_bulk_delete": True,
            **cast("S3Config", target.encryption),  # by the names that `address.parse` allows
        }

        def asked() -> S3Credential:
            token = credentials.token or None
            return {
                "access_key_id": credentials.key_id,
                "secret_access_key": credentials.secret,
                "token": token,
                "expires_at": None,
            }

        return S3Store(
            target.bucket,
            config=config,
            client_options=options,
            retry_config={"max_retries": 0},
            credential_provider=asked,
        )

    def _name(self, key: str) -> str:
        return visible(f"s3://{self.target.bucket}/{key}")

    def _host(self) -> str:
        return visible(self.target.endpoint or "AWS")


_NOT_A_STORE = "Check the endpoint in the address of the state: it must speak S3."


def _base(target: Target, region: str) -> str:
    base = target.endpoint or f"https://s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
    return base.replace("://", f"://{target.bucket}.", 1) if target.virtual_hosted else base


def _read_authorities(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise StateError(f"can't read AWS_CA_BUNDLE, {visible(path)}: {visible(error.strerror or error)}") from error


class _Translated:
    """Turn the driver's exceptions into Taken, Unclear and Refused, without what might hold a secret."""

    def __init__(self, bucket: Bucket, summary: str) -> None:
        self._target = bucket.target
        self._summary = summary

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None or isinstance(error, DeclarativeError):
            return
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        if isinstance(error, (AlreadyExistsError, PreconditionError)):
            raise Taken from None
        if isinstance(error, FileNotFoundError):
            raise Refused(f"{self._summary}: {self._said(str(error))}", _LOOK_AT_BUCKET) from None
        if isinstance(error, BaseError):
            raise self._judged(str(error)) from None

    def _judged(self, text: str) -> StateError:
        match = _STATUS.search(text)
        status = int(match[1]) if match else 0
        summary = f"{self._summary}: {self._said(text)}"
        if status in (401, 403):
            return Refused(summary, "Check the credentials in AWS_*, and what they may do in the bucket.")
        if (300 <= status < 500 and status not in (408, 429)) or _redirects(text):
            return Refused(summary, "Check the endpoint and the region in the address of the state.")
        if status == 501:
            return Refused(summary, "The store lacks what a state needs.")
        return Unclear(summary, "Run the command again once the store can be reached.")

    def _said(self, text: str) -> str:
        status, code, message = _STATUS.search(text), _CODE.search(text), _MESSAGE.search(text)
        if _redirects(text):
            return "the store sends us elsewhere, as for a bucket in another region"
        if status is None:
            return "no whole answer in time, or no connection"
        said = f"HTTP {status[1]}"
        if code is not None:
            said += f" {code[1]}"
        if message is not None and "Signature" not in (code[1] if code else ""):
            said += f". The store says: {visible(message[1], limit=200)}"
        return said


_LOOK_AT_BUCKET = "Check the name of the bucket in the address of the state."


def _redirects(text: str) -> bool:
    return "redirect without LOCATION" in text
