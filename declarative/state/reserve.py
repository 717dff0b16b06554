"""64 KiB of the disk that only completions may use, so that what the cloud has done can be recorded on a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from declarative.state.disk import Files, identify

RESERVE_BYTES = 64 * 1024

_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.EINVAL})


class Reserve:
    """The reserve at `path`. All methods raise OSError."""

    def __init__(self, path: Path, *, files: Files) -> None:
        self._path = path
        self._files = files

    @property
    def is_there(self) -> bool:
        """True when there is one to be used up."""
        return identify(self._path) is not None

    def set_aside(self) -> None:
        """Take the space, where the file system can."""
        found = identify(self._path)
        if found is not None and found[2] == RESERVE_BYTES:
            return
        self._files.remove(self._path)
        descriptor = self._files.create(self._path)
        try:
            self._files.allocate(descriptor, RESERVE_BYTES)
        except OSError as error:
            self._files.remove(self._path)
            if error.errno not in _UNSUPPORTED:
                raise
        finally:
            os.close(descriptor)

    def use_up(self) -> None:
        """Give the space back to the disk."""
        self._files.remove(self._path)
