"""A sign of life when nothing else is said: the first after 10 s of silence, then rarer, at last every 5 minutes.

CI systems end a job that is silent for long, and a first copy takes hours.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

FIRST = 10.0  # seconds
_LONGEST = 300.0  # seconds; CI systems give up after 10 minutes or more
_LOOKS = 1.0  # seconds between two looks whether a sign is due


class Heartbeat:
    """Decides when a sign is due. Safe to use from several threads."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._gap = FIRST
        self._quiet_since = monotonic()

    def heard(self) -> None:
        """Something was said."""
        with self._lock:
            self._quiet_since = self._monotonic()

    def restart(self) -> None:
        """Something new begins: the next sign is a first one again."""
        with self._lock:
            self._gap, self._quiet_since = FIRST, self._monotonic()

    def is_due(self) -> bool:
        """True when a sign is to be given now; the next one will be due later than this one was."""
        with self._lock:
            now = self._monotonic()
            if now - self._quiet_since < self._gap:
                return False
            self._gap, self._quiet_since = min(2 * self._gap, _LONGEST), now
            return True


class Ticking:
    """A thread that calls `tick` every second, or every `seconds`, until it is closed."""

    def __init__(self, tick: Callable[[], None], *, seconds: float = _LOOKS, name: str = "heartbeat") -> None:
        self._tick = tick
        self._seconds = seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and wait for it."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            self._tick()
