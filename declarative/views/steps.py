"""The steps of a plan as lines for a reader: what each does, why, and to which fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from declarative.errors import shown
from declarative.kinds import KINDS
from declarative.model import Action, Change, Json, OnChange, Reason, Reference
from declarative.views.entries import APPEARANCES, Entry
from declarative.views.text import MORE, Line, Span, Tone, field_name, identity, line, value
from declarative.views.wrapping import prose

LATER = "(known after apply)"


_REASONS = {
    Reason.NEW: "new",
    Reason.EDITED: "edited in the manifests",
    Reason.DRIFTED: "changed in the cloud",
    Reason.NOT_REACHED: "not reached yet",
    Reason.IMPORTED: "imported before",
    Reason.MOVED: "the same object under a new address",
    Reason.REPLACED: "can't be changed in place",
    Reason.REQUESTED: "asked for by --replace",
    Reason.CREATION_FAILED: "its creation failed",
    Reason.BEING_DELETED: "its deletion has begun",
    Reason.GONE_FROM_MANIFESTS: "gone from the manifests",
    Reason.GONE_FROM_CLOUD: "gone from the cloud",
    Reason.DESTROY: "everything is to be destroyed",
}


# Where the reason alone would not say it.
_SAID = {
    (Action.ADOPT, Reason.NEW): "the service makes it with its instance",
    (Action.ADOPT, Reason.REPLACED): "its instance is replaced",
    (Action.DELETE, Reason.GONE_FROM_CLOUD): "gone from the cloud; pairs that came with it are left",
    (Action.FORGET, Reason.REPLACED): "it goes with its instance",
    (Action.UPDATE, Reason.REPLACED): "after it is replaced",
    (Action.DISABLE, Reason.REPLACED): "the group is replaced",
    (Action.DISABLE, Reason.REQUESTED): "the group is replaced",
}


def short_line(entry: Entry) -> Line:
    """An entry like those before it, which have told the reason: of what ends its id, and its name if it is another."""
    symbol, tone = APPEARANCES[entry.verb]
    facts = dict(_identity(entry)) if entry.verb in ENDS else {}
    told = identity(str(facts["id"])) if facts.get("id") else ""
    if facts.get("name") not in (None, entry.step.address.name):
        told += f" {value(facts['name'])}"
    return (
        Span(f"{symbol:>5} {entry.verb} ", tone),
        Span(target_words(entry), Tone.STRONG),
        Span(f"  {told.strip()}" if told else "", Tone.FAINT),
    )


def more_line(first: Entry, last: Entry, count: int) -> Line:
    symbol, tone = APPEARANCES[first.verb]
    return (
        Span(f"{symbol:>5} {first.verb} {count:,} more, ", tone),
        Span(f"{target_words(first)} … {target_words(last)}", Tone.STRONG),
        Span(f"  ({reason_words(first)}; {MORE})", Tone.FAINT),
    )


def entry_lines(entry: Entry, written: str = "", *, with_leaves: bool = True) -> Iterator[Line]:
    """Yield a step, or a replacement, with its fields. `written`: the file that still speaks of what is deleted.

    `with_leaves`: and what stays behind, unless the impact tells it.
    """
    yield entry_line(entry, written)
    yield from _change_lines(entry)
    for one in entry.leaves if with_leaves else ():
        yield prose(f"        stays behind and is still billed: {shown(one)}", Tone.CHANGE)


def reason_words(entry: Entry) -> str:
    """Why a step is in the plan, in words."""
    return _SAID.get((entry.step.action, entry.step.reason), _REASONS[entry.step.reason])


def target_words(entry: Entry) -> str:
    """The address of a step; of a move, from where to where."""
    step = entry.step
    return f"{step.source} → {step.address}" if step.action is Action.MOVE and step.source else str(step.address)


def entry_line(entry: Entry, written: str) -> Line:
    symbol, tone = APPEARANCES[entry.verb]
    reason = reason_words(entry)
    if written and entry.step.reason is Reason.GONE_FROM_MANIFESTS:
        reason += f"; stands in {shown(written)}, which is left out"
    return (
        Span(f"{symbol:>5} {entry.verb} ", tone),
        Span(target_words(entry), Tone.STRONG),
        Span(f"  ({reason})", Tone.FAINT),
    )


def field_rows(entry: Entry) -> Iterator[tuple[str, Line]]:
    """Yield each field that a reader is shown of a step, with what becomes of it; of what ends, its id and name."""
    born = entry.verb in ("create", "adopt")
    for change in entry.changes:
        if not (born and change.new is None and change.new_known):
            told = _sides(change, born=born, new=_coming(entry, change))
            yield field_name(change.field), (*told, *_forcing(entry, change))
    if entry.verb in ENDS:
        yield from ((label, (Span(value(text)),)) for label, text in _identity(entry))


ENDS = ("delete", "forget")


def _identity_words(entry: Entry) -> str:
    return ", ".join(f"{label} {value(text)}" for label, text in _identity(entry))


def _identity(entry: Entry) -> list[tuple[str, Json]]:
    resource = entry.step.resource
    name = resource.attributes.get("name", resource.inputs.get("name"))
    return [(label, text) for label, text in (("id", resource.id), ("name", name)) if text]


def _change_lines(entry: Entry) -> Iterator[Line]:
    born = entry.verb in ("create", "adopt")
    changes = [change for change in entry.changes if not (born and change.new is None and change.new_known)]
    width = max((len(change.field) for change in changes), default=0)
    for change in changes:
        told = change_line(change, width=min(width, 40), born=born, new=_coming(entry, change))
        yield (*told, *_forcing(entry, change))
    if entry.verb in ENDS:
        yield line(f"        {_identity_words(entry)}", Tone.FAINT)


def _coming(entry: Entry, change: Change) -> str:
    """The value after, in words; for an id that only the run will tell, whose it is."""
    if change.new_known:
        return side(change.new)
    coming = entry.step.resource.inputs.get(change.field)
    return f"(known after apply: {coming.attribute} of {coming.address})" if isinstance(coming, Reference) else LATER


def _forcing(entry: Entry, change: Change) -> Line:
    """Mark a field whose change forces a replacement."""
    kind = KINDS.get(entry.step.address.kind) if entry.verb == "replace" else None
    known = kind.fields.get(change.field) if kind else None
    forces = known is not None and known.on_change is OnChange.REPLACE
    return (Span("  (forces a new object)", Tone.FAINT),) if forces else ()


def change_line(change: Change, *, width: int, born: bool, new: str) -> Line:
    return Span(f"        {field_name(change.field):<{width}}  ", Tone.FAINT), *_sides(change, born=born, new=new)


def _sides(change: Change, *, born: bool, new: str) -> Line:
    if born:
        return (Span(new, Tone.ADD),)
    return Span(side(change.old), Tone.REMOVE), Span(" → "), Span(new, Tone.ADD)


def side(content: Json) -> str:
    return "(unset)" if content is None else value(content)


def change_lines(changes: Sequence[Change]) -> list[Line]:
    """One line for each field: the value before, and after."""
    width = min(max((len(change.field) for change in changes), default=0), 40)
    return [change_line(change, width=width, born=False, new=side(change.new)) for change in changes]
