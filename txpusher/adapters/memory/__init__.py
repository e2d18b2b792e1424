"""``memory://``: one process, everything in dicts; every answer comes at once.

Several adapters made on one `Hub` are several nodes in one process, which is how the tests look at a cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.adapters.memory.bus import MemoryBus
from txpusher.adapters.memory.hub import Hub
from txpusher.adapters.memory.values import MemoryQuotas
from txpusher.interfaces import Figures, Health

if TYPE_CHECKING:
    from txpusher.interfaces import Clock, Limiter, Node
    from txpusher.outbox import Outbox

__all__ = ["Hub", "MemoryAdapter", "create"]


def create(url: str, clock: Clock) -> MemoryAdapter:
    """Make the adapter for ``memory://``; ``url`` has nothing to say."""
    return MemoryAdapter(Hub(clock))


class MemoryAdapter:
    """One node on a hub."""

    outbox: Outbox | None = None
    limiter: Limiter | None = None

    def __init__(self, hub: Hub) -> None:
        self.bus = MemoryBus(hub)
        self.quotas = MemoryQuotas(hub.connections)
        self.roster = hub.roster
        self.last_events = hub.last_events
        self.receipts = hub.receipts

    async def start(self, node: Node) -> None:
        """Be reached by the other nodes of the hub."""
        self.bus.receive = node.receive

    async def stop(self) -> None:
        """Be reached no longer."""
        self.bus.leave()

    def health(self) -> Health:
        """Memory is always there."""
        return Health()

    def figures(self) -> Figures:
        """Nothing goes over a wire, and no node dies alone."""
        return Figures()
