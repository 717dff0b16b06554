"""A plan that was reviewed elsewhere, carried out by its content digest alone."""

import json
import re
import shutil

import pytest

from tests.scaffold.small_stacks import GROUP

STACK = "apiVersion: sdrs/v1\nkind: Stack\nmetadata: {name: shop}\nspec: {provider: {simulator: true}}\n"
HOSTILE = "\x1b[2Jdigest"


@pytest.fixture
def stack(folder):
    (folder / "stack.yaml").write_text(STACK)
    (folder / "groups.yaml").write_text(GROUP)
    return folder


def digest_of(cli, *words):
    ran = cli("plan", "--render", "summary=-", *words)
    return json.loads(ran.out)["digests"]["content"]


def test_every_view_of_a_plan_shows_the_same_content_digest(cli, stack):
    digest = digest_of(cli)
    cli("plan", "-o", "plan.json")
    assert json.loads(cli("plan", "--format", "json").out)["content_digest"] == digest
    assert f"Content digest: {digest}\n" in cli("plan").out
    assert f"Content digest: {digest}\n" in cli("show", "plan.json").out
    for name in ("markdown", "html"):
        out = cli("plan", "--format", name).out
        assert digest in out
        assert f"--content-sha256 {digest}" in out


def test_a_plan_with_nothing_to_do_shows_none(cli, stack):
    cli("apply", "--auto-approve")
    assert "digest" not in cli("plan").out


def test_the_reviewed_plan_is_carried_out_once_and_again_is_no_error(cli, stack):
    digest = digest_of(cli)
    assert cli("apply", "--auto-approve", "--content-sha256", digest.upper()).code == 0
    again = cli("apply", "--auto-approve", "--content-sha256", digest)
    assert (again.code, "Nothing to do" in again.out) == (0, True)
    history = json.loads(cli("state", "history", "--format", "json").out)
    assert [run["content"] for run in history] == [digest]
    assert f"content {digest[:12]}" in cli("state", "history").out


def test_a_fresh_folder_with_the_same_state_comes_to_the_same_digest(cli, stack, tmp_path_factory):
    digest = digest_of(cli)
    cli("apply", "--auto-approve", "--content-sha256", digest)
    (stack / "groups.yaml").write_text(GROUP.replace("name: shop", "name: shop-2", 1))
    first = digest_of(cli)
    shutil.copytree(stack, other := tmp_path_factory.mktemp("other") / "shop")
    assert digest_of(lambda *words: cli("-C", str(other), *words)) == first


def test_another_plan_is_refused_and_shown(cli, stack):
    digest = digest_of(cli)
    (stack / "groups.yaml").write_text(GROUP + "---\n" + GROUP.replace("shop", "other"))
    ran = cli("apply", "--auto-approve", "--content-sha256", digest)
    now = digest_of(cli)
    assert ran.code == 1
    assert "create ProtectionGroup/other" in ran.out
    assert f"this plan has the content {now}, not {digest}: it is not what was reviewed; nothing was done" in ran.err
    assert f"--content-sha256 {now}" in ran.err
    assert json.loads(cli("state", "list", "--format", "json").out) == []


def test_a_refusal_is_in_every_render_with_the_plan_that_was_made(cli, stack):
    renders = [f"--render={name}={stack}/{name}.out" for name in ("json", "markdown", "summary", "sarif")]
    assert cli("apply", "--auto-approve", "--content-sha256", "0" * 64, *renders).code == 1
    assert json.loads((stack / "summary.out").read_text())["exit_code"] == 1
    assert "ProtectionGroup/shop" in (stack / "markdown.out").read_text()
    assert "content-differs" in (stack / "sarif.out").read_text()
    (finding,) = json.loads((stack / "json.out").read_text())["findings"]
    assert finding["id"] == "content-differs"


def test_a_refusal_ends_the_events_with_the_plan_and_the_failure(cli, stack):
    ran = cli("apply", "--auto-approve", "--format", "json", "--content-sha256", "0" * 64)
    assert [json.loads(line)["type"] for line in ran.out.splitlines()] == ["planned", "failed"]


@pytest.mark.parametrize(
    "given", ["", "abc", "g" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n", HOSTILE, "sha256:" + "0" * 64]
)
def test_what_is_no_digest_is_refused_before_anything_is_read(cli, folder, given):
    ran = cli("apply", "--auto-approve", "--content-sha256", given)  # there isn't even a stack
    assert ran.code == 64
    assert "--content-sha256 is not a digest" in ran.err
    assert "\x1b" not in ran.err


def test_a_saved_plan_takes_its_own_digest(cli, stack):
    cli("plan", "-o", "plan.json")
    ran = cli("apply", "plan.json", "--content-sha256", "0" * 64)
    assert (ran.code, "Use --plan-sha256 with it." in ran.err) == (64, True)


def test_a_digest_does_not_come_from_the_environment(cli, stack, monkeypatch):
    monkeypatch.setenv("DECLARATIVE_APPLY_CONTENT_SHA256", "0" * 64)
    assert cli("apply", "--auto-approve").code == 0


def test_the_help_says_what_it_is_for(cli):
    out = re.sub(r"\s+", " ", cli("apply", "--help").out)
    assert "--content-sha256 DIGEST Plan anew, and refuse a plan of another content digest." in out
