"""The state as a whole: pulled, pushed, compared, bound anew, moved, rebuilt, recovered."""

import json
import shutil

import pytest

from declarative.simulator import World
from declarative.state import snapshot
from tests.scaffold.small_stacks import stack_of


@pytest.fixture
def write(folder):
    def manifests(*names, stack="shop"):
        (folder / "stack.yaml").write_text(stack_of(names, stack=stack))

    return manifests


@pytest.fixture
def applied(cli, write):
    """A state with two groups."""
    write("a", "b")
    assert cli("apply", "--auto-approve").code == 0


def listed(cli, *options):
    return [line.split()[0] for line in cli("state", "list", *options).out.splitlines()]


# ---------------------------------------------------------------- pull, diff, push


def test_what_is_pulled_is_the_state_and_only_its_owner_can_read_it(cli, applied, folder):
    pulled = cli("state", "pull")
    assert snapshot.decode(pulled.out.encode(), source="pulled").resources
    assert cli("state", "pull", "-o", "mine.json").code == 0
    assert (folder / "mine.json").read_text() == pulled.out
    assert (folder / "mine.json").stat().st_mode & 0o777 == 0o600
    again = cli("state", "pull", "-o", "mine.json")
    assert (again.code, "is not written over" in again.err) == (1, True)


def test_nothing_is_pulled_where_there_has_never_been_a_state(cli, write):
    write("a")
    ran = cli("state", "pull")
    assert (ran.code, ran.out) == (1, "")
    assert "there is no state at local:.declarative" in ran.err


def test_a_difference_tells_what_a_push_would_change(cli, applied, write):
    cli("state", "pull", "-o", "before.json")
    assert "Both tell of the same objects." in cli("state", "diff", "before.json").out
    write("b", "c")
    assert cli("apply", "--auto-approve", "--allow", "delete", "--allow", "unprotect").code == 0
    ran = cli("state", "diff", "before.json", "--detailed-exitcode")
    assert ran.code == 2
    assert "+ ProtectionGroup/shop[a]" in ran.out
    assert "- ProtectionGroup/shop[c]" in ran.out


def test_an_older_state_is_pushed_only_with_force_and_what_was_there_is_kept(cli, applied, write):
    cli("state", "pull", "-o", "before.json")
    write("a", "b", "c")
    assert cli("apply", "--auto-approve").code == 0
    refused = cli("state", "push", "before.json")
    assert (refused.code, "--force" in refused.err) == (1, True)
    assert len(listed(cli)) == 3
    pushed = cli("state", "push", "before.json", "--force")
    assert (pushed.code, "What it replaces is kept" in pushed.out) == (0, True)
    assert len(listed(cli)) == 2
    assert cli("state", "history").out.splitlines()[-1].count("state push before.json")


def test_a_file_that_is_no_state_is_never_pushed(cli, applied, folder):
    cli("state", "pull", "-o", "mine.json")
    text = (folder / "mine.json").read_text()
    (folder / "mine.json").write_text(text.replace('"shop[a]"', '"shop[z]"').replace("eu-de-01", "eu-de-09", 1))
    ran = cli("state", "push", "mine.json", "--force")
    assert (ran.code, "checksum" in ran.err) == (1, True)
    assert cli("state", "push", "nowhere.json").code == 64
    assert len(listed(cli)) == 2


def test_the_state_of_another_stack_is_not_pushed(cli, applied, write):
    cli("state", "pull", "-o", "mine.json")
    write("a", "b", stack="bank")
    ran = cli("state", "push", "mine.json", "--force", "--state", "local:elsewhere")
    assert (ran.code, "belongs to the stack 'shop', not to 'bank'" in ran.err) == (1, True)


# ---------------------------------------------------------------- rebind


def test_a_renamed_stack_is_refused_until_it_is_bound_anew(cli, applied, write):
    write("a", "b", stack="bank")
    for command in (("plan",), ("apply", "--auto-approve"), ("status",), ("state", "list")):
        ran = cli(*command)
        assert (ran.code, "belongs to the stack 'shop', not to 'bank'" in ran.err) == (1, True)
    assert cli("state", "rebind").code == 64
    declined = cli("state", "rebind", typed="no\n")
    assert (declined.code, "stack:       shop → bank" in declined.err) == (1, True)
    assert cli("state", "rebind", typed="yes\n").out == "The state is bound anew.\n"
    assert cli("plan", "--detailed-exitcode").code == 0
    assert cli("state", "rebind", "--auto-approve").out == "The state is bound so already.\n"


def test_a_copied_stack_does_not_open_the_state_of_its_original(cli, applied, write, folder):
    (folder / ".git").mkdir()
    write("a", "b", "c")
    assert cli("apply", "--auto-approve").code == 0
    shutil.copytree(folder, folder / "copy", ignore=shutil.ignore_patterns("copy", ".git"))
    ran = cli("-C", "copy", "plan")
    assert (ran.code, "belongs to the folder '.', not to 'copy'" in ran.err) == (1, True)


# ---------------------------------------------------------------- migrate


def test_a_state_moves_and_the_old_place_says_where(cli, applied):
    moved = cli("state", "migrate", "local:elsewhere")
    assert (moved.code, "The state has moved from local:.declarative to local:elsewhere" in moved.out) == (0, True)
    refused = cli("plan")
    assert (refused.code, "has moved to local:elsewhere" in refused.err) == (1, True)
    assert cli("apply", "--auto-approve").code == 1
    assert cli("plan", "--detailed-exitcode", "--state", "local:elsewhere").code == 0
    assert "had moved before" in cli("state", "migrate", "local:elsewhere").out


def test_a_state_moves_back(cli, applied):
    assert cli("state", "migrate", "local:elsewhere").code == 0
    assert cli("state", "migrate", "local:.declarative", "--state", "local:elsewhere").code == 0
    assert cli("plan", "--detailed-exitcode").code == 0
    assert cli("plan", "--state", "local:elsewhere").code == 1


@pytest.mark.parametrize("method", ["write", "move_to"])
def test_a_move_that_was_killed_goes_on(cli, applied, monkeypatch, method):
    from declarative.state.local import LocalStore

    real = getattr(LocalStore, method)

    def killed(self, *args, **options):
        if method == "write":
            real(self, *args, **options)
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, method, killed)
        assert cli("state", "migrate", "local:elsewhere").code == 1
    assert cli("plan", "--detailed-exitcode").code == 0
    assert cli("state", "migrate", "local:elsewhere").code == 0
    assert cli("plan", "--detailed-exitcode", "--state", "local:elsewhere").code == 0


def test_a_state_moves_over_no_other(cli, applied, write):
    write("x")
    assert cli("apply", "--auto-approve", "--state", "local:elsewhere").code == 0
    write("a", "b")
    ran = cli("state", "migrate", "local:elsewhere")
    assert (ran.code, "holds another state already" in ran.err) == (1, True)
    assert cli("plan", "--detailed-exitcode").code == 0
    assert cli("state", "migrate", "local:.declarative").code == 64


# ---------------------------------------------------------------- rebuild


def lose(folder):
    shutil.rmtree(folder / ".declarative" / "default")


def test_a_lost_state_is_rebuilt_from_the_cloud(cli, applied, folder):
    lose(folder)
    assert "no state is found, but this machine has seen" in cli("state", "rebuild").err
    ran = cli("state", "rebuild", "--accept-rollback", "0")
    assert (ran.code, ran.out.count("+ ProtectionGroup/shop[")) == (0, 2)
    assert cli("plan", "--detailed-exitcode").code == 0
    assert "Recorded 0 objects; 0 doubtful" in cli("state", "rebuild").out


def test_twins_are_listed_and_none_is_guessed(cli, applied, write, folder):
    lose(folder)
    write("a", "b")
    assert cli("apply", "--auto-approve", "--allow", "duplicate", "--accept-rollback", "0").code == 0
    lose(folder)
    ran = cli("state", "rebuild", "--accept-rollback", "0")
    assert (ran.code, ran.out.count("declarative import 'ProtectionGroup/shop[a]'")) == (3, 2)
    assert "Recorded 0 objects; 2 doubtful" in ran.out
    assert listed(cli) == []


def test_what_is_like_and_not_the_same_is_a_doubt(cli, applied, folder):
    lose(folder)
    text = (folder / "stack.yaml").read_text()
    (folder / "stack.yaml").write_text(text.replace("dr_type: migration", "description: other"))
    ran = cli("state", "rebuild", "--accept-rollback", "0")
    assert (ran.code, "differs otherwise" in ran.out) == (3, True)


def test_what_is_not_there_is_told(cli, applied, write, folder):
    lose(folder)
    write("a", "z")
    ran = cli("state", "rebuild", "--accept-rollback", "0")
    assert ran.code == 0
    assert "- ProtectionGroup/shop[z]: the cloud has nothing like it" in ran.out


# ---------------------------------------------------------------- recover


def test_what_a_run_could_not_record_is_recovered(cli, applied, write, folder, monkeypatch):
    from declarative.errors import StateError
    from declarative.state.local import LocalStore

    real, count = LocalStore.append, []

    def fails(self, records, *, after):
        count.append(records)
        if len(count) > 2:
            raise StateError("the place is away")
        return real(self, records, after=after)

    write("a", "b", "c")
    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "append", fails)
        patch.setattr(LocalStore, "write", lambda *args, **options: fails(None, (), after=0))
        assert cli("apply", "--auto-approve").code != 0
    (kept,) = (folder / ".declarative/default").glob("recovery-*.jsonl")
    elsewhere = kept.rename(folder / "kept.jsonl")
    ran = cli("state", "recover", str(elsewhere.name))
    assert (ran.code, ran.out) == (0, "Recorded.\n")
    assert "kept.jsonl follows serial" in ran.err
    assert cli("state", "recover", "kept.jsonl").out == "All of it is recorded already.\n"
    assert cli("apply", "--auto-approve").code == 0
    groups = World.open(folder / ".declarative/simulator.sqlite")
    assert len(listed(cli)) == 3
    assert groups


def test_a_recovery_file_that_is_none_is_refused(cli, applied, folder):
    (folder / "kept.jsonl").write_text("base64:!!!")
    ran = cli("state", "recover", "kept.jsonl")
    assert (ran.code, "cut or changed" in ran.err) == (1, True)
    (folder / "kept.jsonl").write_text(json.dumps({"x": 1}))
    assert cli("state", "recover", "kept.jsonl").code == 1


# ---------------------------------------------------------------- environments


def test_environments_with_a_state_and_no_file_are_told(cli, applied, folder):
    (folder / "environments").mkdir()
    for name in ("dev", "prod"):
        (folder / "environments" / f"{name}.yaml").write_text("{}\n")
    assert cli("--env", "dev", "apply", "--auto-approve", "--allow", "duplicate").code == 0
    (folder / "environments/dev.yaml").unlink()
    ran = cli("env", "list")
    assert ran.out.splitlines() == [
        "default  has a state",
        "dev      has a state; environments/dev.yaml is gone: bring it back to look at or destroy what is recorded",
        "prod     no state",
    ]
