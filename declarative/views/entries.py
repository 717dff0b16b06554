"""Steps as a reader counts them: a delete and a create that together replace an object are one entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from declarative.model import Action, Change, Reason, Step
from declarative.views.text import Tone


@dataclass(frozen=True, slots=True)
class Entry:
    """One step, or a delete and a create that together replace an object. An address can have several.

    `leaves`: what stays behind, and is billed.
    """

    verb: str
    step: Step
    changes: tuple[Change, ...]
    leaves: tuple[str, ...] = ()


def entries(steps: Iterable[Step]) -> Iterator[Entry]:
    """The steps in order, a replacement once, where its create stands."""
    steps = tuple(steps)
    deleted = {step.address: step for step in steps if step.action is Action.DELETE}
    replaced = {step.address for step in steps if step.action is Action.CREATE} & deleted.keys()
    for step in steps:
        if step.address not in replaced or step.action not in (Action.CREATE, Action.DELETE):
            yield Entry(verb_of(step), step, step.changes, step.leaves)
        elif step.action is Action.CREATE:
            first = deleted[step.address]
            reason = first.reason if step.reason is Reason.REPLACED else step.reason
            yield Entry("replace", replace(step, reason=reason), first.changes or step.changes, first.leaves)


def verb_of(step: Step) -> str:
    """What a plan calls what a step does: its action, or `rename`."""
    renames = step.action is Action.UPDATE and [change.field for change in step.changes] == ["name"]
    return "rename" if renames else step.action.value


COSTLY = frozenset({"delete", "replace", "disable"})  # verbs of entries that are never counted instead of shown


def alike(entry: Entry) -> object:
    """What entries have in common that say the same of different objects."""
    step = entry.step
    return entry.verb, step.action, step.reason, step.address.kind, tuple(change.field for change in entry.changes)


APPEARANCES = {
    "create": ("+", Tone.ADD),
    "update": ("~", Tone.CHANGE),
    "rename": ("~", Tone.CHANGE),
    "replace": ("-/+", Tone.REMOVE),
    "delete": ("-", Tone.REMOVE),
    "enable": ("~", Tone.CHANGE),
    "disable": ("~", Tone.REMOVE),
    "adopt": ("?", Tone.CHANGE),
    "forget": ("x", Tone.CHANGE),
    "move": (">", Tone.CHANGE),
    "record": ("#", Tone.FAINT),
}


# What is done while a step runs, and what it has come to: the plan's verb in its two other forms.
GERUNDS = {
    "create": "creating",
    "update": "updating",
    "rename": "renaming",
    "replace": "creating the replacement",
    "delete": "deleting",
    "remove": "deleting, to be replaced",
    "enable": "enabling",
    "disable": "disabling",
    "adopt": "adopting",
    "forget": "forgetting",
    "move": "moving",
    "record": "recording",
}
PARTICIPLES = {
    "create": "created",
    "update": "updated",
    "rename": "renamed",
    "replace": "replaced",
    "delete": "deleted",
    "remove": "deleted, to be replaced,",
    "enable": "enabled",
    "disable": "disabled",
    "adopt": "adopted",
    "forget": "forgotten",
    "move": "moved",
    "record": "recorded",
}


def verbs(steps: Iterable[Step]) -> dict[str, str]:
    """The verb of each step by its id, as a plan names it; the two of a replacement are `remove` and `replace`."""
    steps = tuple(steps)
    deleted = {step.address for step in steps if step.action is Action.DELETE}
    replaced = {step.address for step in steps if step.action is Action.CREATE} & deleted
    halves = {Action.DELETE: "remove", Action.CREATE: "replace"}
    return {
        step.id: halves[step.action] if step.address in replaced and step.action in halves else verb_of(step)
        for step in steps
    }


def tally(steps: Iterable[Step]) -> list[tuple[str, int]]:
    counts = Counter(entry.verb for entry in entries(steps))
    return [(verb, counts[verb]) for verb in APPEARANCES if counts[verb]]
