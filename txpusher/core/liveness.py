"""One sweep a second over the connections whose deadline has come; no timer per socket.

A connection stands in the bucket of the second in which it is to be looked at next, about once per activity
timeout, so a sweep touches only what is due: 10,000 silent connections cost less than 100 looks a second.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING

from txpusher.errors import PongNotReceived
from txpusher.protocol.activity import Timeouts, Verdict, check, first_check

if TYPE_CHECKING:
    from txpusher.core.connection import Connection
    from txpusher.interfaces import Call, Clock


class Liveness:
    """Asks silent connections and ends dead ones.

    Args:
        clock: tells the time and wakes the sweep.
        timeouts: seconds of silence.
        chance: draws from 0 to 1, as `random.random`.
    """

    def __init__(self, clock: Clock, timeouts: Timeouts, chance: Callable[[], float]) -> None:
        self._clock = clock
        self._timeouts = timeouts
        self._chance = chance
        self._due: dict[int, set[Connection]] = {}
        self._next = ceil(clock.seconds())
        self._call: Call | None = None

    def start(self) -> None:
        """Begin to sweep."""
        self._next = ceil(self._clock.seconds())
        self._call = self._clock.callLater(1, self._tick)

    def stop(self) -> None:
        """Sweep no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def watch(self, connection: Connection) -> None:
        """Look after a connection until `forget`."""
        now = self._clock.seconds()
        self._put(connection, first_check(now, self._timeouts, self._chance()))

    def forget(self, connection: Connection) -> None:
        """Look after it no longer."""
        bucket = self._due.get(connection.check_at)
        if bucket is not None:
            bucket.discard(connection)
            if not bucket:
                # An empty set is as large as it ever was.
                del self._due[connection.check_at]

    def _put(self, connection: Connection, at: float) -> None:
        connection.check_at = max(ceil(at), self._next)
        self._due.setdefault(connection.check_at, set()).add(connection)

    def _tick(self) -> None:
        # First, so that no error may end the sweeping.
        self._call = self._clock.callLater(1, self._tick)
        now = self._clock.seconds()
        while self._next <= now:
            due = self._due.pop(self._next, ())
            self._next += 1
            for connection in tuple(due):
                self._look(connection, now)

    def _look(self, connection: Connection, now: float) -> None:
        verdict, again_at = check(now, connection.last_seen, connection.asked_at, self._timeouts)
        if verdict is Verdict.CLOSE:
            connection.end(PongNotReceived())
            return
        if verdict is Verdict.PING:
            connection.asked_at = now
            connection.wire.ping()
        self._put(connection, again_at)
