"""A plan: steps in order, the dangers and the consents to them, and what it was made from."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from declarative.errors import Diagnostic
from declarative.model.address import Address, Attributes, Json
from declarative.model.desired import Output
from declarative.model.recorded import Action, Binding, Resource


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
    disks: Mapping[str, int] = field(default_factory=dict)  # GB of what is copied again, as seen, by the pair's id


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
    """An operation of an earlier run that one look could not decide; apply goes on with it first.

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
    describe; `guarded`: which of them must not be destroyed. `targets`, `excludes` and `replaces` are the selectors it
    was asked for with. `state`: where the state is kept, which is no part of the plan's document; "" for a saved one.
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
    state: str = ""


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
