"""Documents to desired objects: variables, `for_each`, references, and what must hold between documents."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from declarative.errors import Diagnostic, InputError, Severity, did_you_mean, visible
from declarative.kinds import KINDS
from declarative.manifest import stack as stack_document
from declarative.manifest.checking import Checked, SchemaCheck, check_documents, diagnostic
from declarative.manifest.digest import sealed
from declarative.manifest.directory import Directory, Made
from declarative.manifest.expressions import BadExpression, Each, Scope, Substitution, as_text
from declarative.manifest.findings import shown
from declarative.manifest.loading import (
    DEFAULT_ENVIRONMENT,
    Document,
    Manifests,
    environment_file,
    load_stack,
)
from declarative.manifest.uniqueness import repetitions
from declarative.manifest.variables import NO_SOURCES, Values, Variable, VariableSources, collect, declared, given_by
from declarative.model import (
    KEY_PATTERN,
    NAME_PATTERN,
    Address,
    Desired,
    DesiredView,
    Json,
    Lifecycle,
    Output,
    Path,
    Problem,
    Reference,
    Refers,
    Stack,
)

MAX_OBJECTS = 100_000

_ENVELOPE_ONLY = ("for_each",)  # read before the spec; it may keep its expression


def resolve(
    manifests: Manifests,
    *,
    environment: str = DEFAULT_ENVIRONMENT,
    sources: VariableSources = NO_SOURCES,
) -> tuple[DesiredView, tuple[Diagnostic, ...]]:
    """Return what the manifests want in one environment, and warnings.

    Raises InputError with all findings of all files, UsageError for an unknown environment and for options or
    variable files that can't be read.
    """
    checked = check_documents(manifests)
    view, found = examine(manifests, checked, environment=environment, sources=sources, strict=True)
    every = [*checked.findings, *found]
    errors = [finding for finding in every if finding.severity is Severity.ERROR]
    if errors or view is None:
        raise InputError(errors)
    return sealed(view), tuple(sorted(every, key=Diagnostic.order))


def stack_of(
    folder: pathlib.Path,
    *,
    environment: str = DEFAULT_ENVIRONMENT,
    sources: VariableSources = NO_SOURCES,
) -> Stack:
    """Return the settings of the Stack alone: other documents are neither judged nor, where possible, read.

    Raises InputError for a Stack that can't be used, else as `load` and `resolve`.
    """
    manifests = load_stack(folder)
    found = list(manifests.findings)
    stack = manifests.stack
    if stack is None or not SchemaCheck(found).accepts(stack, stack.content):
        raise InputError(found)
    variables, problems = declared(stack.content.get("spec", {}))
    found.extend(diagnostic(stack, problem) for problem in problems)
    resolution = _begin(manifests, stack, variables, environment=environment, sources=sources)
    settings = resolution.settings()
    found.extend(resolution.findings)
    found.extend(
        _without_value(stack, name, environment) for name in resolution.values.missing(sorted(resolution.wanted))
    )
    if found or settings is None:
        raise InputError(found)
    return settings


# ---------------------------------------------------------------- all together, in one environment


def examine(
    manifests: Manifests, checked: Checked, *, environment: str, sources: VariableSources, strict: bool
) -> tuple[DesiredView | None, list[Diagnostic]]:
    """Resolve the accepted documents in one environment; return the view, without digest, and what was found.

    The view is None when the Stack's settings can't be told. `strict`: a variable without a value is an error;
    otherwise what depends on it is left open.
    """
    environment_file(manifests, environment)
    if checked.stack is None:
        return None, []
    resolution = _begin(manifests, checked.stack, checked.variables, environment=environment, sources=sources)
    if strict:
        for name in resolution.values.missing(checked.variables):
            resolution.findings.append(_without_value(checked.stack, name, environment))
    settings = resolution.settings()
    resolution.expand(checked.documents)
    resolution.judge.close("objects")
    resolution.link()
    resolution.check_uniqueness()
    resources = resolution.resources()
    outputs = resolution.outputs()
    if settings is None:
        return None, resolution.findings
    view = DesiredView(settings, environment, resources, outputs, resolution.values.known)
    return view, resolution.findings


def _begin(
    manifests: Manifests,
    stack: Document,
    variables: Mapping[str, Variable],
    *,
    environment: str,
    sources: VariableSources,
) -> _Resolution:
    found: list[Diagnostic] = []
    file = environment_file(manifests, environment)
    named = None
    if file is not None and isinstance(file.content, Diagnostic):
        found.append(file.content)
    elif file is not None and isinstance(file.content, bytes):
        named = (file.shown, file.content)
    values = collect(variables, given_by(sources, named, found))
    values.whole = not found
    scope = Scope(values.known, variables, stack.name, environment)
    known = {(document.kind, document.name) for document in manifests.documents}
    known.update((kind, name) for kind in KINDS for name in manifests.unplaced)
    found.extend(values.findings)
    return _Resolution(stack, values, scope, Directory(known, manifests.whole), found, SchemaCheck(found))


def _without_value(stack: Document, name: str, environment: str) -> Diagnostic:
    file = "a default" if environment == DEFAULT_ENVIRONMENT else f"environments/{environment}.yaml"
    fix = f"Give it one by {file}, DECLARATIVE_VAR_{name}, --var-file or --var {name}=…."
    where = stack.source.position(("spec", "variables", name), key=True)
    return Diagnostic(f"the variable '{name}' has no value", fix, where)


@dataclass(slots=True)
class _Resolution:
    """One pass over the documents in one environment."""

    stack: Document
    values: Values
    scope: Scope
    directory: Directory
    findings: list[Diagnostic]
    judge: SchemaCheck
    wanted: set[str] = field(default_factory=set)  # variables of the settings that have no value
    _said: set[tuple[int, Path, str]] = field(default_factory=set)

    def settings(self) -> Stack | None:
        """Return the Stack's settings, None after a finding or when a value is open."""
        spec = {name: value for name, value in self.stack.content.get("spec", {}).items() if name != "outputs"}
        substitution = Substitution(self.scope)
        literal = {"variables": spec["variables"]} if "variables" in spec else {}
        rest = {name: value for name, value in spec.items() if name != "variables"}
        spec = {**substitution.tree(rest, ("spec",)), **literal}
        self.wanted |= substitution.missing
        before = len(self.findings)
        for problem in substitution.problems:
            self._say(self.stack, problem)
        if substitution.problems or substitution.missing:
            return None
        content = {**self.stack.content, "spec": spec}
        if self.judge.accepts(self.stack, content, resolved=True):
            for problem in stack_document.problems(spec):
                self._say(self.stack, problem)
        return stack_document.settings(self.stack.name, spec) if len(self.findings) == before else None

    def expand(self, documents: Iterable[Document]) -> None:
        """Make the objects of all documents."""
        for document in documents:
            self._check_ignored_fields(document)
            if "for_each" not in document.content:
                self._add(document, Address(document.kind, document.name), None)
                continue
            entries = self._entries(document)
            if entries is None:
                continue
            if len(self.directory.objects) + len(entries) > MAX_OBJECTS:
                summary = f"the stack would hold more than {MAX_OBJECTS} objects"
                self._say(document, Problem(("for_each",), summary, "Split it into several stacks."))
                return
            self.directory.open(document)
            for key, value in entries.items():
                self._add(document, Address(document.kind, document.name, key), Each(key, value))

    def _check_ignored_fields(self, document: Document) -> None:
        kind = KINDS[document.kind]
        sent_as = {**kind.lookups, **{name: target.field for name, target in kind.refers.items()}}
        for number, name in enumerate(document.content.get("lifecycle", {}).get("ignore_changes", ())):
            if name not in kind.fields:
                summary = f"{document.kind} has no field '{visible(name, limit=80)}' that could be ignored"
                near = f"Write {sent_as[name]}." if name in sent_as else did_you_mean(name, kind.fields)
                fix = near or f"Its fields are {', '.join(kind.fields)}."
                self._say(document, Problem(("lifecycle", "ignore_changes", number), summary, fix))

    def _entries(self, document: Document) -> Mapping[str, Json] | None:
        """Return the keys and values of `for_each`; None after a finding or when the value is open."""
        path = ("for_each",)
        scope = Scope(self.scope.values, self.scope.declared, "", "", variables_only=True)
        substitution = Substitution(scope)
        value = substitution.tree(document.content["for_each"], path)
        for problem in substitution.problems:
            self._say(document, problem)
        if substitution.problems or substitution.missing:
            return None
        if isinstance(value, list) and all(isinstance(key, str) for key in value):
            entries: Mapping[str, Json] = dict(zip(value, value, strict=True))
            for number, key in _repetitions(value):
                self._say(document, Problem((*path, number), f"for_each holds {shown(key)} twice", "Remove one."))
        elif isinstance(value, dict):
            entries = value
        else:
            found = "a list of other things than texts" if isinstance(value, list) else shown(value)
            self._say(document, Problem(path, f"for_each must be a map or a list of texts, found {found}", ""))
            return None
        places: Iterable[tuple[str | int, str]] = (
            enumerate(value) if isinstance(value, list) else ((key, key) for key in value)
        )
        fit = self._keys_fit(document, places)
        return entries if fit and len(entries) == len(value) else None

    def _keys_fit(self, document: Document, keys: Iterable[tuple[str | int, str]]) -> bool:
        unfit = [(part, key) for part, key in keys if not _KEY.fullmatch(key)]
        for part, key in unfit:
            summary = f"the key {shown(key)} of for_each can't be part of an address"
            fix = "Keys are 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-'."
            self._say(document, Problem(("for_each", part), summary, fix))
        return not unfit

    def _add(self, document: Document, address: Address, each: Each | None) -> None:
        spec: Mapping[str, Json] = document.content["spec"]
        complete = True
        if document.expressions:
            scope = self.scope
            scope = Scope(scope.values, scope.declared, scope.stack, scope.environment, each)
            substitution = Substitution(scope)
            spec = substitution.tree(spec, ("spec",))
            note = f" (for {address})" if each else ""
            for problem in substitution.problems:
                self._say(document, problem, note)
            complete = not (substitution.missing or substitution.problems)
            if not substitution.problems:
                complete &= self._accepts_values(document, spec, complete=complete, note=note)
        self.directory.add(address, Made(document, spec, complete))

    def _accepts_values(self, document: Document, spec: Json, *, complete: bool, note: str) -> bool:
        content = {name: value for name, value in document.content.items() if name not in _ENVELOPE_ONLY}
        content["spec"] = spec
        return self.judge.accepts(document, content, resolved=complete, note=note)

    def link(self) -> None:
        """Put a `Reference` wherever a field names another object."""
        objects = self.directory.objects
        for address, made in objects.items():
            if refers := KINDS[address.kind].refers:
                objects[address] = self._linked(address, made, refers)

    def _linked(self, address: Address, made: Made, refers: Mapping[str, Refers]) -> Made:
        found = {}
        for name, target in refers.items():
            text = made.spec.get(name)
            if not isinstance(text, str) or not _NAME.fullmatch(text):
                continue  # given by id; or open, or refused by the schema
            other = Address.parse(f"{target.kind}/{text}")
            fault = self.directory.fault_of_reference(other, target.field)
            if fault:
                note = f" (for {address})" if address.key else ""
                self._say(made.document, Problem(("spec", name), fault.summary, fault.fix), note)
            found[name] = Reference(other)
        return replace(made, spec={**made.spec, **found}, refers=tuple(one.address for one in found.values()))

    def check_uniqueness(self) -> None:
        """Find objects that share what their kind's schema wants to be unique."""
        self.findings.extend(repetitions(self.directory.objects))

    def resources(self) -> dict[Address, Desired]:
        """Return the desired objects, by address and in the order of addresses."""
        objects = self.directory.objects
        ordered = sorted(objects, key=lambda address: (address.kind, address.name, address.key))
        return {address: self._desired(address, objects[address]) for address in ordered}

    def _desired(self, address: Address, made: Made) -> Desired:
        content = made.document.content
        return Desired(
            address=address,
            spec=made.spec,
            lifecycle=_lifecycle(content["lifecycle"]) if "lifecycle" in content else _NO_LIFECYCLE,
            depends_on=self._dependencies(made) if made.refers or "depends_on" in content else (),
            labels=content["metadata"].get("labels", _NO_LABELS),
            locate=made.document.source.position,
        )

    def _dependencies(self, made: Made) -> tuple[Address, ...]:
        found = set(made.refers)
        for number, text in enumerate(made.document.content.get("depends_on", ())):
            address = Address.parse(text)
            fault = self.directory.fault(address, whole=True)
            if fault:
                self._say(made.document, Problem(("depends_on", number), fault.summary, fault.fix))
            else:
                found.update(self.directory.named(address))
        return tuple(sorted(found))

    def outputs(self) -> tuple[Output, ...]:
        """Return the outputs in the order of their names."""
        spec = self.stack.content.get("spec", {}).get("outputs", {})
        outputs = []
        for name, value in sorted(spec.items()):
            path = ("spec", "outputs", name)
            parts = self._parts(value, path)
            if parts is not None:
                outputs.append(Output(name, parts))
        return tuple(outputs)

    def _parts(self, value: Json, path: tuple[str, ...]) -> tuple[Json | Reference, ...] | None:
        if not isinstance(value, str):
            return (value,)
        substitution = Substitution(self.scope)
        parts = substitution.parts(value, path)
        for problem in substitution.problems:
            self._say(self.stack, problem)
        if parts is None:
            return None
        faults = [
            fault
            for part in parts
            if isinstance(part, Reference) and (fault := self.directory.fault_of_output(part)) is not None
        ]
        for fault in faults:
            self._say(self.stack, Problem(path, fault.summary, fault.fix))
        if faults or len(parts) == 1:
            return parts
        try:
            return _joined(parts)
        except BadExpression as bad:
            self._say(self.stack, Problem(path, bad.summary, bad.fix))
            return None

    def _say(self, document: Document, problem: Problem, note: str = "") -> None:
        """Report a problem once, also when each object of a document has it."""
        said = (id(document), problem.path, problem.summary)
        if said not in self._said:
            self._said.add(said)
            self.findings.append(diagnostic(document, problem, note))


_KEY = re.compile(KEY_PATTERN)
_NAME = re.compile(rf"{NAME_PATTERN}(?:\[{KEY_PATTERN}\])?")
_NO_LIFECYCLE = Lifecycle()
_NO_LABELS: Mapping[str, str] = {}


def _repetitions(texts: Iterable[str]) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for number, text in enumerate(texts):
        if text in seen:
            yield number, text
        seen.add(text)


def _lifecycle(content: Mapping[str, Json]) -> Lifecycle:
    ignored = tuple(content.get("ignore_changes", ()))
    return Lifecycle(content.get("prevent_destroy", False), ignored, content.get("adopt", False))


def _joined(parts: Iterable[Json | Reference]) -> tuple[Json | Reference, ...]:
    """Join neighbouring literal parts to one text."""
    joined: list[Json | Reference] = []
    for part in parts:
        if isinstance(part, Reference):
            joined.append(part)
        elif joined and isinstance(joined[-1], str):
            joined[-1] += as_text(part)
        else:
            joined.append(as_text(part))
    return tuple(joined)
