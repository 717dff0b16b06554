"""Whether a store keeps its word on conditions, found out with an object of its own before anything depends on it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from declarative.errors import StateError
from declarative.state.objects.bucket import SMALL, Bucket, Refused, Taken, Unclear

_FIX = (
    "Two runs could both hold its lock. Keep the state in a store that honours If-None-Match and If-Match on PUT, and"
    " that shows at once what was written."
)
_TRIES = 4
_NOWHERE = '"00000000000000000000000000000000"'


def probe(bucket: Bucket, folder: str, uuid: Callable[[], str]) -> None:
    """Write, read, list and delete objects in folders whose names begin with `folder`, which nothing else uses.

    Needs the rights that a run needs. The objects are deleted in the end, if the store lets us. A probe that gets no
    answer is made again, with another object.

    Raises StateError with what the store doesn't keep.
    """
    for left in reversed(range(_TRIES)):
        try:
            _probe(bucket, f"{folder}{uuid()}", uuid)
        except Unclear as error:
            if not left:
                raise StateError(
                    f"whether the store honours conditions could not be found out: {error.summary}", error.fix
                ) from error
        else:
            return


def _probe(bucket: Bucket, folder: str, uuid: Callable[[], str]) -> None:
    key = f"{folder}/1"
    bodies = [f"probe {number} {uuid()}".encode() for number in range(4)]
    try:
        first = _step("refuses to create an object with If-None-Match", lambda: bucket.create(key, bodies[0]))
        _must_refuse("If-None-Match: it creates an object that is there", lambda: bucket.create(key, bodies[1]))
        _must_refuse("If-Match: it writes over another ETag", lambda: bucket.update(key, bodies[1], over=_NOWHERE))
        _must_show(bucket, key, bodies[0])
        if "1" not in bucket.names(folder):
            raise StateError("the store doesn't list at once what was written", _FIX)
        second = _step("refuses If-Match with the right ETag", lambda: bucket.update(key, bodies[1], over=first))
        _must_refuse("If-Match: it writes over another ETag", lambda: bucket.update(key, bodies[2], over=first))
        _must_show(bucket, key, bodies[1])
        if second == first:
            raise StateError("the store gives two contents one ETag", _FIX)
        bucket.delete([key])
        if bucket.get(key, limit=SMALL) is not None:
            raise StateError("the store shows an object after it was deleted", _FIX)
        _step("refuses to create an object again after it was deleted", lambda: bucket.create(key, bodies[3]))
        _must_show(bucket, key, bodies[3])
    finally:
        with contextlib.suppress(StateError, Taken):
            bucket.delete([key])


def _step(fault: str, write: Callable[[], str]) -> str:
    try:
        return write()
    except Taken as error:
        raise StateError(f"the store {fault}", _FIX) from error
    except Refused as error:
        if "HTTP 501" in error.summary or "HTTP 400" in error.summary:
            raise StateError(f"the store {fault} ({error.summary})", _FIX) from error
        raise


def _must_refuse(fault: str, write: Callable[[], str]) -> None:
    try:
        write()
    except Taken:
        return
    raise StateError(f"the store does not honour {fault}", _FIX)


def _must_show(bucket: Bucket, key: str, body: bytes) -> None:
    found = bucket.get(key, limit=SMALL)
    if found is None or found.data != body:
        raise StateError("the store doesn't show at once what was written, or has written what it refused", _FIX)
