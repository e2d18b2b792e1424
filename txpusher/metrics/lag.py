"""How late the event loop is: a call that is due every half second tells by when it really comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.metrics.histogram import Histogram

if TYPE_CHECKING:
    from txpusher.interfaces import Call, Clock

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class EventLoopLag:
    """Measures the lag while it is started.

    Args:
        clock: wakes it.
        interval: seconds between two measurements.

    Attributes:
        last: the lag at the last measurement, in seconds.
        histogram: all lags.
    """

    def __init__(self, clock: Clock, interval: float = 0.5) -> None:
        self._clock = clock
        self._interval = interval
        self._due = 0.0
        self._call: Call | None = None
        self._worst = 0.0
        self.last = 0.0
        self.histogram = Histogram(BOUNDS)

    def start(self) -> None:
        """Begin to measure."""
        self._due = self._clock.seconds() + self._interval
        self._call = self._clock.callLater(self._interval, self._measure)

    def stop(self) -> None:
        """Measure no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def take_worst(self) -> float:
        """Give the longest lag since this was last asked."""
        worst, self._worst = self._worst, 0.0
        return worst

    def _measure(self) -> None:
        self.last = max(0.0, self._clock.seconds() - self._due)
        self._worst = max(self._worst, self.last)
        self.histogram.observe(self.last)
        self.start()
