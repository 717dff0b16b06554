"""Addresses that people type, checked against what is recorded or declared."""

from __future__ import annotations

from collections.abc import Collection

from declarative.errors import UsageError, did_you_mean
from declarative.model import EXAMPLE, Address, DesiredView


def parse_address(text: str) -> Address:
    """Read an address. Raises UsageError."""
    try:
        return Address.parse(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no address: {error}", f"For example {EXAMPLE}.") from error


def recorded_address(resources: Collection[Address], text: str) -> Address:
    """Read the address of a recorded object. Raises UsageError, with the nearest one that is."""
    address = parse_address(text)
    if address not in resources:
        hint = did_you_mean(text, (str(known) for known in resources))
        raise UsageError(f"{address} is not recorded", hint or "`declarative state list` shows what is.")
    return address


def declared_address(desired: DesiredView, text: str) -> Address:
    """Read an address that the manifests declare. Raises UsageError."""
    address = parse_address(text)
    if address not in desired.resources:
        hint = did_you_mean(text, (str(known) for known in desired.resources))
        raise UsageError(f"the manifests declare no {address}", hint or "Write its document first, then import.")
    return address
