"""All of the metrics as one part, for the composition root: `Metrics` counts, measures and shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from txpusher.metrics.adapter import AdapterCollector
from txpusher.metrics.collector import AppsCollector, Snapshot
from txpusher.metrics.families import Families
from txpusher.metrics.lag import EventLoopLag
from txpusher.metrics.observer import MetricsObserver
from txpusher.metrics.page import site
from txpusher.metrics.process import ProcessMetrics

if TYPE_CHECKING:
    from twisted.web.server import Site

    from txpusher.interfaces import Clock


class Metrics:
    """The metrics of one server; several in one process do not know each other.

    Args:
        prefix: stands before every name.
        port: tells the label ``port``, the public port as text.
        snapshot: tells what is there now; called at each scrape.
        clock: the reactor.

    Attributes:
        observer: has to hear all occurrences.
        registry: gives the metrics to whom asks; `site` shows it over HTTP.
    """

    def __init__(
        self, prefix: str, port: Callable[[], str], snapshot: Callable[[], Snapshot], clock: Clock
    ) -> None:
        self._clock = clock
        self._lag = EventLoopLag(clock)
        self.observer = MetricsObserver()
        self.registry = CollectorRegistry()
        families = Families(prefix, port)
        self.registry.register(AppsCollector(families, snapshot, self.observer))
        self.registry.register(AdapterCollector(families, snapshot))
        self.registry.register(ProcessMetrics(families, self._lag))

    def start(self) -> None:
        """Begin to measure the event loop."""
        self._lag.start()

    def stop(self) -> None:
        """Measure it no more; the numbers stay."""
        self._lag.stop()

    def site(self) -> Site:
        """Make the factory for the metrics listener."""
        return site(self.registry, self._clock)
