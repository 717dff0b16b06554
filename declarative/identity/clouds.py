"""One cloud of clouds.yaml, with secure.yaml and its profile, as named values.

What joins, and what wins, is as in openstacksdk (openstack.config.loader): secure.yaml over clouds.yaml at every level,
a cloud over its profile at the top level and inside `auth`, the values of a region over both; the older names of a
value, such as `tenant_name`, still count. On purpose it is different in these points:

- A file that can't be read is an error, with its place; openstacksdk goes on to the next file.
- A profile that is a URL is refused and never fetched, and one that nobody knows is an error.
- Scalars keep their text, so `project_name: 3.10` stays 3.10, and null means not given.
- Of the built-in profiles only those of Open Telekom Cloud are known; Huawei Cloud has none.
- `{region_name}` is the only part of a value that is filled in.
- A relative path of a certificate starts at the folder of its file, not at the working folder.
- A cloud is never chosen because it is the only one, and its `auth_type` is empty where none is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from declarative.errors import Diagnostic, InputError, Position, UsageError, did_you_mean, visible
from declarative.identity.cloud_files import CONFIG_FILE, CloudFiles
from declarative.identity.values import Found, Values, flaw, found, truth
from declarative.identity.yaml_file import Map, Node, Scalar, Sequence, parse_map, read_map

# Source: openstacksdk 4.22, openstack/config/vendors/otc.json and otc-swiss.json. The latter lacks the scheme there.
_BUILT_IN = b"""\
otc:
  auth: {auth_url: "https://iam.{region_name}.otc.t-systems.com/v3"}
  regions: [eu-de, eu-nl]
  interface: public
  identity_api_version: "3"
otc-swiss:
  auth: {auth_url: "https://iam-pub.eu-ch2.sc.otc.t-systems.com/v3"}
  regions: [eu-ch2]
  interface: public
  identity_api_version: "3"
"""
_BUILT_IN_NAME = "the built-in profiles"
_MAX_LISTED = 20
_REGION = "{region_name}"

# The older names of a value, weakest last. What stands beside `auth` wins over `auth` for those in _BESIDE_FIRST.
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "access_key": ("access_key", "ak"),
    "agency_name": ("agency_name", "target_agency_name"),
    "agency_domain_id": ("agency_domain_id", "target_domain_id"),
    "agency_domain_name": ("agency_domain_name", "target_domain_name"),
    "delegated_project": ("delegated_project", "target_project_name"),
    "delegated_project_id": ("delegated_project_id", "target_project_id"),
    "project_id": ("project_id", "tenant_id"),
    "project_name": ("project_name", "tenant_name"),
    "secret_key": ("secret_key", "sk"),
    "token": ("token", "auth_token"),
    "username": ("username", "user_name"),
}
_IN_AUTH = (
    "auth_url",
    "user_id",
    "password",
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
    "security_token",
)
_BESIDE_FIRST = (
    "domain_id",
    "domain_name",
    "user_domain_id",
    "user_domain_name",
    "project_domain_id",
    "project_domain_name",
    "token",
    "passcode",
    "project_id",
    "project_name",
)
# A value that stands beside `auth`, and the names it has there, strongest first.
_BESIDE: Mapping[str, tuple[str, ...]] = {
    "auth_type": ("auth_type",),
    "cacert": ("cacert",),
    "cert": ("cert",),
    "identity_api_version": ("identity_api_version",),
    "interface": ("endpoint_type", "interface"),
    "key": ("key",),
    "sdrs_endpoint_override": ("sdrs_endpoint_override", "sdrs_endpoint"),
}
_FILES = ("cacert", "cert", "key")
_URLS = ("auth_url", "sdrs_endpoint_override")

_Layer: TypeAlias = tuple[dict[str, Node], dict[str, Node]]


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud: its name, the file that has it, and its values by name, each with its source."""

    name: str
    file: str
    values: Values


def cloud_names(files: CloudFiles) -> tuple[str, ...]:
    """Return the names of all clouds. Raises InputError."""
    return tuple(_Clouds(files).names()) if files.clouds else ()


def read_cloud(files: CloudFiles, name: str, *, named_by: str, region: str = "") -> Cloud:
    """Read one cloud. `named_by` is where its name comes from, such as `--cloud`; `region` is the one asked for.

    Raises UsageError when there is no such cloud or it lacks the region, and InputError with every finding when a file
    can't be read or holds a value that can't be used.
    """
    if files.clouds is None:
        raise _no_file(files, name, named_by)
    clouds = _Clouds(files)
    entry = clouds.entry(name)
    if entry is None:
        raise _unknown(files, name, named_by, clouds.names())
    return Cloud(name, files.shown(files.clouds), _Entry(files, name, entry, clouds.profile(entry)).values(region))


def _no_file(files: CloudFiles, name: str, named_by: str) -> UsageError:
    for path in files.apart:
        return UsageError(
            f"{visible(files.shown(path))} has no clouds.yaml beside it, and {named_by} asks for the cloud"
            f" '{visible(name, limit=80)}'",
            f"Put the clouds.yaml in that folder. {_about_ignored(files)}".strip(),
        )
    folders = ", ".join(visible(files.shown(folder)) for folder in files.searched)
    return UsageError(
        f"there is no clouds.yaml, but {named_by} asks for the cloud '{visible(name, limit=80)}'",
        f"Create one in one of these folders: {folders}. {_about_ignored(files)}".strip(),
    )


def _unknown(files: CloudFiles, name: str, named_by: str, known: list[str]) -> UsageError:
    shown = [visible(one, limit=80) for one in known[:_MAX_LISTED]]
    more = f" and {len(known) - _MAX_LISTED:,} more" if len(known) > _MAX_LISTED else ""
    listed = f"It has: {', '.join(shown)}{more}." if known else "It has none."
    parts = (did_you_mean(name, known), listed, _about_ignored(files))
    file = visible(files.shown(files.clouds)) if files.clouds else "clouds.yaml"
    summary = f"no cloud is named '{visible(name, limit=80)}' in {file}, but {named_by} asks for it"
    return UsageError(summary, " ".join(part for part in parts if part))


def _about_ignored(files: CloudFiles) -> str:
    if not files.ignored:
        return ""
    names = ", ".join(visible(files.shown(path)) for path in files.ignored[:3])
    return f"In the working folder or the stack's folder, {names} is ignored; {CONFIG_FILE} can name a clouds.yaml."


class _Clouds:
    """The files, joined as far as names go."""

    def __init__(self, files: CloudFiles) -> None:
        self._files = files
        self._clouds = self._read(files.clouds, "clouds")
        self._secure = self._read(files.secure, "clouds")

    def names(self) -> list[str]:
        return list(dict.fromkeys([*self._clouds.entries, *self._secure.entries]))

    def entry(self, name: str) -> Map | None:
        """A cloud with what secure.yaml has of it. Raises InputError."""
        here, secret = self._clouds.entries.get(name), self._secure.entries.get(name)
        if here is None and secret is None:
            return None
        return _map(_joined(here, secret), f"the cloud '{visible(name, limit=80)}'")

    def profile(self, entry: Map) -> tuple[str, Map]:
        """The profile that a cloud names, with its name; both empty if it names none. Raises InputError."""
        node = _present(entry, "profile", "cloud")
        if node is None:
            return "", Map({}, entry.position)
        name = _text(node, "profile") or ""
        if _is_url(name):
            summary = "a profile can't be a URL: it could send the credentials to a stranger"
            fix = "Copy its content to the cloud or to clouds-public.yaml, and name that profile."
            raise InputError([Diagnostic(summary, fix, node.position, id="bad-cloud")])
        public = self._read(self._files.public, "public-clouds")
        known = {**parse_map(_BUILT_IN_NAME, _BUILT_IN).entries, **public.entries}
        if name not in known:
            listed = f"Known: {', '.join(visible(one, limit=80) for one in list(known)[:_MAX_LISTED])}."
            summary = f"no profile is named '{visible(name, limit=80)}'"
            raise InputError(
                [Diagnostic(summary, f"{did_you_mean(name, known)} {listed}".strip(), node.position, id="bad-cloud")]
            )
        return name, _map(known[name], f"the profile '{name}'")

    def _read(self, path: Path | None, key: str) -> Map:
        if path is None:
            return Map({}, Position(""))
        whole = read_map(path, self._files.shown(path))
        return _map(whole.entries.get(key), f"`{key}`", whole.position)


def _map(node: Node | None, what: str, position: Position | None = None) -> Map:
    """The map that must stand here; an empty one where nothing does. Raises InputError."""
    if node is None or (isinstance(node, Scalar) and node.text is None):
        return Map({}, position or (node.position if node else Position("")))
    if not isinstance(node, Map):
        raise InputError(
            [Diagnostic(f"{what} is not a map", "Write its keys below it, indented.", node.position, id="bad-cloud")]
        )
    return node


def _joined(under: Node | None, over: Node | None) -> Node | None:
    """One node over another: maps join at every level, all else is replaced."""
    if not isinstance(under, Map) or not isinstance(over, Map):
        return under if over is None else over
    joined = dict(under.entries)
    for key, node in over.entries.items():
        joined[key] = _joined(joined.get(key), node) or node
    return Map(joined, under.position)


def _present(entry: Map, *names: str) -> Node | None:
    """The first of these that is there and says something."""
    nodes = (entry.entries.get(name) for name in names)
    return next((node for node in nodes if node and not (isinstance(node, Scalar) and not node.text)), None)


def _text(node: Node, name: str) -> str | None:
    """The text that must stand here. Raises InputError."""
    if not isinstance(node, Scalar):
        raise InputError(
            [
                Diagnostic(
                    f"{name} is not text", "Write one value, without a list or map.", node.position, id="bad-cloud"
                )
            ]
        )
    return node.text


def _is_url(name: str) -> bool:
    try:
        return "://" in name or bool(urlsplit(name).netloc)
    except ValueError:  # brackets without an address
        return True


class _Entry:
    """A cloud, its profile, and what comes of them."""

    def __init__(self, files: CloudFiles, name: str, entry: Map, profile: tuple[str, Map]) -> None:
        self._files = files
        self._name = name
        self._profile, below = profile
        self._own = _layer(entry)
        self._below = _layer(below)
        self._beside, self._auth = _over(self._below, self._own)
        self._findings: list[Diagnostic] = []

    def values(self, region: str) -> Values:
        """All values, by name. Raises InputError with every finding, and UsageError for an unknown region."""
        self._choose_region(region)
        values = {name: value for name, node in self._nodes() if (value := self._found(name, node, region))}
        if insecure := self._insecure():
            values["insecure"] = insecure
        if self._findings:
            raise InputError(dict.fromkeys(self._findings))
        return _with_domains(values)

    def _choose_region(self, asked: str) -> None:
        """Take the region asked for, or the first one, with the values that go with it."""
        regions = self._regions()
        self._beside.pop("region_name", None)
        if not regions:
            return
        names = [node.text for node, _ in regions]
        if asked and asked not in names:
            known = [visible(name, limit=80) for name in names if name]
            near = did_you_mean(asked, known)
            raise UsageError(
                f"the cloud '{visible(self._name, limit=80)}' has no region '{visible(asked, limit=80)}'",
                f"{near} It has: {', '.join(known)}.".strip(),
            )
        node, values = regions[names.index(asked) if asked else 0]
        said = {key: value for key, value in values.entries.items() if not _is_null(value)}
        self._beside, self._auth = _over((self._beside, self._auth), _layer(Map(said, values.position)))
        self._beside["region_name"] = node

    def _regions(self) -> list[tuple[Scalar, Map]]:
        """The regions of the cloud itself, else those of its profile."""
        for beside, _ in (self._own, self._below):
            regions = beside.get("regions")
            if regions and not _is_null(regions):
                return [self._one_region(node) for node in _items(regions)]
            name = beside.get("region_name")
            if name and not _is_null(name):
                return [self._one_region(node) for node in _items(name)]
        return []

    def _one_region(self, node: Node) -> tuple[Scalar, Map]:
        if isinstance(node, Scalar) and node.text:
            return node, Map({}, node.position)
        name = node.entries.get("name") if isinstance(node, Map) else None
        if not isinstance(node, Map) or not isinstance(name, Scalar) or not name.text:
            summary = "a region is neither a name nor a map with a name"
            raise InputError(
                [
                    Diagnostic(
                        summary, "Write `- eu-de`, or `- {name: eu-de, values: {…}}`.", node.position, id="bad-cloud"
                    )
                ]
            )
        return name, _map(node.entries.get("values"), "`values` of a region", node.position)

    def _nodes(self) -> Iterator[tuple[str, Node]]:
        if node := self._beside.get("region_name"):
            yield "region_name", node
        for name, beside in _BESIDE.items():
            yield from self._first(name, [self._beside.get(one) for one in beside], empty_counts=False)
        for name in _BESIDE_FIRST:
            places = [place.get(one) for one in _ALIASES.get(name, (name,)) for place in (self._beside, self._auth)]
            yield from self._first(name, places, empty_counts=True)
        for name in dict.fromkeys([*_IN_AUTH, *(name for name in _ALIASES if name not in _BESIDE_FIRST)]):
            names = _ALIASES.get(name, (name,))
            given = [[place[one] for one in names if one in place] for place in (self._auth, self._beside)]
            yield from self._first(name, [nodes[0] for nodes in given if nodes], empty_counts=False)

    def _first(self, name: str, nodes: list[Node | None], *, empty_counts: bool) -> Iterator[tuple[str, Node]]:
        """The first of these that is there. `empty_counts`: an empty one hides those behind it."""
        for node in nodes:
            if node is not None and (empty_counts or not isinstance(node, Scalar) or node.text):
                yield name, node
                return

    def _found(self, name: str, node: Node, region: str) -> Found | None:
        if not isinstance(node, Scalar):
            self._tell(f"{name} is not text", "Write one value, without a list or map.", node)
            return None
        if not node.text:
            return None
        text = self._filled(name, node, region) if name in _URLS else node.text
        if wrong := flaw(name, text):
            self._tell(f"{name} {wrong.summary}", wrong.fix, node)
        if wrong or not text:
            return None
        return found(name, self._path(text) if name in _FILES else text, self._source(node))

    def _filled(self, name: str, node: Scalar, region: str) -> str:
        """The URL with the region in it; empty after a finding."""
        text = node.text or ""
        chosen = self._beside.get("region_name")
        region = (chosen.text if isinstance(chosen, Scalar) else None) or region
        if _REGION in text and (not region or flaw("region_name", region)):
            self._tell(f"{name} needs a region", "Give the cloud a region_name, or the Stack a `region`.", node)
            return ""
        filled = text.replace(_REGION, region)
        if "{" in filled or "}" in filled:
            self._tell(f"{name} contains braces", f"Write the value out. Only {_REGION} is replaced.", node)
            return ""
        return filled

    def _path(self, text: str) -> str:
        """The path of a file: from the home folder, or from the folder of the file that names it."""
        if text == "~" or text.startswith("~/"):
            return str(self._files.home / text[2:])
        beside = self._files.clouds.parent if self._files.clouds else Path()
        return str(beside / Path(text).expanduser()) if text.startswith("~") else str(beside / text)

    def _insecure(self) -> Found | None:
        """True in `insecure`, or false in `verify`."""
        for name, off in (("insecure", True), ("verify", False)):
            node = self._beside.get(name)
            if node is None or _is_null(node):
                continue
            said = truth(node.text or "") if isinstance(node, Scalar) else None
            if said is None:
                self._tell(f"{name} is neither true nor false", "Write true or false.", node)
            elif said is off:
                return Found("true", f"{name} in {self._source(node)}")
        return None

    def _source(self, node: Node) -> str:
        file = node.position.file
        own = [self._files.shown(path) for path in (self._files.clouds, self._files.secure) if path]
        what = f"cloud {visible(self._name, limit=80)}" if file in own else f"profile {self._profile}"
        return f"{visible(file)}, {what}"

    def _tell(self, summary: str, fix: str, node: Node) -> None:
        self._findings.append(Diagnostic(summary, fix, node.position, id="bad-cloud"))


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.text is None


def _items(node: Node) -> list[Node]:
    """The elements of a list; of a text, its parts between commas."""
    if isinstance(node, Sequence):
        return list(node.items)
    if isinstance(node, Scalar):
        return [Scalar(part, node.position) for part in (node.text or "").split(",")]
    return [node]


def _layer(entry: Map) -> _Layer:
    """What an entry says beside `auth`, and in it, with `-` in keys as `_`. Raises InputError."""
    beside = {key.replace("-", "_"): node for key, node in entry.entries.items()}
    auth = _map(beside.pop("auth", None), "`auth`")
    return beside, {key.replace("-", "_"): node for key, node in auth.entries.items()}


def _over(below: _Layer, above: _Layer) -> _Layer:
    return {**below[0], **above[0]}, {**below[1], **above[1]}


def _with_domains(values: dict[str, Found]) -> Values:
    """The domain, given once, is that of the user and of the project, unless there is no project."""
    if "project_id" not in values and "project_name" not in values:
        return values
    for what in ("id", "name"):
        domain = values.pop(f"domain_{what}", None)
        if domain is not None:
            values.setdefault(f"user_domain_{what}", domain)
            values.setdefault(f"project_domain_{what}", domain)
    return values
