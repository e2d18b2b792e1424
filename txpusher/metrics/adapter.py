"""What is scraped about the adapter: whether it works, and what it has done."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from txpusher.interfaces import Figures
from txpusher.metrics.collector import Snapshot
from txpusher.metrics.families import Families

COUNTERS: tuple[tuple[str, str, Callable[[Figures], int]], ...] = (
    ("adapter_commands_total", "Commands sent to what connects the nodes", lambda f: f.commands),
    ("adapter_reconnects_total", "Connections to it that were lost", lambda f: f.reconnects),
    ("adapter_reaped_nodes_total", "Dead nodes that this one has buried", lambda f: f.reaped),
)
"""The name, what it counts, and where the number is."""


class AdapterCollector(Collector):
    """Makes the metrics of the adapter.

    Args:
        families: knows the prefix and the port.
        snapshot: called at each scrape.
    """

    def __init__(self, families: Families, snapshot: Callable[[], Snapshot]) -> None:
        self._families = families
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Give every family."""
        now = self._snapshot()
        text = "Whether the other nodes can be reached"
        yield self._families.gauge("adapter_up", text, (), [((), now.adapter_up)])
        for name, description, number in COUNTERS:
            yield self._families.counter(name, description, (), [((), number(now.adapter))])
