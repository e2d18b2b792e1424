"""Token buckets: how many of something may happen a second."""

from __future__ import annotations


class TokenBucket:
    """Lets ``rate`` things a second through, and ``rate`` at once after a quiet second.

    Args:
        rate: tokens a second, and how many the bucket holds.
        now: seconds.
    """

    __slots__ = ("_filled_at", "_rate", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._filled_at = now

    def take(self, now: float) -> bool:
        """Take one token; False when there is none."""
        self._tokens = min(self._rate, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
