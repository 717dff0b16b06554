"""Checks of the manifests that need no cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from declarative.errors import Diagnostic, Severity
from declarative.kinds.relations import CARRIERS, ENABLED, GOAL
from declarative.model import Address, Attributes, Desired, DesiredView, Lookups, Observed
from declarative.planner.builder import PlanBuilder
from declarative.planner.comparison import Comparison, completed, loop_findings
from declarative.planner.membership import Group, Membership
from declarative.planner.preflight import group_findings


def offline_findings(view: DesiredView, *, whole: bool) -> Iterator[Diagnostic]:
    """Yield what every plan would refuse, and as warnings what depends on the cloud.

    Without `whole` some objects may be missing from the view, or values be open in it. References to what isn't there
    are taken to have been told of.
    """
    desired = {address: _with_known_dependencies(one, view) for address, one in view.resources.items()}
    yield from loop_findings(desired)
    inputs: dict[Address, Attributes] = {}
    for address, one in desired.items():
        inputs[address], findings = completed(one, Lookups())
        yield from findings
    membership = Membership(_builder(desired, inputs))
    for one in desired.values():
        yield from group_findings(membership, one)
    if whole:
        yield from _never_enabled(desired, inputs, membership)


def _with_known_dependencies(desired: Desired, view: DesiredView) -> Desired:
    known = tuple(one for one in desired.depends_on if one in view.resources)
    return desired if len(known) == len(desired.depends_on) else replace(desired, depends_on=known)


def _builder(desired: Mapping[Address, Desired], inputs: Mapping[Address, Attributes]) -> PlanBuilder:
    comparison = Comparison(desired, {}, Observed({}), inputs, {}, {})
    return PlanBuilder(comparison, refreshed=False, replaced=(), open=set())


def _never_enabled(
    desired: Mapping[Address, Desired], inputs: Mapping[Address, Attributes], membership: Membership
) -> Iterator[Diagnostic]:
    """Groups to be enabled for which no member is described: pairs that others manage may be there all the same."""
    aims = [address for address, values in inputs.items() if values.get(GOAL) == ENABLED]
    if not aims:
        return
    joined: set[Group] = set()
    for address in desired:
        if address.kind in CARRIERS:
            joined |= membership.joins(address)
    for address in aims:
        if address not in joined:
            yield Diagnostic(
                f"{address} is to be enabled, but no instance or pair of it is described",
                f"Describe a {' or a '.join(CARRIERS)} of this group. Unless the cloud has a pair in it,"
                " the group can't be enabled.",
                desired[address].position("spec", GOAL),
                str(address),
                Severity.WARNING,
                id="group-without-pair",
            )
