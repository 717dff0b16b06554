"""Stacks of a few lines, for tests that are about something else."""

from __future__ import annotations

from collections.abc import Iterable

GROUP = """\
apiVersion: sdrs/v1
kind: ProtectionGroup
metadata: {name: shop}
spec:
  name: shop
  source_availability_zone: eu-de-01
  target_availability_zone: eu-de-02
  domain: ActiveactiveDomain
  source_vpc_id: 046852ef-c49d-409b-8389-546aaaa5701f
  dr_type: migration
"""
PROTECTED = """\
apiVersion: sdrs/v1
kind: ProtectionGroup
metadata: {name: shop}
spec:
  name: shop-prod
  source_availability_zone: eu-de-01
  target_availability_zone: eu-de-02
  domain: ActiveactiveDomain
  source_vpc_id: 68679295-0223-4b5d-aecb-656d77977de2
  protection: enabled
"""
_GROUPS = """\
apiVersion: sdrs/v1
kind: Stack
metadata: {{name: {stack}}}
spec: {{provider: {{{provider}}}}}
---
apiVersion: sdrs/v1
kind: ProtectionGroup
metadata: {{name: shop}}
for_each: [{names}]
spec:
  name: "${{each.key}}"
  source_availability_zone: eu-de-01
  target_availability_zone: eu-de-02
  domain: ActiveactiveDomain
  source_vpc_id: 6f8f5e0c-3d0b-4b59-9d0c-7b0a3c1d2e4f
  dr_type: migration
"""


def stack_of(names: Iterable[str], *, stack: str = "shop", provider: str = "simulator: true") -> str:
    """A stack with a group of each name."""
    return _GROUPS.format(names=", ".join(names), stack=stack, provider=provider)
