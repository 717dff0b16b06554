"""Stacks of any size, as files."""

from __future__ import annotations

from pathlib import Path

PER_FILE = 1000  # documents

_STACK = """\
apiVersion: sdrs/v1
kind: Stack
metadata:
  name: measured
spec:
  provider: {region: eu-de}
"""
_GROUP = """\
apiVersion: sdrs/v1
kind: ProtectionGroup
metadata:
  name: group-%(number)05d
  labels: {tier: gold}
spec:
  name: shop-%(number)05d
  description: servers of shop %(number)d
  source_availability_zone: eu-de-01
  target_availability_zone: eu-de-02
  domain: ActiveactiveDomain
  source_vpc_id: 6f8f5e0c-3d0b-4b59-9d0c-7b0a3c1d2e4f
  dr_type: migration
"""


def write_stack(folder: Path, groups: int, *, per_file: int = PER_FILE) -> None:
    """Make `folder`, and in it a stack of so many protection groups, `per_file` documents in a file."""
    folder.mkdir(parents=True)
    (folder / "stack.yaml").write_text(_STACK)
    for first in range(0, groups, per_file):
        documents = [_GROUP % {"number": number} for number in range(first, min(first + per_file, groups))]
        (folder / f"groups-{first // per_file:03d}.yaml").write_text("---\n".join(documents))
