"""Plans made anew under a reviewed content digest: what was reviewed is what is done, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from declarative.errors import ConsentMissing, ExitCode
from declarative.planfile import content_digest
from declarative.workflow.reviewed_content import ContentDiffers
from tests.scaffold.cloud import done
from tests.scaffold.flows import ALLOW, BARE, FLOWS, OFF, ON, SHOP, WEB, Flow, every_flow
from tests.scaffold.killing import run_fused
from tests.scaffold.stage import STILL_RUNNING, Stage, Start
from tests.scaffold.stories import NIGHTLY
from tests.scaffold.whole import Manifests, WholeSite, group, instance


def reviewed(site: WholeSite, flow: Flow | None = None) -> str:
    """The content digest of a plan made now, as a pull request shows it."""
    return content_digest(site.plan(flow.request if flow is not None else None))


@dataclass(frozen=True)
class Reviewed:
    """A flow whose plan is reviewed at its start, and carried out under its content digest until all is done."""

    flow: Flow

    def prepare(self, site: WholeSite) -> None:
        self.flow.prepare(site)
        (site.folder / "digest").write_text(reviewed(site, self.flow))

    def act(self, site: WholeSite) -> None:
        digest = (site.folder / "digest").read_text()
        done(site.apply(self.flow.request, allow=ALLOW, content_sha256=digest))

    def assert_whole(self, site: WholeSite, start: Start) -> None:
        self.flow.assert_whole(site, start)


@every_flow
def test_what_was_reviewed_is_what_is_done(tmp_path: Path, flow: Flow) -> None:
    site = WholeSite(tmp_path)
    Reviewed(flow).prepare(site)
    recorded = {str(one): resource.id for one, resource in site.state().resources.items()}
    start = Start(len(site.world.history()), recorded)
    Reviewed(flow).act(site)
    flow.assert_whole(site, start)
    changing = site.changing()
    Reviewed(flow).act(site)  # once more: it is done, and there is nothing to do
    assert site.changing() == changing


@every_flow
def test_a_killed_run_is_repeated_under_the_same_digest(tmp_path: Path, flow: Flow) -> None:
    site = WholeSite(tmp_path / "site", in_file=True, speed=STILL_RUNNING.speed)
    assert Stage(site, Reviewed(flow)).kill_at_every_moment(every=4 if NIGHTLY else 30) > 1


@pytest.mark.parametrize("flow", [FLOWS["build"], FLOWS["change"]], ids=["build", "change"])
def test_a_run_that_is_killed_twice_is_repeated(tmp_path: Path, flow: Flow) -> None:
    site = WholeSite(tmp_path / "site", in_file=True, speed=STILL_RUNNING.speed)
    Stage(site, Reviewed(flow)).kill_twice(20 if NIGHTLY else 2, seed="twice", within=60)


# ---------------------------------------------------------------- what is the same content, and what is not


@pytest.fixture
def site(tmp_path: Path) -> WholeSite:
    return WholeSite(tmp_path)


def _shops(site: WholeSite, *names: str) -> None:
    site.write_all({f"ProtectionGroup/{name}": group(name=name) for name in names})


def test_two_plans_of_one_change_have_one_content(site: WholeSite) -> None:
    _shops(site, "shop")
    first = site.plan()
    site.now += 7200.0
    site.foreign("theirs")  # of no concern to this plan
    second = site.plan()
    assert first.basis.created != second.basis.created
    assert first.basis.lineage != second.basis.lineage
    assert content_digest(first) == content_digest(second)


@pytest.mark.parametrize("read", ["GET sdrs/quotas", "GET task-center/failure-jobs", "GET active-domains"])
def test_what_only_one_of_two_credentials_can_read_makes_no_other_content(site: WholeSite, read: str) -> None:
    site.write_all({f"ProtectionGroup/{name}": _by_domain_id(site, name) for name in ("a", "b")})
    done(site.apply())
    site.write_all({f"ProtectionGroup/{name}": _by_domain_id(site, f"{name}-2") for name in ("a", "c")})
    first = site.plan()
    site.world.faults.add([f"{read}:status=403"])
    second = site.plan()
    assert content_digest(first) == content_digest(second)
    assert first.steps


def _by_domain_id(site: WholeSite, name: str) -> dict[str, Any]:
    spec = group(name=name, domain_id=site.world.domain_ids[0])
    del spec["domain"]
    return spec


def _edited(site: WholeSite) -> None:
    _shops(site, "shop", "other")


def _renamed_by_hand(site: WholeSite) -> None:
    site.world.operator.rename_group(site.ids()["ProtectionGroup/db"], "theirs")


def _gone(site: WholeSite) -> None:
    site.world.operator.delete_group(site.ids()["ProtectionGroup/db"])


def _a_twin(site: WholeSite) -> None:
    site.foreign("shop")


def _failed_over(site: WholeSite) -> None:
    site.world.operator.set_status(site.ids()["ProtectionGroup/db"], "failed-over")


@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param(_edited, id="main-moved-on"),
        pytest.param(_renamed_by_hand, id="drift"),
        pytest.param(_gone, id="gone-from-the-cloud"),
        pytest.param(_a_twin, id="a-twin-has-come"),
        pytest.param(_failed_over, id="a-disaster-recovery-has-begun"),
    ],
)
def test_another_plan_than_the_reviewed_one_is_refused(site: WholeSite, meanwhile: Callable[[WholeSite], None]) -> None:
    site.write_all({"ProtectionGroup/db": group(name="db")})
    done(site.apply())
    site.write_all({"ProtectionGroup/db": group(name="db-2"), "ProtectionGroup/shop": group(name="shop")})
    digest = reviewed(site)
    meanwhile(site)
    changing = site.changing()
    with pytest.raises(ContentDiffers) as refused:
        site.apply(allow=[*ALLOW, "duplicate", "mass-vanished"], content_sha256=digest)
    found = content_digest(refused.value.plan)
    assert found != digest
    assert found in refused.value.summary
    assert site.changing() == changing
    done_or_withheld = site.apply(allow=[*ALLOW, "duplicate", "mass-vanished"], content_sha256=found)
    assert done_or_withheld.exit_code in (ExitCode.OK, ExitCode.CONSENT)


def test_a_digest_consents_to_nothing(site: WholeSite) -> None:
    site.write_all({**ON, **WEB})
    done(site.apply())
    site.write_all({**OFF, **WEB})
    digest = reviewed(site)
    changing = site.changing()
    with pytest.raises(ConsentMissing):
        site.apply(content_sha256=digest)
    assert site.changing() == changing
    done(site.apply(content_sha256=digest, allow=["unprotect"]))  # consents are no part of what was reviewed


def test_one_change_may_be_reviewed_again(site: WholeSite) -> None:
    site.write_all({**BARE, "ProtectionGroup/db": group(name="db")})
    done(site.apply())
    shop = site.ids()["ProtectionGroup/shop"]
    contents = set()
    for _ in range(2):
        site.world.operator.rename_group(shop, "theirs")
        digest = reviewed(site)
        contents.add(digest)
        done(site.apply(content_sha256=digest))
        assert site.named("shop") == [shop]
    assert len(contents) == 1


# ---------------------------------------------------------------- begun, and not as it was


THREE: Manifests = {f"ProtectionGroup/{name}": group(name=name) for name in ("a", "b", "c")}


def _begun(site: WholeSite) -> str:
    """A run under a digest that was killed when one of three groups was there."""
    site.write_all(THREE)
    digest = reviewed(site)
    for last in range(1, 200):
        run_fused(site, lambda site: site.apply(content_sha256=digest, max_jobs=1), last=last)
        if site.state().resources:
            break
    return digest


def _one_more(site: WholeSite) -> None:
    site.write_all({**THREE, "ProtectionGroup/d": group(name="d")})


def _another_value(site: WholeSite) -> None:
    site.write_all({**THREE, "ProtectionGroup/c": group(name="evil")})


def _undone_by_hand(site: WholeSite) -> None:
    ((_, group_id),) = site.ids().items()
    site.world.operator.delete_group(group_id)


def _drifted(site: WholeSite) -> None:
    ((_, group_id),) = site.ids().items()
    site.world.operator.rename_group(group_id, "theirs")


def _come_meanwhile(site: WholeSite) -> None:
    for name in "abc":
        site.foreign(name)


@pytest.mark.parametrize(
    ("meanwhile", "words"),
    [
        pytest.param(_one_more, "have changed since the review", id="one-object-more"),
        pytest.param(_another_value, "have changed since the review", id="another-value"),
        pytest.param(_undone_by_hand, "is already done, and would be done again", id="undone-by-hand"),
        pytest.param(_drifted, "was not reviewed", id="drift"),
        pytest.param(_come_meanwhile, "this danger was not reviewed: duplicate:", id="a-danger-more"),
    ],
)
def test_what_is_left_must_be_as_it_was_reviewed(
    tmp_path: Path, meanwhile: Callable[[WholeSite], None], words: str
) -> None:
    site = WholeSite(tmp_path, in_file=True)
    digest = _begun(site)
    meanwhile(site)
    changing = site.changing()
    with pytest.raises(ContentDiffers) as refused:
        site.apply(content_sha256=digest, allow=[*ALLOW, "duplicate", "mass-vanished"])
    assert words in " ".join(refused.value.differences)
    assert site.changing() == changing


def test_what_was_begun_and_overtaken_is_refused(tmp_path: Path) -> None:
    site = WholeSite(tmp_path, in_file=True)
    digest = _begun(site)
    site.write_all({**THREE, "ProtectionGroup/d": group(name="d")})
    done(site.apply())
    site.write_all(THREE)
    with pytest.raises(ContentDiffers, match="other runs have followed"):
        site.apply(content_sha256=digest, allow=ALLOW)


def test_what_was_done_and_differs_again_is_refused(site: WholeSite) -> None:
    site.write_all(THREE)
    digest = reviewed(site)
    done(site.apply(content_sha256=digest))
    site.world.operator.rename_group(site.ids()["ProtectionGroup/a"], "theirs")
    with pytest.raises(ContentDiffers, match="was applied already"):
        site.apply(content_sha256=digest)


def test_withheld_steps_are_not_done_and_may_be_repeated(tmp_path: Path) -> None:
    site = WholeSite(tmp_path, in_file=True)
    site.write_all({"ProtectionGroup/shop": group(name="shop")})
    done(site.apply())
    site.write_all({**THREE, "ProtectionGroup/shop": group(name="shop-2")})
    digest = reviewed(site)
    for last in range(1, 200):
        run_fused(site, lambda site: site.apply(content_sha256=digest, max_jobs=1), last=last)
        if len(site.state().resources) > 1:
            break
    shop = site.ids()["ProtectionGroup/shop"]
    left = "shop-2" not in {str(one.inputs["name"]) for one in site.state().resources.values()}
    site.world.operator.set_status(shop, "failed-over")
    applied = site.apply(content_sha256=digest)
    assert applied.exit_code is (ExitCode.CONSENT if left else ExitCode.OK)
    site.world.operator.set_status(shop, "available")
    done(site.apply(content_sha256=digest))
    assert site.named("shop-2") == [shop]


def test_the_state_says_which_content_a_run_was_given(site: WholeSite) -> None:
    site.write_all({**SHOP, "ProtectedInstance/web": instance(1, "web")})
    digest = reviewed(site)
    done(site.apply(content_sha256=digest))
    state = site.state()
    assert [run.content for run in state.history] == [digest]
    assert state.progress is not None
    assert (state.progress.done, state.progress.review) == (True, None)
