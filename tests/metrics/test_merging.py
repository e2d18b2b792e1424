"""The metrics of several processes as those of one."""

import pytest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    UnknownMetricFamily,
)

from txpusher.metrics.merging import Totals


def counter(value, app="1", name="x_calls_total"):
    family = CounterMetricFamily(name, "Calls", labels=("app_id",))
    family.add_metric((app,), value)
    return family


def gauge(name, value):
    return GaugeMetricFamily(name, "A gauge", value=value)


def samples(families):
    """Give the samples of all families as text, without the families' names."""
    return {
        f"{name}{''.join(f' {k}={v}' for k, v in labels.items())}": value
        for family in families
        for name, labels, value, *_ in family.samples
    }


@pytest.fixture
def totals():
    return Totals("x_")


def test_sums(totals):
    """The same sample of several processes is one, others stand side by side."""
    totals.add([counter(3), gauge("x_connected", 1)])
    totals.add([counter(4), counter(5, app="2"), gauge("x_connected", 2)])
    assert samples(totals.families()) == {
        "x_calls_total app_id=1": 7,
        "x_calls_total app_id=2": 5,
        "x_connected": 3,
    }


def test_families_are_whole(totals):
    """Each family is there once, with its type and text, and the sums come before single processes."""
    totals.add([counter(3)])
    merged = list(totals.merged({"1": [counter(3)], "2": []}))
    assert [(family.name, family.type, family.documentation) for family in merged] == [
        ("x_calls", "counter", "Calls")
    ]
    assert list(samples(merged)) == ["x_calls_total app_id=1", "x_calls_total app_id=1 worker=1"]


def test_histograms(totals):
    """Histograms are added up bucket by bucket."""
    for buckets, total in (([("1", 1), ("+Inf", 2)], 5), ([("1", 0), ("+Inf", 1)], 7)):
        totals.add([HistogramMetricFamily("x_lag", "Lag", buckets=buckets, sum_value=total)])
    assert samples(totals.families()) == {
        "x_lag_bucket le=1": 1,
        "x_lag_bucket le=+Inf": 3,
        "x_lag_count": 3,
        "x_lag_sum": 12,
    }


@pytest.mark.parametrize(
    "name",
    [
        *("process_open_fds", "python_info", "event_loop_lag_max_seconds", "app_store_ok"),
        *("event_loop_lag_last_seconds", "apps_known", "adapter_up"),
    ],
)
def test_what_has_no_sum(totals, name):
    """Numbers that mean something for one process only are shown for each, and not added up."""
    families = [gauge(f"x_{name}", 2)]
    totals.add(families)
    assert samples(totals.merged({"1": families})) == {f"x_{name} worker=1": 2}


def test_what_ended_processes_counted(totals):
    """Their counters, those without a type included, stay in the sums; what they had is gone with them."""
    untyped = UnknownMetricFamily("x_bytes", "Bytes", value=4)
    totals.add_counted([counter(3), untyped, gauge("x_connected", 9)])
    totals.add([counter(1)])
    assert samples(totals.families()) == {"x_calls_total app_id=1": 4, "x_bytes": 4}


def test_sums_of_sums(totals):
    """What was added up can be added again."""
    totals.add([counter(3)])
    again = Totals("x_")
    again.add(totals.families())
    again.add([counter(1)])
    assert samples(again.families()) == {"x_calls_total app_id=1": 4}


def test_a_family_of_one_alone(totals):
    """A family that is only shown for a process is there, without a sum."""
    assert samples(totals.merged({"1": [gauge("x_new", 1)]})) == {"x_new worker=1": 1}
