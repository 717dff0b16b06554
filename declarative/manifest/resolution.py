"""Documents to desired objects: variables, `for_each`, references, and what must hold between documents."""

from __future__ import annotations

import itertools
import pathlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from declarative.errors import Diagnostic, InputError, Severity, did_you_mean, visible
from declarative.kinds import KINDS
from declarative.manifest import stack as stack_document
from declarative.manifest.budget import DEPENDENCY, EXPRESSION, MAX_OBJECTS, MAX_TEXT, Budget, Exhausted
from declarative.manifest.checking import MAX_FOUND, Checked, SchemaCheck, check_documents, diagnostic
from declarative.manifest.digest import sealed
from declarative.manifest.directory import Directory, Made
from declarative.manifest.expressions import Each, Scope, Substitution, expressions, literal
from declarative.manifest.findings import quoted
from declarative.manifest.loading import (
    Document,
    Manifests,
    environment_file,
    load_stack,
)
from declarative.manifest.uniqueness import repetitions
from declarative.manifest.variables import NO_SOURCES, Values, Variable, VariableSources, collect, declared, given_by
from declarative.model import (
    DEFAULT_ENVIRONMENT,
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

_MAX_TOLD = 100  # keys of one for_each
_MAX_NAMED = 5  # environments, in a remedy
_MAX_FAULTY = 100  # objects of one document that are looked at
_SEEN_BEFORE = ("for_each", "depends_on")  # the same for all objects of a document, and checked with the document


def resolve(
    manifests: Manifests,
    *,
    environment: str = DEFAULT_ENVIRONMENT,
    sources: VariableSources = NO_SOURCES,
) -> tuple[DesiredView, tuple[Diagnostic, ...]]:
    """Return the desired view of one environment, and warnings.

    Raises InputError with all findings of all files, UsageError for an unknown environment and for options or
    variable files that can't be read.
    """
    checked = check_documents(manifests)
    examined = examine(manifests, checked, environment=environment, sources=sources, strict=True)
    every = [*checked.findings, *examined.findings]
    errors = [finding for finding in every if finding.severity is Severity.ERROR]
    if errors or examined.view is None:
        raise InputError(errors)
    return sealed(examined.view), tuple(sorted(every, key=Diagnostic.order))


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
    settings = None
    try:
        settings = resolution.settings()
    except Exhausted as end:
        resolution.say_exhausted(end)
    found.extend(resolution.findings)
    found.extend(
        _without_value(stack, name, environment, manifests.environments)
        for name in resolution.values.missing(sorted(resolution.wanted))
    )
    errors = [finding for finding in found if finding.severity is Severity.ERROR]
    if errors or settings is None:
        raise InputError(errors)
    return settings


# ---------------------------------------------------------------- all together, in one environment


@dataclass(frozen=True, slots=True)
class Examined:
    """The desired view of one environment, and the findings.

    `view` has no digest, and is None when the Stack's settings can't be told or the stack is too large. `spent`: the
    bytes of all values. `whole`: the view holds all that there is to say of its objects; else some document is
    refused, or some value is open.
    """

    view: DesiredView | None
    findings: list[Diagnostic]
    spent: int = 0
    whole: bool = False


def examine(
    manifests: Manifests, checked: Checked, *, environment: str, sources: VariableSources, strict: bool
) -> Examined:
    """Resolve the accepted documents in one environment.

    `strict`: a variable without a value is an error; otherwise what depends on it is left open.
    """
    environment_file(manifests, environment)
    if checked.stack is None:
        return Examined(None, [])
    resolution = _begin(manifests, checked.stack, checked.variables, environment=environment, sources=sources)
    if strict:
        for name in resolution.values.missing(checked.variables):
            resolution.findings.append(_without_value(checked.stack, name, environment, manifests.environments))
    view = None
    try:
        view = resolution.view(checked.documents)
    except Exhausted as end:
        resolution.say_exhausted(end)
    if len(resolution.findings) >= MAX_FOUND:
        summary = f"more than {MAX_FOUND} errors were found; the others are not shown"
        resolution.findings.append(Diagnostic(summary, "Correct the first ones, then try again.", id="more-findings"))
    faultless = not any(one.severity is Severity.ERROR for one in (*checked.findings, *resolution.findings))
    whole = (
        faultless
        and resolution.directory.is_complete()
        and len(resolution.directory.documents) == len(manifests.documents)
    )
    return Examined(view, resolution.findings, MAX_TEXT - resolution.budget.left, whole)


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


def _without_value(stack: Document, name: str, environment: str, known: Collection[str]) -> Diagnostic:
    is_default = environment == DEFAULT_ENVIRONMENT
    file = "a default" if is_default else f"environments/{environment}.yaml"
    fix = f"Set it with --var {name}=…, --var-file, DECLARATIVE_VAR_{name} or {file}."
    if is_default and known:
        options = [f"--env {one}" for one in itertools.islice(known, _MAX_NAMED)]
        more = f" or one of {len(known) - _MAX_NAMED} more" if len(known) > _MAX_NAMED else ""
        fix = f"Choose an environment: {', '.join(options)}{more}. Or {fix[0].lower()}{fix[1:]}"
    where = stack.source.position(("spec", "variables", name), key=True)
    return Diagnostic(f"the variable '{name}' is not set", fix, where, id="variable-without-value")


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
    budget: Budget = field(default_factory=Budget)
    _at: tuple[Document, Path] | None = None  # where values are put in just now
    _said: set[tuple[int, Path, str]] = field(default_factory=set)
    _named: dict[int, set[Address]] = field(default_factory=dict)  # by document
    _needs: dict[tuple[int, tuple[Address, ...]], tuple[Address, ...]] = field(default_factory=dict)
    _labels: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = field(default_factory=dict)

    def view(self, documents: Sequence[Document]) -> DesiredView | None:
        """Return the desired view; None when the Stack's settings are unknown. Raises Exhausted."""
        settings = self.settings()
        self.expand(documents)
        self.judge.close("objects")
        self.link()
        self.check_uniqueness()
        resources = self.resources()
        outputs = self.outputs()
        if settings is None:
            return None
        return DesiredView(settings, self.scope.environment, resources, outputs, self.values.known)

    def say_exhausted(self, end: Exhausted) -> None:
        """Report that the stack has grown too large, at the value that was the last to be put in."""
        document, path = self._at or (self.stack, ())
        self.findings.append(diagnostic(document, Problem(path, end.summary, end.fix, id="stack-too-large")))

    def _filled(self, document: Document, substitution: Substitution, value: Json, path: Path) -> Json:
        """Return the value with its expressions replaced."""
        try:
            return substitution.tree(value, path)
        except Exhausted:
            self._at = document, substitution.at
            raise

    def settings(self) -> Stack | None:
        """Return the Stack's settings, None after a finding or when a value is open. Raises Exhausted."""
        spec = {name: value for name, value in self.stack.content.get("spec", {}).items() if name != "outputs"}
        substitution = Substitution(self.scope, self.budget)
        literal = {"variables": spec["variables"]} if "variables" in spec else {}
        rest = {name: value for name, value in spec.items() if name != "variables"}
        spec = {**self._filled(self.stack, substitution, rest, ("spec",)), **literal}
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

    def expand(self, documents: Sequence[Document]) -> None:
        """Make the objects of all documents, once it is known that they aren't too many. Raises Exhausted."""
        entries: dict[int, Mapping[str, Json] | None] = {}
        count = sum(1 for document in documents if "for_each" not in document.content)
        for document in documents:
            self._check_ignored_fields(document)
            if "for_each" in document.content:
                found, number = self._entries(document)
                count += number
                if count > MAX_OBJECTS:
                    self._at = document, ("for_each",)
                    raise Exhausted(f"the stack would have more than {MAX_OBJECTS:,} objects")
                entries[id(document)] = found
        for document in documents:
            if "for_each" not in document.content:
                self._add(document, Address(document.kind, document.name), None)
            elif (each := entries[id(document)]) is not None:
                self._add_each(document, each)

    def _add_each(self, document: Document, entries: Mapping[str, Json]) -> None:
        content = document.content
        copied = (content.get("lifecycle"), content.get("depends_on"), content["metadata"].get("labels"))
        weight = self.budget.weight([*copied, literal(content["spec"])]).total
        self._at = document, ("for_each",)
        self.budget.require(len(entries) * (weight + EXPRESSION * expressions(content["spec"])))
        self.directory.open(document)
        faulty = 0
        for key, value in entries.items():
            self._spend(weight, document, ("for_each",))
            if not self._add(document, Address(document.kind, document.name, key), Each(key, value)):
                faulty += 1
                if faulty >= _MAX_FAULTY:
                    self.directory.leave_open(document)
                    return

    def _spend(self, amount: int, document: Document, path: Path) -> None:
        self._at = document, path
        self.budget.spend(amount)

    def _check_ignored_fields(self, document: Document) -> None:
        kind = KINDS[document.kind]
        sent_as = {**kind.relations.lookups, **{name: target.field for name, target in kind.relations.refers.items()}}
        for number, name in enumerate(document.content.get("lifecycle", {}).get("ignore_changes", ())):
            if name not in kind.fields:
                summary = f"{document.kind} has no field '{visible(name, limit=80)}' that can be ignored"
                near = f"Write {sent_as[name]}." if name in sent_as else did_you_mean(name, kind.fields)
                fix = near or f"Its fields are {', '.join(kind.fields)}."
                self._say(
                    document, Problem(("lifecycle", "ignore_changes", number), summary, fix, id="unknown-ignored-field")
                )

    def _entries(self, document: Document) -> tuple[Mapping[str, Json] | None, int]:
        """Return the keys and values of `for_each`, None after a finding or when the value is open; and their number.

        Raises Exhausted.
        """
        path = ("for_each",)
        scope = Scope(self.scope.values, self.scope.declared, "", "", variables_only=True)
        substitution = Substitution(scope, self.budget)
        value = self._filled(document, substitution, document.content["for_each"], path)
        for problem in substitution.problems:
            self._say(document, problem)
        if substitution.problems or substitution.missing:
            return None, 0
        if isinstance(value, list | dict) and len(value) > MAX_OBJECTS:
            return None, len(value)
        if isinstance(value, list) and all(isinstance(key, str) for key in value):
            entries: Mapping[str, Json] = dict(zip(value, value, strict=True))
            for number, key in itertools.islice(_repetitions(value), _MAX_TOLD):
                self._say(
                    document,
                    Problem(
                        (*path, number), f"for_each repeats the key {quoted(key)}", "Remove one.", id="repeated-key"
                    ),
                )
        elif isinstance(value, dict):
            entries = value
        else:
            found = "a list that contains something other than text" if isinstance(value, list) else quoted(value)
            self._say(
                document,
                Problem(path, f"for_each must be a map or a list of texts, found {found}", "", id="bad-for-each"),
            )
            return None, 0
        places: Iterable[tuple[str | int, str]] = (
            enumerate(value) if isinstance(value, list) else ((key, key) for key in value)
        )
        fit = self._keys_fit(document, places)
        return (entries if fit and len(entries) == len(value) else None), len(value)

    def _keys_fit(self, document: Document, keys: Iterable[tuple[str | int, str]]) -> bool:
        unfit = [(part, key) for part, key in keys if not _KEY.fullmatch(key)]
        for part, key in unfit[:_MAX_TOLD]:
            summary = f"the key {quoted(key)} of for_each can't be part of an address"
            fix = "Keys are 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-'."
            self._say(document, Problem(("for_each", part), summary, fix, id="bad-key"))
        return not unfit

    def _add(self, document: Document, address: Address, each: Each | None) -> bool:
        """Make an object; False when a value can't be replaced."""
        spec: Mapping[str, Json] = document.content["spec"]
        if not document.expressions:
            self.directory.add(address, Made(document, spec, complete=True))
            return True
        substitution = Substitution(self.scope.within(each), self.budget)
        filled = self._filled(document, substitution, spec, ("spec",))
        note = f" (for {address})" if each else ""
        for problem in substitution.problems:
            self._say(document, problem, note)
        complete = not (substitution.missing or substitution.problems)
        if not substitution.problems:
            complete &= self._accepts_values(document, filled, complete=complete, note=note)
        self.directory.add(address, Made(document, filled, complete))
        return not substitution.problems

    def _accepts_values(self, document: Document, spec: Json, *, complete: bool, note: str) -> bool:
        content = {name: value for name, value in document.content.items() if name not in _SEEN_BEFORE}
        content |= {"spec": spec, "metadata": {"name": document.name}}
        return self.judge.accepts(document, content, resolved=complete, note=note)

    def link(self) -> None:
        """Put a `Reference` wherever a field names another object."""
        objects = self.directory.objects
        for address, made in objects.items():
            if refers := KINDS[address.kind].relations.refers:
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
                self._say(made.document, Problem(("spec", name), fault.summary, fault.fix, id=fault.id), note)
            found[name] = Reference(other)
        return replace(made, spec={**made.spec, **found}, refers=tuple(one.address for one in found.values()))

    def check_uniqueness(self) -> None:
        """Find objects that share a value that their kind's schema wants unique."""
        left = max(MAX_FOUND - len(self.findings), 0)
        self.findings.extend(itertools.islice(repetitions(self.directory.objects), left))

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
            labels=self._labels_of(made.document),
            locate=made.document.source,
        )

    def _labels_of(self, document: Document) -> Mapping[str, str]:
        """The labels of a document; those of many documents are equal, and then are one map."""
        labels: Mapping[str, str] = document.content["metadata"].get("labels", _NO_LABELS)
        return self._labels.setdefault(tuple(labels.items()), labels)

    def _dependencies(self, made: Made) -> tuple[Address, ...]:
        """What an object depends on; objects of one document that name the same share one tuple. Raises Exhausted."""
        document = made.document
        place = (id(document), made.refers)
        if place not in self._needs:
            self._needs[place] = tuple(sorted({*made.refers, *self._listed(document)}))
        self._spend(DEPENDENCY * len(self._needs[place]), document, ("depends_on",))
        return self._needs[place]

    def _listed(self, document: Document) -> Collection[Address]:
        """The objects that `depends_on` of a document means."""
        if id(document) not in self._named:
            found = self._named[id(document)] = set()
            for number, text in enumerate(document.content.get("depends_on", ())):
                address = Address.parse(text)
                fault = self.directory.fault(address, whole=True)
                if fault:
                    self._say(document, Problem(("depends_on", number), fault.summary, fault.fix, id=fault.id))
                else:
                    found.update(self.directory.named(address))
        return self._named[id(document)]

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
        substitution = Substitution(self.scope, self.budget)
        self._at = self.stack, path
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
            self._say(self.stack, Problem(path, fault.summary, fault.fix, id=fault.id))
        return parts

    def _say(self, document: Document, problem: Problem, note: str = "") -> None:
        """Report a problem once, even when every object of a document has it."""
        said = (id(document), problem.path, problem.summary)
        if said not in self._said and len(self.findings) < MAX_FOUND:
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
