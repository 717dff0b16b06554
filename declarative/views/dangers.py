"""What a plan needs a person for: its dangers, and what to have ready elsewhere. What is equal is said once."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from declarative.errors import shown
from declarative.kinds import KINDS
from declarative.model import Action, Address, Danger, DangerClass, Hint, Plan, Step
from declarative.planner.consents import POLICIES, Unconsented, accepting, allow_words, takes_consent
from declarative.planner.losses import called
from declarative.views.text import MORE, Line, Span, Tone, identity, line, listing, many
from declarative.views.wrapping import Prose, prose

WHOLE = "the plan as a whole"
_MANY_WORDS = 5  # more options than that are worth a shorter way
_LISTED = 20  # equal prerequisites that are listed before the rest is counted


# ---------------------------------------------------------------- dangers


@dataclass(frozen=True, slots=True)
class DangerGroup:
    """Dangers that say the same of several objects. `message`: of one its own words, of several what they share."""

    cls: DangerClass
    addresses: Sequence[Address | None]
    message: str
    is_lacking: bool

    @property
    def subjects(self) -> list[str]:
        """Whom it concerns."""
        return [str(one) if one else WHOLE for one in self.addresses]

    @property
    def has_no_way(self) -> bool:
        """True when nobody can consent to it."""
        return bool(POLICIES[self.cls].way_out)


def danger_groups(plan: Plan, missing: Iterable[Danger]) -> list[DangerGroup]:
    """The dangers by what they say, those without a consent (`missing`) first. What is withheld is told elsewhere."""
    lacking, steps = frozenset(missing), _by_address(plan.steps)
    found: dict[tuple[bool, DangerClass, str], list[Danger]] = {}
    for one in plan.dangers:
        if one.cls is not DangerClass.DR_IN_PROGRESS:
            found.setdefault((one in lacking, one.cls, _shared(one, steps)), []).append(one)
    groups = [
        DangerGroup(cls, [one.address for one in some], some[0].message if len(some) == 1 else words, lacks)
        for (lacks, cls, words), some in found.items()
    ]
    return sorted(groups, key=lambda group: not group.is_lacking)


def _by_address(steps: Iterable[Step]) -> dict[Address, list[Step]]:
    found: dict[Address, list[Step]] = {}
    for step in steps:
        if step.action in (Action.DELETE, Action.FORGET, Action.DISABLE):
            found.setdefault(step.address, []).append(step)
    return found


def _shared(danger: Danger, steps: Mapping[Address, Sequence[Step]]) -> str:
    """What a danger says, without the name and the ids of its own object, which the list beside it names."""
    message = danger.message
    for step in steps.get(danger.address, ()) if danger.address is not None else ():
        kind = KINDS.get(step.address.kind)
        if kind is None:
            continue
        for seen in (step.before, step.resource.attributes):
            message = message.replace(called(kind, step.resource, seen), kind.noun)
            message = message.replace(kind.words.lost(seen), kind.words.lost({}))
    return message


def danger_lines(plan: Plan, missing: Sequence[Danger], *, full: bool, paste: bool, fixed: bool) -> Iterator[Line]:
    """Yield the dangers: those without a consent with all whom they concern, of the others how many there are.

    `full`: all of them; `paste`: also the options that accept them; `fixed`: the plan is a saved one. A hint stands
    behind the last danger of its address.
    """
    hints: dict[Address, list[Hint]] = {}
    for hint in plan.hints:
        hints.setdefault(hint.address, []).append(hint)
    groups = danger_groups(plan, missing)
    last = {address: group for group in groups for address in group.addresses if address is not None}
    accepted: Counter[str] = Counter()
    for group in groups:
        if group.is_lacking or full:
            yield from _danger(group)
        else:
            accepted[group.cls.value] += len(group.addresses)
        for address in group.addresses:
            if address is not None and last[address] is group:
                yield from (told for hint in hints.pop(address, ()) for told in _hint(hint))
    if accepted:
        counts = ", ".join(f"{count:,} {cls}" for cls, count in accepted.items())
        verb = "is" if accepted.total() == 1 else "are"
        told = f"    {many(accepted.total(), 'danger')} {verb} consented to: {counts} ({MORE})"
        yield line(told, Tone.FAINT)
    yield from (told for some in hints.values() for hint in some for told in _hint(hint))
    if paste:
        yield from paste_lines(missing, fixed=fixed, indent="    ")


def _danger(group: DangerGroup) -> Iterator[Line]:
    count, consented = len(group.addresses), Span("" if group.is_lacking else "  (consented to)", Tone.FAINT)
    cls = Span(f"    ! {group.cls.value}", Tone.REMOVE)
    if count == 1:
        (address,) = group.addresses
        subject = Span(f" {address}" if address else "", Tone.STRONG)
        yield Prose((cls, subject, Span(f": {shown(group.message)}"), consented))
    else:
        yield Prose((cls, Span(f" {many(count, 'object')}", Tone.STRONG), Span(f": {shown(group.message)}"), consented))
        yield from listing(group.subjects)
    if group.is_lacking and group.has_no_way:
        yield line("        no option overrides this")


def _hint(hint: Hint) -> Iterator[Line]:
    yield prose(f"        {shown(hint.message)}:")
    for source, target in hint.moves:
        yield line(f"          declarative state mv {shlex.quote(str(source))} {shlex.quote(str(target))}")


# ---------------------------------------------------------------- consents


def paste_lines(missing: Sequence[Danger], *, fixed: bool, indent: str = "") -> Iterator[Line]:
    """Yield what to paste to accept dangers, in the fewest words that cover these and no others."""
    consents = accepting(missing, fixed=fixed)
    if not consents:
        return
    others = "the others, once that is put right" if not all(map(takes_consent, missing)) else "them"
    yield line(f"{indent}To accept {others if len(missing) > 1 else 'it'}, add:")
    yield line(f"{indent}  {allow_words(consents)}")
    if len(consents) > _MANY_WORDS:
        short = allow_words(accepting(missing, fixed=True))
        yield line(f"{indent}Or keep the plan with -o FILE; then `declarative apply FILE` takes fewer words:")
        yield line(f"{indent}  {short}")


def refusal_lines(refused: Unconsented) -> Iterator[Line]:
    """Yield why nothing is applied and what accepts it, in one block: a line for each class of danger."""
    yield prose(f"error: {refused.summary}.", Tone.REMOVE)
    classes: dict[DangerClass, int] = {}
    for danger in refused.dangers:
        classes[danger.cls] = classes.get(danger.cls, 0) + 1
    width = max(len(cls.value) for cls in classes)
    for cls, count in classes.items():
        policy = POLICIES[cls]
        what = WHOLE if policy.whole_plan else many(count, "object")
        way_out = f": no option overrides this. {policy.way_out}" if policy.way_out else ""
        yield line(f"  {cls.value:<{width}}  {what}{way_out}")
    yield from paste_lines(refused.dangers, fixed=refused.fixed)


# ---------------------------------------------------------------- what to have ready


@dataclass(frozen=True, slots=True)
class PrerequisiteGroup:
    """What must be ready for several steps, in one sentence. `subjects`: addresses, or ids that may open a line."""

    sentence: str
    subjects: Sequence[str]


def prerequisite_groups(plan: Plan) -> list[PrerequisiteGroup]:
    """What other services must have ready: each sentence once, with all that it is about."""
    inputs = {step.address: step.resource.inputs for step in plan.steps if step.action is Action.CREATE}
    found: dict[tuple[str, str], list[tuple[str, Address, str]]] = {}
    for one in plan.prerequisites:
        noun, subject, rest = "", "", one.message
        kind = KINDS.get(one.address.kind)
        for field, word in kind.words.key_words.items() if kind is not None else ():
            own = str(inputs.get(one.address, {}).get(field))
            if rest.startswith(f"{word} {own} "):
                noun, subject, rest = word, own, rest.removeprefix(f"{word} {own} ")
                break
        found.setdefault((noun, rest), []).append((subject, one.address, one.message))
    return [_prerequisites(noun, rest, some) for (noun, rest), some in found.items()]


def _prerequisites(noun: str, rest: str, some: Sequence[tuple[str, Address, str]]) -> PrerequisiteGroup:
    if len(some) == 1:
        ((_, address, message),) = some
        return PrerequisiteGroup(shown(message), [str(address)])
    if noun:
        return PrerequisiteGroup(shown(f"each {noun} {rest}"), [identity(subject) for subject, _, _ in some])
    return PrerequisiteGroup(shown(rest), [str(address) for _, address, _ in some])


def prerequisite_lines(plan: Plan, *, full: bool) -> Iterator[Line]:
    """Yield what other services must have ready."""
    for group in prerequisite_groups(plan):
        if len(group.subjects) == 1:
            yield prose(f"    ! {group.subjects[0]}: {group.sentence}", Tone.CHANGE)
        else:
            yield prose(f"    ! {group.sentence}:", Tone.CHANGE)
            yield from listing(group.subjects, most=None if full else _LISTED)
