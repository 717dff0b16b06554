"""What a stack holds for editors: JSON Schemas, the comments that name them, and the settings of VS Code.

The schemas are copies beside the manifests, so that they serve everybody who has the folder, without a network and
without declarative. Comments name them by a path from the file that they stand in.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from pathlib import Path
from typing import Final

from declarative.cli.plan_files import FileRefused, quickstart_files
from declarative.errors import visible

DOCUMENTS: Final = ".schemas/sdrs.json"
ENVIRONMENT: Final = ".schemas/environment.json"
SETTINGS: Final = ".vscode/settings.json"

# What yaml-language-server looks for. It counts for the document that it stands in, not for the file.
_MODELINE = f"# yaml-language-server: $schema={DOCUMENTS}\n"
_DOCUMENT_START = re.compile(r"^---\n", re.MULTILINE)
# The files that a stack leaves out of its manifests; names that begin with a dot match no pattern by themselves.
_MAPPING: Final = {
    f"./{DOCUMENTS}": ["*.yaml", "*.yml", "!environments/**", "!policies/**", "!clouds*.yaml", "!secure.yaml"],
    f"./{ENVIRONMENT}": ["environments/*.yaml", "environments/*.yml"],
}


def with_modelines(text: str) -> str:
    """Return a manifest whose every document names its schema; the file lies in the stack's own folder."""
    return _MODELINE + _DOCUMENT_START.sub(f"---\n{_MODELINE}", text)


def settings_text() -> str:
    """Return the settings by which VS Code knows which schema holds for which file of a stack."""
    return json.dumps({"yaml.schemas": _MAPPING}, indent=2) + "\n"


def schema_files(folder: Path) -> dict[str, bytes]:
    """Return the schemas for a stack, by name. Raises as `environment_schema_text` does."""
    from declarative.workflow import schemas

    return {
        DOCUMENTS: schemas.documents().encode(),
        ENVIRONMENT: schemas.environment(folder).encode(),
    }


def quickstart() -> dict[str, bytes]:
    """Return the files of the small stack of `init`, by name, with all that editors need of them."""
    root, names = quickstart_files()
    contents = {name: (root / name).read_bytes() for name in names}
    manifests = {
        name: with_modelines(content.decode()).encode() for name, content in contents.items() if name.endswith(".yaml")
    }
    return {**contents, **manifests, **schema_files(root)}


def write_settings(folder: Path) -> Path | None:
    """Write the settings of VS Code into `folder`. None: there are some, which are left as they are.

    Raises FileRefused.
    """
    path = folder / SETTINGS
    if os.path.lexists(path):
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(settings_text())
    except OSError as error:
        raise FileRefused(f"{path} can't be written: {error.strerror}") from error
    return path


def write_schemas(folder: Path) -> list[Path]:
    """Write the schemas for the stack in `folder`, over earlier ones.

    Raises FileRefused, also when something else lies where one would be written; then none is.
    """
    targets = {folder / name: content for name, content in schema_files(folder).items()}
    for path in targets:
        if os.path.lexists(path) and not _is_ours(path):
            raise FileRefused(
                f"{visible(path)} exists, and was not made by `declarative schema`", "Move it, then run again."
            )
    for path, content in targets.items():
        aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(content)
            aside.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
            raise FileRefused(f"{path} can't be written: {error.strerror}") from error
    return list(targets)


def _is_ours(path: Path) -> bool:
    from declarative.workflow import schemas

    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("$comment") == schemas.MADE
