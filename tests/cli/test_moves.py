"""What is only renamed, at the command line: the hints of a plan, pasted into a shell, leave nothing to tear down."""

import re
import shlex

import pytest

STACK = """\
apiVersion: sdrs/v1
kind: Stack
metadata: {name: shop}
spec:
  provider: {simulator: true}
---
apiVersion: sdrs/v1
kind: ProtectionGroup
metadata: {name: tier}
for_each: {web: w, db: d}
spec:
  name: shop-${each.key}
  description: the tier ${each.value}
  source_availability_zone: eu-de-01
  target_availability_zone: eu-de-02
  domain: ActiveactiveDomain
  source_vpc_id: 6f8f5e0c-3d0b-4b59-9d0c-7b0a3c1d2e4f
---
apiVersion: sdrs/v1
kind: ProtectedInstance
metadata: {name: server}
for_each:
  one: f8b3cb98-30b5-4965-98ee-d4e24b98109a
  two: 5eb7e725-e6ba-443f-aa90-6437aa7be080
spec:
  protection_group: tier[web]
  name: ${each.key}
  server_id: ${each.value}
"""
EDITS = {
    "group of members": ([("web: w", "front: w"), ("tier[web]", "tier[front]")], 0),
    "group without members": ([("db: d", "data: d")], 1),
    "swapped servers": ([("  one: f8", "  three: f8"), ("  two: 5e", "  one: 5e"), ("  three: f8", "  two: f8")], 3),
    "swapped servers and group": (
        [
            ("web: w", "front: w"),
            ("tier[web]", "tier[front]"),
            ("  one: f8", "  three: f8"),
            ("  two: 5e", "  one: 5e"),
            ("  three: f8", "  two: f8"),
        ],
        3,
    ),
    "both groups": ([("web: w", "front: w"), ("tier[web]", "tier[front]"), ("db: d", "data: d")], 1),
    "key and address": (
        [("metadata: {name: tier}", "metadata: {name: layer}"), ("tier[web]", "layer[front]"), ("web: w", "front: w")],
        0,
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_the_hints_of_a_plan_leave_nothing_to_tear_down(cli, folder, edit):
    changes, count = EDITS[edit]
    stack = folder / "stack.yaml"
    stack.write_text(STACK)
    assert cli("apply", "--auto-approve").code == 0
    text = STACK
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    stack.write_text(text)
    shown = cli("plan").out
    hints = re.findall(r"^ +declarative (state mv .*)$", shown, re.MULTILINE)
    assert len(hints) == count
    for hint in hints:
        assert cli(*shlex.split(hint)).code == 0
    ran = cli("apply", "--auto-approve")
    assert ran.code == 0, ran.err
    assert not re.search(r"^ +(-|-/\+|\+) ", ran.out, re.MULTILINE)
    assert cli("plan", "--detailed-exitcode").code == 0
