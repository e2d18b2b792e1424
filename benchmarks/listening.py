"""What subscribers get in one run: counted by its bytes, as all events of a run have the same length."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

from messages import DEADLINE, PUBLISHED_AT, frame_size


class Listening:
    """The subscribers of one load.

    Args:
        subscribers: their connections.
        every: only every such one is watched; see `exchange.Plan`.
        events: that each of them gets.
        timed: note how long each delivery was on its way.

    Attributes:
        watched: those to read when there is something, by descriptor.
        arrived: bytes that have come to them.
        milliseconds: that deliveries were on their way.
    """

    def __init__(
        self, subscribers: Sequence[socket.socket], every: int, events: int, *, timed: bool
    ) -> None:
        self.watched = {s.fileno(): s for s in subscribers[::every]}
        self.arrived = 0
        self.milliseconds: list[float] = []
        self._later = [s for s in subscribers if s.fileno() not in self.watched]
        self._events = events
        self._timed = timed
        self._size = 0  # of one event, known when the first has come
        self._buffer = bytearray(1 << 20)

    def deliveries(self) -> int:
        """Give how many have come to those who are watched."""
        return self.arrived // self._size if self._size else 0

    def complete(self) -> bool:
        """Tell whether all has come."""
        return self.deliveries() >= self._events * len(self.watched)

    def deliver(self, subscriber: socket.socket) -> None:
        """Read what has come to one of those who are watched."""
        length = subscriber.recv_into(self._buffer)
        if not length:
            raise RuntimeError("the server closed a connection")
        self.arrived += length
        self._size = self._size or frame_size(self._buffer)
        if self._timed:
            now = time.monotonic_ns()
            for found in PUBLISHED_AT.finditer(memoryview(self._buffer)[:length]):
                self.milliseconds.append((now - int(found[1])) / 1e6)

    def read_the_others(self) -> None:
        """Take what came to those who were not watched; it has to be as much."""
        for subscriber in self._later:
            missing = self._events * self._size
            subscriber.settimeout(DEADLINE)
            while missing:
                length = subscriber.recv_into(self._buffer, min(missing, len(self._buffer)))
                if not length:
                    raise RuntimeError("the server closed a connection")
                missing -= length
            subscriber.settimeout(None)
