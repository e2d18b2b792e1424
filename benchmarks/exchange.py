"""One run of a load: publish, and read what comes, until all has come."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from typing import NamedTuple

from messages import PUBLISHED_AT, check, frame_size, publish


class Plan(NamedTuple):
    """What one load does in one run.

    Args:
        publishers: each waits for an answer before it publishes again.
        events: that this load publishes, all together.
        batch: events of one request.
        rate: requests a second, each with the time of its publish; 0 sends the same one as often as it is answered.
        expected: events that each subscriber gets, as other loads publish as well; 0 for ``events``.
        every: only every such subscriber is read at once and timed. The others are read in the end, so that the load
            takes no time from what it measures.
    """

    publishers: int = 0
    events: int = 0
    batch: int = 1
    rate: float = 0
    expected: int = 0
    every: int = 1


class Run(NamedTuple):
    """What came of it.

    Args:
        seconds: from the beginning to the last delivery and the last answer.
        milliseconds: that deliveries were on their way, where there was a rate.
    """

    seconds: float
    milliseconds: list[float]


class Exchange:
    """The loop.

    Args:
        plan: what to do.
        publishers: connections of callers of the API.
        subscribers: connections of clients, in the order in which they subscribed.
    """

    def __init__(
        self, plan: Plan, publishers: list[socket.socket], subscribers: Sequence[socket.socket]
    ) -> None:
        self._plan = plan
        self._idle = list(publishers)
        self._publishers = {connection.fileno(): connection for connection in publishers}
        self._watched = {s.fileno(): s for s in subscribers[:: plan.every]}
        self._later = [s for s in subscribers if s.fileno() not in self._watched]
        self._requests = plan.events // plan.batch
        self._expected = (plan.expected or plan.events) * len(self._watched)
        self._sent = self._answered = self._arrived = self._size = 0
        self._buffer = bytearray(1 << 20)
        self._on_the_way: list[float] = []
        self._request = publish(plan.batch)

    def run(self) -> Run:
        """Do it."""
        begin, poll = time.monotonic(), select.epoll()
        for connection in (*self._publishers.values(), *self._watched.values()):
            poll.register(connection, select.EPOLLIN)
        publishers, answer, deliver = self._publishers, self._answer, self._deliver
        while not self._done():
            wait = self._publish(begin)
            for fd, _ in poll.poll(wait):
                if fd in publishers:
                    answer(publishers[fd])
                else:
                    deliver(self._watched[fd])
            check(begin, f"{self._expected} deliveries; {self._arrived} bytes have come")
        seconds = time.monotonic() - begin
        poll.close()
        self._read_the_others()
        return Run(seconds, self._on_the_way)

    def _done(self) -> bool:
        if self._answered < self._requests or (self._expected and not self._size):
            return False
        return self._arrived >= self._expected * self._size

    def _publish(self, begin: float) -> float:
        """Publish what is due, and give the seconds until there is more."""
        rate = self._plan.rate
        while self._idle and self._sent < self._requests:
            wait = begin + self._sent / rate - time.monotonic() if rate else 0
            if wait > 0:
                return wait
            request = publish(self._plan.batch) if rate else self._request
            self._idle.pop().sendall(request)
            self._sent += 1
        return 1.0

    def _answer(self, publisher: socket.socket) -> None:
        answer = publisher.recv(4096)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"a publish was refused: {answer!r}")
        self._answered += 1
        self._idle.append(publisher)

    def _deliver(self, subscriber: socket.socket) -> None:
        length = subscriber.recv_into(self._buffer)
        if not length:
            raise RuntimeError("the server closed a connection")
        self._arrived += length
        self._size = self._size or frame_size(self._buffer)
        if self._plan.rate:
            now = time.monotonic_ns()
            for found in PUBLISHED_AT.finditer(memoryview(self._buffer)[:length]):
                self._on_the_way.append((now - int(found[1])) / 1e6)

    def _read_the_others(self) -> None:
        """Take what came to those who were not watched; it has to be as much."""
        for subscriber in self._later:
            missing = self._expected // len(self._watched) * self._size
            while missing:
                length = subscriber.recv_into(self._buffer, min(missing, len(self._buffer)))
                if not length:
                    raise RuntimeError("the server closed a connection")
                missing -= length
