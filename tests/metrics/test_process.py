"""Metrics of the process."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse
from twisted.internet.task import Clock

from txpusher.metrics.families import Families
from txpusher.metrics.lag import EventLoopLag
from txpusher.metrics.process import ProcessMetrics

STANDARD = (
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_start_time_seconds",
    "process_open_fds",
    "process_max_fds",
    "python_info",
    "python_gc_collections_total",
)


def make():
    """Make a registry and the lag that it shows."""
    clock = Clock()
    lag = EventLoopLag(clock)
    registry = CollectorRegistry()
    registry.register(ProcessMetrics(Families("x_", lambda: "6001"), lag))
    return registry, lag, clock


def values_of(registry):
    """Give the samples of a scrape by name; one of each name."""
    families = parse(generate_latest(registry).decode())
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_standard_metrics_have_our_prefix():
    """CPU, memory, file descriptors and the rest are there under our prefix, and no other name is."""
    values = values_of(make()[0])
    assert {"x_" + name for name in STANDARD} <= values.keys()
    assert values["x_process_resident_memory_bytes"] > 1024 * 1024
    assert values["x_process_open_fds"] >= 1
    assert all(name.startswith("x_") for name in values)


def test_every_sample_has_the_port():
    """The port tells servers on one machine apart."""
    families = parse(generate_latest(make()[0]).decode())
    assert {s.labels["port"] for family in families for s in family.samples} == {"6001"}


def test_lag():
    """The lag is shown as a histogram, as the last one and as the worst since the last scrape."""
    registry, lag, clock = make()
    lag.start()
    clock.pump([0.75, 0.5])
    first, second = values_of(registry), values_of(registry)
    assert first["x_event_loop_lag_seconds_count"] == 2
    assert first["x_event_loop_lag_seconds_sum"] == 0.25
    assert first["x_event_loop_lag_last_seconds"] == 0
    assert first["x_event_loop_lag_max_seconds"] == 0.25
    assert second["x_event_loop_lag_max_seconds"] == 0


def test_openmetrics():
    """The strict format takes it all."""
    text = generate_openmetrics(make()[0]).decode()
    assert {family.name for family in parse_openmetrics(text)} >= {
        "x_python_info",
        "x_process_open_fds",
    }
