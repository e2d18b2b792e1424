"""A histogram in plain numbers."""

from txpusher.metrics.histogram import Histogram


def test_bounds_are_inclusive():
    """A value that equals a bound belongs to the bucket of that bound, as ``le`` says."""
    histogram = Histogram((0.1, 1.0))
    for value in (0.1, 0.100001, 1.0, 1.5):
        histogram.observe(value)
    assert histogram.counts == [1, 2, 1]
    assert histogram.sum == 0.1 + 0.100001 + 1.0 + 1.5


def test_buckets_are_cumulative():
    """Each bucket that is shown contains the smaller ones, and the last contains all."""
    histogram = Histogram((0.0001, 1))
    for value in (0.00005, 0.5, 0.6, 7):
        histogram.observe(value)
    assert histogram.buckets() == [("0.0001", 1), ("1.0", 3), ("+Inf", 4)]
