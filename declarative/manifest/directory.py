"""The objects that the documents make, by address, and the findings about missing ones."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from declarative.errors import did_you_mean, visible
from declarative.kinds import KINDS
from declarative.manifest.loading import Document
from declarative.model import Address, Json, Reference

_MAX_SEARCHES = 200
_MAX_CANDIDATES = 100
_MAX_KEYS = 10


@dataclass(frozen=True, slots=True)
class Made:
    """One object of a document. `complete`: no value is left open or unfit; `refers`: what its fields name."""

    document: Document
    spec: Mapping[str, Json]
    complete: bool
    refers: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a name or address, and how to put it right; `id` is the finding's."""

    id: str
    summary: str
    fix: str


@dataclass(slots=True)
class Directory:
    """All objects of one environment. `known`: kind and name of every document, also of those that can't be used.

    A fault is looked for only in what can be told: an object of a document with findings or open values may be there,
    and without `whole` so may any in the part of a file that was not read.
    """

    known: set[tuple[str, str]]
    whole: bool = True
    objects: dict[Address, Made] = field(default_factory=dict)
    documents: dict[tuple[str, str], list[Address]] = field(default_factory=dict)
    _faults: dict[tuple[Address, str], Fault] = field(default_factory=dict)
    _by_letter: dict[tuple[str, str], list[Address]] = field(default_factory=dict)

    def open(self, document: Document) -> None:
        """Register a document that makes no object yet."""
        self.documents.setdefault((document.kind, document.name), [])

    def leave_open(self, document: Document) -> None:
        """Let any object of the document be there: not all of them have been made."""
        self.documents.pop((document.kind, document.name), None)

    def add(self, address: Address, made: Made) -> None:
        """Register an object."""
        self.objects[address] = made
        self.documents.setdefault((address.kind, address.name), []).append(address)

    def is_complete(self) -> bool:
        """True when no value of any object is left open or unfit."""
        return all(made.complete for made in self.objects.values())

    def named(self, address: Address) -> list[Address]:
        """Return the objects that an address means: itself, or all of a document with for_each."""
        return [address] if address in self.objects else self.documents.get((address.kind, address.name), [])

    def fault(self, address: Address, *, whole: bool) -> Fault | None:
        """Return what is wrong with an address; `whole`: it may mean all objects of a for_each."""
        if self._may_be_there(address):
            return None
        if whole and not address.key and (address.kind, address.name) in self.documents:
            return None
        return self._once(address, "", lambda: self._no_such_address(address))

    def fault_of_reference(self, address: Address, by_id: str) -> Fault | None:
        """Return what is wrong with a name in a field; `by_id` is the field for objects not managed here."""
        if self._may_be_there(address):
            return None
        return self._once(address, by_id, lambda: self._no_such_name(address, by_id))

    def fault_of_output(self, reference: Reference) -> Fault | None:
        """Return what is wrong with a reference to an object's value."""
        kind = KINDS.get(reference.address.kind)
        if kind is None:
            known = f"Known: {', '.join(KINDS)}"
            near = did_you_mean(reference.address.kind, KINDS)
            return Fault("unknown-kind", f"no kind is named '{reference.address.kind}'", f"{near} {known}".strip())
        attributes = ("id", *kind.fields)
        if reference.attribute not in attributes:
            summary = f"{kind.name} has no attribute '{visible(reference.attribute, limit=80)}'"
            near = did_you_mean(reference.attribute, attributes)
            return Fault("unknown-attribute", summary, near or f"Known: {', '.join(attributes)}")
        return self.fault(reference.address, whole=False)

    def _may_be_there(self, address: Address) -> bool:
        document = (address.kind, address.name)
        return address in self.objects or (
            document not in self.documents and (document in self.known or not self.whole)
        )

    def _once(self, address: Address, by_id: str, tell: Callable[[], Fault]) -> Fault:
        """Cache the result: many objects can have the same error, and finding similar names is slow."""
        place = (address, by_id)
        if place not in self._faults:
            self._faults[place] = tell()
        return self._faults[place]

    def _no_such_address(self, address: Address) -> Fault:
        near = did_you_mean(str(address), map(str, self._candidates(address)))
        return Fault("unknown-address", f"there is no {address}", near or "Declare it, or remove the reference.")

    def _no_such_name(self, address: Address, by_id: str) -> Fault:
        same = self.documents.get((address.kind, address.name))
        if same is not None and (not same or same[0].key):
            return _wrong_key(address, same, search=len(self._faults) < _MAX_SEARCHES)
        text = _text(address)
        of_kind = [one for one in self._candidates(address) if one.kind == address.kind]
        candidates = {one.name: one for one in reversed(of_kind)} | {_text(one): one for one in of_kind}
        near = difflib.get_close_matches(text, candidates, n=1, cutoff=0.6)
        fix = f"Declare it, or use {by_id} for an object that is not managed here."
        if near:
            meant = candidates[near[0]]
            place = self.objects[meant].document.source.position(("metadata", "name"))
            fix = f"Did you mean '{_text(meant)}' ({place})?"
        return Fault("unknown-reference", f"no {KINDS[address.kind].noun} is named '{text}'", fix)

    def _candidates(self, address: Address) -> list[Address]:
        """Return addresses that may have been meant; only a few, because comparing texts is slow."""
        if len(self._faults) >= _MAX_SEARCHES:
            return []
        if not self._by_letter:
            self._sort_by_letter()
        same = self.documents.get((address.kind, address.name), [])[:_MAX_CANDIDATES]
        alike = self._by_letter.get((address.kind, address.name[:1]), [])
        of_kind = self._by_letter.get((address.kind, ""), [])
        elsewhere = (self.documents.get((kind, address.name), [])[:_MAX_CANDIDATES] for kind in KINDS)
        return [*same, *alike, *of_kind, *itertools.chain.from_iterable(elsewhere)]

    def _sort_by_letter(self) -> None:
        for address in self.objects:
            for letter in (address.name[:1], ""):
                alike = self._by_letter.setdefault((address.kind, letter), [])
                if len(alike) < _MAX_CANDIDATES:
                    alike.append(address)


def _text(address: Address) -> str:
    """An address as a field names it, where the kind is known."""
    return str(address).partition("/")[2]


def _wrong_key(address: Address, same: list[Address], *, search: bool) -> Fault:
    document = f"{address.kind}/{address.name}"
    if not same:
        return Fault(
            "empty-for-each",
            f"{document} makes no objects because its for_each is empty",
            "Give for_each a key, or remove this reference.",
        )
    keys = [one.key for one in same[:_MAX_CANDIDATES]]
    more = f" and {len(same) - _MAX_KEYS} more" if len(same) > _MAX_KEYS else ""
    listed = f"Its keys are {', '.join(keys[:_MAX_KEYS])}{more}."
    if not address.key:
        return Fault(
            "missing-key", f"{document} has for_each, so a key is needed", f"Write {address.name}[{keys[0]}]. {listed}"
        )
    near = did_you_mean(address.key, keys) if search else ""
    return Fault("unknown-key", f"for_each of {document} has no key '{address.key}'", f"{near} {listed}".strip())
