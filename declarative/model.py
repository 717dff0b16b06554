"""The nouns: address, kind, desired, recorded, observed, step, plan, operation, outcome.

All are frozen and know nothing of files, HTTP or time. Three views meet in the planner: what is *desired* (manifests),
*recorded* (our state) and *observed* (the cloud, just now).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from declarative.errors import Diagnostic, Position

# A JSON value. `Any`, because each reader checks the few shapes it needs; a recursive union would only add casts.
Json: TypeAlias = Any
Attributes: TypeAlias = Mapping[str, Json]
Path: TypeAlias = tuple[str | int, ...]
Locate: TypeAlias = Callable[[Path], Position]

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
KEY_PATTERN = r"[A-Za-z0-9._-]{1,128}"
_ADDRESS = re.compile(rf"([A-Z][A-Za-z]{{0,63}})/({NAME_PATTERN})(?:\[({KEY_PATTERN})\])?")


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Names one object of a stack: `Kind/name`, or `Kind/name[key]` for one of a `for_each`."""

    kind: str
    name: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}[{self.key}]" if self.key else f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address. Raises ValueError when `text` is none."""
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise ValueError("an address reads Kind/name or Kind/name[key]")
        return cls(match[1], match[2], match[3] or "")


# ---------------------------------------------------------------- desired


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What the manifest says about an object's life; recorded with it.

    `adopt`: the service makes the object by itself; it is taken over, and goes when what made it goes.
    """

    prevent_destroy: bool = False
    ignore_changes: tuple[str, ...] = ()
    adopt: bool = False


@dataclass(frozen=True, slots=True)
class Desired:
    """One object as the manifests want it. `spec` holds resolved values under the manifest's field names.

    A field that names another object of the stack holds a `Reference`, and that object is among `depends_on`.
    """

    address: Address
    spec: Attributes
    lifecycle: Lifecycle = Lifecycle()
    depends_on: tuple[Address, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    locate: Locate | None = field(default=None, compare=False, repr=False)

    def position(self, *path: str | int) -> Position | None:
        """The place in the manifest of `path`, which starts at the document, e.g. `("spec", "name")`."""
        return self.locate(path) if self.locate else None


@dataclass(frozen=True, slots=True)
class Reference:
    """A value of another object of the stack: in an output, or in a field until that object's id is known."""

    address: Address
    attribute: str = "id"


@dataclass(frozen=True, slots=True)
class Output:
    """A named result: literal values and references, joined as text unless there is exactly one part."""

    name: str
    parts: tuple[Json | Reference, ...]


@dataclass(frozen=True, slots=True)
class Stack:
    """The `Stack` document. `timeouts` are seconds, by `create_grace` or `Kind.action`."""

    name: str
    region: str = ""
    simulator: bool = False
    state: str = "local:.declarative"
    max_deletes: int = 10
    timeouts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DesiredView:
    """A stack in one environment, resolved. `inputs`: the variables' values; `digest`: SHA-256 of all, in hex."""

    stack: Stack
    environment: str
    resources: Mapping[Address, Desired]
    outputs: tuple[Output, ...] = ()
    inputs: Mapping[str, Json] = field(default_factory=dict)
    digest: str = ""


# ---------------------------------------------------------------- kinds


@dataclass(frozen=True, slots=True)
class Call:
    """One request below `/v1/{project_id}/`; `path` holds unquoted segments.

    An idempotent call may be sent again at any time; before any other is sent again, the applier looks.
    `starts_job`: the answer names a job. `fields`: what an update brings in line. `done_codes`: refusals that say that
    there is nothing left to do.
    """

    method: str
    path: tuple[str, ...]
    body: Json = None
    idempotent: bool = True
    query: Mapping[str, str] = field(default_factory=dict)
    starts_job: bool = False
    fields: frozenset[str] = frozenset()
    done_codes: frozenset[str] = frozenset()


class OnChange(enum.Enum):
    """How a changed field reaches the cloud: by a call on the living object, by a new object, or not by itself."""

    UPDATE = "update"
    REPLACE = "replace"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Field:
    """One recorded field, under the API's name. `empty_is_absent`: null, "" and absent are equal.

    `at_creation`: the create call sends it. `same`: when two values are equal, where plain equality isn't the rule.
    `sent_from`: the statuses of the object in which the service takes a change of it; empty: any.
    """

    on_change: OnChange = OnChange.REPLACE
    empty_is_absent: bool = False
    at_creation: bool = True
    same: Callable[[Json, Json], bool] | None = None
    sent_from: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Refers:
    """A manifest field that names another object: of which kind, and under which field its id is sent."""

    kind: str
    field: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding of a kind about a spec; the planner adds the place. `path` starts at the document."""

    path: Path
    summary: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Lookups:
    """What the cloud says beside the objects (None: not read). `domains`: as listed; `quotas`: by type."""

    domains: tuple[Attributes, ...] | None = None
    quotas: Mapping[str, Attributes] | None = None


class Health(enum.Enum):
    """What an observed status means for planning."""

    NORMAL = "normal"
    BUSY = "busy"  # a job of somebody runs: wait within the deadline
    BROKEN = "broken"  # its creation failed: it can only be deleted
    LEAVING = "leaving"  # being deleted, or its deletion failed
    HELD = "held"  # a disaster recovery is in progress, or the status is unknown: no step at all


@dataclass(frozen=True, kw_only=True)
class Switch:
    """A way to turn protection on or off: the call, the statuses from which it may be sent, and where it leads."""

    call: Callable[[str], Call]
    sent_from: frozenset[str]
    running: str
    reached: str
    wait_codes: frozenset[str] = frozenset()


def one_object(listed: Attributes) -> Mapping[str, Attributes]:
    """The usual `Kind.view`: a listed object is one object of the kind, under its own id."""
    return {str(listed["id"]): listed}


def no_words(inputs: Attributes) -> tuple[str, ...]:
    """The usual `Kind.leaves` and `Kind.needs`: nothing to say."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Kind:
    """All that is particular to one kind of object; planner, provider, applier and renderer read this table.

    Source of paths, envelopes, codes and statuses: SDRS API reference, the kind's own pages.
    """

    name: str
    noun: str
    fields: Mapping[str, Field]
    timeouts: Mapping[str, float]  # seconds, by action
    # reading
    collection: str  # path of the list call
    envelope: str  # key of one object in a GET's answer
    list_key: str
    view: Callable[[Attributes], Mapping[str, Attributes]] = (
        one_object  # a listed object -> objects of this kind, by id
    )
    read_id: Callable[[str], str] = str  # an object's id -> the id that a GET in the collection takes
    health: Callable[[Attributes, Attributes], Health]  # of (observed, inputs)
    held_because: Callable[[Attributes], str]
    # naming
    lookups: Mapping[str, str] = field(default_factory=dict)  # manifest field -> sent field, by `Lookups.domains`
    lookup_names: Mapping[str, str] = field(default_factory=dict)  # manifest field -> where the cloud shows its value
    refers: Mapping[str, Refers] = field(default_factory=dict)  # manifest fields that name another object
    group: str = ""  # the field with the id of the protection group it belongs to; "" for the group itself
    natural_key: tuple[str, ...] = ()  # fields that name the object in the cloud; (): re-found by exact match
    place: tuple[str, ...] = ()  # sent fields that say where it lies; objects of one name in one place are twins
    identity: Callable[[Attributes], str] | None = None  # inputs -> id, where no job tells it
    makes: frozenset[str] = frozenset()  # kinds of which the service makes objects by itself beside one of this kind
    # acting
    complete: Callable[[Attributes, Lookups], tuple[Attributes, tuple[Problem, ...]]]
    create: Callable[[Attributes], Call]
    update: Callable[[str, Attributes, Attributes, frozenset[str]], tuple[Call, ...]]  # id, inputs, observed, changed
    delete: Callable[[str, Attributes], Call]  # id, recorded inputs
    enable: Switch | None = None
    disable: Switch | None = None
    # The statuses in which the service creates and deletes: of the object, and of those that it belongs to or names,
    # by their kind. What isn't here may be in any.
    deleted_from: frozenset[str] = frozenset()
    created_beside: Mapping[str, frozenset[str]] = field(default_factory=dict)
    deleted_beside: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # Statuses of what it names that a failed create or delete has left, and only a further delete clears.
    marks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    protected: frozenset[str] = frozenset()  # statuses in which data is, or was a moment ago, copied
    copies_first: bool = False  # its creation waits until a protected group's first copy is complete
    # words of the service
    entity_keys: tuple[str, ...] = ()  # where a finished job names the object
    gone_codes: frozenset[str]
    malformed_codes: frozenset[str] = frozenset()
    look_again_codes: frozenset[str] = frozenset()  # on DELETE: the object may be gone or busy, a GET tells
    wait_codes: frozenset[str] = frozenset()  # its group is busy: the call is tried again within the deadline
    status_codes: frozenset[str] = frozenset()  # one of the objects is busy or ill: tried again if one is seen busy
    exists_codes: frozenset[str] = frozenset()  # on a repeated create: an earlier one has had its effect
    failure_type: str = ""  # `resource_type` in the task centre
    quota: str = ""  # `type` in the quotas
    # words for people
    member_counts: Mapping[str, str] = field(default_factory=dict)  # observed counter -> what it counts
    leaves: Callable[[Attributes], tuple[str, ...]] = no_words  # recorded inputs -> what stays, billed, after a delete
    needs: Callable[[Attributes], tuple[str, ...]] = no_words  # inputs -> what other services must have ready


# ---------------------------------------------------------------- recorded


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
    """Which cloud a state or plan belongs to. `host`: of the endpoint; with its port, but on loopback without."""

    project_id: str
    region: str
    host: str


@dataclass(frozen=True, slots=True)
class Run:
    """One line of history: who applied what, when (RFC 3339), with which consents, and what came of it."""

    id: str
    who: str
    started: str
    command: str
    plan: str = ""
    consents: tuple[str, ...] = ()
    ended: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


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
    """A run begins; finished steps are kept from here on, for the resumption of its plan."""

    run: Run


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over. `done`: every step of its plan ended well, so the plan must not be applied again."""

    run: Run
    done: bool
    outputs: Mapping[str, Json]


Record: TypeAlias = Put | Dropped | Begun | Accepted | Closed | PreImage | RunStarted | RunEnded


# ---------------------------------------------------------------- observed


@dataclass(frozen=True, slots=True)
class Observed:
    """The cloud, just now: per kind the objects by id, and the recorded ids that are confirmed to be gone.

    `partial`: kinds whose lists end before their own count: what they lack may be there all the same.
    """

    objects: Mapping[str, Mapping[str, Attributes]] = field(default_factory=dict)
    gone: frozenset[tuple[str, str]] = frozenset()
    lookups: Lookups = Lookups()
    partial: frozenset[str] = frozenset()


# ---------------------------------------------------------------- plan


class Reason(enum.StrEnum):
    """Why a step is in the plan."""

    NEW = "new"
    EDITED = "edited"
    DRIFTED = "drifted"
    NOT_REACHED = "not-reached"
    IMPORTED = "imported"
    MOVED = "moved"
    REPLACED = "replaced"
    REQUESTED = "requested"
    CREATION_FAILED = "creation-failed"
    BEING_DELETED = "being-deleted"
    GONE_FROM_MANIFESTS = "gone-from-manifests"
    GONE_FROM_CLOUD = "gone-from-cloud"
    DESTROY = "destroy"


@dataclass(frozen=True, slots=True)
class Change:
    """One field that a step changes. `new_known` is False for a value that only the service will tell."""

    field: str
    old: Json = None
    new: Json = None
    new_known: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, whole: apply needs nothing but the step.

    `resource` is what success records (delete and forget: what is recorded now), `before` the observed attributes
    that must still hold just before the call, `source` the old address of a move, `requires` ids of earlier steps.
    `twins`: ids of objects that nobody here knows, where a create would make its like.
    """

    id: str
    address: Address
    action: Action
    reason: Reason
    resource: Resource
    changes: tuple[Change, ...] = ()
    requires: tuple[str, ...] = ()
    before: Attributes = field(default_factory=dict)
    source: Address | None = None
    leaves: tuple[str, ...] = ()  # what stays behind after a delete, and is billed
    twins: tuple[str, ...] = ()


class DangerClass(enum.StrEnum):
    """Kinds of harm that a plan may do; each needs its own consent, the last two take none."""

    DELETE = "delete"
    REPLACE = "replace"
    DUPLICATE = "duplicate"
    UNPROTECT = "unprotect"
    MASS_DELETE = "mass-delete"
    MASS_VANISHED = "mass-vanished"
    EMPTY_MANIFESTS = "empty-manifests"
    PREVENT_DESTROY = "prevent_destroy"
    DR_IN_PROGRESS = "dr-in-progress"


@dataclass(frozen=True, slots=True)
class Danger:
    """What would be lost, and by which address (None: by the plan as a whole).

    `group`: the protection group of ours in which the object is recorded. `loses_protection`: a delete or replacement
    costs a protection that runs, or may run.
    """

    cls: DangerClass
    message: str
    address: Address | None = None
    group: Address | None = None
    loses_protection: bool = False


@dataclass(frozen=True, slots=True)
class Hint:
    """How to avert a danger at an address: `moves` for `state mv`, each from where to where, in their order."""

    address: Address
    message: str
    moves: tuple[tuple[Address, Address], ...]


@dataclass(frozen=True, slots=True)
class Consent:
    """Somebody accepts a danger class, for all or for one address. `by`: option, destroy or prompt."""

    cls: DangerClass
    address: Address | None = None
    by: str = "option"

    def __str__(self) -> str:
        return f"{self.cls.value}:{self.address}" if self.address else self.cls.value


@dataclass(frozen=True, slots=True)
class Withheld:
    """A step that is not taken because its object is held: disaster recovery is in progress there."""

    address: Address
    action: Action
    message: str


@dataclass(frozen=True, slots=True)
class Drift:
    """What the cloud shows other than recorded. `gone`: the object itself is not there any more."""

    address: Address
    changes: tuple[Change, ...] = ()
    gone: bool = False


@dataclass(frozen=True, slots=True)
class OpenOperation:
    """An operation of an earlier run that one look could not settle; apply goes on with it first.

    `inputs`: what a create has sent, {} for the others. Only planning needs them; a plan's text is without.
    """

    address: Address
    action: Action
    message: str
    inputs: Attributes = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """What another service must have ready for a step; SDRS refuses the step otherwise."""

    address: Address
    message: str


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan was made from, and for how long it holds (times RFC 3339).

    `lineage`: also the one that its apply begins where no state is yet. `documents`: how many objects the manifests
    describe; `guarded`: which of them must not be destroyed. The last three are the selectors it was asked for with.
    """

    stack: str
    environment: str
    desired: str  # digest of the desired view
    inputs: Mapping[str, Json]
    binding: Binding
    lineage: str
    serial: int
    tool: str
    created: str
    expires: str
    destroy: bool = False
    refresh_only: bool = False
    refreshed: bool = True
    documents: int = 0
    guarded: tuple[Address, ...] = ()
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, in order, with all that a reviewer must know. Pure data; its document has the digest."""

    basis: Basis
    steps: tuple[Step, ...] = field(default=(), repr=False)  # there may be thousands
    dangers: tuple[Danger, ...] = ()
    hints: tuple[Hint, ...] = ()
    consents: tuple[Consent, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    drift: tuple[Drift, ...] = ()
    open: tuple[OpenOperation, ...] = ()
    outputs: tuple[Output, ...] = ()
    output_changes: tuple[Change, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    prerequisites: tuple[Prerequisite, ...] = ()
    max_deletes: int = 10
    timeouts: Mapping[str, float] = field(default_factory=dict)

    def has_changes(self) -> bool:
        """True when apply would do or record anything."""
        return bool(self.steps or self.output_changes)


# ---------------------------------------------------------------- outcome


class Result(enum.StrEnum):
    """How a step ended in a run."""

    DONE = "done"
    FAILED = "failed"
    CONTINUES = "continues"  # its job goes on in the cloud; the next run goes on with it
    NOT_STARTED = "not-started"


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """One step's end. `summary` and `fix` say why it is not done."""

    step: Step
    result: Result
    summary: str = ""
    fix: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a run; `detail` holds JSON values. `time` is RFC 3339."""

    type: str
    time: str
    address: Address | None = None
    action: Action | None = None
    detail: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to: each step's end, what settling earlier operations found, and the recorded outputs."""

    steps: tuple[StepOutcome, ...] = field(default=(), repr=False)
    withheld: tuple[Withheld, ...] = ()
    outputs: Mapping[str, Json] = field(default_factory=dict)
    interrupted: bool = False
    conflict: str = ""  # somebody else wrote the state; what this run did is kept beside it

    def count(self, result: Result) -> int:
        """How many steps ended so."""
        return sum(1 for outcome in self.steps if outcome.result is result)
