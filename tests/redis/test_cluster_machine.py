"""The cluster under any sequence of events, on a real Redis.

Nothing here waits: the connections block until Redis has answered, so what the machine does is done when it looks.
"""

from __future__ import annotations

import socket
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.core.test_cluster_machine import ClusterMachine, LargeChannelsMachine
from tests.doubles import Node, now
from tests.redis_server import RedisServer
from txpusher.adapters.redis.adapter import RedisAdapter
from txpusher.adapters.redis.subscriber import SubscriberConnection
from txpusher.adapters.redis.url import Target
from txpusher.core.holding import OVERTAKEN_FOR

_numbers = count(1)
_server: list[RedisServer] = []


@pytest.fixture(autouse=True)
def _there(redis):
    """Tell the machines, which take no fixtures, where Redis is."""
    _server[:] = [redis]


class Blocking:
    """An endpoint whose connections block until everything that was asked is answered, and published is received."""

    def __init__(self) -> None:
        self.open: list[Transport] = []

    def connect(self, factory: Any) -> Deferred[Any]:
        """Connect."""
        transport = Transport(self)
        self.open.append(transport)
        transport.protocol = factory.buildProtocol(None)
        transport.protocol.makeConnection(transport)
        return succeed(transport.protocol)

    def settle(self) -> None:
        """Read what others were sent by what was just answered: it comes before the answer to a question asked now."""
        for transport in self.open:
            if isinstance(transport.protocol, SubscriberConnection):
                transport.protocol.execute_command("PING").addErrback(lambda _: None)


class Transport:
    """One connection."""

    def __init__(self, endpoint: Blocking) -> None:
        self.protocol: Any = None
        self._endpoint = endpoint
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(str(_server[0].path))

    def write(self, data: bytes) -> None:
        """Send, and read until nothing more is owed."""
        self._socket.sendall(data)
        owing = bool(self.protocol._waiting)
        while self.protocol._waiting:
            self.protocol.dataReceived(self._socket.recv(1 << 20))
        if not (owing and isinstance(self.protocol, SubscriberConnection)):
            self._endpoint.settle()

    def abortConnection(self) -> None:
        """End it."""
        if self in self._endpoint.open:
            self._endpoint.open.remove(self)
            self._socket.close()
            self.protocol.connectionLost(Failure(ConnectionDone()))


class RedisClusterMachine(ClusterMachine):
    """The same two nodes, on Redis."""

    def make_nodes(self):
        endpoint, self.prefix = Blocking(), f"machine{next(_numbers)}"
        target = Target(prefix=self.prefix)
        adapters = [
            RedisAdapter(target, endpoint, Clock(), lambda i=i: f"node---{i}", lambda: 1.0)
            for i in range(2)
        ]
        return [Node(adapter, self.clock) for adapter in adapters]

    def occupied_channels(self, app):
        roster = self.nodes[0].adapter.roster
        return now(roster.channels(app.id)) | now(roster.channels(app.id, "#"))

    def watched_channels(self, node):
        return set(node.adapter.bus._watched.values())

    def teardown(self):
        self.clock.advance(OVERTAKEN_FOR)
        super().teardown()
        for node in self.nodes:
            now(node.adapter.stop())


class RedisLargeChannelsMachine(RedisClusterMachine, LargeChannelsMachine):
    """Many subscriptions are two, and numbers are told so rarely that what passes on Redis' own clock is nothing."""

    interval = 5000

    # What numbers are noted in ends so much sooner.
    _passing = """
    for _, note in ipairs(redis.call("KEYS", ARGV[1] .. ":counted:*")) do
        redis.call("PEXPIRE", note, redis.call("PTTL", note) - ARGV[2])
    end
    """

    def step(self, seconds):
        milliseconds = str(int(seconds * 1000))
        reply = _server[0].ask("EVAL", self._passing, "0", self.prefix, milliseconds)
        assert reply.startswith(b"$-1"), reply
        super().step(seconds)


TestRedisCluster = RedisClusterMachine.TestCase
TestRedisCluster.settings = settings(max_examples=25, stateful_step_count=30)
TestRedisLargeChannels = RedisLargeChannelsMachine.TestCase
TestRedisLargeChannels.settings = settings(max_examples=25, stateful_step_count=30)
