"""What there is to say about one kind of object: fields, calls, codes, statuses. Each module of `kinds` fills it in."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from declarative.model.address import Attributes, Json, Path
from declarative.model.observed import Lookups


@dataclass(frozen=True, slots=True)
class Call:
    """One request below `/v1/{project_id}/`; `path` holds unquoted segments.

    An idempotent call may be sent again at any time; before any other is sent again, the applier looks.
    `starts_job`: the answer names a job. `fields`: those that an update changes; it is done once all of them show the
    wanted value. `done_codes`: refusals that say that there is nothing left to do.
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
    `sent_from`: the statuses of the object in which the service takes a change of it; empty: any. `needs`: what a
    change in place needs elsewhere, in words.
    """

    on_change: OnChange = OnChange.REPLACE
    empty_is_absent: bool = False
    at_creation: bool = True
    same: Callable[[Json, Json], bool] | None = None
    sent_from: frozenset[str] = frozenset()
    needs: str = ""


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
    id: str = field(kw_only=True)


class Health(enum.Enum):
    """What an observed status means for planning."""

    NORMAL = "normal"
    BUSY = "busy"  # a job of somebody runs: wait within the deadline
    BROKEN = "broken"  # its creation failed: it can only be deleted
    LEAVING = "leaving"  # being deleted, or its deletion failed
    HELD = "held"  # a disaster recovery is in progress, or the status is unknown: no step at all


@dataclass(frozen=True, kw_only=True)
class Switch:
    """A way to turn protection on or off: the goal in manifests, the call, from which statuses, and where it leads."""

    goal: str
    call: Callable[[str], Call]
    sent_from: frozenset[str]
    running: str
    reached: str
    wait_codes: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Makes:
    """What the service makes by itself beside an object of a kind, and takes away with it.

    `kind`: of what is made, e.g. ReplicationPair. `tie`: the kind whose objects tie such a thing to a maker by hand.
    The functions read what is made, as it is observed; `made` reads its maker.
    """

    kind: str
    tie: str
    made: Callable[[Attributes], frozenset[str]]  # a maker -> ids of what is tied to it, made with it or by hand
    makers: Callable[[Attributes], frozenset[str] | None]  # ids of those that it is tied to; None when that isn't told
    shared: Callable[[Attributes], bool]  # True for what several makers may have: none is made with it
    inseparable: Callable[[Attributes], bool | None]  # True for what only goes with its maker; None when not told
    options: Callable[[Attributes], Attributes]  # a maker's inputs -> those with which what it left is deleted


@dataclass(frozen=True, slots=True)
class Exclusive:
    """A field that no two objects may share which name the same object in the field `within`."""

    field: str
    within: str


@dataclass(frozen=True, slots=True)
class Variable:
    """What an export makes of a value that several objects share."""

    name: str
    description: str


class Undescribable(Exception):
    """The object can't be described by a manifest; the text says why, as in "it is not written: …"."""


class Describing(Protocol):
    """What the describer of a kind may ask and say, beside the object itself."""

    @property
    def lookups(self) -> Lookups:
        """What the cloud says beside the objects."""

    def name_of(self, kind: str, object_id: str) -> str | None:
        """The manifest name of an object that is described already; None for any other."""

    def note(self, text: str) -> None:
        """Tell the reader of the export that something is left out."""


def one_object(listed: Attributes) -> Mapping[str, Attributes]:
    """The usual `Wire.view`: a listed object is one object of the kind, under its own id."""
    return {str(listed["id"]): listed}


def no_words(inputs: Attributes) -> tuple[str, ...]:
    """The usual `Words.leaves` and `Words.needs`: nothing to say."""
    return ()


def no_id(left: str, seen: Attributes) -> str:
    """The usual `Words.left_id`: nobody knows it."""
    return ""


def protection_lost(seen: Attributes) -> str:
    """The usual `Words.lost`."""
    return "its protection"


@dataclass(frozen=True, kw_only=True)
class Wire:
    """How the service lists and shows objects of a kind, and where jobs, the task centre and the quotas name them."""

    collection: str  # path of the list call
    envelope: str  # key of one object in a GET's answer
    list_key: str
    view: Callable[[Attributes], Mapping[str, Attributes]] = (
        one_object  # a listed object -> objects of this kind, by id
    )
    read_id: Callable[[str], str] = str  # an object's id -> the id that a GET in the collection takes
    entity_keys: tuple[str, ...] = ()  # where a finished job names the object
    failure_type: str = ""  # `resource_type` in the task centre
    quota: str = ""  # `type` in the quotas
    quota_code: str = ""  # the refusal of a create for which that quota leaves no room
    copying: str = ""  # the field that tells how far its copy is
    made_at: str = ""  # the field that tells when it was made


@dataclass(frozen=True, kw_only=True)
class Codes:
    """What refusals mean for a kind, by code."""

    gone: frozenset[str]
    look_again: frozenset[str] = frozenset()  # on DELETE: the object may be gone or busy, a GET tells
    wait: frozenset[str] = frozenset()  # its group is busy: the call is tried again within the deadline
    status: frozenset[str] = frozenset()  # one of the objects is busy or ill: tried again if one is seen busy
    exists: frozenset[str] = frozenset()  # on a repeated create: an earlier one has had its effect


@dataclass(frozen=True, kw_only=True)
class Relations:
    """What objects of a kind belong to, what names them, and what else they have to do with others."""

    group: str = ""  # the field with the id of the protection group it belongs to; "" for the group itself
    refers: Mapping[str, Refers] = field(default_factory=dict)  # manifest fields that name another object
    lookups: Mapping[str, str] = field(default_factory=dict)  # manifest field -> sent field, by `Lookups.domains`
    lookup_names: Mapping[str, str] = field(default_factory=dict)  # manifest field -> where the cloud shows its value
    natural_key: tuple[str, ...] = ()  # fields that name the object in the cloud; (): re-found by exact match
    place: tuple[str, ...] = ()  # sent fields that say where it lies; objects of one name in one place are twins
    identity: Callable[[Attributes], str] | None = None  # inputs -> id, where no job tells it
    names_unique_in: str | None = None  # the field within which names are unique in manifests; "": in the whole stack
    makes: Makes | None = None
    exclusive: Exclusive | None = None
    only_grows: Mapping[str, str] = field(default_factory=dict)  # fields that can't shrink -> their unit
    counted_as: str = ""  # the group's counter of its objects of this kind
    copied: str = ""  # of a group: the kind of what is copied; without one of these, nothing is protected
    side: str = ""  # of a group: the field that says, or accepts, which side runs production
    goal: str = ""  # of a group: the manifest field that says whether it is to be protected
    size: str = ""  # of what is copied: the field with the size of its disk, in GB


@dataclass(frozen=True, kw_only=True)
class Calls:
    """What a spec means, the calls that make, change and end an object, and how long each may take.

    `timeouts`: the deadlines in seconds, by action. `seen`: how many seconds an action has been seen to take, where
    docs/sdrs-api.md has a figure ("Failed jobs"); it promises nothing.
    """

    timeouts: Mapping[str, float]
    complete: Callable[[Attributes, Lookups], tuple[Attributes, tuple[Problem, ...]]]
    create: Callable[[Attributes], Call]
    # of (id, inputs, observed, changed): the calls that send the changed fields, and no others
    update: Callable[[str, Attributes, Attributes, frozenset[str]], tuple[Call, ...]]
    delete: Callable[[str, Attributes], Call]  # id, recorded inputs
    enable: Switch | None = None
    disable: Switch | None = None
    seen: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Statuses:
    """What a status means, and the statuses in which the service creates and deletes.

    Of the object itself, and of those that it belongs to or names, by their kind. What isn't here may be in any.
    """

    health: Callable[[Attributes, Attributes], Health]  # of (observed, inputs)
    held_because: Callable[[Attributes], str]
    deleted_from: frozenset[str] = frozenset()
    created_beside: Mapping[str, frozenset[str]] = field(default_factory=dict)
    deleted_beside: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # Statuses of what it names that a failed create or delete has left, and only a further delete clears.
    marks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    protected: frozenset[str] = frozenset()  # those in which data is, or was a moment ago, copied
    copies_first: bool = False  # its creation waits until a protected group's first copy is complete


@dataclass(frozen=True, kw_only=True)
class Words:
    """What there is to tell people of an object: in an export, in a status, in plans and findings."""

    plural: str  # what an export calls the file of its documents, e.g. `groups`
    # An observed object -> the spec of its document, without the name. Raises Undescribable.
    describe: Callable[[Attributes, Describing], Attributes]
    judge: Callable[[Attributes], tuple[str, ...]]  # an observed object -> what is wrong with it
    variables: Mapping[str, Variable] = field(default_factory=dict)  # of values that many share, by manifest field
    # The name that stands in for one, of a kind whose objects have none: of the spec.
    title: Callable[[Attributes], str] | None = None
    key_words: Mapping[str, str] = field(default_factory=dict)  # field of the natural key -> what it names
    lost: Callable[[Attributes], str] = protection_lost  # what is lost with an observed object
    # A status that a failed change has left -> what leads out of it, of the observed object.
    remedies: Mapping[str, Callable[[Attributes], str]] = field(default_factory=dict)
    leaves: Callable[[Attributes], tuple[str, ...]] = no_words  # recorded inputs -> what stays, billed, after a delete
    left_id: Callable[[str, Attributes], str] = no_id  # one of `leaves`, of an observed object -> its id, or ""
    needs: Callable[[Attributes], tuple[str, ...]] = no_words  # inputs -> what other services must have ready


@dataclass(frozen=True, kw_only=True)
class Kind:
    """All that is particular to one kind of object, in its parts; all other rooms read this table.

    Paths, envelopes, codes and statuses come from docs/sdrs-api.md, under the headings of each kind.
    """

    name: str
    noun: str
    fields: Mapping[str, Field]
    wire: Wire
    codes: Codes
    relations: Relations
    calls: Calls
    statuses: Statuses
    words: Words
