"""Pauses between tries, each longer than the one before. Whoever pauses has the clock, and the say over when to end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses, in seconds: `first`, then `growth` times the one before, and never more than `longest`."""

    first: float
    longest: float
    growth: float = 2.0

    def after(self, pause: float) -> float:
        """Return the pause that follows one of `pause` seconds; the first one follows 0."""
        return min(max(pause * self.growth, self.first), self.longest)

    def nth(self, number: int) -> float:
        """Return the pause after so many tries, counted from 1."""
        pause = self.after(0.0)
        while number > 1 and pause < self.longest:
            pause, number = self.after(pause), number - 1
        return pause
