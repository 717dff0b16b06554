"""What the state holds: resources, open operations, the history of runs, and the records that change them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from declarative.model.address import Address, Attributes, Json
from declarative.model.desired import Lifecycle


class Action(enum.StrEnum):
    """What a step does; in the order in which a plan is read."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ENABLE = "enable"
    DISABLE = "disable"
    ADOPT = "adopt"
    FORGET = "forget"
    MOVE = "move"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Resource:
    """One recorded object: `inputs` as applied (empty after an import), `attributes` as last observed.

    `normalized`: fields of which the service has made something else, by name: the value as sent, and as shown then.
    Only the state has it; a step's resource is without.
    `brought`: the ids of what the service made by itself beside it, and takes with it; None while that isn't known.
    """

    address: Address
    id: str
    inputs: Attributes = field(default_factory=dict)
    attributes: Attributes = field(default_factory=dict)
    lifecycle: Lifecycle = Lifecycle()
    depends_on: tuple[Address, ...] = ()
    normalized: Mapping[str, tuple[Json, Json]] = field(default_factory=dict)
    brought: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """A call to the cloud that is not known to have ended; `resource` is what its success will record.

    Without a `job_id` it is an intent: it may or may not have been sent. With one it is accepted: the job is polled.
    """

    id: str
    step: str
    action: Action
    resource: Resource
    job_id: str = ""
    sends: int = 0


@dataclass(frozen=True, slots=True)
class Binding:
    """Which cloud a state or plan belongs to. `host`: of the endpoint; with its port, but on loopback without.

    Of a state also whose it is: the stack's name, the environment, and the stack's folder in its repository (`.` for
    the repository's own); "" where that isn't known.
    """

    project_id: str
    region: str
    host: str
    stack: str = ""
    environment: str = ""
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One line of history: who applied what, when (RFC 3339), with which consents, and what came of it.

    `plan`: the digest of the plan; `content`: that of its content, where the run was told which one was reviewed.
    """

    id: str
    who: str
    started: str
    command: str
    plan: str = ""
    consents: tuple[str, ...] = ()
    ended: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    content: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """What was reviewed under a content digest, in digests: what it was made from, its steps by id, its dangers.

    Of a step that changes fields there is a digest for each of them; "" is the step as a whole.
    """

    content: str
    basis: str
    steps: Mapping[str, Mapping[str, str]]
    dangers: tuple[str, ...]


# What a store appends. A state is a snapshot with these folded into it, in order.


@dataclass(frozen=True, slots=True)
class Put:
    """The object is recorded so from now on; `step` names the step of the plan in hand that this ends, if any."""

    resource: Resource
    step: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """The address is recorded no more."""

    address: Address
    step: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """An operation is open from now on; written again with more `sends` or a `job_id` it replaces itself."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class Accepted:
    """The service took the operation's call and polls under this job."""

    operation: str
    job_id: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The operation is over, or proved not to have happened."""

    operation: str


AND_MORE = "*"  # among the ids of a pre-image: the list had no clear end, so there may have been others


@dataclass(frozen=True, slots=True)
class PreImage:
    """The ids of all objects of a kind before this run created any, less the recorded ones; perhaps `AND_MORE`."""

    kind: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins; finished steps are kept from here on, for the resumption of its plan.

    `review`: what was reviewed, where the run was told its content digest.
    """

    run: Run
    review: Review | None = None


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over. `done`: every step of its plan ended well, so the plan must not be applied again."""

    run: Run
    done: bool
    outputs: Mapping[str, Json]


Record: TypeAlias = Put | Dropped | Begun | Accepted | Closed | PreImage | RunStarted | RunEnded
