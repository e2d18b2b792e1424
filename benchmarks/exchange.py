"""One run of a load: publish, and read what comes, until all has come."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from typing import NamedTuple

from listening import Listening
from messages import DATA_SIZE, FIRST, channel, check, publish

FEW = 500  # sockets; with more to read at once there is no pause


class Plan(NamedTuple):
    """What one load does in one run.

    Args:
        publishers: each waits for an answer before it publishes again.
        events: that this load publishes, all together.
        batch: events of one request.
        rate: requests a second, each with the time of its publish; 0 sends all as soon as they are answered.
        expected: events that each subscriber gets, as other loads publish as well; 0 for ``events``.
        every: only every such subscriber is read at once and timed. The others are read in the end, so that the load
            takes no time from what it measures. What they get has to fit into the kernel's buffers, 50 KB for each.
        size: bytes of the data of an event.
        channels: over which the requests are spread in turn; 0 is ``bench-0`` alone.
        pause: seconds between two looks for something to read. It saves a load that only listens most of its time,
            as it finds more at once.
    """

    publishers: int = 0
    events: int = 0
    batch: int = 1
    rate: float = 0
    expected: int = 0
    every: int = 1
    size: int = DATA_SIZE
    channels: int = 0
    pause: float = 0


class Run(NamedTuple):
    """What came of it.

    Args:
        begin: the monotonic time, in seconds, of the beginning.
        end: that of the last delivery and the last answer.
        cpu: seconds that this process worked meanwhile.
        milliseconds: that deliveries were on their way, where there was a rate.
    """

    begin: float
    end: float
    cpu: float
    milliseconds: list[float]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.begin


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
        events = plan.expected or plan.events
        self._listening = Listening(subscribers, plan.every, events, timed=bool(plan.rate))
        self._requests = plan.events // plan.batch
        # Signed before anything is measured; those with a rate carry the time at which they go.
        self._signed = [] if plan.rate else [self._sign(n) for n in range(self._requests)]
        self._sent = self._answered = 0

    def run(self) -> Run:
        """Do it."""
        cpu, begin, poll = time.process_time(), time.monotonic(), select.epoll()
        publishers, watched, pause = self._publishers, self._listening.watched, self._plan.pause
        for connection in (*publishers.values(), *watched.values()):
            poll.register(connection, select.EPOLLIN)
        answer, deliver = self._answer, self._listening.deliver
        while not self._done():
            ready = poll.poll(self._publish(begin))
            for fd, _ in ready:
                if fd in publishers:
                    answer(publishers[fd])
                else:
                    deliver(watched[fd])
            if pause and len(ready) < FEW:
                time.sleep(pause)
            check(begin, f"all deliveries and answers; {self._listening.arrived} bytes have come")
        end, cpu = time.monotonic(), time.process_time() - cpu
        poll.close()
        self._listening.read_the_others()
        return Run(begin, end, cpu, self._listening.milliseconds)

    def _done(self) -> bool:
        return self._answered >= self._requests and self._listening.complete()

    def _sign(self, number: int) -> bytes:
        plan = self._plan
        name = channel(FIRST + number % plan.channels if plan.channels else 0)
        return publish(plan.batch, plan.size, name)

    def _publish(self, begin: float) -> float:
        """Publish what is due, and give the seconds until there is more."""
        rate = self._plan.rate
        while self._idle and self._sent < self._requests:
            wait = begin + self._sent / rate - time.monotonic() if rate else 0
            if wait > 0:
                return wait
            request = self._sign(self._sent) if rate else self._signed[self._sent]
            self._idle.pop().sendall(request)
            self._sent += 1
        return 1.0

    def _answer(self, publisher: socket.socket) -> None:
        answer = publisher.recv(4096)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"a publish was refused: {answer!r}")
        self._answered += 1
        self._idle.append(publisher)
