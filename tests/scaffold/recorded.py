"""Records and states to test with: a few by name, and any at all."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from declarative.model import (
    Accepted,
    Action,
    Address,
    Begun,
    Binding,
    Closed,
    Dropped,
    Lifecycle,
    Operation,
    PreImage,
    Put,
    Resource,
    Run,
    RunEnded,
    RunStarted,
)
from declarative.state.snapshot import State, fold, fresh

WEB = Address("ProtectionGroup", "web")
DATABASE = Address("ProtectionGroup", "db", "eu-1")


def resource(address: Address = WEB, id_: str = "id-web", **attributes: object) -> Resource:
    return Resource(address, id_, {"name": address.name}, {"name": address.name, **attributes})


def operation(id_: str = "op-1", *, address: Address = WEB, job_id: str = "", sends: int = 0) -> Operation:
    return Operation(id_, f"create {address}", Action.CREATE, resource(address, ""), job_id, sends)


def run(id_: str = "run-1", *, plan: str = "digest", ended: str = "") -> Run:
    return Run(id_, "me@here", "2026-01-02T03:04:05Z", "apply", plan, ("delete",), ended, {"done": 1})


def put(number: int) -> Put:
    return Put(resource(Address("ProtectionGroup", f"g{number}"), f"id-{number}"), f"step-{number}")


def small() -> State:
    """A state that has something of everything."""
    state = fresh("a-lineage")
    for record in (
        RunStarted(run("run-0", plan="earlier")),
        RunEnded(run("run-0", plan="earlier", ended="2026-01-02T03:05:00Z"), True, {"id": "id-web"}),
        RunStarted(run()),
        PreImage("ProtectionGroup", ("id-other",)),
        Put(Resource(DATABASE, "id-db", {}, {}, Lifecycle(True, ("name",)), (WEB,)), "step-1"),
        Put(resource(), "step-2"),
        Begun(operation(job_id="job-1", sends=2, address=Address("ProtectionGroup", "new"))),
    ):
        fold(state, record)
    state.binding = Binding("project", "eu-de", "sdrs.example.com")
    state.serial = 7
    state.unknown = {"x-later": [1, {"a": None}]}
    return state


# ---------------------------------------------------------------- any at all

texts = st.text(st.characters(), max_size=8) | st.sampled_from(
    ["\n", "\r\n", "\x1b[31m", "\ud800", "\u2028", '"}', "\0"]
)
identifiers = st.text(string.ascii_lowercase + "\n\ud800 ", min_size=1, max_size=3)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(texts, json_values, max_size=3)
addresses = st.builds(Address, st.just("ProtectionGroup"), st.sampled_from("abc"), st.sampled_from(["", "k", "eu-1.x"]))
lifecycles = st.builds(Lifecycle, st.booleans(), st.lists(texts, max_size=2).map(tuple))
# A service's ids are unique; one id for each address keeps that.
resources = addresses.flatmap(
    lambda address: st.builds(
        Resource,
        st.just(address),
        st.just(f"id of {address}"),
        objects,
        objects,
        lifecycles,
        st.lists(addresses, max_size=2).map(tuple),
    )
)
# A create can be open at any time; what else is open must be of an object that is recorded.
operations = st.builds(
    Operation, identifiers, texts, st.just(Action.CREATE), resources, texts, st.integers(0, 2**63 - 1)
)
runs = st.builds(
    Run,
    identifiers,
    texts,
    texts,
    texts,
    st.sampled_from(["", "p", "q"]),
    st.lists(texts, max_size=2).map(tuple),
    st.sampled_from(["", "2026-01-02T03:04:05Z"]),
    st.dictionaries(texts, st.integers(0, 9), max_size=2),
)
records = st.one_of(
    st.builds(Put, resources, texts),
    st.builds(Dropped, addresses, texts),
    st.builds(Begun, operations),
    st.builds(Accepted, identifiers, texts),
    st.builds(Closed, identifiers),
    st.builds(PreImage, texts, st.lists(texts, max_size=2).map(tuple)),
    st.builds(RunStarted, runs),
    st.builds(RunEnded, runs, st.booleans(), objects),
)
