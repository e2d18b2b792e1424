"""All of it together, as the composition root uses it."""

from prometheus_client import REGISTRY, generate_latest
from twisted.internet.task import Clock

from txpusher.core.occurrences import ConnectionOpened
from txpusher.core.telling import teller
from txpusher.metrics.collector import Snapshot
from txpusher.metrics.facade import Metrics


def make(clock=None, port="6001", prefix="txpusher_"):
    """Make the metrics of a server with one app."""
    return Metrics(prefix, lambda: port, lambda: Snapshot({"a": 0}, {}, {}), clock or Clock())


def test_two_servers_in_one_process():
    """Two servers count for themselves, under the same names, and leave the global registry alone."""
    before = generate_latest(REGISTRY).count(b"# TYPE")
    first, second = make(), make(port="6002")
    teller(first.observer)(ConnectionOpened("a", "1.1"))
    name = "txpusher_new_connections_total"
    assert first.registry.get_sample_value(name, {"app_id": "a", "port": "6001"}) == 1
    assert second.registry.get_sample_value(name, {"app_id": "a", "port": "6002"}) == 0
    assert generate_latest(REGISTRY).count(b"# TYPE") == before
    assert b"txpusher_" not in generate_latest(REGISTRY)


def test_every_family_has_one_name():
    """No name is exposed twice, and each has the prefix and a help text."""
    families = list(make().registry.collect())
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    assert all(name.startswith("txpusher_") for name in names)
    assert all(family.documentation for family in families)


def test_lag_is_measured_between_start_and_stop():
    """Started, it measures the event loop; stopped, it leaves nothing on the clock."""
    clock = Clock()
    metrics = make(clock)
    metrics.start()
    clock.advance(0.75)
    lag = metrics.registry.get_sample_value("txpusher_event_loop_lag_seconds_sum", {"port": "6001"})
    assert lag == 0.25
    metrics.stop()
    assert clock.getDelayedCalls() == []


def test_site_is_on_the_same_clock():
    """The site needs no global reactor, and leaves nothing on the clock once its port is closed."""
    clock = Clock()
    site = make(clock).site()
    site.doStart()
    site.doStop()
    assert clock.getDelayedCalls() == []
