"""Consents: the table of danger classes and everything that reads it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from declarative.errors import ConsentMissing, Diagnostic, UsageError, did_you_mean, visible
from declarative.model import EXAMPLE, Address, Consent, Danger, DangerClass, Plan

OPTION: Final = "option"
DESTROY: Final = "destroy"
PROMPT: Final = "prompt"


def _never(danger: Danger) -> bool:
    return False


def _always(danger: Danger) -> bool:
    return True


def _unless_it_costs_protection(danger: Danger) -> bool:
    return not danger.loses_protection


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a class of danger takes for a consent. An option (`--allow`) gives it, unless there is a `way_out` instead.

    `whole_plan`: it concerns the plan as a whole, so a consent names no address. `of_members`: a group's consent covers
    the members that are recorded in it. `by_destroy`: who destroys consents.
    `by_yes`: of which of its dangers a person's yes consents to; `doing`: to what, in words. `stops`: without a consent
    nothing of the plan is done.
    """

    whole_plan: bool = False
    by_destroy: bool = False
    of_members: bool = False
    by_yes: Callable[[Danger], bool] = _never
    doing: str = ""
    way_out: str = ""
    stops: bool = True


POLICIES: Final[Mapping[DangerClass, Policy]] = MappingProxyType(
    {
        DangerClass.DELETE: Policy(by_destroy=True, by_yes=_always, doing="deleting", of_members=True),
        DangerClass.REPLACE: Policy(by_yes=_unless_it_costs_protection, doing="replacing", of_members=True),
        DangerClass.DUPLICATE: Policy(),
        DangerClass.UNPROTECT: Policy(by_destroy=True),
        DangerClass.MASS_DELETE: Policy(whole_plan=True, by_destroy=True),
        DangerClass.MASS_VANISHED: Policy(whole_plan=True),
        DangerClass.EMPTY_MANIFESTS: Policy(whole_plan=True, by_destroy=True),
        DangerClass.PREVENT_DESTROY: Policy(way_out="Set lifecycle.prevent_destroy to false and apply that first."),
        # Its steps are withheld already, and all others may go on.
        DangerClass.DR_IN_PROGRESS: Policy(
            way_out="End the disaster recovery first. It does not hold up the other objects.", stops=False
        ),
    }
)

DESTROY_CONSENTS: Final = tuple(Consent(cls, by=DESTROY) for cls, policy in POLICIES.items() if policy.by_destroy)


def takes_consent(danger: Danger) -> bool:
    """False for a danger that no consent covers."""
    return not POLICIES[danger.cls].way_out


def is_possible(consent: Consent) -> bool:
    """True when somebody may have given the consent in this way to at least some dangers of its class."""
    policy = POLICIES[consent.cls]
    if policy.way_out or (policy.whole_plan and consent.address is not None):
        return False
    if consent.by == DESTROY:
        return policy.by_destroy and consent.address is None
    return consent.by == OPTION or policy.by_yes is not _never


# ---------------------------------------------------------------- giving


def parse_consent(text: str) -> Consent:
    """Read `CLASS` or `CLASS:ADDRESS`, as `--allow` takes it. Raises UsageError when it is none, or can't be given."""
    word, colon, address = text.partition(":")
    try:
        cls = DangerClass(word)
    except ValueError as error:
        known = [one.value for one, policy in POLICIES.items() if not policy.way_out]
        hint = did_you_mean(word, known) or f"Known: {', '.join(known)}."
        raise UsageError(f"'{visible(word, limit=80)}' is not a danger class", hint) from error
    policy = POLICIES[cls]
    if policy.way_out:
        raise UsageError(f"{cls.value} takes no consent", policy.way_out)
    if not colon:
        return Consent(cls)
    if policy.whole_plan:
        raise UsageError(f"{cls.value} applies to the plan as a whole", f"Write {cls.value} without an address.")
    try:
        return Consent(cls, Address.parse(address))
    except ValueError as error:
        summary = f"'{visible(address, limit=80)}' is not an address: {error}"
        raise UsageError(summary, f"For example delete:{EXAMPLE}.") from error


def classes_in_words() -> str:
    """The classes that `--allow` takes, in one sentence for a help text."""
    of_one = [cls.value for cls, policy in POLICIES.items() if not policy.way_out and not policy.whole_plan]
    of_all = [cls.value for cls, policy in POLICIES.items() if not policy.way_out and policy.whole_plan]
    return (
        f"CLASS is {_either(of_one)}, optionally of one ADDRESS, as in delete:{EXAMPLE}; or"
        f" {_either(of_all)}, for the plan as a whole."
    )


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def agreed(plan: Plan) -> Plan:
    """Return the plan with the consents that a person gives who has seen it and said yes."""
    given = [Consent(one.cls, one.address, PROMPT) for one in unconsented(plan) if POLICIES[one.cls].by_yes(one)]
    return with_consents(plan, given) if given else plan


def with_consents(plan: Plan, consents: Iterable[Consent]) -> Plan:
    """Return the plan with further consents; of two for the same thing the first stays."""
    return replace(plan, consents=merged(plan.consents, consents))


def merged(*groups: Iterable[Consent]) -> tuple[Consent, ...]:
    """Return the consents of all groups in order, each class and address once."""
    first: dict[tuple[DangerClass, Address | None], Consent] = {}
    for consents in groups:
        for consent in consents:
            first.setdefault((consent.cls, consent.address), consent)
    return tuple(first.values())


# ---------------------------------------------------------------- missing


def unconsented(plan: Plan) -> tuple[Danger, ...]:
    """Return the dangers that stand against applying the plan: those that no consent of it covers."""
    given = {(consent.cls, consent.address): consent for consent in plan.consents if is_possible(consent)}

    def covered(danger: Danger) -> bool:
        subjects = (None, danger.address, danger.group if POLICIES[danger.cls].of_members else None)
        found = (given.get((danger.cls, subject)) for subject in subjects)
        return any(consent is not None and _covers(consent, danger, plan) for consent in found)

    return tuple(danger for danger in plan.dangers if POLICIES[danger.cls].stops and not covered(danger))


def _covers(consent: Consent, danger: Danger, plan: Plan) -> bool:
    if consent.by == PROMPT:
        return POLICIES[danger.cls].by_yes(danger)
    return consent.by != DESTROY or plan.basis.destroy


class Unconsented(ConsentMissing):
    """Dangers of a plan that lack a consent: one finding each, with the option to add.

    `fixed`: the plan is a saved one.
    """

    def __init__(self, dangers: Sequence[Danger], *, fixed: bool = False) -> None:
        count = len(dangers)
        what = "1 danger that needs" if count == 1 else f"{count} dangers that need"
        super().__init__(f"nothing was changed: the plan has {what} your consent")
        self.dangers, self.fixed = tuple(dangers), fixed

    def diagnostics(self) -> Sequence[Diagnostic]:
        return (
            Diagnostic(self.summary, id=self.id),
            *(Diagnostic(*_demand(one), id="danger-without-consent") for one in self.dangers),
        )


def _demand(danger: Danger) -> tuple[str, str]:
    """Return a danger as a finding's summary and fix."""
    subject = f" {danger.address}" if danger.address else ""
    what = f"{danger.cls.value}{subject}: {danger.message}"
    if takes_consent(danger):
        return what, f"To accept it, add: {allow_option(danger)}"
    return what, f"No option overrides this. {POLICIES[danger.cls].way_out}"


def allow_option(danger: Danger) -> str:
    """Return the option that consents to only this danger, ready to paste into a shell."""
    return allow_words([Consent(danger.cls, danger.address)])


def accepting(dangers: Iterable[Danger], *, fixed: bool = False) -> tuple[Consent, ...]:
    """Return the fewest consents that cover these dangers, and nothing that a later plan may hold beside them.

    They name addresses; that of a group stands for its members, where it is among the dangers itself. `fixed`: the plan
    is a saved one, which stays as it is, so that of several in a class the class alone says the same.
    """
    by_class: dict[DangerClass, dict[Address | None, Danger]] = {}
    for danger in dangers:
        if takes_consent(danger):
            by_class.setdefault(danger.cls, {}).setdefault(danger.address, danger)
    found: list[Consent] = []
    for cls, some in by_class.items():
        covers = some.keys() if POLICIES[cls].of_members else ()
        own = [address for address, danger in some.items() if danger.group is None or danger.group not in covers]
        found += [Consent(cls)] if fixed and len(own) > 1 else [Consent(cls, address) for address in own]
    return tuple(found)


def allow_words(consents: Iterable[Consent]) -> str:
    """Return the options for these consents, ready to paste into a shell."""
    return " ".join(f"--allow {shlex.quote(str(one))}" for one in consents)


def given_by_yes(plan: Plan) -> str:
    """What a yes to the plan also consents to, e.g. `deleting 2 objects`; "" when to nothing."""
    counts: dict[str, int] = {}
    for danger in unconsented(plan):
        policy = POLICIES[danger.cls]
        if policy.by_yes(danger):
            counts[policy.doing] = counts.get(policy.doing, 0) + 1
    return " and ".join(f"{doing} {count} object{'' if count == 1 else 's'}" for doing, count in counts.items())
