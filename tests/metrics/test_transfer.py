"""Metrics on their way from one process to another."""

import json
import math

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from twisted.internet.task import Clock

from txpusher.metrics.collector import Snapshot
from txpusher.metrics.facade import Metrics
from txpusher.metrics.transfer import packed, unpacked


class Given(Collector):
    """Shows families that are there already."""

    def __init__(self, families):
        self.families = families

    def collect(self):
        """Give them."""
        return self.families


def page(families):
    """Show families as a page."""
    registry = CollectorRegistry()
    registry.register(Given(families))
    return generate_latest(registry)


def test_there_and_back():
    """A page of metrics that went through JSON is the page it was."""
    snapshot = Snapshot({"1": 3}, {"1": {"public": 2}}, {"1": 4})
    metrics = Metrics("txpusher_", lambda: "6001", lambda: snapshot, clock=Clock())
    families = list(metrics.registry.collect())
    assert page(unpacked(orjson.loads(orjson.dumps(packed(families))))) == page(families)


def test_no_number():
    """JSON has no NaN, and null is one."""
    family = GaugeMetricFamily("a", "A", value=math.nan)
    (back,) = unpacked(orjson.loads(orjson.dumps(packed([family]))))
    assert math.isnan(back.samples[0].value)
    assert json.loads(orjson.dumps(packed([family]))) == [["a", "A", "gauge", [["a", {}, None]]]]
