"""The outbox in a real Redis: the contract of all outboxes."""

from itertools import count
from unittest import mock

import pytest
from twisted.internet import reactor  # noqa: TID253 - these tests need a real one
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from tests.contracts.adapter import awaited
from tests.contracts.outbox import NOWHERE, QUEUE, ROOMS, OutboxContract, look, notice
from txpusher.adapters.redis import create, outbox
from txpusher.outbox import Subject, Told

_numbers = count(1)


@pytest.mark.usefixtures("_redis_of_case")
class TestRedisOutbox(OutboxContract, TestCase):
    """The contract, over a UNIX socket, with claims that soon end."""

    timeout = 20
    lease = 1.0

    def make_nodes(self, count):
        prefix = f"outbox{next(_numbers)}"
        url = f"redis+unix://{self.redis.path}?prefix={prefix}&heartbeat=0.25&lease={self.lease}"
        return [create(url, reactor) for _ in range(count)]

    def finish(self, test):
        return Deferred.fromCoroutine(test)

    @awaited
    async def test_large_events(self):
        """A queue has a bound on its bytes, too; they are counted as events come and go, and one always fits."""
        (one,) = await self.boxes(1)
        with mock.patch.object(outbox, "MOST_BYTES", 100):
            assert (
                await one.tell([notice("a", "x" * 60), notice("b", "y" * 60)], 0, 9)
            ).overflowed == [(QUEUE, "a")]
            assert (await one.tell([notice("c", "z" * 40)], 0, 9)).overflowed == []
            assert (await one.tell([notice("d", "z" * 300)], 0, 9)).overflowed == [
                (QUEUE, "b"),
                (QUEUE, "c"),
            ]
            assert await self.kinds(one) == ["d"]
            assert (await one.tell([notice("e", "z" * 90)], 0, 9)).overflowed == []

    @awaited
    async def test_while_nodes_write_anew(self):
        """What seems new may be known to another node; it is looked at again when all have said what they know."""
        (one,) = await self.boxes(1)
        other = Subject("1", "news")
        await self.come(ROOMS)
        await self.come(other)
        prefix = self.started[0]._target.prefix
        self.redis.ask("SET", f"{prefix}:hook:settling", "1", "PX", "200")
        assert await one.tell([look(ROOMS), look(other)], 0, 9) == Told([], [])
        await one.tell([look(other, known=True)], 0, 9)
        await self.wait(0.25)
        assert (await one.beat((), NOWHERE)).due == [ROOMS]
        await one.tell([look(ROOMS), look(other)], 0, 9)
        assert await self.kinds(one) == ["come"]

    async def wait(self, seconds):
        await deferLater(reactor, seconds)
