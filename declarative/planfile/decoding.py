"""The JSON document of a plan back into a plan, strictly: a value of another shape than we write is a ValueError."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

from declarative.codec import read_address, read_binding, read_resource
from declarative.errors import Diagnostic, Position, Severity
from declarative.kinds import KINDS
from declarative.model import (
    Action,
    Address,
    Basis,
    Change,
    Consent,
    Danger,
    DangerClass,
    Drift,
    Hint,
    Json,
    OpenOperation,
    Output,
    Plan,
    Prerequisite,
    Reason,
    Reference,
    Resource,
    Step,
    Withheld,
)
from declarative.planner.consents import DESTROY, OPTION, is_possible
from declarative.planner.steps import step_id
from declarative.typed_json import array, boolean, mapping, number, text, texts, whole, word

Value = TypeVar("Value")
Word = TypeVar("Word", bound=StrEnum)

_ID = re.compile(r"[A-Za-z0-9_-]{0,64}")
# Of a kind without ids of its own: those of the two objects that it joins.
_JOINT_ID = re.compile(r"(?:[A-Za-z0-9_-]{1,64}/[A-Za-z0-9_-]{1,64})?")


def read_plan(document: Json) -> Plan:
    """Return the plan of a parsed document. The caller checks for unknown members.

    Raises ValueError for a member that is missing, of another type or out of range, and for steps that don't fit
    together.
    """
    plan = Plan(
        basis=_basis(document),
        steps=_list(_step, document, "steps"),
        dangers=_list(_danger, document, "dangers"),
        hints=_list(_hint, document, "hints"),
        consents=_list(_consent, document, "consents"),
        withheld=_list(_withheld, document, "withheld"),
        drift=_list(_drift, document, "drift"),
        open=_list(_open, document, "open"),
        outputs=_list(_output, document, "outputs"),
        output_changes=_list(_change, document, "output_changes"),
        warnings=_list(_warning, document, "warnings"),
        prerequisites=_list(_prerequisite, document, "prerequisites"),
        max_deletes=whole(_member(document, "max_deletes"), "max_deletes", most=math.inf),
        timeouts=_timeouts(document),
    )
    _check_steps(plan.steps)
    if not plan.basis.destroy and any(consent.by == DESTROY for consent in plan.consents):
        raise ValueError("nothing is destroyed")
    return plan


def _check_steps(steps: tuple[Step, ...]) -> None:
    """Each step must be of a kind we know, under its own id, and wait only for steps before it.

    Else a run would wait for ever, or take one step for another.
    """
    before: set[str] = set()
    for step in steps:
        fits = step.address == step.resource.address and step.address.kind in KINDS
        fits = fits and step.id == step_id(step.action, step.address)
        if not fits or step.id in before or not before.issuperset(step.requires):
            raise ValueError(f"step {step.id} does not fit in")
        before.add(step.id)


# ---------------------------------------------------------------- values


def _member(document: Json, name: str) -> Json:
    """Return a member; None, which is of no type, where it is missing."""
    return mapping(document, "document").get(name)


def _text(document: Json, name: str) -> str:
    return text(_member(document, name), name)


def _flag(document: Json, name: str) -> bool:
    return boolean(_member(document, name), name)


def _count(document: Json, name: str) -> int:
    return whole(_member(document, name), name)


def _mapping(document: Json, name: str) -> Mapping[str, Json]:
    return mapping(_member(document, name), name)


def _list(read: Callable[[Json], Value], document: Json, name: str) -> tuple[Value, ...]:
    return tuple(array(_member(document, name), name, read))


def _texts(document: Json, name: str) -> tuple[str, ...]:
    return texts(_member(document, name), name)


def _address(document: Json, name: str = "address") -> Address:
    return read_address(_member(document, name))


def _maybe_address(document: Json, name: str = "address") -> Address | None:
    return None if _member(document, name) is None else _address(document, name)


def _word(words: type[Word], document: Json, name: str) -> Word:
    return word(_member(document, name), name, words)


# ---------------------------------------------------------------- members


def _basis(document: Json) -> Basis:
    documents, selectors = _mapping(document, "documents"), _mapping(document, "selectors")
    return Basis(
        stack=_text(document, "stack"),
        environment=_text(document, "environment"),
        desired=_text(document, "desired"),
        inputs=_mapping(document, "inputs"),
        binding=read_binding(_member(document, "binding")),
        lineage=_lineage(_text(document, "lineage")),
        serial=_count(document, "serial"),
        tool=_text(document, "tool"),
        created=_text(document, "created"),
        expires=_text(document, "expires"),
        destroy=_flag(document, "destroy"),
        refresh_only=_flag(document, "refresh_only"),
        refreshed=_flag(document, "refreshed"),
        documents=_count(documents, "count"),
        guarded=_list(read_address, documents, "prevent_destroy"),
        targets=_texts(selectors, "target"),
        excludes=_texts(selectors, "exclude"),
        replaces=_texts(selectors, "replace"),
    )


def _lineage(lineage: str) -> str:
    if not lineage or _ID.fullmatch(lineage) is None:
        raise ValueError("the lineage is malformed")
    return lineage


def _timeouts(document: Json) -> Mapping[str, float]:
    return {name: number(seconds, name) for name, seconds in _mapping(document, "timeouts").items()}


def _step(document: Json) -> Step:
    resource = _resource(_mapping(document, "resource"))
    return Step(
        id=_text(document, "id"),
        address=_address(document),
        action=_word(Action, document, "action"),
        reason=_word(Reason, document, "reason"),
        resource=resource,
        changes=_list(_change, document, "changes"),
        requires=_texts(document, "requires"),
        before=_mapping(document, "before"),
        source=_address(document, "source") if "source" in document else None,
        leaves=_texts(document, "leaves") if "leaves" in document else (),
        twins=_texts(document, "twins") if "twins" in document else (),
        disks=_sizes(document) if "disks" in document else {},
    )


def _sizes(document: Json) -> Mapping[str, int]:
    sizes = _mapping(document, "disks")
    return {one: _count(sizes, one) for one in sizes}


def _resource(document: Json) -> Resource:
    """A resource that isn't written in full, as plans have it, is found by the caller, who writes it again."""
    resource = read_resource(document)
    kind = KINDS.get(resource.address.kind)
    form = _JOINT_ID if kind is not None and kind.relations.identity is not None else _ID
    if form.fullmatch(resource.id) is None:
        raise ValueError("an id is malformed")
    return replace(resource, inputs={name: _input(value) for name, value in resource.inputs.items()})


def _input(value: Json) -> Json | Reference:
    if not isinstance(value, dict) or "ref" not in value:
        return value
    address = _address(value, "ref")
    return Reference(address, _text(value, "attribute")) if "attribute" in value else Reference(address)


def _change(document: Json) -> Change:
    return Change(
        _text(document, "field"), document.get("old"), document.get("new"), new_known=_flag(document, "new_known")
    )


def _danger(document: Json) -> Danger:
    return Danger(
        _word(DangerClass, document, "class"),
        _text(document, "message"),
        _maybe_address(document),
        _maybe_address(document, "group"),
        _flag(document, "loses_protection"),
    )


def _hint(document: Json) -> Hint:
    return Hint(_address(document), _text(document, "message"), _list(_shift, document, "moves"))


def _shift(document: Json) -> tuple[Address, Address]:
    return _address(document, "source"), _address(document, "target")


def _consent(document: Json) -> Consent:
    consent = Consent(_word(DangerClass, document, "class"), _maybe_address(document), _text(document, "by"))
    if consent.by not in (OPTION, DESTROY) or not is_possible(consent):
        raise ValueError("a plan can't be made with such a consent")
    return consent


def _withheld(document: Json) -> Withheld:
    return Withheld(_address(document), _word(Action, document, "action"), _text(document, "message"))


def _drift(document: Json) -> Drift:
    return Drift(_address(document), _list(_change, document, "changes"), gone=_flag(document, "gone"))


def _open(document: Json) -> OpenOperation:
    return OpenOperation(_address(document), _word(Action, document, "action"), _text(document, "message"))


def _output(document: Json) -> Output:
    return Output(_text(document, "name"), _list(_part, document, "parts"))


def _part(document: Json) -> Json | Reference:
    part = mapping(document, "parts")
    if "address" in part:
        return Reference(_address(part), _text(part, "attribute"))
    return part.get("value")


def _prerequisite(document: Json) -> Prerequisite:
    return Prerequisite(_address(document), _text(document, "message"))


def _warning(document: Json) -> Diagnostic:
    position = None
    if _member(document, "position") is not None:
        place = _mapping(document, "position")
        position = Position(_text(place, "file"), _count(place, "line"), _count(place, "column"))
    return Diagnostic(
        summary=_text(document, "summary"),
        fix=_text(document, "fix"),
        position=position,
        address=_text(document, "address"),
        severity=_word(Severity, document, "severity"),
        id=_text(document, "id") if "id" in document else "",  # plans made before findings had ids
    )
