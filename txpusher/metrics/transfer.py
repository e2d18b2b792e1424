"""Metrics on their way from one process to another, as values that JSON has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client.core import Metric

Families = Sequence[tuple[str, str, str, Sequence[tuple[str, dict[str, str], float | None]]]]
"""Name, help text and type of each family, and its samples: name, labels and value."""


def packed(metrics: Iterable[Metric]) -> Families:
    """Make values of families."""
    return [
        (
            metric.name,
            metric.documentation,
            metric.type,
            [(name, labels, value) for name, labels, value, *_ in metric.samples],
        )
        for metric in metrics
    ]


def unpacked(families: Iterable[Any]) -> list[Metric]:
    """Make families again of what `packed` made, JSON or not; JSON has no NaN."""
    metrics = []
    for name, text, kind, samples in families:
        metric = Metric(name, text, kind)
        for sample, labels, value in samples:
            metric.add_sample(sample, labels, math.nan if value is None else value)
        metrics.append(metric)
    return metrics
