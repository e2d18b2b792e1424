"""One metrics page for all workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from twisted.internet.defer import Deferred, gatherResults

from txpusher.metrics.families import Families
from txpusher.metrics.merging import WORKER, Totals
from txpusher.metrics.page import site

if TYPE_CHECKING:
    from twisted.web.server import Site

    from txpusher.interfaces import Clock
    from txpusher.workers.process import WorkerProcess
    from txpusher.workers.slot import Slot

ANSWER_TIME = 2.0
"""Seconds that workers have to give their metrics; of one that is late, those it gave last are shown."""

REASONS = ("died", "replaced")


class GroupMetrics(Collector):
    """Collects the metrics of all workers, and those about them.

    Args:
        prefix: what the names of all metrics begin with.
        port: tells the label ``port``.
        slots: have the workers.
        clock: limits the wait for them.
    """

    def __init__(
        self, prefix: str, port: Callable[[], str], slots: Sequence[Slot], clock: Clock
    ) -> None:
        self._prefix = prefix
        self._families = Families(prefix, port)
        self._slots = slots
        self._clock = clock
        self._gone = Totals(prefix)
        self._restarts: Counter[tuple[str, str]] = Counter()

    def site(self) -> Site:
        """Make the factory for the metrics listener."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return site(registry, self._clock, self.gather)

    def restarted(self, number: int, reason: str) -> None:
        """Count that another worker is started in a slot."""
        self._restarts[str(number), reason] += 1

    def ended(self, process: WorkerProcess) -> None:
        """Remember what a process counted that has ended."""
        self._gone.add_counted(process.metrics)

    async def gather(self) -> None:
        """Ask all workers that serve."""
        asking = [
            Deferred.fromCoroutine(process.ask_metrics(ANSWER_TIME, self._clock))
            for slot in self._slots
            for process in slot.processes
            if process.ready.come
        ]
        await gatherResults(asking)

    def describe(self) -> list[Metric]:
        """Promise nothing: what there is depends on the workers."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give what was gathered."""
        totals = Totals(self._prefix)
        totals.add(self._gone.families())
        shown = {}
        for slot in self._slots:
            for process in slot.processes:
                totals.add(process.metrics)
            if slot.worker is not None:
                shown[str(slot.number)] = slot.worker.metrics
        yield from totals.merged(shown)
        yield from self._about_workers()

    def _about_workers(self) -> Iterator[Metric]:
        gauge, counter = self._families.gauge, self._families.counter
        yield gauge("workers", "Workers there should be", (), [((), len(self._slots))])
        up = [((str(slot.number),), float(_is_up(slot))) for slot in self._slots]
        text = "Workers that serve, and gave their metrics in time"
        family = gauge("workers_up", text, (), [((), sum(number for _, number in up))])
        family.samples += gauge("workers_up", text, (WORKER,), up).samples
        yield family
        restarts = (
            ((str(slot.number), reason), self._restarts[str(slot.number), reason])
            for slot in self._slots
            for reason in REASONS
        )
        text = "Workers that were started in the place of another one"
        yield counter("worker_restarts_total", text, (WORKER, "reason"), restarts)


def _is_up(slot: Slot) -> bool:
    return slot.worker is not None and slot.worker.answered
