"""The marks by which a render of ours is known again, so that nothing else is written over."""

from __future__ import annotations

import json
from typing import Final

from declarative.model import Json

NAME: Final = "declarative"
TEXT_MARK: Final = "# declarative render 1: "
COMMENT_MARK: Final = "<!-- declarative render 1"
HTML_MARK: Final = '<!doctype html>\n<html lang="en" data-declarative-render="1">'
XML_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
GITHUB_MARK: Final = "::debug::declarative render 1"
CHECK_PREFIX: Final = "declarative/"
_DOCUMENTS: Final = ("plan", "findings", "status", "drift", "outcome", "summary")

_HEADS: Final = (TEXT_MARK, f"{COMMENT_MARK};", HTML_MARK, f"{XML_HEAD}{COMMENT_MARK} -->", f"{GITHUB_MARK}\n")


def is_render(content: bytes) -> bool:
    """True for what a render of ours wrote, in any format; an empty list of findings counts as one."""
    if content.startswith(tuple(head.encode() for head in _HEADS)):
        return True
    if not content.startswith((b"{", b"[")):
        return False
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return _is_code_quality(document) if isinstance(document, list) else _is_document(document)


def _is_code_quality(issues: list[Json]) -> bool:
    return all(isinstance(one, dict) and str(one.get("check_name")).startswith(CHECK_PREFIX) for one in issues)


def _is_document(document: dict[str, Json]) -> bool:
    if isinstance(form := document.get("format"), str):
        return form.startswith(tuple(f"declarative.{name}/" for name in _DOCUMENTS))
    properties = document.get("properties")
    return isinstance(properties, dict) and properties.get("render") == "declarative.render/1"
