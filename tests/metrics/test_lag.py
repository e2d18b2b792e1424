"""The lag of the event loop, on a clock that is late when it is told to be."""

import pytest
from twisted.internet.task import Clock

from txpusher.metrics.lag import EventLoopLag


@pytest.fixture
def clock():
    """Make a clock."""
    return Clock()


@pytest.fixture
def lag(clock):
    """Make a lag that is measured every half second."""
    lag = EventLoopLag(clock, interval=0.5)
    lag.start()
    return lag


def test_on_time(clock, lag):
    """An event loop that is on time has no lag."""
    clock.pump([0.5, 0.5, 0.5])
    assert (lag.last, lag.take_worst()) == (0, 0)
    assert lag.histogram.counts[0] == 3


def test_late(clock, lag):
    """What a call comes too late is the lag, and one lag does not add to the next."""
    clock.pump([0.7, 0.5, 0.53])
    assert lag.last == pytest.approx(0.03)
    assert lag.histogram.sum == pytest.approx(0.23)
    assert sum(lag.histogram.counts) == 3


def test_worst_is_since_the_last_look(clock, lag):
    """Each look at the worst lag begins a new period."""
    clock.pump([0.7, 0.6])
    assert lag.take_worst() == pytest.approx(0.2)
    assert lag.take_worst() == 0
    clock.advance(0.6)
    assert lag.take_worst() == pytest.approx(0.1)


def test_stop(clock, lag):
    """Once stopped it waits for nothing, and may be stopped again and started again."""
    clock.advance(0.7)
    lag.stop()
    lag.stop()
    assert clock.getDelayedCalls() == []
    clock.advance(100)
    lag.start()
    clock.advance(0.5)
    assert lag.last == pytest.approx(0)
    assert sum(lag.histogram.counts) == 2
