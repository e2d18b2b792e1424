"""The adapter on a real Redis: the contract of all adapters."""

from itertools import count

import pytest
from twisted.internet import reactor  # noqa: TID253 - these tests need a real one
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from tests.contracts.adapter import AdapterContract
from txpusher.adapters.redis import create

_numbers = count(1)


@pytest.mark.usefixtures("_redis_of_case")
class TestRedisAdapter(AdapterContract, TestCase):
    """The contract, over a UNIX socket."""

    timeout = 20

    def make_nodes(self, count):
        prefix = f"contract{next(_numbers)}"
        self.nodes_made = [
            create(f"redis+unix://{self.redis.path}?prefix={prefix}", reactor) for _ in range(count)
        ]
        return self.nodes_made

    def finish(self, test):
        return Deferred.fromCoroutine(test)

    async def settle(self):
        """What one node publishes to itself has gone the same way as everything before."""
        for node in self.nodes_made:
            if node.bus.link.connection is not None:
                node.bus.proved = False
                node.bus.prove()
                while not node.bus.proved:
                    await deferLater(reactor, 0.001)

    async def wait(self, seconds):
        await deferLater(reactor, seconds)
