"""How long to wait before a worker that has ended is started again."""

from __future__ import annotations

LONGEST = 60.0
"""Seconds."""
WELL_AFTER = 60.0
"""Seconds for which a worker has to have served until its end counts as its first."""


class Backoff:
    """Doubles the wait with each worker that does not live long: 1, 2, 4 to 60 seconds."""

    def __init__(self) -> None:
        self._next = 1.0

    def wait(self, served: float) -> float:
        """Give the seconds to wait.

        Args:
            served: seconds for which the worker served; 0 if it never did.
        """
        if served >= WELL_AFTER:
            self._next = 1.0
        now, self._next = self._next, min(2 * self._next, LONGEST)
        return now
