"""How metrics are named, typed and labelled.

Names and labels are those that soketi and sockudo share, after the prefix, so that their dashboards work. Some of
their counters lack the ``_total`` that OpenMetrics demands of every counter: prometheus_client would expose a counter
``socket_received_bytes`` as ``socket_received_bytes_total``. Such names get the type "unknown" ("untyped" in the older
text format), which says nothing false and leaves the name alone; ``rate()`` does not ask for the type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    UnknownMetricFamily,
)

from txpusher.metrics.histogram import Histogram

Labels = tuple[str, ...]
"""The values of a sample's labels but ``port``, in the order of their names."""

Samples = Iterable[tuple[Labels, float]]


class Families:
    """Makes metric families, each of whose samples has the label ``port``.

    Args:
        prefix: stands before every name.
        port: tells what to label samples with; asked anew for each family, as it may be known late.
    """

    def __init__(self, prefix: str, port: Callable[[], str]) -> None:
        self._prefix = prefix
        self._port = port

    def counter(self, name: str, text: str, names: Sequence[str], samples: Samples) -> Metric:
        """Make a family of numbers that only grow.

        Args:
            name: of the samples, exactly; without ``_total`` the family is of unknown type.
            text: the help text.
            names: of the labels but ``port``.
            samples: the values of these labels, each with its number.
        """
        make = CounterMetricFamily if name.endswith("_total") else UnknownMetricFamily
        return self._filled(make(self._prefix + name, text, labels=(*names, "port")), samples)

    def gauge(self, name: str, text: str, names: Sequence[str], samples: Samples) -> Metric:
        """Make a family of numbers that go up and down; the arguments are those of `counter`."""
        family = GaugeMetricFamily(self._prefix + name, text, labels=(*names, "port"))
        return self._filled(family, samples)

    def histogram(
        self,
        name: str,
        text: str,
        names: Sequence[str],
        samples: Iterable[tuple[Labels, Histogram]],
    ) -> Metric:
        """Make a family of histograms; the arguments are those of `counter`."""
        family = HistogramMetricFamily(self._prefix + name, text, labels=(*names, "port"))
        port = self._port()
        for labels, histogram in samples:
            family.add_metric((*labels, port), histogram.buckets(), histogram.sum)
        return family

    def adopted(self, metric: Metric) -> Metric:
        """Copy a family that somebody else made, with our prefix and label."""
        family = Metric(self._prefix + metric.name, metric.documentation, metric.type)
        port = self._port()
        for name, labels, value, *_ in metric.samples:
            family.add_sample(self._prefix + name, {**labels, "port": port}, value)
        return family

    def _filled(
        self,
        family: CounterMetricFamily | GaugeMetricFamily | UnknownMetricFamily,
        samples: Samples,
    ) -> Metric:
        port = self._port()
        for labels, value in samples:
            family.add_metric((*labels, port), value)
        return family
