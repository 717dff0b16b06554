"""The parts that kinds play for each other, worked out from what each says of itself.

Planner, applier and reports ask here instead of naming a kind.
"""

from __future__ import annotations

from typing import Final

from declarative.kinds.registry import KINDS
from declarative.model import Kind, Makes, Switch


def _group() -> Kind:
    (group,) = (kind for kind in KINDS.values() if not kind.relations.group)
    return group


def _switches(group: Kind) -> tuple[Switch, Switch]:
    enable, disable = group.calls.enable, group.calls.disable
    if enable is None or disable is None:
        raise TypeError(f"the protection of a {group.name} is to be switched")
    return enable, disable


def _making() -> tuple[Kind, Makes]:
    ((maker, makes),) = ((kind, kind.relations.makes) for kind in KINDS.values() if kind.relations.makes is not None)
    return maker, makes


def made_with(kind: Kind) -> tuple[str, ...]:
    """The kinds of which the service makes an object beside each one of `kind`."""
    return (kind.relations.makes.kind,) if kind.relations.makes is not None else ()


GROUP: Final = _group()  # what all others belong to
MEMBERS: Final = tuple(kind for kind in KINDS.values() if kind.relations.counted_as)  # what a group counts
COPIED: Final = KINDS[GROUP.relations.copied]  # what is copied: a group protects nothing without one

# By the refusal of a create, the kind whose quota leaves no room; what is created may be another kind that brings it.
QUOTA_OF: Final = {kind.wire.quota_code: kind for kind in KINDS.values() if kind.wire.quota_code}

# What the service makes beside an object (BROUGHT), what it makes it beside (MAKER), and what ties the two by hand.
MAKER, MAKES = _making()
BROUGHT: Final = KINDS[MAKES.kind]
TIE: Final = KINDS[MAKES.tie]
MAKER_FIELD: Final = next(one.field for one in TIE.relations.refers.values() if one.kind == MAKER.name)
BROUGHT_FIELD: Final = next(one.field for one in TIE.relations.refers.values() if one.kind == BROUGHT.name)

# Kinds of which each object is copied, or brings what is.
CARRIERS: Final = tuple(kind.name for kind in KINDS.values() if COPIED.name in (kind.name, *made_with(kind)))

GOAL, SIDE = GROUP.relations.goal, GROUP.relations.side
ENABLE, DISABLE = _switches(GROUP)
ENABLED, DISABLED = ENABLE.goal, DISABLE.goal
# The statuses that a failed switch leaves on the group and its members.
SWITCH_FAILED: Final = (ENABLE.sent_from | DISABLE.sent_from) - {ENABLE.reached, DISABLE.reached}


def tie_id(maker_id: str, brought_id: str) -> str:
    """The id of what ties the two."""
    if TIE.relations.identity is None:
        raise TypeError(f"{TIE.name} is to be named by its parts")
    return TIE.relations.identity({MAKER_FIELD: maker_id, BROUGHT_FIELD: brought_id})


def parts_of(kind: Kind, object_id: str) -> dict[str, str]:
    """The ids of the parts that name an object of a kind with `identity`, by field; {} for any other kind."""
    if kind.relations.identity is None:
        return {}
    return dict(zip(kind.relations.natural_key, object_id.split("/"), strict=False))
