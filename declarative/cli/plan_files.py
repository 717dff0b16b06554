"""Files of the command line's own: saved plans, and new files that never replace one."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from declarative.errors import DeclarativeError, UsageError, visible

QUICKSTART = ("stack.yaml", "groups.yaml", ".gitignore")


class FileRefused(DeclarativeError):
    """A file can't be read or written as asked."""

    id = "file-refused"


def write_plan(path: Path, text: str) -> bool:
    """Write a plan's text where `path` leads, links followed. Returns whether it lies there, to be applied.

    A file holds the old or the new content, whole, readable by its owner alone; a pipe or a device, such as
    /dev/stdout, is written to. Raises FileRefused as `refuse_output` does, and when `path` can't be written.
    """
    refuse_output(path)
    return _write(path, text)


def write_render(path: Path, text: str) -> None:
    """Write a render's text, as `write_plan` does; an earlier render is replaced, too."""
    refuse_render(path)
    _write(path, text)


def _write(path: Path, text: str) -> bool:
    try:
        if (stream := _stream(path)) is None:
            _replace(path.resolve(), text.encode("utf-8", "backslashreplace"))
            return True
        with os.fdopen(stream, "wb") as file:
            file.write(text.encode("utf-8", "backslashreplace"))
        return False
    except OSError as error:
        raise FileRefused(f"{path} can't be written: {error.strerror}") from error


def refuse_output(path: Path, *, stack: Path | None = None, states: Iterable[Path] = ()) -> None:
    """Raise FileRefused when a plan must not be written to `path`: nothing is replaced but an earlier plan.

    `stack`: the folder whose YAML files are manifests; `states`: folders in which nothing but states lie.
    """
    _refuse(path, stack=stack, states=states, may_replace=_is_plan, kept="holds no plan")


def refuse_render(path: Path, *, stack: Path | None = None, states: Iterable[Path] = ()) -> None:
    """Raise FileRefused when a render must not, or can't, be written to `path`, as `refuse_output` does.

    It may replace an earlier render as well as a plan.
    """
    _refuse(path, stack=stack, states=states, may_replace=_is_ours, kept="holds neither a render nor a plan")
    folder = path.resolve().parent
    if _is_regular_place(path) and not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise FileRefused(f"{path} can't be written", f"Make sure that {folder} is a folder that you may write to.")


def _is_regular_place(path: Path) -> bool:
    found = _look(path)
    return found is None or (stat.S_ISREG(found.st_mode) and not _is_standard(found))


def _refuse(
    path: Path, *, stack: Path | None, states: Iterable[Path], may_replace: Callable[[bytes], bool], kept: str
) -> None:
    try:
        place = path.resolve()
        found = _look(path)
        known = found is None or not stat.S_ISREG(found.st_mode) or not found.st_size or _is_standard(found)
        if found is not None and stat.S_ISDIR(found.st_mode):
            raise FileRefused(f"{path} is a folder", "Name a file in it.")
        if any(place.is_relative_to(folder.resolve()) for folder in states):
            raise FileRefused(f"{path} lies in the folder of the state", "Name another file.")
        if stack is not None and any(_is_manifest(one, stack.resolve()) for one in (place, path.absolute())):
            raise FileRefused(f"{path} would be read as a manifest", "Name it otherwise, for example plan.json.")
        if not known and not _holds(place, may_replace):
            raise FileRefused(
                f"{path} exists and {kept}; it is not written over", "Name another file, or remove this one."
            )
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError
        raise FileRefused(f"{path} can't be written: {getattr(error, 'strerror', None) or error}") from error


def _look(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _is_manifest(place: Path, stack: Path) -> bool:
    return place.suffix.lower() in (".yaml", ".yml") and place.is_relative_to(stack)


def _holds(path: Path, judged: Callable[[bytes], bool]) -> bool:
    """True for a file of ours; larger than any is somebody else's."""
    from declarative.planfile.document import MAX_BYTES

    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 2)
    return len(content) <= MAX_BYTES + 1 and judged(content)


def _is_plan(content: bytes) -> bool:
    """True for what `plan` wrote, whatever its version."""
    from declarative.planfile.document import is_plan

    return is_plan(content)


def _is_ours(content: bytes) -> bool:
    from declarative.views.renders.marks import is_render

    return is_render(content)


def is_standard_output(path: Path) -> bool:
    """True when `path`, such as /dev/stdout, leads to where our results go."""
    try:
        found = _look(path)
    except OSError:  # whoever writes there hears of it
        return False
    return found is not None and any(one == 1 and os.path.samestat(found, own) for one, own in _standard())


def _standard() -> Iterator[tuple[int, os.stat_result]]:
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            yield descriptor, os.fstat(descriptor)


def _is_standard(found: os.stat_result) -> bool:
    return any(os.path.samestat(found, own) for _, own in _standard())


def _stream(path: Path) -> int | None:
    """A descriptor of what isn't a file of its own: a pipe, a device, or where our own output goes."""
    found = _look(path)
    if found is None:
        return None
    for descriptor, own in _standard():
        if os.path.samestat(found, own):
            return os.dup(descriptor)
    return None if stat.S_ISREG(found.st_mode) else os.open(path, os.O_WRONLY | os.O_CLOEXEC)


def _replace(path: Path, content: bytes) -> None:
    aside = path.with_name(f".{path.name[:128]}.{secrets.token_hex(8)}.tmp")
    _write_new(aside, content)
    try:
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_plan(path: Path) -> str:
    """The text of a saved plan. Raises UsageError when there is none, FileRefused when it can't be a plan's."""
    from declarative.planfile.document import MAX_BYTES

    try:
        content = read_bytes(path, most=MAX_BYTES + 1)  # what is larger is refused by whoever reads the text
    except FileNotFoundError as error:
        raise UsageError(f"there is no plan {path}", "Write one with: declarative plan -o plan.json") from error
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise FileRefused(f"{path} is no plan: it is not UTF-8 at byte {error.start}") from error


def read_state_file(path: Path) -> bytes:
    """The content of a pulled state or a recovery file. Raises UsageError where there is none, FileRefused."""
    from declarative.state.disk import LARGEST

    try:
        content = read_bytes(path, most=LARGEST)
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {path}", "Correct the name.") from error
    if len(content) > LARGEST:
        raise FileRefused(f"{path} has more than {LARGEST // 2**20} MiB, which is no state")
    return content


def read_bytes(path: Path, *, most: int) -> bytes:
    """At most `most` + 1 bytes of a regular file. Raises FileNotFoundError, and FileRefused for all else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise FileRefused(f"{path} can't be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileRefused(f"{path} is not a regular file", "Name the file itself.")
    with os.fdopen(descriptor, "rb") as file:
        return file.read(most + 1)


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read. Raises FileRefused, also when there is one already."""
    try:
        _write_new(path, content)
    except FileExistsError as error:
        raise FileRefused(
            f"{path} exists, and is not written over", "Name another file, or remove this one."
        ) from error
    except OSError as error:
        raise FileRefused(f"{path} can't be written: {error.strerror}") from error


def write_new(folder: Path, contents: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Write files, by name, into `folder`, which is made if need be; nothing is overwritten.

    Raises FileRefused with the names of all files that are in the way.
    """
    targets = {folder / name: content for name, content in contents.items()}
    in_the_way = [target for target in targets if os.path.lexists(target)]
    if in_the_way:
        names = ", ".join(visible(target) for target in in_the_way)
        raise FileRefused(f"nothing was written, these exist already: {names}", "Name another folder, or move them.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for target, content in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                file.write(content)
    except OSError as error:
        raise FileRefused(f"{folder} can't be written to: {error.strerror}") from error
    return tuple(targets)


def quickstart_files() -> tuple[Path, tuple[str, ...]]:
    """Where the example lies, in the installed package or beside it in a checkout, and the names of its files."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "quickstart"
    return installed if installed.is_dir() else package.parent / "examples" / "quickstart", QUICKSTART
