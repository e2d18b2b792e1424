"""What is scraped about compression."""

from prometheus_client import CollectorRegistry, generate_latest

from txpusher.core.occurrences import CompressionAgreed, MessagesCompressed
from txpusher.core.telling import teller
from txpusher.metrics.collector import AppsCollector, Snapshot
from txpusher.metrics.families import Families
from txpusher.metrics.observer import MetricsObserver


def scraped(*happened):
    """Give the lines about compression after this."""
    seen = MetricsObserver()
    for occurrence in happened:
        teller(seen)(occurrence)
    registry = CollectorRegistry()
    registry.register(
        AppsCollector(Families("", lambda: "6001"), lambda: Snapshot({}, {}, {}), seen)
    )
    lines = generate_latest(registry).decode().splitlines()
    return {line for line in lines if line.startswith("compression")}


def test_counters_begin_at_0():
    """They are there before anything is compressed, so that rates are right from the first one on."""
    assert scraped() == {
        'compression_agreed_total{port="6001"} 0.0',
        'compressions_total{port="6001"} 0.0',
        'compression_input_bytes_total{port="6001"} 0.0',
        'compression_output_bytes_total{port="6001"} 0.0',
    }


def test_counters():
    """Each has its own number."""
    assert scraped(
        CompressionAgreed(), *[MessagesCompressed(1000, 200)] * 3, MessagesCompressed(10, 10)
    ) == {
        'compression_agreed_total{port="6001"} 1.0',
        'compressions_total{port="6001"} 4.0',
        'compression_input_bytes_total{port="6001"} 3010.0',
        'compression_output_bytes_total{port="6001"} 610.0',
    }
