"""The adapter on a real Redis: the contract of all adapters."""

from itertools import count

import pytest
from twisted.internet import reactor  # noqa: TID253 - these tests need a real one
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from tests.contracts.adapter import AdapterContract, awaited
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

    @awaited
    async def test_tokens(self):
        """A bucket lets through what it holds, fills again, and lets more than it holds through when it is full."""
        ((adapter, _),) = await self.nodes(1)
        take = adapter.limiter.take
        assert await take("a", 3, 60, 2) == (True, 1)
        passed, left = await take("a", 3, 60, 2)
        assert (passed, round(left)) == (False, 1)
        assert (await take("b", 3, 60, 1))[0]
        assert await take("c", 3, 60, 10) == (True, -7)
        assert not (await take("c", 3, 60, 1))[0]
        assert await take("d", 1, 0.05, 1) == (True, 0)
        await self.wait(0.06)
        assert (await take("d", 1, 0.05, 1))[0]

    @awaited
    async def test_tokens_of_all_nodes(self):
        """Nodes take from the same bucket."""
        first, second = (node.adapter.limiter for node in await self.nodes(2))
        assert (await first.take("a", 1, 60, 1))[0]
        assert not (await second.take("a", 1, 60, 1))[0]
