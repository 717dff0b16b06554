"""Pairs that were attached by hand, imported without their attachment, or taken over: nothing is half torn down.

Either a plan is refused before anything is sent, or it goes through to the end.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from declarative.errors import InputError
from declarative.model import Action, Plan
from declarative.planner.selection import PlanRequest
from declarative.simulator import Rules
from declarative.workflow import imports, states
from tests.scaffold.cloud import done, why
from tests.scaffold.whole import (
    GROUP,
    INSTANCE,
    PAIR,
    WholeSite,
    assert_agreed,
    attachment,
    free_disk,
    group,
    instance,
    orphans,
    pair,
)

SHOP = {f"{GROUP}/shop": group(name="shop", protection="enabled"), f"{INSTANCE}/web": instance(1, "web")}
DATA = f"{PAIR}/data"
ALLOWED = ("delete", "replace", "unprotect", "mass-delete", "mass-vanished", "empty-manifests")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WholeSite]:
    site = WholeSite(tmp_path, speed=4.0)
    site.write_all(SHOP)
    done(site.apply())
    yield site
    site.close()


def attach_by_hand(site: WholeSite, *, name: str = "data", number: int = 1) -> str:
    """Let somebody make a pair in the console and attach it to the instance; its id."""
    ids = site.ids()
    made = site.world.operator.add_replication(ids[f"{GROUP}/shop"], name, volume_id=free_disk(number))
    site.world.operator.attach(ids[f"{INSTANCE}/web"], made, "/dev/vdb")
    return made


def adopted(**fields: Any) -> dict[str, Any]:
    """The document that takes the hand-made pair over."""
    wanted = {key: value for key, value in pair(1, "data").items() if key != "delete_target_volume"}
    return {**wanted, "lifecycle": {"adopt": True}, **fields}


def take_in(site: WholeSite, **wanted: str) -> None:
    """`import`, of addresses with dots for what Python's keywords can't hold."""
    chosen = [(place.replace("__", "/"), object_id) for place, object_id in wanted.items()]
    site.watch = site._new_watch(())
    site.run(lambda: imports.import_objects(site.project(), chosen, watch=site.watch))


def refused(site: WholeSite, request: PlanRequest | None = None) -> str:
    """What a run finds fault with; nothing is sent by it."""
    before = site.changing()
    with pytest.raises(InputError) as caught:
        site.apply(request, allow=ALLOWED)
    assert site.changing() == before
    return "\n".join(f"{one.summary} {one.fix}" for one in caught.value.findings)


def actions(plan: Plan) -> list[str]:
    return [f"{step.action.value} {step.address.kind}/{step.address.name}" for step in plan.steps]


def assert_nothing_left(site: WholeSite) -> None:
    assert {kind: list(found) for kind, found in site.objects().items() if found} == {}
    assert site.ids() == {}


# ---------------------------------------------------------------- what came is recorded


def test_an_instance_is_recorded_with_the_pairs_that_came_with_it(site):
    (system,) = site.objects()[PAIR]
    attach_by_hand(site)
    site.write_all({**SHOP, f"{INSTANCE}/web": instance(1, "web-1")})
    done(site.apply())
    recorded = {str(one): resource.brought for one, resource in site.state().resources.items()}
    assert recorded == {f"{GROUP}/shop": None, f"{INSTANCE}/web": (system,)}


def test_what_came_is_still_known_after_a_move_and_a_saved_plan(site):
    (system,) = site.objects()[PAIR]
    attach_by_hand(site)
    site.write_all({f"{GROUP}/shop": SHOP[f"{GROUP}/shop"], f"{INSTANCE}/front": instance(1, "web")})
    done(site.apply_saved(site.plan()))
    assert site.state().resources.popitem()[1].brought in (None, (system,))
    assert {resource.brought for resource in site.state().resources.values()} == {None, (system,)}


def test_a_lost_create_that_is_found_again_knows_its_pairs(tmp_path):
    site = WholeSite(tmp_path, speed=4.0)
    site.write_all(SHOP)
    site.break_with("POST protected-instances:lost-after:first=1")
    done(site.apply())
    (system,) = site.objects()[PAIR]
    assert {resource.brought for resource in site.state().resources.values()} == {None, (system,)}
    site.close()


# ---------------------------------------------------------------- attached by hand, not recorded


@pytest.mark.parametrize("request_", [PlanRequest(destroy=True), None], ids=["destroy", "gone-from-the-manifests"])
def test_a_hand_made_pair_holds_its_group_and_nothing_is_sent(site, request_):
    data = attach_by_hand(site)
    if request_ is None:
        site.write_all({})
    words = refused(site, request_)
    assert f"it still has replication pair 'data' ({data}), which is attached to {INSTANCE}/web" in words
    assert f"declarative import '{DATA}' {data}" in words


def test_the_document_and_the_import_that_are_proposed_take_the_pair_over(site):
    attach_by_hand(site)
    words = refused(site, PlanRequest(destroy=True))
    document = yaml.safe_load(re.search(r"`(\{.*\})`", words)[1])
    place, object_id = re.search(r"`declarative import '([^']+)' ([^`]+)`", words).groups()
    site.write_all({**SHOP, place: {**document["spec"], "lifecycle": document["lifecycle"]}})
    take_in(site, **{place: object_id})
    assert not site.plan().has_changes()
    done(site.destroy())
    assert_nothing_left(site)


def test_an_instance_that_goes_alone_leaves_a_hand_made_pair_and_says_so(site):
    data = attach_by_hand(site)
    site.write_all({f"{GROUP}/shop": group(name="shop")})
    plan = site.plan()
    step = next(step for step in plan.steps if step.action is Action.DELETE)
    assert f"replication pair 'data' ({data}), which did not come with it and stays in the group" in step.leaves
    done(site.apply(allow=ALLOWED))
    assert list(site.objects()[PAIR]) == [data]


def test_a_replaced_instance_takes_its_own_pairs_only(site):
    data = attach_by_hand(site)
    site.write_all({**SHOP, f"{INSTANCE}/web": instance(1, "web", description="other")})
    done(site.apply(allow=ALLOWED))
    assert data in site.objects()[PAIR]
    assert site.objects()[PAIR][data]["attachment"] == []
    assert not site.plan().has_changes()


def test_a_pair_of_an_unmanaged_instance_in_our_group_is_left_alone(site):
    shop = site.ids()[f"{GROUP}/shop"]
    other = site.world.operator.add_instance(shop, "theirs")
    (theirs,) = (
        one for one, seen in site.objects()[PAIR].items() if seen["attachment"][0]["protected_instance"] == other
    )
    words = refused(site, PlanRequest(destroy=True))
    assert f"({theirs}), attached to instance {other}, which this stack does not manage" in words
    assert "1 protected instance that this stack does not manage" in words
    site.write_all({f"{GROUP}/shop": SHOP[f"{GROUP}/shop"]})
    done(site.apply(allow=ALLOWED))
    assert list(site.objects()[PAIR]) == [theirs]


def test_a_pair_without_attachment_that_nobody_recorded_holds_its_group(site):
    spare = site.world.operator.add_replication(site.ids()[f"{GROUP}/shop"], "spare", volume_id=free_disk(1))
    words = refused(site, PlanRequest(destroy=True))
    assert f"replication pair 'spare' ({spare}), which is not recorded here" in words
    assert "adopt" not in words


def test_a_group_that_nothing_else_is_recorded_of_tells_which_pair_holds_it(tmp_path):
    site = WholeSite(tmp_path, speed=4.0)
    site.write_all({f"{GROUP}/shop": group(name="shop")})
    done(site.apply())
    spare = site.world.operator.add_replication(site.ids()[f"{GROUP}/shop"], "spare", volume_id=free_disk(1))
    assert f"replication pair 'spare' ({spare}), which is not recorded here" in refused(site, PlanRequest(destroy=True))
    site.close()


# ---------------------------------------------------------------- imported without its attachment


@pytest.fixture
def imported(site: WholeSite) -> WholeSite:
    """The hand-made pair, described as one of its own and imported; its attachment isn't described."""
    data = attach_by_hand(site)
    site.write_all({**SHOP, DATA: pair(1, "data")})
    take_in(site, **{DATA: data})
    return site


def test_an_imported_pair_goes_after_the_instance_that_holds_it(imported):
    plan = imported.plan(PlanRequest(destroy=True))
    assert actions(plan) == [
        f"disable {GROUP}/shop",
        f"delete {INSTANCE}/web",
        f"delete {PAIR}/data",
        f"delete {GROUP}/shop",
    ]
    done(imported.destroy())
    assert_nothing_left(imported)


def test_an_imported_pair_that_goes_alone_is_refused_while_it_is_attached(imported):
    imported.write_all(SHOP)
    assert f"{DATA} can't be deleted now: it is attached to {INSTANCE}/web" in refused(imported)
    imported.write_all({**SHOP, DATA: pair(1, "data", description="other")})
    assert f"{DATA} can't be replaced now: it is attached to {INSTANCE}/web" in refused(imported)
    assert "can't be deleted now" in refused(imported, PlanRequest(destroy=True, targets=(DATA,)))


def test_an_imported_pair_outlives_the_replacement_of_its_instance(imported):
    imported.write_all({**SHOP, f"{INSTANCE}/web": instance(1, "web", description="other"), DATA: pair(1, "data")})
    before = imported.ids()[DATA]
    done(imported.apply(allow=ALLOWED))
    assert imported.ids()[DATA] == before
    assert not imported.plan().has_changes()
    done(imported.destroy())
    assert_nothing_left(imported)


def test_an_attachment_that_is_described_afterwards_is_detached_as_any_other(imported):
    place = "ReplicationAttachment/data"
    all_of_it = {**SHOP, DATA: pair(1, "data"), place: attachment("web", "data")}
    imported.write_all(all_of_it)
    take_in(imported, **{place: f"{imported.ids()[f'{INSTANCE}/web']}/{imported.ids()[DATA]}"})
    assert not imported.plan().has_changes()
    imported.write_all(SHOP)
    done(imported.apply(allow=ALLOWED))
    assert_agreed(imported, SHOP)


# ---------------------------------------------------------------- taken over


def test_a_hand_made_pair_is_taken_over_renamed_and_grown(site):
    data = attach_by_hand(site)
    site.write_all({**SHOP, DATA: adopted(name="orders", volume_size=500)})
    assert actions(site.plan()) == [f"adopt {DATA}", f"update {DATA}"]
    done(site.apply())
    shown = site.objects()[PAIR][data]
    assert (shown["name"], shown["record_metadata"]["volume_size"]) == ("orders", 500)
    assert len(shown["attachment"]) == 1


def test_without_adopt_a_pair_for_such_a_disk_is_an_error_that_names_the_instance(site):
    attach_by_hand(site)
    site.write_all({**SHOP, DATA: pair(1, "data")})
    assert f"is already in a pair that is attached to {INSTANCE}/web" in refused(site)


@pytest.fixture
def taken(site: WholeSite) -> WholeSite:
    attach_by_hand(site)
    site.write_all({**SHOP, DATA: adopted()})
    done(site.apply())
    return site


def test_a_pair_that_was_taken_over_is_deleted_after_its_instance(taken):
    plan = taken.plan(PlanRequest(destroy=True))
    order = actions(plan)
    assert order.index(f"delete {INSTANCE}/web") < order.index(f"delete {DATA}") < order.index(f"delete {GROUP}/shop")
    done(taken.destroy())
    assert_nothing_left(taken)


def test_a_pair_that_was_taken_over_outlives_its_document_and_the_replacement_of_its_instance(taken):
    data = taken.ids()[DATA]
    changed = {**SHOP, f"{INSTANCE}/web": instance(1, "web", description="other")}
    taken.write_all({**changed, DATA: adopted()})
    done(taken.apply(allow=ALLOWED))
    assert taken.ids()[DATA] == data
    assert not taken.plan().has_changes()


def test_a_pair_whose_document_goes_is_only_forgotten_while_its_instance_stays(taken):
    data = taken.ids()[DATA]
    taken.write_all(SHOP)
    assert actions(taken.plan()) == [f"forget {DATA}"]
    done(taken.apply())
    assert len(taken.objects()[PAIR][data]["attachment"]) == 1


def test_a_pair_that_was_taken_over_stays_when_only_its_instance_goes(taken):
    data = taken.ids()[DATA]
    taken.write_all({f"{GROUP}/shop": SHOP[f"{GROUP}/shop"], DATA: adopted()})
    done(taken.apply(allow=ALLOWED))
    assert taken.ids() == {f"{GROUP}/shop": taken.ids()[f"{GROUP}/shop"], DATA: data}
    assert not taken.plan().has_changes()
    done(taken.destroy())
    assert_nothing_left(taken)


def test_a_pair_that_was_taken_over_goes_with_its_instance_when_both_documents_go(taken):
    taken.write_all({f"{GROUP}/shop": group(name="shop")})
    done(taken.apply(allow=ALLOWED))
    assert list(taken.ids()) == [f"{GROUP}/shop"]
    assert not orphans(taken)


# ---------------------------------------------------------------- an instance that was imported, or recorded long ago


def imported_instance(site: WholeSite) -> str:
    """Forget everything, and import the group and the instance with a hand-made pair; the pair's id."""
    data, ids = attach_by_hand(site), site.ids()
    places = list(ids)
    site.run(lambda: states.state_rm(site.project(), places, watch=site.watch))
    take_in(site, **ids)
    return data


def test_an_imported_instance_takes_along_what_was_attached_to_it(site):
    data = imported_instance(site)
    (warning,) = site.watch.texts("warning")
    assert f"{INSTANCE}/web: what is attached now is taken to have come with it" in warning
    assert data in warning
    assert not site.plan().has_changes()
    done(site.destroy())
    assert_nothing_left(site)


@pytest.mark.parametrize("protected", [True, False])
def test_what_the_service_leaves_of_an_instance_goes_with_it_alone(site, protected):
    data = imported_instance(site)
    goal = {} if protected else {"protection": "disabled"}
    site.write_all({f"{GROUP}/shop": group(name="shop", **goal)})
    done(site.apply(allow=ALLOWED))
    assert data not in site.objects()[PAIR]
    assert list(site.ids()) == [f"{GROUP}/shop"]


def test_a_replaced_instance_leaves_nothing_of_what_it_brought(site):
    data = imported_instance(site)
    site.write_all({**SHOP, f"{INSTANCE}/web": instance(1, "web", description="other")})
    done(site.apply(allow=ALLOWED))
    assert data not in site.objects()[PAIR]
    assert not site.plan().has_changes()


@pytest.mark.parametrize("after", [1.5 * number for number in range(1, 10)])
def test_a_destroy_that_is_interrupted_anywhere_is_gone_on_with(site, after):
    imported_instance(site)
    with site.suffering(interrupt_after=after):
        site.destroy()
    done(site.destroy())
    assert_nothing_left(site)


def test_a_left_pair_that_can_not_be_deleted_is_deleted_by_the_next_run(site):
    imported_instance(site)
    site.break_with("DELETE replications/*:fail-job=SDRS.1607:first=1")
    assert "is left behind: run again" in why(site.destroy())
    site.break_with()
    plan = site.plan(PlanRequest(destroy=True))
    assert [step.reason for step in plan.steps if step.address.kind == INSTANCE] == ["gone-from-cloud"]
    done(site.destroy())
    assert_nothing_left(site)


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WholeSite]:
    """A stack that an older version has applied, which did not write down what came with an instance."""

    site = WholeSite(tmp_path, speed=4.0)
    site.write_all(SHOP)
    with monkeypatch.context() as older:
        older.setattr(sys.modules["declarative.applier.steps"], "with_brought", lambda session, resource: resource)
        done(site.apply())
    yield site
    site.close()


def test_an_older_state_learns_what_is_attached_at_its_first_apply(old):
    site = old
    data = attach_by_hand(site)
    assert {resource.brought for resource in site.state().resources.values()} == {None}
    renamed = {**SHOP, f"{INSTANCE}/web": instance(1, "web-1")}
    site.write_all(renamed)
    done(site.apply())
    assert any("is taken to have come with it" in text for text in site.watch.texts("warning"))
    brought = next(one.brought for place, one in site.state().resources.items() if place.kind == INSTANCE)
    assert data in brought
    done(site.destroy())
    assert_nothing_left(site)


def test_an_older_state_can_be_destroyed_at_once(old):
    attach_by_hand(old)
    done(old.destroy())
    assert_nothing_left(old)


def test_a_saved_plan_destroys_what_an_older_state_recorded(old):
    attach_by_hand(old)
    done(old.apply_saved(old.plan(PlanRequest(destroy=True))))
    assert_nothing_left(old)


# ---------------------------------------------------------------- whatever the service does with pairs

RULES = {
    "as-documented": Rules(),
    "hand-made-ones-go": Rules(hand_made_pairs_stay=False),
    "automatic-ones-stay": Rules(automatic_pairs_stay=True),
    "the-other-way-round": Rules(hand_made_pairs_stay=False, automatic_pairs_stay=True),
}


def _plain(site: WholeSite) -> dict[str, Any]:
    return SHOP


def _taken_over(site: WholeSite) -> dict[str, Any]:
    attach_by_hand(site)
    site.write_all({**SHOP, DATA: adopted()})
    done(site.apply())
    return {**SHOP, DATA: adopted()}


def _imported_pair(site: WholeSite) -> dict[str, Any]:
    data = attach_by_hand(site)
    site.write_all({**SHOP, DATA: pair(1, "data")})
    take_in(site, **{DATA: data})
    return {**SHOP, DATA: pair(1, "data")}


def _imported_instance(site: WholeSite) -> dict[str, Any]:
    imported_instance(site)
    return SHOP


@pytest.fixture(params=[_plain, _taken_over, _imported_pair, _imported_instance])
def any_site(request: pytest.FixtureRequest, tmp_path: Path, rules: str) -> Iterator[tuple[WholeSite, dict[str, Any]]]:
    """A protected stack with a pair of some origin, on a service of some manners, and its manifests."""
    site = WholeSite(tmp_path, speed=4.0, rules=RULES[rules])
    site.write_all(SHOP)
    done(site.apply())
    yield site, request.param(site)
    site.close()


@pytest.mark.parametrize("rules", RULES)
def test_a_destroy_goes_through(any_site, rules):
    site, _ = any_site
    done(site.destroy())
    assert_nothing_left(site)


@pytest.mark.parametrize("rules", RULES)
def test_members_whose_documents_go_leave_the_group_empty(any_site, rules):
    site, _ = any_site
    site.write_all({f"{GROUP}/shop": group(name="shop")})
    done(site.apply(allow=ALLOWED))
    assert list(site.ids()) == [f"{GROUP}/shop"]
    assert not site.objects()[PAIR]
    assert not site.plan().has_changes()


@pytest.mark.parametrize("rules", RULES)
def test_an_instance_is_replaced_and_what_is_described_is_there_again(any_site, rules):
    site, manifests = any_site
    changed = {**manifests, f"{INSTANCE}/web": instance(1, "web", description="other")}
    site.write_all(changed)
    done(site.apply(allow=ALLOWED))
    if RULES[rules].hand_made_pairs_stay:
        assert not site.plan().has_changes()
        assert sorted(site.ids()) == sorted(changed)
    done(site.destroy())
    assert_nothing_left(site)
