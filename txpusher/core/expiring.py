"""Values that are kept for a time, without a timer for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

    from txpusher.interfaces import Clock

V = TypeVar("V")


class Expiring(Generic[V]):
    """A dict whose values are forgotten when they are asked for too late, or when others come.

    Times to live may differ from value to value, but there should be few of them.

    Args:
        clock: tells the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[Hashable, tuple[float, float, V]] = {}
        # For each time to live the keys in the order of their last put, so that the oldest are found at the beginning.
        self._orders: dict[float, dict[Hashable, None]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, key: Hashable, value: V, ttl: float) -> None:
        """Keep a value, in place of an older one, for ``ttl`` seconds."""
        now = self._clock.seconds()
        self.pop(key)
        for order in tuple(self._orders.values()):
            self._forget_expired(order, now)
        self._kept[key] = (now + ttl, ttl, value)
        self._orders.setdefault(ttl, {})[key] = None

    def get(self, key: Hashable) -> tuple[V, float] | None:
        """Give a value and the seconds it will still be kept, or None."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        until, _, value = kept
        left = until - self._clock.seconds()
        if left > 0:
            return value, left
        self.pop(key)
        return None

    def pop(self, key: Hashable) -> None:
        """Keep it no longer."""
        kept = self._kept.pop(key, None)
        if kept is not None:
            order = self._orders[kept[1]]
            del order[key]
            if not order:
                del self._orders[kept[1]]

    def _forget_expired(self, order: dict[Hashable, None], now: float) -> None:
        # A few per put are enough to keep up: each put adds at most one.
        for _ in range(2):
            oldest = next(iter(order), None)
            if oldest is None or self._kept[oldest][0] > now:
                return
            self.pop(oldest)
