"""What the manifests want: the stack, its objects and its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from declarative.errors import Position
from declarative.model.address import Address, Attributes, Json, Locate

DEFAULT_ENVIRONMENT = "default"  # the one that has no file


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
    """The `Stack` document. `cloud`: an entry in the clouds.yaml of whoever runs it.

    `timeouts` are seconds, by `create_grace` or `Kind.action`.
    """

    name: str
    region: str = ""
    cloud: str = ""
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
