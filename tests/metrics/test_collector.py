"""What is scraped about apps, read back from the text."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse

from txpusher.core.occurrences import (
    ApiCalled,
    AppsReloaded,
    ConnectionLost,
    ConnectionOpened,
    ConnectionRefused,
    Delivered,
    MessageDropped,
    MessageReceived,
    MessageSent,
    Subscribed,
    Unsubscribed,
)
from txpusher.core.telling import teller
from txpusher.metrics.collector import AppsCollector, Snapshot
from txpusher.metrics.families import Families
from txpusher.metrics.observer import DELIVERY_BOUNDS, MetricsObserver
from txpusher.protocol.names import Kind

CORE = {
    "connected": "gauge",
    "new_connections_total": "counter",
    "new_disconnections_total": "counter",
    "socket_received_bytes": "untyped",
    "socket_transmitted_bytes": "untyped",
    "ws_messages_received_total": "counter",
    "ws_messages_sent_total": "counter",
    "http_received_bytes": "untyped",
    "http_transmitted_bytes": "untyped",
    "http_calls_received_total": "counter",
    "horizontal_adapter_resolved_promises": "untyped",
    "horizontal_adapter_uncomplete_promises": "untyped",
    "horizontal_adapter_sent_requests": "untyped",
    "horizontal_adapter_received_requests": "untyped",
    "horizontal_adapter_received_responses": "untyped",
}
"""The shared names and their types, but for the one histogram."""

QUIET = Snapshot({"a": 0, "b": 0}, {}, {})
BUSY = Snapshot({"a": 3, "b": 0}, {"a": {"public": 2, "presence": 1}}, {"a": 7})

SCRIPT = (
    ConnectionOpened("a", "1.1"),
    ConnectionOpened("a", "2.2"),
    ConnectionLost("a", "1.1"),
    ConnectionRefused("", "unknown_app"),
    MessageReceived("a", 10),
    MessageSent("a", 100),
    Delivered("a", Kind.PUBLIC, 500, 5000, 0.003),
    Delivered("a", Kind.PUBLIC, 1, 10, 0.0001),
    MessageDropped("a", "slow_client"),
    Subscribed("a", "x", Kind.PUBLIC),
    Subscribed("a", "private-encrypted-x", Kind.ENCRYPTED),
    Unsubscribed("a", "x", Kind.PUBLIC),
    ApiCalled("a", 200, 100, 2),
    ApiCalled("", 404, 7, 30),
)


def registry_of(snapshot=QUIET, happened=(), prefix="txpusher_"):
    """Make a registry with the metrics of a server on port 6001."""
    seen = MetricsObserver()
    for occurrence in happened:
        teller(seen)(occurrence)
    registry = CollectorRegistry()
    registry.register(AppsCollector(Families(prefix, lambda: "6001"), lambda: snapshot, seen))
    return registry


def samples_of(registry):
    """Give all samples by name and labels but the port, which has to be there."""
    text = generate_latest(registry).decode()
    samples = [sample for family in parse(text) for sample in family.samples]
    assert all(sample.labels.pop("port") == "6001" for sample in samples)
    return {(s.name, *s.labels.values()): s.value for s in samples}


def test_every_core_name_is_there_at_0_for_every_app():
    """Before anything happens the shared names are there, exactly, with 0 for each app."""
    samples = samples_of(registry_of())
    for name in CORE:
        for app_id in ("a", "b"):
            assert samples["txpusher_" + name, app_id] == 0


def test_types_match_names():
    """The TYPE line of each core metric names the samples that follow it."""
    lines = generate_latest(registry_of()).decode().splitlines()
    for name, kind in CORE.items():
        at = lines.index(f"# TYPE txpusher_{name} {kind}")
        assert lines[at + 1] == f'txpusher_{name}{{app_id="a",port="6001"}} 0.0'


def test_resolve_time_is_an_empty_histogram():
    """Nobody is ever asked, so the histogram of answers is there and empty."""
    registry = registry_of()
    assert "# TYPE txpusher_horizontal_adapter_resolve_time histogram" in (
        generate_latest(registry).decode()
    )
    samples = samples_of(registry)
    assert samples["txpusher_horizontal_adapter_resolve_time_count", "a"] == 0
    assert samples["txpusher_horizontal_adapter_resolve_time_bucket", "b", "10.0"] == 0


def test_the_series_of_a_script():
    """After a scripted series of occurrences each counter has the exact number."""
    samples = samples_of(registry_of(happened=SCRIPT))
    expected = {
        ("new_connections_total", "a"): 2,
        ("new_disconnections_total", "a"): 1,
        ("connections_refused_total", "", "unknown_app"): 1,
        ("socket_received_bytes", "a"): 10,
        ("socket_transmitted_bytes", "a"): 5110,
        ("ws_messages_received_total", "a"): 1,
        ("ws_messages_sent_total", "a"): 502,
        ("messages_dropped_total", "a", "slow_client"): 1,
        ("channel_subscriptions_total", "a", "public"): 1,
        ("channel_subscriptions_total", "a", "private_encrypted"): 1,
        ("channel_unsubscriptions_total", "a", "public"): 1,
        ("channel_unsubscriptions_total", "a", "private_encrypted"): 0,
        ("http_calls_received_total", "a"): 1,
        ("http_calls_received_total", "b"): 0,
        ("http_calls_received_total", ""): 1,
        ("http_responses_total", "a", "200"): 1,
        ("http_responses_total", "", "404"): 1,
        ("http_received_bytes", "a"): 100,
        ("http_received_bytes", ""): 7,
        ("http_transmitted_bytes", "a"): 2,
        ("http_transmitted_bytes", ""): 30,
    }
    assert {key: samples["txpusher_" + key[0], *key[1:]] for key in expected} == expected


def test_an_unknown_app_has_no_connections():
    """Only metrics that can count without an app show the empty app id."""
    samples = samples_of(registry_of(happened=SCRIPT))
    names = {name for name, *labels in samples if labels and not labels[0]}
    assert names == {
        "txpusher_connections_refused_total",
        "txpusher_http_calls_received_total",
        "txpusher_http_received_bytes",
        "txpusher_http_responses_total",
        "txpusher_http_transmitted_bytes",
    }


def test_the_app_store():
    """How many apps there are, whether they are those of the store, and how often it was read."""
    samples = samples_of(registry_of())
    assert samples["txpusher_apps_known",] == 0
    assert samples["txpusher_app_store_ok",] == 1
    assert samples["txpusher_apps_reloads_total", "ok"] == 0
    assert samples["txpusher_apps_reloads_total", "failed"] == 0
    read = [AppsReloaded(ok=True), AppsReloaded(ok=False), AppsReloaded(ok=False)]
    samples = samples_of(registry_of(Snapshot({}, {}, {}, apps_known=3, app_store_ok=False), read))
    assert samples["txpusher_apps_known",] == 3
    assert samples["txpusher_app_store_ok",] == 0
    assert samples["txpusher_apps_reloads_total", "ok"] == 1
    assert samples["txpusher_apps_reloads_total", "failed"] == 2


def test_delivery_histogram():
    """The buckets of the delivery histogram are cumulative and end with the count."""
    samples = samples_of(registry_of(happened=SCRIPT))
    name = "txpusher_delivery_seconds"
    buckets = [samples[name + "_bucket", "a", "public", str(bound)] for bound in DELIVERY_BOUNDS]
    assert buckets == [1] * 5 + [2] * (len(DELIVERY_BOUNDS) - 5)
    assert samples[name + "_bucket", "a", "public", "+Inf"] == 2
    assert samples[name + "_count", "a", "public"] == 2
    assert samples[name + "_sum", "a", "public"] == pytest.approx(0.0031)


def test_gauges_are_of_the_moment():
    """Gauges say what the snapshot says at the scrape."""
    snapshots = iter([BUSY, QUIET])
    registry = CollectorRegistry()
    families = Families("", lambda: "6001")
    registry.register(AppsCollector(families, lambda: next(snapshots), MetricsObserver()))
    busy = samples_of(registry)
    assert (busy["connected", "a"], busy["connected", "b"]) == (3, 0)
    assert (busy["subscriptions", "a"], busy["subscriptions", "b"]) == (7, 0)
    assert busy["active_channels", "a", "public"] == 2
    assert busy["active_channels", "a", "presence"] == 1
    assert samples_of(registry)["connected", "a"] == 0


def test_a_gauge_does_not_vanish():
    """When the last channel of a kind is gone its gauge stays at 0."""
    samples = samples_of(registry_of(QUIET, [Subscribed("a", "cache-x", Kind.CACHE)]))
    assert samples["txpusher_active_channels", "a", "cache"] == 0


def test_prefix():
    """The prefix stands before every name, and may be empty."""
    text = generate_latest(registry_of(prefix="soketi_", happened=SCRIPT)).decode()
    names = [line.removeprefix("# TYPE ") for line in text.splitlines()]
    assert all(name.startswith(("soketi_", "# HELP soketi_")) for name in names)
    assert samples_of(registry_of(prefix=""))["connected", "a"] == 0


def test_openmetrics():
    """The strict format takes it all, and shows the very same names and numbers."""
    registry = registry_of(BUSY, SCRIPT)
    families = list(parse_openmetrics(generate_openmetrics(registry).decode()))
    strict = {(s.name, *s.labels.items()): s.value for f in families for s in f.samples}
    plain = generate_latest(registry).decode()
    assert strict == {(s.name, *s.labels.items()): s.value for f in parse(plain) for s in f.samples}
    types = {family.name: family.type for family in families}
    assert types["txpusher_socket_received_bytes"] == "unknown"
    assert types["txpusher_new_connections"] == "counter"


def test_an_odd_app_id():
    """Whatever an app is called, it is a label."""
    odd = 'a"b\\c\n'
    samples = samples_of(registry_of(Snapshot({odd: 1}, {}, {})))
    assert samples["txpusher_connected", odd] == 1
