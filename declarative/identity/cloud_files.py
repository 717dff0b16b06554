"""Where clouds.yaml and its companions are. Only `stat` is used here: nothing is opened.

The places are those of openstacksdk (openstack.config.loader): the folders that XDG_CONFIG_HOME and XDG_CONFIG_DIRS
name, ~/.config/openstack and /etc/openstack, with the endings .yaml, .yml and .json, the first one that exists. On
purpose it is different in these points:

- Files in the working folder and in the stack's folder are named and ignored, unless OS_CLIENT_CONFIG_FILE names the
  clouds.yaml: a change to a repository could otherwise send a password elsewhere. What counts is where a file lies
  after all links.
- secure.yaml and clouds-public.yaml join only from the folder of the chosen clouds.yaml, also when
  OS_CLIENT_SECURE_FILE or OS_CLIENT_VENDOR_FILE names one.
- A file that one of these variables names must exist; openstacksdk would search on.
- Of several folders in XDG_CONFIG_DIRS each is searched, and relative ones don't count, as the XDG Base Directory
  Specification has it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from declarative.errors import Diagnostic, Severity, UsageError, visible

_ENDINGS = (".yaml", ".yml", ".json")
_CLOUDS, _SECURE, _PUBLIC = "clouds", "secure", "clouds-public"
_MAX_LINKS = 40  # as in Linux
_SITE = Path("/etc/openstack")
CONFIG_FILE, SECURE_FILE, VENDOR_FILE = "OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE", "OS_CLIENT_VENDOR_FILE"


@dataclass(frozen=True, slots=True)
class CloudFiles:
    """The files to read, and those that are left alone.

    `clouds`, `secure`, `public`: None when there is none. `ignored`: in the working or the stack's folder. `apart`: a
    companion elsewhere than the clouds.yaml. `searched`: the folders, in their order. `home`: shown as `~`.
    """

    clouds: Path | None
    secure: Path | None
    public: Path | None
    ignored: tuple[Path, ...]
    apart: tuple[Path, ...]
    searched: tuple[Path, ...]
    home: Path

    def shown(self, path: Path) -> str:
        """Return a path for messages, with ~ for the home folder."""
        if path.is_relative_to(self.home) and self.home != Path("/"):
            return str(Path("~") / path.relative_to(self.home))
        return str(path)

    def warnings(self) -> Iterator[Diagnostic]:
        """Yield a warning for each file that someone may expect to be read."""
        for path in self.ignored:
            shown = visible(self.shown(path))
            fix = f"Move it to ~/.config/openstack, or set {CONFIG_FILE} to a clouds.yaml that you trust."
            summary = f"{shown} is ignored because it is in the working folder or the stack's folder"
            yield Diagnostic(summary, fix, severity=Severity.WARNING, id="ignored-clouds-file")
        for path in self.apart:
            shown = visible(self.shown(path))
            why = (
                f"it is not beside {visible(self.shown(self.clouds))}" if self.clouds else "no clouds.yaml is beside it"
            )
            summary = f"{shown} is ignored because {why}"
            yield Diagnostic(
                summary, "Put both files in one folder.", severity=Severity.WARNING, id="ignored-clouds-file"
            )


def locate(environ: Mapping[str, str], *, working_folder: Path, stack_folder: Path) -> CloudFiles:
    """Find clouds.yaml and its companions. Raises UsageError when a variable names a file that can't be used."""
    home = _home(environ)
    searched = tuple(dict.fromkeys(_folders(environ, home)))
    named = _named(environ, CONFIG_FILE, working_folder)
    barred = () if named else _barred(working_folder, stack_folder)
    clouds = named or _first(_CLOUDS, searched, barred)
    beside = clouds.parent if clouds else None
    secure = _companion(environ, SECURE_FILE, _SECURE, working_folder, beside, barred)
    public = _companion(environ, VENDOR_FILE, _PUBLIC, working_folder, beside, barred)
    used = {path for path in (clouds, secure, public) if path}
    apart = [_first(_SECURE, searched, barred), _first(_PUBLIC, searched, barred)]
    linked = [] if named else [path for folder in searched for path in _all(folder) if _is_in(path, barred)]
    here = [path for folder in (working_folder, stack_folder) for path in _all(folder)]
    return CloudFiles(
        clouds,
        secure,
        public,
        tuple(path for path in dict.fromkeys([*here, *linked]) if not _is_one_of(path, used)),
        tuple(path for path in apart if path and not _is_one_of(path, used)),
        searched,
        home,
    )


def _home(environ: Mapping[str, str]) -> Path:
    if home := environ.get("HOME"):
        return Path(home)
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a container's user without an entry
        return Path("/")


def _folders(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    """The folders of openstacksdk in its order, without the working folder. Source: platformdirs, unix.py, macos.py."""
    is_mac = sys.platform == "darwin"
    own = _absolute(environ.get("XDG_CONFIG_HOME", ""))
    yield (own[0] if own else home / ("Library/Application Support" if is_mac else ".config")) / "openstack"
    yield Path(environ.get("SNAP_REAL_HOME") or home) / ".config/openstack"
    site = "/Library/Application Support" if is_mac else "/etc/xdg"
    for folder in _absolute(environ.get("XDG_CONFIG_DIRS", "")) or [Path(site)]:
        yield folder / "openstack"
    yield _SITE


def _absolute(folders: str) -> list[Path]:
    return [Path(one) for one in folders.split(os.pathsep) if one.startswith("/")]


def _named(environ: Mapping[str, str], variable: str, working_folder: Path) -> Path | None:
    name = environ.get(variable)
    if not name:
        return None
    path = working_folder / name
    if not _exists(path):
        raise UsageError(
            f"{variable} names '{visible(name, limit=200)}', which does not exist", "Correct it, or unset it."
        )
    return path


def _companion(
    environ: Mapping[str, str],
    variable: str,
    stem: str,
    working_folder: Path,
    beside: Path | None,
    barred: tuple[tuple[int, int], ...],
) -> Path | None:
    named = _named(environ, variable, working_folder)
    if named is None:
        return _first(stem, (beside,), barred) if beside else None
    if beside is None or not _same(named.parent, beside) or _is_in(named, barred):
        raise UsageError(
            f"{variable} names a file that is not beside the clouds.yaml in use",
            f"Put it in the folder of the clouds.yaml, or set {CONFIG_FILE} to a clouds.yaml beside it.",
        )
    return named


def _first(stem: str, folders: tuple[Path, ...], barred: tuple[tuple[int, int], ...]) -> Path | None:
    for folder in folders:
        for ending in _ENDINGS:
            path = folder / f"{stem}{ending}"
            if _exists(path) and not _is_in(path, barred):
                return path
    return None


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises for a folder that can't be searched


def _all(folder: Path) -> Iterator[Path]:
    """All files of these names, also links that lead nowhere."""
    for stem in (_CLOUDS, _SECURE, _PUBLIC):
        for ending in _ENDINGS:
            path = folder / f"{stem}{ending}"
            if os.path.lexists(path):
                yield path


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _barred(*folders: Path) -> tuple[tuple[int, int], ...]:
    return tuple(one for folder in folders if (one := _identity(folder)) is not None)


def _is_in(path: Path, barred: tuple[tuple[int, int], ...]) -> bool:
    """True when the file, or a link on the way to it, lies in one of the folders."""
    for _ in range(_MAX_LINKS):
        if _identity(path.parent) in barred:
            return True
        if not path.is_symlink():
            return False
        path = path.parent / path.readlink()
    return True


def _same(one: Path, other: Path) -> bool:
    identity = _identity(one)
    return identity is not None and identity == _identity(other)


def _is_one_of(path: Path, used: set[Path]) -> bool:
    return path in used or any(_same(path, one) for one in used)
