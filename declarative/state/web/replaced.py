"""A copy on this machine of a document that a restore or a push puts another one in place of."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from declarative.errors import StateError, visible
from declarative.state.disk import PRIVATE_FOLDER, Files
from declarative.state.web.documents import Document


def keep(document: Document, *, environ: Mapping[str, str], uuid: Callable[[], str]) -> str:
    """Write the document durably below `$XDG_STATE_HOME/declarative/replaced/`, for its owner alone; return the path.

    Raises StateError when that can't be done: nothing may be replaced then.
    """
    folder = _folder(environ)
    path = folder / f"state-{document.serial}-{uuid()}.json"
    files = Files()
    try:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        descriptor = files.create(path)
        try:
            files.write(descriptor, document.text)
            files.sync(descriptor)
        finally:
            os.close(descriptor)
        files.sync_folder(folder)
    except OSError as error:
        raise StateError(
            f"nothing was replaced: the copy {visible(path, limit=200)} can't be written: {error.strerror or error}",
            "Set XDG_STATE_HOME to a folder that this user can write to, by its whole path.",
        ) from error
    return str(path)


def _folder(environ: Mapping[str, str]) -> Path:
    for base, below in ((environ.get("XDG_STATE_HOME"), ""), (environ.get("HOME"), ".local/state")):
        if base and Path(base).is_absolute():
            return Path(base) / below / "declarative" / "replaced"
    raise StateError(
        "nothing was replaced: neither XDG_STATE_HOME nor HOME names a folder for a copy of it",
        "Set XDG_STATE_HOME to a folder that this user can write to, by its whole path.",
    )
