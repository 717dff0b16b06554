"""The environments of a project: those that have a file, and those that have a state."""

from __future__ import annotations

from dataclasses import dataclass, replace

from declarative import manifest
from declarative.model import DEFAULT_ENVIRONMENT
from declarative.workflow.backends import store_of
from declarative.workflow.manifests import stack_of
from declarative.workflow.project import Project


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment. `file`: it has one; `state`: it has one, None where the store can't list them."""

    name: str
    file: bool
    state: bool | None

    @property
    def lost_its_file(self) -> bool:
        """True when there is none where there should be one; the default one never has."""
        return not self.file and self.name != DEFAULT_ENVIRONMENT


def environments(project: Project) -> tuple[Environment, ...]:
    """All environments, by name. One with a state and no file is of a file that is gone: its objects still cost."""
    project = replace(project, environment=DEFAULT_ENVIRONMENT)
    files = set(manifest.load(project.folder).environments)
    stored = store_of(project, stack_of(project)).environments()
    names = sorted(files | set(stored or ()))
    return tuple(Environment(name, name in files, name in stored if stored is not None else None) for name in names)
