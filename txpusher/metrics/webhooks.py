"""What is scraped about webhooks: events, not requests, by app and kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from txpusher.metrics.families import Families
    from txpusher.metrics.observer import MetricsObserver

APP_KIND = ("app_id", "kind")

_Numbers = Mapping[tuple[str, str], int]
COUNTERS: tuple[tuple[str, str, Callable[[MetricsObserver], _Numbers]], ...] = (
    ("webhooks_sent_total", "Webhook events accepted", lambda seen: seen.webhooks_sent),
    (
        "webhooks_failed_total",
        "Webhook events not accepted, each attempt counted",
        lambda seen: seen.webhooks_failed,
    ),
    ("webhooks_retried_total", "Webhook events sent again", lambda seen: seen.webhooks_retried),
)
"""The name, what it counts, and where the numbers are."""
LOSSES = ("expired", "queue_full", "adapter_away")
"""Reasons that count from 0: Prometheus sees no increase in a series that begins with its first loss."""


def webhook_metrics(
    families: Families, seen: MetricsObserver, waiting: _Numbers
) -> Iterator[Metric]:
    """Make the families about webhooks.

    Args:
        families: knows the prefix and the port.
        seen: the counters.
        waiting: events that wait, by app id and kind; zeros say which counters begin at 0.
    """
    for name, text, numbers in COUNTERS:
        samples = dict.fromkeys(waiting, 0) | dict(numbers(seen))
        yield families.counter(name, text, APP_KIND, samples.items())
    text = "Webhook events that are not sent any more"
    labels = (*APP_KIND, "reason")
    none = {(*key, reason): 0 for key in waiting for reason in LOSSES}
    lost = none | dict(seen.webhooks_dropped)
    yield families.counter("webhooks_dropped_total", text, labels, lost.items())
    # A gauge must not vanish when a target does.
    lengths = dict.fromkeys(seen.webhooks_sent, 0) | dict(waiting)
    text = "Webhook events that wait or are under way"
    yield families.gauge("webhook_queue_length", text, APP_KIND, lengths.items())
    text = "Seconds from the creation of a webhook event to its acceptance"
    yield families.histogram("webhook_seconds", text, APP_KIND, seen.webhook_seconds.items())
