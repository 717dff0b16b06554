"""Observing: what the cloud shows just now, read so that many who look cost little, and never believed too long.

Reading needs neither the applier nor a ledger: plan, status, export and import observe just as apply does.
"""

from __future__ import annotations

from declarative.observation.candidates import MAY_BE_OLDER, Candidates, Found
from declarative.observation.normalization import as_shown
from declarative.observation.notices import Notices
from declarative.observation.observer import GRACE, LOOKED, Observer

__all__ = ["GRACE", "LOOKED", "MAY_BE_OLDER", "Candidates", "Found", "Notices", "Observer", "as_shown"]
