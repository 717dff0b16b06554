"""All sources of credentials in their order: options, environment variables, clouds.yaml, and what the Stack says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from declarative.errors import DeclarativeError, UsageError, visible
from declarative.identity.cloud_files import locate
from declarative.identity.clouds import cloud_names, read_cloud
from declarative.identity.credentials import Credentials, choose_cloud, choose_loose
from declarative.identity.environment import Environment, read_environment
from declarative.identity.values import Found, Values, flaw, found

_MAX_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What options and the Stack say. `region` and `cloud` of the Stack yield to those of options and SDRS_*."""

    endpoint: str | None = None
    region: str | None = None
    project_id: str | None = None
    cloud: str | None = None
    stack_region: str | None = None
    stack_cloud: str | None = None


def find_credentials(
    environ: Mapping[str, str], *, working_folder: Path, stack_folder: Path, asked: Asked | None = None
) -> Credentials:
    """Find the credentials that a command signs in with; reads clouds.yaml only if a cloud is asked for.

    Raises UsageError when nothing is complete, no such cloud is there or a URL is not safe, InputError when a file or
    variable can't be used, and DeclarativeError when OS_* and HW_* are two complete and different accounts.
    """
    asked = asked or Asked()
    environment = read_environment(environ)
    named = cloud_named(asked, environment)
    beside = _beside(asked, environment)
    if named is None:
        return choose_loose(environment, beside, hint=_hint(environ, working_folder, stack_folder))
    files = locate(environ, working_folder=working_folder, stack_folder=stack_folder)
    region = beside["region_name"].text if "region_name" in beside else ""
    cloud = read_cloud(files, named.text, named_by=named.source, region=region)
    return choose_cloud(cloud, environment, beside, named_by=named.source, warnings=tuple(files.warnings()))


def cloud_named(asked: Asked, environment: Environment) -> Found | None:
    """The name of the cloud of clouds.yaml that is asked for, and who asks."""
    if asked.cloud:
        return Found(asked.cloud, "--cloud")
    if environment.cloud is not None:
        return environment.cloud
    return Found(asked.stack_cloud, "`provider.cloud` of the Stack") if asked.stack_cloud else None


def said_by_options(asked: Asked) -> Values:
    """What options say beside a cloud."""
    options = {"endpoint": asked.endpoint, "region_name": asked.region, "project_id": asked.project_id}
    names = {"endpoint": "--endpoint", "region_name": "--region", "project_id": "--project-id"}
    return {name: found(name, text, names[name]) for name, text in options.items() if text}


def said_by_stack(asked: Asked) -> Values:
    """What the Stack says beside a cloud."""
    region = asked.stack_region
    return {"region_name": Found(region, "`provider.region` of the Stack")} if region else {}


def _beside(asked: Asked, environment: Environment) -> Values:
    """The endpoint, region and project id that win over those of the source. Raises UsageError."""
    values = {**said_by_stack(asked), **environment.sdrs, **said_by_options(asked)}
    for name, value in values.items():
        if wrong := flaw(name, value.text):
            raise UsageError(f"{value.source} {wrong.summary}", wrong.fix)
    return values


def _hint(environ: Mapping[str, str], working_folder: Path, stack_folder: Path) -> str:
    """The clouds that could be named. A file that can't be read gives none: nobody has asked for it."""
    try:
        files = locate(environ, working_folder=working_folder, stack_folder=stack_folder)
        names = cloud_names(files)
    except DeclarativeError:
        return ""
    if not names or files.clouds is None:
        return ""
    listed = ", ".join(visible(name, limit=80) for name in names[:_MAX_LISTED])
    return f"Or name a cloud of {visible(files.shown(files.clouds))} with --cloud: {listed}."
