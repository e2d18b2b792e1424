"""What the micro-benchmarks share: a server without sockets, whose transports keep nothing but the last bytes."""

from __future__ import annotations

import secrets
from collections import deque

import pytest
from twisted.internet.task import Clock

from txpusher.adapters.memory import create
from txpusher.core.liveness import Liveness
from txpusher.core.registry import ChannelRegistry
from txpusher.core.telling import teller
from txpusher.metrics.observer import MetricsObserver
from txpusher.model import App, Limits
from txpusher.protocol.activity import Timeouts

APP = App("1", "key", "secret", limits=Limits(max_client_events_per_second=None))


class Sink:
    """A wire and a transport that take everything, and remember the last."""

    def __init__(self) -> None:
        self.taken = deque(maxlen=1)
        self.send = self.write = self.taken.append

    @property
    def last(self) -> bytes:
        return self.taken[-1]


class Server:
    """Connections, channels, the memory adapter and metrics; time stands still."""

    def __init__(self) -> None:
        self.app = APP
        self.clock = Clock()
        self.tell = teller(MetricsObserver())
        liveness = Liveness(self.clock, Timeouts(120, 30), lambda: 0.5)
        adapter = create("memory://", self.clock)
        self.registry = ChannelRegistry(adapter, self.clock, liveness, secrets.randbelow, self.tell)

    def connect(self, *channels: str) -> Sink:
        """Connect a client, subscribed to public channels."""
        sink = Sink()
        connection = self.registry.connect(APP, sink)
        for channel in channels:
            connection.received(
                b'{"event":"pusher:subscribe","data":{"channel":"%b"}}' % channel.encode()
            )
        return sink

    def end_turn(self) -> None:
        """Do what is due in this turn of the reactor, and in those that follow from it."""
        calls, now = self.clock.getDelayedCalls, self.clock.seconds()
        while (due := calls()) and due[0].getTime() <= now:
            self.clock.advance(0)


@pytest.fixture
def server() -> Server:
    return Server()
