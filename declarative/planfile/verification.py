"""A saved plan, verified anew where it is applied: by the state and a refresh, not by what its text says of itself.

Whoever can write the text can also write a digest that fits. So dangers are found again, ids are compared with what is
recorded or seen, and what the steps would send with what they show to a reviewer. Pure.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from declarative.errors import Diagnostic, PlanRefused, visible
from declarative.kinds import KINDS
from declarative.kinds.relations import BROUGHT, parts_of
from declarative.model import (
    Action,
    Address,
    Attributes,
    Danger,
    DangerClass,
    Kind,
    Observed,
    OpenOperation,
    Plan,
    Reference,
    Resource,
    Step,
)
from declarative.planfile.disclosure import hidden, untold_before
from declarative.planner.brought_pairs import with_what_stays
from declarative.planner.builder import PlanBuilder
from declarative.planner.claims import instances_of
from declarative.planner.comparison import Comparison, live_objects_of
from declarative.planner.dangers import Stakes, find_dangers
from declarative.planner.duplicates import UnmanagedObjects, with_twins
from declarative.planner.graph import WaitGraph, closure
from declarative.planner.links import with_links
from declarative.planner.losses import number
from declarative.planner.membership import Membership
from declarative.planner.moves import Key, known_key
from declarative.planner.withholding import withhold

_ENDS = (Action.DELETE, Action.FORGET)
_MAKES = (Action.CREATE, Action.ADOPT)
_SWITCHES = (Action.ENABLE, Action.DISABLE)
_CHANGES = (Action.UPDATE, Action.RECORD, Action.MOVE, *_SWITCHES)
# Within one address, what comes after what.
_AFTER = {
    Action.CREATE: _ENDS,
    Action.ADOPT: (Action.FORGET,),
    Action.UPDATE: (*_MAKES, Action.MOVE),
    Action.ENABLE: (*_MAKES, Action.UPDATE, Action.MOVE, Action.RECORD),
    Action.DELETE: (Action.DISABLE,),
}
_TOLD = 10


class PlanDiffers(PlanRefused):
    """A reviewed plan that isn't what would be planned, with each difference that could be told."""

    id = "plan-differs"

    def __init__(
        self,
        differences: Sequence[str],
        *,
        summary: str = "the plan is out of date or was edited; nothing was done",
        fix: str = "Plan again.",
    ) -> None:
        super().__init__(summary, fix)
        self.differences = tuple(dict.fromkeys(differences))

    def diagnostics(self) -> Sequence[Diagnostic]:
        more = len(self.differences) - _TOLD
        told = [*self.differences[:_TOLD], *([f"and {more} more differences"] if more > 0 else [])]
        return (Diagnostic(self.summary, self.fix, id=self.id), *(Diagnostic(one, id=self.id) for one in told))


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a saved plan is verified by.

    `finished`: ids of steps that an interrupted run of it has done; its text was judged when that began. `described`:
    the manifests are there, and it will be compared with a plan of them.
    """

    recorded: Mapping[Address, Resource]
    observed: Observed
    finished: Collection[str] = ()
    open: tuple[OpenOperation, ...] = ()
    described: bool = False

    @property
    def is_strict(self) -> bool:
        """True when the state is as the plan found it, so that planning again comes to the same, step for step."""
        return not self.finished and not self.open

    @property
    def doubts_words(self) -> bool:
        """True when nothing but the text says what its steps are."""
        return not self.finished and not (self.described and self.is_strict)


def verify(saved: Plan, circumstances: Circumstances) -> Plan:
    """Return the plan with the dangers that it has here and now, without the steps that have to be withheld meanwhile.

    Raises PlanDiffers when its text says less than it would do, names ids that aren't recorded or seen as it has them,
    or when something has come where it would create something.
    """
    case = _Case(saved, circumstances)
    if wrong := [*case.wrong_ids(), *case.unmanaged(), *(case.wrong_words() if circumstances.doubts_words else ())]:
        raise PlanDiffers(wrong)
    remaining = withhold(case.builder, case.planned(), case.membership)
    left = {step.id for steps in remaining.planned.values() for step in steps}
    steps = tuple(step for step in case.steps if step.id in left)
    withheld = (*saved.withheld, *(one for one in remaining.withheld if one not in saved.withheld))
    dangers = find_dangers(steps, withheld, case.stakes())
    if unsaid := unsaid_dangers(saved, dangers):
        raise PlanDiffers(unsaid)
    done = {step.id for step in saved.steps} & set(circumstances.finished)
    by_id = {step.id: step for step in steps}
    whole = tuple(by_id.get(step.id, step) for step in saved.steps if step.id in by_id or step.id in done)
    return replace(saved, steps=whole, dangers=dangers, withheld=withheld)


def unsaid_dangers(saved: Plan, dangers: Iterable[Danger]) -> list[str]:
    """The dangers that the plan's text does not name, in words; one of a disaster recovery that has begun is none."""
    said = {(danger.cls, danger.address) for danger in saved.dangers}
    return [
        f"the plan does not name this danger: {one.cls.value}{f' {one.address}' if one.address else ''}: {one.message}"
        for one in dangers
        if one.cls is not DangerClass.DR_IN_PROGRESS and (one.cls, one.address) not in said
    ]


# ---------------------------------------------------------------- beside a plan of the manifests


def refuse_other(saved: Plan, fresh: Plan, circumstances: Circumstances) -> None:
    """Raise PlanDiffers when planning again, by the manifests, comes to something else than the saved plan.

    Of a plan that was begun already, or beside an operation that is still open, only what would be created must come
    again: of the rest a part may have happened.
    """
    wrong = (
        list(_other_steps(saved, fresh))
        if circumstances.is_strict
        else list(_needless_creates(saved, fresh, circumstances))
    )
    if circumstances.is_strict and saved.outputs != fresh.outputs:
        wrong.append("the outputs differ")
    if wrong := [*wrong, *unsaid_dangers(saved, fresh.dangers)]:
        raise PlanDiffers(wrong)


def _held(plan: Plan) -> set[str]:
    return {f"{one.action.value}:{one.address}" for one in plan.withheld}


def _other_steps(saved: Plan, fresh: Plan) -> Iterator[str]:
    then, now = ({step.id: step for step in plan.steps} for plan in (saved, fresh))
    yield from (f"{one} is no longer needed" for one in sorted(then.keys() - now.keys() - _held(fresh)))
    yield from (
        f"{one} would be planned now, but is not in the plan" for one in sorted(now.keys() - then.keys() - _held(saved))
    )
    needs: dict[str, Collection[str]] = {step.id: step.requires for step in saved.steps}
    for step_id, step in then.items():
        if step_id not in now:
            continue
        if _content(step) != _content(now[step_id]) or now[step_id].before.keys() - step.before.keys():
            yield f"{step_id} would be planned differently now"
        missing = set(now[step_id].requires).difference(step.requires)
        reached: set[str] = closure((step_id,), needs) if missing else set()
        if missing := missing - reached:
            yield f"{step_id} does not wait for {', '.join(sorted(missing))}"


def _content(step: Step) -> tuple[object, ...]:
    given = step.resource
    changes = tuple((change.field, change.new, change.new_known) for change in step.changes)
    bound = (given.id, dict(given.inputs), given.lifecycle, given.depends_on)
    return (step.action, step.reason, step.source, step.leaves, changes, bound)


def _needless_creates(saved: Plan, fresh: Plan, circumstances: Circumstances) -> Iterator[str]:
    undecided = {one.address for one in circumstances.open}
    graph = WaitGraph({step.id: step.requires for step in saved.steps})
    waiting = graph.after(step.id for step in saved.steps if step.address in undecided)
    expected = {step.id for step in fresh.steps} | _held(fresh) | waiting | set(circumstances.finished)
    for step in saved.steps:
        if step.action is Action.CREATE and step.id not in expected:
            yield f"{step.id} is no longer needed"


class _Case:
    """The unfinished steps of a saved plan, beside what is recorded and seen."""

    def __init__(self, saved: Plan, circumstances: Circumstances) -> None:
        self._saved, self._circumstances = saved, circumstances
        self._recorded = circumstances.recorded
        self._open = {one.address for one in circumstances.open}
        todo = [step for step in saved.steps if step.id not in circumstances.finished]
        self._unmanaged = UnmanagedObjects(
            circumstances.observed.objects, circumstances.recorded.values(), circumstances.open
        )
        self._claimed = {step.id: step.twins for step in todo}
        self.steps = with_twins([self._resolved(step) for step in todo], self._unmanaged)
        self._moves = {step.address: step.source for step in todo if step.action is Action.MOVE and step.source}
        self._of: dict[Address, list[Step]] = {}
        for step in saved.steps:
            self._of.setdefault(step.address, []).append(step)
        self._todo = {step.id for step in todo}
        self._needs = {step.id: step.requires for step in saved.steps}
        self._by_key: dict[str, dict[Key, list[str]]] = {}
        self._brings = any(
            one.action is Action.CREATE and KINDS[one.address.kind].relations.makes for one in saved.steps
        )
        self.builder = self._builder()
        self.membership = Membership(self.builder)

    def _resolved(self, step: Step) -> Step:
        """The step with the ids of what this plan has made already."""
        known = {
            name: self._recorded[value.address].id
            for name, value in step.resource.inputs.items()
            if isinstance(value, Reference) and self._is_made(value.address)
        }
        return (
            replace(step, resource=replace(step.resource, inputs={**step.resource.inputs, **known})) if known else step
        )

    def _is_made(self, address: Address) -> bool:
        made = f"{Action.CREATE.value}:{address}" in self._circumstances.finished
        return made and address in self._recorded

    def _builder(self) -> PlanBuilder:
        wanted = [step for step in self.steps if step.action not in _ENDS]
        inputs: dict[Address, Attributes] = {step.address: step.resource.inputs for step in wanted}
        sources = {source: inputs[address] for address, source in self._moves.items() if address in inputs}
        observed = self._circumstances.observed
        live_objects = live_objects_of({**inputs, **sources}, self._recorded, observed, refreshed=True)
        comparison = Comparison({}, self._recorded, observed, inputs, {}, live_objects)
        return PlanBuilder(comparison, True, (), set(), planned=self.planned(), moves=dict(self._moves))

    def planned(self) -> dict[Address, tuple[Step, ...]]:
        """The unfinished steps by address, which wait for each other alone."""
        planned: dict[Address, list[Step]] = {}
        for step in self.steps:
            requires = tuple(one for one in step.requires if one in self._todo)
            planned.setdefault(step.address, []).append(replace(step, requires=requires))
        return {address: tuple(steps) for address, steps in planned.items()}

    def stakes(self) -> Stakes:
        basis, comparison = self._saved.basis, self.builder.comparison
        seen = {}
        for step in self.steps:
            live = comparison.live_objects.get(self.builder.source(step.address))
            if live is not None:
                seen[step.address] = live.attributes
        return Stakes(
            kinds=KINDS,
            guarded=frozenset(basis.guarded),
            documents=basis.documents,
            recorded=self._recorded,
            seen=seen,
            membership=self.membership,
            gone=sum(1 for live in comparison.live_objects.values() if live is None),
            max_deletes=self._saved.max_deletes,
            destroy=basis.destroy,
            refresh_only=basis.refresh_only,
        )

    # ------------------------------------------------------------ ids

    def wrong_ids(self) -> Iterator[str]:
        """Yield what steps name that is not recorded in this way, or does not exist."""
        for step in self.steps:
            if step.address in self._open:
                continue  # nothing is sent for it in this run
            held = self._recorded.get(self.builder.source(step.address))
            if step.action is Action.CREATE:
                yield from self._wrong_create(step, held)
            elif step.action is Action.ADOPT:
                yield from self._wrong_adoption(step, held)
            elif step.action in _ENDS:
                yield from self._wrong_end(step, held)
            else:
                yield from self._wrong_change(step, held)
            if step.disks != self._sizes_now(step):
                yield f"{step.id} misstates the sizes of what is copied again"

    def _sizes_now(self, step: Step) -> dict[str, int | None]:
        """The sizes that a step names, as they are seen; what isn't seen any more stays as it is."""
        pairs = self._circumstances.observed.objects.get(BROUGHT.name, {})
        return {
            one: number(pairs[one].get(BROUGHT.relations.size)) if one in pairs else size
            for one, size in step.disks.items()
        }

    def _wrong_create(self, step: Step, held: Resource | None) -> Iterator[str]:
        if step.resource.id:
            yield f"{step.id} names id {visible(step.resource.id)}, but its object does not exist yet"
        if (
            held is not None
            and self.builder.comparison.live_objects[held.address] is not None
            and not self._makes_way(step)
        ):
            yield f"{step.id} would drop the record of {visible(held.id)}, which still exists"

    def _makes_way(self, step: Step) -> bool:
        return any(one.action in _ENDS and one.id in self._todo for one in self._of[step.address])

    def _wrong_end(self, step: Step, held: Resource | None) -> Iterator[str]:
        given = step.resource
        if held is None or given.id != held.id:
            if not self._is_repair(step, held):
                yield from self._foreign(step, held)
        elif (given.inputs, given.lifecycle) != (held.inputs, held.lifecycle):
            yield f"{step.id} differs from what is recorded of its object"
        elif step.action is Action.DELETE and not self._tells_what_stays(step, held):
            yield f"{step.id} hides what stays behind and is still billed"
        if step.action is Action.FORGET and not self._may_forget(step):
            yield f"{step.id} would drop the record of {visible(given.id)}, which still exists"

    def _tells_what_stays(self, step: Step, held: Resource) -> bool:
        """True for a delete that says what stays behind, as a plan made now would."""
        plain = replace(step, leaves=KINDS[step.address.kind].words.leaves(held.inputs))
        if self._circumstances.finished:  # the rest was judged when the plan was begun
            return set(plain.leaves) <= set(step.leaves)
        pairs = self._circumstances.observed.objects.get(BROUGHT.name, {})
        others = (one for one in self.steps if one.id != step.id and one.address.kind == BROUGHT.name)
        return with_what_stays((plain, *others), self.builder.brought, pairs)[0].leaves == step.leaves

    def _is_repair(self, step: Step, held: Resource | None) -> bool:
        """True for a detach that the pair's status demands: of one that is made anew, or goes, in this plan."""
        kind, given = KINDS[step.address.kind], step.resource
        if (
            step.action is not Action.DELETE
            or held is not None
            or not kind.statuses.marks
            or kind.relations.identity is None
        ):
            return False
        ids = parts_of(kind, given.id)
        named = {target.kind: ids.get(target.field, "") for target in kind.relations.refers.values()}
        objects = self._circumstances.observed.objects
        marked = any(
            objects.get(name, {}).get(named[name], {}).get("status") in statuses
            for name, statuses in kind.statuses.marks.items()
        )
        goes = {(one.address.kind, one.resource.id) for one in self.steps if one.action is Action.DELETE}
        comes = [one for one in self.steps if one.action is Action.CREATE and one.address == step.address]
        return marked and (
            any((name, named[name]) in goes for name in kind.statuses.marks)
            or any(self._makes(one, given.id) for one in comes)
        )

    @staticmethod
    def _makes(step: Step, object_id: str) -> bool:
        """True for the create of an object that is named by its parts, when its parts give this id."""
        kind, inputs = KINDS[step.address.kind], step.resource.inputs
        known = all(isinstance(inputs.get(name), str) for name in kind.relations.natural_key)
        return kind.relations.identity is not None and known and kind.relations.identity(inputs) == object_id

    def _goes_along(self, step: Step) -> bool:
        """True for what is named by an object that this plan deletes."""
        parts = set(parts_of(KINDS[step.address.kind], step.resource.id).values())
        return any(one.action is Action.DELETE and one.resource.id in parts for one in self.steps)

    def _may_forget(self, step: Step) -> bool:
        """What is gone, or goes with its instance."""
        return (
            self.builder.comparison.live_objects.get(step.address) is None
            or step.resource.lifecycle.adopt
            or self._goes_along(step)
            or any(one.action is Action.ADOPT for one in self._of[step.address])
        )

    def _wrong_change(self, step: Step, held: Resource | None) -> Iterator[str]:
        earlier = itertools.takewhile(lambda one: one.id != step.id, self._of[step.address])
        made = [one for one in earlier if one.action in _MAKES]
        known = {held.id} if held is not None else set()
        known |= {one.resource.id for one in made if one.id in self._todo}
        if (step.resource.id not in known) if step.resource.id else not made:
            yield from self._foreign(step, held)

    @staticmethod
    def _foreign(step: Step, held: Resource | None) -> Iterator[str]:
        recorded = f"{visible(held.id)} is" if held is not None else "nothing is"
        yield f"{step.id} names {visible(step.resource.id) or 'no id'}, but {recorded} recorded at its address"

    # ------------------------------------------------------------ adoptions

    def _wrong_adoption(self, step: Step, held: Resource | None) -> Iterator[str]:
        kind, given = KINDS[step.address.kind], step.resource
        shown, key = self._circumstances.observed.objects.get(kind.name, {}), known_key(kind, given.inputs)
        if given.id:
            imported = held is not None and held.id == given.id
            found = shown.get(given.id)
            if not imported and (found is None or known_key(kind, found) != key or not self._is_child(step, given.id)):
                yield f"{step.id} names {visible(given.id)}, which did not come with an instance of this stack"
            return
        there = self._keyed(kind).get(key, ()) if key is not None else ()
        if not self._brings or not all(self._is_child(step, one) for one in there):
            yield f"{step.id} would adopt an object that does not come with an instance of this stack"

    def _is_child(self, step: Step, object_id: str) -> bool:
        """True for what is attached to an instance of ours, and recorded nowhere else unless it goes from there."""
        kind = step.address.kind
        owner = self.builder.owner(kind, object_id)
        if owner is not None:
            return owner == step.address or any(one.action in _ENDS for one in self._of.get(owner, ()))
        return bool(instances_of(self.builder, self._circumstances.observed.objects[kind][object_id]))

    # ------------------------------------------------------------ what has come meanwhile

    def unmanaged(self) -> Iterator[str]:
        """Yield objects that have appeared since the plan was made where a create would put its own."""
        for step in self.steps:
            if step.action is not Action.CREATE or step.address in self._open:
                continue
            kind = KINDS[step.address.kind]
            for one in [*self._come_by_name(step), *self._come_by_key(kind, step)]:
                take = f"`declarative import '{step.address}' {visible(one)}`"
                come_since = f"{kind.noun} {visible(one)} has appeared in its place since the plan was made"
                yield f"{step.id}: {come_since}; import it with {take}"

    def _come_by_name(self, step: Step) -> list[str]:
        return [one for one in step.twins if one not in self._claimed[step.id]]

    def _come_by_key(self, kind: Kind, step: Step) -> list[str]:
        """What has the natural key, but for what is recorded and what goes with an instance of ours."""
        key = known_key(kind, step.resource.inputs)
        there = self._keyed(kind).get(key, ()) if key is not None else ()
        return [one for one in there if self.builder.owner(kind.name, one) is None and not self._goes(kind, one)]

    def _goes(self, kind: Kind, object_id: str) -> bool:
        homes = instances_of(self.builder, self._circumstances.observed.objects[kind.name][object_id])
        return bool(homes) and all(self.builder.is_leaving(home) for home in homes)

    def _keyed(self, kind: Kind) -> Mapping[Key, list[str]]:
        """The ids of all that is seen of a kind, by natural key."""
        if kind.name not in self._by_key:
            found: dict[Key, list[str]] = {}
            for one, shown in self._circumstances.observed.objects.get(kind.name, {}).items():
                if (key := known_key(kind, shown)) is not None:
                    found.setdefault(key, []).append(one)
            self._by_key[kind.name] = found
        return self._by_key[kind.name]

    # ------------------------------------------------------------ what the text says of its steps

    def wrong_words(self) -> Iterator[str]:
        """Yield what the steps hide, and dependencies that they leave out."""
        for step in self.steps:
            source = self.builder.source(step.address)
            others, live = self._of[step.address], self.builder.comparison.live_objects.get(source)
            ended = [one.resource for one in others if one.action in _ENDS]
            old, seen = (ended[0] if ended else self._recorded.get(source)), (live.attributes if live else {})
            guarded = step.address in self._saved.basis.guarded
            for what in hidden(step, others, old=old, seen=seen, guarded=guarded):
                yield f"{step.id} hides {what}"
            if self._saved.basis.refreshed and (missing := untold_before(step, seen)):
                yield f"{step.id} does not look at these fields before its call: {', '.join(missing)}"
        yield from self._wrong_order()

    def _wrong_order(self) -> Iterator[str]:
        own = {step.id: {one.id for one in self._of[step.address]} for step in self.steps}
        bare = [
            replace(step, requires=tuple(one for one in step.requires if one in own[step.id])) for step in self.steps
        ]
        for step in with_links(bare, self.builder, self.membership):
            others = self._of[step.address]
            needed = {one.id for one in others if one.action in _AFTER.get(step.action, ())} - {step.id}
            needed |= self._made_first(step) | set(step.requires)
            if needed := needed.difference(self._needs[step.id]):
                reached = closure((step.id,), self._needs)
                for one in sorted(needed - reached):
                    yield f"{step.id} does not wait for {one}"

    def _made_first(self, step: Step) -> set[str]:
        """The steps that make what the step names."""
        named = {value.address for value in step.resource.inputs.values() if isinstance(value, Reference)}
        if step.action in _ENDS:
            return set()
        return {one.id for address in named for one in self._of.get(address, ()) if one.action in _MAKES}
