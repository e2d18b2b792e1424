"""What is scraped about the process: the lag of its event loop, CPU, memory, file descriptors, garbage collection."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from txpusher.metrics.families import Families
from txpusher.metrics.lag import EventLoopLag


class ProcessMetrics(Collector):
    """Makes the metrics of this process.

    Args:
        families: knows the prefix and the port.
        lag: measures the event loop.
    """

    def __init__(self, families: Families, lag: EventLoopLag) -> None:
        self._families = families
        self._lag = lag
        # They register with the global registry unless told another. Only the first can be told a prefix, and none a
        # label: `Families.adopted` adds both.
        self._standard = CollectorRegistry()
        ProcessCollector(registry=self._standard)
        PlatformCollector(registry=self._standard)
        GCCollector(registry=self._standard)

    def collect(self) -> Iterator[Metric]:
        """Give every family."""
        yield from self._lags()
        for metric in self._standard.collect():
            yield self._families.adopted(metric)

    def _lags(self) -> Iterator[Metric]:
        gauge, lag = self._families.gauge, self._lag
        text = "Seconds by which a timed call came late"
        yield self._families.histogram("event_loop_lag_seconds", text, (), [((), lag.histogram)])
        yield gauge("event_loop_lag_last_seconds", f"{text}, the last one", (), [((), lag.last)])
        text = f"{text}, the worst since the last scrape"
        yield gauge("event_loop_lag_max_seconds", text, (), [((), lag.take_worst())])
