"""Last events, receipts and numbers of connections, in dicts."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from txpusher.core.expiring import Expiring
from txpusher.model import CachedEvent, Receipt

if TYPE_CHECKING:
    from txpusher.interfaces import Clock


class MemoryQuotas:
    """How many connections each node of the hub has."""

    def __init__(self, connections: dict[str, dict[MemoryQuotas, int]]) -> None:
        self._connections = connections

    async def set(self, app_id: str, connections: int, limit: int | None = None) -> bool:
        """See `txpusher.interfaces.Quotas`."""
        nodes = self._connections.setdefault(app_id, {})
        others = sum(nodes.values()) - nodes.get(self, 0)
        if limit is not None and others + connections > limit:
            return False
        nodes[self] = connections
        return True


class MemoryLastEvents:
    """The last events of cache channels."""

    def __init__(self, clock: Clock) -> None:
        self._events: Expiring[tuple[str, str]] = Expiring(clock)

    async def put(self, app_id: str, channel: str, name: str, data: str, ttl: int) -> None:
        """See `txpusher.interfaces.LastEvents`."""
        self._events.put((app_id, channel), (name, data), ttl)

    async def get(self, app_id: str, channel: str) -> CachedEvent | None:
        """See `txpusher.interfaces.LastEvents`."""
        kept = self._events.get((app_id, channel))
        if kept is None:
            return None
        (name, data), left = kept
        return CachedEvent(name, data, ceil(left))


class MemoryReceipts:
    """The receipts of publishes with an idempotency key."""

    def __init__(self, clock: Clock) -> None:
        self._receipts: Expiring[Receipt] = Expiring(clock)

    async def claim(self, app_id: str, key: str, fingerprint: bytes, ttl: int) -> Receipt | None:
        """See `txpusher.interfaces.Receipts`."""
        kept = self._receipts.get((app_id, key))
        if kept is not None:
            return kept[0]
        self._receipts.put((app_id, key), Receipt(fingerprint), ttl)
        return None

    async def settle(self, app_id: str, key: str, receipt: Receipt, ttl: int) -> None:
        """See `txpusher.interfaces.Receipts`."""
        self._receipts.put((app_id, key), receipt, ttl)

    async def release(self, app_id: str, key: str) -> None:
        """See `txpusher.interfaces.Receipts`."""
        self._receipts.pop((app_id, key))
