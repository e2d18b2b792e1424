"""What is scraped about apps: the observer's counters, and gauges taken from what is there at that moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from txpusher.interfaces import Figures
from txpusher.metrics.compression import compression_metrics
from txpusher.metrics.families import Families, Labels, Samples
from txpusher.metrics.histogram import Histogram
from txpusher.metrics.observer import MetricsObserver
from txpusher.metrics.webhooks import webhook_metrics
from txpusher.protocol.names import Kind

_Number = TypeVar("_Number")

APP = ("app_id",)
APP_KIND = ("app_id", "channel_type")

COUNTERS: tuple[tuple[str, str, Callable[[MetricsObserver], Mapping[str, int]]], ...] = (
    ("new_connections_total", "Connections accepted", lambda seen: seen.opened),
    ("new_disconnections_total", "Connections ended", lambda seen: seen.lost),
    ("socket_received_bytes", "Bytes of messages from clients", lambda seen: seen.socket_received),
    ("socket_transmitted_bytes", "Bytes of messages to clients", lambda seen: seen.socket_sent),
    ("ws_messages_received_total", "Messages from clients", lambda seen: seen.messages_received),
    ("ws_messages_sent_total", "Messages to clients", lambda seen: seen.messages_sent),
    ("http_received_bytes", "Bytes of HTTP request bodies", lambda seen: seen.http_received),
    ("http_transmitted_bytes", "Bytes of HTTP response bodies", lambda seen: seen.http_sent),
    ("http_calls_received_total", "HTTP calls answered", lambda seen: seen.calls),
)
"""Counters by app alone: the name, what it counts, and where the numbers are."""

ASKING_COUNTERS = (
    ("horizontal_adapter_resolved_promises", "Requests to other nodes that all answered."),
    ("horizontal_adapter_uncomplete_promises", "Requests to other nodes that some answered."),
    ("horizontal_adapter_sent_requests", "Requests sent to other nodes."),
    ("horizontal_adapter_received_requests", "Requests received from other nodes."),
    ("horizontal_adapter_received_responses", "Answers received from other nodes."),
)
ASKING_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
NEVER_ASKED = (
    "Always 0: txpusher counts on a roster that all nodes share and never asks another node; "
    "this is here for dashboards made for soketi and sockudo"
)


class Snapshot(NamedTuple):
    """What is there right now in this process.

    Args:
        connected: open connections by app id; all apps that are known, so that their counters start at 0.
        channels: channels with a subscription, by app id and by the value of `Kind`.
        subscriptions: subscriptions by app id.
        webhooks: webhook events that wait, by app id and kind; zeros for kinds that are wanted.
        apps_known: apps that are served.
        app_store_ok: whether these are those that are written in the app store now.
        adapter_up: whether the other nodes can be reached.
        adapter: what the adapter has done.
    """

    connected: Mapping[str, int]
    channels: Mapping[str, Mapping[str, int]]
    subscriptions: Mapping[str, int]
    webhooks: Mapping[tuple[str, str], int] = MappingProxyType({})
    apps_known: int = 0
    app_store_ok: bool = True
    adapter_up: bool = True
    adapter: Figures = Figures()


class AppsCollector(Collector):
    """Makes the metrics of all apps.

    Args:
        families: knows the prefix and the port.
        snapshot: called at each scrape.
        seen: the counters.
    """

    def __init__(
        self, families: Families, snapshot: Callable[[], Snapshot], seen: MetricsObserver
    ) -> None:
        self._families = families
        self._snapshot = snapshot
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        """Give every family."""
        now = self._snapshot()
        yield from self._gauges(now)
        yield from self._store(now)
        yield from self._counters(now.connected)
        yield from self._reasons()
        yield from self._kinds()
        yield from compression_metrics(self._families, self._seen)
        yield from webhook_metrics(self._families, self._seen, now.webhooks)
        yield from self._asking(now.connected)

    def _gauges(self, now: Snapshot) -> Iterator[Metric]:
        gauge = self._families.gauge
        yield gauge("connected", "Connections open now", APP, _by_app(now.connected, ()))
        subscriptions = _by_app(now.subscriptions, now.connected)
        yield gauge("subscriptions", "Subscriptions there are now", APP, subscriptions)
        channels = _channels(now.channels, self._seen.subscribed)
        yield gauge("active_channels", "Channels somebody is subscribed to now", APP_KIND, channels)

    def _store(self, now: Snapshot) -> Iterator[Metric]:
        gauge, counter = self._families.gauge, self._families.counter
        yield gauge("apps_known", "Apps that are served now", (), [((), now.apps_known)])
        text = "Whether the apps that are served are those of the app store"
        yield gauge("app_store_ok", text, (), [((), now.app_store_ok)])
        text = "How often the apps were read again"
        outcomes = (((outcome,), number) for outcome, number in self._seen.reloads.items())
        yield counter("apps_reloads_total", text, ("outcome",), outcomes)

    def _counters(self, apps: Iterable[str]) -> Iterator[Metric]:
        for name, text, numbers in COUNTERS:
            yield self._families.counter(name, text, APP, _by_app(numbers(self._seen), apps))

    def _reasons(self) -> Iterator[Metric]:
        counter, seen, labels = self._families.counter, self._seen, ("app_id", "reason")
        text = "Connections turned away"
        yield counter("connections_refused_total", text, labels, seen.refused.items())
        text = "Messages that did not get to where they were meant to"
        yield counter("messages_dropped_total", text, labels, seen.dropped.items())
        statuses = (((app_id, str(status)), n) for (app_id, status), n in seen.responses.items())
        labels = ("app_id", "status")
        yield counter("http_responses_total", "HTTP calls answered", labels, statuses)

    def _kinds(self) -> Iterator[Metric]:
        counter, seen = self._families.counter, self._seen
        made = _by_kind(seen.subscribed)
        yield counter("channel_subscriptions_total", "Subscriptions made", APP_KIND, made.items())
        ended = dict.fromkeys(made, 0) | _by_kind(seen.unsubscribed)
        yield counter(
            "channel_unsubscriptions_total", "Subscriptions ended", APP_KIND, ended.items()
        )
        text = "Seconds from a publish to the last write to a subscriber"
        deliveries = _by_kind(seen.deliveries).items()
        yield self._families.histogram("delivery_seconds", text, APP_KIND, deliveries)

    def _asking(self, apps: Iterable[str]) -> Iterator[Metric]:
        for name, text in ASKING_COUNTERS:
            yield self._families.counter(name, f"{text} {NEVER_ASKED}", APP, _by_app({}, apps))
        text = f"Time that other nodes took to answer. {NEVER_ASKED}"
        empty = Histogram(ASKING_BOUNDS)
        samples = (((app_id,), empty) for app_id in apps)
        yield self._families.histogram("horizontal_adapter_resolve_time", text, APP, samples)


def _by_app(numbers: Mapping[str, int], apps: Iterable[str]) -> Samples:
    """Give the numbers by app, and 0 for apps that have none: ``rate()`` has to see where a counter began."""
    return (((app_id,), numbers.get(app_id, 0)) for app_id in dict.fromkeys((*apps, *numbers)))


def _by_kind(numbers: Mapping[tuple[str, Kind], _Number]) -> dict[Labels, _Number]:
    return {(app_id, kind.value): number for (app_id, kind), number in numbers.items()}


def _channels(
    channels: Mapping[str, Mapping[str, int]], subscribed: Iterable[tuple[str, Kind]]
) -> Samples:
    """Give the channels by app and kind, and 0 for kinds that are gone: a gauge must not vanish."""
    numbers: dict[Labels, float] = {(app_id, kind.value): 0 for app_id, kind in subscribed}
    for app_id, kinds in channels.items():
        numbers |= {(app_id, kind): count for kind, count in kinds.items()}
    return numbers.items()
