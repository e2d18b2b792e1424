"""Counts what happens. It is called for every publish and every message, so it adds plain numbers and nothing else.

prometheus_client's own counters take a lock and look a child up by its labels on each increment: several times the
cost. Here the reactor's thread alone counts and reads, and `txpusher.metrics.collector` turns the numbers into metrics.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from txpusher.core.occurrences import (
    ApiCalled,
    AppsReloaded,
    CompressionAgreed,
    ConnectionLost,
    ConnectionOpened,
    ConnectionRefused,
    Delivered,
    MessageDropped,
    MessageReceived,
    MessagesCompressed,
    MessageSent,
    Subscribed,
    Unsubscribed,
    WebhookDropped,
    WebhookFailed,
    WebhookRetried,
    WebhookSent,
)
from txpusher.metrics.histogram import Histogram
from txpusher.protocol.names import Kind

DELIVERY_BOUNDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
WEBHOOK_BOUNDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
    *(10.0, 30.0, 60.0, 120.0, 300.0),
)


class MetricsObserver:
    """A `txpusher.interfaces.Observer` that remembers how often and how much.

    An app id is empty while the app is unknown.

    Attributes:
        opened, lost: connections, by app id.
        socket_received, socket_sent: bytes of WebSocket messages, by app id.
        messages_received, messages_sent: WebSocket messages, by app id.
        http_received, http_sent: bytes of HTTP bodies, by app id.
        calls: HTTP calls, by app id.
        responses: HTTP calls, by app id and status.
        compression_agreed: connections that agreed on compression.
        compressions: how often something was compressed.
        compression_input, compression_output: bytes before and after.
        refused, dropped: connections and messages, by app id and reason.
        subscribed, unsubscribed: subscriptions, by app id and kind.
        deliveries: seconds from a publish to its last write, by app id and kind.
        reloads: how often the apps were read again, by outcome.
        webhooks_sent, webhooks_failed, webhooks_retried: webhook events, by app id and their kind.
        webhooks_dropped: webhook events, by app id, their kind and reason.
        webhook_seconds: from a webhook's creation to its acceptance, by app id and the event's kind.
        hears: what is counted, and how.
    """

    def __init__(self) -> None:
        self.opened: defaultdict[str, int] = defaultdict(int)
        self.lost: defaultdict[str, int] = defaultdict(int)
        self.socket_received: defaultdict[str, int] = defaultdict(int)
        self.socket_sent: defaultdict[str, int] = defaultdict(int)
        self.messages_received: defaultdict[str, int] = defaultdict(int)
        self.messages_sent: defaultdict[str, int] = defaultdict(int)
        self.http_received: defaultdict[str, int] = defaultdict(int)
        self.http_sent: defaultdict[str, int] = defaultdict(int)
        self.calls: defaultdict[str, int] = defaultdict(int)
        self.responses: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.compression_agreed = self.compressions = 0
        self.compression_input = self.compression_output = 0
        self.refused: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.dropped: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.subscribed: defaultdict[tuple[str, Kind], int] = defaultdict(int)
        self.unsubscribed: defaultdict[tuple[str, Kind], int] = defaultdict(int)
        self.deliveries: defaultdict[tuple[str, Kind], Histogram] = defaultdict(_delivery_histogram)
        self.reloads = {"ok": 0, "failed": 0}
        self.webhooks_sent: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.webhooks_failed: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.webhooks_retried: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.webhooks_dropped: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self.webhook_seconds: defaultdict[tuple[str, str], Histogram] = defaultdict(
            _webhook_histogram
        )
        self.hears: dict[type, Callable[[Any], None]] = {
            ConnectionOpened: self._opened,
            ConnectionRefused: self._refused,
            ConnectionLost: self._lost,
            MessageReceived: self._received,
            MessageSent: self._sent,
            Delivered: self._delivered,
            CompressionAgreed: self._agreed,
            MessagesCompressed: self._compressed,
            MessageDropped: self._dropped,
            Subscribed: self._subscribed,
            Unsubscribed: self._unsubscribed,
            ApiCalled: self._called,
            AppsReloaded: self._reloaded,
            WebhookSent: self._webhook_sent,
            WebhookFailed: self._webhook_failed,
            WebhookRetried: self._webhook_retried,
            WebhookDropped: self._webhook_dropped,
        }

    def _opened(self, opened: ConnectionOpened) -> None:
        self.opened[opened.app_id] += 1

    def _refused(self, refused: ConnectionRefused) -> None:
        self.refused[refused.app_id, refused.reason] += 1

    def _lost(self, lost: ConnectionLost) -> None:
        self.lost[lost.app_id] += 1

    def _received(self, message: MessageReceived) -> None:
        app_id, size = message
        self.messages_received[app_id] += 1
        self.socket_received[app_id] += size

    def _sent(self, message: MessageSent) -> None:
        app_id, size = message
        self.messages_sent[app_id] += 1
        self.socket_sent[app_id] += size

    def _delivered(self, delivered: Delivered) -> None:
        app_id, kind, messages, size, seconds = delivered
        self.messages_sent[app_id] += messages
        self.socket_sent[app_id] += size
        self.deliveries[app_id, kind].observe(seconds)

    def _agreed(self, agreed: CompressionAgreed) -> None:
        self.compression_agreed += 1

    def _compressed(self, messages: MessagesCompressed) -> None:
        self.compressions += 1
        self.compression_input += messages.size
        self.compression_output += messages.compressed

    def _dropped(self, dropped: MessageDropped) -> None:
        self.dropped[dropped.app_id, dropped.reason] += 1

    def _subscribed(self, subscribed: Subscribed) -> None:
        self.subscribed[subscribed.app_id, subscribed.kind] += 1

    def _unsubscribed(self, unsubscribed: Unsubscribed) -> None:
        self.unsubscribed[unsubscribed.app_id, unsubscribed.kind] += 1

    def _called(self, call: ApiCalled) -> None:
        app_id, status, received, sent = call
        self.calls[app_id] += 1
        self.responses[app_id, status] += 1
        self.http_received[app_id] += received
        self.http_sent[app_id] += sent

    def _reloaded(self, reloaded: AppsReloaded) -> None:
        self.reloads["ok" if reloaded.ok else "failed"] += 1

    def _webhook_sent(self, sent: WebhookSent) -> None:
        app_id, kind, seconds = sent
        self.webhooks_sent[app_id, kind] += 1
        self.webhook_seconds[app_id, kind].observe(seconds)

    def _webhook_failed(self, failed: WebhookFailed) -> None:
        self.webhooks_failed[failed.app_id, failed.kind] += 1

    def _webhook_retried(self, retried: WebhookRetried) -> None:
        self.webhooks_retried[retried.app_id, retried.kind] += 1

    def _webhook_dropped(self, dropped: WebhookDropped) -> None:
        self.webhooks_dropped[dropped.app_id, dropped.kind, dropped.reason] += 1


def _delivery_histogram() -> Histogram:
    return Histogram(DELIVERY_BOUNDS)


def _webhook_histogram() -> Histogram:
    return Histogram(WEBHOOK_BOUNDS)
