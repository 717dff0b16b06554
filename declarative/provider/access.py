"""The access to one cloud: endpoint, project, region, authorization and TLS."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from declarative.model import Binding
from declarative.provider.authorization import Authorization
from declarative.provider.endpoint import DEFAULT_PORTS, is_loopback
from declarative.provider.tls import Tls


@dataclass(frozen=True, slots=True)
class Access:
    """One project at one endpoint. `endpoint` is scheme, host, port and path prefix, without `/v1` or a final `/`."""

    endpoint: str
    project_id: str
    region: str
    authorization: Authorization
    tls: Tls = field(default_factory=Tls, compare=False, repr=False)

    @property
    def binding(self) -> Binding:
        """Which cloud this is, as states and plans remember it: on loopback the port says nothing."""
        parts = urlsplit(self.endpoint)
        host = parts.hostname or ""
        shown = f"[{host}]" if ":" in host else host
        if parts.port not in (None, DEFAULT_PORTS.get(parts.scheme)) and not is_loopback(host):
            shown = f"{shown}:{parts.port}"
        return Binding(self.project_id, self.region, shown)
