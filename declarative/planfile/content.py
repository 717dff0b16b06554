"""What a plan would do, whenever and by whomever it is made: the part of it that a review is of. Pure.

The content digest covers the steps, the dangers, the binding and the desired view. It leaves out when the plan was made
and from which serial, who consents, and what was only seen: of two plans of one change, each made with credentials of
its own, both have the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping

from declarative import codec
from declarative.errors import visible
from declarative.kinds import KINDS
from declarative.model import (
    Action,
    Address,
    Danger,
    DangerClass,
    Json,
    Plan,
    Reference,
    Resource,
    Review,
    Step,
)
from declarative.planfile.writing import write_changes, write_input, write_step
from declarative.planner.steps import step_id

FORMAT = "declarative.content/1"

_MAKES = (Action.CREATE, Action.ADOPT)
_CHANGES = (Action.UPDATE, Action.RECORD)

canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, check_circular=False
).encode


def content_digest(plan: Plan) -> str:
    """Return the SHA-256, in hex, of what the plan would do."""
    return _sha256(
        {
            "format": FORMAT,
            "basis": _basis(plan),
            "steps": [_content(step) for step in plan.steps],
            "dangers": [
                [one.cls.value, str(one.address or ""), str(one.group or ""), one.loses_protection]
                for one in plan.dangers
            ],
            "withheld": [[one.action.value, str(one.address)] for one in plan.withheld],
            "output_changes": write_changes(plan.output_changes),
        }
    )


def _sha256(value: Json) -> str:
    return hashlib.sha256(canonical(value).encode("ascii")).hexdigest()


def _basis(plan: Plan) -> dict[str, Json]:
    basis = plan.basis
    return {
        "stack": basis.stack,
        "environment": basis.environment,
        "desired": basis.desired,
        "binding": codec.write_binding(basis.binding),
        "destroy": basis.destroy,
        "refresh_only": basis.refresh_only,
    }


def _content(step: Step) -> dict[str, Json]:
    """A step without what was only seen of its object."""
    written = write_step(step)
    del written["before"]
    written.pop("disks", None)
    del written["resource"]["attributes"]
    return written


# ---------------------------------------------------------------- what is left of a reviewed plan


def review_of(plan: Plan) -> Review:
    """Return what the state keeps of a reviewed plan, so that what is left of it can be told from anything else."""
    return Review(
        content_digest(plan),
        _sha256(_basis(plan)),
        _Marks(plan.steps, {}).of_all(),
        tuple(sorted(map(_danger, _grave(plan)))),
    )


def unreviewed(plan: Plan, review: Review, *, done: Collection[str], recorded: Mapping[Address, Resource]) -> list[str]:
    """Return what the plan would do that is no reviewed step, in words; [] for what is left of the reviewed plan.

    `done`: the ids of the reviewed steps that have ended well, which the state `recorded` shows.
    """
    if _sha256(_basis(plan)) != review.basis:
        return ["the manifests, their variables, the project or the endpoint have changed since the review"]
    made = {
        resource.id: address
        for address, resource in recorded.items()
        if any(step_id(action, address) in done for action in _MAKES)
    }
    marks = _Marks(plan.steps, made).of_all()
    known = {*review.dangers, *(one.removesuffix(_LOSS) for one in review.dangers)}  # less than reviewed is no more
    return [
        *(told for step in plan.steps for told in _strange(step, marks[step.id], review, done)),
        *(f"this danger was not reviewed: {visible(one)}" for one in map(_danger, _grave(plan)) if one not in known),
    ]


def _strange(step: Step, marks: Mapping[str, str], review: Review, done: Collection[str]) -> Iterator[str]:
    reviewed = review.steps.get(step.id)
    if reviewed is None and step.action is Action.RECORD:  # of an update whose calls were made
        reviewed = review.steps.get(step_id(Action.UPDATE, step.address))
    if reviewed is None:
        yield f"{step.id} was not reviewed"
    elif step.id in done:
        yield f"{step.id} is already done, and would be done again"
    elif any(reviewed.get(name) != mark for name, mark in marks.items()):
        yield f"{step.id} would not be done as reviewed"


def _grave(plan: Plan) -> Iterator[Danger]:
    """The dangers that need a consent; a disaster recovery that has begun only takes steps away."""
    return (one for one in plan.dangers if one.cls is not DangerClass.DR_IN_PROGRESS)


def _danger(danger: Danger) -> str:
    return (
        f"{danger.cls.value}{f':{danger.address}' if danger.address else ''}{_LOSS if danger.loses_protection else ''}"
    )


_LOSS = ", which stops running protection"


class _Marks:
    """What the steps of one plan would do, as digests: by field where a killed run may have changed some, else as one.

    What the plan itself makes, or has made already (`made`: addresses by id), has no id in it, whether that is known
    by now or not: where it is named, the address stands for it, and its own create or adoption tells what it is.
    """

    def __init__(self, steps: Collection[Step], made: Mapping[str, Address]) -> None:
        self._steps = steps
        self._made = made
        self._coming = {step.address for step in steps if step.action in _MAKES} | set(made.values())

    def of_all(self) -> dict[str, dict[str, str]]:
        """The marks of each step by its id; "" is the step as a whole."""
        return {step.id: self._of(step) for step in self._steps}

    def _of(self, step: Step) -> dict[str, str]:
        resource = step.resource
        own = "" if step.address in self._coming and step.action is not Action.DELETE else resource.id
        whole: dict[str, Json] = {"source": str(step.source or ""), "object": own}
        if step.action in _CHANGES:
            return {"": _sha256(whole), **{name: _sha256(value) for name, value in self._news(step)}}
        if step.action in _MAKES:
            whole["inputs"] = {name: self._input(step, name) for name in resource.inputs}
            whole["prevent_destroy"] = resource.lifecycle.prevent_destroy
        elif step.action is Action.DELETE:
            call = KINDS[step.address.kind].calls.delete(resource.id, resource.inputs)
            whole["call"] = [call.method, call.path, call.body]
        return {"": _sha256(whole)}

    def _news(self, step: Step) -> Iterator[tuple[str, Json]]:
        """Yield each field that would change, whole, with its value then."""
        for change in step.changes:
            name = change.field.partition(".")[0]  # of tags, there is a change of each
            if name in step.resource.inputs:
                yield name, self._input(step, name)
            else:
                yield change.field, change.new

    def _input(self, step: Step, name: str) -> Json:
        value = step.resource.inputs[name]
        names = {target.field for target in KINDS[step.address.kind].relations.refers.values()}
        if name in names and isinstance(value, str) and value in self._made:
            value = Reference(self._made[value])
        return write_input(value)
