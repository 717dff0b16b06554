"""The manifests of a folder and their bytes, read without following links out of the folder."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from declarative.errors import Diagnostic, Position, UsageError, visible
from declarative.manifest.characters import MAX_BYTES

ENVIRONMENTS = "environments"
IGNORE_FILE = ".declarativeignore"

SKIPPED_FOLDERS = frozenset({ENVIRONMENTS, "policies"})
_SKIPPED_FILES = re.compile(r"clouds.*\.yaml|secure\.yaml", re.DOTALL)
MAX_FOLDERS = 32
_NOTHING = re.compile(r"(?!)")
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file below the stack's folder: its path from there, the name to show, and its bytes or what is wrong."""

    path: str
    shown: str
    content: bytes | Diagnostic


def manifest_files(folder: Path, *, below: bool = True) -> Iterator[FoundFile]:
    """Yield every YAML file that must be a manifest, in the order of their paths; without `below` of this folder alone.

    Raises UsageError when there is no such folder.
    """
    root = open_folder(folder)
    try:
        yield from _walk(root, folder, "", read_ignored(folder, root), 1 if below else None)
    finally:
        os.close(root)


def environment_files(folder: Path) -> Iterator[FoundFile]:
    """Yield the regular files of `environments/`, whatever they are called, in the order of their names."""
    root = open_folder(folder)
    try:
        inner = os.open(ENVIRONMENTS, OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=root)
    except OSError:
        return
    finally:
        os.close(root)
    try:
        for entry in entries_of(inner):
            if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                path = f"{ENVIRONMENTS}/{entry.name}"
                yield FoundFile(path, str(folder / path), _content(entry.name, str(folder / path), inner))
    finally:
        os.close(inner)


def read_named(path: Path) -> bytes:
    """Read a file that the user named, up to just past the limit of a manifest; it may be a link or a pipe.

    Raises UsageError when it can't be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}", "Name a file with a map of values.") from error


def open_folder(folder: Path) -> int:
    """Return a descriptor of the stack's folder. Raises UsageError."""
    try:
        return os.open(folder, OPEN_FOLDER)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"the folder {folder} can't be read: {reason}", "Name the stack's folder with -C.") from error


def _walk(fd: int, folder: Path, prefix: str, ignored: Ignored, depth: int | None) -> Iterator[FoundFile]:
    try:
        entries = entries_of(fd)
    except OSError as error:
        yield _unreadable(prefix, str(folder / prefix), error)
        return
    for entry in entries:
        path = prefix + entry.name
        if entry.name.startswith(".") or entry.is_symlink():
            continue
        if entry.is_dir(follow_symlinks=False):
            skipped = depth is None or entry.name in SKIPPED_FOLDERS or ignored.matches(path, folder=True)
            if depth is not None and not skipped:
                yield from _subfolder(entry.name, fd, folder, path, ignored, depth)
        elif is_manifest(entry.name) and not ignored.matches(path, folder=False):
            yield FoundFile(path, str(folder / path), _content(entry.name, str(folder / path), fd))


def _subfolder(name: str, parent: int, folder: Path, path: str, ignored: Ignored, depth: int) -> Iterator[FoundFile]:
    shown = str(folder / path)
    if depth > MAX_FOLDERS:
        summary = f"folders are nested deeper than {MAX_FOLDERS} levels"
        yield FoundFile(
            path, shown, Diagnostic(summary, f"Name it in {IGNORE_FILE}.", Position(shown), id="folders-too-deep")
        )
        return
    try:
        fd = os.open(name, OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=parent)
    except OSError as error:
        yield _unreadable(path, shown, error)
        return
    try:
        yield from _walk(fd, folder, f"{path}/", ignored, depth + 1)
    finally:
        os.close(fd)


def entries_of(fd: int) -> list[os.DirEntry[str]]:
    """Return the entries of a folder, sorted by name. Raises OSError."""
    with os.scandir(fd) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def is_manifest(name: str) -> bool:
    """True for the name of a file that must be a manifest."""
    return name.endswith((".yaml", ".yml")) and not _SKIPPED_FILES.fullmatch(name)


def regular_content(name: str, fd: int) -> bytes:
    """Return the bytes of a regular file, up to just past the limit of a manifest; else none."""
    content = _content(name, name, fd)
    return content if isinstance(content, bytes) else b""


def _content(name: str, shown: str, fd: int) -> bytes | Diagnostic:
    try:
        file = os.open(name, _OPEN_FILE, dir_fd=fd)
    except OSError as error:
        return _cannot_read(shown, error)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            summary = "this is not a regular file"
            return Diagnostic(
                summary, f"Move it elsewhere, or name it in {IGNORE_FILE}.", Position(shown), id="unreadable-file"
            )
        with open(file, "rb", closefd=False) as content:
            return content.read(MAX_BYTES + 1)
    except OSError as error:
        return _cannot_read(shown, error)
    finally:
        os.close(file)


def _unreadable(path: str, shown: str, error: OSError) -> FoundFile:
    return FoundFile(path, shown, _cannot_read(shown, error))


def _cannot_read(shown: str, error: OSError) -> Diagnostic:
    fix = f"Get read permission, or name it in {IGNORE_FILE}."
    return Diagnostic(f"this can't be read: {error.strerror}", fix, Position(shown), id="unreadable-file")


@dataclass(frozen=True, slots=True)
class Ignored:
    """The patterns of `.declarativeignore`, written as for git; the last one that matches decides.

    A pattern without a slash inside matches a name at any depth, one with a slash a path from the stack's folder;
    `/` at the end matches folders alone, `**` any folders, and `!` in front takes an earlier match back. `\\` takes the
    meaning from the character behind it: `\\#x`, `\\!x`, `\\*`, and a blank at the end.

    pathspec reads the same language, but matches with expressions that backtrack: a pattern of five stars takes 23 s of
    CPU on one name of 120 letters, and the file may come with somebody's pull request. Here a star never backtracks.
    """

    rules: tuple[tuple[tuple[re.Pattern[str] | None, ...], bool, bool], ...] = ()  # segments, folders only, ignore

    @classmethod
    def parse(cls, text: str) -> Ignored:
        """Read the lines of the file; empty ones and those that begin with `#` say nothing."""
        lines = (_without_blanks(line) for line in text.splitlines())
        return cls(
            tuple(_rule(line) for line in lines if line.removeprefix("!").strip("/") and not line.startswith("#"))
        )

    def matches(self, path: str, *, folder: bool) -> bool:
        """True when `path` is to be left out."""
        segments = tuple(path.split("/"))
        for pattern, folders_only, ignore in reversed(self.rules):
            if (folder or not folders_only) and _fits(pattern, segments):
                return ignore
        return False


def ignore_line(path: str) -> str:
    """Return the `.declarativeignore` line that excludes one file; empty when it can't be typed."""
    if visible(path) != path:
        return ""
    escaped = re.sub(r"([\\*?\[])", r"\\\1", path)
    line = f"/{escaped[:-1]}\\ " if escaped.endswith(" ") else f"/{escaped}"
    return line if Ignored.parse(line).matches(path, folder=False) else ""


def _without_blanks(line: str) -> str:
    """Return the line without trailing spaces, except for one after an unescaped backslash."""
    bare = line.rstrip()
    slashes = len(bare) - len(bare.rstrip("\\"))
    return bare + line[len(bare) : len(bare) + slashes % 2]


def _rule(line: str) -> tuple[tuple[re.Pattern[str] | None, ...], bool, bool]:
    ignore = not line.startswith("!")
    body = line if ignore else line[1:]
    inner = body.strip("/")
    parts = inner.split("/") if "/" in body.rstrip("/") else ["**", inner]
    return tuple(None if part == "**" else _segment(part) for part in parts), body.endswith("/"), ignore


def _segment(part: str) -> re.Pattern[str]:
    """The pattern of one name. As for git, one with a bracket that is never closed fits nothing."""
    text = _unescaped(part)
    return re.compile(fnmatch.translate(text)) if _is_closed(text) else _NOTHING


def _is_closed(part: str) -> bool:
    start = part.find("[")
    while start >= 0:
        inside = re.compile(r"\[!?\]?[^\]]*\]").match(part, start)
        if inside is None:
            return False
        start = part.find("[", inside.end())
    return True


def _unescaped(part: str) -> str:
    """The part in the language of `fnmatch`, which knows no backslash, and only `!` for "none of these"."""
    negated = re.sub(r"(?<!\\)\[\^", "[!", part)
    return re.sub(r"\\(.)", lambda escape: f"[{escape[1]}]" if escape[1] in "*?[" else escape[1], negated)


def _fits(pattern: tuple[re.Pattern[str] | None, ...], segments: tuple[str, ...]) -> bool:
    """Match segment by segment, `None` being any number of folders; the work grows with the product of both."""
    reachable = {0}
    for part in pattern:
        if part is None:
            reachable = set(range(min(reachable), len(segments) + 1)) if reachable else reachable
        else:
            reachable = {at + 1 for at in reachable if at < len(segments) and part.match(segments[at])}
    return len(segments) in reachable


def read_ignored(folder: Path, root: int) -> Ignored:
    """Read `.declarativeignore`. Raises UsageError when it can't be."""
    content = _content(IGNORE_FILE, str(folder / IGNORE_FILE), root)
    if isinstance(content, Diagnostic):
        if _exists(IGNORE_FILE, root):
            shown = visible(folder / IGNORE_FILE)
            raise UsageError(f"{shown}: {content.summary}", "Make it a text file with one pattern on each line.")
        return Ignored()
    return Ignored.parse(content.decode("utf-8", "surrogateescape"))


def _exists(name: str, fd: int) -> bool:
    try:
        os.stat(name, dir_fd=fd, follow_symlinks=False)
    except OSError:
        return False
    return True
