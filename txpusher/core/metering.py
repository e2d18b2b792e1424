"""One limit on rates, kept by this node or by all nodes together.

Together is a question to the adapter for each thing that is counted, so the operator has to want it
(``--shared-limits``). While the adapter is away each node counts by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core.limits import Buckets, Standing, standing_of
from txpusher.errors import ServiceUnavailable

if TYPE_CHECKING:
    from txpusher.interfaces import Clock, Limiter


class Meter:
    """The buckets of one kind of thing.

    Args:
        kind: sets its buckets apart from those of other kinds.
        clock: tells the time.
        seconds: the time in which each bucket fills.
        limiter: the buckets of all nodes, or None for this node's own.
    """

    def __init__(self, kind: str, clock: Clock, seconds: float, limiter: Limiter | None) -> None:
        self._kind = kind
        self._seconds = seconds
        self._limiter = limiter
        self._own = Buckets(clock, seconds)

    async def take(self, owner: str, capacity: int, cost: int = 1) -> Standing:
        """Take ``cost`` tokens of the owner's bucket, if there are as many; see `Buckets.take`."""
        if self._limiter is None:
            return self._own.take(owner, capacity, cost)
        bucket = f"{self._kind}:{owner}"
        try:
            passed, tokens = await self._limiter.take(bucket, capacity, self._seconds, cost)
        except ServiceUnavailable:
            return self._own.take(owner, capacity, cost)
        return standing_of(
            passed=passed, tokens=tokens, capacity=capacity, seconds=self._seconds, cost=cost
        )
