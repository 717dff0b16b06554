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
  domain: ActiveactiveDomain
"""


def group_fields(number: int) -> dict[str, str]:
    """The fields of a group, but for its domain, as the stack has them and as a create sends them."""
    return {
        "name": f"shop-{number:05d}",
        "description": f"servers of shop {number}",
        "source_availability_zone": "eu-de-01",
        "target_availability_zone": "eu-de-02",
        "source_vpc_id": "6f8f5e0c-3d0b-4b59-9d0c-7b0a3c1d2e4f",
        "dr_type": "migration",
    }


def _group(number: int) -> str:
    fields = "".join(f"  {name}: {value}\n" for name, value in group_fields(number).items())
    return _GROUP % {"number": number} + fields


_MEMBERS = {
    "instances": """\
apiVersion: sdrs/v1
kind: ProtectedInstance
metadata: {name: web-%(number)05d}
spec:
  protection_group: group-%(number)05d
  name: web-%(number)05d
  server_id: %(number)08d-0000-4000-8000-000000000000
  delete_target_server: true
  delete_target_eip: true
""",
    "pairs": """\
apiVersion: sdrs/v1
kind: ReplicationPair
metadata: {name: data-%(number)05d}
spec:
  protection_group: group-%(number)05d
  name: data-%(number)05d
  volume_id: %(number)08d-0000-4000-9000-000000000000
  delete_target_volume: true
""",
    "attachments": """\
apiVersion: sdrs/v1
kind: ReplicationAttachment
metadata: {name: data-%(number)05d}
spec: {protected_instance: web-%(number)05d, replication_pair: data-%(number)05d, device: /dev/vdb}
""",
}


def write_members(folder: Path, groups: int) -> None:
    """Give each group of a stack an instance, and a pair that is attached to it; a file for each kind."""
    for kind, document in _MEMBERS.items():
        (folder / f"{kind}.yaml").write_text("---\n".join(document % {"number": number} for number in range(groups)))


def set_protection(folder: Path, goal: str) -> None:
    """Let the protection of every group of a stack be `enabled` or `disabled`."""
    for file in folder.glob("groups-*.yaml"):
        lines = [line for line in file.read_text().splitlines() if not line.startswith("  protection:")]
        text = "\n".join(f"{line}\n  protection: {goal}" if line.startswith("  dr_type:") else line for line in lines)
        file.write_text(text + "\n")


def rename_pairs(folder: Path) -> None:
    """Give every pair of a stack another address, which is a move."""
    file = folder / "pairs.yaml"
    file.write_text(file.read_text().replace("metadata: {name: data-", "metadata: {name: disk-"))


def write_stack(folder: Path, groups: int, *, per_file: int = PER_FILE) -> None:
    """Make `folder`, and in it a stack of so many protection groups, `per_file` documents in a file."""
    folder.mkdir(parents=True)
    (folder / "stack.yaml").write_text(_STACK)
    for first in range(0, groups, per_file):
        documents = [_group(number) for number in range(first, min(first + per_file, groups))]
        (folder / f"groups-{first // per_file:03d}.yaml").write_text("---\n".join(documents))
