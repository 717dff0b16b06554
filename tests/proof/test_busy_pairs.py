"""A pair that is being attached or detached takes nothing else: what is refused meanwhile waits for its turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scaffold.cloud import Site, done

HEAD = """\
apiVersion: sdrs/v1
kind: Stack
metadata: {name: proof}
spec: {provider: {simulator: true}}
---
apiVersion: sdrs/v1
kind: ProtectionGroup
metadata: {name: cluster}
spec:
  name: cluster
  source_availability_zone: eu-de-01
  target_availability_zone: eu-de-02
  domain: ActiveactiveDomain
  source_vpc_id: 6f8f5e0c-3d0b-4b59-9d0c-7b0a3c1d2e4f
"""
NODE = """\
---
apiVersion: sdrs/v1
kind: ProtectedInstance
metadata: {{name: {name}}}
spec: {{protection_group: cluster, name: {name}, server_id: {server}, delete_target_server: true}}
"""
PAIR = """\
---
apiVersion: sdrs/v1
kind: ReplicationPair
metadata: {{name: data}}
spec: {{protection_group: cluster, name: data, volume_id: 1044dec7-206e-4f4b-9a1e-0c8b7f3f5a11, volume_size: {size}}}
"""
ATTACHMENT = """\
---
apiVersion: sdrs/v1
kind: ReplicationAttachment
metadata: {{name: {name}}}
spec: {{protected_instance: {name}, replication_pair: data, device: /dev/vdb}}
"""
ONE = NODE.format(name="one", server="35971be6-7a5c-4d6e-8f10-2b3c4d5e6f70")
TWO = NODE.format(name="two", server="1779f590-3b4c-4d5e-9f10-2b3c4d5e6f71")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, speed=20.0)


def write(site: Site, *documents: str) -> None:
    (site.stack_folder / "stack.yaml").write_text("".join((HEAD, *documents)))


def test_a_pair_that_two_instances_share_leaves_them_one_after_the_other(site: Site) -> None:
    attachments = (ATTACHMENT.format(name="one"), ATTACHMENT.format(name="two"))
    write(site, ONE, TWO, PAIR.format(size=100), *attachments)
    done(site.apply())
    done(site.destroy())
    assert site.live() == {}


def test_a_pair_that_leaves_its_instance_grows_afterwards(site: Site) -> None:
    write(site, ONE, PAIR.format(size=100), ATTACHMENT.format(name="one"))
    done(site.apply())
    write(site, ONE, PAIR.format(size=150))
    done(site.apply(allow=("delete",)))
    (pair,) = (pair for pair in site.world.replications() if pair["name"] == "data")
    assert (pair["record_metadata"]["volume_size"], pair["attachment"]) == (150, [])
