"""Token buckets: how many of something may happen in a time.

A bucket holds as many tokens as may be spent at once and fills evenly, so there is no window at whose edge twice as
much gets through. What costs more than a whole bucket is not refused for ever: it passes when the bucket is full, and
leaves a debt that has to fill up before anything else passes.
"""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable

    from txpusher.interfaces import Clock

MINUTE = 60.0

MAX_BUCKETS = 100_000
"""Buckets that are kept at once, some 25 MB."""

# Seconds: who waited to the point is not refused for a rounding; times of day have steps of a quarter of this.
_SLACK = 1e-6


class Standing(NamedTuple):
    """How far a limit is used up, after something that it was asked about.

    Args:
        passed: whether that was let through.
        limit: tokens the bucket holds.
        remaining: whole tokens that are left.
        reset: whole seconds until the bucket is full.
        retry_after: whole seconds until the same would pass; 0 when it would pass now.
    """

    passed: bool
    limit: int
    remaining: int
    reset: int
    retry_after: int


class TokenBucket:
    """Lets ``capacity`` things through at once, and as many again in every ``seconds`` after that.

    Args:
        capacity: tokens it holds, at least 1; it is full at first.
        now: seconds.
        seconds: the time in which an empty bucket fills.
    """

    __slots__ = ("_capacity", "_filled_at", "_seconds", "_tokens")

    def __init__(self, capacity: float, now: float, seconds: float = 1) -> None:
        self._capacity = self._tokens = capacity
        self._filled_at = now
        self._seconds = seconds

    def take(self, now: float, cost: float = 1) -> bool:
        """Take ``cost`` tokens; False when there are not as many, and then none is taken."""
        self._fill(now)
        if self._wait(cost) > _SLACK:
            return False
        self._tokens -= cost
        return True

    def resize(self, capacity: float, now: float) -> None:
        """Hold another number of tokens from now on; what is there already gets no more at once."""
        if capacity != self._capacity:
            self._fill(now)
            self._capacity = capacity
            self._tokens = min(self._tokens, capacity)

    def is_full(self, now: float) -> bool:
        """Tell whether it is as good as a new one."""
        self._fill(now)
        return self._wait(self._capacity) <= _SLACK

    def standing(self, now: float, cost: float, *, passed: bool) -> Standing:
        """Tell how far it is used up, to somebody who asked for ``cost`` tokens."""
        self._fill(now)
        return Standing(
            passed,
            floor(self._capacity),
            max(0, floor(self._tokens + _SLACK * self._rate)),
            _whole(self._wait(self._capacity)),
            _whole(self._wait(cost)),
        )

    @property
    def _rate(self) -> float:
        return self._capacity / self._seconds

    def _fill(self, now: float) -> None:
        # The computer's clock may be set back: then nothing is gained, and the time counts from there.
        passed = max(0.0, now - self._filled_at)
        self._tokens = min(self._capacity, self._tokens + passed * self._rate)
        self._filled_at = now

    def _wait(self, cost: float) -> float:
        """Give the seconds until ``cost`` tokens may be taken."""
        return max(0.0, min(cost, self._capacity) - self._tokens) / self._rate


def _whole(seconds: float) -> int:
    return ceil(seconds - _SLACK)


def standing_of(
    *, passed: bool, tokens: float, capacity: int, seconds: float, cost: float
) -> Standing:
    """Tell how far a bucket is used up that somebody else keeps.

    Args:
        passed: whether ``cost`` tokens were taken.
        tokens: those that are left.
        capacity: tokens it holds.
        seconds: the time in which it fills.
        cost: tokens that were asked for.
    """
    bucket = TokenBucket(capacity, 0, seconds)
    bucket.take(0, capacity - tokens)
    return bucket.standing(0, cost, passed=passed)


class Buckets:
    """The buckets of many, such as apps or addresses; those that are full again are forgotten.

    Args:
        clock: tells the time.
        seconds: the time in which each fills.
        most: buckets that are kept at once. When there are more, the one that was used longest ago is forgotten and
            its owner may begin anew, so that strangers with many addresses neither fill the memory nor lock others
            out.
    """

    def __init__(self, clock: Clock, seconds: float, most: int = MAX_BUCKETS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        # In the order of their last use.
        self._buckets: dict[Hashable, TokenBucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, owner: Hashable, capacity: int, cost: int = 1) -> Standing:
        """Take ``cost`` tokens of the owner's bucket, if there are as many.

        Args:
            owner: whose bucket.
            capacity: the tokens it holds now.
            cost: tokens.
        """
        now = self._clock.seconds()
        bucket = self._buckets.pop(owner, None)
        if bucket is None:
            self._make_room(now)
            bucket = TokenBucket(capacity, now, self._seconds)
        self._buckets[owner] = bucket
        bucket.resize(capacity, now)
        passed = bucket.take(now, cost)
        return bucket.standing(now, cost, passed=passed)

    def _make_room(self, now: float) -> None:
        # A few per newcomer are enough to keep up: each adds one.
        for _ in range(2):
            oldest = next(iter(self._buckets), None)
            if oldest is None:
                return
            if len(self._buckets) < self._most and not self._buckets[oldest].is_full(now):
                return
            del self._buckets[oldest]
