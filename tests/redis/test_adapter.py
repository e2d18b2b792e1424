"""The adapter on a real Redis: the contract of all adapters."""

from itertools import count

import pytest
from twisted.internet import reactor  # noqa: TID253 - these tests need a real one
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from tests.contracts.adapter import ANN, AdapterContract, awaited
from txpusher.adapters.redis import create
from txpusher.model import PresenceMember

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
    async def test_what_a_node_has(self):
        """Each node is told, in parts, what the roster has of it and of nobody else."""
        first, second = (node.adapter for node in await self.nodes(2))
        expected = {("1", f"news {i}", f"{i}.1") for i in range(1500)}
        for place in expected:
            await first.roster.join(*place)
        await first.roster.join("1:2", "presence-x", "1.1", ANN)
        await first.quotas.set("1", 5)
        await second.roster.join("1", "news", "2.2")
        found, cursor = set(), 0
        while not found or cursor:
            cursor, places = await first.roster.owned(cursor)
            found.update(places)
        assert found == expected | {("1:2", "presence-x", "1.1")}
        assert await second.roster.owned() == (0, [("1", "news", "2.2")])

    @awaited
    async def test_a_user_with_many_sockets(self):
        """The last of many sockets of a user takes Redis no longer than the first, and nothing is left of them."""
        roster = await self.roster()
        member = PresenceMember("ann", '"' + "x" * 2000 + '"')

        async def joined(first, last):
            before = self.used()
            for i in range(first, last):
                await roster.join("1", "presence-x", f"{i}.1", member)
            return self.used() - before

        few = await joined(0, 50)
        await joined(50, 600)
        many = await joined(600, 650)
        assert many < 4 * few, (few, many)
        for i in range(650):
            left = await roster.leave("1", "presence-x", f"{i}.1")
            assert (left.last_for_user is not None) is (i == 649)
        prefix = roster._commands.prefix.decode()
        assert b"presence-x" not in self.redis.ask("KEYS", f"{prefix}*")

    def used(self):
        """Give the microseconds that Redis has spent on scripts."""
        stats = self.redis.ask("INFO", "commandstats").decode()
        return int(stats.partition("cmdstat_evalsha:")[2].partition("usec=")[2].partition(",")[0])

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
