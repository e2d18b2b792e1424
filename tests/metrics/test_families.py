"""Names, types and labels."""

import pytest
from prometheus_client.core import GaugeMetricFamily

from txpusher.metrics.families import Families
from txpusher.metrics.histogram import Histogram


@pytest.fixture
def families():
    """Make families of a server on port 6001."""
    return Families("x_", lambda: "6001")


def test_counter(families):
    """A name with ``_total`` makes a counter whose samples have that name."""
    family = families.counter("calls_total", "Calls", ("app_id",), [(("a",), 3)])
    assert (family.name, family.type, family.documentation) == ("x_calls", "counter", "Calls")
    (sample,) = family.samples
    assert sample.name == "x_calls_total"
    assert (sample.labels, sample.value) == ({"app_id": "a", "port": "6001"}, 3)


def test_counter_of_another_name(families):
    """A name without ``_total`` is kept and makes no claim about the type."""
    family = families.counter("received_bytes", "Bytes", (), [((), 3)])
    assert family.type == "unknown"
    assert [sample.name for sample in family.samples] == ["x_received_bytes"]


def test_gauge(families):
    """A gauge has the name it was given."""
    family = families.gauge("connected", "Now", ("app_id",), [(("a",), 1), (("b",), 2)])
    assert family.type == "gauge"
    assert [(s.name, s.labels["app_id"], s.value) for s in family.samples] == [
        ("x_connected", "a", 1),
        ("x_connected", "b", 2),
    ]


def test_histogram(families):
    """A histogram has its buckets, its count and its sum."""
    histogram = Histogram((1.0,))
    histogram.observe(0.5)
    histogram.observe(3)
    family = families.histogram("seconds", "Time", ("app_id",), [(("a",), histogram)])
    samples = {(s.name, s.labels.get("le")): s.value for s in family.samples}
    assert samples == {
        ("x_seconds_bucket", "1.0"): 1,
        ("x_seconds_bucket", "+Inf"): 2,
        ("x_seconds_count", None): 2,
        ("x_seconds_sum", None): 3.5,
    }
    assert all(s.labels["port"] == "6001" for s in family.samples)


def test_adopted_families_are_copies(families):
    """A family of somebody else gets the prefix and the port; the original is left alone."""
    theirs = GaugeMetricFamily("info", "What", labels=["version"])
    theirs.add_metric(["3"], 1)
    ours = families.adopted(theirs)
    assert [tuple(s)[:3] for s in ours.samples] == [("x_info", {"version": "3", "port": "6001"}, 1)]
    assert [tuple(s)[:3] for s in theirs.samples] == [("info", {"version": "3"}, 1)]


def test_the_port_may_be_known_late():
    """The port is asked for when it is needed."""
    ports = iter(["6001", "6002"])
    families = Families("", lambda: next(ports))
    seen = [families.gauge("up", "Up", (), [((), 1)]).samples[0].labels["port"] for _ in range(2)]
    assert seen == ["6001", "6002"]
