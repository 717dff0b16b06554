"""Files that look like manifests and are left out: told as warnings, and beside deletions of what stands in them.

Nobody may lose an object because a file was renamed to `g.YAML` or became a link. Links are never opened. What begins
with a dot or is named in `.declarativeignore` was left out on purpose and is looked at only for what is to be deleted.
All of it is bounded: the files may be anybody's.
"""

from __future__ import annotations

import enum
import itertools
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from declarative.errors import Diagnostic, Position, Severity, visible
from declarative.kinds import KINDS
from declarative.manifest.characters import MAX_BYTES
from declarative.manifest.files import (
    ENVIRONMENTS,
    IGNORE_FILE,
    MAX_FOLDERS,
    OPEN_FOLDER,
    SKIPPED_FOLDERS,
    Ignored,
    entries_of,
    is_manifest,
    open_folder,
    read_ignored,
    regular_content,
)
from declarative.manifest.nodes import Reader
from declarative.manifest.schemas import STACK
from declarative.model import Address

_FAMILY = "sdrs/"  # how every apiVersion of ours begins
_YAML = re.compile(r".*\.ya?ml", re.IGNORECASE | re.DOTALL)
_DATA = re.compile(r".*\.(?:ya?ml|json)", re.IGNORECASE | re.DOTALL)
_NEVER = frozenset({".git", ".declarative", IGNORE_FILE})

_MAX_FILES = 1000
_MAX_ENTRIES = 50_000  # of all folders together
_MAX_READ = 64 << 20  # bytes
_MAX_PARSED = 8 << 20
_MAX_LISTED = 1000  # names in a folder that a link leads to
_MAX_NAMED = 3  # addresses, in one warning


class Why(enum.Enum):
    """Why a file is not read, as the end of a sentence."""

    LINK = "links are never followed"
    ENDING = "the name of a manifest ends in .yaml or .yml, in lower case"
    CLOUDS = "its name is reserved for a file of clouds"
    FOLDER = "files in such a folder are not read as manifests"
    HIDDEN = "its name or its folder's name starts with a dot"
    IGNORED = f"{IGNORE_FILE} names it"


_ON_PURPOSE = (Why.HIDDEN, Why.IGNORED)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An unread file: its path below the stack's folder, and its known content."""

    path: str
    why: Why
    addresses: tuple[str, ...] = ()
    target: str = ""


def left_out_warnings(folder: Path) -> Iterator[Diagnostic]:
    """Yield a warning for each file that may be unread by mistake."""
    search = _Search(folder)
    for found in search.files():
        yield _warning(folder, found)
    if search.exhausted:
        summary = "there are too many files to check all that are not read"
        fix = f"Name folders without manifests in {IGNORE_FILE}."
        yield Diagnostic(summary, fix, Position(str(folder)), severity=Severity.WARNING, id="too-many-files")


def still_written(folder: Path, gone: Collection[Address]) -> Iterator[Diagnostic]:
    """Yield a warning for each of the addresses that is in an unread file, for whatever reason."""
    wanted: dict[str, list[Address]] = {}
    for address in sorted(gone):
        wanted.setdefault(f"{address.kind}/{address.name}", []).append(address)
    for found in _Search(folder, every=True).files():
        for name in found.addresses:
            for address in wanted.pop(name, ()):
                yield Diagnostic(
                    f"{address} is no longer in the manifests. It is in {visible(found.path)}, which is not read:"
                    f" {found.why.value}",
                    "To keep the object, make the file readable as a manifest again.",
                    Position(str(folder / found.path)),
                    str(address),
                    Severity.WARNING,
                    id="object-in-left-out-file",
                )


def _warning(folder: Path, found: LeftOut) -> Diagnostic:
    what = "this file is not read"
    if found.why is Why.LINK:
        what = f"this link to {visible(found.target, limit=200)} is not read"
    elif found.addresses:
        more = f" and {len(found.addresses) - _MAX_NAMED} more" if len(found.addresses) > _MAX_NAMED else ""
        named = ", ".join(visible(name, limit=100) for name in found.addresses[:_MAX_NAMED])
        what = f"this file contains {named}{more}, but is not read"
    fix = {
        Why.LINK: "Put the file itself here",
        Why.ENDING: f"Rename it to {visible(Path(found.path).with_suffix('.yaml').name, limit=200)}",
    }.get(found.why, "Move it to a folder where manifests are read")
    where = Position(str(folder / found.path))
    return Diagnostic(
        f"{what}: {found.why.value}",
        f"{fix}, or name it in {IGNORE_FILE}.",
        where,
        severity=Severity.WARNING,
        id="file-left-out",
    )


@dataclass(slots=True)
class _Search:
    """One walk through the folder. `every`: include files excluded on purpose, if they have documents."""

    folder: Path
    every: bool = False
    exhausted: bool = False
    _ignored: Ignored = field(default_factory=Ignored)
    _entries: int = 0
    _files: int = 0
    _read: int = 0
    _parsed: int = 0
    _reader: Reader = field(default_factory=Reader)

    def files(self) -> Iterator[LeftOut]:
        root = open_folder(self.folder)
        try:
            self._ignored = read_ignored(self.folder, root)
            yield from self._walk(root, "", None)
        finally:
            os.close(root)

    def _walk(self, fd: int, prefix: str, inside: Why | None) -> Iterator[LeftOut]:
        try:
            entries = entries_of(fd)
        except OSError:
            return
        for entry in entries:
            self._entries += 1
            if self._entries > _MAX_ENTRIES:
                self.exhausted = True
                return
            path = prefix + entry.name
            why = self._why(entry, path, inside)
            if why in _ON_PURPOSE and (not self.every or entry.name in _NEVER):
                continue
            if entry.is_symlink():
                if why is None or prefix == f"{ENVIRONMENTS}/":
                    yield from self._link(entry.name, path, fd)
            elif entry.is_dir(follow_symlinks=False):
                yield from self._subfolder(entry.name, path, fd, why)
            elif entry.is_file(follow_symlinks=False):
                yield from self._file(entry.name, path, fd, why)

    def _why(self, entry: os.DirEntry[str], path: str, inside: Why | None) -> Why | None:
        """Return why an entry is not read, regardless of its name."""
        if inside in _ON_PURPOSE:
            return inside
        if entry.name.startswith("."):
            return Why.HIDDEN
        folder = entry.is_dir(follow_symlinks=False)
        if self._ignored.matches(path, folder=folder):
            return Why.IGNORED
        return Why.FOLDER if inside is Why.FOLDER or (folder and entry.name in SKIPPED_FOLDERS) else None

    def _subfolder(self, name: str, path: str, parent: int, why: Why | None) -> Iterator[LeftOut]:
        if path.count("/") >= MAX_FOLDERS:
            return
        try:
            fd = os.open(name, OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=parent)
        except OSError:
            return
        try:
            yield from self._walk(fd, f"{path}/", why)
        finally:
            os.close(fd)

    def _file(self, name: str, path: str, fd: int, why: Why | None) -> Iterator[LeftOut]:
        if path.rpartition("/")[0] == ENVIRONMENTS and why is Why.FOLDER:
            return  # the file of an environment
        if why is None and is_manifest(name):
            return
        if why is None and _YAML.fullmatch(name) and not name.endswith((".yaml", ".yml")):
            yield LeftOut(path, Why.ENDING, self._addresses(name, fd))
        elif _DATA.fullmatch(name) and not (why is None and name == "secure.yaml"):
            addresses = self._addresses(name, fd)
            if addresses:
                ending = Why.CLOUDS if name.endswith(".yaml") else Why.ENDING
                yield LeftOut(path, why or ending, addresses)

    def _link(self, name: str, path: str, fd: int) -> Iterator[LeftOut]:
        try:
            target = os.readlink(name, dir_fd=fd)
        except OSError:
            return
        if _YAML.fullmatch(name) or _YAML.fullmatch(target) or self._leads_to_yaml(name, fd):
            yield LeftOut(path, Why.LINK, target=target)

    def _leads_to_yaml(self, name: str, fd: int) -> bool:
        """True when a folder that a link leads to directly holds YAML files; they are listed, and not opened."""
        try:
            inner = os.open(name, OPEN_FOLDER | os.O_NONBLOCK, dir_fd=fd)
        except OSError:
            return False
        try:
            with os.scandir(inner) as entries:
                return any(_YAML.fullmatch(entry.name) for entry in itertools.islice(entries, _MAX_LISTED))
        except OSError:
            return False
        finally:
            os.close(inner)

    def _addresses(self, name: str, fd: int) -> tuple[str, ...]:
        """The documents that a file holds: `Kind/name`."""
        if self._files >= _MAX_FILES or self._read >= _MAX_READ or self._parsed >= _MAX_PARSED:
            self.exhausted = True
            return ()
        self._files += 1
        content = regular_content(name, fd)
        self._read += len(content)
        if len(content) > MAX_BYTES or _FAMILY.encode() not in content:
            return ()
        self._parsed += len(content)
        found = (_address(node.value) for node in self._reader.read(name, content).nodes)
        return tuple(dict.fromkeys(filter(None, found)))


def _address(content: object) -> str:
    """Return a document's address; empty if it belongs to another tool."""
    if not isinstance(content, dict):
        return ""
    version, kind, metadata = content.get("apiVersion"), content.get("kind"), content.get("metadata")
    if not (isinstance(version, str) and version.startswith(_FAMILY) and (kind in KINDS or kind == STACK)):
        return ""
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{kind}/{name}" if isinstance(name, str) else str(kind)
