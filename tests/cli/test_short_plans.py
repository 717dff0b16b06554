"""How long plans are on a terminal of 80 columns: sessions against golden files, and their rows counted."""

import re

import pytest

from declarative.simulator import World
from declarative.simulator.settings import Origin

COLUMNS = 80
STACK = """\
apiVersion: sdrs/v1
kind: Stack
metadata: {{name: shop}}
spec:
  provider: {{simulator: true}}
  guards: {{max_deletes: 3}}
  variables:
    names: {{type: list, default: [{names}]}}
---
apiVersion: sdrs/v1
kind: ProtectionGroup
metadata: {{name: app}}
for_each: ${{var.names}}
spec:
  name: ${{each.key}}
  source_availability_zone: eu-de-01
  target_availability_zone: eu-de-02
  domain: ActiveactiveDomain
  source_vpc_id: {vpc}
"""
MEMBERS = """\
---
apiVersion: sdrs/v1
kind: ProtectedInstance
metadata: {{name: {group}}}
for_each: [{servers}]
spec:
  name: ${{each.key}}
  protection_group: app[{group}]
  server_id: ${{each.key}}
"""


@pytest.fixture
def write(folder):
    """Write a stack of groups in a cloud without quotas; with `servers` also so many instances in each."""
    (folder / ".declarative").mkdir()
    origin = Origin(group_quota=-1, replication_quota=-1)
    World.open(folder / ".declarative" / "simulator.sqlite", origin=origin).close()

    def documents(names, servers=0, vpc="6f8f5e0c-3d0b-4b59-9d0c-7b0a3c1d2e4f"):
        text = STACK.format(names=", ".join(names), vpc=vpc) + ("  protection: enabled\n" if servers else "")
        for number, group in enumerate(names if servers else ()):
            ids = (f"00000000-0000-4000-8000-{number:04}{one:08}" for one in range(servers))
            text += MEMBERS.format(group=group, servers=", ".join(ids))
        (folder / "stack.yaml").write_text(text)

    return documents


def rows(ran):
    """How many rows of a terminal the output of a command takes."""
    return sum(max(1, -(-len(line) // COLUMNS)) for line in (ran.out + ran.err).splitlines())


def test_a_plan_of_twelve_steps(cli, golden, write):
    write(["web", "db"], servers=4)
    plan, concise = cli("plan"), cli("plan", "--concise")
    assert re.match(r"Plan: 10 to create, 2 to enable\.\n", plan.out)
    assert rows(plan) < 100
    assert rows(concise) < 45
    golden("twelve-steps", plan, concise)


def test_a_refused_apply(cli, golden, write):
    write(["web", "db"], servers=2)
    assert cli("apply", "--auto-approve").code == 0
    write(["web", "db"], servers=2, vpc="11111111-3d0b-4b59-9d0c-7b0a3c1d2e4f")
    refused = cli("apply", "--auto-approve")
    words = re.findall(r"--allow (\S+)", refused.err)
    assert "--allow" not in refused.out
    assert words == ["mass-delete", "'replace:ProtectionGroup/app[db]'", "'replace:ProtectionGroup/app[web]'"]
    saved = cli("plan", "-o", "plan.json", "--concise")
    kept = cli("apply", "plan.json", "--auto-approve")
    golden("refused", refused, saved, kept)
    assert rows(refused) < 90
    pasted = [word.strip("'") for word in words]
    assert cli("apply", "--auto-approve", *(one for word in pasted for one in ("--allow", word))).code == 0


def test_a_destroy_of_two_hundred_groups(cli, golden, write):
    write([f"g{number:03}" for number in range(200)])
    assert cli("apply", "--auto-approve").code == 0
    destroyed = cli("destroy", "--auto-approve", "--concise")
    assert destroyed.code == 0
    assert destroyed.out.count(" delete ProtectionGroup/app[g") == 200
    assert "201 dangers are consented to: 1 mass-delete, 200 delete (-v lists all)" in destroyed.out
    assert len(destroyed.out.splitlines()) < 220
    golden("two-hundred-groups", _without_err(destroyed))


def test_ten_thousand_creates(cli, golden, write):
    write([f"g{number:05}" for number in range(10_000)])
    plan = cli("plan")
    assert rows(plan) < 40
    golden("ten-thousand-creates", plan)


def _without_err(ran):
    """A command without its progress, which is long."""
    return type(ran)(ran.arguments, ran.code, ran.out, "")


def test_the_recorded_state_has_no_steps_to_shorten(cli, write):
    write(["web"])
    ran = cli("show", "--concise")
    assert (ran.code, "--concise goes with a saved plan" in ran.err) == (64, True)


def test_verbose_lists_what_is_counted(cli, write):
    write([f"g{number:03}" for number in range(30)])
    assert "27 more" in cli("plan").out
    assert cli("-v", "plan").out.count("+ create ProtectionGroup/") == 30
    assert cli("-v", "plan", "--concise").out.count("+ create ProtectionGroup/") == 30
