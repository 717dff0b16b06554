"""Files to documents: every YAML file of a folder, each document with its kind, name and place."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from declarative.errors import Diagnostic, InputError, Position, Severity, UsageError, did_you_mean, pasteable, visible
from declarative.manifest.files import (
    ENVIRONMENTS,
    IGNORE_FILE,
    FoundFile,
    environment_files,
    ignore_line,
    manifest_files,
)
from declarative.manifest.findings import quoted
from declarative.manifest.leftout import left_out_warnings
from declarative.manifest.nodes import Node, Reader, Source
from declarative.manifest.schemas import STACK, kinds
from declarative.manifest.slips import name_slip, value_slip
from declarative.model import DEFAULT_ENVIRONMENT, Json

API_VERSION = "sdrs/v1"

_ENVIRONMENT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_FAMILY = API_VERSION.partition("/")[0].encode() + b"/"  # what the bytes of every manifest hold
_ENVELOPE = frozenset({"apiVersion", "kind", "metadata", "spec"})
_OURS = "Every YAML file below the stack's folder must be a manifest"


class StackMissing(UsageError):
    """The folder holds no Stack document."""

    id = "no-stack"


class EnvironmentMissing(UsageError):
    """The environment has no file. `known`: the existing ones, in a sentence."""

    id = "unknown-environment"

    def __init__(self, summary: str, fix: str, *, known: str = "") -> None:
        super().__init__(summary, fix)
        self.known = known


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One manifest document. `expressions`: some text in it holds `${`."""

    kind: str
    name: str
    content: Mapping[str, Json]
    source: Source
    expressions: bool


@dataclass(frozen=True, slots=True)
class Manifests:
    """The unresolved documents of a folder, and the findings about its files.

    `environments`: by name the shown file name and the bytes (or what is wrong) of `environments/NAME.yaml`.
    `repeated`: documents that can't be had beside one of the same address, or beside the first Stack. `unplaced`: names
    of documents whose apiVersion or kind is refused. `whole`: every file was read to its end.
    `files`: how many hold documents.
    """

    folder: Path
    stack: Document | None
    documents: tuple[Document, ...]
    environments: Mapping[str, FoundFile] = field(default_factory=dict)
    findings: tuple[Diagnostic, ...] = ()
    repeated: tuple[Document, ...] = ()
    unplaced: frozenset[str] = frozenset()
    whole: bool = True
    files: int = 0


def load(folder: Path, *, variable_files: Collection[Path] = ()) -> Manifests:
    """Read all manifests of a folder; what is wrong with them stays in `findings`.

    `variable_files`, which hold values of variables, may lie among them.
    Raises UsageError when there is no such folder, StackMissing when it holds readable manifests but no Stack.
    """
    with _collection_paused():
        loading = _Loading(folder, variable_files)
        for found in manifest_files(folder):
            loading.add_file(found)
        return loading.manifests(left_out_warnings(folder))


def holds_stack(folder: Path, *, below: bool = False) -> bool:
    """True when a file of the folder itself, or with `below` of any folder in it, holds a Stack.

    Raises UsageError when there is no such folder, InputError when a file that may hold one can't be read.
    """
    reader = Reader()
    for found in manifest_files(folder, below=below):
        if not isinstance(found.content, bytes) or STACK.encode() not in found.content:
            continue
        reading = reader.read(found.shown, found.content)
        if any(isinstance(node.value, dict) and node.value.get("kind") == STACK for node in reading.nodes):
            return True
        if not reading.whole:
            raise InputError(reading.findings)
    return False


def load_stack(folder: Path) -> Manifests:
    """Read no more than needed to find the Stack: files that don't speak of one come last.

    Only what is wrong with the Stack itself stays in `findings`. Raises as `load`, and InputError when no file holds a
    readable Stack.
    """
    loading = _Loading(folder)
    later = []
    for found in manifest_files(folder):
        if isinstance(found.content, bytes) and STACK.encode() in found.content:
            loading.add_file(found)
        else:
            later.append(found)
    if not loading.stacks:
        for found in later:
            loading.add_file(found)
    manifests = loading.manifests()
    if manifests.stack is None:
        raise InputError(manifests.findings)
    own = (finding for finding in manifests.findings if _is_about(finding, loading.stacks))
    return dataclasses.replace(manifests, findings=tuple(own))


def _is_about(finding: Diagnostic, stacks: Iterable[tuple[str, Document]]) -> bool:
    """True for an error within a Stack document."""
    place = finding.position
    if place is None or finding.severity is not Severity.ERROR:
        return False
    sources = [document.source for _, document in stacks]
    return any(place.file == source.file and source.line < place.line <= source.last_line() for source in sources)


@contextlib.contextmanager
def _collection_paused() -> Iterator[None]:
    """Nothing that is read is garbage, so looking for it meanwhile costs time and finds nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Loading:
    def __init__(self, folder: Path, variable_files: Collection[Path] = ()) -> None:
        self._folder = folder
        self._given = {path.resolve() for path in variable_files}
        self._strangers: list[tuple[Node, Diagnostic]] = []  # documents that may be files of variables
        self._reader = Reader()
        self._documents: dict[tuple[str, str], Document] = {}
        self._unnamed: list[Document] = []
        self._repeated: list[Document] = []
        self._unplaced: set[str] = set()
        self._whole = True
        self._path = ""  # of the file that is read
        self._files = 0
        self._findings: list[Diagnostic] = []
        self.stacks: list[tuple[str, Document]] = []  # with the file's path below the folder

    def add_file(self, found: FoundFile) -> None:
        if isinstance(found.content, Diagnostic):
            self._findings.append(found.content)
            self._whole = False
            return
        is_given = bool(self._given) and Path(found.shown).resolve() in self._given
        if is_given and _FAMILY not in found.content:
            return  # whoever reads the values says what is wrong with it
        reading = self._reader.read(found.shown, found.content, shows=_FAMILY in found.content and not is_given)
        self._whole &= reading.whole
        self._path = found.path
        if reading.findings and _FAMILY not in found.content and reading.findings[0].id != "not-utf-8":
            self._add_stranger(reading.findings[0])
            return
        self._findings.extend(reading.findings)
        self._files += bool(reading.nodes)
        if not reading.nodes and not reading.findings:
            fix = "Remove it if you do not need it."
            place = Position(found.shown)
            self._findings.append(
                Diagnostic("the file contains no documents", fix, place, severity=Severity.WARNING, id="empty-file")
            )
        for node in reading.nodes:
            document = self._document(node)
            if document is not None:
                self._add(document, found.path)

    def _add_stranger(self, first: Diagnostic) -> None:
        """Report the first error of a file that seems to belong to another tool, and how to exclude it."""
        self._findings.append(dataclasses.replace(first, fix=f"{first.fix} {self._ours()}"))
        self._unplaced.add("")
        self._whole = False

    def _ours(self) -> str:
        """Return why the file is read as a manifest, and how to exclude it."""
        line = ignore_line(self._path)
        if not line:
            return f"{_OURS}. Name other files in {IGNORE_FILE}."
        return f"{_OURS}. To exclude this one, add the line `{line}` to {IGNORE_FILE}."

    def manifests(self, warnings: Iterable[Diagnostic] = ()) -> Manifests:
        environments = self._environments()
        self._judge_strangers()
        if not self.stacks and not any(finding.severity is Severity.ERROR for finding in self._findings):
            raise StackMissing(f"no Stack was found in {self._folder}", self._way_to_a_stack())
        self._check_stacks()
        self._findings.extend(warnings)
        return Manifests(
            folder=self._folder,
            stack=self.stacks[0][1] if self.stacks else None,
            documents=(*self._documents.values(), *self._unnamed),
            environments=environments,
            findings=tuple(self._findings),
            repeated=(*self._repeated, *(document for _, document in self.stacks[1:])),
            unplaced=frozenset(self._unplaced),
            whole=self._whole,
            files=self._files,
        )

    def _way_to_a_stack(self) -> str:
        if self._documents or self._unnamed or self._strangers:
            return "Use -C to name the stack's folder, or write a document with `kind: Stack`."
        place = pasteable(self._folder)
        begin = "`declarative init`" if place in ("", ".") else f"`declarative init {place}`"
        return f"Use -C to name the stack's folder, or create a stack with {begin}."

    def _document(self, node: Node) -> Document | None:
        """Return the document, or None after a finding."""
        content = node.value
        if not isinstance(content, dict):
            self._refuse("not-a-map", node, (), f"a document must be a map, found {quoted(content)}", self._ours())
            return None
        version, kind = content.get("apiVersion"), content.get("kind")
        metadata = content.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        name = name if isinstance(name, str) else ""
        if version == API_VERSION and kind in kinds():
            return Document(kind, name, content, node.source, node.expressions)
        if not content.keys() & _ENVELOPE:
            fix = f"A manifest starts with `apiVersion: {API_VERSION}`. {self._ours()}"
            place = dataclasses.replace(node.source.position(()), snippet=None)  # it may be a file of values
            told = Diagnostic("apiVersion is missing", fix, place, id="missing-api-version")
            self._strangers.append((node, told))
            return None
        self._unplaced.add(name)
        if version != API_VERSION:
            self._wrong_version(node, version)
        else:
            self._wrong_kind(node, kind)
        return None

    def _judge_strangers(self) -> None:
        """Warn of a file that only sets variables of the Stack; refuse anything unknown."""
        spec = self.stacks[0][1].content.get("spec") if self.stacks else None
        declared = spec.get("variables") if isinstance(spec, dict) else None
        names = declared.keys() if isinstance(declared, dict) else ()
        for node, told in self._strangers:
            if node.value and all(name in names for name in node.value):
                summary = "this file contains values of variables. It is only read if --var-file names it"
                fix = f"Pass it with --var-file, or name it in {IGNORE_FILE}."
                told = Diagnostic(summary, fix, told.position, severity=Severity.WARNING, id="variable-file-not-named")
            else:
                self._unplaced.add("")
            self._findings.append(told)

    def _wrong_version(self, node: Node, version: Json) -> None:
        if "apiVersion" not in node.value:
            near = did_you_mean("apiVersion", [key for key in node.value if key[:3].lower() == "api"])
            path, slip = _misspelt("apiVersion", node.value)
            fix = slip or f"A manifest starts with `apiVersion: {API_VERSION}`."
            if near and not slip:
                fix = f"Write apiVersion instead of {near.removeprefix('Did you mean ').rstrip('?')}."
            self._refuse("missing-api-version", node, path, "apiVersion is missing", f"{fix} {self._ours()}")
            return
        summary = f"apiVersion must be '{API_VERSION}', found {quoted(version)}"
        slip = value_slip(version) if isinstance(version, str) else ""
        self._refuse("wrong-api-version", node, ("apiVersion",), summary, slip or self._ours())

    def _wrong_kind(self, node: Node, kind: Json) -> None:
        if "kind" not in node.value:
            path, slip = _misspelt("kind", node.value)
            self._refuse("missing-kind", node, path, "kind is missing", slip or f"Add one of {', '.join(kinds())}.")
            return
        known = f"Known: {', '.join(kinds())}"
        if not isinstance(kind, str):
            self._refuse("unknown-kind", node, ("kind",), f"kind must be text, found {quoted(kind)}", known)
            return
        self._refuse(
            "unknown-kind",
            node,
            ("kind",),
            f"no kind is named {quoted(kind)}",
            f"{value_slip(kind) or _near_kind(kind)} {known}".strip(),
        )

    def _refuse(self, finding_id: str, node: Node, path: tuple[str, ...], summary: str, fix: str) -> None:
        self._findings.append(Diagnostic(summary, fix, node.source.position(path), id=finding_id))

    def _add(self, document: Document, path: str) -> None:
        if document.kind == STACK:
            self.stacks.append((path, document))
            return
        if not document.name:
            self._unnamed.append(document)  # its schema says what is wrong with the name
            return
        first = self._documents.setdefault((document.kind, document.name), document)
        if first is not document:
            self._repeated.append(document)
            address = f"{document.kind}/{visible(document.name, limit=80)}"
            place = first.source.position(("metadata", "name"))
            where = document.source.position(("metadata", "name"))
            fix = f"The first declaration is at {place}. Rename one of the two."
            self._findings.append(Diagnostic(f"{address} is declared twice", fix, where, id="duplicate-address"))

    def _check_stacks(self) -> None:
        places = [document.source.position(("kind",)) for _, document in self.stacks]
        listed = " and ".join(map(str, places))
        if len(self.stacks) > 1:
            fix = f"They are at {listed}. Keep one, or name the other's folder in {IGNORE_FILE}."
            self._findings.append(
                Diagnostic("the folder has more than one Stack", fix, places[-1], id="several-stacks")
            )
        elif self.stacks and "/" in self.stacks[0][0]:
            place = pasteable((self._folder / self.stacks[0][0]).parent)
            fix = f"Move it up, or run the command with -C{f' {place}' if place else ''}."
            self._findings.append(Diagnostic("the Stack is in a subfolder", fix, places[0], id="stack-in-subfolder"))

    def _environments(self) -> dict[str, FoundFile]:
        environments = {}
        for name, found, fault in named_environments(self._folder):
            if fault:
                self._findings.append(Diagnostic(*fault, Position(found.shown), id="bad-environment-file"))
            else:
                environments[name] = found
        return environments


def _misspelt(name: str, content: Mapping[str, Json]) -> tuple[tuple[str, ...], str]:
    """Return the key of a document that was meant to be `name`, with wrong signs around it, and how to write it."""
    slips = ((key, name_slip(key, (name,))) for key in content)
    return next((((key,), fix) for key, fix in slips if fix), ((), ""))


def _near_kind(text: str) -> str:
    """Return which kind was meant; other tools spell kinds like `sdrs_protection_group_v1`."""
    letters = re.sub("[^a-z]", "", text.lower())
    meant = next((kind for kind in kinds() if kind.lower() in letters), "")
    return f"Did you mean '{meant}'?" if meant and meant != STACK else did_you_mean(text, kinds())


def named_environments(folder: Path) -> Iterator[tuple[str, FoundFile, tuple[str, str] | None]]:
    """Yield the files that are meant to make an environment: its name, the file, and what is wrong with the name."""
    for found in environment_files(folder):
        name, dot, suffix = found.path.rpartition("/")[2].rpartition(".")
        if dot and suffix in ("yaml", "yml"):
            yield name, found, _environment_fault(name, suffix)


def _environment_fault(name: str, suffix: str) -> tuple[str, str] | None:
    if suffix != "yaml":
        return "the name of an environment's file must end in .yaml", f"Rename it to {visible(name, limit=80)}.yaml."
    if name == DEFAULT_ENVIRONMENT:
        fix = "Put its values in spec.variables as defaults."
        return f"the environment '{DEFAULT_ENVIRONMENT}' has no file", fix
    if not _ENVIRONMENT.fullmatch(name):
        summary = f"'{visible(name, limit=80)}' is not a valid environment name"
        return summary, "Use 1 to 63 of a-z, 0-9 and '-', not starting with '-'."
    return None


def environment_file(manifests: Manifests, environment: str) -> FoundFile | None:
    """Return the file of an environment, None for the default one.

    Raises EnvironmentMissing when there is no such environment.
    """
    if environment == DEFAULT_ENVIRONMENT:
        return None
    found = manifests.environments.get(environment)
    if found is None:
        names = (DEFAULT_ENVIRONMENT, *manifests.environments)
        near = did_you_mean(environment, names)
        shown_name = visible(environment, limit=80)
        known = f"{near} Known: {', '.join(names)}.".strip()
        create = ""
        if _ENVIRONMENT.fullmatch(environment):
            create = f" To add it, create {visible(manifests.folder / ENVIRONMENTS / f'{environment}.yaml')}."
        raise EnvironmentMissing(f"no environment is named '{shown_name}'", f"{known}{create}", known=known)
    return found
