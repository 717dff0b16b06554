"""Which plans could do harm, what they say, and what consents cover."""

import pytest

from declarative.errors import UsageError
from declarative.model import Action, Consent, Danger, DangerClass, OpenOperation
from declarative.planner.consents import parse_consent, unconsented, with_consents
from declarative.planner.planner import aware_of_twins, kinds_with_twins
from tests.scaffold.planning import at, cloud, desired, inputs, plan, recorded, seen


def classes(made):
    return [danger.cls.value for danger in made.dangers]


def many(count):
    return [recorded(f"g{number:02}", f"id-{number}", name=f"g{number}") for number in range(count)]


OTHER = recorded("z", "id-z", name="z")
KEPT = desired("z", name="z")


@pytest.mark.parametrize(
    ("wanted", "known", "shown", "found"),
    [
        pytest.param([KEPT], {}, {}, ["delete"], id="delete"),
        pytest.param([KEPT, desired("a", source_vpc_id="v2")], {}, {}, [], id="replace-of-an-empty-group"),
        pytest.param([KEPT, desired("a", source_vpc_id="v2")], {}, {"status": "protected"}, ["replace"], id="replace"),
        pytest.param([KEPT, desired("a", name="b")], {}, {}, [], id="rename"),
        pytest.param([KEPT, desired("a")], {}, {"status": "error"}, [], id="failed-creation"),
        pytest.param([KEPT], {"prevent_destroy": True}, {}, ["delete", "prevent_destroy"], id="recorded-protection"),
        pytest.param(
            [KEPT, desired("a", prevent_destroy=True, source_vpc_id="v2")], {}, {}, ["prevent_destroy"], id="desired"
        ),
        pytest.param(
            [KEPT, desired("a", source_vpc_id="v2")],
            {"prevent_destroy": True},
            {},
            ["prevent_destroy"],
            id="lifted-in-the-same-plan",
        ),
        pytest.param([KEPT], {}, {"status": "failed-over"}, ["dr-in-progress"], id="held"),
        pytest.param([], {}, {}, ["empty-manifests", "delete", "delete"], id="empty-manifests"),
    ],
)
def test_dangers_follow_from_steps(wanted, known, shown, found):
    made = plan(wanted, [recorded("a", **known), OTHER], cloud(seen(**shown), OTHER.attributes))
    assert classes(made) == found


def test_danger_says_what_would_be_lost():
    made = plan([KEPT], [recorded("a"), OTHER], cloud(seen(status="protected"), OTHER.attributes))
    assert made.dangers == (
        Danger(
            DangerClass.UNPROTECT,
            "stops the protection of the protection group 'shop' (id-1): nothing is copied from then on",
            at("a"),
        ),
        Danger(
            DangerClass.DELETE,
            "deletes the protection group 'shop' (id-1), and with it its protection (status protected)",
            at("a"),
            loses_protection=True,
        ),
    )


def test_replacement_says_what_is_lost():
    made = plan([desired("a", source_vpc_id="v2")], [recorded("a")], cloud(seen(status="protected")))
    assert [danger.message for danger in made.dangers] == [
        (
            "deletes the protection group 'shop' (id-1), and with it its protection (status protected), before its"
            " replacement is created"
        )
    ]


def test_message_shows_no_control_characters():
    made = plan([KEPT], [recorded("a"), OTHER], cloud(seen(name="\x1b[2Jx\u202e"), OTHER.attributes))
    assert made.dangers[0].message.isprintable()


def test_recorded_prevent_destroy_holds_after_its_document_is_gone():
    made = plan([KEPT], [recorded("a", prevent_destroy=True), OTHER], consents=(Consent(DangerClass.PREVENT_DESTROY),))
    assert [danger.cls for danger in unconsented(made)] == [DangerClass.DELETE, DangerClass.PREVENT_DESTROY]


@pytest.mark.parametrize(("count", "limit", "mass"), [(3, 3, False), (4, 3, True), (1, 0, True)])
def test_mass_delete_is_more_than_the_guard(count, limit, mass):
    made = plan([KEPT], [*many(count), OTHER], max_deletes=limit)
    assert ("mass-delete" in classes(made)) is mass


def test_replacement_counts_once_towards_mass_delete():
    wanted = [desired(f"g{number:02}", name=f"g{number}", source_vpc_id="v2") for number in range(3)]
    assert classes(plan(wanted, many(3), max_deletes=3)) == []
    assert classes(plan(wanted, many(3), max_deletes=2)) == ["mass-delete"]


@pytest.mark.parametrize(
    ("count", "gone", "limit", "mass"),
    [(4, 2, 10, False), (4, 3, 10, True), (1, 1, 10, True), (30, 11, 10, True), (30, 10, 10, False), (3, 0, 0, False)],
)
def test_mass_vanished_is_more_than_half_or_the_guard(count, gone, limit, mass):
    known = many(count)
    present = cloud(*(one.attributes for one in known[gone:]), gone=[one.id for one in known[:gone]])
    wanted = [desired(one.address.name, name=one.inputs["name"]) for one in known]
    assert ("mass-vanished" in classes(plan(wanted, known, present, max_deletes=limit))) is mass


@pytest.mark.parametrize("request_", [{"destroy": True}, {"refresh_only": True}])
def test_empty_manifests_are_no_danger_when_nothing_follows_from_them(request_):
    assert "empty-manifests" not in classes(plan([], [OTHER], **request_))


# ---------------------------------------------------------------- consents


@pytest.mark.parametrize(
    ("text", "consent"),
    [
        ("delete", Consent(DangerClass.DELETE)),
        ("replace:ProtectionGroup/a", Consent(DangerClass.REPLACE, at("a"))),
        ("mass-delete", Consent(DangerClass.MASS_DELETE)),
        ("empty-manifests", Consent(DangerClass.EMPTY_MANIFESTS)),
    ],
)
def test_consent_is_read_and_written_alike(text, consent):
    assert parse_consent(text) == consent
    assert str(consent) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("delet", "Did you mean 'delete'?"),
        ("", "Known: delete, replace"),
        ("delete:", "Kind/name"),
        ("delete:shop", "Kind/name"),
        ("mass-delete:ProtectionGroup/a", "without an address"),
        ("prevent_destroy", "lifecycle.prevent_destroy to false"),
        ("prevent_destroy:ProtectionGroup/a", "lifecycle.prevent_destroy to false"),
        ("dr-in-progress", "End the disaster recovery"),
    ],
)
def test_consent_that_cannot_be_given_is_a_usage_error(text, words):
    with pytest.raises(UsageError) as refusal:
        parse_consent(text)
    assert words in f"{refusal.value.summary}. {refusal.value.fix}"


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        pytest.param([], ["mass-delete", "delete", "delete"], id="none"),
        pytest.param(["delete"], ["mass-delete"], id="delete-is-not-mass-delete"),
        pytest.param(["mass-delete"], ["delete", "delete"], id="mass-delete-is-not-delete"),
        pytest.param(["delete:ProtectionGroup/g00", "mass-delete"], ["delete"], id="one-address"),
        pytest.param(["delete", "mass-delete"], [], id="all"),
    ],
)
def test_consents_cover_their_class_and_address_alone(given, missing):
    made = with_consents(plan([KEPT], [*many(2), OTHER], max_deletes=1), map(parse_consent, given))
    assert [danger.cls.value for danger in unconsented(made)] == missing


def test_consents_are_kept_once_and_in_order():
    made = plan([KEPT], many(0), consents=(Consent(DangerClass.DELETE),))
    further = (Consent(DangerClass.DELETE, by="prompt"), Consent(DangerClass.REPLACE))
    assert with_consents(made, further).consents == (Consent(DangerClass.DELETE), Consent(DangerClass.REPLACE))


def test_destroying_consents_to_what_it_shows_but_not_to_a_wrong_project():
    known = many(3)
    made = plan([], known, max_deletes=1, destroy=True)
    assert [consent.by for consent in made.consents] == ["destroy"] * 4
    assert unconsented(made) == ()
    left, *lost = known
    vanished = plan([], known, cloud(left.attributes, gone=[one.id for one in lost]), destroy=True)
    assert [danger.cls for danger in unconsented(vanished)] == [DangerClass.MASS_VANISHED]


def test_destroying_what_is_gone_already_sends_nothing_and_asks_nothing():
    known = many(3)
    gone = cloud(gone=[one.id for one in known])
    assert classes(plan([], known, gone, destroy=True)) == []
    assert "mass-vanished" in classes(plan([desired("g00", name="g0")], known, gone))


def test_disaster_recovery_in_progress_does_not_stop_the_others():
    known = [recorded("a"), OTHER]
    made = plan([desired("a", name="b"), KEPT], known, cloud(seen(status="failed-over"), OTHER.attributes))
    assert classes(made) == ["dr-in-progress"]
    assert unconsented(made) == ()


# ---------------------------------------------------------------- twins

VPC_2 = {"source_vpc_id": "vpc-2"}
TWIN = seen("id-9", description="made elsewhere")


@pytest.mark.parametrize(
    ("known", "shown", "found"),
    [
        pytest.param([], [TWIN], True, id="not-recorded"),
        pytest.param([], [seen("id-9", name=" SHOP ")], True, id="case-and-blanks-apart"),
        pytest.param([], [{**TWIN, "domain_id": None}], True, id="what-an-answer-lacks-excludes-nothing"),
        pytest.param([], [{name: value for name, value in TWIN.items() if name != "name"}], True, id="without-a-name"),
        pytest.param([], [seen("id-9", name="shop-2")], False, id="another-name"),
        pytest.param([], [seen("id-9", **VPC_2)], False, id="another-vpc"),
        pytest.param([], [seen("id-9", target_availability_zone="az-1")], False, id="another-zone"),
        pytest.param([], [seen("id-9", domain_id="domain-2")], False, id="another-domain"),
        pytest.param([recorded("z", "id-9")], [TWIN], False, id="recorded-elsewhere-in-the-state"),
    ],
)
def test_a_create_beside_an_unknown_object_of_its_name_and_place_is_a_duplicate(known, shown, found):
    wanted = [desired("a"), *(desired(one.address.name, name="shop") for one in known)]
    made = plan(wanted, known, cloud(*shown))
    assert ("duplicate" in classes(made)) is found


def test_a_duplicate_tells_how_to_take_the_other_one_over():
    made = plan([desired("a")], [], cloud(TWIN, seen("id-8\x1b")))
    (danger,) = made.dangers
    assert (danger.cls, danger.address) == (DangerClass.DUPLICATE, at("a"))
    assert "declarative import 'ProtectionGroup/a' id-9" in danger.message
    assert "id-8\\x1b" in danger.message
    assert made.steps[0].twins == ("id-8\x1b", "id-9")


def test_a_replacement_is_no_duplicate_of_what_it_replaces():
    made = plan([desired("a", description="other")], [recorded("a")])
    assert [step.action.value for step in made.steps] == ["delete", "create"]
    assert "duplicate" not in classes(made)


def test_what_an_open_create_may_have_made_is_no_stranger():
    made = plan(
        [desired("b", description="new")],
        [],
        cloud(seen("id-9")),
        open_=[OpenOperation(at("a"), Action.CREATE, "", inputs())],
    )
    assert [step.id for step in made.steps] == ["create:ProtectionGroup/b"]
    assert classes(made) == []


def test_of_two_that_an_open_create_may_have_made_one_is_a_stranger():
    made = plan(
        [desired("b", description="new")],
        [],
        cloud(seen("id-8"), seen("id-9")),
        open_=[OpenOperation(at("a"), Action.CREATE, "", inputs())],
    )
    assert classes(made) == ["duplicate"]


def test_without_a_refresh_what_is_listed_later_is_judged_alike():
    blind = plan([desired("a", domain=None, domain_id="domain-1")], [], cloud(), refreshed=False)
    assert classes(blind) == []
    assert [kind.name for kind in kinds_with_twins(blind)] == ["ProtectionGroup"]
    assert classes(aware_of_twins(blind, {"ProtectionGroup": {"id-9": TWIN}}, {})) == ["duplicate"]
