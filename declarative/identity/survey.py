"""A survey of all sources of credentials, used or not. Nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from declarative.errors import DeclarativeError, visible
from declarative.identity.cloud_files import CloudFiles, locate
from declarative.identity.clouds import cloud_names, read_cloud
from declarative.identity.credentials import Credentials
from declarative.identity.environment import Environment, read_environment
from declarative.identity.sources import Asked, cloud_named, find_credentials, said_by_options, said_by_stack
from declarative.identity.values import Values


@dataclass(frozen=True, slots=True)
class Place:
    """One place: what it is, the values that it has, and what else there is to say of it, safe for a terminal."""

    what: str
    values: Values
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Survey:
    """All places, strongest first, and the credentials that come of them, or why there are none."""

    places: tuple[Place, ...]
    chosen: Credentials | None
    problem: DeclarativeError | None


def survey(
    environ: Mapping[str, str], *, working_folder: Path, stack_folder: Path, asked: Asked, simulator: bool = False
) -> Survey:
    """Look into every place. `simulator`: the Stack wants none of it. Raises InputError for a variable of no use."""
    environment = read_environment(environ)
    chosen, problem = None, None
    try:
        if not simulator:
            chosen = find_credentials(environ, working_folder=working_folder, stack_folder=stack_folder, asked=asked)
    except DeclarativeError as error:
        problem = error
    wants_none = ("`simulator: true` is set, so no credentials are used",) if simulator else ()
    places = (
        Place("options", said_by_options(asked)),
        Place("SDRS_* variables", environment.sdrs),
        Place("Stack", said_by_stack(asked), wants_none),
        _of_clouds(environ, environment, asked, working_folder, stack_folder),
        Place("OS_* variables", environment.openstack, tuple(_empty(environment))),
        Place("HW_* variables", environment.huawei, tuple(f"not read: {one}" for one in environment.unread)),
    )
    return Survey(places, chosen, problem)


def _empty(environment: Environment) -> Iterator[str]:
    return (f"ignored because empty: {one}" for one in environment.empty)


def _of_clouds(
    environ: Mapping[str, str], environment: Environment, asked: Asked, working_folder: Path, stack_folder: Path
) -> Place:
    named = cloud_named(asked, environment)
    about = ["no cloud is named: --cloud, OS_CLOUD and `provider.cloud` are not set"]
    if named is not None:
        about = [f"{named.source} names the cloud '{visible(named.text, limit=80)}'"]
    values: Values = {}
    try:
        files = locate(environ, working_folder=working_folder, stack_folder=stack_folder)
        about += _about_files(files)
        if named is not None:
            region = asked.region or ""
            values = read_cloud(files, named.text, named_by=named.source, region=region).values
    except DeclarativeError as error:
        about += [finding.summary for finding in error.diagnostics()]
    return Place("clouds.yaml", values, tuple(about))


def _about_files(files: CloudFiles) -> Iterator[str]:
    if files.clouds is None:
        searched = ", ".join(visible(files.shown(folder)) for folder in files.searched)
        yield f"there is no clouds.yaml in {searched}"
    for path in (files.clouds, files.secure, files.public):
        if path is not None:
            yield f"read when a cloud is named: {visible(files.shown(path))}"
    yield from (warning.summary for warning in files.warnings())
    if files.clouds is not None:
        names = ", ".join(visible(name, limit=80) for name in cloud_names(files))
        yield f"its clouds: {names or 'none'}"
