"""The metrics of several processes as those of one: sums, and beside them the numbers of each.

A sum must not fall when a process ends, as Prometheus would take that for a restart of them all and count everything
again. So what ended processes have counted stays in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import Metric

WORKER = "worker"
"""The label that tells whose a number is; sums do not have it."""

# Sums of these would mean nothing.
_OF_ONE_PROCESS = (
    *("process_", "python_", "event_loop_lag_last_", "event_loop_lag_max_"),
    "apps_known",  # all have the same ones
)
_YES_OR_NO = ("_ok", "_up")

_Key = tuple[str, tuple[tuple[str, str], ...]]


class Totals:
    """Sums of families, sample by sample.

    Args:
        prefix: what the names of all metrics begin with.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._families: dict[str, Metric] = {}
        self._sums: dict[str, dict[_Key, float]] = {}

    def add(self, families: Iterable[Metric]) -> None:
        """Add the families of one process; those that cannot be added up are only made known."""
        for family in families:
            sums = self._known(family)
            if not self._has_sum(family):
                continue
            for name, labels, value, *_ in family.samples:
                key = (name, tuple(labels.items()))
                sums[key] = sums.get(key, 0) + value

    def add_counted(self, families: Iterable[Metric]) -> None:
        """Add what a process that has ended counted; its gauges are gone with it."""
        self.add(family for family in families if family.type != "gauge")

    def merged(self, workers: Mapping[str, Iterable[Metric]]) -> Iterator[Metric]:
        """Give the sums, and the numbers of single processes after them.

        Args:
            workers: the families of each process that is shown by itself, by its label.
        """
        for worker in workers.values():
            for family in worker:
                self._known(family)
        shown = {name: _copy(family) for name, family in self._families.items()}
        for name, sums in self._sums.items():
            for (sample, labels), value in sums.items():
                shown[name].add_sample(sample, dict(labels), value)
        for label, worker in workers.items():
            for family in worker:
                for sample, named, value, *_ in family.samples:
                    shown[family.name].add_sample(sample, {**named, WORKER: label}, value)
        yield from shown.values()

    def families(self) -> Iterator[Metric]:
        """Give the sums alone."""
        return self.merged({})

    def _known(self, family: Metric) -> dict[_Key, float]:
        self._families.setdefault(family.name, family)
        return self._sums.setdefault(family.name, {})

    def _has_sum(self, family: Metric) -> bool:
        name = family.name.removeprefix(self._prefix)
        alone = name.startswith(_OF_ONE_PROCESS) or name.endswith(_YES_OR_NO)
        return not alone


def _copy(family: Metric) -> Metric:
    return Metric(family.name, family.documentation, family.type)
