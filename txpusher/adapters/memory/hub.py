"""What the nodes of one process share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.adapters.memory.roster import MemoryRoster
from txpusher.adapters.memory.values import MemoryLastEvents, MemoryReceipts

if TYPE_CHECKING:
    from txpusher.adapters.memory.bus import MemoryBus
    from txpusher.adapters.memory.values import MemoryQuotas
    from txpusher.interfaces import Clock


class Hub:
    """What the nodes of one process share: the buses, one roster, quotas, the last events and receipts."""

    def __init__(self, clock: Clock) -> None:
        self.buses: list[MemoryBus] = []
        self.connections: dict[str, dict[MemoryQuotas, int]] = {}
        self.roster = MemoryRoster()
        self.clock = clock
        # When channels were occupied that nobody was told to be vacant since; see `MemoryBus.publish_while`.
        self.came: dict[tuple[str, str], float] = {}
        self.last_events = MemoryLastEvents(clock)
        self.receipts = MemoryReceipts(clock)
