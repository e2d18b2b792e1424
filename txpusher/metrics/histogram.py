"""A histogram in plain numbers: quick to feed, added up only when it is read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from prometheus_client.utils import floatToGoString


class Histogram:
    """Counts values by their size.

    Args:
        bounds: the largest value of each bucket, ascending; what is larger than the last counts as ``+Inf``.
    """

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """Give the ``le`` label and the cumulative count of each bucket, as prometheus_client wants them."""
        labels = [*map(floatToGoString, self.bounds), "+Inf"]
        return list(zip(labels, accumulate(self.counts), strict=True))
