"""Manifests for what exists in the cloud, and the imports that tie the two together.

Pure: observed objects go in, texts come out. What is written describes the objects as they are, so that a plan after
the imports changes nothing. What the service doesn't tell, or tells with a value that no manifest may hold, is left out
or left alone, and each such case is noted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from declarative.kinds import KINDS
from declarative.kinds.describing import ID, NAME
from declarative.kinds.relations import BROUGHT, BROUGHT_FIELD, MAKES, SIDE, TIE
from declarative.model import Address, Attributes, Health, Json, Kind, Lookups, Observed, Undescribable, Variable
from declarative.reporting.yaml_text import Value, to_yaml

IMPORTS = "imports.sh"

_SIMULATOR_NOTE = (
    "the embedded simulator stays with its own stack; to go on with it in the new folder, copy"
    " .declarative/simulator.sqlite there"
)

# What a reader of manifests accepts: one file has at most 1 MiB and 50,000 values, and a document of ours at most 100.
_MAX_DOCUMENTS = 400
_MAX_CHARACTERS = 200_000
_IMPORTS_AT_ONCE = 200  # a command line of at most 40 KiB

# What is written as a variable, by the value -> the name of the variable.
_Variables: TypeAlias = Mapping[tuple[Variable, str], str]


@dataclass(frozen=True, slots=True)
class Exported:
    """Texts by file name, what to import, and in words what was not written as it is in the cloud."""

    files: Mapping[str, str]
    imports: tuple[tuple[Address, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Document:
    """One object's manifest, and its id. `spec` holds plain values: nothing in it is an expression yet."""

    address: Address
    id: str
    spec: Mapping[str, Json]
    ignored: tuple[str, ...] = ()
    adopted: bool = False


def export(observed: Observed, *, stack: str, region: str = "", simulator: bool = False) -> Exported:
    """Describe everything in `observed`. `stack` is the name of the new stack, from which its own name is made."""
    writer = _Writer(observed)
    writer.write()
    order = {name: number for number, name in enumerate(KINDS)}
    documents = sorted(writer.documents, key=lambda one: (order[one.address.kind], one.address))
    variables = _variables(documents)
    cloud: dict[str, Value] = {"simulator": True} if simulator else {"region": region} if ID.fullmatch(region) else {}
    files = {"stack.yaml": _stack_text(manifest_name(stack, "exported"), cloud, variables)}
    for name, kind in KINDS.items():
        texts = [_document_text(one, variables) for one in documents if one.address.kind == name]
        files.update(_in_files(kind.words.plural, texts))
    if simulator:
        writer.notes.append(_SIMULATOR_NOTE)
    imports = tuple((one.address, one.id) for one in documents)
    files[IMPORTS] = _imports_text(imports)
    return Exported(files, imports, tuple(writer.notes))


# ---------------------------------------------------------------- which objects, under which names


@dataclass(slots=True)
class _Writer:
    """Turns observed objects into documents, kind after kind; each kind may refer to those before it."""

    observed: Observed
    documents: list[_Document] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _addresses: dict[tuple[str, str], Address] = field(default_factory=dict)
    _names: dict[str, set[str]] = field(default_factory=dict)
    _cloud_names: set[tuple[str, str, str]] = field(default_factory=set)

    @property
    def lookups(self) -> Lookups:
        """What the cloud says beside the objects."""
        return self.observed.lookups

    def name_of(self, kind: str, object_id: str) -> str | None:
        """The manifest name of an object that is described already."""
        address = self._addresses.get((kind, object_id))
        return address.name if address is not None else None

    def note(self, text: str) -> None:
        """Tell the reader of something that is left out."""
        self.notes.append(text)

    def write(self) -> None:
        """Describe all that can be described, kind after kind; what an instance has brought is taken over with it."""
        ties, brought = self._ties(), self._objects(BROUGHT.name)
        single = {one for one, ties_of in ties.items() if len(ties_of) == 1 and not MAKES.shared(brought.get(one, {}))}
        told = {one: MAKES.inseparable(brought.get(one, {})) for one in single}
        inseparable = {one for one, is_so in told.items() if is_so}
        made_by_hand = {tie for one, ties_of in ties.items() if one not in single for tie in ties_of}
        left = {BROUGHT.name: inseparable, TIE.name: self._objects(TIE.name).keys() - made_by_hand}
        for kind in KINDS.values():
            self._all(kind, leave=left.get(kind.name, set()), adopt=single if kind is BROUGHT else set())
        if children := len(inseparable & brought.keys()):
            self.notes.append(
                "1 pair of a system disk is not written: it goes with the instance that brought it"
                if children == 1
                else f"{children} pairs of system disks are not written: they go with the instances that brought them"
            )
        for one in sorted(single & brought.keys()):
            if told[one] is None:
                self.notes.append(
                    f"the cloud doesn't tell whether {BROUGHT.noun} {one} is that of a system disk: it is written"
                )

    def _objects(self, kind: str) -> Mapping[str, Attributes]:
        return self.observed.objects.get(kind, {})

    def _ties(self) -> dict[str, list[str]]:
        """The ids of what ties each brought object to its makers."""
        found: dict[str, list[str]] = {}
        for object_id, shown in self._objects(TIE.name).items():
            found.setdefault(str(shown[BROUGHT_FIELD]), []).append(object_id)
        return found

    def _all(self, kind: Kind, *, leave: Collection[str], adopt: Collection[str]) -> None:
        """Describe all objects of a kind but those to `leave`; those to `adopt` are attached to an instance."""
        ordered = sorted(self._objects(kind.name).items(), key=lambda one: (str(one[1].get("name")), one[0]))
        for object_id, shown in ordered:
            if object_id in leave:
                continue
            try:
                _refuse_unhealthy(kind, shown)
                spec = kind.words.describe(shown, self)
            except Undescribable as reason:
                self.notes.append(f"{kind.noun} {object_id} is not written: {reason}")
                continue
            address = self._address(kind, object_id, shown, spec)
            document = _Document(address, object_id, spec, adopted=object_id in adopt)
            self.documents.append(self._named(kind, document, shown))

    def _address(self, kind: Kind, object_id: str, shown: Attributes, spec: Attributes) -> Address:
        told = kind.words.title(spec) if kind.words.title is not None else str(shown.get("name") or "")
        taken = self._names.setdefault(kind.name, set())
        name = _unique(manifest_name(told, kind.words.plural.removesuffix("s")), taken)
        address = self._addresses[(kind.name, object_id)] = Address(kind.name, name)
        return address

    def _named(self, kind: Kind, document: _Document, shown: Attributes) -> _Document:
        """The document with a name in the cloud that a manifest may hold: another one is left alone by the plan."""
        if kind.words.title is not None:
            return document
        told = shown.get("name")
        # Two groups, or two drills of one group, may have one name in the cloud, but not in manifests.
        within = kind.relations.names_unique_in
        scope = str(shown.get(within)) if within else ""
        taken = within is not None and (kind.name, scope, str(told)) in self._cloud_names
        if isinstance(told, str) and NAME.fullmatch(told) and not taken:
            self._cloud_names.add((kind.name, scope, told))
            return replace(document, spec={"name": told, **document.spec})
        why = "is the name of another one too" if taken else "is not one that a manifest may hold"
        self.notes.append(f"{document.address}: its name in the cloud {why}, and is left alone (ignore_changes)")
        # Distinct from all names that are told: those stand in manifests as they are, and this one is never sent.
        name = _unique(document.address.name[:55], self._told_names(kind.name))
        self._cloud_names.add((kind.name, scope, name))
        return replace(document, spec={"name": name, **document.spec}, ignored=("name",))

    def _told_names(self, kind: str) -> set[str]:
        told = {str(one.get("name")) for one in self._objects(kind).values()}
        return told | {name for other, _, name in self._cloud_names if other == kind}


def _refuse_unhealthy(kind: Kind, shown: Attributes) -> None:
    health = kind.statuses.health(shown, {SIDE: shown.get(SIDE)})
    if health is Health.BROKEN:
        raise Undescribable("its creation failed")
    if health is Health.LEAVING:
        raise Undescribable("it is being deleted")


def manifest_name(text: str, otherwise: str) -> str:
    """A `metadata.name` made from a text of any sort; `otherwise` when nothing of it is left."""
    words = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")
    return words[:63] or otherwise


def _unique(name: str, taken: set[str]) -> str:
    """`name`, or the first of `name-2`, `name-3`… that isn't taken in any spelling; it is taken from now on."""
    known = {one.lower() for one in taken}
    chosen, number = name, 1
    while chosen.lower() in known:
        number += 1
        chosen = f"{name[: 62 - len(str(number))]}-{number}"
    taken.add(chosen)
    return chosen


# ---------------------------------------------------------------- values that many share


def _variables(documents: Iterable[_Document]) -> _Variables:
    """A variable for each value that is used more than once in fields whose values are shared."""
    uses: Counter[tuple[Variable, str]] = Counter()
    for one in documents:
        shared = KINDS[one.address.kind].words.variables
        uses.update((shared[name], str(value)) for name, value in one.spec.items() if name in shared)
    often = sorted((use for use, count in uses.items() if count > 1 and "${" not in use[1]), key=_by_name)
    alike = Counter(variable.name for variable, _ in often)
    numbers: Counter[str] = Counter()
    found = {}
    for variable, value in often:
        name = variable.name
        numbers[name] += 1
        found[(variable, value)] = name if alike[name] == 1 else f"{name}_{numbers[name]}"
    return found


def _by_name(use: tuple[Variable, str]) -> tuple[str, str]:
    return use[0].name, use[1]


def _written(variable: Variable | None, value: Json, variables: _Variables) -> Value:
    """A value of a spec as it stands in the manifest; `${` in a text of the cloud is no expression."""
    name = variables.get((variable, str(value))) if variable is not None else None
    if name:
        return f"${{var.{name}}}"
    return _literal(value)


def _literal(value: Json) -> Value:
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, dict):
        return {key: _literal(one) for key, one in value.items()}
    return [_literal(one) for one in value] if isinstance(value, list) else value


# ---------------------------------------------------------------- texts


def _document_text(document: _Document, variables: _Variables) -> str:
    shared = KINDS[document.address.kind].words.variables
    content: dict[str, Value] = {
        "apiVersion": "sdrs/v1",
        "kind": document.address.kind,
        "metadata": {"name": document.address.name},
        "spec": {name: _written(shared.get(name), value, variables) for name, value in document.spec.items()},
    }
    lifecycle: dict[str, Value] = {"adopt": True} if document.adopted else {}
    if document.ignored:
        lifecycle["ignore_changes"] = list(document.ignored)
    if lifecycle:
        content["lifecycle"] = lifecycle
    return to_yaml(content)


def _stack_text(name: str, cloud: Mapping[str, Value], variables: _Variables) -> str:
    spec: dict[str, Value] = {"provider": dict(cloud)} if cloud else {}
    if variables:
        spec["variables"] = {
            name: {"type": "string", "description": variable.description, "default": value}
            for (variable, value), name in variables.items()
        }
    head = f"# What was in the cloud when this was exported. `sh {IMPORTS}` records it as this stack's.\n"
    content: dict[str, Value] = {"apiVersion": "sdrs/v1", "kind": "Stack", "metadata": {"name": name}}
    return head + to_yaml({**content, "spec": spec} if spec else content)


def _in_files(name: str, texts: list[str]) -> Iterator[tuple[str, str]]:
    """The documents in files of a size that is read: `groups.yaml`, `groups-2.yaml`…"""
    parts: list[list[str]] = []
    size = 0
    for text in texts:
        if not parts or len(parts[-1]) == _MAX_DOCUMENTS or size + len(text) > _MAX_CHARACTERS:
            parts.append([])
            size = 0
        parts[-1].append(text)
        size += len(text)
    for number, part in enumerate(parts, 1):
        yield (f"{name}-{number}.yaml" if number > 1 else f"{name}.yaml"), "---\n".join(part)


def _imports_text(imports: Sequence[tuple[Address, str]]) -> str:
    """A shell script. Addresses and ids hold no character that `xargs` or a shell would act on."""
    head = [
        "#!/bin/sh",
        "# Records what exists in the cloud as the objects of this stack. Nothing in the cloud is changed.",
        'cd "$(dirname "$0")" || exit 1',
    ]
    lines = [f"{address} {object_id}" for address, object_id in imports]
    if lines:
        lines = [f"xargs -n {2 * _IMPORTS_AT_ONCE} declarative import <<'END'", *lines, "END"]
    return "\n".join([*head, *lines]) + "\n"
