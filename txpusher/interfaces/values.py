"""What the nodes share besides: events, receipts and numbers."""

from __future__ import annotations

from typing import Protocol

from txpusher.model import CachedEvent, Receipt


class LastEvents(Protocol):
    """The last event of each cache channel, for a time."""

    async def put(self, app_id: str, channel: str, name: str, data: str, ttl: int) -> None:
        """Remember this event, in place of an older one, for ``ttl`` seconds."""

    async def get(self, app_id: str, channel: str) -> CachedEvent | None:
        """The remembered event, or None when there is none or its time is over."""


class Receipts(Protocol):
    """What publishes with an idempotency key were answered, for a time. Every answer is atomic over all nodes."""

    async def claim(self, app_id: str, key: str, fingerprint: bytes, ttl: int) -> Receipt | None:
        """Take the key for a publish that begins now, or give the receipt of the one that has it.

        Returns:
            None when nobody had the key: it is the caller's for ``ttl`` seconds, who has to `settle` or `release` it.

        Raises:
            ServiceUnavailable: the key is not the caller's; should it be taken all the same, the adapter gives it back.
        """

    async def settle(self, app_id: str, key: str, receipt: Receipt, ttl: int) -> None:
        """Remember how the publish was answered, for ``ttl`` seconds from now.

        Raises:
            ServiceUnavailable: it is not remembered yet; the adapter does it as soon as it can.
        """

    async def release(self, app_id: str, key: str) -> None:
        """Forget the key: its publish failed and may be tried again."""


class Limiter(Protocol):
    """Token buckets that all nodes take from."""

    async def take(
        self, owner: str, capacity: int, seconds: float, cost: int
    ) -> tuple[bool, float]:
        """Take tokens from a bucket, if it has as many or is full.

        Args:
            owner: whose bucket, of which kind.
            capacity: tokens it holds.
            seconds: the time in which it fills.
            cost: tokens to take; they may be more than it holds, which leaves a debt.

        Returns:
            Whether they were taken, and the tokens that are left.
        """


class Quotas(Protocol):
    """How many connections of each app there are, all nodes together."""

    async def set(self, app_id: str, connections: int, limit: int | None = None) -> bool:
        """Say how many connections this node has, or is about to have.

        Returns:
            False when all nodes together would have more than ``limit``; nothing was changed then.
        """
