"""What is scraped about webhooks, read back from the text."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse

from txpusher.core.occurrences import WebhookDropped, WebhookFailed, WebhookRetried, WebhookSent
from txpusher.core.telling import teller
from txpusher.metrics.collector import AppsCollector, Snapshot
from txpusher.metrics.families import Families
from txpusher.metrics.observer import MetricsObserver

SCRIPT = (
    WebhookFailed("a", "client_event"),
    WebhookRetried("a", "client_event"),
    WebhookFailed("a", "client_event"),
    WebhookRetried("a", "client_event"),
    WebhookSent("a", "client_event", 3.2),
    WebhookSent("a", "cache_miss", 0.004),
    WebhookDropped("a", "cache_miss", "expired"),
    WebhookDropped("a", "cache_miss", "queue_full"),
    WebhookDropped("a", "cache_miss", "queue_full"),
)


def registry_of(waiting=(), happened=()):
    seen = MetricsObserver()
    for occurrence in happened:
        teller(seen)(occurrence)
    snapshot = Snapshot({"a": 0}, {}, {}, dict(waiting))
    registry = CollectorRegistry()
    registry.register(AppsCollector(Families("", lambda: "6001"), lambda: snapshot, seen))
    return registry


def samples_of(waiting=(), happened=()):
    """Give all samples about webhooks by name and labels but the port."""
    families = parse(generate_latest(registry_of(waiting, happened)).decode())
    samples = [s for family in families for s in family.samples if s.name.startswith("webhook")]
    assert all(sample.labels.pop("port") == "6001" for sample in samples)
    return {(s.name, *s.labels.values()): s.value for s in samples}


def test_nothing():
    """Without webhooks there is no sample about them."""
    assert samples_of() == {}


def test_counters_begin_at_0():
    """Every counter of a kind that a target wants is there from the start, and its queue is empty."""
    assert samples_of({("a", "client_event"): 0}) == {
        (name, "a", "client_event", *reason): 0
        for name, *reason in (
            ("webhooks_sent_total",),
            ("webhooks_failed_total",),
            ("webhooks_retried_total",),
            ("webhooks_dropped_total", "expired"),
            ("webhooks_dropped_total", "queue_full"),
            ("webhooks_dropped_total", "adapter_away"),
            ("webhook_queue_length",),
        )
    }


def test_the_series_of_a_script():
    """Events count by app and kind, dropped ones by reason as well; times go into buckets."""
    samples = samples_of({("a", "client_event"): 7}, SCRIPT)
    expected = {
        ("webhooks_sent_total", "a", "client_event"): 1,
        ("webhooks_sent_total", "a", "cache_miss"): 1,
        ("webhooks_failed_total", "a", "client_event"): 2,
        ("webhooks_retried_total", "a", "client_event"): 2,
        ("webhooks_dropped_total", "a", "cache_miss", "expired"): 1,
        ("webhooks_dropped_total", "a", "cache_miss", "queue_full"): 2,
        ("webhook_queue_length", "a", "client_event"): 7,
        ("webhook_queue_length", "a", "cache_miss"): 0,
        ("webhook_seconds_bucket", "a", "client_event", "2.5"): 0,
        ("webhook_seconds_bucket", "a", "client_event", "5.0"): 1,
        ("webhook_seconds_bucket", "a", "cache_miss", "0.005"): 1,
        ("webhook_seconds_count", "a", "client_event"): 1,
        ("webhook_seconds_sum", "a", "client_event"): 3.2,
    }
    assert {key: samples[key] for key in expected} == expected


def test_openmetrics():
    """The strict format takes it all."""
    text = generate_openmetrics(registry_of({("a", "client_event"): 7}, SCRIPT)).decode()
    types = {family.name: family.type for family in parse_openmetrics(text)}
    assert types["webhooks_dropped"] == "counter"
    assert types["webhook_queue_length"] == "gauge"
    assert types["webhook_seconds"] == "histogram"
