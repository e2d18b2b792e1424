"""Two servers on a real Redis and a real reactor, for tests of what their clients are told."""

from __future__ import annotations

import random
import secrets
from collections.abc import Awaitable, Callable
from itertools import count

from twisted.internet import reactor  # noqa: TID253 - these tests need a real one
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import TestCase

from tests.doubles import InstantClock, RecordingObserver
from tests.redis_server import RedisServer
from txpusher.adapters.redis import create
from txpusher.apps.memory import MemoryApps
from txpusher.core.clustering import ClusterNode
from txpusher.core.liveness import Liveness
from txpusher.core.registry import ChannelRegistry
from txpusher.model import App
from txpusher.protocol.activity import Timeouts

_numbers = count(1)


class Node:
    """One server, whose adapter is on the reactor and whose core has a clock that stands."""

    def __init__(self, url: str) -> None:
        self.adapter = create(url, reactor)
        self.clock = InstantClock()
        self.told = RecordingObserver()
        liveness = Liveness(Clock(), Timeouts(120, 30), random.random)
        self.registry = ChannelRegistry(
            self.adapter, self.clock, liveness, secrets.randbelow, self.told
        )


class TwoNodesCase(TestCase):
    """Runs tests with two nodes of one app."""

    timeout = 20  # seconds; Twisted's name
    app: App
    redis: RedisServer

    def run_with_nodes(self, test: Callable[[Node, Node], Awaitable[None]]) -> Deferred[None]:
        """Run a coroutine function with two started nodes."""

        async def run() -> None:
            url = (
                f"redis+unix://{self.redis.path}?prefix=two{next(_numbers)}&heartbeat=60&lease=180"
            )
            nodes = Node(url), Node(url)
            for node in nodes:
                await node.adapter.start(ClusterNode(node.registry, MemoryApps([self.app])))
            try:
                await test(*nodes)
            finally:
                for node in nodes:
                    await node.adapter.stop()

        return Deferred.fromCoroutine(run())

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        while not condition():
            await deferLater(reactor, 0.001)  # type: ignore[arg-type]
