"""What is scraped about compression. What is sent to many is compressed once, and counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from txpusher.metrics.families import Families
    from txpusher.metrics.observer import MetricsObserver

COUNTERS: tuple[tuple[str, str, Callable[[MetricsObserver], int]], ...] = (
    (
        "compression_agreed_total",
        "Connections that agreed on compression",
        lambda seen: seen.compression_agreed,
    ),
    (
        "compressions_total",
        "How often something was compressed, for however many receivers",
        lambda seen: seen.compressions,
    ),
    (
        "compression_input_bytes_total",
        "Bytes of what was compressed",
        lambda seen: seen.compression_input,
    ),
    (
        "compression_output_bytes_total",
        "Bytes it was compressed to",
        lambda seen: seen.compression_output,
    ),
)
"""The name, what it counts, and where the number is."""


def compression_metrics(families: Families, seen: MetricsObserver) -> Iterator[Metric]:
    """Make the families about compression; `seen` has the counters."""
    for name, text, number in COUNTERS:
        yield families.counter(name, text, (), [((), number(seen))])
