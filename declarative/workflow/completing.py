"""What a shell can complete from this machine alone: no network, no lock, nothing written, and faults say nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from declarative import manifest
from declarative.errors import DeclarativeError
from declarative.manifest import Manifests
from declarative.model import DEFAULT_ENVIRONMENT
from declarative.workflow.backends import local_folder_of
from declarative.workflow.manifests import stack_of
from declarative.workflow.project import Project

_MOST = 32 << 20  # bytes of a recorded state that is read; a person waits


@dataclass(frozen=True, slots=True)
class Known:
    """The names of a stack. Those of manifests are as somebody wrote them, and checked by nobody."""

    addresses: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()


def known(project: Project) -> Known:
    """What the manifests declare and a local state records. What can't be read is left out."""
    try:
        loaded = manifest.load(project.folder)
    except (DeclarativeError, OSError):
        return Known()
    spec = loaded.stack.content.get("spec") if loaded.stack is not None else None
    spec = spec if isinstance(spec, dict) else {}
    addresses, outputs = _recorded(project)
    return Known(
        addresses=tuple(sorted({*addresses, *_declared(loaded)})),
        environments=tuple(sorted({DEFAULT_ENVIRONMENT, *loaded.environments, *_with_state(project)})),
        outputs=tuple(sorted({*outputs, *_names(spec.get("outputs"))})),
        variables=tuple(sorted(_names(spec.get("variables")))),
    )


def _names(entry: object) -> list[str]:
    return [str(name) for name in entry] if isinstance(entry, dict) else []


def _declared(loaded: Manifests) -> Iterator[str]:
    """Yield the addresses of the documents; one with `for_each` has none that can be told without resolving it."""
    for document in loaded.documents:
        if document is not loaded.stack and "for_each" not in document.content:
            yield f"{document.kind}/{document.name}"


def _recorded(project: Project) -> tuple[list[str], list[str]]:
    from declarative.state.folder import Folder

    try:
        folder = local_folder_of(project, stack_of(project))
        if folder is None:
            return [], []
        files = Folder(folder / project.environment, address="", restore="")
        if sum(path.stat().st_size for path in (files.snapshot, files.journal) if path.is_file()) > _MOST:
            return [], []
        state, _, _ = files.load(str)
    except (DeclarativeError, OSError, ValueError):
        return [], []
    return [str(address) for address in state.resources], list(state.outputs)


def _with_state(project: Project) -> list[str]:
    try:
        folder = local_folder_of(project, stack_of(project)) or Path()
        return [path.parent.name for path in folder.glob("*/state.json")]
    except (DeclarativeError, OSError):
        return []
