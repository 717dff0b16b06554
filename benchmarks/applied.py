"""A stack as an apply of all of it leaves it, in a cloud and in its state, without its many calls.

What is written here is right only if a plan then finds nothing to do; whoever measures sees to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from declarative.model import Json
    from declarative.simulator import World

_STATE = Path(".declarative", "default", "state.json")
_REGION = "eu-de"


def stand(world: World, address: str, stack: Path) -> None:
    """Let all groups of a stack be in a world that is served at `address`, and be recorded in the stack's state."""
    from declarative import manifest
    from declarative.kinds import KINDS
    from declarative.model import Binding, Resource
    from declarative.state.snapshot import State, encode

    desired, _ = manifest.resolve(manifest.load(stack))
    with world.operator.at_once():
        pattern = world.operator.add_group()
        for one in desired.resources.values():
            world.operator.add_group(like=pattern, **_named(one.spec))
        world.operator.delete_group(pattern)
    state = State("measured", serial=1, binding=Binding(world.project_id, _REGION, urlsplit(address).hostname or ""))
    for (place, one), shown in zip(desired.resources.items(), world.groups(), strict=True):
        sent = {name: shown[name] for name in KINDS[place.kind].fields if name in (*one.spec, "domain_id")}
        state.resources[place] = Resource(place, str(shown["id"]), sent, shown)
    path = stack / _STATE
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_bytes(encode(state))


def _named(spec: Mapping[str, Json]) -> dict[str, Json]:
    """The fields that the service knows by the manifest's name; there is one domain, which every group has."""
    return {name: value for name, value in spec.items() if name != "domain"}
